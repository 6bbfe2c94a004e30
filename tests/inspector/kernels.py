"""Kernel traces to look at, made by small programs that stand for threads; no compiler is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from teachgrad.recording.kernel_trace import EVENT, KINDS, KernelTrace, TracedArray, TracedFinding

Act = tuple[str, int, int, int, float]
"""Kind, line, array (or -1), element, value to write."""

SOURCE = """\
__global__ void turn(const float* a, float* out)
{
    __shared__ float s[THREADS];
    int t = threadIdx.x;
    int i = blockIdx.x * THREADS + t;
    s[t] = a[i];
    __syncthreads();
    out[i] = s[THREADS - 1 - t];
}"""


class Device:
    """Runs threads as an emulator does, one after the other up to each barrier, and takes down what they do."""

    def __init__(self, arrays: Sequence[TracedArray], contents: Sequence[np.ndarray]) -> None:
        self.arrays = arrays
        self.contents = contents
        self.rows: list[tuple[object, ...]] = []

    def add(self, block: int, thread: int, kind: str, line: int, array: int, element: int) -> None:
        value = self.contents[array][element:element + 1].tobytes() if array >= 0 else b""
        site = line * 10 + KINDS.index(kind) * 3 + max(0, array)
        size = len(value)
        offset = element * size
        self.rows.append((block, thread, KINDS.index(kind), size, line, site, array, 0, offset, value.ljust(16)))

    def run(self, block: int, threads: Sequence[Iterator[Act]]) -> None:
        """The threads of a block."""
        going = dict(enumerate(threads))
        while going:
            for number, thread in list(going.items()):
                for kind, line, array, element, value in thread:
                    if kind == "write":
                        self.contents[array][element] = value
                    elif kind == "atomic":
                        self.contents[array][element] += value
                    self.add(block, number, kind, line, array, element)
                    if kind == "barrier":
                        break
                else:
                    self.add(block, number, "exit", 0, -1, 0)
                    del going[number]

    def trace(self, grid: int, block: int, source: str, findings: Sequence[TracedFinding] = ()) -> KernelTrace:
        return KernelTrace("turn", tuple(source.split("\n")), (grid, 1, 1), (block, 1, 1), tuple(self.arrays),
                           tuple(findings), np.array(self.rows, EVENT), 0)  # fmt: skip


def floats(name: str, space: str, *shape: int) -> TracedArray:
    return TracedArray(name, space, "float32", 4, shape)


def turned(threads: int = 8, blocks: int = 1, barrier: bool = True) -> KernelTrace:
    """Pieces turned round through shared memory; without the barrier, a race."""
    n = threads * blocks
    a, out = np.arange(n, dtype=np.float32) + 0.5, np.zeros(n, np.float32)
    shared = np.full(threads, -9, np.float32)
    arrays = [floats("a", "global", n), floats("out", "global", n), floats("s", "shared", threads)]
    device = Device(arrays, [a, out, shared])

    def thread(block: int, t: int) -> Iterator[Act]:
        i = block * threads + t
        yield "line", 4, -1, 0, 0
        yield "read", 6, 0, i, 0
        yield "write", 6, 2, t, float(a[i])
        if barrier:
            yield "barrier", 7, -1, 0, 0
        yield "read", 8, 2, threads - 1 - t, 0
        yield "write", 8, 1, i, float(shared[threads - 1 - t])

    for block in range(blocks):
        shared[:] = -9
        device.run(block, [thread(block, t) for t in range(threads)])
    raced = threads // 2
    message = f"s[{raced}]: line 6 by thread {raced} and line 8 by thread {raced - 1} are in no order"
    race = TracedFinding("race", message, 8, 6, 0, raced - 1, 0, raced, 2, 4 * raced)
    source = SOURCE.replace("THREADS", str(threads))
    return device.trace(blocks, threads, source if barrier else source.replace("    __syncthreads();", ""),
                        () if barrier else (race,))  # fmt: skip


def counted(rounds: int) -> KernelTrace:
    """Threads that add to one number, each several times."""
    device = Device([floats("sum", "global", 1)], [np.zeros(1, np.float32)])

    def thread(t: int) -> Iterator[Act]:
        for _ in range(rounds):
            yield "atomic", 3, 0, 0, 1

    device.run(0, [thread(t) for t in range(4)])
    return device.trace(1, 4, "\n\n    atomicAdd(sum, 1);")


def parted() -> KernelTrace:
    """Threads that go round a loop as often as their number says, and then write how often that was."""
    device = Device([floats("out", "global", 6)], [np.zeros(6, np.float32)])

    def thread(t: int) -> Iterator[Act]:
        for _ in range(t):
            yield "line", 3, -1, 0, 0
        yield "write", 5, 0, t, t

    device.run(0, [thread(t) for t in range(6)])
    return device.trace(1, 6, "\nfor (...)\n    k++;\n\nout[t] = k;")


def strided(stride: int, space: str) -> KernelTrace:
    """A warp that reads every so many-th element."""
    n = 32 * stride
    device = Device([floats("x", space, n)], [np.zeros(n, np.float32)])
    device.run(0, [iter([("read", 1, 0, t * stride, 0.0)]) for t in range(32)])
    return device.trace(1, 32, "x[t * stride];")


MADE: dict[str, Callable[[], KernelTrace]] = {
    "turned": turned, "race": lambda: turned(barrier=False), "wide": lambda: turned(96, 2),
}  # fmt: skip
