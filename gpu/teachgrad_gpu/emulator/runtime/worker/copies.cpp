// Copies in the background. A kernel that is checked gets what it copies when it waits for it, not before; whoever uses
// either end meanwhile is found.
#include "copies.h"

#include <algorithm>
#include <deque>
#include <string.h>
#include <unordered_map>

#include "findings.h"
#include "scheduler.h"

namespace tg {
namespace {
struct Copy {
    uintptr_t to, from;
    size_t size, zeros;  // copied, and set to zero behind that
    int line;
};
struct Pending {
    std::vector<Copy> open;                // not committed
    std::deque<std::vector<Copy>> batches;
};
std::unordered_map<uint64_t, Pending> pending;  // by block and thread
bool finishing;

uint64_t myself() { return (uint64_t)blocks_before() << 16 | tg_now.current; }

bool touches(const Copy& c, uintptr_t low, uintptr_t high, bool writes) {
    if (low < c.to + c.size + c.zeros && high > c.to) return true;
    return writes && low < c.from + c.size && high > c.from;
}

void commit() {
    Pending& p = pending[myself()];
    p.batches.push_back(std::move(p.open));
    p.open.clear();
}

void finish(const std::vector<Copy>& batch) {
    finishing = true;
    for (const Copy& c : batch) {
        tg_copy((void*)c.to, (const void*)c.from, c.size, c.line);
        if (c.zeros) tg_fill((void*)(c.to + c.size), 0, c.zeros, c.line);
        tg_now.inside = 0;
    }
    finishing = false;
}
}  // namespace

void forget_copies() {
    pending.clear();
    finishing = false;
}

void drop_copies() {
    pending.erase(myself());
    finishing = false;
}

void finish_copies(size_t but) {
    auto mine = pending.find(myself());
    if (mine == pending.end()) return;
    Pending& p = mine->second;
    while (p.batches.size() > but) {
        std::vector<Copy> batch = std::move(p.batches.front());
        p.batches.pop_front();
        finish(batch);
    }
    if (p.batches.empty() && p.open.empty()) pending.erase(myself());
}

void finish_all_copies() {
    if (!pending.count(myself())) return;
    commit();
    finish_copies(0);
}

bool is_on_its_way(uintptr_t address, unsigned size, bool writes, uint64_t* site, unsigned* thread) {
    if (pending.empty() || finishing) return false;
    for (auto& [who, p] : pending) {
        if (who >> 16 != blocks_before()) continue;
        auto search = [&](const std::vector<Copy>& copies) {
            for (const Copy& c : copies)
                if (touches(c, address, address + size, writes)) {
                    *site = site_of_line(c.line);
                    *thread = who & 0xffff;
                    return true;
                }
            return false;
        };
        if (search(p.open)) return true;
        for (auto& batch : p.batches)
            if (search(batch)) return true;
    }
    return false;
}
}  // namespace tg

using namespace tg;

void tg_copy_async(void* to, const void* from, size_t size, size_t zeros, int line) {
    Outside now;
    pending[myself()].open.push_back({(uintptr_t)to, (uintptr_t)from, size, zeros, line});
}

void tg_copy_commit() {
    Outside now;
    commit();
}

void tg_copy_wait(size_t but) {
    Outside now;
    finish_copies(but);
}
