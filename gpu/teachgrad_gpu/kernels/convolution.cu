// Convolution of images x (images, channels, height, width) with kernels w (outputs, channels / groups, rows, columns):
//
//     z[p, o, y, x] = b[o] + Σ x[p, c, y stride - padding + r dilation, x stride - padding + s dilation] w[o, c, r, s]
//                            c, r, s
//
// Outside of x there are zeros. Two ways: directly, a thread an element of the result; or by im2col, which copies what
// the kernel sees at each place into a matrix, so that the rest is a matrix product (see matmul.cu).
//
//     #define REAL         the type of the numbers: float (default) or double
//     #define IMAGES_LAST  arrays are (channels, height, width, images); neighbouring threads take neighbouring images
//
// Stride, padding and dilation come for rows (0) and columns (1).

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

// The place of an element, and the other way round. The last axis is the one that neighbouring threads share out.
struct Place {
    int image, channel, row, column;
};

__device__ int at(int image, int channel, int row, int column, int images, int channels, int height, int width)
{
#ifdef IMAGES_LAST
    return ((channel * height + row) * width + column) * images + image;
#else
    return ((image * channels + channel) * height + row) * width + column;
#endif
}

__device__ Place place(int i, int images, int channels, int height, int width)
{
    Place p;
#ifdef IMAGES_LAST
    p.image = i % images;
    i /= images;
    p.column = i % width;
    i /= width;
    p.row = i % height;
    p.channel = i / height;
#else
    p.column = i % width;
    i /= width;
    p.row = i % height;
    i /= height;
    p.channel = i % channels;
    p.image = i / channels;
#endif
    return p;
}

// Everything about sizes, handed to every kernel here in this order: it is long, but it is the whole truth.
#define SIZES                                                                                                          \
    int images, int channels, int height, int width, int outputs, int out_height, int out_width, int rows,            \
        int columns, int stride0, int stride1, int padding0, int padding1, int dilation0, int dilation1, int groups

// Directly: a thread an element of z. Neighbours read neighbours of x, and the same weight at the same time. Each x is
// read by up to rows x columns x outputs threads; that it is not read so often from memory is the caches' doing.
extern "C" __global__ void convolution(const real* x, const real* w, const real* b, real* z, SIZES)
{
    int n = images * outputs * out_height * out_width, seen = channels / groups;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, images, outputs, out_height, out_width);
        int first = p.channel / (outputs / groups) * seen; // of the channels of this group
        real sum = b[p.channel];
        for (int c = 0; c < seen; c++)
            for (int r = 0; r < rows; r++) {
                int y = p.row * stride0 - padding0 + r * dilation0;
                if (y < 0 || y >= height)
                    continue;
                for (int s = 0; s < columns; s++) {
                    int v = p.column * stride1 - padding1 + s * dilation1;
                    if (v >= 0 && v < width)
                        sum += x[at(p.image, first + c, y, v, images, channels, height, width)] *
                               w[((p.channel * seen + c) * rows + r) * columns + s];
                }
            }
        z[i] = sum;
    }
}

// gx: a thread an element of x, which asks: which places saw me, and with which weight? Place y sees row i with kernel
// row r where y stride = i + padding - r dilation, if that divides. Gathering, no two threads write to one place.
extern "C" __global__ void convolution_backward_input(const real* g, const real* w, real* gx, SIZES)
{
    int n = images * channels * height * width, seen = channels / groups, made = outputs / groups;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, images, channels, height, width);
        int group = p.channel / seen, c = p.channel % seen;
        real sum = 0;
        for (int o = group * made; o < (group + 1) * made; o++)
            for (int r = 0; r < rows; r++) {
                int y = p.row + padding0 - r * dilation0;
                if (y < 0 || y % stride0 != 0 || y / stride0 >= out_height)
                    continue;
                for (int s = 0; s < columns; s++) {
                    int v = p.column + padding1 - s * dilation1;
                    if (v >= 0 && v % stride1 == 0 && v / stride1 < out_width)
                        sum += g[at(p.image, o, y / stride0, v / stride1, images, outputs, out_height, out_width)] *
                               w[((o * seen + c) * rows + r) * columns + s];
                }
            }
        gx[i] = sum;
    }
}

__device__ real warp_sum(real v)
{
    for (int distance = 16; distance > 0; distance /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, distance);
    return v;
}

// gw: a warp an element of w, whose lanes share out all places of all images.
extern "C" __global__ void convolution_backward_weights(const real* g, const real* x, real* gw, SIZES)
{
    int seen = channels / groups, e = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (e >= outputs * seen * rows * columns)
        return;
    int s = e % columns, r = e / columns % rows, c = e / (columns * rows) % seen, o = e / (columns * rows * seen);
    int channel = o / (outputs / groups) * seen + c;
    real sum = 0;
    for (int k = lane; k < images * out_height * out_width; k += 32) {
        Place p = place(k, images, 1, out_height, out_width);
        int y = p.row * stride0 - padding0 + r * dilation0, v = p.column * stride1 - padding1 + s * dilation1;
        if (y >= 0 && y < height && v >= 0 && v < width)
            sum += g[at(p.image, o, p.row, p.column, images, outputs, out_height, out_width)] *
                   x[at(p.image, channel, y, v, images, channels, height, width)];
    }
    sum = warp_sum(sum);
    if (lane == 0)
        gw[e] = sum;
}

// im2col: columns (channels, rows, columns, places of the result), one thread an element, copies x or a zero. For each
// group, w as a matrix (outputs / groups, seen rows columns) times these columns is the result. Places are in the order
// of memory: (images, out_height, out_width), or (out_height, out_width, images) with IMAGES_LAST.
//
//     x  0 1 2      kernel 2 x 2      columns   0 1 3 4       each column of this matrix is one place of the kernel;
//        3 4 5                                  1 2 4 5       here x is 3 x 3 and there are 4 places
//        6 7 8                                  3 4 6 7
//                                               4 5 7 8
extern "C" __global__ void im2col(const real* x, real* z, SIZES)
{
    (void)outputs;
    (void)groups;
    int places = images * out_height * out_width, n = channels * rows * columns * places;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i % places, images, 1, out_height, out_width);
        int e = i / places, s = e % columns, r = e / columns % rows, c = e / (columns * rows);
        int y = p.row * stride0 - padding0 + r * dilation0, v = p.column * stride1 - padding1 + s * dilation1;
        bool inside = y >= 0 && y < height && v >= 0 && v < width;
        z[i] = inside ? x[at(p.image, c, y, v, images, channels, height, width)] : (real)0;
    }
}

// col2im, its adjoint: every element of x adds up the columns into which it was copied. Again a gather, so no atomics.
extern "C" __global__ void col2im(const real* z, real* gx, SIZES)
{
    (void)outputs;
    (void)groups;
    int places = images * out_height * out_width, n = channels * height * width * images;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        Place p = place(i, images, channels, height, width);
        real sum = 0;
        for (int r = 0; r < rows; r++) {
            int y = p.row + padding0 - r * dilation0;
            if (y < 0 || y % stride0 != 0 || y / stride0 >= out_height)
                continue;
            for (int s = 0; s < columns; s++) {
                int v = p.column + padding1 - s * dilation1;
                if (v >= 0 && v % stride1 == 0 && v / stride1 < out_width)
                    sum += z[((p.channel * rows + r) * columns + s) * places +
                             at(p.image, 0, y / stride0, v / stride1, images, 1, out_height, out_width)];
            }
        }
        gx[i] = sum;
    }
}
