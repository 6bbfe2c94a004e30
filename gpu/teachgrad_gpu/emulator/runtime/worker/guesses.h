// Plain reads of what others change atomically. They are right if the thread then compares and swaps, which tells
// whether what it has read is still so: the loop around atomicCAS that NVIDIA's guide begins with such a read.
#pragma once
#include <unordered_map>
#include <vector>

#include "findings.h"

namespace tg {
struct Guess {
    uintptr_t address;
    Finding race;
};
using Guesses = std::unordered_map<unsigned, std::vector<Guess>>;  // by thread

void guess(unsigned thread, uintptr_t address, const Finding& race);  // a race, unless the thread compares
bool has_guessed(unsigned thread, uintptr_t address);
void confirm_guess(Cell& cell, uintptr_t address);  // the current thread compares
void report_guesses(unsigned thread);               // it has not compared
void report_all_guesses();
void forget_guesses();
void exchange_guesses(Guesses& others);             // go on with those of another block
}  // namespace tg
