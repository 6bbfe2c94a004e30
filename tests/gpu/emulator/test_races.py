"""Random programs of 64 threads: races are found where an oracle in Python, which compares all pairs, finds them."""

import numpy as np
import pytest

from teachgrad_gpu.emulator import RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
THREADS, CELLS = 64, 6
NOTHING, READ, WRITE, ATOMIC = range(4)
ACCESS, BARRIER, WARP = range(3)

# What each thread does in each step is data, so that one kernel runs all programs.
INTERPRETER = r"""
extern "C" __global__ void run(const int* kind, const int* op, const int* cell, int steps, int* global, int shared) {
    __shared__ int s[CELLS];
    int t = threadIdx.x, sum = 0;
    if (t < CELLS) s[t] = -1;
    __syncthreads();
    int* memory = shared ? s : global;
    for (int k = 0; k < steps; k++) {
        int what = op[k * 64 + t], where = cell[k * 64 + t];
        if (kind[k] == 1) __syncthreads();
        else if (kind[k] == 2) __syncwarp();
        else if (what == 1) sum += memory[where];
        else if (what == 2) memory[where] = k * 64 + t;
        else if (what == 3) atomicAdd(&memory[where], 1);
    }
    global[CELLS + t] = sum;
}"""


@pytest.fixture(scope="module")
def kernel():
    return RawKernel(INTERPRETER, "run", (f"-DCELLS={CELLS}",), check=True)


def program(rng):
    """Kinds of steps, and for access steps what each thread does to which cell; few threads do something."""
    steps = int(rng.integers(2, 9))
    kind = rng.choice([ACCESS, BARRIER, WARP], steps, p=[0.6, 0.2, 0.2])
    op = rng.choice([NOTHING, READ, WRITE, ATOMIC], (steps, THREADS), p=[0.975, 0.012, 0.008, 0.005])
    return kind, op, rng.integers(0, CELLS, (steps, THREADS))


def racing_cells(kind, op, cell):
    """The cells that two threads use, not both reading and not both atomically, with nothing that orders them."""
    accesses = [(step, thread) for step in range(len(kind)) for thread in range(THREADS)
                if kind[step] == ACCESS and op[step, thread] != NOTHING]  # fmt: skip

    def ordered(a, b):
        between = kind[min(a[0], b[0]):max(a[0], b[0])]
        return BARRIER in between or (a[1] // 32 == b[1] // 32 and WARP in between)

    return {int(cell[a]) for i, a in enumerate(accesses) for b in accesses[:i]
            if a[1] != b[1] and cell[a] == cell[b] and {op[a], op[b]} not in ({READ}, {ATOMIC}) and not ordered(a, b)}


@pytest.mark.parametrize("shared", [True, False])
def test_races_are_found_where_they_are_and_nowhere_else(kernel, shared):
    rng, racy = np.random.default_rng(5), 0
    for number in range(400):
        kind, op, cell = program(rng)
        memory = np.zeros(CELLS + THREADS, np.int32)
        kernel((1,), (THREADS,), (*(a.astype(np.int32) for a in (kind, op, cell)), len(kind), memory, int(shared)))
        assert {finding.kind for finding in kernel.findings} <= {"race"}
        expected = racing_cells(kind, op, cell)
        found = {finding.index[0] for finding in kernel.findings}
        assert found <= expected, number
        assert bool(found) == bool(expected), number
        racy += bool(expected)
    assert 100 < racy < 300
