"""Products of matrices by cuBLAS, called so that a CUDA graph can capture them.

CuPy refuses calls of cuBLAS while a stream is captured (cupy issue 6290). cuBLAS itself allows them, if it is given a
workspace beforehand; so it is called directly here, on the library that CuPy uses.

Source: NVIDIA, cuBLAS documentation, "CUDA Graphs Support".
"""

from __future__ import annotations

import ctypes
from typing import Any

from teachgrad.errors import ExecutorError

from ..generating.gemm import Gemm

WORKSPACE = 32 << 20
"""The bytes that cuBLAS may use, as NVIDIA advises for its larger GPUs."""


class Cublas:
    """The library, with a handle and a workspace of its own."""

    def __init__(self, library: Any, workspace: Any) -> None:
        self.library, self.workspace = library, workspace
        self.handle = ctypes.c_void_p()
        self.check(library.cublasCreate_v2(ctypes.byref(self.handle)))

    def check(self, status: int) -> None:
        if status:
            raise ExecutorError(f"cuBLAS says status {status}")

    def on(self, stream: int) -> None:
        """Let what follows go to a stream. cuBLAS forgets its workspace there, so it is given again."""
        self.check(self.library.cublasSetStream_v2(self.handle, ctypes.c_void_p(stream)))
        self.check(self.library.cublasSetWorkspace_v2(
            self.handle, ctypes.c_void_p(self.workspace.data.ptr), ctypes.c_size_t(self.workspace.nbytes)))

    def multiply(self, gemm: Gemm, itemsize: int, x: int, y: int, z: int) -> None:
        """z = x y for matrices at these addresses."""
        kind, name = (ctypes.c_float, "cublasSgemmStridedBatched") if itemsize == 4 else (
            ctypes.c_double, "cublasDgemmStridedBatched")
        one, zero = kind(1), kind(0)
        function = getattr(self.library, name)
        for x_at, y_at, z_at in gemm.starts:
            self.check(function(
                self.handle, gemm.turn_a, gemm.turn_b, gemm.m, gemm.n, gemm.k, ctypes.byref(one),
                ctypes.c_void_p(y + itemsize * y_at), gemm.a_line, ctypes.c_longlong(gemm.a_step),
                ctypes.c_void_p(x + itemsize * x_at), gemm.b_line, ctypes.c_longlong(gemm.b_step), ctypes.byref(zero),
                ctypes.c_void_p(z + itemsize * z_at), gemm.c_line, ctypes.c_longlong(gemm.c_step), gemm.count))
