// Rarer functions of CUDA's mathematics, computed in double; conversions to 16 bits that do not round to nearest; and
// the constants of math_constants.h.
#pragma once
#include "half.h"

#define CUDART_INF_F __builtin_inff()
#define CUDART_NAN_F __builtin_nanf("")
#define CUDART_MAX_NORMAL_F FLT_MAX
#define CUDART_PI_F 3.141592654f
#define CUDART_PIO2_F 1.570796327f
#define CUDART_SQRT_TWO_F 1.414213562f
#define CUDART_L2E_F 1.442695041f
#define CUDART_LN2_F 0.693147181f
#define CUDART_INF __builtin_inf()
#define CUDART_NAN __builtin_nan("")
#define CUDART_PI 3.1415926535897931
#define CUDART_PIO2 1.5707963267948966
#define CUDART_SQRT_TWO 1.4142135623730951
#define CUDART_L2E 1.4426950408889634
#define CUDART_LN2 0.6931471805599453

TG_INLINE double rcbrt(double x) { return 1 / cbrt(x); }
TG_INLINE double rhypot(double a, double b) { return 1 / hypot(a, b); }
TG_INLINE double norm3d(double a, double b, double c) { return hypot(hypot(a, b), c); }
TG_INLINE double norm4d(double a, double b, double c, double d) { return hypot(hypot(a, b), hypot(c, d)); }
TG_INLINE float rnorm3df(float a, float b, float c) { return (float)(1 / norm3d(a, b, c)); }
TG_INLINE float norm4df(float a, float b, float c, float d) { return (float)norm4d(a, b, c, d); }
TG_INLINE float rnorm4df(float a, float b, float c, float d) { return (float)(1 / norm4d(a, b, c, d)); }
TG_INLINE long long llmin(long long a, long long b) { return a < b ? a : b; }
TG_INLINE long long llmax(long long a, long long b) { return a > b ? a : b; }
TG_INLINE unsigned long long ullmin(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
TG_INLINE unsigned long long ullmax(unsigned long long a, unsigned long long b) { return a > b ? a : b; }
TG_INLINE unsigned __urhadd(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a + b + 1) >> 1); }
TG_INLINE unsigned __funnelshift_lc(unsigned low, unsigned high, unsigned shift) {
    return shift >= 32 ? low : __funnelshift_l(low, high, shift);
}
TG_INLINE unsigned __funnelshift_rc(unsigned low, unsigned high, unsigned shift) {
    return shift >= 32 ? high : __funnelshift_r(low, high, shift);
}
TG_INLINE void sincospi(double x, double* sine, double* cosine) { *sine = sinpi(x), *cosine = cospi(x); }
TG_INLINE void sincospif(float x, float* sine, float* cosine) { *sine = sinpif(x), *cosine = cospif(x); }

// Where erfc is y: a start from Abramowitz and Stegun 26.2.22, then Halley's method.
static inline double erfcinv(double y) {
    if (!(y > 0 && y < 2)) return y == 0 ? HUGE_VAL : y == 2 ? -HUGE_VAL : CUDART_NAN;
    double tail = y < 1 ? y : 2 - y, t = sqrt(-2 * log(tail / 2));
    double x = M_SQRT1_2 * (t - (2.30753 + t * 0.27061) / (1 + t * (0.99229 + t * 0.04481)));
    for (int step = 0; step < 3; step++) {
        double off = erfc(x) - tail;
        x += off / (M_2_SQRTPI * exp(-x * x) - x * off);
    }
    return y < 1 ? x : -x;
}
static inline double erfinv(double y) {
    if (fabs(y) > 0.5) return y > 0 ? erfcinv(1 - y) : -erfcinv(1 + y);
    double x = y / M_2_SQRTPI;
    for (int step = 0; step < 4; step++) {
        double off = erf(x) - y;
        x -= off / (M_2_SQRTPI * exp(-x * x) + x * off);
    }
    return x;
}
// exp(x^2) erfc(x), for large x by the continued fraction of Laplace.
static inline double erfcx(double x) {
    if (x < 0) return 2 * exp(x * x) - erfcx(-x);
    if (x < 3) return exp(x * x) * erfc(x);
    double below = x;
    for (int k = 100; k > 0; k--) below = x + 0.5 * k / below;
    return 0.5 * M_2_SQRTPI / below;
}
TG_INLINE double normcdfinv(double p) { return -M_SQRT2 * erfcinv(2 * p); }
TG_INLINE float erfcinvf(float y) { return (float)erfcinv(y); }
TG_INLINE float erfinvf(float y) { return (float)erfinv(y); }
TG_INLINE float erfcxf(float x) { return (float)erfcx(x); }
TG_INLINE float normcdfinvf(float p) { return (float)normcdfinv(p); }

namespace tg {
// Rounded to nearest, then one step back if that went the wrong way. Direction: 0 to zero, 1 up, -1 down.
template <class T> TG_INLINE T rounded_to(double x, int direction) {
    T nearest = Rounding<T>::from(x);
    double got = wide(nearest);
    bool up = direction > 0 && got < x, down = direction < 0 && got > x;
    bool inwards = direction == 0 && fabs(got) > fabs(x);
    if (!up && !down && !inwards) return nearest;
    bool negative = nearest.__x & 0x8000, outwards = !inwards && up != negative;
    return Rounding<T>::bits((unsigned short)(outwards ? nearest.__x + 1 : nearest.__x - 1));
}
}  // namespace tg
TG_INLINE __half __float2half_rz(float x) { return tg::rounded_to<__half>(x, 0); }
TG_INLINE __half __float2half_ru(float x) { return tg::rounded_to<__half>(x, 1); }
TG_INLINE __half __float2half_rd(float x) { return tg::rounded_to<__half>(x, -1); }
TG_INLINE __nv_bfloat16 __float2bfloat16_rz(float x) { return tg::rounded_to<__nv_bfloat16>(x, 0); }
TG_INLINE __nv_bfloat16 __float2bfloat16_ru(float x) { return tg::rounded_to<__nv_bfloat16>(x, 1); }
TG_INLINE __nv_bfloat16 __float2bfloat16_rd(float x) { return tg::rounded_to<__nv_bfloat16>(x, -1); }
TG_INLINE int __bfloat162int_rz(__nv_bfloat16 x) { return __float2int_rz(x); }
TG_INLINE short __half2short_rn(__half x) { return tg::clamped<short>(nearbyintf(x)); }
TG_INLINE __half __ll2half_rn(long long x) { return __half(x); }
