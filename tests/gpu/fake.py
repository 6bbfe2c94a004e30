"""A stand-in for CuPy with modules, streams and graphs, whose kernels the emulator runs, and one for cuBLAS, whose
products NumPy computes at addresses.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from teachgrad_gpu import emulator
from teachgrad_gpu.device import Gpu
from tests.gpu.strict import Strict, StrictArray, StrictCupy


class FakeStream:
    """A stream that takes down what is launched on it while it is captured."""

    captured: list[Any] | None = None
    ptr = 7

    def __init__(self, non_blocking: bool = False) -> None:
        assert non_blocking, "the legacy stream cannot be captured"

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def begin_capture(self) -> None:
        FakeStream.captured = []

    def end_capture(self) -> Any:
        captured, FakeStream.captured = FakeStream.captured, None
        assert captured is not None

        def launch() -> None:
            for work in captured:
                work()

        return SimpleNamespace(launch=launch, count=len(captured))


def done_or_captured(work: Any) -> None:
    """What a stream does with work."""
    if FakeStream.captured is None:
        work()
    else:
        FakeStream.captured.append(work)


class FakeModule:
    """CuPy's RawModule: the kernels run on the emulator."""

    def __init__(self, code: str, options: Any) -> None:
        self.module = emulator.RawModule(code)

    def get_function(self, name: str) -> Any:
        kernel = self.module.get_function(name)

        def launch(grid: Any, block: Any, args: Any, shared_mem: int = 0) -> None:
            assert all(type(a) is StrictArray for a in args)
            assert shared_mem == 0
            done_or_captured(lambda: kernel(grid, block, tuple(a._array for a in args)))

        return launch


class FakeKernel:
    """CuPy's RawKernel, likewise."""

    def __init__(self, code: str, name: str, options: Any) -> None:
        self.kernel = emulator.RawKernel(code, name, options)

    def __call__(self, grid: Any, block: Any, args: Any, shared_mem: int = 0) -> None:
        given = tuple(a._array if type(a) is StrictArray else a for a in args)
        done_or_captured(lambda: self.kernel(grid, block, given, shared_mem=shared_mem))

    def compile(self) -> None:
        assert FakeStream.captured is None, "nothing is compiled during a capture"
        self.kernel.compile()


class FakeBlas:
    """The library: products of matrices by columns, found by their addresses."""

    calls = 0

    def cublasCreate_v2(self, handle: Any) -> int:
        return 0

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:
        assert stream.value == 7
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, place: Any, size: Any) -> int:
        return 0

    def multiply(self, kind: Any, turn_a: int, turn_b: int, m: int, n: int, k: int, a: Any, lda: int, step_a: Any,
                 b: Any, ldb: int, step_b: Any, c: Any, ldc: int, step_c: Any, count: int) -> int:
        def columns(pointer: Any, at: int, rows: int, cols: int, line: int) -> Any:
            size = (cols - 1) * line + rows
            memory = (kind * size).from_address(pointer.value + at * ctypes.sizeof(kind))
            flat = np.ctypeslib.as_array(memory)
            return np.lib.stride_tricks.as_strided(flat, (rows, cols), (flat.itemsize, line * flat.itemsize))

        def work() -> None:
            for i in range(count):
                x = columns(a, i * step_a.value, *((k, m) if turn_a else (m, k)), lda)
                y = columns(b, i * step_b.value, *((n, k) if turn_b else (k, n)), ldb)
                z = columns(c, i * step_c.value, m, n, ldc)
                z[...] = (x.T if turn_a else x) @ (y.T if turn_b else y)

        FakeBlas.calls += 1
        done_or_captured(work)
        return 0

    def cublasSgemmStridedBatched(self, handle: Any, ta: int, tb: int, m: int, n: int, k: int, one: Any, a: Any,
                                  lda: int, sa: Any, b: Any, ldb: int, sb: Any, zero: Any, c: Any, ldc: int, sc: Any,
                                  count: int) -> int:
        return self.multiply(ctypes.c_float, ta, tb, m, n, k, a, lda, sa, b, ldb, sb, c, ldc, sc, count)

    def cublasDgemmStridedBatched(self, handle: Any, ta: int, tb: int, m: int, n: int, k: int, one: Any, a: Any,
                                  lda: int, sa: Any, b: Any, ldb: int, sb: Any, zero: Any, c: Any, ldc: int, sc: Any,
                                  count: int) -> int:
        return self.multiply(ctypes.c_double, ta, tb, m, n, k, a, lda, sa, b, ldb, sb, c, ldc, sc, count)


class FakeGpu(Strict):
    """The device "gpu" of the stand-in."""

    name = "gpu"
    computed, synchronize = Gpu.computed, Gpu.synchronize

    def __init__(self) -> None:
        super().__init__()
        self.cupy = StrictCupy()
        self.cupy.RawModule = FakeModule
        self.cupy.RawKernel = FakeKernel
        self.cupy.cuda = SimpleNamespace(Stream=FakeStream, get_current_stream=lambda: SimpleNamespace(
            ptr=7, synchronize=lambda: None))
