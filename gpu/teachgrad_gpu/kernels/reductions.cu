// Reductions: many numbers become one. First the sum of a whole array, five times, each time with less waiting; then
// sums and maxima along one axis, and what carries their gradients back.
//
// A sum does one addition for 4 bytes, so the best there is to reach is the speed of memory. What stands in the way is
// threads that wait for each other. Floating-point addition is not associative: each way below adds in another order,
// and those with atomicAdd in an order that changes from run to run.
//
//     #define REAL   the type of the numbers: float (default) or double

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

// ---- the sum of all, rung by rung -----------------------------------------------------------------------------------

// Rung 1. Every thread adds its element to one number. The additions are right, and one after another: n threads queue
// for one address. `z` must be 0 before.
extern "C" __global__ void sum_atomic(const real* x, real* z, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        atomicAdd(z, x[i]);
}

// Rung 2. A block first adds its own elements in shared memory, as a tree; one atomicAdd a block is left.
//
//     step 1    0+1  .  2+3  .  4+5  .  6+7  .     thread 0, 2, 4, 6 ... work
//     step 2    0+2  .   .   .  4+6  .   .   .     thread 0, 4 ...
//     step 4    0+4  .   .   .   .   .   .   .     thread 0
//
// Those that work are spread over all warps: each warp has working and idle threads (it diverges) until the end.
extern "C" __global__ void sum_interleaved(const real* x, real* z, int n)
{
    extern __shared__ __align__(16) unsigned char memory[];
    real* sums = reinterpret_cast<real*>(memory);
    int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
    sums[t] = i < n ? x[i] : (real)0;
    __syncthreads();
    for (int step = 1; step < (int)blockDim.x; step *= 2) {
        if (t % (2 * step) == 0)
            sums[t] += sums[t + step];
        __syncthreads();
    }
    if (t == 0)
        atomicAdd(z, sums[0]);
}

// Rung 3. The same tree, folded in the middle: the lower half adds the upper half.
//
//     step 4    0+4 1+5 2+6 3+7  .   .   .   .
//     step 2    0+2 1+3  .   .   .   .   .   .
//     step 1    0+1  .   .   .   .   .   .   .
//
// Whole warps work or are done, and neighbours read neighbours: no divergence, no bank conflicts.
extern "C" __global__ void sum_folded(const real* x, real* z, int n)
{
    extern __shared__ __align__(16) unsigned char memory[];
    real* sums = reinterpret_cast<real*>(memory);
    int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
    sums[t] = i < n ? x[i] : (real)0;
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (t < step)
            sums[t] += sums[t + step];
        __syncthreads();
    }
    if (t == 0)
        atomicAdd(z, sums[0]);
}

// The threads of a warp exchange registers: no shared memory, no barrier. With "xor" both partners get the sum, so
// after five exchanges every lane has the sum of all 32.
__device__ real warp_sum(real v)
{
    for (int distance = 16; distance > 0; distance /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, distance);
    return v;
}

