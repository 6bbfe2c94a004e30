// One pass of a radix sort: those with a zero in this bit first, the others behind them, none overtaking.
// launch: pass<<<1, 128>>>(in = uint32[128]:random, out = uint32[128], bit = 2)
// instead of `__syncthreads();  // ballots` write `` finds race at `if (k < w) before += zeros[k];`
// instead of `if (lane == 0) zeros[w] = __popc(votes);` write `` finds uninitialised at `total += zeros[k];`
// instead of `total + t - rank` write `total + t` finds out of bounds at `out[one ?`
// instead of `before + __popc(votes & below)` write `before` finds race at `out[one ?`
extern "C" __global__ void pass(const unsigned* in, unsigned* out, int bit) {
    __shared__ int zeros[4];
    int t = threadIdx.x, lane = t & 31, w = t >> 5;
    unsigned v = in[t];
    bool one = v >> bit & 1;
    unsigned votes = __ballot_sync(~0u, !one), below = (1u << lane) - 1;
    if (lane == 0) zeros[w] = __popc(votes);
    __syncthreads();  // ballots
    int before = 0, total = 0;
    for (int k = 0; k < 4; k++) {
        if (k < w) before += zeros[k];
        total += zeros[k];
    }
    int rank = before + __popc(votes & below);
    out[one ? total + t - rank : rank] = v;
}
