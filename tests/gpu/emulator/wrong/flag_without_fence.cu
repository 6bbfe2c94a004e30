// The flag says that the value is there, but nothing keeps it from being seen first.
// launch: pass<<<2, 1>>>(x = int32[1], y = int32[1], flag = int32[1])
// finds: race 9
extern "C" __global__ void pass(int* x, int* y, volatile int* flag) {
    if (blockIdx.x == 0) *x = 5, *flag = 1;
    if (blockIdx.x == 1) {
        while (*flag == 0) {
        }
        *y = *x;
    }
}
