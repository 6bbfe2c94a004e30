// The heap of the device. The worker keeps it, and knows who has taken what.
#pragma once
#include <new>

#include "builtins.h"
#include "shared.h"

#define malloc(size) tg_malloc(size, nullptr, __LINE__)
#define free(memory) tg_free(memory, nullptr, __LINE__)

// `new` gives null where there is no room, as on a device.
#define TG_HEAP __attribute__((noinline)) TG_UNCOUNTED
TG_HEAP void* operator new(size_t size) { return tg_malloc(size, __builtin_return_address(0), 0); }
TG_HEAP void* operator new[](size_t size) { return tg_malloc(size, __builtin_return_address(0), 0); }
TG_HEAP void operator delete(void* memory) noexcept { tg_free(memory, __builtin_return_address(0), 0); }
TG_HEAP void operator delete[](void* memory) noexcept { tg_free(memory, __builtin_return_address(0), 0); }
TG_HEAP void operator delete(void* memory, size_t) noexcept { tg_free(memory, __builtin_return_address(0), 0); }
TG_HEAP void operator delete[](void* memory, size_t) noexcept { tg_free(memory, __builtin_return_address(0), 0); }
#undef TG_HEAP
