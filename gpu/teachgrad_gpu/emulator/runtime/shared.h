// Shared memory. The loader rewrites `__shared__ float s[32];` to `float (&s)[32] = TG_SHARED(s);`, a reference into the
// memory of the block, and `extern __shared__ float s[];` to a pointer to the dynamic part. No constructor runs, and
// nothing is set to zero, as on a device.
#pragma once
#include "builtins.h"

#define TG_SHARED(name) \
    ([]() -> std::remove_reference_t<decltype(name)>& { \
        using Type = std::remove_reference_t<decltype(name)>; \
        static const unsigned place = tg_reserve(#name, sizeof(Type), alignof(Type), __LINE__); \
        return *reinterpret_cast<Type*>(tg_static + place); \
    }())
