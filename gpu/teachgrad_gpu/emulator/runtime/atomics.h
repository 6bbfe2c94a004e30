// Atomic operations. One thread runs at a time, so they are plain reads and writes during which the clock may not take
// the processor away; a thread whose operation changes nothing is probably waiting for another one and lets it run.
#pragma once
#include "half.h"
#include "vectors.h"

namespace tg {
// `Changes`: the new value depends on the old one (2: on what the caller has said that it is). `Waits`: a thread that
// waits for another one may call it again and again.
template <int Changes, bool Waits, class T, class F>
TG_INLINE T atomic(volatile T* address, int line, F change) {
    tg_now.inside = 0;
    __asm__ volatile("" ::: "memory");
#ifdef TG_CHECKED
    tg_atomic_access(address, sizeof(T), Changes, line);
#endif
    T* place = const_cast<T*>(address);
    T old;
    memcpy(&old, place, sizeof(T));
    T fresh = change(old);
    memcpy(place, &fresh, sizeof(T));
    bool idle = Waits && memcmp(&old, &fresh, sizeof(T)) == 0;
#ifdef TG_CHECKED
    tg_atomic_done();
#endif
    __asm__ volatile("" ::: "memory");
    tg_now.inside = 1;
    if (idle) tg_yield();
    return old;
}
template <class T> TG_INLINE T sum(T a, T b) { return a + b; }
TG_INLINE float2 sum(float2 a, float2 b) { return {a.x + b.x, a.y + b.y}; }
TG_INLINE float4 sum(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }

template <class T> struct Same { using type = T; };
template <class T> using same = typename Same<T>::type;  // an argument that is converted, not deduced
}  // namespace tg

#define TG_ATOMIC(name, changes, waits, expression) \
    template <class T> TG_INLINE T name(volatile T* address, tg::same<T> v, TG_LINE) { \
        return tg::atomic<changes, waits>(address, line, [=](T old) -> T { return expression; }); \
    } \
    template <class T> TG_INLINE T name##_block(volatile T* a, tg::same<T> v, TG_LINE) { return name(a, v, line); } \
    template <class T> TG_INLINE T name##_system(volatile T* a, tg::same<T> v, TG_LINE) { return name(a, v, line); }
TG_ATOMIC(atomicAdd, true, true, tg::sum(old, v))
TG_ATOMIC(atomicSub, true, true, old - v)
TG_ATOMIC(atomicMin, true, false, v < old ? v : old)
TG_ATOMIC(atomicMax, true, false, old < v ? v : old)
TG_ATOMIC(atomicExch, false, true, ((void)old, v))
TG_ATOMIC(atomicAnd, true, true, old & v)
TG_ATOMIC(atomicOr, true, true, old | v)
TG_ATOMIC(atomicXor, true, true, old ^ v)
TG_ATOMIC(atomicInc, true, false, old >= v ? 0 : old + 1)
TG_ATOMIC(atomicDec, true, false, old == 0 || old > v ? v : old - 1)
#undef TG_ATOMIC

template <class T> TG_INLINE T atomicCAS(volatile T* address, tg::same<T> compare, tg::same<T> v, TG_LINE) {
    return tg::atomic<2, true>(address, line, [=](T old) -> T {
        return memcmp(&old, &compare, sizeof(T)) == 0 ? v : old;
    });
}
template <class T> TG_INLINE T atomicCAS_block(volatile T* address, tg::same<T> compare, tg::same<T> v, TG_LINE) {
    return atomicCAS(address, compare, v, line);
}
template <class T> TG_INLINE T atomicCAS_system(volatile T* address, tg::same<T> compare, tg::same<T> v, TG_LINE) {
    return atomicCAS(address, compare, v, line);
}
