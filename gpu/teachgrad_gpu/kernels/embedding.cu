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
// the other way (scatter_add_sorted). All threads of a warp read the same index at once: one sector.
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

// The same for large tables, given the `order` that sorts the indices (stable: equal ones stay in order). Equal rows
// then follow each other, and the thread that finds the first of a run adds up all of it; the others do nothing. The
// table must be 0 before: rows that nobody took are not written.
//
//     order            1 3 0 2 4
//     indices[order]   2 2 5 5 5      threads at 0 and 2 find another row before them, and sum two and three places
extern "C" __global__ void scatter_add_sorted(const real* g, const integer* indices, const long long* order,
                                              real* table, int count, int width)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count * width; i += gridDim.x * blockDim.x) {
        int k = i / width, column = i % width;
        integer row = indices[order[k]];
        if (k > 0 && indices[order[k - 1]] == row)
            continue;
        real sum = 0;
        for (; k < count && indices[order[k]] == row; k++)
            sum += g[order[k] * width + column];
        table[(long long)row * width + column] = sum;
    }
}
