// What a warp's accesses cost: its lanes run one after the other here, and are put together again to requests.
#pragma once
#include <stdint.h>
#include <string>

#include "regions.h"

namespace tg {
void counting_launch();
void counting_block();
void count_access(const Region& region, uintptr_t address, unsigned size, int kind, uint64_t site);
void count_line(uint64_t site);          // the current thread comes to a stretch of code
void counting_meet(unsigned warp);       // its lanes are together again
void counting_flush();
std::string counting_report();
}  // namespace tg
