"""Generated CUDA is CUDA: NVIDIA's compilers take it for three generations of GPUs, with all warnings as errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import teachgrad as tg
from teachgrad.executors import find
from teachgrad.nn import functional as F
from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.generating.building import CudaBuilding
from tests.export import programs
from tests.gpu.test_emulated_samples import CHOSEN, all_of, inputs

pytestmark = pytest.mark.skipif(not compilers(), reason="needs NVRTC or nvcc")


def building_of(function: Any, arguments: Sequence[Any], monkeypatch: Any) -> CudaBuilding:
    """The CUDA of a function, which is not run."""
    found: list[CudaBuilding] = []

    def build(graph: Any, plan: Any) -> Any:
        found.append(CudaBuilding(graph))
        return find("numpy")(graph, plan)

    monkeypatch.setattr("teachgrad.executors.find", lambda name, exact=False, threads=None: build)
    tg.static(function, level="O3", executor="cuda source")(*arguments)
    return found[0]


@pytest.mark.parametrize("architecture", [pytest.param("sm_75", marks=pytest.mark.slow), "sm_80",
                                          pytest.param("sm_90", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["lenet", pytest.param("gpt", marks=pytest.mark.slow)])
def test_training_steps(name: str, architecture: str, monkeypatch: Any) -> None:
    step, _, batch = programs.lenet(4) if name == "lenet" else programs.gpt()
    source = building_of(step, programs.tensors(batch), monkeypatch).code
    for compiler in compilers():
        compiled = compile_cuda(source, architecture, compiler=compiler)
        assert len(compiled.resources) == source.count("__global__")
        assert not any(r.spilled for r in compiled.resources), "no kernel needs more registers than there are"


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(CHOSEN), 100))
def test_samples(start: int, monkeypatch: Any) -> None:
    part = CHOSEN[start:start + 100]
    compile_cuda(building_of(all_of(part), inputs(part), monkeypatch).code, "sm_90")


WIDTHS = {"sm_75": (8, 96, 240), "sm_80": (24, 80, 176), "sm_90": (48, 64, 192)}
"""Of the heads of attention: each compiler run has others, so that all kinds of tiles come up."""


def fast_programs(widths: Sequence[int]) -> list[tuple[Any, Sequence[Any]]]:
    """Functions that take kernels from the catalogue."""
    def attend(causal: bool) -> Any:
        def gradients(*xs: Any) -> Any:
            z = F.scaled_dot_product_attention(*xs, is_causal=causal)
            return tg.grad((z * z).sum(), list(xs))

        return gradients

    def products(a: Any) -> Any:
        return tg.grad(((a @ a) ** 2.0).sum(), a)

    def convolve(x: Any, w: Any) -> Any:
        return tg.grad((F.conv2d(x, w, padding=1) ** 2.0).sum(), [x, w])

    def zeros(dtype: Any, *shape: int) -> Any:
        return tg.zeros(shape, dtype=dtype, requires_grad=True)

    found: list[tuple[Any, Sequence[Any]]] = []
    for dtype in (tg.float32, tg.float64):
        found += [(attend(width % 32 == 0), [zeros(dtype, 2, 40, width)] * 3)
                  for width in (widths if dtype is tg.float32 else widths[:1])]
        found += [(products, [zeros(dtype, 80, 80)]),
                  (convolve, [zeros(dtype, 4, 16, 30, 30), zeros(dtype, 32, 16, 3, 3)])]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("architecture", WIDTHS)
def test_what_comes_from_the_catalogue(architecture: str, monkeypatch: Any) -> None:
    """Each file with the options with which it is launched, and the kernels that are written around it."""
    variants: set[Any] = set()
    for function, arguments in fast_programs(WIDTHS[architecture]):
        building = building_of(function, arguments, monkeypatch)
        variants |= {launch.source for launch in building.launches if launch.source is not None}
        assert building.ways
        if "_im2col" in building.code:
            compile_cuda(building.code, architecture)
    assert len(variants) >= 12
    for source in variants:
        compile_cuda(source.text, architecture, source.options)
