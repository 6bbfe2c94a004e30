#include "heap.h"

#include <algorithm>
#include <map>
#include <string.h>
#include <sys/mman.h>

#include "checker.h"
#include "clocks.h"
#include "output.h"
#include "scheduler.h"

namespace tg {
namespace {
constexpr size_t ROOM = 4ull << 30;  // addresses
constexpr size_t LIMIT = 8 << 20;    // bytes in use at a time
constexpr size_t MOST_KNOWN = 10000; // pieces that are remembered from one launch to the next
constexpr size_t APART = 64;         // between two pieces; their beginnings are multiples of it
char* base;
size_t next_place, in_use;
uint32_t next_number;
std::map<uintptr_t, Piece> pieces;   // by address
Region shadow;                       // of all of it
std::map<uintptr_t, unsigned> users; // how many pieces in use lie in a page of the shadow

bool make_room() {
    if (base) return true;
    void* memory = mmap(nullptr, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    base = static_cast<char*>(memory);
    return true;
}

uint64_t site_of(const void* from, int line) { return line ? site_of_line(line) : (uint64_t)from - launch.base; }

Piece* piece_of(uintptr_t address) {
    auto after = pieces.upper_bound(address);
    if (after == pieces.begin()) return nullptr;
    Piece& p = std::prev(after)->second;
    return address < p.region.low + std::max<size_t>(p.region.size, 1) ? &p : nullptr;
}

void wrong_free(const char* kind, const char* why, const Piece* piece, uintptr_t address, uint64_t site, int line) {
    if (!launch.checked) {
        fail(kind, line, "%s", why);
        failure.place = line ? 0 : site;
        give_up();
    }
    Finding f = finding_here(kind, site, piece ? &piece->region : nullptr, address);
    f.message = why;
    if (piece && piece->freed) blame(f, *piece);
    report(f);
}

// A page of the shadow takes forty times the memory that it is about: it goes when no piece in it is in use any more,
// and none can come to be there.
void count_users(const Region& piece, int more) {
    if (!launch.checked) return;
    uintptr_t high = piece.low + std::max<size_t>(piece.size, 1);
    for (uintptr_t at = piece.low; at < high; at = page_end(piece, at)) {
        uintptr_t end = page_end(piece, at);
        if ((users[end] += more) || end > (uintptr_t)base + next_place) continue;
        users.erase(end);
        if (piece.pages) forget_page(piece, at);
    }
}

// It is large even where nothing is in it, so a launch that does not touch the heap has none.
void open_shadow(Region& piece) {
    if (launch.checked && !shadow.pages) open_region(shadow);
    piece.pages = shadow.pages, piece.from = (uintptr_t)base;
}

// Pieces that a pointer somewhere leads to, found one after the other: a list may be long.
struct Reached {
    std::map<uintptr_t, bool> pieces;
    std::vector<const Piece*> to_look_at;

    void add(const Piece* p) {
        if (p && !p->freed && pieces.emplace(p->region.low, true).second) to_look_at.push_back(p);
    }
    void look_at(uintptr_t low, size_t size) {
        for (uintptr_t at = (low + 7) & ~(uintptr_t)7; at + 8 <= low + size; at += 8) {
            uintptr_t value;
            memcpy(&value, (const void*)at, sizeof value);
            if (in_heap(value)) add(piece_of(value));
        }
    }
    void follow() {
        while (!to_look_at.empty()) {
            const Region& r = to_look_at.back()->region;
            to_look_at.pop_back();
            look_at(r.low, r.size);
        }
    }
};

void report_leak(const std::vector<const Piece*>& lost) {
    const Piece& first = *lost.front();
    Finding f{};
    f.kind = "leak";
    size_t bytes = 0;
    for (const Piece* p : lost) bytes += p->region.size;
    f.message = std::to_string(bytes) + " bytes taken here are never freed, and nobody has a pointer to them any more";
    f.site = first.taken;
    memcpy(f.block, first.block, sizeof f.block);
    memcpy(f.thread, first.thread, sizeof f.thread);
    f.origin = 'h', f.number = first.region.number;
    f.count = lost.size();
    report(f);
}
}  // namespace

void blame(Finding& f, const Piece& piece) {
    if (piece.freed == EARLIER) return;
    f.other_site = piece.freed;
    memcpy(f.other_block, piece.freed_block, sizeof f.other_block);
    memcpy(f.other_thread, piece.freed_thread, sizeof f.other_thread);
}

bool in_heap(uintptr_t address) { return base && address - (uintptr_t)base < ROOM; }

const Piece* piece_near(uintptr_t address) {
    const Piece* nearest = nullptr;
    uintptr_t best = ROOM;
    auto consider = [&](const Piece& p) {
        uintptr_t low = p.region.low, high = low + p.region.size;
        uintptr_t distance = address < low ? low - address : address < high ? 0 : address - high + 1;
        if (distance < best) best = distance, nearest = &p;
    };
    auto after = pieces.upper_bound(address);
    if (after != pieces.end()) consider(after->second);
    if (after != pieces.begin()) consider(std::prev(after)->second);
    return nearest;
}

void heap_launch() {
    if (!base) return;
    if (next_place > ROOM / 2 || pieces.size() > MOST_KNOWN) {  // else addresses of old stay unused, and known
        for (auto p = pieces.begin(); p != pieces.end();) p = p->second.freed ? pieces.erase(p) : std::next(p);
        next_place = 0;
        for (auto& [low, piece] : pieces)
            next_place = (low + piece.region.size - (uintptr_t)base + APART - 1) / APART * APART;
    }
    next_number = 0;
    for (auto& [low, piece] : pieces) {
        piece.fresh = false;
        piece.region.number = next_number++;
        piece.taken = 0;  // places of another launch, perhaps in another library
        if (piece.freed) piece.freed = EARLIER;
    }
    close_region(shadow);
    users.clear();
    shadow = {(uintptr_t)base, ROOM, Space::GLOBAL, 0, 'h', false, nullptr};
    for (auto& [low, piece] : pieces) {
        piece.region.pages = nullptr, piece.region.from = (uintptr_t)base;
        if (!piece.freed) count_users(piece.region, 1);
    }
}

void heap_ends(const std::vector<Region>& arguments) {
    bool fresh = std::any_of(pieces.begin(), pieces.end(), [](auto& p) { return p.second.fresh && !p.second.freed; });
    if (!fresh || failure.kind[0] || (launch.checked && somebody_was_stopped())) return;
    Reached reached;
    for (const Region& r : arguments) reached.look_at(r.low, r.size);
    for (unsigned i = 0; i < launch.library->symbol_count; i++)
        reached.look_at((uintptr_t)launch.library->symbols[i].address, launch.library->symbols[i].size);
    for (auto& [low, p] : pieces)
        if (!p.fresh) reached.add(&p);
    reached.follow();
    std::map<uint64_t, std::vector<const Piece*>> lost;  // by the site where they were taken
    for (auto& [low, p] : pieces) {
        if (p.freed || !p.fresh || reached.pieces.count(low)) continue;
        in_use -= p.region.size;
        p.freed = EARLIER;
        lost[p.taken].push_back(&p);
    }
    if (launch.checked)
        for (auto& each : lost) report_leak(each.second);
}

const Region* piece_in_use(uintptr_t address, unsigned size) {
    Piece* p = piece_of(address);
    if (!p || p->freed || address + size > p->region.low + p->region.size) return nullptr;
    open_shadow(p->region);
    return &p->region;
}

std::string heap_report(const std::set<int>& named) {
    std::string text;
    for (auto& [low, p] : pieces) {
        if (!(launch.recorded && p.region.pages) && !named.count(p.region.number)) continue;
        text += "heap\t" + std::to_string(p.region.number) + "\t" + std::to_string(p.region.size) + "\t" +
                std::to_string(p.taken) + "\t" + (p.made_by_new ? "new" : "malloc") + "\n";
    }
    return text;
}
}  // namespace tg

using namespace tg;

void* tg_malloc(size_t size, const void* from, int line) {
    Outside now;
    if (size > LIMIT - in_use || !make_room()) return nullptr;
    if (!shadow.size) heap_launch();
    auto last_is_free = [] {
        return !pieces.empty() && pieces.rbegin()->second.fresh && pieces.rbegin()->second.freed;
    };
    while (!launch.checked && last_is_free()) {  // its place may be taken again
        next_place = pieces.rbegin()->first - (uintptr_t)base - APART;
        pieces.erase(std::prev(pieces.end()));
    }
    size_t place = next_place + APART;
    if (place + size + APART > ROOM) return nullptr;
    next_place = (place + size + APART - 1) / APART * APART;
    in_use += size;
    Piece piece{};
    piece.region = shadow;
    piece.region.low = (uintptr_t)base + place, piece.region.size = size;
    open_shadow(piece.region);
    piece.region.number = next_number++;
    piece.taken = site_of(from, line);
    memcpy(piece.block, tg_now.block, sizeof piece.block);
    index_of(tg_now.current, piece.thread);
    piece.fresh = true, piece.made_by_new = !line;
    if (launch.checked) memset(base + place, 0xCD, size);
    pieces[piece.region.low] = piece;
    count_users(piece.region, 1);
    return base + place;
}

void tg_free(void* memory, const void* from, int line) {
    if (!memory) return;
    Outside now;
    uint64_t site = site_of(from, line);
    uintptr_t address = (uintptr_t)memory;
    Piece* p = in_heap(address) ? piece_of(address) : nullptr;
    if (!p || p->region.low != address)
        return wrong_free("invalid free", "no malloc and no new has given this address", p, address, site, line);
    if (p->freed) return wrong_free("double free", "it has been freed already", p, address, site, line);
    open_shadow(p->region);
    if (launch.checked) watch_free(p->region, site);
    p->freed = site;
    memcpy(p->freed_block, tg_now.block, sizeof p->freed_block);
    index_of(tg_now.current, p->freed_thread);
    in_use -= p->region.size;
    count_users(p->region, -1);
}
