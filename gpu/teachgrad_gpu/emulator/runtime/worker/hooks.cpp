// What checking builds call: the functions of the compiler's thread sanitizer and of its coverage, which are ours here.
#include <algorithm>
#include <string.h>

#include "checker.h"
#include "clocks.h"
#include "counting.h"
#include "events.h"
#include "scheduler.h"

namespace tg {
// Whether a thread reads a flag again and again: it waits for another one.
static bool spins(uintptr_t address, int kind, uint64_t site) {
    if (kind != (READ | VOLATILE)) return false;
    Thread& t = threads[tg_now.current];
    bool again = t.flag == address && t.flag_site == site;
    t.flag = address, t.flag_site = site;
    return again;
}

static inline void hook(void* p, unsigned size, int kind, void* from, bool aligned) {
    if (!tg_now.inside) return;
    if (expired) {
        Outside now;
        expire((uint64_t)from - launch.base);
    }
    uintptr_t address = (uintptr_t)p;
    if (const Fiber* f = running_fiber(); f && address - (uintptr_t)f->stack < STACK) return;
    Outside now;
    uint64_t site = (uint64_t)from - launch.base;
    if (due || spins(address, kind, site)) {
        due = false;
        suspend(State::READY);
    }
    watch(address, size, kind, site, aligned);
    if (kind & VOLATILE) clocks_volatile(address, kind & WRITE);
}
}  // namespace tg

using namespace tg;

void tg_atomic_access(const volatile void* address, unsigned size, int changes, int line) {
    int kind = WRITE | ATOMIC | (changes ? CHANGES : 0) | (changes == 2 ? COMPARES : 0);
    watch((uintptr_t)address, size, kind, site_of_line(line), true);
    clocks_atomic((uintptr_t)address);
}
void tg_atomic_done() { settle_write(); }

void tg_copy(void* to, const void* from, size_t size, int line) {
    Outside now;
    uint64_t site = site_of_line(line);
    size_t low = (uintptr_t)to | (uintptr_t)from | size;  // 16 bytes at once, where all is a multiple of that
    size_t piece = low % 16 == 0 ? 16 : low % 8 == 0 ? 8 : 4;
    for (size_t i = 0; i < size; i += piece)
        watch((uintptr_t)from + i, std::min(piece, size - i), READ, site, false);
    for (size_t i = 0; i < size; i += piece)
        watch((uintptr_t)to + i, std::min(piece, size - i), WRITE, site, false);
    settle_write();
    memcpy(to, from, size);
}

void tg_fill(void* to, int value, size_t size, int line) {
    Outside now;
    uint64_t site = site_of_line(line);
    for (size_t i = 0; i < size; i += 4) watch((uintptr_t)to + i, std::min<size_t>(4, size - i), WRITE, site, false);
    settle_write();
    memset(to, value, size);
}

#define FROM __builtin_return_address(0)
#define HOOKS(n) \
    extern "C" TG_EXPORT void __tsan_read##n(void* p) { hook(p, n, READ, FROM, true); } \
    extern "C" TG_EXPORT void __tsan_write##n(void* p) { hook(p, n, WRITE, FROM, true); } \
    extern "C" TG_EXPORT void __tsan_volatile_read##n(void* p) { hook(p, n, READ | VOLATILE, FROM, true); } \
    extern "C" TG_EXPORT void __tsan_volatile_write##n(void* p) { hook(p, n, WRITE | VOLATILE, FROM, true); } \
    extern "C" TG_EXPORT void __tsan_unaligned_read##n(void* p) { hook(p, n, READ, FROM, false); } \
    extern "C" TG_EXPORT void __tsan_unaligned_write##n(void* p) { hook(p, n, WRITE, FROM, false); } \
    extern "C" TG_EXPORT void __tsan_unaligned_volatile_read##n(void* p) { hook(p, n, READ | VOLATILE, FROM, false); } \
    extern "C" TG_EXPORT void __tsan_unaligned_volatile_write##n(void* p) { hook(p, n, WRITE | VOLATILE, FROM, false); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
extern "C" {
TG_EXPORT void __tsan_read_range(void* p, size_t n) { hook(p, n, READ, FROM, false); }
TG_EXPORT void __tsan_write_range(void* p, size_t n) { hook(p, n, WRITE, FROM, false); }
TG_EXPORT void __tsan_init() {}
TG_EXPORT void __tsan_func_entry(void*) {}
TG_EXPORT void __tsan_func_exit() {}
TG_EXPORT void __tsan_vptr_update(void**, void*) {}
TG_EXPORT void __tsan_vptr_read(void**) {}
TG_EXPORT void __sanitizer_cov_trace_pc() {
    if (!tg_now.inside) return;
    Outside now;
    count_line((uint64_t)FROM - launch.base);
    record_line((uint64_t)FROM - launch.base);
}
}
