"""The executor `cupy`: generated CUDA on a GPU, products of matrices by cuBLAS, a whole call as one CUDA graph.

Tensors live on "gpu". The first call launches kernel after kernel; the second one captures the same launches as a CUDA
graph, and from then on each call replays it: one launch instead of hundreds. Where a program calls an op that there is
no kernel for, there are several graphs, with calls of CuPy in between.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from teachgrad.devices import find
from teachgrad.errors import DeviceError
from teachgrad.graph import Graph
from teachgrad.passes.plan import Plan

from ..generating.building import FEW, CudaBuilding
from ..generating.catalogued import ALIGNMENT
from .calls import tell_of_calls
from .cublas import WORKSPACE, Cublas
from .launching import Call
from .measured import Measurable

OPTIONS = ("--std=c++17",)
DYNAMIC = 48 << 10
"""Bytes of dynamic shared memory that a launch may have without asking for more."""


class OnGpu:
    """A GPU, by way of CuPy."""

    name = "cupy"
    library = "CuPy"

    def __init__(self, device: Any) -> None:
        self.cupy, self.xp = device.cupy, device.xp
        self.known: dict[int, bytes] = {}
        """What numbers of the host were last copied to which address: most are the same in every call, and nothing
        else is put there."""

    def memory(self, size: int) -> Any:
        self.forget()  # the memory of a program that is gone may be given to the next one
        return self.cupy.empty(max(1, size), np.uint8)

    def adopts(self, array: Any) -> bool:
        return (isinstance(array, self.cupy.ndarray) and bool(array.flags.c_contiguous)
                and array.data.ptr % ALIGNMENT == 0)

    def synchronize(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()

    def copy_in(self, place: Any, array: Any) -> None:
        if not isinstance(array, np.ndarray):
            place[...] = array
            return
        content = array.tobytes()
        if self.known.get(place.data.ptr) != content:
            place.set(np.ascontiguousarray(array).reshape(array.shape))
            self.known[place.data.ptr] = content

    def copy_out(self, array: Any, place: Any) -> None:
        if isinstance(array, np.ndarray):
            array[...] = place.get()
            self.known.pop(place.data.ptr, None)
        else:
            array[...] = place

    def agrees(self, place: Any, array: Any) -> None:
        self.known[place.data.ptr] = array.tobytes()

    def forget(self) -> None:
        self.known.clear()

    def refuse(self, arrays: Sequence[Any], name: str) -> None:
        if any(isinstance(array, np.ndarray) and array.size > FEW for array in arrays):
            raise DeviceError(f"{name} runs on the executor \"cupy\", which takes tensors on \"gpu\".\n"
                              "Ways out: x.to(\"gpu\") and model.to(\"gpu\"); or executor=\"c\".")

    def prepare(self, source: str, calls: Sequence[Sequence[Call]]) -> Sequence[Callable[[], None]]:
        module = self.cupy.RawModule(code=source, options=OPTIONS)
        return [Batch(self, module, batch) for batch in calls]

    @functools.cached_property
    def cublas(self) -> Cublas:
        """The library of products, opened when it is first needed."""
        from ctypes import CDLL

        from cuda.pathfinder import load_nvidia_dynamic_lib  # CuPy finds it in the same way

        loaded = load_nvidia_dynamic_lib("cublas")
        return Cublas(CDLL(loaded.abs_path), self.cupy.empty(WORKSPACE, np.uint8))


class Batch:
    """Launches one after the other, which become a CUDA graph in their second run."""

    def __init__(self, device: OnGpu, module: Any, calls: Sequence[Call]) -> None:
        self.device, self.calls = device, calls
        self.kernels: list[Any] = [self.kernel(module, call) if call.is_kernel else None for call in calls]
        self.graph: Any = None
        self.runs = 0

    def kernel(self, module: Any, call: Call) -> Any:
        """The kernel of a call, compiled: while launches are captured nothing else may happen."""
        if call.source is None:
            return module.get_function(call.name)
        kernel = self.device.cupy.RawKernel(call.source.text, call.name, (*OPTIONS, *call.source.options))
        if call.shared > DYNAMIC:
            kernel.max_dynamic_shared_size_bytes = call.shared
        kernel.compile()
        return kernel

    def __call__(self) -> None:
        if self.runs == 1:
            self.capture()
        self.runs += 1
        if self.graph is None:
            self.launch()
        else:
            self.graph.launch()

    def capture(self) -> None:
        """Take the launches down as a graph, on a stream of their own: the legacy stream cannot be captured."""
        stream = self.device.cupy.cuda.Stream(non_blocking=True)
        try:
            with stream:
                stream.begin_capture()
                try:
                    self.launch()
                finally:
                    graph = stream.end_capture()
            self.graph = graph
        except Exception as error:
            warnings.warn(f"CUDA does not capture this program as a graph ({type(error).__name__}: {error}). Its "
                          "kernels are launched one by one instead.", RuntimeWarning, stacklevel=2)

    def launch(self) -> None:
        """Launch all, on the present stream."""
        if any(call.product is not None for call in self.calls):
            self.device.cublas.on(self.device.cupy.cuda.get_current_stream().ptr)
        for call, kernel in zip(self.calls, self.kernels, strict=True):
            if call.copies:
                call.arguments[0][...] = call.arguments[1]
            elif call.product is None:
                kernel(call.grid, call.block, call.arguments, shared_mem=call.shared)
            else:
                x, y, z = call.arguments
                self.device.cublas.multiply(call.product, z.dtype.itemsize, x.data.ptr, y.data.ptr, z.data.ptr)


def build(graph: Graph, plan: Plan) -> Measurable:
    """Make a graph ready to run on the GPU."""
    program = Measurable(CudaBuilding(graph, by_library=True), OnGpu(find("gpu")))
    tell_of_calls(program)
    return program


build.device = "gpu"  # type: ignore[attr-defined]
