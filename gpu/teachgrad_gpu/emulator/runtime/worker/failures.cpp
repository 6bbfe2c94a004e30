// Why a launch could not be completed, in words.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "faults.h"
#include "scheduler.h"

namespace tg {
Failure failure;

namespace {
void describe_wait(unsigned thread, char* text, size_t size) {
    const Thread& t = threads[thread];
    if (t.state == State::BARRIER) snprintf(text, size, "waits at the barrier in line %d", t.line);
    else if (t.state == State::GRID) snprintf(text, size, "waits at the barrier of the grid in line %d", t.line);
    else if (t.state == State::WARP)
        snprintf(text, size, "waits in the warp operation in line %d with mask 0x%08x", t.line, t.mask);
    else snprintf(text, size, "is elsewhere");
}
}  // namespace

void fail(const char* kind, int line, const char* format, ...) {
    if (failure.kind[0]) return;
    snprintf(failure.kind, sizeof failure.kind, "%s", kind);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure.message, sizeof failure.message, format, arguments);
    va_end(arguments);
    failure.line = line;
    failure.place = 0;
    memcpy(failure.block, tg_now.block, sizeof failure.block);
    index_of(tg_now.current, failure.thread);
}

// A barrier waits for all that have not returned, so some thread waits in a warp operation, or at a barrier of the
// other sort.
void report_deadlock() {
    for (unsigned i = 0; i < threads.size(); i++) {
        const Thread& t = threads[i];
        if (t.state != State::WARP) continue;
        tg_now.current = i;
        for (unsigned lane = 0; lane < 32; lane++) {
            unsigned other = i / 32 * 32 + lane;
            if (!(t.mask & schedule.alive[i / 32] & 1u << lane)) continue;
            const Thread& o = threads[other];
            if (o.state == State::WARP && o.mask == t.mask && o.kind == t.kind) continue;
            unsigned index[3];
            char where[160];
            index_of(other, index);
            describe_wait(other, where, sizeof where);
            fail("deadlock", t.line, "a warp operation with mask 0x%08x waits for thread (%u,%u,%u), which %s", t.mask,
                 index[0], index[1], index[2], where);
            return;
        }
    }
    for (const Thread& t : threads)
        if (t.state == State::GRID && schedule.at_barrier) {
            tg_now.current = &t - threads.data();
            const Thread* other = &t;
            for (const Thread& o : threads)
                if (o.state == State::BARRIER) other = &o;
            fail("deadlock", t.line, "a thread waits at the barrier of the grid, and another at that of its block in "
                 "line %d", other->line);
            return;
        }
    fail("deadlock", 0, "no thread of the block can go on");
}

void expire(uint64_t place) {
    const unsigned* n = tg_now.grid_dim;
    uint64_t before = blocks_before(), all = (uint64_t)n[0] * n[1] * n[2];
    double taken = seconds_taken();
    char more[400] = "";
    if (launch.cooperative || before + 1 == all) {
    } else if (seconds_in_block() < taken / 2) {
        snprintf(more, sizeof more, ": %llu of %llu blocks were done after %.3g seconds, so all would take about %.2g; "
                 "use a smaller grid, or a longer timeout", (unsigned long long)before, (unsigned long long)all, taken,
                 taken * all / (before ? before : 1));
    } else {
        snprintf(more, sizeof more, "; if it waits for a later block, as in a barrier of the whole grid, that one has "
                 "not begun: blocks run one after the other here, unless the launch is cooperative "
                 "(enable_cooperative_groups=True)");
    }
    fail("timeout", 0, "the kernel did not end in time%s", more);
    failure.place = place;
    give_up();
}
}  // namespace tg
