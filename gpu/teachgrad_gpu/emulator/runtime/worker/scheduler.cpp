#include "scheduler.h"

#include <algorithm>
#include <numeric>
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
std::vector<Thread> threads;
Schedule schedule;
Launch launch;
volatile bool expired, due;

namespace {
Context main_context;
Fiber* running;
uint64_t random_state;
constexpr unsigned TURNS = 4;  // that each thread of a block may give away before another block goes on

unsigned random_below(unsigned n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

void leave(Context& from, Fiber* next) {
    running = next;
    switch_to(from, next ? next->context : main_context);
}

void make_lanes_ready(unsigned warp, unsigned lanes) {
    for (unsigned l = 0; l < 32; l++)
        if (lanes >> l & 1) make_ready(warp * 32 + l);
}

bool release_active() {
    bool some = false;
    for (unsigned w = 0; w < schedule.alive.size(); w++) {
        unsigned lanes = settle_active(w);
        make_lanes_ready(w, lanes);
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
    if (launch.checked) check_barrier(State::BARRIER);
    schedule.at_barrier = 0;
    for (unsigned i = 0; i < threads.size(); i++) {
        Thread& t = threads[i];
        if (t.state != State::BARRIER) continue;
        int answer = t.kind == TG_COUNT ? count : t.kind == TG_AND ? all : any;
        memcpy(t.answer, &answer, sizeof answer);
        make_ready(i);
    }
}

// The fiber that runs next, with everything set for its thread; null: the block is done, or stuck.
Fiber* next_fiber() {
    Schedule& s = schedule;
    bool fresh_first = s.yielding && tg_now.next < tg_now.threads;  // whoever spins waits for somebody else
    s.yielding = false;
    if (launch.cooperative && s.turns > TURNS * tg_now.threads) return nullptr;  // perhaps for another block
    for (;;) {
        if (s.ready_head < s.ready.size() && !fresh_first) {
            unsigned& first = s.ready[s.ready_head];
            if (launch.seed) std::swap(first, s.ready[s.ready_head + random_below(s.ready.size() - s.ready_head)]);
            unsigned thread = s.ready[s.ready_head++];
            if (s.ready_head == s.ready.size()) s.ready.clear(), s.ready_head = 0;
            Thread& t = threads[thread];
            t.state = State::NEW;
            tg_now.current = thread;
            tg_now.suspended--;
            launch.library->restore(t.index);
            return t.fiber;
        }
        if (tg_now.next < tg_now.threads) return new_fiber(fiber_main);
        if (tg_now.exited == tg_now.threads) return nullptr;
        if (s.at_barrier && s.at_barrier == tg_now.threads - tg_now.exited) {
            release_barrier();
            continue;
        }
        if (s.at_grid && s.at_grid == tg_now.threads - tg_now.exited) return nullptr;
        if (release_active()) continue;
        report_deadlock();
        return nullptr;
    }
}

bool run_block() {
    begin_block();
    go_on();
    if (launch.checked) check_block_ends();
    if (!failure.kind[0]) return true;
    for (Thread& t : threads)
        if (t.state != State::NEW) release(t.fiber), t.state = State::NEW;
    return false;
}
}  // namespace

void make_ready(unsigned thread) {
    threads[thread].state = State::READY;
    schedule.ready.push_back(thread);
}

void begin_block() {
    Schedule& s = schedule;
    unsigned count = tg_now.threads;
    if (threads.size() != count) threads.assign(count, Thread{});
    s.alive.resize((count + 31) / 32);
    s.order.resize(launch.seed ? count : 0);
    std::iota(s.order.begin(), s.order.end(), 0);
    for (unsigned i = s.order.size(); i > 1; i--) std::swap(s.order[i - 1], s.order[random_below(i)]);
    for (unsigned w = 0; w < s.alive.size(); w++)
        s.alive[w] = count - w * 32 >= 32 ? ~0u : (1u << (count - w * 32)) - 1;
    tg_now.next = tg_now.exited = tg_now.suspended = 0;
    tg_now.order = launch.seed ? s.order.data() : nullptr;
    tg_now.alive = s.alive.data();
    memset(tg_now.index, 0, sizeof tg_now.index);
    s.ready.clear();
    s.ready_head = s.at_barrier = s.at_grid = 0;
    if (launch.checked) check_block_begins();
}

void go_on() {
    schedule.turns = 0;
    leave(main_context, next_fiber());
    tg_now.inside = 0;
}

bool run(const Launch& what) {
    launch = what;
    failure.kind[0] = 0;
    expired = due = false;
    unsigned count = what.block[0] * what.block[1] * what.block[2];
    random_state = what.seed;
    memcpy(tg_now.block_dim, what.block, sizeof what.block);
    memcpy(tg_now.grid_dim, what.grid, sizeof what.grid);
    tg_now.threads = count;
    tg_now.shared = what.shared;
    if (what.cooperative) return run_together();
    unsigned* b = tg_now.block;
    for (b[2] = 0; b[2] < what.grid[2]; b[2]++)
        for (b[1] = 0; b[1] < what.grid[1]; b[1]++)
            for (b[0] = 0; b[0] < what.grid[0]; b[0]++)
                if (!run_block()) return false;
    return true;
}

uint64_t blocks_before() {
    const unsigned *b = tg_now.block, *n = tg_now.grid_dim;
    return ((uint64_t)b[2] * n[1] + b[1]) * n[0] + b[0];
}

void index_of(unsigned thread, unsigned* index) {
    const unsigned* n = tg_now.block_dim;
    index[0] = thread % n[0], index[1] = thread / n[0] % n[1], index[2] = thread / (n[0] * n[1]);
}

const Fiber* running_fiber() { return running; }

void give_up() {
    Fiber* self = running;
    release(self);
    leave(self->context, nullptr);
    abort();
}

void stop_thread() {
    unsigned thread = tg_now.current;
    schedule.alive[thread / 32] &= ~(1u << thread % 32);
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
    if (state == State::READY) schedule.ready.push_back(thread), schedule.yielding = true, schedule.turns++;
    if (state == State::BARRIER) schedule.at_barrier++;
    if (state == State::GRID) schedule.at_grid++;
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

void tg_grid_barrier(int line) {
    Outside now;
    Thread& t = threads[tg_now.current];
    if (!launch.cooperative) {
        fail("trap", line, "a barrier of the whole grid needs a cooperative launch, in which all blocks are there at "
             "once: make the kernel with enable_cooperative_groups=True");
        give_up();
    }
    if (launch.checked) settle_write(), record_wait(EVENT_BARRIER, tg_now.current, line);
    t.kind = TG_PLAIN, t.line = line;
    suspend(State::GRID);
}

int tg_is_cooperative() { return launch.cooperative; }

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
        make_lanes_ready(thread / 32, here & ~(1u << lane));
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
    if (tg_now.suspended) make_lanes_ready(warp, settle_warp(warp));
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
