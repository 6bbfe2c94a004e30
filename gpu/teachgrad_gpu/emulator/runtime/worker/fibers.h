// Fibers: stacks that one thread of the machine switches between.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(TG_PORTABLE) || !(defined(__x86_64__) || defined(__aarch64__))
#define TG_UCONTEXT 1
#include <ucontext.h>
#endif

namespace tg {
constexpr size_t STACK = 256 << 10;  // local memory of a thread; pages that are not touched cost nothing
constexpr size_t GUARD = 64 << 10;   // below it, pages that must not be touched; compilers probe that often

struct Context {
#ifdef TG_UCONTEXT
    ucontext_t state;
#else
    void* stack_pointer;
#endif
};

struct Fiber {
    Context context;
    char* stack;      // its lowest usable byte
};

Fiber* new_fiber(void (*start)());         // a fiber that will run `start`, on a stack from the pool
void release(Fiber* fiber);                // its stack may be used again, as soon as the processor has left it
void switch_to(Context& from, Context& to);
bool on_a_stack(uintptr_t address);        // of any fiber there has been
const char* fiber_switch();                // "x86-64", "aarch64" or "ucontext"
}  // namespace tg
