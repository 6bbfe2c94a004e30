"""The kernels: CUDA C that is written to be read, one family a file, and a catalogue of how to launch them.

`catalogue["softmax_registers"].launch(device, x, z)` runs one, on any device with `RawKernel` (see `kernel.py`).
Arrays come in the order of the pointers in the source; what the kernel writes is in them afterwards.

The order in which to read the files: map, broadcasting, transpose, reductions, softmax, cross_entropy, normalization,
embedding, optimizers, philox, matmul, convolution, pooling, softmax_columns, attention, attention_backward,
matmul_tensor.
"""

from __future__ import annotations

from . import (
    attention,
    broadcasting,
    convolution,
    cross_entropy,
    embedding,
    map,
    matmul,
    normalization,
    optimizers,
    philox,
    pooling,
    reductions,
    softmax,
    transpose,
)
from .kernel import FOLDER, Example, Kernel, Parameter, Plan

FAMILIES = (map, broadcasting, transpose, reductions, softmax, cross_entropy, normalization, embedding, optimizers,
            philox, matmul, convolution, pooling, attention)
catalogue: dict[str, Kernel] = {kernel.name: kernel for family in FAMILIES for kernel in family.KERNELS}
"""Every kernel by name, in reading order."""

__all__ = ["FOLDER", "Example", "Kernel", "Parameter", "Plan", "catalogue"]
