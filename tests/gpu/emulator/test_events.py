"""Recording what every thread does."""

import numpy as np
import pytest

from teachgrad_gpu.emulator import RawKernel, building

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

REVERSE = """extern "C" __global__ void reverse(float* x, int* c) {
    __shared__ float s[4];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[3 - threadIdx.x];
    atomicAdd(c, 2);
}"""


def recorded(record, blocks=1):
    kernel = RawKernel(REVERSE, "reverse", record=record)
    x, c = np.arange(1, 5, dtype=np.float32), np.zeros(1, np.int32)
    kernel((blocks,), (4,), (x, c))
    return kernel.events


def test_every_access_with_its_line_index_and_value():
    events = recorded(True)
    steps = [(e.kind, e.line, e.array, e.index, e.value) for e in events.of(0, thread=1) if e.kind != "line"]
    assert steps == [
        ("read", 3, "x", (1,), 2.0), ("write", 3, "s", (1,), 2.0), ("barrier", 4, "", None, None),
        ("read", 5, "s", (2,), 3.0), ("write", 5, "x", (1,), 3.0), ("atomic", 6, "c", (0,), 4),
        ("exit", None, "", None, None)]  # fmt: skip
    assert {e.line for e in events if e.kind == "line"} <= {1, 2, 3, 4, 5, 6}
    assert [e.step for e in events] == list(range(len(events)))
    assert events[-1].kind == "exit"
    assert len(events[2:5]) == 3
    assert all(e.thread // 32 == 0 for e in events.of(0, warp=0))


def test_memory_can_be_rebuilt_at_any_step():
    """Played forwards, the writes lead to what the kernel leaves; up to the barrier, to what it filled."""
    events, x, s = recorded(True), [1.0, 2.0, 3.0, 4.0], [None] * 4
    for event in events:
        if event.kind == "write":
            (x if event.array == "x" else s)[event.index[0]] = event.value
        if event.kind == "barrier" and event.thread == 3:
            assert (x, s) == ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    assert x == [4.0, 3.0, 2.0, 1.0]


def test_blocks_are_told_apart_and_the_room_is_bounded():
    events = recorded(True, blocks=3)
    assert {e.block for e in events} == {0, 1, 2}
    few = recorded(10, blocks=3)
    assert len(few) <= 10
    assert few.dropped > 50
    with pytest.raises(IndexError):
        few[10]
