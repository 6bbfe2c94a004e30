// Pi from random points: Philox gives each thread its numbers, whatever the others do.
// launch: pi<<<4, 64>>>(hits = uint32[1], rounds = 20, seed = 7)
// instead of `atomicAdd(hits, s[0])` write `*hits += s[0]` finds race at `*hits += s[0]`
// instead of `__syncthreads();  // halves` write `if (k > 16) __syncthreads();` finds race at `if (t < k) s[t] += s[t + k];`
// instead of `s[t] += s[t + k]` write `s[t] += s[t + 2 * k]` finds out of bounds at `if (t < k)`
// instead of `s[t] = inside;` write `if (t % 3) s[t] = inside;` finds uninitialised at `if (t < k)`
__device__ uint4 philox(uint4 c, uint2 key) {
    for (int r = 0; r < 10; r++) {
        unsigned h0 = __umulhi(0xD2511F53u, c.x), l0 = 0xD2511F53u * c.x;
        unsigned h1 = __umulhi(0xCD9E8D57u, c.z), l1 = 0xCD9E8D57u * c.z;
        c = make_uint4(h1 ^ c.y ^ key.x, l1, h0 ^ c.w ^ key.y, l0);
        key.x += 0x9E3779B9u, key.y += 0xBB67AE85u;
    }
    return c;
}
extern "C" __global__ void pi(unsigned* hits, int rounds, unsigned seed) {
    __shared__ unsigned s[64];
    unsigned t = threadIdx.x, id = blockIdx.x * blockDim.x + t, inside = 0;
    for (unsigned r = 0; r < rounds; r++) {
        uint4 n = philox(make_uint4(r, id, 0, 0), make_uint2(seed, 0));
        const float scale = 1.0f / 16777216;
        float x = (n.x >> 8) * scale, y = (n.y >> 8) * scale, z = (n.z >> 8) * scale, w = (n.w >> 8) * scale;
        inside += (x * x + y * y < 1) + (z * z + w * w < 1);
    }
    s[t] = inside;
    for (int k = 32; k > 0; k >>= 1) {
        __syncthreads();  // halves
        if (t < k) s[t] += s[t + k];
    }
    if (t == 0) atomicAdd(hits, s[0]);
}
