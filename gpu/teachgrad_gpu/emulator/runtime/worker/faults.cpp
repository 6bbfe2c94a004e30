#include "faults.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#ifdef __APPLE__
#include <sys/ucontext.h>  // <ucontext.h> there is only for who asks for X/Open
#else
#include <ucontext.h>
#endif
#include <unistd.h>

#include "fibers.h"
#include "protocol.h"
#include "scheduler.h"

namespace tg {
namespace {
constexpr int TICK = 20000;  // microseconds for which a thread may keep the processor
constexpr int SHORT = 1000;  // the same where threads seem to wait for each other
constexpr unsigned MANY = 16;
constexpr unsigned LONGEST = 100;  // ticks that the runtime may take until it sees that the time is up
int answer_socket;
pid_t parent;
double began, deadline, block_began;
unsigned long long block_seen;
unsigned interrupted;  // threads in this launch
unsigned overdue;      // ticks since the time was up; not seconds, in which a busy machine may not have let us work

double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

struct Registers { uintptr_t counter, stack; };

Registers registers_in(const void* context) {
    const ucontext_t* c = static_cast<const ucontext_t*>(context);
#if defined(__linux__) && defined(__x86_64__)
    return {(uintptr_t)c->uc_mcontext.gregs[REG_RIP], (uintptr_t)c->uc_mcontext.gregs[REG_RSP]};
#elif defined(__linux__) && defined(__aarch64__)
    return {(uintptr_t)c->uc_mcontext.pc, (uintptr_t)c->uc_mcontext.sp};
#elif defined(__APPLE__) && defined(__x86_64__)
    return {(uintptr_t)c->uc_mcontext->__ss.__rip, (uintptr_t)c->uc_mcontext->__ss.__rsp};
#elif defined(__APPLE__) && defined(__aarch64__)
    return {(uintptr_t)c->uc_mcontext->__ss.__pc, (uintptr_t)c->uc_mcontext->__ss.__sp};
#else
    (void)c;
    return {0, 0};
#endif
}

bool in_library(uintptr_t address) { return address - launch.base < launch.size; }

// Where in the kernel's library a signal came: as the offset behind the instruction, or 0. If the kernel has called a
// function elsewhere, the place to return to is the first address of the library on the stack.
uint64_t place_of(const void* context) {
    Registers r = registers_in(context);
    if (in_library(r.counter)) return r.counter - launch.base + 1;
    const Fiber* f = running_fiber();
    if (!f || r.stack - (uintptr_t)f->stack >= STACK) return 0;
    uintptr_t end = (uintptr_t)f->stack + STACK;
    for (uintptr_t at = r.stack & ~(uintptr_t)7; at + 8 <= end && at < r.stack + 8192; at += 8) {
        uintptr_t value;
        memcpy(&value, (const void*)at, sizeof value);
        if (in_library(value)) return value - launch.base;
    }
    return 0;
}

// The last words of this process: the failure, with the place in the library so that its line can be found.
[[noreturn]] void leave_with(const char* kind, const char* message, uint64_t place) {
    failure.kind[0] = 0;
    fail(kind, 0, "%s", message);
    answer_failure(answer_socket, place, true);
    _exit(3);
}

bool touches_guard(uintptr_t address) {
    for (const Thread& t : threads)
        if (t.fiber && address < (uintptr_t)t.fiber->stack && address >= (uintptr_t)t.fiber->stack - GUARD) return true;
    const Fiber* self = running_fiber();
    return self && address < (uintptr_t)self->stack && address >= (uintptr_t)self->stack - GUARD;
}

void on_fault(int number, siginfo_t* info, void* context) {
    uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
    char text[256];
    const char* kind = "illegal address";
    if (number == SIGFPE) {
        kind = "arithmetic", snprintf(text, sizeof text, "an integer was divided by zero, or the least one by -1");
    } else if (number == SIGILL || number == SIGABRT || number == SIGSYS) {
        kind = "abort";
        snprintf(text, sizeof text, "%s",
                 number == SIGSYS ? "the kernel asked for something that only programs on the host may do"
                                  : "the kernel ended its process");
    } else if (touches_guard(address)) {
        kind = "stack overflow";
        snprintf(text, sizeof text, "the local variables of a thread take more than %zu KiB", STACK >> 10);
    } else if (!address) {
        snprintf(text, sizeof text, "the kernel followed a null pointer, or an address that no memory has");
    } else {
        snprintf(text, sizeof text, "the kernel touched address %#zx, where there is no memory", (size_t)address);
    }
    bool harmless = number == SIGFPE || launch.checked;  // nothing has been overwritten that is not the kernel's
    if (harmless && tg_now.inside && number != SIGABRT) {
        tg_now.inside = 0;
        fail(kind, 0, "%s", text);
        failure.place = place_of(context);
        give_up();
    }
    leave_with(kind, text, place_of(context));
}

void set_timer(int microseconds) {
    itimerval timer;
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_usec = timer.it_interval.tv_usec = microseconds;
    setitimer(ITIMER_REAL, &timer, nullptr);
}

void on_clock(int, siginfo_t*, void* context) {
    if (getppid() != parent) _exit(4);  // nobody is left to answer to
    bool late = now() > deadline;
    if (blocks_before() != block_seen) block_seen = blocks_before(), block_began = now();
    if (!tg_now.inside) {
        if (late && ++overdue > LONGEST) leave_with("timeout", "the kernel did not end in time", place_of(context));
        expired = late, due = true;  // who works for the kernel now will see it
        return;
    }
    Outside outside;
    if (late) expire(place_of(context));
    if (++interrupted == MANY) set_timer(SHORT);
    suspend(State::READY);
}

void handle(int number, void (*handler)(int, siginfo_t*, void*), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | flags;
    sigaction(number, &action, nullptr);
}
}  // namespace

void catch_faults(int socket) {
    answer_socket = socket;
    parent = getppid();
    constexpr size_t size = 64 << 10;
    stack_t own;
    memset(&own, 0, sizeof own);
    own.ss_sp = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    own.ss_size = size;
    sigaltstack(&own, nullptr);
    for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS}) handle(number, on_fault, SA_ONSTACK);
    handle(SIGALRM, on_clock, SA_RESTART);  // on the stack of the thread, which may sleep in the middle of it
}

void start_clock(double seconds) {
    began = block_began = now();
    deadline = began + seconds;
    block_seen = 0;
    interrupted = overdue = 0;
    set_timer(TICK);
}

void stop_clock() { set_timer(0); }
double seconds_taken() { return now() - began; }
double seconds_in_block() { return now() - block_began; }
}  // namespace tg

long long tg_clock() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}