// The sum over a block, for every thread of it. Blocks here are whole warps, at most 32 of them.
__device__ real block_sum(real v)
{
    __shared__ real sums[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    v = warp_sum(v);
    __syncthreads(); // an earlier call may still be reading
    if (lane == 0)
        sums[warp] = v;
    __syncthreads();
    return warp_sum(lane < (int)blockDim.x / 32 ? sums[lane] : (real)0);
}

// Rung 4. Each thread first adds many elements alone (a strided loop), then warps add by shuffles: two barriers a block
// instead of nine, and as few blocks as fill the device.
extern "C" __global__ void sum_shuffled(const real* x, real* z, int n)
{
    real sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        sum += x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        atomicAdd(z, sum);
}

// Rung 5. No atomicAdd of floats: each block leaves its sum in `parts`, and the block that comes last adds those,
// always in the same order. So the result has the same bits in every run. `z` need not be 0 before, `arrived` must be,
// and is 0 again afterwards: atomicInc counts up to gridDim.x - 1 and from there to 0.
//
// Why the fence: the count of arrivals may only be seen after the sum that it announces.
extern "C" __global__ void sum_last_block(const real* x, real* parts, unsigned int* arrived, real* z, int n)
{
    __shared__ bool last;
    real sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        sum += x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = sum;
        __threadfence();
        last = atomicInc(arrived, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last)
        return;
    __threadfence();
    sum = 0;
    for (int i = threadIdx.x; i < (int)gridDim.x; i += blockDim.x)
        sum += parts[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        *z = sum;
}

// ---- along one axis: x (outer, n, inner) becomes z (outer, inner) ---------------------------------------------------

// inner = 1: a block a row, neighbours read neighbours of the row.
extern "C" __global__ void sum_rows(const real* x, real* z, int n)
{
    const real* row = x + (long long)blockIdx.x * n;
    real sum = 0;
    for (int j = threadIdx.x; j < n; j += blockDim.x)
        sum += row[j];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        z[blockIdx.x] = sum;
}

// inner > 1: a thread an element of z. Neighbours differ in `inner`, so reads are coalesced though each thread jumps.
extern "C" __global__ void sum_axis(const real* x, real* z, int outer, int n, int inner)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < outer * inner; i += gridDim.x * blockDim.x) {
        const real* line = x + (i / inner) * n * inner + i % inner;
        real sum = 0;
        for (int j = 0; j < n; j++)
            sum += line[j * inner];
        z[i] = sum;
    }
}

// Every element that was added gets the whole gradient of the sum.
extern "C" __global__ void sum_axis_backward(const real* g, real* gx, int outer, int n, int inner)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < outer * n * inner; i += gridDim.x * blockDim.x)
        gx[i] = g[i / (n * inner) * inner + i % inner];
}

// Whether (a, i) comes before (b, j) as a maximum: nan before all numbers, as in NumPy; the first of equals.
__device__ bool beats(real a, int i, real b, int j)
{
    if (i < 0 || j < 0)
        return j < 0 && i >= 0;
    bool a_nan = a != a, b_nan = b != b;
    if (a_nan || b_nan)
        return a_nan && (!b_nan || i < j);
    return a > b || (a == b && i < j);
}

// The maximum of each row and where it stands: a warp a row. Value and place travel together through the shuffles.
// A lane without an element has the place -1.
extern "C" __global__ void max_rows(const real* x, real* z, int* place, int rows, int n)
{
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return; // a whole warp at once, so the shuffles below miss nobody
    real best = 0;
    int at = -1;
    for (int j = lane; j < n; j += 32) {
        real v = x[row * n + j];
        if (beats(v, j, best, at)) {
            best = v;
            at = j;
        }
    }
    for (int distance = 16; distance > 0; distance /= 2) {
        real other = __shfl_xor_sync(0xffffffffu, best, distance);
        int there = __shfl_xor_sync(0xffffffffu, at, distance);
        if (beats(other, there, best, at)) {
            best = other;
            at = there;
        }
    }
    if (lane == 0) {
        z[row] = best;
        place[row] = at;
    }
}

// The same for x (outer, n, inner): a thread an element of z.
extern "C" __global__ void max_axis(const real* x, real* z, int* place, int outer, int n, int inner)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < outer * inner; i += gridDim.x * blockDim.x) {
        const real* line = x + (i / inner) * n * inner + i % inner;
        real best = line[0];
        int at = 0;
        for (int j = 1; j < n; j++)
            if (beats(line[j * inner], j, best, at)) {
                best = line[j * inner];
                at = j;
            }
        z[i] = best;
        place[i] = at;
    }
}

// The gradient goes to the place of the maximum. Each thread writes one element of gx, so no two can meet, and the
// zeros are written on the way.
extern "C" __global__ void max_axis_backward(const real* g, const int* place, real* gx, int outer, int n, int inner)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < outer * n * inner; i += gridDim.x * blockDim.x) {
        int line = i / (n * inner) * inner + i % inner;
        gx[i] = place[line] == i / inner % n ? g[line] : (real)0;
    }
}
