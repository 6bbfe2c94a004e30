// What is remembered of each word of memory: who wrote it last, and some of those who have read it since.
#pragma once
#include <stdint.h>

namespace tg {
// How a word is accessed.
enum Kind : uint8_t {
    READ = 0, WRITE = 1, ATOMIC = 2, VOLATILE = 4,
    CHANGES = 8,   // the old value matters
    COMPARES = 16,  // and is compared with what the thread took it to be
    FREES = 32      // a write after which nothing is there
};

struct Record {
    uint64_t time = 0;
    uint32_t block = 0;    // from 1; 0: nobody
    uint16_t thread = 0;
    uint8_t atomic = 0;
    uint8_t relaxed = 0;   // volatile
    uint8_t released = 0;  // atomic, and the thread had passed a fence: who comes next atomically comes after it
    uint64_t site = 0;
};

// Four readers are kept, as unlike as possible (another lane, another warp, another block), so that whoever writes
// without being ordered after all readers most probably meets one that it is not ordered after. A word of which
// single bytes are accessed is four cells.
struct Cell {
    Record write;
    Record reads[4];
    Cell* bytes = nullptr;
};
}  // namespace tg
