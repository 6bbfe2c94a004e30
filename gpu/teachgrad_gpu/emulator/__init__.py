"""CUDA C++ on a CPU: run kernels thread by thread, see what they do, and find what is wrong with them.

`RawKernel` has the signature of CuPy's and takes NumPy arrays:

    >>> from teachgrad_gpu import emulator
    >>> import numpy as np
    >>> double = emulator.RawKernel(r'''
    ... extern "C" __global__ void twice(float* x, int n) {
    ...     int i = blockIdx.x * blockDim.x + threadIdx.x;
    ...     if (i < n) x[i] *= 2;
    ... }''', "twice")
    >>> x = np.arange(5, dtype=np.float32)
    >>> double((1,), (32,), (x, 5))
    >>> x
    array([0., 2., 4., 6., 8.], dtype=float32)

A kernel is compiled by the C++ compiler of the machine and runs in a process of its own.
"""

from .checking import Finding
from .counters import Counter
from .errors import ArgumentError, CompileError, EmulatorError, LaunchError, UnsupportedError
from .events import Event, Recording
from .kernel import GlobalMemory, RawKernel, RawModule
from .memory import asarray, empty, is_shared, zeros
from .process import stop

__all__ = [
    "ArgumentError",
    "CompileError",
    "Counter",
    "EmulatorError",
    "Event",
    "Finding",
    "GlobalMemory",
    "LaunchError",
    "RawKernel",
    "RawModule",
    "Recording",
    "UnsupportedError",
    "asarray",
    "empty",
    "is_shared",
    "stop",
    "zeros",
]
