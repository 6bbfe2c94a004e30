// Which access happens before which: the order that barriers, warps, and fences with atomics make.
//
// A thread's time is a pair (epoch, count) in 64 bits. The epoch counts the barriers of its block; the count grows when
// the thread takes part in __syncwarp or passes a fence. An access of another thread happens before one of mine if
//   - it is of my block, from an earlier epoch: a barrier lies between;
//   - it is of my warp, and I have met that lane in __syncwarp since;
//   - I have acquired it: the other thread passed a fence and then changed something atomically, or a flag that is
//     volatile, which I then read.
#pragma once
#include <stdint.h>
#include <unordered_map>
#include <vector>

#include "scheduler.h"

namespace tg {
// What a thread knows to have happened in other blocks and warps.
struct Knowledge {
    std::unordered_map<uint32_t, uint32_t> epochs;  // of a block: everything before this epoch
    std::unordered_map<uint64_t, uint64_t> times;   // of a thread: everything up to this time

    bool empty() const { return epochs.empty() && times.empty(); }
    void clear() { epochs.clear(), times.clear(); }
    void learn(const Knowledge& other);
    void learn_time(uint64_t thread, uint64_t time);
    void learn_epoch(uint32_t block, uint32_t epoch);
    bool covers(uint32_t block, uint32_t thread, uint64_t time) const;
};

// The clocks of the threads of one block.
struct Clock {
    uint64_t time;
    uint64_t lanes[32];       // of the lanes of my warp: up to when I know them
    Knowledge acquired;       // since the last barrier
    Knowledge fenced[2];      // what I may pass on, by a fence for the block, and for the device
};
struct BlockClocks {
    std::vector<Clock> threads;
    Knowledge acquired_by_all, fenced_by_all[2];              // up to the last barrier
    std::unordered_map<uintptr_t, Knowledge> released;        // within the block
    uint32_t block = 0, epoch = 0;
};

void exchange_clocks(BlockClocks& others);        // go on with those of another block
void clocks_launch();
void clocks_block();                              // a block begins
void clocks_barrier();                            // all its threads have met
void clocks_grid();                               // so have those of all blocks: called for each, after clocks_barrier
void clocks_warp(unsigned warp, unsigned lanes);  // these lanes have met
void clocks_fence(int scope);                     // the current thread passes a fence
void clocks_atomic(uintptr_t address);            // the current thread reads and changes something atomically
void clocks_volatile(uintptr_t address, bool writes);  // it reads a flag, or sets one
bool has_fenced();                                // the current thread has something to pass on
uint64_t time_now();                              // of the current thread
uint32_t block_number();                          // blocks count from 1
bool happens_before(uint32_t block, uint32_t thread, uint64_t time);  // the current thread's present
}  // namespace tg
