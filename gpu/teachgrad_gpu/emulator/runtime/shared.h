// Shared memory. The loader rewrites `__shared__ float s[32];` to `float (&s)[32] = TG_SHARED(s);`, a reference into
// the memory of the block, and `extern __shared__ float s[];` to a pointer to the dynamic part. No constructor runs,
// and nothing is set to zero, as on a device.
#pragma once
#include "builtins.h"

#if defined(__clang__)
#define TG_UNCOUNTED __attribute__((no_sanitize("coverage")))
#elif defined(__GNUC__) && __GNUC__ >= 12
#define TG_UNCOUNTED __attribute__((no_sanitize_coverage))
#else
#define TG_UNCOUNTED
#endif

#define TG_SHARED(name) \
    ([]() TG_UNCOUNTED -> std::remove_reference_t<decltype(name)>& { \
        using tg_type = std::remove_reference_t<decltype(name)>; \
        using tg_element = std::remove_all_extents_t<tg_type>; \
        constexpr unsigned tg_shape[] = {std::extent<tg_type, 0>::value, std::extent<tg_type, 1>::value, \
                                         std::extent<tg_type, 2>::value}; \
        static const char tg_declaration = 0; \
        static const unsigned tg_place = \
            tg_reserve(&tg_declaration, #name, tg::type_name<tg_element>(), sizeof(tg_type), alignof(tg_type), \
                       sizeof(tg_element), tg::plain<std::remove_cv_t<tg_element>>::value, tg_shape, __LINE__); \
        return *reinterpret_cast<tg_type*>(tg_static + tg_place); \
    }())
