// Tensor cores, as <mma.h> shows them: a warp loads tiles into fragments, multiplies and adds them, and stores the
// result. How the elements of a fragment are spread over the lanes is nobody's business on a device; here lane l has
// the elements l, l + 32, l + 64, ... of a tile, row by row. Factors of 16 bits are an exception: they are loaded as
// a device loads them, eight neighbours of a row (or column, if those are contiguous) by each lane, 8 rows at a time.
#pragma once
#include "half.h"
#include "warp.h"

namespace nvcuda {
namespace wmma {
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision { struct tf32 {}; }

// In memory a tf32 is a float; of its bits, the upper 19 count.
template <class T> struct tg_stored { using type = T; };
template <> struct tg_stored<precision::tf32> { using type = float; };
TG_INLINE float __float_to_tf32(float x) {
    unsigned bits = tg::same_bits<unsigned>(x);
    if ((bits & 0x7f800000u) == 0x7f800000u) return x;
    return tg::same_bits<float>((bits + 0x1000u) & 0xffffe000u);  // to nearest, ties away from zero
}

template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
    static constexpr int rows = std::is_same<Use, matrix_b>::value ? K : M;
    static constexpr int columns = std::is_same<Use, matrix_a>::value ? K : N;
    static constexpr int num_elements = rows * columns / 32;
    static constexpr int num_storage_elements = num_elements;
    using element_type = typename tg_stored<T>::type;
    using storage_element_type = element_type;
    static constexpr bool by_rows = std::is_same<Layout, row_major>::value;
    static constexpr bool in_eights = !std::is_same<Use, accumulator>::value && sizeof(element_type) == 2 &&
                                      num_elements % 8 == 0;
    static constexpr int lines = by_rows ? rows : columns;
    element_type x[num_elements];

    // Which element of the tile (row by row) a lane has as x[i], and the other way round: 32 i + lane.
    static constexpr int element(int lane, int i) {
        if (!in_eights) return i * 32 + lane;
        int eight = i / 8 * 32 + lane, line = eight % lines, along = eight / lines * 8 + i % 8;
        return by_rows ? line * columns + along : along * columns + line;
    }
    static constexpr int place(int row, int column) {
        if (!in_eights) return row * columns + column;
        int line = by_rows ? row : column, along = by_rows ? column : row, eight = along / 8 * lines + line;
        return (eight / 32 * 8 + along % 8) * 32 + eight % 32;
    }
};

static const void* tg_board[32][32][2];  // where the lanes of each warp have their parts of a and b

template <class F, class T> TG_INLINE void fill_fragment(F& f, T value) {
    for (int i = 0; i < f.num_elements; i++) f.x[i] = (typename F::element_type)value;
}

template <class F, class T> TG_INLINE void tg_load(F& f, const T* memory, unsigned stride, bool by_rows) {
    if (F::in_eights) {
        for (int i = 0; i < f.num_elements; i += 8) {
            int eight = i / 8 * 32 + tg::lane();
            typedef int Eight __attribute__((vector_size(16)));  // as a value of its own, a load of 16 bytes
            Eight piece = *reinterpret_cast<const Eight*>(memory + eight % F::lines * stride + eight / F::lines * 8);
            __builtin_memcpy(&f.x[i], &piece, sizeof piece);
        }
        return;
    }
    for (int i = 0; i < f.num_elements; i++) {
        int element = F::element(tg::lane(), i), row = element / F::columns, column = element % F::columns;
        f.x[i] = memory[by_rows ? row * stride + column : column * stride + row];
    }
}
template <class Use, int M, int N, int K, class T, class Layout, class P>
TG_INLINE void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const P* memory, unsigned stride, TG_LINE) {
    tg_warp(TG_SYNC, ~0u, 0, nullptr, 0, line);
    tg_load(f, memory, stride, std::is_same<Layout, row_major>::value);
}
template <int M, int N, int K, class T, class P>
TG_INLINE void load_matrix_sync(fragment<accumulator, M, N, K, T>& f, const P* memory, unsigned stride, layout_t layout,
                                TG_LINE) {
    tg_warp(TG_SYNC, ~0u, 0, nullptr, 0, line);
    tg_load(f, memory, stride, layout == mem_row_major);
}
template <int M, int N, int K, class T, class P>
TG_INLINE void store_matrix_sync(P* memory, const fragment<accumulator, M, N, K, T>& f, unsigned stride,
                                 layout_t layout, TG_LINE) {
    tg_warp(TG_SYNC, ~0u, 0, nullptr, 0, line);
    for (int i = 0; i < f.num_elements; i++) {
        int element = i * 32 + tg::lane(), row = element / N, column = element % N;
        memory[layout == mem_row_major ? row * stride + column : column * stride + row] = f.x[i];
    }
    tg_warp(TG_SYNC, ~0u, 0, nullptr, 0, line);
}

// d = a b + c. Products are exact in float; they are summed in double and rounded once, which is at least as exact as a
// device, whose order of summation is not told.
template <int M, int N, int K, class A, class B, class C, class D, class LayoutA, class LayoutB>
TG_INLINE void mma_sync(fragment<accumulator, M, N, K, D>& d, const fragment<matrix_a, M, N, K, A, LayoutA>& a,
                        const fragment<matrix_b, M, N, K, B, LayoutB>& b, const fragment<accumulator, M, N, K, C>& c,
                        TG_LINE) {
    typename fragment<accumulator, M, N, K, D>::element_type result[M * N / 32];
    unsigned lane = tg::lane();
    const void*(*board)[2] = tg_board[tg_now.current / 32];
    board[lane][0] = a.x, board[lane][1] = b.x;
    tg_warp(TG_SYNC, ~0u, 0, nullptr, 0, line);  // now everybody has shown where its parts are
    const typename tg_stored<A>::type* tiles_a[32];
    const typename tg_stored<B>::type* tiles_b[32];
    for (int l = 0; l < 32; l++) {
        tiles_a[l] = static_cast<decltype(&a.x[0])>(board[l][0]);
        tiles_b[l] = static_cast<decltype(&b.x[0])>(board[l][1]);
    }
    for (int i = 0; i < d.num_elements; i++) {
        int element = i * 32 + tg::lane(), row = element / N, column = element % N;
        double sum = (double)c.x[i];
        for (int k = 0; k < K; k++) {
            int from_a = a.place(row, k), from_b = b.place(k, column);
            sum += (double)(float)tiles_a[from_a % 32][from_a / 32] * (double)(float)tiles_b[from_b % 32][from_b / 32];
        }
        result[i] = sum;
    }
    tg_warp(TG_SYNC, ~0u, 0, nullptr, 0, line);  // a lane may overwrite its parts only when nobody reads them any more
    for (int i = 0; i < d.num_elements; i++) d.x[i] = result[i];
}
}  // namespace wmma
}  // namespace nvcuda
