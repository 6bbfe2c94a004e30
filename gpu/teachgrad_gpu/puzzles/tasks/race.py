"""Puzzle: find the race."""

from __future__ import annotations

from teachgrad.errors import counted

from ..hints import both, either, finds, lacks, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
Each block subtracts from its 64 elements their mean, and divides by the largest of what is left. The
kernel gives the right result nearly always: on one device it did for a year. Run the checker: it
tells which two accesses are in no order. Put that right, with as little as possible.

When two threads meet at a barrier, all that either did before it comes before all that the other does
after it. Ask of each pair of accesses to one element, by different threads, at least one of which
writes: which barrier stands between them?"""

START = """\
__device__ float folded(float* part, int t, bool largest)
{
    for (int half = 32; half > 0; half /= 2) {
        __syncthreads();
        if (t < half)
            part[t] = largest ? fmaxf(part[t], part[t + half]) : part[t] + part[t + half];
    }
    __syncthreads();
    return part[0];
}

extern "C" __global__ void race(const float* a, float* out)
{
    __shared__ float part[64];
    int t = threadIdx.x;
    int i = blockIdx.x * 64 + t;
    part[t] = a[i];
    float rest = a[i] - folded(part, t, false) / 64;
    part[t] = fabsf(rest);
    out[i] = rest / folded(part, t, true);
}
"""


def case(blocks: int) -> Case:
    a = integers(64 * blocks)
    rest = a.reshape(blocks, 64) - a.reshape(blocks, 64).mean(axis=1, keepdims=True)
    told = f"{counted(blocks, 'block')} of 64 threads"
    return Case(told, (blocks,), (64,), {"a": a, "out": blank(64 * blocks)},
                {"out": (rest / abs(rest).max(axis=1, keepdims=True)).ravel()})  # fmt: skip


PUZZLE = Puzzle("race", "find the race", "race", TASK, START, lambda: [case(1), case(3)], (
    Hint("volatile", both(finds("race"), writes(r"\bvolatile\b")),
         "volatile makes the compiler read and write each time. It does not make threads wait for each other."),
    Hint("warp-only", both(finds("race"), writes(r"__syncwarp")),
         "__syncwarp() orders the 32 threads of a warp. The block has two warps."),
    Hint("fence", both(finds("race"), writes(r"__threadfence")),
         "A fence orders what one thread does. It does not make others wait."),
    Hint("barrier-in-if", either(finds("divergent barrier"), finds("missed barrier")),
         "Not all threads come to that barrier. It must stand where all of them pass."),
    Hint("barrier-too-late", both(finds("race"), writes(r"fabsf[^;]*;\s*__syncthreads")),
         "That barrier comes after part[t] was written again; but who guards those who still want to read part[0]?"),
    Hint("barrier-removed", both(finds("race"), lacks(r"__syncthreads\(\);\s*return")),
         "The barrier before the return was needed: part[0] must be whole before anybody reads it."),
    Hint("read-then-write", finds("race"),
         "All threads read part[0] at the end of folded, and then each writes its own element: thread 0 may be so "
         "fast that others still want to read. What stands between reading part[0] and writing part[t]?"),
))  # fmt: skip
