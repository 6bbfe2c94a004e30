#include "counting.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <vector>

#include "scheduler.h"

namespace tg {
namespace {
struct Part { unsigned lane; uintptr_t address; unsigned size; };

// The n-th time that each lane is at a place since the lanes were together last is one request.
struct Request {
    uint64_t site;
    unsigned turn;
    bool shared, line;
    uint8_t kind;
    bool operator==(const Request& o) const {
        return site == o.site && turn == o.turn && line == o.line && kind == o.kind && shared == o.shared;
    }
};
struct Hash {
    size_t operator()(const Request& r) const { return (r.site * 31 + r.turn) * 8 + r.kind + 2 * r.line + r.shared; }
};
struct Warp {
    std::unordered_map<Request, std::vector<Part>, Hash> requests;
    std::unordered_map<Request, unsigned, Hash> lanes;                       // of lines: a bit for each
    std::unordered_map<Request, unsigned, Hash> turns[32];
    size_t pending = 0;
};
std::vector<Warp> warps;

struct Total { uint64_t requests = 0, lanes = 0, bytes = 0, transactions = 0, ideal = 0, partial = 0; };
std::map<std::tuple<uint64_t, int, bool, bool>, Total> totals;               // site, kind, shared, line
constexpr size_t MOST_PENDING = 1 << 20;
constexpr unsigned SECTOR = 32, BANKS = 32;

size_t distinct(std::vector<uintptr_t>& values) {
    std::sort(values.begin(), values.end());
    return std::unique(values.begin(), values.end()) - values.begin();
}

// Global memory comes in sectors of 32 bytes. Ideal: as many as hold the bytes that are asked for.
void add_global(const std::vector<Part>& parts, Total& total) {
    static std::vector<uintptr_t> sectors, words;
    sectors.clear(), words.clear();
    size_t bytes = 0;
    for (const Part& p : parts) {
        for (uintptr_t s = p.address / SECTOR; s <= (p.address + p.size - 1) / SECTOR; s++) sectors.push_back(s);
        for (uintptr_t b = p.address; b < p.address + p.size; b++) words.push_back(b);
        bytes += p.size;
    }
    total.transactions += distinct(sectors);
    total.ideal += (distinct(words) + SECTOR - 1) / SECTOR;
    total.bytes += bytes;
}

// Whether each lane n wants what lane n ^ apart wants, if that one takes part.
bool in_pairs(const std::vector<Part>& parts, unsigned apart) {
    uintptr_t wanted[32] = {};
    for (const Part& p : parts) wanted[p.lane] = p.address;
    return std::all_of(parts.begin(), parts.end(), [&](const Part& p) {
        return !wanted[p.lane ^ apart] || wanted[p.lane ^ apart] == p.address;
    });
}

// Shared memory has 32 banks of 4 bytes. Lanes that want different words of a bank wait for each other; wide accesses
// go in groups of lanes that together want 128 bytes at most. Of a wide load, twice as many lanes are answered at once
// if they want the same by pairs: what comes back, 128 bytes a turn, is then packed. (Source: G. Smith of NVIDIA, of
// compute capability 7.x, in NVIDIA's forum for developers, topic 77228.)
void add_shared(const std::vector<Part>& parts, bool load, Total& total) {
    unsigned widest = 4;
    for (const Part& p : parts) widest = std::max(widest, p.size), total.bytes += p.size;
    unsigned group = std::max(1u, 128 / widest);
    if (load && group < 32 && (in_pairs(parts, 1) || in_pairs(parts, 2))) group *= 2;
    for (unsigned first = 0; first < 32; first += group) {
        std::vector<uintptr_t> banks[BANKS];
        bool any = false;
        for (const Part& p : parts) {
            if (p.lane < first || p.lane >= first + group) continue;
            any = true;
            for (uintptr_t w = p.address / 4; w <= (p.address + p.size - 1) / 4; w++) banks[w % BANKS].push_back(w);
        }
        size_t most = 0;
        for (auto& bank : banks) most = std::max(most, distinct(bank));
        total.transactions += most;
        total.ideal += any;
    }
}

unsigned lanes_of(unsigned warp) {
    unsigned left = tg_now.threads - warp * 32;
    return left >= 32 ? 32 : left;
}

void settle(unsigned number) {
    Warp& warp = warps[number];
    for (auto& [request, parts] : warp.requests) {
        Total& total = totals[{request.site, request.kind, request.shared, false}];
        total.requests++;
        total.lanes += parts.size();
        total.partial += parts.size() < lanes_of(number);
        request.shared ? add_shared(parts, !request.kind, total) : add_global(parts, total);
    }
    for (auto& [request, lanes] : warp.lanes) {
        Total& total = totals[{request.site, 0, false, true}];
        unsigned active = __builtin_popcount(lanes);
        total.requests++;
        total.lanes += active;
        total.partial += active < lanes_of(number);
    }
    warp.requests.clear();
    warp.lanes.clear();
    for (auto& turns : warp.turns) turns.clear();
    warp.pending = 0;
}
}  // namespace

void counting_launch() { totals.clear(); }
void counting_block() { warps.resize((tg_now.threads + 31) / 32); }

void count_access(const Region& region, uintptr_t address, unsigned size, int kind, uint64_t site) {
    unsigned number = tg_now.current / 32, lane = tg_now.current % 32;
    Warp& warp = warps[number];
    Request request{site, 0, region.space == Space::SHARED, false, (uint8_t)(kind & (WRITE | ATOMIC))};
    request.turn = warp.turns[lane][request]++;
    warp.requests[request].push_back({lane, address, size});
    if (++warp.pending > MOST_PENDING) settle(number);
}

void count_line(uint64_t site) {
    unsigned number = tg_now.current / 32, lane = tg_now.current % 32;
    Warp& warp = warps[number];
    Request request{site, 0, false, true, 0};
    request.turn = warp.turns[lane][request]++;
    warp.lanes[request] |= 1u << lane;
    if (++warp.pending > MOST_PENDING) settle(number);
}

void counting_meet(unsigned warp) {
    if (warps[warp].pending) settle(warp);
}

void counting_flush() {
    for (unsigned w = 0; w < warps.size(); w++) counting_meet(w);
}

std::string counting_report() {
    std::string text;
    for (auto& [key, t] : totals) {
        auto& [site, kind, shared, line] = key;
        text += "counter";
        for (uint64_t n : {site, (uint64_t)kind, (uint64_t)shared, (uint64_t)line, t.requests, t.lanes, t.bytes,
                           t.transactions, t.ideal, t.partial})
            text += "\t" + std::to_string(n);
        text += "\n";
    }
    return text;
}
}  // namespace tg
