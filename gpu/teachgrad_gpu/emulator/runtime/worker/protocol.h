// What the worker and the interpreter say to each other over a socket: messages of a kind, a length, and so many bytes.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string>
#include <vector>

namespace tg {
enum Request : uint32_t { HELLO = 1, SEGMENT, FORGET, LOAD, RUN, READ_VARIABLE, WRITE_VARIABLE };
enum Answer : uint32_t { OK = 100, ERROR, FAILED, DIED, REPORT, EVENTS };

struct Message {
    uint32_t kind = 0;
    std::vector<char> bytes;
    int descriptor = -1;  // a file that came with it
};

bool receive(int socket, Message& message);      // false: the other side is gone
void answer(int socket, uint32_t kind, const void* bytes, size_t size);
void answer_failure(int socket, uintptr_t place, bool dying);  // kind, place in the library, and the text
}  // namespace tg
