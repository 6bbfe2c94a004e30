#include "clocks.h"

#include <vector>

namespace tg {
namespace {
struct Clock {
    uint64_t time;
    uint64_t lanes[32];       // of the lanes of my warp: up to when I know them
    Knowledge acquired;       // since the last barrier
    Knowledge fenced[2];      // what I may pass on, by a fence for the block, and for the device
};
std::vector<Clock> clocks;
Knowledge acquired_by_all, fenced_by_all[2];  // up to the last barrier
std::unordered_map<uintptr_t, Knowledge> released[2];
uint32_t block, epoch;

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

void clocks_launch() {
    block = 0;
    for (auto& each : released) each.clear();
}

void clocks_block() {
    block++;
    epoch = 1;
    clocks.resize(tg_now.threads);
    for (Clock& c : clocks) {
        c.time = (uint64_t)epoch << 32;
        for (uint64_t& lane : c.lanes) lane = 0;
        c.acquired.clear();
        for (Knowledge& k : c.fenced) k.clear();
    }
    acquired_by_all.clear();
    for (Knowledge& k : fenced_by_all) k.clear();
    released[0].clear();  // what was passed on within a block stays there
}

void clocks_barrier() {
    epoch++;
    for (Clock& c : clocks) {
        c.time = (uint64_t)epoch << 32;
        acquired_by_all.learn(c.acquired);
        c.acquired.clear();
        for (int scope = 0; scope < 2; scope++) {
            fenced_by_all[scope].learn(c.fenced[scope]);
            c.fenced[scope].clear();
        }
    }
}

void clocks_warp(unsigned warp, unsigned lanes) {
    Clock* first = &clocks[warp * 32];
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
    Clock& c = clocks[tg_now.current];
    for (int reach = 0; reach <= (scope > 0); reach++) {
        Knowledge& passed = c.fenced[reach];
        passed.learn(acquired_by_all);
        passed.learn(c.acquired);
        passed.learn_epoch(block, epoch);
        passed.learn_time(name_of(block, tg_now.current), c.time);
        for (unsigned l = 0; l < 32; l++)
            if (c.lanes[l] >> 32 == epoch) passed.learn_time(name_of(block, tg_now.current / 32 * 32 + l), c.lanes[l]);
    }
    c.time++;
}

void clocks_atomic(uintptr_t address) {
    Clock& c = clocks[tg_now.current];
    for (int reach = 0; reach < 2; reach++) {
        auto found = released[reach].find(address);
        if (found != released[reach].end()) c.acquired.learn(found->second);
        if (c.fenced[reach].empty() && fenced_by_all[reach].empty()) continue;
        Knowledge& passed = released[reach][address];
        passed.learn(c.fenced[reach]);
        passed.learn(fenced_by_all[reach]);
    }
}

void clocks_volatile(uintptr_t address, bool writes) {
    Clock& c = clocks[tg_now.current];
    for (int reach = 0; reach < 2; reach++) {
        auto found = released[reach].find(address);
        if (!writes) {
            if (found != released[reach].end()) c.acquired.learn(found->second);
            continue;
        }
        if (found != released[reach].end()) released[reach].erase(found);  // what stood there is gone
        if (c.fenced[reach].empty() && fenced_by_all[reach].empty()) continue;
        Knowledge& passed = released[reach][address];
        passed.learn(c.fenced[reach]);
        passed.learn(fenced_by_all[reach]);
    }
}

bool has_fenced() {
    const Clock& c = clocks[tg_now.current];
    return !c.fenced[0].empty() || !c.fenced[1].empty() || !fenced_by_all[0].empty() || !fenced_by_all[1].empty();
}

uint64_t time_now() { return clocks[tg_now.current].time; }
uint32_t block_number() { return block; }

bool happens_before(uint32_t of_block, uint32_t thread, uint64_t time) {
    const Clock& c = clocks[tg_now.current];
    if (of_block == block) {
        if (thread == tg_now.current || time >> 32 < epoch) return true;
        if (thread / 32 == tg_now.current / 32 && time <= c.lanes[thread % 32]) return true;
    }
    if (!c.acquired.empty() && c.acquired.covers(of_block, thread, time)) return true;
    return !acquired_by_all.empty() && acquired_by_all.covers(of_block, thread, time);
}
}  // namespace tg
