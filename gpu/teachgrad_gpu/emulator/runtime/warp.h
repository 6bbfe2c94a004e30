// What the 32 threads of a warp do together: shuffles, votes, matches, reductions.
#pragma once
#include "vectors.h"

namespace tg {
TG_INLINE unsigned lane() { return tg_now.current % 32; }

template <tg_operation Operation = TG_SHUFFLE, class T>
TG_INLINE T shuffle(unsigned mask, T value, int source, int line) {
    static_assert(sizeof(T) <= 16 && std::is_trivially_copyable<T>::value, "a shuffle moves 16 plain bytes at most");
    alignas(16) char moved[16];
    memcpy(moved, &value, sizeof(T));
    tg_warp(Operation, mask, source, moved, sizeof(T), line);
    T result;
    memcpy(&result, moved, sizeof(T));
    return result;
}

template <class T> TG_INLINE T together(tg_operation operation, unsigned mask, T value, int line) {
    unsigned long long moved = (unsigned long long)value;
    tg_warp(operation, mask, 0, &moved, sizeof(T), line);
    return (T)moved;
}
}  // namespace tg

TG_INLINE void __syncwarp(unsigned mask = 0xffffffffu, TG_LINE) { tg_warp(TG_SYNC, mask, 0, nullptr, 0, line); }
TG_INLINE unsigned __activemask(TG_LINE) { return tg_active(line); }

// A segment of `width` lanes is a warp of its own; a lane that would read outside of it keeps its value.
template <class T> TG_INLINE T __shfl_sync(unsigned mask, T value, int source, int width = 32, TG_LINE) {
    return tg::shuffle(mask, value, (tg::lane() & ~(width - 1)) | (source & (width - 1)), line);
}
template <class T> TG_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, TG_LINE) {
    int lane = tg::lane(), within = lane & (width - 1);
    return tg::shuffle<TG_SHIFT>(mask, value, within < (int)delta ? lane : lane - (int)delta, line);
}
template <class T> TG_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, TG_LINE) {
    int lane = tg::lane(), within = lane & (width - 1);
    return tg::shuffle<TG_SHIFT>(mask, value, within + (int)delta >= width ? lane : lane + (int)delta, line);
}
template <class T> TG_INLINE T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, TG_LINE) {
    int lane = tg::lane(), source = lane ^ lanes;
    // Lower segments may be read, higher ones not.
    return tg::shuffle(mask, value, source >= (lane & ~(width - 1)) + width ? lane : source, line);
}

TG_INLINE unsigned __ballot_sync(unsigned mask, int predicate, TG_LINE) {
    return tg::together<unsigned>(TG_BALLOT, mask, predicate != 0, line);
}
TG_INLINE int __any_sync(unsigned mask, int predicate, TG_LINE) {
    return tg::together<unsigned>(TG_BALLOT, mask, predicate != 0, line) != 0;
}
TG_INLINE int __all_sync(unsigned mask, int predicate, TG_LINE) {
    return tg::together<unsigned>(TG_BALLOT, mask, predicate == 0, line) == 0;
}

namespace tg {
template <class T> TG_INLINE unsigned long long bits_of(T value) {
    unsigned long long bits = 0;
    memcpy(&bits, &value, sizeof(T));
    return bits;
}
}  // namespace tg
template <class T> TG_INLINE unsigned __match_any_sync(unsigned mask, T value, TG_LINE) {
    unsigned long long moved = tg::bits_of(value);
    tg_warp(TG_MATCH_ANY, mask, 0, &moved, sizeof moved, line);
    return (unsigned)moved;
}
template <class T> TG_INLINE unsigned __match_all_sync(unsigned mask, T value, int* equal, TG_LINE) {
    unsigned long long moved = tg::bits_of(value);
    tg_warp(TG_MATCH_ALL, mask, 0, &moved, sizeof moved, line);
    *equal = moved != 0;
    return (unsigned)moved;
}

#define TG_REDUCE(name, T, operation) \
    TG_INLINE T __reduce_##name##_sync(unsigned mask, T v, TG_LINE) { \
        return (T)tg::together(operation, mask, (unsigned)v, line); \
    }
TG_REDUCE(add, unsigned, TG_REDUCE_ADD)
TG_REDUCE(add, int, TG_REDUCE_ADD)
TG_REDUCE(min, unsigned, TG_REDUCE_MIN)
TG_REDUCE(min, int, TG_REDUCE_MIN_SIGNED)
TG_REDUCE(max, unsigned, TG_REDUCE_MAX)
TG_REDUCE(max, int, TG_REDUCE_MAX_SIGNED)
TG_REDUCE(and, unsigned, TG_REDUCE_AND)
TG_REDUCE(or, unsigned, TG_REDUCE_OR)
TG_REDUCE(xor, unsigned, TG_REDUCE_XOR)
#undef TG_REDUCE
