// __half and __nv_bfloat16, numbers of 16 bits. The computation is done in wider numbers and rounded once, to nearest
// even: a sum or product of two has few enough bits that a double holds it exactly, and a quotient or a root rounded
// to double never lands on a tie that it was not on before (a double has more than twice their bits, and two).
#pragma once
#include "intrinsics.h"

namespace tg {
// `Bits` significant bits, the first of them not stored, and exponents from Lowest (that of the smallest normal
// number).
template <int Bits, int Lowest> struct Format {
    static constexpr int stored = Bits - 1;
    static constexpr unsigned short infinity = (unsigned short)(0x7fffu >> stored << stored);

    static unsigned short rounded(double x) {
        unsigned long long bits = same_bits<unsigned long long>(x);
        unsigned short sign = (unsigned short)(bits >> 48 & 0x8000);
        int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
        unsigned long long mantissa = bits & 0xfffffffffffffull;
        if (exponent == 1024) return mantissa ? 0x7fff : sign | infinity;
        if (exponent == -1023) return sign;                     // far below the smallest that is not zero
        mantissa |= 1ull << 52;
        int drop = 52 - stored + (exponent < Lowest ? Lowest - exponent : 0);
        if (drop > 54) return sign;
        unsigned long long kept = mantissa >> drop, rest = mantissa & ((1ull << drop) - 1), half = 1ull << (drop - 1);
        kept += rest > half || (rest == half && kept & 1);
        // A carry out of the mantissa becomes the next exponent by itself, up to infinity.
        unsigned long long result = kept;
        if (exponent >= Lowest) result += (unsigned long long)(exponent - Lowest) << stored;
        return sign | (unsigned short)(result < infinity ? result : infinity);
    }
    static float widened(unsigned short bits) {
        unsigned magnitude = (unsigned)(bits & 0x7fff) << (23 - stored);
        float value = same_bits<float>(magnitude);
        if (Lowest == -126) return same_bits<float>(magnitude | (unsigned)(bits & 0x8000) << 16);
        value *= same_bits<float>((unsigned)(127 + 126 + Lowest) << 23);
        unsigned result = same_bits<unsigned>(value);
        if ((bits & 0x7fff) >= infinity) result |= 0x7f800000u;
        return same_bits<float>(result | (unsigned)(bits & 0x8000) << 16);
    }
};
using Half = Format<11, -14>;
using Brain = Format<8, -126>;

// a * b + c so that rounding it once more gives what rounding the exact sum would: if digits are lost, the last one
// kept is made odd, so that it never looks like a tie.
TG_INLINE double fused(double a, double b, double c) {
    double product = a * b, sum = product + c, part = sum - product;
    double lost = (product - (sum - part)) + (c - part);
    if (lost != 0 && __builtin_isfinite(sum)) {
        unsigned long long bits = same_bits<unsigned long long>(sum);
        if (!(bits & 1)) bits += (lost > 0) == (sum > 0) ? 1 : -1;
        return same_bits<double>(bits);
    }
    return sum;
}
}  // namespace tg

struct __half_raw { unsigned short x; };
struct __nv_bfloat16_raw { unsigned short x; };

