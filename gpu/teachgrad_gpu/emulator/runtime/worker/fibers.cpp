#include "fibers.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vector>

// Switching means: push the registers that a callee must keep, exchange the stack pointers, pop them again. glibc's
// swapcontext does the same and asks the kernel for the signal mask besides, which takes ten times as long.
#ifndef TG_UCONTEXT
#if defined(__APPLE__)
#define SYMBOL(name) "_" name
#else
#define SYMBOL(name) name
#endif
extern "C" void tg_switch(void** save, void* to);
#if defined(__x86_64__)
__asm__(
    ".text\n.globl " SYMBOL("tg_switch") "\n" SYMBOL("tg_switch") ":\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, (%rdi)\n"
    "mov %rsi, %rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\n"
    "ret\n");
#elif defined(__aarch64__)
__asm__(
    ".text\n.globl " SYMBOL("tg_switch") "\n.p2align 2\n" SYMBOL("tg_switch") ":\n"
    "stp x29, x30, [sp, #-160]!\n"
    "stp x19, x20, [sp, #16]\nstp x21, x22, [sp, #32]\nstp x23, x24, [sp, #48]\n"
    "stp x25, x26, [sp, #64]\nstp x27, x28, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\n"
    "mov sp, x1\n"
    "ldp x19, x20, [sp, #16]\nldp x21, x22, [sp, #32]\nldp x23, x24, [sp, #48]\n"
    "ldp x25, x26, [sp, #64]\nldp x27, x28, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
    "ldp x29, x30, [sp], #160\n"
    "ret\n");
#endif
#endif

namespace tg {
namespace {
std::vector<Fiber*> pool, all;

Fiber* fresh() {
    char* memory = static_cast<char*>(mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (memory == MAP_FAILED) abort();
    mprotect(memory, GUARD, PROT_NONE);
    all.push_back(new Fiber{{}, memory + GUARD});
    return all.back();
}
}  // namespace

Fiber* new_fiber(void (*start)()) {
    Fiber* fiber;
    if (pool.empty()) {
        fiber = fresh();
    } else {
        fiber = pool.back();
        pool.pop_back();
    }
#ifdef TG_UCONTEXT
    getcontext(&fiber->context.state);
    fiber->context.state.uc_stack.ss_sp = fiber->stack;
    fiber->context.state.uc_stack.ss_size = STACK;
    fiber->context.state.uc_link = nullptr;
    makecontext(&fiber->context.state, start, 0);
#else
    // The stack as if `start` had been called and had switched away at once: a place to return to, saved registers.
    void** top = reinterpret_cast<void**>(fiber->stack + STACK - 64);
#if defined(__x86_64__)
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(start);
    for (int i = 0; i < 6; i++) *--top = nullptr;
#else
    top -= 20;
    for (int i = 0; i < 20; i++) top[i] = nullptr;
    top[1] = reinterpret_cast<void*>(start);  // x30, where `ret` goes
#endif
    fiber->context.stack_pointer = top;
#endif
    return fiber;
}

bool on_a_stack(uintptr_t address) {
    for (const Fiber* f : all)
        if (address - (uintptr_t)f->stack < STACK) return true;
    return false;
}

void release(Fiber* fiber) { pool.push_back(fiber); }

void switch_to(Context& from, Context& to) {
#ifdef TG_UCONTEXT
    swapcontext(&from.state, &to.state);
#else
    tg_switch(&from.stack_pointer, to.stack_pointer);
#endif
}

const char* fiber_switch() {
#if defined(TG_UCONTEXT)
    return "ucontext";
#elif defined(__x86_64__)
    return "x86-64";
#else
    return "aarch64";
#endif
}
}  // namespace tg
