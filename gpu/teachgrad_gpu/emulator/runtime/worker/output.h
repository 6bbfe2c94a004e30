// What a launch leaves behind besides what it wrote to its arrays.
#pragma once
#include <stdint.h>
#include <vector>

namespace tg {
struct SharedArray {
    const char* name;
    unsigned place, size;
    int line;
};
extern std::vector<SharedArray> shared_arrays;
extern std::vector<char> printed;  // by printf
extern uint64_t unprinted;         // calls of printf for which there was no room
}  // namespace tg
