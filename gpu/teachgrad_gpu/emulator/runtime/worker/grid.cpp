// A cooperative launch: all blocks are there at once, so that they may wait for each other. They take turns: one goes
// on until all its threads wait, or have given their turns away often enough. As shared memory lies at one place, what
// a block has there is put away while others go on.
#include <string.h>

#include "checker.h"
#include "output.h"
#include "scheduler.h"
#include "watching.h"

namespace tg {
namespace {
struct Block {
    tg_block now;
    std::vector<Thread> threads;
    Schedule schedule;
    BlockWatch watch;
    std::vector<char> dynamic, fixed;  // its shared memory
    bool begun = false, ended = false, waits = false;
};

void exchange(Block& block) {
    std::swap(tg_now, block.now);
    threads.swap(block.threads);
    std::swap(schedule, block.schedule);
    if (launch.checked) exchange_watch(block.watch);
}

void enter(Block& block) {
    exchange(block);
    memcpy(tg_dynamic, block.dynamic.data(), block.dynamic.size());
    memcpy(tg_static, block.fixed.data(), block.fixed.size());
    if (launch.checked && block.begun)  // arrays that have got their places meanwhile
        for (const SharedArray& a : layout->arrays)
            if (a.place >= block.fixed.size()) memset(tg_static + a.place, 0xCD, a.size);
}

void put_away(Block& block) {
    block.dynamic.assign(tg_dynamic, tg_dynamic + launch.shared);
    block.fixed.assign(tg_static, tg_static + layout->used);
    exchange(block);
}

void turn(Block& block) {
    enter(block);
    if (!block.begun) begin_block();
    block.begun = true;
    go_on();
    block.ended = tg_now.exited == tg_now.threads;
    block.waits = !block.ended && schedule.at_grid == tg_now.threads - tg_now.exited;
    if (launch.checked && block.ended) check_block_ends();
    if (!failure.kind[0]) put_away(block);
}

// All blocks have come: their threads go on.
void release(std::vector<Block>& blocks) {
    for (Block& block : blocks) {
        enter(block);
        if (launch.checked) check_barrier(State::GRID), check_grid();
        schedule.at_grid = 0;
        for (unsigned i = 0; i < threads.size(); i++)
            if (threads[i].state == State::GRID) make_ready(i);
        block.waits = false;
        put_away(block);
    }
}

void report_missing(std::vector<Block>& blocks, const Block& ended) {
    for (Block& block : blocks) {
        if (!block.waits) continue;
        enter(block);
        unsigned i = 0;
        while (threads[i].state != State::GRID) i++;
        tg_now.current = i;
        const unsigned* b = ended.now.block;
        fail("deadlock", threads[i].line, "a barrier of the whole grid waits for block (%u,%u,%u), which has ended",
             b[0], b[1], b[2]);
        return;
    }
}

void release_fibers(std::vector<Thread>& all) {
    for (Thread& t : all)
        if (t.state != State::NEW) tg::release(t.fiber), t.state = State::NEW;
}
}  // namespace

bool run_together() {
    const unsigned* n = launch.grid;
    std::vector<Block> blocks((size_t)n[0] * n[1] * n[2]);
    for (unsigned i = 0; i < blocks.size(); i++) {
        blocks[i].now = tg_now;
        unsigned* index = blocks[i].now.block;
        index[0] = i % n[0], index[1] = i / n[0] % n[1], index[2] = i / (n[0] * n[1]);
    }
    for (bool done = false; !done && !failure.kind[0];) {
        size_t waiting = 0;
        const Block* ended = nullptr;
        done = true;
        for (Block& block : blocks) {
            if (!block.ended && !block.waits) turn(block);
            if (failure.kind[0]) break;
            if (block.ended) ended = &block;
            if (block.waits) waiting++;
            done &= block.ended;
        }
        if (failure.kind[0] || !waiting) continue;
        if (waiting == blocks.size()) release(blocks);
        bool all = true;
        for (const Block& block : blocks) all &= block.ended || block.waits;
        if (all && ended) report_missing(blocks, *ended);
    }
    for (Block& block : blocks) {
        release_fibers(block.threads);
        if (launch.checked) drop_shared(block.watch.shared);
    }
    release_fibers(threads);
    return !failure.kind[0];
}
}  // namespace tg
