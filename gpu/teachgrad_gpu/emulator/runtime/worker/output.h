// What a launch leaves behind besides what it wrote to its arrays.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <vector>

namespace tg {
constexpr unsigned DYNAMIC = 256 << 10, STATIC = 8 << 20;  // bytes of tg_dynamic and tg_static
constexpr unsigned GAP = 4096;  // around arrays in tg_static, so that leaving one at either end is no hit on another

struct SharedArray {
    const void* declaration;
    const char *name, *type;
    bool plain;  // its elements have no padding
    unsigned place, size, element, shape[3];
};

// The static shared memory of a library. One library runs at a time, so that all begin at the same place.
struct Layout {
    std::vector<SharedArray> arrays;
    unsigned used = GAP;
};
extern Layout* layout;
extern std::vector<char> printed;  // by printf
extern uint64_t unprinted;         // calls of printf for which there was no room
}  // namespace tg
