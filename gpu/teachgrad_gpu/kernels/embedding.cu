// Embedding: rows of a table by number, and the other direction, scattering: rows are added to a table by number.
//
//     #define REAL     the type of the table: float (default) or double
//     #define INTEGER  the type of the numbers: long long (default) or int
//
// Numbers must be from 0 to the number of rows of the table, less 1: nothing here checks them.

#ifndef REAL
#define REAL float
#endif
#ifndef INTEGER
#define INTEGER long long
#endif
typedef REAL real;
typedef INTEGER integer;

// z[i, :] = table[indices[i], :], indices (count), z (count, width).
//
//     indices   5 2 5 ...      which row is read depends on the data, but within a row
//     table 2   . . . . .      neighbouring threads read neighbours: coalesced as long as
//           5   . . . . .      rows are long
extern "C" __global__ void embedding(const real* table, const integer* indices, real* z, int count, int width)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count * width; i += gridDim.x * blockDim.x)
        z[i] = table[(long long)indices[i / width] * width + i % width];
}

// table[indices[i], :] += g[i, :], the gradient of the table (which must be 0 before). A row that was taken twice is
// added to by two threads, perhaps at the same moment. Without atomicAdd one addition would be lost:
//
//     thread 1   read 3.0    add 1.0    write 4.0
//     thread 2      read 3.0    add 2.0    write 5.0        instead of 6.0
//
// The result is right; the order of additions, and with it the last bits, is not always the same.
extern "C" __global__ void scatter_add(const real* g, const integer* indices, real* table, int count, int width)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count * width; i += gridDim.x * blockDim.x)
        atomicAdd(&table[(long long)indices[i / width] * width + i % width], g[i]);
}

// The same without atomics, and with the same bits in every run: a thread owns one element of the table and looks
// through all indices for its row. That is rows x count comparisons, so it is for small tables; sorting the indices is
// the other way (teachgrad does that on the CPU). All threads of a warp read the same index at once: one sector.
extern "C" __global__ void scatter_add_ordered(const real* g, const integer* indices, real* table, int rows, int count,
                                               int width)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * width; i += gridDim.x * blockDim.x) {
        int row = i / width, column = i % width;
        real sum = 0;
        for (int k = 0; k < count; k++)
            if (indices[k] == row)
                sum += g[k * width + column];
        table[i] = sum;
    }
}
