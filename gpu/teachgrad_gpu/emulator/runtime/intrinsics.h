// Intrinsics. Those that a device computes roughly (__expf) are exact here.
#pragma once
#include "vectors.h"

using std::abs;
template <class A, class B> TG_INLINE constexpr std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    constexpr bool floating = std::is_floating_point<T>::value;
    if constexpr (floating) return sizeof(T) == 4 ? __builtin_fminf(a, b) : __builtin_fmin(a, b);
    else return (T)b < (T)a ? (T)b : (T)a;
}
template <class A, class B> TG_INLINE constexpr std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    constexpr bool floating = std::is_floating_point<T>::value;
    if constexpr (floating) return sizeof(T) == 4 ? __builtin_fmaxf(a, b) : __builtin_fmax(a, b);
    else return (T)a < (T)b ? (T)b : (T)a;
}
TG_INLINE unsigned umin(unsigned a, unsigned b) { return a < b ? a : b; }
TG_INLINE unsigned umax(unsigned a, unsigned b) { return a > b ? a : b; }

// Fast mathematics. glibc declares some of these names for itself, so they are macros.
#define __expf(x) expf(x)
#define __exp10f(x) tg::exp10_float(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __sincosf(x, s, c) tg::sine_and_cosine(x, s, c)
#define __tanhf(x) tanhf(x)
#define exp10f(x) tg::exp10_float(x)
#define exp10(x) tg::exp10_double(x)
#define sincosf(x, s, c) tg::sine_and_cosine(x, s, c)
#define sincos(x, s, c) tg::sine_and_cosine(x, s, c)
#define isnan(x) tg::is_nan(x)
#define isinf(x) tg::is_infinite(x)
#define isfinite(x) tg::is_finite(x)
#define signbit(x) __builtin_signbit(x)

namespace tg {
TG_INLINE float exp10_float(float x) { return (float)pow(10.0, (double)x); }
TG_INLINE double exp10_double(double x) { return pow(10.0, x); }
TG_INLINE void sine_and_cosine(float x, float* s, float* c) { *s = sinf(x), *c = cosf(x); }
TG_INLINE void sine_and_cosine(double x, double* s, double* c) { *s = sin(x), *c = cos(x); }
template <class T> TG_INLINE bool is_nan(T x) { return __builtin_isnan(x); }
template <class T> TG_INLINE bool is_infinite(T x) { return __builtin_isinf(x); }
template <class T> TG_INLINE bool is_finite(T x) { return __builtin_isfinite(x); }
template <class To, class From> TG_INLINE To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
// A conversion to an integer: a value that does not fit becomes the nearest that does, nan becomes 0.
template <class To, class From> TG_INLINE To clamped(From x) {
    constexpr From low = (From)(std::is_signed<To>::value ? (To)1 << (8 * sizeof(To) - 1) : 0);
    const From high = ldexp((From)1, 8 * sizeof(To) - (std::is_signed<To>::value ? 1 : 0));
    constexpr To highest = std::is_signed<To>::value ? (To)~((To)1 << (8 * sizeof(To) - 1)) : (To)~(To)0;
    if (__builtin_isnan(x)) return 0;
    return x <= low ? (To)low : x >= high ? highest : (To)x;
}
}  // namespace tg

