// The vector types, float4 and its kin, and what makes them. Two and four are aligned as on a device, so that one
// access moves them whole.
#pragma once
#include "builtins.h"

#define TG_VECTOR_1(T, name) \
    struct name##1 { T x; }; \
    template <> struct tg::plain<name##1> : std::true_type {}; \
    TG_INLINE name##1 make_##name##1(T x) { return name##1{x}; }
#define TG_VECTOR_2(T, name) \
    struct alignas(2 * sizeof(T)) name##2 { T x, y; }; \
    template <> struct tg::plain<name##2> : std::true_type {}; \
    TG_INLINE name##2 make_##name##2(T x, T y) { return name##2{x, y}; }
#define TG_VECTOR_3(T, name) \
    struct name##3 { T x, y, z; }; \
    template <> struct tg::plain<name##3> : std::true_type {}; \
    TG_INLINE name##3 make_##name##3(T x, T y, T z) { return name##3{x, y, z}; }
#define TG_VECTOR_4(T, name) \
    struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; }; \
    template <> struct tg::plain<name##4> : std::true_type {}; \
    TG_INLINE name##4 make_##name##4(T x, T y, T z, T w) { return name##4{x, y, z, w}; }
#define TG_VECTORS(T, name) TG_VECTOR_1(T, name) TG_VECTOR_2(T, name) TG_VECTOR_3(T, name) TG_VECTOR_4(T, name)

TG_VECTORS(signed char, char)
TG_VECTORS(unsigned char, uchar)
TG_VECTORS(short, short)
TG_VECTORS(unsigned short, ushort)
TG_VECTORS(int, int)
TG_VECTOR_1(unsigned int, uint) TG_VECTOR_2(unsigned int, uint) TG_VECTOR_4(unsigned int, uint)
TG_INLINE uint3 make_uint3(unsigned int x, unsigned int y, unsigned int z) { return uint3{x, y, z}; }
TG_VECTORS(long, long)
TG_VECTORS(unsigned long, ulong)
TG_VECTORS(long long, longlong)
TG_VECTORS(unsigned long long, ulonglong)
TG_VECTORS(float, float)
TG_VECTORS(double, double)
