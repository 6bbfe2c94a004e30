// Two halves or four bytes of a word at once. A device does most of them by several instructions today.
#pragma once
#include "intrinsics.h"

namespace tg {
template <class T, class F> TG_INLINE unsigned each(unsigned a, unsigned b, F f) {
    constexpr int width = 8 * sizeof(T);
    unsigned result = 0;
    for (int at = 0; at < 32; at += width)
        result |= ((unsigned)(int)f((T)(a >> at), (T)(b >> at)) & (0xffffffffu >> (32 - width))) << at;
    return result;
}
template <class T> TG_INLINE int saturated(int x) {
    constexpr int low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    return x < low ? low : x > high ? high : x;
}
TG_INLINE int distance(int a, int b) { return a > b ? a - b : b - a; }
template <class T> TG_INLINE unsigned sum_of_distances(unsigned a, unsigned b) {
    unsigned sum = 0;
    for (int at = 0; at < 32; at += 8 * sizeof(T)) sum += distance((T)(a >> at), (T)(b >> at));
    return sum;
}
}  // namespace tg

#define TG_SIMD(name, T2, T4, expression) \
    TG_INLINE unsigned __v##name##2(unsigned a, unsigned b) { \
        return tg::each<T2>(a, b, [](int x, int y) { using T = T2; (void)sizeof(T); return expression; }); \
    } \
    TG_INLINE unsigned __v##name##4(unsigned a, unsigned b) { \
        return tg::each<T4>(a, b, [](int x, int y) { using T = T4; (void)sizeof(T); return expression; }); \
    }
#define TG_SIMD_ONE(name, expression) \
    TG_INLINE unsigned __v##name##2(unsigned a) { \
        return tg::each<short>(a, 0, [](int x, int) { using T = short; (void)sizeof(T); return expression; }); \
    } \
    TG_INLINE unsigned __v##name##4(unsigned a) { \
        using B = signed char; \
        return tg::each<B>(a, 0, [](int x, int) { using T = B; (void)sizeof(T); return expression; }); \
    }
#define TG_SIMD_SIGNED(name, expression) TG_SIMD(name, short, signed char, expression)
#define TG_SIMD_UNSIGNED(name, expression) TG_SIMD(name, unsigned short, unsigned char, expression)
#define TG_SIMD_COMPARE(name, op) \
    TG_SIMD_SIGNED(cmp##name##s, x op y ? -1 : 0) \
    TG_SIMD_UNSIGNED(cmp##name##u, x op y ? -1 : 0) \
    TG_SIMD_SIGNED(set##name##s, x op y) \
    TG_SIMD_UNSIGNED(set##name##u, x op y)

TG_SIMD_UNSIGNED(add, x + y)
TG_SIMD_UNSIGNED(sub, x - y)
TG_SIMD_SIGNED(addss, tg::saturated<T>(x + y))
TG_SIMD_UNSIGNED(addus, tg::saturated<T>(x + y))
TG_SIMD_SIGNED(subss, tg::saturated<T>(x - y))
TG_SIMD_UNSIGNED(subus, tg::saturated<T>(x - y))
TG_SIMD_SIGNED(maxs, x > y ? x : y)
TG_SIMD_UNSIGNED(maxu, x > y ? x : y)
TG_SIMD_SIGNED(mins, x < y ? x : y)
TG_SIMD_UNSIGNED(minu, x < y ? x : y)
TG_SIMD_SIGNED(absdiffs, tg::distance(x, y))
TG_SIMD_UNSIGNED(absdiffu, tg::distance(x, y))
TG_SIMD_UNSIGNED(avgu, (x + y + 1) >> 1)
TG_SIMD_UNSIGNED(haddu, (x + y) >> 1)
TG_SIMD_UNSIGNED(cmpeq, x == y ? -1 : 0)
TG_SIMD_UNSIGNED(cmpne, x != y ? -1 : 0)
TG_SIMD_UNSIGNED(seteq, x == y)
TG_SIMD_UNSIGNED(setne, x != y)
TG_SIMD_COMPARE(gt, >)
TG_SIMD_COMPARE(ge, >=)
TG_SIMD_COMPARE(lt, <)
TG_SIMD_COMPARE(le, <=)
TG_SIMD_ONE(abs, x < 0 ? -x : x)
TG_SIMD_ONE(absss, tg::saturated<T>(x < 0 ? -x : x))
TG_SIMD_ONE(neg, -x)
TG_SIMD_ONE(negss, tg::saturated<T>(-x))
TG_INLINE unsigned __vsads2(unsigned a, unsigned b) { return tg::sum_of_distances<short>(a, b); }
TG_INLINE unsigned __vsads4(unsigned a, unsigned b) { return tg::sum_of_distances<signed char>(a, b); }
TG_INLINE unsigned __vsadu2(unsigned a, unsigned b) { return tg::sum_of_distances<unsigned short>(a, b); }
TG_INLINE unsigned __vsadu4(unsigned a, unsigned b) { return tg::sum_of_distances<unsigned char>(a, b); }
#undef TG_SIMD
#undef TG_SIMD_ONE
#undef TG_SIMD_SIGNED
#undef TG_SIMD_UNSIGNED
#undef TG_SIMD_COMPARE

// Dot products of bytes with bytes, and of two halves with the lower or upper two bytes.
TG_INLINE unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
    for (int i = 0; i < 4; i++) c += (a >> 8 * i & 0xff) * (b >> 8 * i & 0xff);
    return c;
}
TG_INLINE int __dp4a(char4 a, char4 b, int c) { return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
TG_INLINE unsigned __dp4a(uchar4 a, uchar4 b, unsigned c) {
    return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
#define TG_DP2A(name, first) \
    TG_INLINE int name(int a, int b, int c) { \
        return c + (short)a * (signed char)(b >> first) + (short)(a >> 16) * (signed char)(b >> (first + 8)); \
    } \
    TG_INLINE unsigned name(unsigned a, unsigned b, unsigned c) { \
        return c + (a & 0xffff) * (b >> first & 0xff) + (a >> 16) * (b >> (first + 8) & 0xff); \
    }
TG_DP2A(__dp2a_lo, 0)
TG_DP2A(__dp2a_hi, 16)
#undef TG_DP2A
