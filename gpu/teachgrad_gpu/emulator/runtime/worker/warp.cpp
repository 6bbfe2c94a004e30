#include "warp.h"

#include <string.h>

#include "checker.h"
#include "scheduler.h"

namespace tg {
namespace {
unsigned long long number(const Thread& t) {
    unsigned long long value = 0;
    memcpy(&value, t.value, t.size < sizeof value ? t.size : sizeof value);
    return value;
}

unsigned combined(int kind, unsigned a, unsigned b) {
    switch (kind) {
        case TG_REDUCE_ADD: return a + b;
        case TG_REDUCE_MIN: return a < b ? a : b;
        case TG_REDUCE_MAX: return a > b ? a : b;
        case TG_REDUCE_MIN_SIGNED: return (int)a < (int)b ? a : b;
        case TG_REDUCE_MAX_SIGNED: return (int)a > (int)b ? a : b;
        case TG_REDUCE_AND: return a & b;
        case TG_REDUCE_OR: return a | b;
        default: return a ^ b;
    }
}

// The answer for all lanes of a vote, a match or a reduction, seen from `lane`.
unsigned long long answer_for(const Thread* warp, unsigned lane, unsigned here, int kind) {
    unsigned mask = 0;
    unsigned long long mine = number(warp[lane]), total = 0;
    bool first = true;
    for (unsigned l = 0; l < 32; l++) {
        if (!(here >> l & 1)) continue;
        unsigned long long its = number(warp[l]);
        if (kind == TG_BALLOT) mask |= its ? 1u << l : 0;
        else if (kind <= TG_MATCH_ALL) mask |= its == mine ? 1u << l : 0;
        else total = first ? its : combined(kind, (unsigned)total, (unsigned)its);
        first = false;
    }
    if (kind == TG_MATCH_ALL) return mask == here ? mask : 0;
    return kind <= TG_MATCH_ALL ? mask : total;
}

// A lane has got an answer from one that has returned, though the mask names that one. If it has used the answer, what
// it gives next is no longer what it gave then.
void judge_doubt(Thread& t, unsigned lane, unsigned here) {
    if (t.doubted && memcmp(t.given, t.value, t.size)) check_lanes(lane, t.doubted - 1, here, t.doubted_line);
    t.doubted = 0;
}

void exchange(Thread* warp, unsigned here, int kind) {
    if (launch.checked) check_warp((unsigned)(warp - threads.data()) / 32, here, kind);
    bool same = kind == TG_BALLOT || kind > TG_MATCH_ALL;
    unsigned long long common = 0;
    for (unsigned l = 0, first = 1; l < 32; l++) {
        if (!(here >> l & 1)) continue;
        Thread& t = warp[l];
        if (kind == TG_SYNC) continue;
        if (kind == TG_SHUFFLE || kind == TG_SHIFT) {
            unsigned source = t.source & 31;
            bool there = here >> source & 1;
            bool matters = kind == TG_SHUFFLE || !(here & ((1u << l) - 1));  // to the first lane every answer matters
            if (launch.checked) {
                judge_doubt(t, l, here);
                if (!there && matters) check_lanes(l, source, here, t.line);
                if (!there && !matters && t.mask >> source & 1) {
                    t.doubted = source + 1, t.doubted_line = t.line;
                    memcpy(t.given, t.value, sizeof t.given);
                }
            }
            memcpy(t.answer, there ? warp[source].value : t.value, 16);
            continue;
        }
        if (first || !same) common = answer_for(warp, l, here, kind);
        first = 0;
        memcpy(t.answer, &common, sizeof common);
    }
}

// Whether everybody named in the mask of `lane` is there, with the same mask and operation: who they are, or 0.
unsigned complete(const Thread* warp, unsigned lane, unsigned alive) {
    unsigned here = warp[lane].mask & alive;
    for (unsigned l = 0; l < 32; l++) {
        if (!(here >> l & 1)) continue;
        const Thread& t = warp[l];
        if (t.state != State::WARP || t.mask != warp[lane].mask || t.kind != warp[lane].kind) return 0;
    }
    return here;
}
}  // namespace

unsigned settle_lane(unsigned thread) {
    Thread* warp = &threads[thread / 32 * 32];
    unsigned lane = thread % 32, here = complete(warp, lane, tg_now.alive[thread / 32]);
    if (here) exchange(warp, here, warp[lane].kind);
    return here;
}

unsigned settle_warp(unsigned number_of_warp) {
    const Thread* warp = &threads[number_of_warp * 32];
    unsigned settled = 0, alive = tg_now.alive[number_of_warp];
    for (unsigned lane = 0; lane < 32; lane++) {
        if (!((alive & ~settled) >> lane & 1)) continue;
        if (warp[lane].state == State::WARP && warp[lane].kind != TG_ACTIVE)
            settled |= settle_lane(number_of_warp * 32 + lane);
    }
    return settled;
}

unsigned settle_active(unsigned number_of_warp) {
    Thread* warp = &threads[number_of_warp * 32];
    unsigned asking = 0, alive = tg_now.alive[number_of_warp];
    for (unsigned l = 0; l < 32; l++)
        if (alive >> l & 1 && warp[l].state == State::WARP && warp[l].kind == TG_ACTIVE) asking |= 1u << l;
    for (unsigned lane = 0; lane < 32; lane++) {
        if (!(asking >> lane & 1)) continue;
        unsigned here = 0;
        for (unsigned l = 0; l < 32; l++)
            if (asking >> l & 1 && warp[l].line == warp[lane].line) here |= 1u << l;
        memcpy(warp[lane].answer, &here, sizeof here);
    }
    return asking;
}
}  // namespace tg