TG_INLINE float rsqrtf(float x) { return (float)(1.0 / sqrt((double)x)); }
TG_INLINE double rsqrt(double x) { return 1.0 / sqrt(x); }
TG_INLINE float __frsqrt_rn(float x) { return rsqrtf(x); }
TG_INLINE float __fsqrt_rn(float x) { return sqrtf(x); }
TG_INLINE float __frcp_rn(float x) { return 1.0f / x; }
TG_INLINE float __fdividef(float a, float b) { return a / b; }
TG_INLINE float fdividef(float a, float b) { return a / b; }
TG_INLINE float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
TG_INLINE float __fadd_rn(float a, float b) { return a + b; }
TG_INLINE float __fsub_rn(float a, float b) { return a - b; }
TG_INLINE float __fmul_rn(float a, float b) { return a * b; }
TG_INLINE float __fdiv_rn(float a, float b) { return a / b; }
TG_INLINE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
TG_INLINE double __dadd_rn(double a, double b) { return a + b; }
TG_INLINE double __dsub_rn(double a, double b) { return a - b; }
TG_INLINE double __dmul_rn(double a, double b) { return a * b; }
TG_INLINE double __ddiv_rn(double a, double b) { return a / b; }
TG_INLINE double __dsqrt_rn(double a) { return sqrt(a); }
TG_INLINE double __drcp_rn(double a) { return 1.0 / a; }
TG_INLINE double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
TG_INLINE float sinpif(float x) { return (float)sin(M_PI * fmod((double)x, 2.0)); }
TG_INLINE float cospif(float x) { return (float)cos(M_PI * fmod((double)x, 2.0)); }
TG_INLINE double sinpi(double x) { return sin(M_PI * fmod(x, 2.0)); }
TG_INLINE double cospi(double x) { return cos(M_PI * fmod(x, 2.0)); }
TG_INLINE float normcdff(float x) { return (float)(0.5 * erfc(-(double)x * M_SQRT1_2)); }
TG_INLINE double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
TG_INLINE float rcbrtf(float x) { return (float)(1.0 / cbrt((double)x)); }
TG_INLINE float norm3df(float a, float b, float c) {
    return (float)sqrt((double)a * a + (double)b * b + (double)c * c);
}
TG_INLINE float rhypotf(float a, float b) { return (float)(1.0 / sqrt((double)a * a + (double)b * b)); }

// Conversions with a rounding in the name: rn to nearest even, rz to zero, ru up, rd down.
#define TG_CONVERT(from, From, to, To) \
    TG_INLINE To __##from##2##to##_rn(From x) { return tg::clamped<To>((From)nearbyint(x)); } \
    TG_INLINE To __##from##2##to##_rz(From x) { return tg::clamped<To>(trunc(x)); } \
    TG_INLINE To __##from##2##to##_ru(From x) { return tg::clamped<To>(ceil(x)); } \
    TG_INLINE To __##from##2##to##_rd(From x) { return tg::clamped<To>(floor(x)); }
TG_CONVERT(float, float, int, int)
TG_CONVERT(float, float, uint, unsigned int)
TG_CONVERT(float, float, ll, long long)
TG_CONVERT(float, float, ull, unsigned long long)
TG_CONVERT(double, double, int, int)
TG_CONVERT(double, double, uint, unsigned int)
TG_CONVERT(double, double, ll, long long)
TG_CONVERT(double, double, ull, unsigned long long)
#undef TG_CONVERT
TG_INLINE float __int2float_rn(int x) { return (float)x; }
TG_INLINE float __uint2float_rn(unsigned x) { return (float)x; }
TG_INLINE float __ll2float_rn(long long x) { return (float)x; }
TG_INLINE float __ull2float_rn(unsigned long long x) { return (float)x; }
TG_INLINE double __int2double_rn(int x) { return x; }
TG_INLINE double __uint2double_rn(unsigned x) { return x; }
TG_INLINE double __ll2double_rn(long long x) { return (double)x; }
TG_INLINE double __ull2double_rn(unsigned long long x) { return (double)x; }
TG_INLINE float __double2float_rn(double x) { return (float)x; }

TG_INLINE int __float_as_int(float x) { return tg::same_bits<int>(x); }
TG_INLINE unsigned __float_as_uint(float x) { return tg::same_bits<unsigned>(x); }
TG_INLINE float __int_as_float(int x) { return tg::same_bits<float>(x); }
TG_INLINE float __uint_as_float(unsigned x) { return tg::same_bits<float>(x); }
TG_INLINE long long __double_as_longlong(double x) { return tg::same_bits<long long>(x); }
TG_INLINE double __longlong_as_double(long long x) { return tg::same_bits<double>(x); }
TG_INLINE int __double2hiint(double x) { return (int)(tg::same_bits<unsigned long long>(x) >> 32); }
TG_INLINE int __double2loint(double x) { return (int)tg::same_bits<unsigned long long>(x); }
TG_INLINE double __hiloint2double(int hi, int lo) {
    return tg::same_bits<double>((unsigned long long)(unsigned)hi << 32 | (unsigned)lo);
}

