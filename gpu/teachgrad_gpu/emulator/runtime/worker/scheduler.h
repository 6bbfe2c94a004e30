// Which thread of a block runs when: starting, waiting at barriers and in warp operations, going on, giving up.
#pragma once
#include <stdint.h>
#include <vector>

#include "../interface.h"
#include "fibers.h"

namespace tg {
enum class State : unsigned char { NEW, READY, BARRIER, GRID, WARP };

// A thread that has been started and waits.
struct Thread {
    Fiber* fiber;
    State state;
    int kind;            // of the barrier, or of the warp operation
    int predicate, source, line;
    unsigned mask, size;
    unsigned index[3];
    alignas(16) char value[16], answer[16];
    uintptr_t flag;      // the volatile word read last, and where
    uint64_t flag_site;
    int doubted, doubted_line;  // the lane (from 1) of which a shuffle got an answer that was none
    char given[16];             // what this lane itself gave then
};

struct Launch {
    const tg_library* library;
    const tg_entry* entry;
    void** arguments;
    unsigned grid[3], block[3];
    unsigned shared;
    uint64_t seed;       // 0: threads and blocks in order
    bool checked;
    bool cooperative;    // all blocks are there at once, and may meet
    uint64_t base, size; // where the library lies in memory
    uint64_t recorded;   // how many events are kept
};

// Why a launch could not be completed.
struct Failure {
    char kind[24];       // "": none
    char message[1024];
    int line;
    uint64_t place;      // in the library, if there is no line
    unsigned block[3], thread[3];
};

// What the scheduler keeps of a block.
struct Schedule {
    std::vector<unsigned> ready, order, alive;
    size_t ready_head = 0;
    unsigned at_barrier = 0, at_grid = 0;  // how many wait there
    bool yielding = false;
    unsigned turns = 0;  // given away since the block has been gone on with
};

extern Failure failure;
extern std::vector<Thread> threads;
extern Schedule schedule;
extern Launch launch;

bool run(const Launch& what);    // the whole grid; false: see `failure`
bool run_together();             // all blocks at once (grid.cpp)
void begin_block();
void go_on();                    // until no thread of the block can, or its turn is over
void make_ready(unsigned thread);
[[noreturn]] void give_up();     // leave the block for good, back to `run`
[[noreturn]] void stop_thread(); // the current thread ends here, in the middle
void suspend(State state);       // the current thread waits, others run
uint64_t blocks_before();        // this one, in the order in which they run
void index_of(unsigned thread, unsigned* index);
const Fiber* running_fiber();
extern volatile bool expired;
extern volatile bool due;        // a thread that is checked has run for long: another one is to run

// Failing (failures.cpp).
void fail(const char* kind, int line, const char* format, ...) __attribute__((format(printf, 3, 4)));
void report_deadlock();          // nobody can go on
void expire(uint64_t place);     // the time is up

// While the runtime works, the clock must not take the processor from it.
struct Outside {
    Outside() { tg_now.inside = 0; }
    ~Outside() { tg_now.inside = 1; }
};
}  // namespace tg
