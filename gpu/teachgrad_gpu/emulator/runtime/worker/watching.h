// What checking keeps for each of the blocks that are there at once.
#pragma once
#include "clocks.h"
#include "guesses.h"

namespace tg {
struct BlockWatch {
    bool damaged = false;
    BlockClocks clocks;
    Guesses guesses;
    SharedPages shared;
};
void exchange_watch(BlockWatch& others);  // go on with another block
}  // namespace tg
