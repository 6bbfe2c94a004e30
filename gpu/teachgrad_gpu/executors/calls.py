"""What there is no kernel for is computed by the array library, and that is said."""

from __future__ import annotations

import functools
import warnings

from .program import CudaProgram


def tell_of_calls(program: CudaProgram) -> None:
    """Say, once for each op, what the array library computes because there is no kernel for it."""
    for v in program.building.without_kernel:
        say_once(str(v.op), program.launcher.name, program.launcher.library)


@functools.cache
def say_once(op: str, executor: str, library: str) -> None:
    warnings.warn(f"There is no CUDA kernel for {op}: on the executor \"{executor}\" it is computed by {library}.",
                  RuntimeWarning, stacklevel=2)
