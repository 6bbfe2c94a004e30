// The read is plain, and no compare and swap makes up for it.
// launch: count<<<2, 32>>>(x = int32[1])
// finds: race 6
extern "C" __global__ void count(int* x) {
    int old = *x;
    if (old < 40) atomicAdd(x, 1);
}
