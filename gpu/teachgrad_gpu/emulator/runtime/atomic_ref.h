// cuda::atomic and cuda::atomic_ref: the atomic operations with an order in memory. An order is a fence: one that
// releases stands before the operation, one that acquires behind it.
#pragma once
#include "atomics.h"
#include "copies.h"

namespace cuda {
enum memory_order {
    memory_order_relaxed, memory_order_consume, memory_order_acquire, memory_order_release, memory_order_acq_rel,
    memory_order_seq_cst
};
namespace std {
using namespace ::std;
using cuda::memory_order;
using cuda::memory_order_acq_rel;
using cuda::memory_order_acquire;
using cuda::memory_order_relaxed;
using cuda::memory_order_release;
using cuda::memory_order_seq_cst;
}  // namespace std

TG_INLINE void atomic_thread_fence(memory_order, thread_scope scope = thread_scope_system) {
    tg_fence(scope == thread_scope_system ? 2 : scope == thread_scope_device);
}

#define TG_FETCH(name, operand, expression) \
    T fetch_##name(operand v, memory_order order = memory_order_seq_cst, TG_LINE) const { \
        return change<1>(order, line, [=](T old) -> T { return expression; }); \
    }
template <class Self, class T, thread_scope Scope> struct tg_atomic {
    template <int Changes, class F> T change(memory_order order, int line, F next) const {
        if (order != memory_order_relaxed && order != memory_order_acquire) atomic_thread_fence(order, Scope);
        T old = tg::atomic<Changes, true>((volatile T*)static_cast<const Self*>(this)->place(), line, next);
        if (order != memory_order_relaxed && order != memory_order_release) atomic_thread_fence(order, Scope);
        return old;
    }
    T load(memory_order order = memory_order_seq_cst, TG_LINE) const {
        return change<1>(order, line, [](T old) -> T { return old; });
    }
    void store(T v, memory_order order = memory_order_seq_cst, TG_LINE) const {
        change<0>(order, line, [=](T) -> T { return v; });
    }
    T exchange(T v, memory_order order = memory_order_seq_cst, TG_LINE) const {
        return change<0>(order, line, [=](T) -> T { return v; });
    }
    bool compare_exchange_strong(T& expected, T v, memory_order order = memory_order_seq_cst, TG_LINE) const {
        T seen = expected;
        T old = change<2>(order, line, [=](T now) -> T { return memcmp(&now, &seen, sizeof(T)) == 0 ? v : now; });
        bool same = memcmp(&old, &seen, sizeof(T)) == 0;
        if (!same) expected = old;
        return same;
    }
    bool compare_exchange_strong(T& expected, T v, memory_order order, memory_order, TG_LINE) const {
        return compare_exchange_strong(expected, v, order, line);
    }
    bool compare_exchange_weak(T& expected, T v, memory_order order = memory_order_seq_cst, TG_LINE) const {
        return compare_exchange_strong(expected, v, order, line);
    }
    bool compare_exchange_weak(T& expected, T v, memory_order order, memory_order, TG_LINE) const {
        return compare_exchange_strong(expected, v, order, line);
    }
    TG_FETCH(add, T, old + v)
    TG_FETCH(sub, T, old - v)
    TG_FETCH(and, T, old & v)
    TG_FETCH(or, T, old | v)
    TG_FETCH(xor, T, old ^ v)
    TG_FETCH(min, T, v < old ? v : old)
    TG_FETCH(max, T, old < v ? v : old)
    void wait(T old, memory_order order = memory_order_seq_cst, TG_LINE) const {
        while (load(order, line) == old) tg_yield();
    }
    void notify_one() const {}
    void notify_all() const {}
    T operator++() const { return fetch_add(1) + 1; }
    T operator++(int) const { return fetch_add(1); }
    T operator--() const { return fetch_sub(1) - 1; }
    T operator--(int) const { return fetch_sub(1); }
    T operator+=(T v) const { return fetch_add(v) + v; }
    T operator-=(T v) const { return fetch_sub(v) - v; }
    operator T() const { return load(); }
};
#undef TG_FETCH

template <class T, thread_scope Scope = thread_scope_system>
struct atomic_ref : tg_atomic<atomic_ref<T, Scope>, T, Scope> {
    T* variable;
    explicit atomic_ref(T& v) : variable(&v) {}
    T* place() const { return variable; }
    T operator=(T v) const { return this->store(v), v; }
};
template <class T, thread_scope Scope = thread_scope_system> struct atomic : tg_atomic<atomic<T, Scope>, T, Scope> {
    mutable T value;
    atomic() = default;
    constexpr atomic(T v) : value(v) {}
    T* place() const { return &value; }
    T operator=(T v) const { return this->store(v), v; }
};
}  // namespace cuda
