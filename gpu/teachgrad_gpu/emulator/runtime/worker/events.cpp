#include "events.h"

#include <string.h>

#include "checker.h"
#include "scheduler.h"

namespace tg {
namespace {
std::vector<Event> recorded;
size_t room;
uint64_t dropped;
bool open_write;  // the last event is a write that has not happened yet

Event* add(EventKind kind, unsigned thread, uint64_t site) {
    if (!room) return nullptr;
    if (recorded.size() >= room) {
        dropped++;
        open_write = false;
        return nullptr;
    }
    const unsigned *b = tg_now.block, *n = tg_now.grid_dim;
    Event e{};
    e.block = (b[2] * n[1] + b[1]) * n[0] + b[0];
    e.thread = thread;
    e.kind = kind;
    e.site = site;
    recorded.push_back(e);
    return &recorded.back();
}
}  // namespace

void events_launch(size_t most) {
    recorded.clear();
    room = most;
    dropped = 0;
    open_write = false;
}

void record_access(const Region& region, uintptr_t address, unsigned size, int kind, uint64_t site) {
    EventKind what = kind & ATOMIC ? EVENT_ATOMIC : kind & WRITE ? EVENT_WRITE : EVENT_READ;
    Event* e = add(what, tg_now.current, site);
    if (!e) return;
    e->size = size > 255 ? 255 : size;
    e->offset = address - region.low;
    e->number = region.number;
    e->origin = region.origin;
    memcpy(e->value, (void*)address, size < sizeof e->value ? size : sizeof e->value);
    open_write = what != EVENT_READ;
}

void record_value(uintptr_t address, unsigned size) {
    if (!open_write) return;
    Event& e = recorded.back();
    memcpy(e.value, (void*)address, size < sizeof e.value ? size : sizeof e.value);
    open_write = false;
}

void record_line(uint64_t site) {
    if (!room) return;
    settle_write();
    add(EVENT_LINE, tg_now.current, site);
}

void record_wait(EventKind kind, unsigned thread, int line) { add(kind, thread, site_of_line(line)); }

const std::vector<Event>& events() { return recorded; }
uint64_t events_dropped() { return dropped; }
}  // namespace tg
