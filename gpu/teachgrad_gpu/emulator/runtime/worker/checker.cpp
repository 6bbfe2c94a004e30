#include "checker.h"

#include <algorithm>
#include <string.h>

#include "clocks.h"
#include "copies.h"
#include "counting.h"
#include "events.h"
#include "guesses.h"
#include "heap.h"
#include "output.h"
#include "scheduler.h"
#include "watching.h"

namespace tg {
namespace {
bool damaged;                             // a thread of this block was stopped: what follows from that is not news
uint64_t barriers;                        // that the first block has met
bool stopped;                             // a thread of this launch was

struct Announced {
    uintptr_t address = 0;
    unsigned size = 0;
    char before[16];
    bool racing = false;
    Finding race;
};
Announced announced;
unsigned watched, unwritten;              // cells of the access that is looked at; those that nobody has written
uintptr_t first_unwritten;

void block_of(uint32_t number, unsigned* index) {
    const unsigned* n = tg_now.grid_dim;
    unsigned linear = number - 1;
    index[0] = linear % n[0], index[1] = linear / n[0] % n[1], index[2] = linear / (n[0] * n[1]);
}

Finding race_with(const Record& other, const char* what, uint64_t site, const Region& region, uintptr_t address) {
    Finding f = finding_here("race", site, &region, address);
    f.message = what;
    f.other_site = other.site;
    block_of(other.block, f.other_block);
    index_of(other.thread, f.other_thread);
    return f;
}

bool conflicts(const Record& other, int kind, Space space) {
    if (!other.block) return false;
    if (other.block != block_number() && space == Space::SHARED) return false;  // it was another block's memory
    if ((kind & ATOMIC) && other.atomic) return false;
    bool same_warp = other.block == block_number() && other.thread / 32 == tg_now.current / 32;
    // Volatile accesses are flags; in shared memory among the lanes of a warp they stand for a missing __syncwarp.
    bool relaxed = (kind & (ATOMIC | VOLATILE)) && (other.atomic || other.relaxed);
    if (relaxed && !(space == Space::SHARED && same_warp)) return false;
    return !happens_before(other.block, other.thread, other.time);
}

void remember_read(Cell& cell, const Record& now) {
    Record* r = cell.reads;
    bool other_block = r[0].block != now.block, other_warp = other_block || r[0].thread / 32 != now.thread / 32;
    if (!r[0].block || (r[0].thread == now.thread && !other_block)) {
        r[0] = now;
        return;
    }
    if (other_block) r[2] = r[0];
    else if (other_warp) r[1] = r[0];
    else r[3] = r[0];
    r[0] = now;
}

// Nobody has written it since it came to be: shared memory with its block, a piece of the heap with malloc.
bool is_unwritten(const Cell& cell, const Region& region) {
    if (region.space == Space::SHARED) return cell.write.block != block_number();
    return region.origin == 'h' && !cell.write.block && piece_near(region.low)->fresh;
}

void watch_cell(Cell& cell, const Region& region, uintptr_t address, int kind, uint64_t site) {
    Record now{time_now(), block_number(), (uint16_t)tg_now.current, (uint8_t)((kind & ATOMIC) != 0),
               (uint8_t)((kind & VOLATILE) != 0), (uint8_t)(kind & ATOMIC && has_fenced()), site};
    bool writes = kind & WRITE;
    if (kind & COMPARES) confirm_guess(cell, address);  // what it has guessed here does no harm
    if (conflicts(cell.write, kind, region.space)) {
        const char* what = kind & FREES ? "free" : writes ? "write-write" : "read-write";
        Finding race = race_with(cell.write, what, site, region, address);
        // Two that write the same value do no harm: this write is judged when it has happened.
        if (writes && !(kind & ATOMIC) && !cell.write.atomic && announced.address) {
            if (!announced.racing) announced.racing = true, announced.race = race;
        } else if (kind == READ && cell.write.atomic && !has_guessed(now.thread, address)) {
            guess(now.thread, address, race);
        } else {
            report(race);
        }
    } else if ((!writes || kind & CHANGES) && is_unwritten(cell, region)) {
        if (!unwritten) first_unwritten = address;
        unwritten++;
    }
    watched++;
    for (const Record& read : cell.reads)  // among them atomic operations that others have followed
        if ((writes || read.atomic) && conflicts(read, kind, region.space)) {
            Finding race = race_with(read, kind & FREES ? "free" : "read-write", site, region, address);
            bool ahead = kind & ATOMIC && !read.atomic && read.block == now.block &&
                         tg_now.alive[read.thread / 32] >> read.thread % 32 & 1;
            unsigned who = ahead ? read.thread : now.thread;
            if (!ahead && (!read.atomic || kind != READ)) report(race);
            else guess(who, address, race);
        }
    if (kind & ATOMIC)
        for (Record& read : cell.reads)
            if (read.atomic && read.released) read.block = 0;
    if (writes) cell.write = now;
    if (kind & ATOMIC || !writes) remember_read(cell, now);
    else for (Record& read : cell.reads) read.block = 0;
}

void watch_word(const Region& region, uintptr_t low, uintptr_t high, int kind, uint64_t site) {
    Cell& cell = cell_of(region, low);
    if (high - low < 4 && !cell.bytes) {
        cell.bytes = new Cell[4];
        for (int i = 0; i < 4; i++) {
            cell.bytes[i].write = cell.write;
            memcpy(cell.bytes[i].reads, cell.reads, sizeof cell.reads);
        }
    }
    if (!cell.bytes) return watch_cell(cell, region, low, kind, site);
    for (uintptr_t at = low; at < high; at++) watch_cell(cell.bytes[at % 4], region, at, kind, site);
}

bool among_variables(uintptr_t address) {
    const tg_span* spans = launch.library->spans;
    for (int i = 0; spans && i < 2; i++)
        if (address >= (uintptr_t)spans[i].low && address < (uintptr_t)spans[i].high) return true;
    return false;
}

void stop_here() {
    damaged = stopped = true;
    settle_write();
    drop_copies();
    stop_thread();
}

void out_of_bounds(uintptr_t address, unsigned size, int kind, uint64_t site) {
    const Piece* piece = in_heap(address) ? piece_near(address) : nullptr;
    const Region* nearest = piece ? &piece->region : nearest_region(address);
    bool gone = piece && piece->freed && address - nearest->low < nearest->size;
    Finding f = finding_here(gone ? "use after free" : "out of bounds", site, nearest, address);
    if (gone) blame(f, *piece);
    f.message = kind & WRITE ? "write" : "read";
    f.message += " of " + std::to_string(size) + " bytes";
    report(f);
    stop_here();
}
}  // namespace

bool somebody_was_stopped() { return stopped; }

void check_shared_array(unsigned index) {
    const SharedArray& a = layout->arrays[index];
    add_region({(uintptr_t)tg_static + a.place, a.size, Space::SHARED, (int)index, 's', a.plain, nullptr});
}

void check_launch(const std::vector<Region>& arguments) {
    forget_regions();
    forget_findings();
    forget_guesses();
    forget_copies();
    announced.address = 0;
    stopped = false;
    barriers = 0;
    clocks_launch();
    counting_launch();
    for (const Region& r : arguments) add_region(r);
    const tg_library& library = *launch.library;
    for (unsigned i = 0; i < library.symbol_count; i++) {
        const tg_symbol& s = library.symbols[i];
        Space space = s.constant ? Space::CONSTANT : Space::GLOBAL;
        add_region({(uintptr_t)s.address, s.size, space, (int)i, 'v', true, nullptr});
    }
    if (launch.shared) add_region({(uintptr_t)tg_dynamic, launch.shared, Space::SHARED, -1, 's', false, nullptr});
    for (unsigned i = 0; i < layout->arrays.size(); i++) check_shared_array(i);
}

void check_block_begins() {
    damaged = false;
    for (Thread& t : threads) t.flag = 0, t.doubted = 0;
    memset(tg_dynamic, 0xCD, launch.shared);
    for (const SharedArray& a : layout->arrays) memset(tg_static + a.place, 0xCD, a.size);
    clocks_block();
    counting_block();
}

void check_block_ends() {
    settle_write();
    report_all_guesses();
    counting_flush();
}

void check_barrier(State waiting) {
    settle_write();
    report_all_guesses();
    const Thread* first = nullptr;
    unsigned number = 0;
    for (unsigned i = 0; i < threads.size(); i++) {
        const Thread& t = threads[i];
        if (t.state != waiting) continue;
        if (!first) {
            first = &t, number = i;
        } else if (t.line != first->line || t.kind != first->kind) {
            tg_now.current = i;
            Finding f = finding_here("divergent barrier", site_of_line(t.line), nullptr, 0);
            f.other_site = site_of_line(first->line);
            memcpy(f.other_block, f.block, sizeof f.block);
            index_of(number, f.other_thread);
            report(f);
            break;
        }
    }
    if (tg_now.exited && !damaged && first) {
        tg_now.current = number;
        Finding f = finding_here("missed barrier", first->line ? site_of_line(first->line) : 0, nullptr, 0);
        for (unsigned i = 0; i < threads.size(); i++) {
            if (tg_now.alive[i / 32] >> i % 32 & 1) continue;
            memcpy(f.other_block, f.block, sizeof f.block);
            index_of(i, f.other_thread);
            break;
        }
        report(f);
    }
    for (unsigned w = 0; w < (threads.size() + 31) / 32; w++) counting_meet(w);
    barriers += block_number() == 1;
    clocks_barrier();
}

void check_grid() { clocks_grid(); }

void check_warp(unsigned warp, unsigned lanes, int kind) {
    settle_write();
    counting_meet(warp);
    if (kind == TG_SYNC) clocks_warp(warp, lanes);
}

void check_exit(unsigned thread) {
    finish_all_copies();
    settle_write();
    report_guesses(thread);
    if (!tg_now.alive[thread / 32]) counting_meet(thread / 32);
}

void check_lanes(unsigned lane, unsigned source, unsigned here, int line) {
    if (damaged || here >> source & 1) return;
    Finding f = finding_here("inactive lane", site_of_line(line), nullptr, 0);
    index_of(tg_now.current / 32 * 32 + lane, f.thread);
    f.message = "a shuffle reads lane " + std::to_string(source) + ", which does not take part";
    report(f);
}

std::string check_report() {
    std::string text = counting_report() + heap_report(pieces_found()) + findings_report();
    for (const SharedArray& a : layout->arrays)
        text += std::string("shared\t") + a.name + "\t" + std::to_string(a.size) + "\t" + std::to_string(a.element) +
                "\t" + std::to_string(a.shape[0]) + " " + std::to_string(a.shape[1]) + " " +
                std::to_string(a.shape[2]) + "\t" + a.type + "\n";
    return text + "dropped\t" + std::to_string(events_dropped()) + "\nbarriers\t" + std::to_string(barriers) + "\n";
}

void settle_write() {
    if (!announced.address) return;
    if (announced.racing && memcmp((void*)announced.address, announced.before, announced.size)) report(announced.race);
    record_value(announced.address, announced.size);
    announced.address = 0;
}

void exchange_watch(BlockWatch& others) {
    settle_write();
    counting_flush();
    std::swap(damaged, others.damaged);
    exchange_clocks(others.clocks);
    exchange_guesses(others.guesses);
    exchange_shared(others.shared);
}

void watch_free(const Region& piece, uint64_t site) {
    settle_write();
    for (uintptr_t at = piece.low; at < piece.low + piece.size;) {
        uintptr_t next = std::min(at + 4, piece.low + piece.size);
        if (is_untouched(piece, at)) next = page_end(piece, at);
        else watch_word(piece, at, next, WRITE | FREES, site);
        at = next;
    }
}

// Every access of the kernel comes by here before it happens.
void watch(uintptr_t address, unsigned size, int kind, uint64_t site, bool aligned) {
    settle_write();
    const Region* region = in_heap(address) ? piece_in_use(address, size) : region_of(address, size);
    if (!region) {
        if (!among_variables(address) && is_elsewhere(address)) return;  // local variables, constants of the program
        out_of_bounds(address, size, kind, site);
        return;
    }
    if (aligned && address % size) {
        Finding f = finding_here("misaligned", site, region, address);
        f.message = "an access of " + std::to_string(size) + " bytes at an address that is no multiple of that";
        report(f);
        stop_here();
    }
    unsigned thread;
    uint64_t copied;
    if (is_on_its_way(address, size, kind & WRITE, &copied, &thread)) {
        Finding f = finding_here("unfinished copy", site, region, address);
        f.message = kind & WRITE ? "writes" : "reads";
        f.other_site = copied;
        memcpy(f.other_block, tg_now.block, sizeof f.other_block);
        index_of(thread, f.other_thread);
        report(f);
        return;
    }
    if ((kind & WRITE) && size <= 16) {
        announced.address = address, announced.size = size, announced.racing = false;
        memcpy(announced.before, (void*)address, size);
    }
    if (kind & WRITE && region->space == Space::CONSTANT) {
        report(finding_here("constant memory", site, region, address));
    } else if (region->space != Space::CONSTANT) {
        unwritten = watched = 0;
        for (uintptr_t at = address; at < address + size;) {
            uintptr_t next = std::min((at & ~(uintptr_t)3) + 4, address + size);
            watch_word(*region, at, next, kind, site);
            at = next;
        }
        // A struct is copied with its padding, which nobody writes.
        if (unwritten && (region->plain || size <= 4 || unwritten == watched) && !damaged)
            report(finding_here("uninitialised", site, region, first_unwritten));
        count_access(*region, address, size, kind, site);
    }
    record_access(*region, address, size, kind, site);
}
}  // namespace tg
