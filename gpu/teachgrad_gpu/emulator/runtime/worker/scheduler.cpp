#include "scheduler.h"

#include <algorithm>
#include <numeric>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "clocks.h"
#include "events.h"
#include "output.h"
#include "warp.h"

tg_block tg_now;
extern "C" {
alignas(1024) char tg_dynamic[tg::DYNAMIC];
}

namespace tg {
Failure failure;
std::vector<Thread> threads;
Launch launch;
volatile bool expired, due;

namespace {
Context main_context;
std::vector<unsigned> ready, order, alive;
size_t ready_head;
unsigned at_barrier;
bool yielding;
Fiber* running;
uint64_t random_state;

unsigned random_below(unsigned n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

void leave(Context& from, Fiber* next) {
    running = next;
    switch_to(from, next ? next->context : main_context);
}

void make_ready(unsigned thread) {
    threads[thread].state = State::READY;
    ready.push_back(thread);
}

void make_ready(unsigned warp, unsigned lanes) {
    for (unsigned l = 0; l < 32; l++)
        if (lanes >> l & 1) make_ready(warp * 32 + l);
}

bool release_active() {
    bool some = false;
    for (unsigned w = 0; w < alive.size(); w++) {
        unsigned lanes = settle_active(w);
        make_ready(w, lanes);
        some |= lanes != 0;
    }
    return some;
}

Fiber* next_fiber();

// Run threads that have not been started yet, one after the other. A thread that has to wait leaves this fiber asleep,
// and another fiber goes on with the rest: threads that never wait cost a call each, no more.
void fiber_main() {
    launch.entry->body(launch.arguments);
    Fiber* self = running;
    Fiber* next = next_fiber();
    release(self);
    leave(self->context, next);
    abort();
}

void release_barrier() {
    int count = 0, all = 1, any = 0;
    for (Thread& t : threads)
        if (t.state == State::BARRIER) count += t.predicate, all &= t.predicate, any |= t.predicate;
    if (launch.checked) check_barrier();
    at_barrier = 0;
    for (unsigned i = 0; i < threads.size(); i++) {
        Thread& t = threads[i];
        if (t.state != State::BARRIER) continue;
        int answer = t.kind == TG_COUNT ? count : t.kind == TG_AND ? all : any;
        memcpy(t.answer, &answer, sizeof answer);
        make_ready(i);
    }
}

void describe_wait(unsigned thread, char* text, size_t size) {
    const Thread& t = threads[thread];
    if (t.state == State::BARRIER) snprintf(text, size, "waits at the barrier in line %d", t.line);
    else if (t.state == State::WARP)
        snprintf(text, size, "waits in the warp operation in line %d with mask 0x%08x", t.line, t.mask);
    else snprintf(text, size, "is elsewhere");
}

// Nobody can go on. A barrier waits for all that have not returned, so some thread waits in a warp operation.
void report_deadlock() {
    for (unsigned i = 0; i < threads.size(); i++) {
        const Thread& t = threads[i];
        if (t.state != State::WARP) continue;
        tg_now.current = i;
        for (unsigned lane = 0; lane < 32; lane++) {
            unsigned other = i / 32 * 32 + lane;
            if (!(t.mask & alive[i / 32] & 1u << lane)) continue;
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
    fail("deadlock", 0, "no thread of the block can go on");
}

// The fiber that runs next, with everything set for its thread; null: the block is done, or stuck.
Fiber* next_fiber() {
    bool fresh_first = yielding && tg_now.next < tg_now.threads;  // whoever spins waits for somebody else
    yielding = false;
    for (;;) {
        if (ready_head < ready.size() && !fresh_first) {
            if (launch.seed) std::swap(ready[ready_head], ready[ready_head + random_below(ready.size() - ready_head)]);
            unsigned thread = ready[ready_head++];
            if (ready_head == ready.size()) ready.clear(), ready_head = 0;
            Thread& t = threads[thread];
            t.state = State::NEW;
            tg_now.current = thread;
            tg_now.suspended--;
            launch.library->restore(t.index);
            return t.fiber;
        }
        if (tg_now.next < tg_now.threads) return new_fiber(fiber_main);
        if (tg_now.exited == tg_now.threads) return nullptr;
        if (at_barrier && at_barrier == tg_now.threads - tg_now.exited) {
            release_barrier();
            continue;
        }
        if (release_active()) continue;
        report_deadlock();
        return nullptr;
    }
}

bool run_block() {
    unsigned count = tg_now.threads;
    for (unsigned w = 0; w < alive.size(); w++) alive[w] = count - w * 32 >= 32 ? ~0u : (1u << (count - w * 32)) - 1;
    tg_now.next = tg_now.exited = tg_now.suspended = 0;
    memset(tg_now.index, 0, sizeof tg_now.index);
    ready.clear();
    ready_head = at_barrier = 0;
    if (launch.seed)
        for (unsigned i = count; i > 1; i--) std::swap(order[i - 1], order[random_below(i)]);
    if (launch.checked) check_block_begins();
    leave(main_context, next_fiber());
    tg_now.inside = 0;
    if (launch.checked) check_block_ends();
    if (!failure.kind[0]) return true;
    for (Thread& t : threads)
        if (t.state != State::NEW) release(t.fiber), t.state = State::NEW;
    return false;
}
}  // namespace

bool run(const Launch& what) {
    launch = what;
    failure.kind[0] = 0;
    expired = due = false;
    unsigned count = what.block[0] * what.block[1] * what.block[2];
    if (threads.size() != count) threads.assign(count, Thread{}), alive.assign((count + 31) / 32, 0);
    ready.reserve(2 * count);
    order.resize(what.seed ? count : 0);
    std::iota(order.begin(), order.end(), 0);
    random_state = what.seed;
    memcpy(tg_now.block_dim, what.block, sizeof what.block);
    memcpy(tg_now.grid_dim, what.grid, sizeof what.grid);
    tg_now.threads = count;
    tg_now.order = what.seed ? order.data() : nullptr;
    tg_now.alive = alive.data();
    tg_now.shared = what.shared;
    unsigned* b = tg_now.block;
    for (b[2] = 0; b[2] < what.grid[2]; b[2]++)
        for (b[1] = 0; b[1] < what.grid[1]; b[1]++)
            for (b[0] = 0; b[0] < what.grid[0]; b[0]++)
                if (!run_block()) return false;
    return true;
}

void index_of(unsigned thread, unsigned* index) {
    const unsigned* n = tg_now.block_dim;
    index[0] = thread % n[0], index[1] = thread / n[0] % n[1], index[2] = thread / (n[0] * n[1]);
}

const Fiber* running_fiber() { return running; }

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

void give_up() {
    Fiber* self = running;
    release(self);
    leave(self->context, nullptr);
    abort();
}

void expire(uint64_t place) {
    bool last = true;
    for (int axis = 0; axis < 3; axis++) last &= tg_now.block[axis] + 1 == tg_now.grid_dim[axis];
    fail("timeout", 0, "the kernel did not end in time%s",
         last ? "" : "; if it waits for a later block, as in a barrier of the whole grid, that one has not begun: "
                     "blocks run one after the other here, so split the kernel in two");
    failure.place = place;
    give_up();
}

void stop_thread() {
    unsigned thread = tg_now.current;
    alive[thread / 32] &= ~(1u << thread % 32);
    tg_now.exited++;
    tg_exit();
    Fiber* self = running;
    Fiber* next = next_fiber();
    release(self);
    leave(self->context, next);
    abort();
}

void suspend(State state) {
    unsigned thread = tg_now.current;
    Thread& t = threads[thread];
    Fiber* self = t.fiber = running;
    launch.library->save(t.index);
    t.state = state;
    if (launch.checked) settle_write();
    if (state == State::READY) ready.push_back(thread), yielding = true;
    if (state == State::BARRIER) at_barrier++;
    tg_now.suspended++;
    Fiber* next = next_fiber();
    if (next != self) leave(self->context, next);
}
}  // namespace tg

using namespace tg;

int tg_barrier(tg_barrier_kind kind, int predicate, int line) {
    Outside now;
    Thread& t = threads[tg_now.current];
    if (launch.checked) settle_write(), record_wait(EVENT_BARRIER, tg_now.current, line);
    t.kind = kind, t.predicate = predicate != 0, t.line = line;
    suspend(State::BARRIER);
    int answer;
    memcpy(&answer, t.answer, sizeof answer);
    return answer;
}

void tg_warp(tg_operation operation, unsigned mask, int source, void* value, unsigned size, int line) {
    Outside now;
    unsigned thread = tg_now.current, lane = thread % 32;
    Thread& t = threads[thread];
    if (launch.checked) settle_write(), record_wait(EVENT_WARP, thread, line);
    if (!(mask >> lane & 1)) {
        fail("warp mask", line, "the mask 0x%08x of this warp operation does not name the thread's own lane %u", mask,
             lane);
        give_up();
    }
    t.kind = operation, t.mask = mask, t.source = source, t.size = size, t.line = line;
    memcpy(t.value, value, size);
    t.state = State::WARP;
    if (unsigned here = settle_lane(thread)) {
        t.state = State::NEW;
        make_ready(thread / 32, here & ~(1u << lane));
    } else {
        suspend(State::WARP);
    }
    memcpy(value, t.answer, size);
}

// Which lanes are here together? A warp of the machine knows; here threads come one by one. So whoever asks waits until
// no other thread can go on, and those that then wait at the same line are together.
unsigned tg_active(int line) {
    Outside now;
    Thread& t = threads[tg_now.current];
    t.kind = TG_ACTIVE, t.mask = 0, t.line = line;
    suspend(State::WARP);
    unsigned answer;
    memcpy(&answer, t.answer, sizeof answer);
    return answer;
}

void tg_exit() {
    if (launch.checked) check_exit(tg_now.current), record_wait(EVENT_EXIT, tg_now.current, 0);
    unsigned warp = tg_now.current / 32;
    if (tg_now.suspended) make_ready(warp, settle_warp(warp));
}

void tg_yield() {
    Outside now;
    suspend(State::READY);
}

void tg_fence(int scope) {
    if (!launch.checked) return;
    Outside now;
    settle_write();
    clocks_fence(scope);
}
