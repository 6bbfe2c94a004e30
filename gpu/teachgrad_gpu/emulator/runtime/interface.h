// What a compiled kernel and the worker process know of each other.
//
// A kernel's source becomes a shared library; the worker loads it, and the few functions below, which the worker
// defines, are all that the library calls. A block of CUDA threads runs on one thread of the machine: each CUDA thread
// that has to wait gets a stack of its own (a fiber), and whoever waits hands the processor to the next one.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TG_EXPORT __attribute__((visibility("default")))
#endif

extern "C" {

// Where the block that runs now stands.
struct tg_block {
    unsigned next;          // how many of its threads have been started
    unsigned threads;       // how many it has
    unsigned current;       // the number of the thread that runs, x fastest
    unsigned exited;        // how many have returned
    unsigned suspended;     // how many wait on a fiber of their own
    volatile int inside;    // the kernel's own code runs: the clock may take the processor from it
    const unsigned* order;  // in which order threads start; null: as they are numbered
    unsigned index[3];      // threadIdx of the next thread, if they start as they are numbered
    unsigned* alive;        // for each warp a bit for each lane that has not returned
    unsigned block[3], block_dim[3], grid_dim[3];
    unsigned shared;        // bytes of dynamic shared memory
};
extern TG_EXPORT struct tg_block tg_now;
extern TG_EXPORT char tg_dynamic[];  // dynamic shared memory begins here

// Operations of a warp: every lane named in `mask` that has not returned must come, with the same mask and operation.
enum tg_operation {
    TG_SYNC, TG_SHUFFLE, TG_SHIFT, TG_BALLOT, TG_MATCH_ANY, TG_MATCH_ALL,
    TG_REDUCE_ADD, TG_REDUCE_MIN, TG_REDUCE_MAX, TG_REDUCE_MIN_SIGNED, TG_REDUCE_MAX_SIGNED,
    TG_REDUCE_AND, TG_REDUCE_OR, TG_REDUCE_XOR,
    TG_ACTIVE  // who is here: the lanes that wait at the same line when none of the others can go on
};
// TG_SHIFT is a shuffle up or down, of which lanes at the edge ignore the answer.
// `value` (of `size` bytes, at most 16) is what this lane brings; `source` the lane a shuffle reads; the answer
// replaces `value`.
TG_EXPORT void tg_warp(enum tg_operation operation, unsigned mask, int source, void* value, unsigned size, int line);
TG_EXPORT unsigned tg_active(int line);  // __activemask()

enum tg_barrier_kind { TG_PLAIN, TG_COUNT, TG_AND, TG_OR };
TG_EXPORT int tg_barrier(enum tg_barrier_kind kind, int predicate, int line);
TG_EXPORT void tg_grid_barrier(int line);              // of all blocks, in a cooperative launch
TG_EXPORT int tg_is_cooperative(void);
TG_EXPORT void tg_exit(void);                          // a thread returns while others wait
TG_EXPORT void tg_yield(void);                         // let others run: the thread spins
TG_EXPORT void tg_fence(int scope);                    // 0: block, 1: device, 2: system
TG_EXPORT void* tg_malloc(size_t size, const void* from, int line);  // without a line, by the place of the call
TG_EXPORT void tg_free(void* memory, const void* from, int line);
TG_EXPORT void tg_trap(const char* why, const char* text, int line);
TG_EXPORT int tg_printf(const char* format, ...);
TG_EXPORT long long tg_clock(void);

// A static __shared__ array gets its place when a thread first passes its declaration, which an address stands for.
TG_EXPORT unsigned tg_reserve(const void* declaration, const char* name, const char* type, unsigned size,
                              unsigned align, unsigned element, int plain, const unsigned* shape, int line);
extern TG_EXPORT char tg_static[];

// What checking builds call besides. An atomic operation sets a new value (0), changes
// the old one (1), or compares before it does (2).
TG_EXPORT void tg_atomic_access(const volatile void* address, unsigned size, int changes, int line);
TG_EXPORT void tg_copy(void* to, const void* from, size_t size, int line);  // memcpy and memset, watched
TG_EXPORT void tg_fill(void* to, int value, size_t size, int line);
TG_EXPORT void tg_atomic_done(void);
TG_EXPORT void tg_copy_async(void* to, const void* from, size_t size, size_t zeros, int line);  // done when waited for
TG_EXPORT void tg_copy_commit(void);
TG_EXPORT void tg_copy_wait(size_t but);  // for all but the last batches

// What a library says of itself.
struct tg_parameter { int pointer, constant, floating; unsigned size; const char* type; };
struct tg_entry {
    const char* name;
    void (*body)(void** arguments);   // starts threads of the block until there are none left
    unsigned count;
    const struct tg_parameter* parameters;
};
struct tg_symbol {
    const char* name;
    void* address;
    size_t size;
    int constant;
    unsigned element, shape[3];
    const char* type;  // as the compiler spells a function that has it
};
struct tg_span { const char *low, *high; };  // memory of which nothing but the variables in it may be touched
struct tg_library {
    const struct tg_entry* entries;
    unsigned entry_count;
    const struct tg_symbol* symbols;  // __constant__ and __device__ variables
    unsigned symbol_count;
    void (*save)(unsigned* index);    // threadIdx, which belongs to the library
    void (*restore)(const unsigned* index);  // and blockIdx
    const tg_span* spans;             // two of them in a checking build, else null
};
}
