// How soon a point escapes: as many steps in a warp as its slowest lane needs.
// launch: mandelbrot<<<(3, 2), (16, 8)>>>(out = int32[15, 40], w = 40, h = 15, most = 50)
// instead of `if (px >= w || py >= h) return;` write `if (px > w || py > h) return;` finds race at `out[py * w + px] = n;`
// instead of `if (px >= w || py >= h) return;` write `` finds out of bounds at `out[py * w + px] = n;`
// instead of `out[py * w + px]` write `out[px * h + py + 1]` finds out of bounds at `= n;`
extern "C" __global__ void mandelbrot(int* out, int w, int h, int most) {
    const int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y;
    if (px >= w || py >= h) return;
    float2 c = make_float2(-2.0f + 3.0f * px / w, -1.0f + 2.0f * py / h), z = make_float2(0.0f, 0.0f);
    int n = 0;
    do {
        z = make_float2(z.x * z.x - z.y * z.y + c.x, 2 * z.x * z.y + c.y);
    } while (++n < most && z.x * z.x + z.y * z.y <= 4.0f);
    out[py * w + px] = n;
}
