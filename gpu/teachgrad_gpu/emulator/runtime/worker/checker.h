// Watching every access of a checked kernel: is it inside of an array, is it ordered, has somebody written what it
// reads?
#pragma once
#include <stdint.h>
#include <string>
#include <vector>

#include "../interface.h"
#include "regions.h"
#include "scheduler.h"

namespace tg {
enum Kind : uint8_t {
    READ = 0, WRITE = 1, ATOMIC = 2, VOLATILE = 4,
    CHANGES = 8,   // the old value matters
    COMPARES = 16,  // and is compared with what the thread took it to be
    FREES = 32      // a write after which nothing is there
};

// Something that is wrong, once for each pair of places; `count` says how often.
struct Finding {
    std::string kind, message;
    uint64_t site, other_site;
    unsigned block[3], thread[3], other_block[3], other_thread[3];
    char origin;
    int number;
    int64_t offset;
    uint64_t count;
};

void watch(uintptr_t address, unsigned size, int kind, uint64_t site, bool aligned);  // an access is about to happen
void watch_free(const Region& piece, uint64_t site);  // the current thread gives it back
Finding finding_here(const char* kind, uint64_t site, const Region* region, uintptr_t address);
void forget_findings();
uint64_t barriers_met();                    // by the first block
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
void settle_write();                       // the write that was announced last has happened
void report_failure();                     // what ended the launch is a finding
std::string check_report();                // findings and counters as text

uint64_t site_of_line(int line);
void report(Finding finding);
}  // namespace tg
