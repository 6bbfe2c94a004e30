// Copies in the background: the primitives of a pipeline, and libcu++'s pipeline of a thread.
#pragma once
#include "intrinsics.h"

namespace tg {
TG_INLINE void copy_async(void* to, const void* from, size_t size, size_t zeros, int line) {
#ifdef TG_CHECKED
    tg_copy_async(to, from, size, zeros, line);
#else
    copy(to, from, size, line);
    if (zeros) fill((char*)to + size, 0, zeros, line);
#endif
}
TG_INLINE void copy_commit() {
#ifdef TG_CHECKED
    tg_copy_commit();
#endif
}
TG_INLINE void copy_wait(size_t but) {
#ifdef TG_CHECKED
    tg_copy_wait(but);
#else
    (void)but;
#endif
}
}  // namespace tg

TG_INLINE void __pipeline_memcpy_async(void* to, const void* from, size_t size, size_t zeros = 0, TG_LINE) {
    tg::copy_async(to, from, size - zeros, zeros, line);
}
TG_INLINE void __pipeline_commit() { tg::copy_commit(); }
TG_INLINE void __pipeline_wait_prior(size_t but) { tg::copy_wait(but); }

namespace cuda {
enum thread_scope { thread_scope_system, thread_scope_device, thread_scope_block, thread_scope_thread };

// The pipeline of one thread; those that threads share are not here.
template <thread_scope Scope> struct pipeline {
    static_assert(Scope == thread_scope_thread, "the emulator has cuda::pipeline<cuda::thread_scope_thread> alone");
    unsigned committed = 0, consumed = 0;

    void producer_acquire() {}
    void producer_commit() { tg::copy_commit(), committed++; }
    void consumer_wait() { tg::copy_wait(committed - consumed - 1); }
    void consumer_release() { consumed++; }
};
TG_INLINE pipeline<thread_scope_thread> make_pipeline() { return {}; }
template <unsigned But> TG_INLINE void pipeline_consumer_wait_prior(pipeline<thread_scope_thread>&) {
    tg::copy_wait(But);
}

template <size_t Alignment> struct aligned_size_t {
    size_t value;
    explicit aligned_size_t(size_t size) : value(size) {}
    operator size_t() const { return value; }
};
template <class T, class Size>
TG_INLINE void memcpy_async(T* to, const T* from, Size size, pipeline<thread_scope_thread>&, TG_LINE) {
    tg::copy_async(to, from, size, 0, line);
}
template <class Group, class T, class Size>
TG_INLINE void memcpy_async(const Group& group, T* to, const T* from, Size size, pipeline<thread_scope_thread>&,
                            TG_LINE) {
    for (size_t at = 4 * group.thread_rank(); at < size; at += 4 * group.size())
        tg::copy_async((char*)to + at, (const char*)from + at, size - at < 4 ? size - at : 4, 0, line);
}
}  // namespace cuda