#define TG_SMALL_TYPE(Type, Numbers) \
    struct Type { \
        unsigned short __x; \
        Type() = default; \
        Type(const Type&) = default; \
        Type& operator=(const Type&) = default; \
        constexpr Type(const Type##_raw& raw) : __x(raw.x) {} \
        Type(float x) : __x(tg::Numbers::rounded(x)) {} \
        Type(double x) : __x(tg::Numbers::rounded(x)) {} \
        Type(int x) : __x(tg::Numbers::rounded(x)) {} \
        Type(unsigned x) : __x(tg::Numbers::rounded(x)) {} \
        Type(short x) : __x(tg::Numbers::rounded(x)) {} \
        Type(unsigned short x) : __x(tg::Numbers::rounded(x)) {} \
        Type(long long x) : __x(tg::Numbers::rounded((double)x)) {} \
        Type(unsigned long long x) : __x(tg::Numbers::rounded((double)x)) {} \
        operator float() const { return tg::Numbers::widened(__x); } \
        operator Type##_raw() const { return {__x}; } \
        explicit operator double() const { return tg::Numbers::widened(__x); } \
        explicit operator bool() const { return (__x & 0x7fff) != 0; } \
        explicit operator int() const { return tg::clamped<int>(tg::Numbers::widened(__x)); } \
        explicit operator unsigned() const { return tg::clamped<unsigned>(tg::Numbers::widened(__x)); } \
        explicit operator short() const { return tg::clamped<short>(tg::Numbers::widened(__x)); } \
        explicit operator long long() const { return tg::clamped<long long>(tg::Numbers::widened(__x)); } \
    }; \
    namespace tg { \
    TG_INLINE double wide(Type a) { return tg::Numbers::widened(a.__x); } \
    template <> struct Rounding<Type> { \
        static Type from(double x) { return Type(Type##_raw{tg::Numbers::rounded(x)}); } \
        static Type bits(unsigned short x) { return Type(Type##_raw{x}); } \
    }; \
    }

namespace tg { template <class T> struct Rounding; }
TG_SMALL_TYPE(__half, Half)
TG_SMALL_TYPE(__nv_bfloat16, Brain)
#undef TG_SMALL_TYPE
using half = __half;
using nv_bfloat16 = __nv_bfloat16;

#define TG_SMALL_PAIR(Type, Pair) \
    struct alignas(4) Pair { \
        Type x, y; \
        Pair() = default; \
        Pair(const Type& a, const Type& b) : x(a), y(b) {} \
    };
TG_SMALL_PAIR(__half, __half2)
TG_SMALL_PAIR(__nv_bfloat16, __nv_bfloat162)
#undef TG_SMALL_PAIR
template <> struct tg::plain<__half> : std::true_type {};
template <> struct tg::plain<__half2> : std::true_type {};
template <> struct tg::plain<__nv_bfloat16> : std::true_type {};
template <> struct tg::plain<__nv_bfloat162> : std::true_type {};
using half2 = __half2;
using nv_bfloat162 = __nv_bfloat162;

#define TG_BINARY(Type, Pair, name, expression) \
    TG_INLINE Type name(Type a, Type b) { \
        double x = tg::wide(a), y = tg::wide(b); \
        return tg::Rounding<Type>::from(expression); \
    } \
    TG_INLINE Pair name##2(Pair a, Pair b) { return Pair(name(a.x, b.x), name(a.y, b.y)); }
#define TG_UNARY(Type, Pair, name, expression) \
    TG_INLINE Type h##name(Type a) { double x = tg::wide(a); return tg::Rounding<Type>::from(expression); } \
    TG_INLINE Pair h2##name(Pair a) { return Pair(h##name(a.x), h##name(a.y)); }
#define TG_COMPARE(Type, Pair, name, op) \
    TG_INLINE bool __h##name(Type a, Type b) { return tg::wide(a) op tg::wide(b); } \
    TG_INLINE bool __h##name##u(Type a, Type b) { \
        double x = tg::wide(a), y = tg::wide(b); \
        return x != x || y != y || x op y; \
    } \
    TG_INLINE bool __hb##name##2(Pair a, Pair b) { return __h##name(a.x, b.x) && __h##name(a.y, b.y); } \
    TG_INLINE bool __hb##name##u2(Pair a, Pair b) { return __h##name##u(a.x, b.x) && __h##name##u(a.y, b.y); } \
    TG_INLINE Pair __h##name##2(Pair a, Pair b) { \
        return Pair(Type(__h##name(a.x, b.x) ? 1.0f : 0.0f), Type(__h##name(a.y, b.y) ? 1.0f : 0.0f)); \
    } \
    TG_INLINE Pair __h##name##u2(Pair a, Pair b) { \
        return Pair(Type(__h##name##u(a.x, b.x) ? 1.0f : 0.0f), Type(__h##name##u(a.y, b.y) ? 1.0f : 0.0f)); \
    } \
    TG_INLINE unsigned __h##name##2_mask(Pair a, Pair b) { \
        return (__h##name(a.x, b.x) ? 0xffffu : 0) | (__h##name(a.y, b.y) ? 0xffff0000u : 0); \
    } \
    TG_INLINE bool operator op(const Type& a, const Type& b) { return __h##name(a, b); } \
    TG_INLINE bool operator op(const Pair& a, const Pair& b) { return __hb##name##2(a, b); }
#define TG_OPERATOR(Type, Pair, op, name) \
    TG_INLINE Type operator op(const Type& a, const Type& b) { return name(a, b); } \
    TG_INLINE Pair operator op(const Pair& a, const Pair& b) { return name##2(a, b); } \
    TG_INLINE Type& operator op##=(Type& a, const Type& b) { return a = name(a, b); } \
    TG_INLINE Pair& operator op##=(Pair& a, const Pair& b) { return a = name##2(a, b); }

#define TG_SMALL_FUNCTIONS(Type, Pair) \
    TG_BINARY(Type, Pair, __hadd, x + y) \
    TG_BINARY(Type, Pair, __hsub, x - y) \
    TG_BINARY(Type, Pair, __hmul, x * y) \
    TG_BINARY(Type, Pair, __hadd_rn, x + y) \
    TG_BINARY(Type, Pair, __hsub_rn, x - y) \
    TG_BINARY(Type, Pair, __hmul_rn, x * y) \
    TG_BINARY(Type, Pair, __hdiv, x / y) \
    TG_BINARY(Type, Pair, __hmin, fmin(x, y)) \
    TG_BINARY(Type, Pair, __hmax, fmax(x, y)) \
    TG_BINARY(Type, Pair, __hmin_nan, x != x || y != y ? NAN : fmin(x, y)) \
    TG_BINARY(Type, Pair, __hmax_nan, x != x || y != y ? NAN : fmax(x, y)) \
    TG_BINARY(Type, Pair, __hadd_sat, x + y > 0 ? fmin(x + y, 1.0) : 0.0) \
    TG_BINARY(Type, Pair, __hmul_sat, x * y > 0 ? fmin(x * y, 1.0) : 0.0) \
    TG_BINARY(Type, Pair, __hsub_sat, x - y > 0 ? fmin(x - y, 1.0) : 0.0) \
    TG_INLINE Pair __hadd2_rn(Pair a, Pair b) { return __hadd2(a, b); } \
    TG_INLINE Pair __hsub2_rn(Pair a, Pair b) { return __hsub2(a, b); } \
    TG_INLINE Pair __hmul2_rn(Pair a, Pair b) { return __hmul2(a, b); } \
    TG_INLINE Pair __hadd2_sat(Pair a, Pair b) { return __hadd_sat2(a, b); } \
    TG_INLINE Pair __hsub2_sat(Pair a, Pair b) { return __hsub_sat2(a, b); } \
    TG_INLINE Pair __hmul2_sat(Pair a, Pair b) { return __hmul_sat2(a, b); } \
    TG_INLINE Pair __hmax2_nan(Pair a, Pair b) { return __hmax_nan2(a, b); } \
    TG_INLINE Pair __hmin2_nan(Pair a, Pair b) { return __hmin_nan2(a, b); } \
    TG_INLINE Pair __h2div(Pair a, Pair b) { return __hdiv2(a, b); } \
    TG_INLINE Type __hfma(Type a, Type b, Type c) { \
        return tg::Rounding<Type>::from(tg::fused(tg::wide(a), tg::wide(b), tg::wide(c))); \
    } \
    TG_INLINE Pair __hfma2(Pair a, Pair b, Pair c) { return Pair(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); } \
    TG_INLINE Type __hfma_relu(Type a, Type b, Type c) { \
        Type r = __hfma(a, b, c); \
        return tg::wide(r) > 0 ? r : Type(0.0f); \
    } \
    TG_INLINE Pair __hfma2_relu(Pair a, Pair b, Pair c) { \
        return Pair(__hfma_relu(a.x, b.x, c.x), __hfma_relu(a.y, b.y, c.y)); \
    } \
    TG_INLINE Type __hfma_sat(Type a, Type b, Type c) { \
        double r = tg::wide(__hfma(a, b, c)); \
        return tg::Rounding<Type>::from(r > 0 ? fmin(r, 1.0) : 0.0); \
    } \
    TG_INLINE Pair __hfma2_sat(Pair a, Pair b, Pair c) { \
        return Pair(__hfma_sat(a.x, b.x, c.x), __hfma_sat(a.y, b.y, c.y)); \
    } \
    TG_INLINE Type __hneg(Type a) { return tg::Rounding<Type>::bits(a.__x ^ 0x8000); } \
    TG_INLINE Pair __hneg2(Pair a) { return Pair(__hneg(a.x), __hneg(a.y)); } \
    TG_INLINE Type __habs(Type a) { return tg::Rounding<Type>::bits(a.__x & 0x7fff); } \
    TG_INLINE Pair __habs2(Pair a) { return Pair(__habs(a.x), __habs(a.y)); } \
    TG_INLINE bool __hisnan(Type a) { return __builtin_isnan(tg::wide(a)); } \
    TG_INLINE Pair __hisnan2(Pair a) { return Pair(Type((float)__hisnan(a.x)), Type((float)__hisnan(a.y))); } \
    TG_INLINE int __hisinf(Type a) { double x = tg::wide(a); return __builtin_isinf(x) ? (x > 0 ? 1 : -1) : 0; } \
    TG_UNARY(Type, Pair, exp, exp(x)) \
    TG_UNARY(Type, Pair, exp2, exp2(x)) \
    TG_UNARY(Type, Pair, exp10, pow(10.0, x)) \
    TG_UNARY(Type, Pair, log, log(x)) \
    TG_UNARY(Type, Pair, log2, log2(x)) \
    TG_UNARY(Type, Pair, log10, log10(x)) \
    TG_UNARY(Type, Pair, sqrt, sqrt(x)) \
    TG_UNARY(Type, Pair, rsqrt, 1.0 / sqrt(x)) \
    TG_UNARY(Type, Pair, rcp, 1.0 / x) \
    TG_UNARY(Type, Pair, sin, sin(x)) \
    TG_UNARY(Type, Pair, cos, cos(x)) \
    TG_UNARY(Type, Pair, tanh, tanh(x)) \
    TG_UNARY(Type, Pair, floor, floor(x)) \
    TG_UNARY(Type, Pair, ceil, ceil(x)) \
    TG_UNARY(Type, Pair, trunc, trunc(x)) \
    TG_UNARY(Type, Pair, rint, nearbyint(x)) \
    TG_COMPARE(Type, Pair, eq, ==) \
    TG_COMPARE(Type, Pair, ne, !=) \
    TG_COMPARE(Type, Pair, lt, <) \
    TG_COMPARE(Type, Pair, le, <=) \
    TG_COMPARE(Type, Pair, gt, >) \
    TG_COMPARE(Type, Pair, ge, >=) \
    TG_OPERATOR(Type, Pair, +, __hadd) \
    TG_OPERATOR(Type, Pair, -, __hsub) \
    TG_OPERATOR(Type, Pair, *, __hmul) \
    TG_OPERATOR(Type, Pair, /, __hdiv) \
    TG_INLINE Type operator-(const Type& a) { return __hneg(a); } \
    TG_INLINE Pair operator-(const Pair& a) { return __hneg2(a); } \
    TG_INLINE Type operator+(const Type& a) { return a; } \
    TG_INLINE Type& operator++(Type& a) { return a = __hadd(a, Type(1.0f)); } \
    TG_INLINE Type& operator--(Type& a) { return a = __hsub(a, Type(1.0f)); }
TG_SMALL_FUNCTIONS(__half, __half2)
TG_SMALL_FUNCTIONS(__nv_bfloat16, __nv_bfloat162)
#undef TG_SMALL_FUNCTIONS
#undef TG_BINARY
#undef TG_UNARY
#undef TG_COMPARE
#undef TG_OPERATOR

// Conversions by name. Those to 16 bits that name a direction round there; the others to nearest even.
TG_INLINE __half __float2half(float x) { return __half(x); }
TG_INLINE __half __float2half_rn(float x) { return __half(x); }
TG_INLINE __half __double2half(double x) { return __half(x); }
TG_INLINE float __half2float(__half x) { return x; }
TG_INLINE __half2 __float2half2_rn(float x) { return __half2(__half(x), __half(x)); }
TG_INLINE __half2 __floats2half2_rn(float x, float y) { return __half2(__half(x), __half(y)); }
TG_INLINE __half2 __float22half2_rn(float2 v) { return __half2(__half(v.x), __half(v.y)); }
TG_INLINE float2 __half22float2(__half2 v) { return make_float2(v.x, v.y); }
TG_INLINE __half __int2half_rn(int x) { return __half(x); }
TG_INLINE __half __uint2half_rn(unsigned x) { return __half(x); }
TG_INLINE __half __short2half_rn(short x) { return __half(x); }
TG_INLINE __half __ushort2half_rn(unsigned short x) { return __half(x); }
TG_INLINE int __half2int_rn(__half x) { return __float2int_rn(x); }
TG_INLINE int __half2int_rz(__half x) { return __float2int_rz(x); }
TG_INLINE unsigned __half2uint_rn(__half x) { return __float2uint_rn(x); }
TG_INLINE unsigned __half2uint_rz(__half x) { return __float2uint_rz(x); }
TG_INLINE __half __ushort_as_half(unsigned short x) { return tg::Rounding<__half>::bits(x); }
TG_INLINE __half __short_as_half(short x) { return tg::Rounding<__half>::bits((unsigned short)x); }
TG_INLINE unsigned short __half_as_ushort(__half x) { return x.__x; }
TG_INLINE short __half_as_short(__half x) { return (short)x.__x; }
TG_INLINE __half2 __halves2half2(__half a, __half b) { return __half2(a, b); }
TG_INLINE __half2 __half2half2(__half a) { return __half2(a, a); }
TG_INLINE __half2 make_half2(__half a, __half b) { return __half2(a, b); }
TG_INLINE __half __low2half(__half2 v) { return v.x; }
TG_INLINE __half __high2half(__half2 v) { return v.y; }
TG_INLINE float __low2float(__half2 v) { return v.x; }
TG_INLINE float __high2float(__half2 v) { return v.y; }
TG_INLINE __half2 __low2half2(__half2 v) { return __half2(v.x, v.x); }
TG_INLINE __half2 __high2half2(__half2 v) { return __half2(v.y, v.y); }
TG_INLINE __half2 __lowhigh2highlow(__half2 v) { return __half2(v.y, v.x); }
TG_INLINE __half2 __lows2half2(__half2 a, __half2 b) { return __half2(a.x, b.x); }
TG_INLINE __half2 __highs2half2(__half2 a, __half2 b) { return __half2(a.y, b.y); }

TG_INLINE __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
TG_INLINE __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
TG_INLINE __nv_bfloat16 __double2bfloat16(double x) { return __nv_bfloat16(x); }
TG_INLINE float __bfloat162float(__nv_bfloat16 x) { return x; }
TG_INLINE __nv_bfloat162 __float2bfloat162_rn(float x) { return __nv_bfloat162(__nv_bfloat16(x), __nv_bfloat16(x)); }
TG_INLINE __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
    return __nv_bfloat162(__nv_bfloat16(x), __nv_bfloat16(y));
}
TG_INLINE __nv_bfloat162 __float22bfloat162_rn(float2 v) { return __floats2bfloat162_rn(v.x, v.y); }
TG_INLINE float2 __bfloat1622float2(__nv_bfloat162 v) { return make_float2(v.x, v.y); }
TG_INLINE float __low2float(__nv_bfloat162 v) { return v.x; }
TG_INLINE float __high2float(__nv_bfloat162 v) { return v.y; }
TG_INLINE __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat162(a, b); }
TG_INLINE __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return __nv_bfloat162(a, a); }
TG_INLINE __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat162(a, b); }
TG_INLINE __nv_bfloat16 __low2bfloat16(__nv_bfloat162 v) { return v.x; }
TG_INLINE __nv_bfloat16 __high2bfloat16(__nv_bfloat162 v) { return v.y; }
TG_INLINE unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.__x; }
TG_INLINE __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) { return tg::Rounding<__nv_bfloat16>::bits(x); }
TG_INLINE __nv_bfloat16 __int2bfloat16_rn(int x) { return __nv_bfloat16(x); }
TG_INLINE int __bfloat162int_rn(__nv_bfloat16 x) { return __float2int_rn(x); }
