// A recording of what every thread did, in the order in which it happened here.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <vector>

#include "regions.h"

namespace tg {
enum EventKind : uint8_t { EVENT_READ, EVENT_WRITE, EVENT_ATOMIC, EVENT_LINE, EVENT_BARRIER, EVENT_WARP, EVENT_EXIT };

struct Event {
    uint32_t block;         // as blocks are numbered, x fastest
    uint16_t thread;
    uint8_t kind, size;
    uint64_t site;
    int64_t offset;         // in bytes
    char value[16];         // of a read: what was there; of a write: what is there now
    int32_t number;         // of the array
    char origin, padding[3];
};
static_assert(sizeof(Event) == 48, "the interpreter reads these");

void events_launch(size_t most);  // 0: nothing is recorded
void record_access(const Region& region, uintptr_t address, unsigned size, int kind, uint64_t site);
void record_value(uintptr_t address, unsigned size);  // a write that was recorded has happened
void record_line(uint64_t site);
void record_wait(EventKind kind, unsigned thread, int line);
const std::vector<Event>& events();
uint64_t events_dropped();
}  // namespace tg
