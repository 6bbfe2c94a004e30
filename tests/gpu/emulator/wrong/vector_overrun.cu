// The number of elements is no multiple of four.
// launch: scale<<<1, 32>>>(x = float32[126]:random)
// finds: out of bounds 6
extern "C" __global__ void scale(float* x) {
    float4* v = reinterpret_cast<float4*>(x);
    float4 a = v[threadIdx.x];
    v[threadIdx.x] = make_float4(a.x * 2, a.y * 2, a.z * 2, a.w * 2);
}
