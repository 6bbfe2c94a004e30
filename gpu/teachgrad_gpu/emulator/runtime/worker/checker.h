// Watching every access of a checked kernel: is it inside of an array, is it ordered, has somebody written what it
// reads?
#pragma once
#include <stdint.h>
#include <string>
#include <vector>

#include "../interface.h"

namespace tg {
enum class Space : uint8_t { GLOBAL, SHARED, CONSTANT };
enum Kind : uint8_t {
    READ = 0, WRITE = 1, ATOMIC = 2, VOLATILE = 4,
    CHANGES = 8,   // the old value matters
    COMPARES = 16  // and is compared with what the thread took it to be
};

// A piece of memory that a kernel may use: an argument, a variable of the module, an array in shared memory.
struct Region {
    uintptr_t low, size;
    Space space;
    int number;            // of the argument, the variable, or the shared array (-1: the dynamic one)
    char origin;           // 'a', 'v', 's'
    bool plain;            // its elements are numbers or vectors of them: all their bytes matter, none is padding
    struct Cell** pages;   // what is known of its words, made when they are touched
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
void check_launch(const std::vector<Region>& arguments);
void check_block_begins();
void check_block_ends();
void check_barrier();                      // all threads that are left wait at a barrier
void check_warp(unsigned warp, unsigned lanes, int kind);
void check_exit(unsigned thread);          // a thread has returned
void check_shared_array(unsigned index);   // a __shared__ array has got its place
void check_lanes(unsigned lane, unsigned source, unsigned here, int line);  // a shuffle from a lane that is not here
bool is_elsewhere(uintptr_t address);      // memory of the program itself: stacks, its own variables, the heap
uint64_t image_size(uintptr_t base);        // of the library that begins there
void find_images();                        // where its own variables are
void settle_write();                       // the write that was announced last has happened
void report_failure();                     // what ended the launch is a finding
std::string check_report();                // findings and counters as text

uint64_t site_of_line(int line);
const Region* region_of(uintptr_t address, unsigned size);
void report(Finding finding);
}  // namespace tg
