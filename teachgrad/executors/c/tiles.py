"""Products of large matrices in C of our own, as tiles that are summed in registers.

z_ij = Σ_l x_il y_lj in float or double. Any kernel can use it: C text that calls

    product_float(m, n, k, x, x_down, x_right, y, y_down, y_right, z, z_down, add);

computes z = x y, or z = z + x y if `add`, where x is (m, k), y (k, n) and z (m, n), all lengths at least 1. Element
(i, l) of x is x[x_down * i + x_right * l], and so for y: strides may be anything, zero and negative ones too, so a
transpose is an exchange of two numbers. The rows of z are `z_down` apart, and their elements lie side by side; z may
overlap neither x nor y. `product_double` is the same for double.

Whoever builds a source puts `source_of(text)` before the kernels, which finds out by itself what they call. The
functions keep nothing from one call to the next, so that any number of threads may call them, each for its own part of
z: rows in multiples of 8 and columns in multiples of 32 leave no remainders. Their buffer, 32 KiB, is on the stack.

Each element is a sum over l in rising order, in parts of DEPTH terms, with fused multiply-adds where the target has
them. Source: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
"""

from __future__ import annotations

TARGETS = """\
/* The bytes of a vector of this machine, and the rows of a tile: two vectors each, as many as its registers can sum. */
#if defined __AVX512F__
enum { VECTOR = 64, ROWS = 8 };
#elif defined __AVX__
enum { VECTOR = 32, ROWS = 6 };
#elif defined __aarch64__
enum { VECTOR = 16, ROWS = 8 };
#else
enum { VECTOR = 16, ROWS = 4 };
#endif
enum { DEPTH = 256, FEW = 16 * ROWS };

#ifdef __clang__
#define UNROLLED _Pragma("unroll")
#define MIXED(kind, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define UNROLLED _Pragma("GCC unroll ROWS")
#define MIXED(kind, a, b, ...) __builtin_shuffle(a, b, (kind##_places){__VA_ARGS__})
#endif
#define INLINE static inline __attribute__((always_inline))
"""

