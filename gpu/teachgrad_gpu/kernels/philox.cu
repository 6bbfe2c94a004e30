// Random numbers from a counter: Philox4x64-10. Block number b of a draw is a function of (key, counter) alone, so
// thread b computes it without asking anybody, and any computer gets the same bits: those of numpy.random.Philox with
//
//     key = (seed, site),   counter = (b + 1, step, 0, 0)
//
// `cell` holds (seed, site, step), as in teachgrad.random. A block is four words of 64 bits.
//
// Ten times, two of the four words of the counter are multiplied by constants; the halves of the products are mixed
// with the other words and the key, and the key moves on:
//
//     c0 ──×M0──> high, low        c0' = high(M1 c2) ^ c1 ^ k0      c1' = low(M1 c2)
//     c2 ──×M1──> high, low        c2' = high(M0 c0) ^ c3 ^ k1      c3' = low(M0 c0)
//
// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).

typedef unsigned long long word;

struct Block {
    word words[4];
};

__device__ Block philox(const word* cell, word number)
{
    word k0 = cell[0], k1 = cell[1], c0 = number + 1, c1 = cell[2], c2 = 0, c3 = 0;
    for (int turn = 0; turn < 10; turn++) {
        word high0 = __umul64hi(0xD2E7470EE14C6C93ull, c0), low0 = 0xD2E7470EE14C6C93ull * c0;
        word high1 = __umul64hi(0xCA5A826395121157ull, c2), low1 = 0xCA5A826395121157ull * c2;
        c0 = high1 ^ c1 ^ k0;
        c2 = high0 ^ c3 ^ k1;
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ull;
        k1 += 0xBB67AE8584CAA73Bull;
    }
    Block block = {{c0, c1, c2, c3}};
    return block;
}

// Half a word: of each word the low half comes first, as NumPy hands them out.
__device__ unsigned int half_word(const Block& block, int i)
{
    return (unsigned int)(block.words[i / 2] >> (32 * (i % 2)));
}

// The raw words, `Philox.random_raw(n)`.
extern "C" __global__ void philox_words(const word* cell, word* z, int n)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 3) / 4; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (4 * b + i < n)
                z[4 * b + i] = block.words[i];
    }
}

// low + (high - low) u, u uniform in [0, 1): the upper 24 bits of half a word, as `Generator.random(dtype=float32)`.
// The product is rounded before `low` is added, as NumPy does it: __fmul_rn keeps the compiler from fusing the two.
extern "C" __global__ void philox_uniform(const word* cell, float* z, int n, float low, float scale)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 7) / 8; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (8 * b + i < n)
                z[8 * b + i] = __fmul_rn((float)(half_word(block, i) >> 8) * (1.0f / 16777216.0f), scale) + low;
    }
}

// The same with the upper 53 bits of a word, as `Generator.random()`.
extern "C" __global__ void philox_uniform_double(const word* cell, double* z, int n, double low, double scale)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 3) / 4; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (4 * b + i < n)
                z[4 * b + i] = __dmul_rn((double)(block.words[i] >> 11) * (1.0 / 9007199254740992.0), scale) + low;
    }
}

// True with probability p: u < p for a u of 24 bits, compared as integers. `below` is p 2^24, rounded up.
extern "C" __global__ void philox_bernoulli(const word* cell, bool* z, int n, unsigned int below)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 7) / 8; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (8 * b + i < n)
                z[8 * b + i] = half_word(block, i) >> 8 < below;
    }
}

// Dropout without a mask in memory: z = x scale where the draw keeps it, else 0. The backward pass is the same kernel
// on the gradient, with the same cell: it draws the same bits again, which is cheaper than reading them.
extern "C" __global__ void philox_dropout(const word* cell, const float* x, float* z, int n, unsigned int below,
                                          float scale)
{
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < (n + 7) / 8; b += gridDim.x * blockDim.x) {
        Block block = philox(cell, b);
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (8 * b + i < n)
                z[8 * b + i] = half_word(block, i) >> 8 < below ? x[8 * b + i] * scale : 0.0f;
    }
}
