"""Where the measurements run: a GPU with CuPy and PyTorch, or, to rehearse, the emulator and PyTorch on the CPU."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from teachgrad_gpu.kernels import Kernel


class Gpu:
    """The first CUDA device."""

    rehearsal = False
    executor = "cupy"
    rounds = 50

    def __init__(self) -> None:
        from teachgrad_gpu.timing import gpu, peaks

        self.device: Any = gpu()
        self.xp: Any = self.device
        self.torch: Any = None
        """PyTorch; without it there is nothing to be compared with, and all else is measured."""
        if find_spec("torch") is not None:
            import torch

            self.torch = torch
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        self.peaks = peaks(self.device)

    def rng(self) -> Any:
        return Tiled(7)

    def describe(self) -> dict[str, str]:
        runtime = self.device.cuda.runtime
        return {"date": date.today().isoformat(), "device": self.peaks.name, "driver": str(runtime.driverGetVersion()),
                "runtime": str(runtime.runtimeGetVersion()), "python": platform.python_version(),
                "cupy": self.device.__version__, **versions()}

    def to(self, array: Any) -> Any:
        return self.device.asarray(array)

    def tensor(self, array: Any) -> Any:
        """The same memory, for PyTorch, which has signed integers rather than unsigned ones."""
        return self.torch.from_dlpack(array.view(f"i{array.itemsize}") if array.dtype.kind == "u" else array)

    def numpy(self, array: Any) -> Any:
        return array.cpu().numpy() if isinstance(array, self.torch.Tensor) else self.device.asnumpy(array)

    def compiled(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """By torch.compile, without a CUDA graph: that would copy the inputs first, which for one kernel is a lot."""
        compiled: Callable[..., Any] = self.torch.compile(f, options={"triton.cudagraphs": False})
        return compiled

    def milliseconds(self, run: Callable[[], object]) -> float:
        from teachgrad_gpu.timing import milliseconds

        return milliseconds(self.device, run)

    def shape(self, kernel: Kernel) -> tuple[int, ...]:
        return kernel.large

    def place(self) -> AbstractContextManager[object]:
        """A block in which teachgrad makes its tensors on the device."""
        import teachgrad as tg

        return tg.device("gpu")

    def torch_place(self) -> AbstractContextManager[object]:
        """A block in which PyTorch makes its tensors on the device."""
        place: AbstractContextManager[object] = self.torch.device("cuda")
        return place

    def graphed(self, run: Callable[[], Any]) -> Callable[[], Any]:
        """What PyTorch does in a call, captured as one CUDA graph; it writes to the same memory in each replay.

        Source: PyTorch's notes on CUDA semantics, "Whole-network capture".
        """
        cuda = self.torch.cuda
        stream = cuda.Stream()
        stream.wait_stream(cuda.current_stream())
        with cuda.stream(stream):
            for _ in range(3):
                run()
        cuda.current_stream().wait_stream(stream)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            answer = run()

        def replay() -> Any:
            graph.replay()
            return answer

        return replay

    def free(self) -> None:
        self.device.get_default_memory_pool().free_all_blocks()
        if self.torch is not None:
            self.torch.cuda.empty_cache()


class Rehearsal:
    """No GPU: every line of the script runs, on small arrays, and the times mean nothing."""

    rehearsal = True
    executor = "emulated"
    rounds = 1

    def __init__(self) -> None:
        import torch

        from teachgrad_gpu import emulator
        from teachgrad_gpu.timing import Peaks

        self.device: Any = emulator
        self.xp: Any = np
        self.torch: Any = torch
        self.peaks = Peaks("the emulator: A REHEARSAL, whose times mean nothing", 1e9, 1e9, 1e9)

    def rng(self) -> Any:
        return np.random.default_rng(7)

    def describe(self) -> dict[str, str]:
        return {"date": date.today().isoformat(), "device": self.peaks.name, "python": platform.python_version(),
                **versions()}

    def to(self, array: Any) -> Any:
        return array

    def tensor(self, array: Any) -> Any:
        return self.torch.from_numpy(array if array.flags.writeable else array.copy())

    def numpy(self, array: Any) -> Any:
        return array.numpy() if isinstance(array, self.torch.Tensor) else np.asarray(array)

    def compiled(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Traced by torch.compile, but not made into code, which takes long."""
        traced: Callable[..., Any] = self.torch.compile(f, backend="eager")
        return traced

    def milliseconds(self, run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3

    def shape(self, kernel: Kernel) -> tuple[int, ...]:
        return kernel.shapes[-1]

    def place(self) -> AbstractContextManager[object]:
        return nullcontext()

    def torch_place(self) -> AbstractContextManager[object]:
        return nullcontext()

    def graphed(self, run: Callable[[], Any]) -> Callable[[], Any]:
        return run

    def free(self) -> None:
        """Nothing is held."""


Machine = Gpu | Rehearsal


class Tiled:
    """Random numbers for large arrays: some thousand of them, again and again, as fast as memory is filled."""

    SOME = 1 << 16

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.integers = self.rng.integers

    def standard_normal(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Any:
        return np.resize(self.rng.standard_normal(self.SOME, dtype), shape)


def versions() -> dict[str, str]:
    found = {}
    for name in ("teachgrad", "torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