TG_INLINE int __popc(unsigned x) { return __builtin_popcount(x); }
#define __popcll(x) __builtin_popcountll((unsigned long long)(x))
TG_INLINE int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
TG_INLINE int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
TG_INLINE int __ffs(int x) { return __builtin_ffs(x); }
TG_INLINE int __ffsll(long long x) { return __builtin_ffsll(x); }
TG_INLINE unsigned __brev(unsigned x) {
    unsigned r = 0;
    for (int i = 0; i < 32; i++) r |= (x >> i & 1u) << (31 - i);
    return r;
}
TG_INLINE unsigned long long __brevll(unsigned long long x) {
    return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32));
}
TG_INLINE unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    unsigned long long both = (unsigned long long)b << 32 | a;
    unsigned r = 0;
    for (int i = 0; i < 4; i++) {
        unsigned byte = (unsigned)(both >> 8 * (selector >> 4 * i & 7)) & 0xff;
        if (selector >> 4 * i & 8) byte = byte & 0x80 ? 0xff : 0;
        r |= byte << 8 * i;
    }
    return r;
}
TG_INLINE unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) << (shift & 31) >> 32);
}
TG_INLINE unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}
TG_INLINE int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
TG_INLINE unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
TG_INLINE long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
TG_INLINE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
TG_INLINE int __mul24(int a, int b) { return (a << 8 >> 8) * (b << 8 >> 8); }
TG_INLINE unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffff) * (b & 0xffffff); }
TG_INLINE unsigned __sad(int a, int b, unsigned c) { return c + (a > b ? (unsigned)a - b : (unsigned)b - a); }
TG_INLINE unsigned __usad(unsigned a, unsigned b, unsigned c) { return c + (a > b ? a - b : b - a); }
TG_INLINE int __hadd(int a, int b) { return (int)(((long long)a + b) >> 1); }
TG_INLINE int __rhadd(int a, int b) { return (int)(((long long)a + b + 1) >> 1); }
TG_INLINE unsigned __uhadd(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a + b) >> 1); }
TG_INLINE int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 4; i++) c += (signed char)(a >> 8 * i) * (signed char)(b >> 8 * i);
    return c;
}

// Loads and stores that say how they use the caches.
template <class T> TG_INLINE T __ldg(const T* p) { return *p; }
template <class T> TG_INLINE T __ldca(const T* p) { return *p; }
template <class T> TG_INLINE T __ldcg(const T* p) { return *p; }
template <class T> TG_INLINE T __ldcs(const T* p) { return *p; }
template <class T> TG_INLINE T __ldlu(const T* p) { return *p; }
template <class T> TG_INLINE T __ldcv(const T* p) { return *const_cast<const volatile T*>(p); }
template <class T> TG_INLINE void __stwb(T* p, T v) { *p = v; }
template <class T> TG_INLINE void __stcg(T* p, T v) { *p = v; }
template <class T> TG_INLINE void __stcs(T* p, T v) { *p = v; }
template <class T> TG_INLINE void __stwt(T* p, T v) { *p = v; }
TG_INLINE void __prefetch_global_l1(const void*) {}
TG_INLINE void __prefetch_global_l2(const void*) {}
TG_INLINE size_t __cvta_generic_to_shared(const void* p) { return (size_t)((const char*)p - tg_dynamic); }

// Copies that are watched.
namespace tg {
TG_INLINE void copy(void* to, const void* from, size_t size, int line) {
#ifdef TG_CHECKED
    tg_copy(to, from, size, line);
#else
    (void)line;
    memcpy(to, from, size);
#endif
}
TG_INLINE void fill(void* to, int value, size_t size, int line) {
#ifdef TG_CHECKED
    tg_fill(to, value, size, line);
#else
    (void)line;
    memset(to, value, size);
#endif
}
}  // namespace tg
