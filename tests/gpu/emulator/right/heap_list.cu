// A list to which all threads add a node each, and which the last of them takes apart.
// launch: k<<<2, 48>>>(out = int32[1])
struct Node {
    int value;
    Node* next;
    __device__ Node(int v) : value(v), next(nullptr) {}
};
__device__ unsigned long long head = 0;
__device__ int count = 0;
extern "C" __global__ void k(int* out) {
    Node* node = new Node(blockIdx.x * blockDim.x + threadIdx.x);
    unsigned long long old, seen = atomicAdd(&head, 0ull);
    do {
        old = seen;
        node->next = (Node*)old;
        __threadfence();
        seen = atomicCAS(&head, old, (unsigned long long)node);
    } while (seen != old);
    __threadfence();
    if (atomicAdd(&count, 1) != gridDim.x * blockDim.x - 1) return;
    __threadfence();
    int sum = 0;
    for (Node* n = (Node*)atomicExch(&head, 0ull); n;) {
        Node* next = n->next;
        sum += n->value;
        delete n;
        n = next;
    }
    *out = sum;
}
