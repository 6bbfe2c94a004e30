#include "guesses.h"

#include <algorithm>

#include "clocks.h"

namespace tg {
namespace {
Guesses guesses;
}  // namespace

bool has_guessed(unsigned thread, uintptr_t address) {
    auto own = guesses.find(thread);
    if (own == guesses.end()) return false;
    return std::any_of(own->second.begin(), own->second.end(), [=](const Guess& g) { return g.address == address; });
}

void guess(unsigned thread, uintptr_t address, const Finding& race) {
    if (!has_guessed(thread, address)) guesses[thread].push_back({address, race});
}

void confirm_guess(Cell& cell, uintptr_t address) {
    unsigned thread = tg_now.current;
    if (auto own = guesses.find(thread); own != guesses.end()) {
        std::vector<Guess>& all = own->second;
        all.erase(std::remove_if(all.begin(), all.end(), [=](const Guess& g) { return g.address == address; }),
                  all.end());
        if (all.empty()) guesses.erase(own);
    }
    for (Record& read : cell.reads)
        if (read.block == block_number() && read.thread == thread) read.atomic = 1;
}

void report_guesses(unsigned thread) {
    auto own = guesses.find(thread);
    if (own == guesses.end()) return;
    for (Guess& g : own->second) report(g.race);
    guesses.erase(own);
}

void report_all_guesses() {
    while (!guesses.empty()) report_guesses(guesses.begin()->first);
}

void forget_guesses() { guesses.clear(); }
void exchange_guesses(Guesses& others) { guesses.swap(others); }
}  // namespace tg
