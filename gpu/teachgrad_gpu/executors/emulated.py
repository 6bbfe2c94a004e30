"""The executor `emulated`: generated CUDA on any computer, thread by thread (`teachgrad_gpu.emulator`).

Tensors live on the "cpu". The emulated device has memory of its own, which it shares with the process that runs the
kernels: arguments are copied in, and what is returned or overwritten is copied out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from teachgrad.errors import ExecutorError
from teachgrad.graph import Graph
from teachgrad.passes.plan import Plan

from .. import emulator
from ..generating.building import CudaBuilding
from ..generating.launches import Source
from .calls import tell_of_calls
from .launching import Call
from .measured import Measurable


class Emulated:
    """The emulated device."""

    name = "emulated"
    xp: Any = np
    library = "NumPy"
    check = False
    """Whether the emulator looks for races, accesses out of bounds and the like, which takes its time."""

    def __init__(self) -> None:
        self.findings: list[emulator.Finding] = []
        """What it has found."""

    def memory(self, size: int) -> Any:
        return emulator.empty(max(1, size), np.uint8)

    def adopts(self, array: Any) -> bool:
        return False

    def refuse(self, arrays: Sequence[Any], name: str) -> None:
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise ExecutorError(f"{name} runs on the executor \"emulated\", which takes tensors on \"cpu\".\n"
                                "Ways out: x.to(\"cpu\"); or executor=\"cupy\".")

    def synchronize(self) -> None:
        """A launch has ended when it returns."""

    def copy_in(self, place: Any, array: Any) -> None:
        place[...] = array

    def copy_out(self, array: Any, place: Any) -> None:
        array[...] = place

    def agrees(self, place: Any, array: Any) -> None:
        """All arguments are copied in for each call."""

    def forget(self) -> None:
        """Likewise."""

    def prepare(self, source: str, calls: Sequence[Sequence[Call]]) -> Sequence[Callable[[], None]]:
        module = emulator.RawModule(source, check=self.check)
        if any(call.is_kernel and call.source is None for batch in calls for call in batch):
            module.compile()
        return [functools.partial(self.launch, [(self.kernel(module, call) if call.is_kernel else None, call)
                                                for call in batch]) for batch in calls]

    def kernel(self, module: emulator.RawModule, call: Call) -> emulator.RawKernel:
        """The kernel of a call."""
        if call.source is None:
            return module.get_function(call.name)
        kernel = compiled(call.source, self.check).get_function(call.name)
        kernel.max_dynamic_shared_size_bytes = max(call.shared, kernel.max_dynamic_shared_size_bytes)
        return kernel

    def launch(self, launches: Sequence[tuple[Any, Call]]) -> None:
        """Launch kernels one after the other."""
        for kernel, call in launches:
            if call.copies:
                call.arguments[0][...] = call.arguments[1]
                continue
            kernel(call.grid, call.block, call.arguments, shared_mem=call.shared)
            if self.check:
                self.findings += kernel.findings


@functools.cache
def compiled(source: Source, check: bool) -> emulator.RawModule:
    """A file of the catalogue, compiled with options; most programs have kernels from the same ones."""
    module = emulator.RawModule(source.text, source.options, check=check)
    module.compile()
    return module


def build(graph: Graph, plan: Plan) -> Measurable:
    """Make a graph ready to run on the emulated device."""
    program = Measurable(CudaBuilding(graph), Emulated())
    tell_of_calls(program)
    return program
