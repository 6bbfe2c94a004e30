// Variables outside functions. In a build that checks they lie in two sections, those with values and those of zeros,
// with guards between them: whatever lies in a section and belongs to no variable must not be touched.
//
// `no_reorder` makes GCC lay them out in the order of the source; Clang does so anyway.
#pragma once
#include "builtins.h"

namespace tg {
template <class T> tg_symbol symbol(const char* name, T& variable, int constant) {
    using Element = std::remove_cv_t<std::remove_all_extents_t<T>>;
    return {name, (void*)&variable, sizeof(T), constant, sizeof(Element),
            {std::extent<T, 0>::value, std::extent<T, 1>::value, std::extent<T, 2>::value}, type_name<Element>()};
}
}  // namespace tg

#ifdef TG_CHECKED
#if defined(__APPLE__)
#define TG_SECTION_DATA "__DATA,tg_data"
#define TG_SECTION_ZEROS "__DATA,tg_zeros"
#else
#define TG_SECTION_DATA ".data.tg"
#define TG_SECTION_ZEROS ".bss.tg"
#endif
#if defined(__clang__)
#define TG_LAID_OUT(place) __attribute__((section(place), used))
#else
#define TG_LAID_OUT(place) __attribute__((section(place), used, no_reorder))
#endif
#define TG_DATA __attribute__((aligned(256))) TG_LAID_OUT(TG_SECTION_DATA)
#define TG_ZEROS __attribute__((aligned(256))) TG_LAID_OUT(TG_SECTION_ZEROS)
#define TG_GUARD_DATA(n) TG_LAID_OUT(TG_SECTION_DATA) static char tg_guard_##n[4096] = {1};
#define TG_GUARD_ZEROS(n) TG_LAID_OUT(TG_SECTION_ZEROS) static char tg_guard_##n[4096];
#define TG_CONST  // what is constant may lie among what is not
#else
#define TG_DATA
#define TG_ZEROS
#define TG_GUARD_DATA(n)
#define TG_GUARD_ZEROS(n)
#define TG_CONST const
#endif

// Before all variables, and behind them.
#ifdef TG_CHECKED
#define TG_VARIABLES_BEGIN TG_GUARD_DATA(first_data) TG_GUARD_ZEROS(first_zeros)
#define TG_VARIABLES_END \
    TG_GUARD_DATA(last_data) TG_GUARD_ZEROS(last_zeros) \
    static const tg_span tg_spans[] = {{tg_guard_first_data, tg_guard_last_data + sizeof tg_guard_last_data}, \
                                       {tg_guard_first_zeros, tg_guard_last_zeros + sizeof tg_guard_last_zeros}};
#else
#define TG_VARIABLES_BEGIN
#define TG_VARIABLES_END static const tg_span* const tg_spans = nullptr;
#endif
