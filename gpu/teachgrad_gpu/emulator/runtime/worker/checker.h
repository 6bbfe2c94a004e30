// Watching every access of a checked kernel: is it inside of an array, is it ordered, has somebody written what it
// reads?
#pragma once
#include <stdint.h>
#include <string>
#include <vector>

#include "../interface.h"
#include "findings.h"
#include "scheduler.h"

namespace tg {
void watch(uintptr_t address, unsigned size, int kind, uint64_t site, bool aligned);  // an access is about to happen
void watch_free(const Region& piece, uint64_t site);  // the current thread gives it back
bool somebody_was_stopped();                // a thread of this launch could not go on
void check_launch(const std::vector<Region>& arguments);
void check_block_begins();
void check_block_ends();
void check_barrier(State waiting);         // all threads that are left wait at a barrier: of the block, of the grid
void check_grid();                         // called for each block after check_barrier: all blocks have met
void check_warp(unsigned warp, unsigned lanes, int kind);
void check_exit(unsigned thread);          // a thread has returned
void check_shared_array(unsigned index);   // a __shared__ array has got its place
void check_lanes(unsigned lane, unsigned source, unsigned here, int line);  // a shuffle from a lane that is not here
bool is_elsewhere(uintptr_t address);      // memory of the program itself: stacks, its own variables
uint64_t image_size(uintptr_t base);        // of the library that begins there
void find_images();                        // where its own variables are
std::string check_report();                // all that a checked launch tells of itself, as text
void settle_write();                       // the write that was announced last has happened
}  // namespace tg
