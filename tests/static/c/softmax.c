/* test_source_reads_well.<locals>.softmax_of_scaled: 6 ops in 1 kernel, written by teachgrad. */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define KERNEL static __attribute__((noinline))

/* The math library has these for whole vectors, too. */

/* A result of several parts: nan if one of them is. */
#pragma omp declare reduction(greatest : float, double : \
    omp_out = omp_in > omp_out || omp_in != omp_in ? omp_in : omp_out) initializer(omp_priv = -INFINITY)

/* multiply = multiply(input0, scale)   HERE
 * max = max(multiply, axis=(1,), keepdims=True)   HERE
 * subtract = subtract(multiply, max)   HERE
 * exp_ = exp(subtract)   HERE
 * sum = sum(exp_, axis=(1,), keepdims=True)   HERE
 * divide = divide(exp_, sum)   HERE */
KERNEL void k1_multiply_to_divide(const float *restrict input0, const float *restrict scale, float *restrict divide_out)
{
    for (int64_t i = 0; i < 3; i++) {
        float multiply_line[4];
        float exp__line[4];
        float max = -INFINITY;
        #pragma omp simd reduction(greatest:max)
        for (int64_t j = 0; j < 4; j++) {
            const float multiply = input0[4 * i + j] * scale[j];  // HERE
            max = multiply > max || multiply != multiply ? multiply : max;
            multiply_line[j] = multiply;
        }
        float sum = 0;
        #pragma omp simd reduction(+:sum)
        for (int64_t j = 0; j < 4; j++) {
            const float subtract = multiply_line[j] - max;
            const float exp_ = expf(subtract);
            sum += exp_;
            exp__line[j] = exp_;
        }
        #pragma omp simd
        for (int64_t j = 0; j < 4; j++) {
            const float divide = exp__line[j] / sum;
            divide_out[4 * i + j] = divide;
        }
    }
}

int run(void **p)
{
    const float *input0 = p[0];  // float32[3, 4]
    const float *scale = p[1];  // float32[4]
    float *divide = p[2];  // float32[3, 4]
    k1_multiply_to_divide(input0, scale, divide);
    return 0;
}
