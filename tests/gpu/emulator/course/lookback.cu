// A scan in one pass with decoupled look-back: state and value of a tile lie in one word of 64 bits.
// launch: scan<<<7, 32>>>(x = uint32[224]:random, y = uint32[224], state = uint64[7], next = uint32[1])
// instead of `word = atomicAdd(&state[t], 0ull);` write `word = state[t];` finds race at `word = state[t];`
// instead of `if (lane == 0) tile_of_block = atomicAdd(next, 1u);` write `tile_of_block = atomicAdd(next, 1u);` finds race at `atomicAdd(next, 1u);`
// instead of `__syncwarp();  // tile` write `` finds race at `unsigned tile = tile_of_block;`
enum State : unsigned { EMPTY, PARTIAL, PREFIX };
typedef unsigned long long word64;
__device__ word64 pack(State s, unsigned v) { return (word64)s << 32 | v; }
extern "C" __global__ void scan(const unsigned* x, unsigned* y, word64* state, unsigned* next) {
    __shared__ unsigned tile_of_block;
    int lane = threadIdx.x;
    if (lane == 0) tile_of_block = atomicAdd(next, 1u);
    __syncwarp();  // tile
    unsigned tile = tile_of_block;
    unsigned v = x[tile * 32 + lane];
    for (int d = 1; d < 32; d *= 2) {
        unsigned u = __shfl_up_sync(~0u, v, d);
        if (lane >= d) v += u;
    }
    unsigned sum = __shfl_sync(~0u, v, 31), before = 0;
    if (lane == 0) {
        atomicExch(&state[tile], pack(PARTIAL, sum));
        for (int t = (int)tile - 1; t >= 0; t--) {
            word64 word;
            do
                word = atomicAdd(&state[t], 0ull);
            while (word >> 32 == EMPTY);
            before += (unsigned)word;
            if (word >> 32 == PREFIX) break;
        }
        atomicExch(&state[tile], pack(PREFIX, before + sum));
    }
    before = __shfl_sync(~0u, before, 0);
    y[tile * 32 + lane] = before + v;
}
