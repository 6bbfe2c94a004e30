// Rows and columns are swapped where the matrix is not square.
// launch: transpose<<<(2, 1), (16, 16)>>>(x = float32[16, 32]:random, y = float32[32, 16], rows = 16, columns = 32)
// finds: race 6
extern "C" __global__ void transpose(const float* x, float* y, int rows, int columns) {
    int c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    y[(c % 16) * rows + r] = x[r * columns + c];
}
