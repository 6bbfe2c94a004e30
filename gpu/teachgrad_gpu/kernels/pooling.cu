// Pooling: the largest or the mean of each window that moves over the planes of x (outer, height, width, inner).
//
// Images first, (images, channels, height, width), is outer = images channels and inner = 1. Images last, (channels,
// height, width, images), is outer = channels and inner = images. Padding counts as -infinity for the maximum, and as 0
// for the mean.
//
//     #define REAL   the type of the numbers: float (default) or double
//
// Stride, padding and dilation come for rows (0) and columns (1).

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

#define NOTHING (-(real)__int_as_float(0x7f800000)) // -infinity, by its bits: no header is needed for that

struct Place {
    int outer, row, column, inner;
};

__device__ Place place(int i, int height, int width, int inner)
{
    Place p;
    p.inner = i % inner;
    i /= inner;
    p.column = i % width;
    i /= width;
    p.row = i % height;
    p.outer = i / height;
    return p;
}

// A thread a window. Besides the maximum it writes where that stands (row * width + column), the first of equals in
// reading order, and a nan if there is one: all that the backward pass needs. A window that lies in the padding alone
// has no such place, -1, and its gradient goes nowhere.
extern "C" __global__ void max_pool(const real* x, real* z, int* places, int outer, int height, int width, int inner,
                                    int out_height, int out_width, int rows, int columns, int stride0, int stride1,
                                    int padding0, int padding1, int dilation0, int dilation1)
{
    int n = outer * out_height * out_width * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, out_height, out_width, inner);
        real best = NOTHING;
        int where = -1;
        for (int r = 0; r < rows; r++) {
            int y = p.row * stride0 - padding0 + r * dilation0;
            if (y < 0 || y >= height)
                continue;
            for (int s = 0; s < columns; s++) {
                int v = p.column * stride1 - padding1 + s * dilation1;
                if (v < 0 || v >= width)
                    continue;
                real e = x[((p.outer * height + y) * width + v) * inner + p.inner];
                if (where < 0 || e > best || (e != e && best == best)) {
                    best = e;
                    where = y * width + v;
                }
            }
        }
        z[i] = best;
        places[i] = where;
    }
}

// The gradient of a window goes to the place of its maximum. Windows overlap where the stride is smaller than they are,
// so several threads may meet at one element: atomicAdd. `gx` must be 0 before.
//
// The order of the additions, and so the last bits, change from run to run; max_pool_backward_gather does not.
extern "C" __global__ void max_pool_backward(const real* g, const int* places, real* gx, int outer, int height,
                                             int width, int inner, int out_height, int out_width)
{
    int n = outer * out_height * out_width * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, out_height, out_width, inner);
        if (places[i] >= 0)
            atomicAdd(&gx[(p.outer * height * width + places[i]) * inner + p.inner], g[i]);
    }
}

// The same the other way round: a thread an element of x asks all windows that can see it whether it was their maximum.
// More reads, but every element is written once, by one thread, in one order.
extern "C" __global__ void max_pool_backward_gather(const real* g, const int* places, real* gx, int outer, int height,
                                                    int width, int inner, int out_height, int out_width, int rows,
                                                    int columns, int stride0, int stride1, int padding0, int padding1,
                                                    int dilation0, int dilation1)
{
    int n = outer * height * width * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, height, width, inner);
        real sum = 0;
        for (int r = 0; r < rows; r++) {
            int y = p.row + padding0 - r * dilation0;
            if (y < 0 || y % stride0 != 0 || y / stride0 >= out_height)
                continue;
            for (int s = 0; s < columns; s++) {
                int v = p.column + padding1 - s * dilation1;
                if (v < 0 || v % stride1 != 0 || v / stride1 >= out_width)
                    continue;
                int window = ((p.outer * out_height + y / stride0) * out_width + v / stride1) * inner + p.inner;
                if (places[window] == p.row * width + p.column)
                    sum += g[window];
            }
        }
        gx[i] = sum;
    }
}

// The mean over the whole window, padding included: division by rows * columns.
extern "C" __global__ void average_pool(const real* x, real* z, int outer, int height, int width, int inner,
                                        int out_height, int out_width, int rows, int columns, int stride0,
                                        int stride1, int padding0, int padding1)
{
    int n = outer * out_height * out_width * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, out_height, out_width, inner);
        int top = p.row * stride0 - padding0, left = p.column * stride1 - padding1;
        real sum = 0;
        for (int y = max(top, 0); y < min(top + rows, height); y++)
            for (int v = max(left, 0); v < min(left + columns, width); v++)
                sum += x[((p.outer * height + y) * width + v) * inner + p.inner];
        z[i] = sum / (rows * columns);
    }
}

// Every element gets its share of each window that saw it: those whose first row lies in (row - rows, row], and so on.
extern "C" __global__ void average_pool_backward(const real* g, real* gx, int outer, int height, int width, int inner,
                                                 int out_height, int out_width, int rows, int columns, int stride0,
                                                 int stride1, int padding0, int padding1)
{
    int n = outer * height * width * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, height, width, inner);
        int bottom = p.row + padding0, right = p.column + padding1;
        int top = max(0, (bottom - rows + stride0) / stride0), left = max(0, (right - columns + stride1) / stride1);
        real sum = 0;
        for (int y = top; y <= min(bottom / stride0, out_height - 1); y++)
            for (int v = left; v <= min(right / stride1, out_width - 1); v++)
                sum += g[((p.outer * out_height + y) * out_width + v) * inner + p.inner];
        gx[i] = sum / (rows * columns);
    }
}
