// Cooperative groups: threads that do something together, as objects. The grid, a block, a tile of 1 to 32 lanes of a
// warp, and the lanes that happen to be together.
#pragma once
#include "atomics.h"
#include "copies.h"
#include "intrinsics.h"
#include "warp.h"

namespace cooperative_groups {

// A group of lanes of one warp, known by its mask. Ranks count the lanes in it from the lowest.
struct tg_lanes {
    unsigned mask;

    unsigned thread_rank() const { return __builtin_popcount(mask & ((1u << tg::lane()) - 1)); }
    unsigned size() const { return __builtin_popcount(mask); }
    unsigned num_threads() const { return size(); }
    int lane_of(unsigned rank) const {
        unsigned rest = mask;
        while (rest && rank--) rest &= rest - 1;
        return rest ? __builtin_ctz(rest) : (int)tg::lane();
    }
    void sync(TG_LINE) const { tg_warp(TG_SYNC, mask, 0, nullptr, 0, line); }
    template <class T> T shfl(T value, int rank, TG_LINE) const {
        return tg::shuffle(mask, value, lane_of(rank % size()), line);
    }
    template <class T> T shfl_down(T value, unsigned delta, TG_LINE) const {
        unsigned rank = thread_rank();
        return tg::shuffle<TG_SHIFT>(mask, value, lane_of(rank + delta < size() ? rank + delta : rank), line);
    }
    template <class T> T shfl_up(T value, unsigned delta, TG_LINE) const {
        unsigned rank = thread_rank();
        return tg::shuffle<TG_SHIFT>(mask, value, lane_of(rank >= delta ? rank - delta : rank), line);
    }
    template <class T> T shfl_xor(T value, unsigned bits, TG_LINE) const {
        unsigned rank = thread_rank() ^ bits;
        return tg::shuffle(mask, value, lane_of(rank < size() ? rank : thread_rank()), line);
    }
    int any(int predicate, TG_LINE) const { return __any_sync(mask, predicate, line); }
    int all(int predicate, TG_LINE) const { return __all_sync(mask, predicate, line); }
    unsigned ballot(int predicate, TG_LINE) const { return packed(__ballot_sync(mask, predicate, line)); }
    template <class T> unsigned match_any(T value, TG_LINE) const {
        return packed(__match_any_sync(mask, value, line));
    }
    template <class T> unsigned match_all(T value, int& equal, TG_LINE) const {
        return packed(__match_all_sync(mask, value, &equal, line));
    }
    // Bits of lanes as bits of ranks.
    unsigned packed(unsigned lanes) const {
        unsigned bits = 0, rank = 0;
        for (unsigned rest = mask; rest; rest &= rest - 1, rank++) bits |= (lanes >> __builtin_ctz(rest) & 1u) << rank;
        return bits;
    }
};

struct thread_block {
    static void sync(TG_LINE) { tg_barrier(TG_PLAIN, 0, line); }
    static unsigned thread_rank() { return tg_now.current; }
    static unsigned size() { return tg_now.threads; }
    static unsigned num_threads() { return tg_now.threads; }
    static dim3 group_index() { return blockIdx; }
    static dim3 thread_index() { return threadIdx; }
    static dim3 dim_threads() { return blockDim; }
    static dim3 group_dim() { return blockDim; }
};
TG_INLINE thread_block this_thread_block() { return {}; }

// All threads of the launch. Its barrier needs a launch that is cooperative: all blocks are there at once.
struct grid_group {
    static void sync(TG_LINE) { tg_grid_barrier(line); }
    static bool is_valid() { return tg_is_cooperative() != 0; }
    static unsigned long long num_blocks() { return (unsigned long long)gridDim.x * gridDim.y * gridDim.z; }
    static unsigned long long block_rank() {
        return ((unsigned long long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    }
    static unsigned long long thread_rank() { return block_rank() * tg_now.threads + tg_now.current; }
    static unsigned long long size() { return num_blocks() * tg_now.threads; }
    static unsigned long long num_threads() { return size(); }
    static dim3 group_dim() { return gridDim; }
    static dim3 dim_blocks() { return gridDim; }
    static dim3 block_index() { return blockIdx; }
};
TG_INLINE grid_group this_grid() { return {}; }

struct thread_group : tg_lanes {};

template <unsigned Size, class Parent = void> struct thread_block_tile : tg_lanes {
    static_assert(Size <= 32 && (Size & (Size - 1)) == 0, "the emulator has tiles of 1, 2, 4, 8, 16 and 32 threads");
    thread_block_tile() = default;
    template <class Other> thread_block_tile(const thread_block_tile<Size, Other>& same) : tg_lanes{same.mask} {}
    unsigned thread_rank() const { return tg::lane() % Size; }
    static constexpr unsigned size() { return Size; }
    static constexpr unsigned num_threads() { return Size; }
    unsigned meta_group_rank() const { return tg_now.current / Size; }
    unsigned meta_group_size() const { return (tg_now.threads + Size - 1) / Size; }
};
struct coalesced_group : tg_lanes {
    unsigned meta_group_rank() const { return 0; }
    unsigned meta_group_size() const { return 1; }
};

template <unsigned Size, class Parent> TG_INLINE thread_block_tile<Size, Parent> tiled_partition(const Parent&) {
    unsigned all = Size == 32 ? ~0u : (1u << (Size & 31)) - 1, first = tg::lane() & ~(Size - 1);
    thread_block_tile<Size, Parent> tile;
    tile.mask = all << first;
    unsigned warp = tg_now.current / 32 * 32;  // the last warp of a block may have fewer lanes
    if (tg_now.threads - warp < 32) tile.mask &= (1u << (tg_now.threads - warp)) - 1;
    return tile;
}
template <class Parent> TG_INLINE thread_group tiled_partition(const Parent& parent, unsigned size) {
    thread_group group;
    group.mask = size == 32 ? tiled_partition<32>(parent).mask : ((1u << size) - 1) << (tg::lane() & ~(size - 1));
    return group;
}
TG_INLINE coalesced_group coalesced_threads(TG_LINE) { return {{tg_active(line)}}; }
template <class Group> TG_INLINE coalesced_group binary_partition(const Group& group, bool predicate, TG_LINE) {
    unsigned yes = __ballot_sync(group.mask, predicate, line);
    return {{predicate ? yes : group.mask & ~yes}};
}
template <class Group, class T> TG_INLINE coalesced_group labeled_partition(const Group& group, T label, TG_LINE) {
    return {{__match_any_sync(group.mask, label, line)}};
}
// A copy in the background, of which each thread of the group does its part.
template <class Group>
TG_INLINE void memcpy_async(const Group& group, void* to, const void* from, size_t size, TG_LINE) {
    size_t step = 4 * group.size();
    for (size_t at = 4 * group.thread_rank(); at < size; at += step)
        tg::copy_async((char*)to + at, (const char*)from + at, size - at < 4 ? size - at : 4, 0, line);
    tg::copy_commit();
}
template <class Group> TG_INLINE void wait(const Group& group, TG_LINE) { tg::copy_wait(0), group.sync(line); }
template <unsigned But, class Group> TG_INLINE void wait_prior(const Group& group, TG_LINE) {
    tg::copy_wait(But), group.sync(line);
}
template <class Group> TG_INLINE void sync(const Group& group, TG_LINE) { group.sync(line); }

template <class T = void> struct plus { T operator()(T a, T b) const { return a + b; } };
template <class T = void> struct less { T operator()(T a, T b) const { return b < a ? b : a; } };
template <class T = void> struct greater { T operator()(T a, T b) const { return a < b ? b : a; } };
template <class T = void> struct bit_and { T operator()(T a, T b) const { return a & b; } };
template <class T = void> struct bit_or { T operator()(T a, T b) const { return a | b; } };
template <class T = void> struct bit_xor { T operator()(T a, T b) const { return a ^ b; } };

// Every lane gets the result. Neighbours are combined first, as a device does it.
template <class Group, class T, class Operation>
TG_INLINE T reduce(const Group& group, T value, Operation operation, TG_LINE) {
    unsigned size = group.size(), rank = group.thread_rank();
    unsigned step = 1;
    while (step < size) step *= 2;
    for (step /= 2; step > 0; step /= 2) {
        T other = group.shfl_down(value, step, line);
        if (rank + step < size && rank < step) value = operation(value, other);
    }
    return group.shfl(value, 0, line);
}
template <class Group, class T, class Operation>
TG_INLINE T inclusive_scan(const Group& group, T value, Operation operation, TG_LINE) {
    unsigned rank = group.thread_rank();
    for (unsigned step = 1; step < group.size(); step *= 2) {
        T other = group.shfl_up(value, step, line);
        if (rank >= step) value = operation(other, value);
    }
    return value;
}
template <class Group, class T> TG_INLINE T inclusive_scan(const Group& group, T value, TG_LINE) {
    return inclusive_scan(group, value, plus<T>(), line);
}
template <class Group, class T> TG_INLINE T exclusive_scan(const Group& group, T value, TG_LINE) {
    T before = group.shfl_up(inclusive_scan(group, value, plus<T>(), line), 1, line);
    return group.thread_rank() ? before : T(0);
}
}  // namespace cooperative_groups
