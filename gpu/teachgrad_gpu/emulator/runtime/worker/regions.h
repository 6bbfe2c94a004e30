// The memory that a kernel may use, and what is known of each word of it.
#pragma once
#include <map>
#include <stdint.h>

#include "shadow.h"

namespace tg {
enum class Space : uint8_t { GLOBAL, SHARED, CONSTANT };

// A piece of memory that a kernel may use: an argument, a variable of the module, an array in shared memory.
struct Region {
    uintptr_t low, size;
    Space space;
    int number;            // of the argument, the variable, or the shared array (-1: the dynamic one)
    char origin;           // 'a', 'v', 's', or 'h' for a piece of the kernel's heap
    bool plain;            // its elements are numbers or vectors of them: all their bytes matter, none is padding
    Cell** pages;          // what is known of its words, made when they are touched
    uintptr_t from = 0;    // the address that the pages begin with
};

void open_region(Region& region);   // nothing is known of its words
void close_region(Region& region);  // forget what is known
void add_region(Region region);
void forget_regions();
const Region* region_of(uintptr_t address, unsigned size);  // with all these bytes inside; null: there is none
const Region* nearest_region(uintptr_t address);            // null: none is anywhere near
using SharedPages = std::map<uintptr_t, Cell**>;  // of the regions in shared memory, by where they begin
void exchange_shared(SharedPages& others);        // go on with what another block knows of them
void drop_shared(SharedPages& pages);
Cell& cell_of(const Region& region, uintptr_t word);
bool is_untouched(const Region& region, uintptr_t word);    // nothing is known of it, nor of those up to `page_end`
void forget_page(const Region& region, uintptr_t word);     // the words up to `page_end`
uintptr_t page_end(const Region& region, uintptr_t word);
}  // namespace tg
