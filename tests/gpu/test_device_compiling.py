"""The kernels that the device "gpu" makes of expressions, compiled by NVIDIA's compiler: no GPU is needed for that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from teachgrad.dtypes import C_TYPES
from teachgrad.ops.dropout import keep_scaled
from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.device import maps
from teachgrad_gpu.device.updates import STEPS
from teachgrad_gpu.kernels.kernel import source_of


def all_maps(dtype: str) -> Iterator[str]:
    """The sources of every kernel that is made of an expression, with numbers from the host and from the device."""
    kind = C_TYPES[np.dtype(dtype)]
    for op in maps.MAPS:
        arrays = 2 if op.name.endswith("_gradient") or op.name.startswith("binary") or op is keep_scaled else 1
        settings = {"softplus": ("beta", "threshold"), "elu": ("alpha",), "keep_scaled": ("scale",)}.get(
            op.name, ("slope",) if op.name.startswith("leaky") else ())
        kinds = (kind, "bool") if op is keep_scaled else (kind,) * arrays
        yield maps.map_of(op, arrays, settings, np.dtype(dtype)).text(kinds, ("",) * len(settings), kind)
    for step in STEPS.values():
        for there in ("", "double"):
            yield step.text((kind,) * len(step.arrays), (there,) * len(step.numbers), kind)


@pytest.mark.slow
@pytest.mark.skipif(not compilers(), reason="needs NVRTC or nvcc")
@pytest.mark.parametrize(("dtype", "arch"), [("float32", "sm_75"), ("float64", "sm_90")])
def test_kernels_of_expressions_compile_for_gpus(dtype: str, arch: str) -> None:
    for source in all_maps(dtype):
        (found,) = compile_cuda(source, arch).resources
        assert not found.spilled
    for family, macro in (("normalization", "-DCENTRED=0"), ("softmax_columns", "-DLANES=16")):
        compile_cuda(source_of(family), arch, (macro,))