PRODUCT = """\
typedef float float_vector __attribute__((vector_size(VECTOR)));
typedef float float_vector_at __attribute__((vector_size(VECTOR), aligned(sizeof(float)), may_alias));
typedef float float_four __attribute__((vector_size(4 * sizeof(float))));
typedef float float_four_at __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int32_t float_places __attribute__((vector_size(4 * sizeof(float))));
enum { float_LANES = VECTOR / sizeof(float), float_WIDTH = 2 * float_LANES };

/* A tile, `vectors` wide: z_ij = sum over l of x_il y_lj, or that added to z. The rows of y lie side by side. */
INLINE void float_tile(int rows, int vectors, int64_t k, const float *x, int64_t x_down, int64_t x_right,
                       const float *y, int64_t y_down, float *z, int64_t z_down, bool add)
{
    float_vector sum[ROWS][2];
    UNROLLED for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = (float_vector){0};
    for (int64_t l = 0; l < k; l++, x += x_right, y += y_down)
        UNROLLED for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                sum[i][v] += x[x_down * i] * *(const float_vector_at *)(y + v * float_LANES);
    UNROLLED for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) {
            float_vector_at *to = (float_vector_at *)(z + z_down * i + v * float_LANES);
            if (add)
                sum[i][v] += *to;
            *to = sum[i][v];
        }
}

/* All tiles that share a panel of y, from the top of z down; those that are too wide for z go by way of `edge`. */
INLINE void float_tiles(int vectors, int64_t m, int64_t n, int64_t k, const float *x, int64_t x_down, int64_t x_right,
                        const float *y, int64_t y_down, float *z, int64_t z_down, bool add)
{
    float edge[ROWS * float_WIDTH] = {0};
    const bool fits = n == vectors * float_LANES;
    for (int64_t i = 0, rows; i < m; i += rows) {
        const float *from = x + x_down * i;
        float *to = fits ? z + z_down * i : edge;
        const int64_t down = fits ? z_down : float_WIDTH;
        const bool sum = fits && add;
        rows = m - i >= ROWS ? ROWS : m - i >= 4 ? 4 : m - i >= 2 ? 2 : 1;
        if (rows == ROWS)
            float_tile(ROWS, vectors, k, from, x_down, x_right, y, y_down, to, down, sum);
        else if (rows == 4)
            float_tile(4, vectors, k, from, x_down, x_right, y, y_down, to, down, sum);
        else if (rows == 2)
            float_tile(2, vectors, k, from, x_down, x_right, y, y_down, to, down, sum);
        else
            float_tile(1, vectors, k, from, x_down, x_right, y, y_down, to, down, sum);
        for (int64_t r = 0; r < rows && !fits; r++)
            for (int64_t j = 0; j < n; j++)
                z[z_down * (i + r) + j] = (add ? z[z_down * (i + r) + j] : 0) + edge[down * r + j];
    }
}

/* A panel of y, k by n, as rows that lie side by side, float_WIDTH apart and filled up with zeros to whole vectors. */
static void float_pack(int64_t k, int64_t n, const float *y, int64_t y_down, int64_t y_right, float *panel)
{
    int64_t done = 0;
    for (; y_right == 1 && done + float_LANES <= n; done += float_LANES)
        for (int64_t l = 0; l < k; l++)
            *(float_vector_at *)(panel + float_WIDTH * l + done) = *(const float_vector_at *)(y + y_down * l + done);
    for (; y_down == 1 && y_right != 1 && done + 4 <= n; done += 4) {
        int64_t l = 0;
        for (; l + 4 <= k; l += 4) {  // four rows of the panel out of four columns of y: interleaved twice
            const float *from = y + l + y_right * done;
            const float_four a = *(const float_four_at *)from, b = *(const float_four_at *)(from + y_right),
                             c = *(const float_four_at *)(from + 2 * y_right),
                             d = *(const float_four_at *)(from + 3 * y_right),
                             ac = MIXED(float, a, c, 0, 4, 1, 5), bd = MIXED(float, b, d, 0, 4, 1, 5),
                             ca = MIXED(float, a, c, 2, 6, 3, 7), db = MIXED(float, b, d, 2, 6, 3, 7);
            float *to = panel + float_WIDTH * l + done;
            *(float_four_at *)to = MIXED(float, ac, bd, 0, 4, 1, 5);
            *(float_four_at *)(to + float_WIDTH) = MIXED(float, ac, bd, 2, 6, 3, 7);
            *(float_four_at *)(to + 2 * float_WIDTH) = MIXED(float, ca, db, 0, 4, 1, 5);
            *(float_four_at *)(to + 3 * float_WIDTH) = MIXED(float, ca, db, 2, 6, 3, 7);
        }
        for (; l < k; l++)
            for (int64_t j = done; j < done + 4; j++)
                panel[float_WIDTH * l + j] = y[l + y_right * j];
    }
    const int64_t full = (n + float_LANES - 1) / float_LANES * float_LANES;
    for (int64_t l = 0; l < k; l++) {
        for (int64_t j = done; j < n; j++)
            panel[float_WIDTH * l + j] = y[y_down * l + y_right * j];
        for (int64_t j = n; j < full; j++)
            panel[float_WIDTH * l + j] = 0;
    }
}

/* z = x y, or z += x y if `add`: x (m, k), y (k, n), the rows of z `z_down` apart. A panel of y is used by all tiles
 * below it, from the nearest cache; it is packed first, unless it lies right and they are few. */
static void product_float(int64_t m, int64_t n, int64_t k, const float *x, int64_t x_down, int64_t x_right,
                          const float *y, int64_t y_down, int64_t y_right, float *z, int64_t z_down, bool add)
{
    float panel[DEPTH * float_WIDTH] __attribute__((aligned(VECTOR)));
    for (int64_t l = 0; l < k; l += DEPTH) {
        const int64_t depth = k - l < DEPTH ? k - l : DEPTH;
        for (int64_t j = 0; j < n; j += float_WIDTH) {
            const int64_t width = n - j < float_WIDTH ? n - j : float_WIDTH;
            const bool packed = y_right != 1 || width % float_LANES || m >= FEW;
            const float *from = packed ? panel : y + y_down * l + j;
            const int64_t down = packed ? float_WIDTH : y_down;
            if (packed)
                float_pack(depth, width, y + y_down * l + y_right * j, y_down, y_right, panel);
            if (width > float_LANES)
                float_tiles(2, m, width, depth, x + x_right * l, x_down, x_right, from, down, z + j, z_down, add || l);
            else
                float_tiles(1, m, width, depth, x + x_right * l, x_down, x_right, from, down, z + j, z_down, add || l);
        }
    }
}
"""


PLACES = {"float": "int32_t", "double": "int64_t"}
"""For each kind of number the integer that is as long: what a vector of places is made of."""


def source_of(text: str) -> list[str]:
    """The functions that some C calls, to stand before it."""
    found = [PRODUCT.replace("int32_t", places).replace("float", kind) for kind, places in PLACES.items()
             if f"product_{kind}(" in text]
    return [TARGETS, *found] if found else []
