// All of CUDA C++ that the emulator has. It stands before every kernel.
#pragma once
#include "builtins.h"
#include "variables.h"
#include "vectors.h"
#include "shared.h"
#include "heap.h"
#include "warp.h"
#include "intrinsics.h"
#include "simd.h"
#include "special.h"
#include "atomics.h"
#include "copies.h"
#include "atomic_ref.h"
#include "cooperative_groups.h"
#include "wmma.h"
#include "launch.h"

#ifdef TG_CHECKED
#define memcpy(to, from, size) tg_copy(to, from, size, __LINE__)
#define memset(to, value, size) tg_fill(to, value, size, __LINE__)
#endif
