// From a __global__ function to an entry that the worker can start.
#pragma once
#include "builtins.h"

namespace tg {
template <class T> constexpr tg_parameter parameter_of() {
    using Target = std::remove_pointer_t<T>;
    return {std::is_pointer<T>::value, std::is_const<Target>::value,
            std::is_floating_point<T>::value ? 1 : std::is_integral<T>::value || std::is_enum<T>::value ? 0 : 2,
            (unsigned)sizeof(T), type_name<T>()};
}

TG_INLINE void inside(bool now) {
    __asm__ volatile("" ::: "memory");
    tg_now.inside = now;
    __asm__ volatile("" ::: "memory");
}

// Take the next thread of the block: divisions are spared where threads start in order.
TG_INLINE void start_next() {
    unsigned* index = tg_now.index;
    if (tg_now.order) {
        unsigned thread = tg_now.order[tg_now.next++];
        tg_now.current = thread;
        threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
        return;
    }
    tg_now.current = tg_now.next++;
    threadIdx = {index[0], index[1], index[2]};
    if (++index[0] < blockDim.x) return;
    index[0] = 0;
    if (++index[1] < blockDim.y) return;
    index[1] = 0;
    index[2]++;
}

template <auto Kernel> struct Entry;

template <class... P, void (*Kernel)(P...)> struct Entry<Kernel> {
    static constexpr tg_parameter parameters[sizeof...(P) + 1] = {parameter_of<std::remove_cv_t<P>>()..., {}};

    TG_INLINE void call(P... arguments) {
        inside(true);
        Kernel(arguments...);
        inside(false);
    }
    template <size_t... I> TG_INLINE void threads(void** arguments, std::index_sequence<I...>) {
        blockIdx = {tg_now.block[0], tg_now.block[1], tg_now.block[2]};
        blockDim = {tg_now.block_dim[0], tg_now.block_dim[1], tg_now.block_dim[2]};
        gridDim = {tg_now.grid_dim[0], tg_now.grid_dim[1], tg_now.grid_dim[2]};
        while (tg_now.next < tg_now.threads) {
            start_next();
            call(*static_cast<std::remove_cv_t<P>*>(arguments[I])...);
            unsigned thread = tg_now.current;
            tg_now.alive[thread / 32] &= ~(1u << thread % 32);
            tg_now.exited++;
#ifdef TG_CHECKED
            tg_exit();
#else
            if (tg_now.suspended) tg_exit();
#endif
        }
    }
    static void body(void** arguments) { threads(arguments, std::index_sequence_for<P...>()); }
    static constexpr tg_entry named(const char* name) { return {name, body, sizeof...(P), parameters}; }
};

static void save_index(unsigned* index) { index[0] = threadIdx.x, index[1] = threadIdx.y, index[2] = threadIdx.z; }
static void restore_index(const unsigned* index) {
    threadIdx = {index[0], index[1], index[2]};
    blockIdx = {tg_now.block[0], tg_now.block[1], tg_now.block[2]};
}
}  // namespace tg
