// What kernels take with malloc and new: 8 MiB for all of it, as on a device where nobody has asked for more.
//
// Within a launch no address is given out twice, so that whoever uses what has been freed is found. What has been taken
// lives on when the launch has ended, for a later one to use and to free, unless nobody has kept a pointer to it.
#pragma once
#include <set>
#include <stdint.h>
#include <string>
#include <vector>

#include "regions.h"

namespace tg {
constexpr uint64_t EARLIER = ~0ull;

struct Piece {
    Region region;
    uint64_t taken, freed;  // the sites; freed 0: it is in use; EARLIER: in a launch before this one
    unsigned block[3], thread[3];              // who took it
    unsigned freed_block[3], freed_thread[3];  // who freed it
    bool fresh;                                // taken in this launch
    bool made_by_new;
};

void heap_launch();
void heap_ends(const std::vector<Region>& arguments);  // pieces that nobody can reach any more go, and are a finding
bool in_heap(uintptr_t address);
const Region* piece_in_use(uintptr_t address, unsigned size);  // with all these bytes inside; null: there is none
const Piece* piece_near(uintptr_t address);  // the one that it belongs to, or the nearest; null: there is none
void blame(struct Finding& finding, const Piece& piece);  // say who has freed it
std::string heap_report(const std::set<int>& named);  // those of these numbers, and all that a recording may show
}  // namespace tg
