#include "clocks.h"

#include <vector>

namespace tg {
namespace {
BlockClocks now;
std::unordered_map<uintptr_t, Knowledge> released_to_all;  // by fences for the device
Knowledge everywhere;                                      // what all blocks know, from a barrier of the whole grid
uint32_t blocks;                                           // that have begun

std::unordered_map<uintptr_t, Knowledge>& released(int reach) { return reach ? released_to_all : now.released; }
uint64_t name_of(uint32_t of_block, uint32_t thread) { return (uint64_t)of_block << 16 | thread; }
}  // namespace

void Knowledge::learn_time(uint64_t thread, uint64_t time) {
    uint64_t& known = times[thread];
    if (known < time) known = time;
}

void Knowledge::learn_epoch(uint32_t of_block, uint32_t before) {
    uint32_t& known = epochs[of_block];
    if (known < before) known = before;
}

void Knowledge::learn(const Knowledge& other) {
    for (auto& [of_block, before] : other.epochs) learn_epoch(of_block, before);
    for (auto& [thread, time] : other.times) learn_time(thread, time);
}

bool Knowledge::covers(uint32_t of_block, uint32_t thread, uint64_t time) const {
    if (auto found = epochs.find(of_block); found != epochs.end() && time >> 32 < found->second) return true;
    auto found = times.find(name_of(of_block, thread));
    return found != times.end() && time <= found->second;
}

void exchange_clocks(BlockClocks& others) { std::swap(now, others); }

void clocks_launch() {
    blocks = 0;
    everywhere.clear();
    now.released.clear();
    released_to_all.clear();
}

void clocks_block() {
    now.block = ++blocks;
    now.epoch = 1;
    now.threads.resize(tg_now.threads);
    for (Clock& c : now.threads) {
        c.time = (uint64_t)now.epoch << 32;
        for (uint64_t& lane : c.lanes) lane = 0;
        c.acquired.clear();
        for (Knowledge& k : c.fenced) k.clear();
    }
    now.acquired_by_all.clear();
    for (Knowledge& k : now.fenced_by_all) k.clear();
    now.released.clear();  // what was passed on within a block stays there
}

void clocks_barrier() {
    now.epoch++;
    for (Clock& c : now.threads) {
        c.time = (uint64_t)now.epoch << 32;
        now.acquired_by_all.learn(c.acquired);
        c.acquired.clear();
        for (int scope = 0; scope < 2; scope++) {
            now.fenced_by_all[scope].learn(c.fenced[scope]);
            c.fenced[scope].clear();
        }
    }
}

void clocks_grid() { everywhere.learn_epoch(now.block, now.epoch); }

void clocks_warp(unsigned warp, unsigned lanes) {
    Clock* first = &now.threads[warp * 32];
    uint64_t known[32] = {};
    Knowledge acquired, fenced[2];
    for (unsigned l = 0; l < 32; l++) {
        if (!(lanes >> l & 1)) continue;
        for (unsigned k = 0; k < 32; k++)
            if (known[k] < first[l].lanes[k]) known[k] = first[l].lanes[k];
        if (known[l] < first[l].time) known[l] = first[l].time;
        if (!first[l].acquired.empty()) acquired.learn(first[l].acquired);
        for (int scope = 0; scope < 2; scope++)
            if (!first[l].fenced[scope].empty()) fenced[scope].learn(first[l].fenced[scope]);
    }
    for (unsigned l = 0; l < 32; l++) {
        if (!(lanes >> l & 1)) continue;
        for (unsigned k = 0; k < 32; k++) first[l].lanes[k] = known[k];
        first[l].time++;
        if (!acquired.empty()) first[l].acquired = acquired;
        for (int scope = 0; scope < 2; scope++)
            if (!fenced[scope].empty()) first[l].fenced[scope] = fenced[scope];
    }
}

void clocks_fence(int scope) {
    Clock& c = now.threads[tg_now.current];
    for (int reach = 0; reach <= (scope > 0); reach++) {
        Knowledge& passed = c.fenced[reach];
        passed.learn(now.acquired_by_all);
        passed.learn(c.acquired);
        passed.learn_epoch(now.block, now.epoch);
        passed.learn_time(name_of(now.block, tg_now.current), c.time);
        for (unsigned l = 0; l < 32; l++)
            if (c.lanes[l] >> 32 == now.epoch) 
                passed.learn_time(name_of(now.block, tg_now.current / 32 * 32 + l), c.lanes[l]);
    }
    c.time++;
}

void clocks_atomic(uintptr_t address) {
    Clock& c = now.threads[tg_now.current];
    for (int reach = 0; reach < 2; reach++) {
        auto found = released(reach).find(address);
        if (found != released(reach).end()) c.acquired.learn(found->second);
        if (c.fenced[reach].empty() && now.fenced_by_all[reach].empty()) continue;
        Knowledge& passed = released(reach)[address];
        passed.learn(c.fenced[reach]);
        passed.learn(now.fenced_by_all[reach]);
    }
}

void clocks_volatile(uintptr_t address, bool writes) {
    Clock& c = now.threads[tg_now.current];
    for (int reach = 0; reach < 2; reach++) {
        auto found = released(reach).find(address);
        if (!writes) {
            if (found != released(reach).end()) c.acquired.learn(found->second);
            continue;
        }
        if (found != released(reach).end()) released(reach).erase(found);  // what stood there is gone
        if (c.fenced[reach].empty() && now.fenced_by_all[reach].empty()) continue;
        Knowledge& passed = released(reach)[address];
        passed.learn(c.fenced[reach]);
        passed.learn(now.fenced_by_all[reach]);
    }
}

bool has_fenced() {
    const Clock& c = now.threads[tg_now.current];
    for (int scope = 0; scope < 2; scope++)
        if (!c.fenced[scope].empty() || !now.fenced_by_all[scope].empty()) return true;
    return false;
}

uint64_t time_now() { return now.threads[tg_now.current].time; }
uint32_t block_number() { return now.block; }

bool happens_before(uint32_t of_block, uint32_t thread, uint64_t time) {
    const Clock& c = now.threads[tg_now.current];
    if (of_block == now.block) {
        if (thread == tg_now.current || time >> 32 < now.epoch) return true;
        if (thread / 32 == tg_now.current / 32 && time <= c.lanes[thread % 32]) return true;
    }
    if (!everywhere.empty() && everywhere.covers(of_block, thread, time)) return true;
    if (!c.acquired.empty() && c.acquired.covers(of_block, thread, time)) return true;
    return !now.acquired_by_all.empty() && now.acquired_by_all.covers(of_block, thread, time);
}
}  // namespace tg
