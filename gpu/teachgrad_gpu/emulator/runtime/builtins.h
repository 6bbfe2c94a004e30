// The words that CUDA adds to C++: qualifiers, indices, barriers, fences.
#pragma once
#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "interface.h"

#define __CUDACC__ 1
#define __CUDA_ARCH__ 800
#define TEACHGRAD_EMULATOR 1
#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __inline__ inline
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))
#define warpSize 32
#define TG_INLINE static inline __attribute__((always_inline))
#define TG_LINE int line = __builtin_LINE()  // as a default argument: the line of the call

namespace tg {
template <class T> constexpr const char* type_name() { return __PRETTY_FUNCTION__; }
// Types all of whose bytes matter: numbers and vectors of them. A struct may have padding.
template <class T> struct plain : std::is_scalar<T> {};
}

struct uint3 { unsigned int x, y, z; };
struct dim3 {
    unsigned int x, y, z;
    constexpr dim3(unsigned int a = 1, unsigned int b = 1, unsigned int c = 1) : x(a), y(b), z(c) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
    constexpr operator uint3() const { return {x, y, z}; }
};

// They are static, so that a compiler keeps them in registers; whenever a thread goes on, the worker puts its index
// back.
static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;

TG_INLINE void __syncthreads(TG_LINE) { tg_barrier(TG_PLAIN, 0, line); }
TG_INLINE int __syncthreads_count(int predicate, TG_LINE) { return tg_barrier(TG_COUNT, predicate, line); }
TG_INLINE int __syncthreads_and(int predicate, TG_LINE) { return tg_barrier(TG_AND, predicate, line); }
TG_INLINE int __syncthreads_or(int predicate, TG_LINE) { return tg_barrier(TG_OR, predicate, line); }

TG_INLINE void __threadfence_block() { tg_fence(0); }
TG_INLINE void __threadfence() { tg_fence(1); }
TG_INLINE void __threadfence_system() { tg_fence(2); }
TG_INLINE void __nanosleep(unsigned) { tg_yield(); }
TG_INLINE void __trap(TG_LINE) { tg_trap("trap", "", line); }
TG_INLINE void __brkpt() {}
TG_INLINE long long clock64() { return tg_clock(); }
TG_INLINE int clock() { return (int)tg_clock(); }
TG_INLINE unsigned long long globaltimer() { return (unsigned long long)tg_clock(); }

#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) ((condition) ? (void)0 : tg_trap("assert", #condition, __LINE__))
#endif
#define printf(...) tg_printf(__VA_ARGS__)
#define __assume(condition) ((void)0)
#define __builtin_assume(condition) ((void)0)
