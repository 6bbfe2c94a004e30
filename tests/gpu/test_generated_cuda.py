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


@pytest.mark.parametrize(("name", "architecture"), [
    ("lenet", "sm_80"), pytest.param("gpt", "sm_75", marks=pytest.mark.slow),
    pytest.param("gpt", "sm_90", marks=pytest.mark.slow)])
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


WIDTHS = {"sm_75": (8, 240), "sm_80": (80, 176), "sm_90": (64, 192)}
"""Of the heads of attention: others for each architecture, so that all kinds of tiles come up."""


def zeros(dtype: Any, *shape: int) -> Any:
    return tg.zeros(shape, dtype=dtype, requires_grad=True)


def attend(q: Any, k: Any, v: Any) -> Any:
    """Attention by tiles, and its gradient."""
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return tg.grad((z * z).sum(), [q, k, v])


def others(a: Any, x: Any, w: Any) -> Any:
    """Products, convolutions, attention with a mask and einsum: kernels of the catalogue, and some around them."""
    heads = a.reshape((1, 80, 80))
    z = F.scaled_dot_product_attention(heads, heads, heads, tg.ones((80, 80), dtype=a.dtype))
    loss = (a @ a).sum() + (F.conv2d(x, w, padding=1) ** 2.0).sum() + (z * z).sum()
    return tg.grad(loss + (tg.einsum("ijk,lk->ilj", heads, a) ** 3.0).sum(), [a, x, w])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", WIDTHS)
def test_what_comes_from_the_catalogue(architecture: str, monkeypatch: Any) -> None:
    """Each file with the options with which it is launched, and the kernels that are written around it."""
    variants: set[Any] = set()
    narrow, wide = WIDTHS[architecture]
    for dtype, width in ((tg.float32, narrow), (tg.float32, wide), (tg.float64, narrow)):
        building = building_of(attend, [zeros(dtype, 2, 40, width) for _ in range(3)], monkeypatch)
        variants |= {launch.source for launch in building.launches if launch.source is not None}
        assert building.ways
    dtype = tg.float64 if architecture == "sm_80" else tg.float32
    building = building_of(others, [zeros(dtype, 80, 80), zeros(dtype, 4, 16, 30, 30), zeros(dtype, 32, 16, 3, 3)],
                           monkeypatch)
    for part in ("_im2col", "_col2im", "_softmax", "_weights", "_slopes", "_in_rows", "_in_order"):
        assert f"{part}(" in building.code, part
    compile_cuda(building.code, architecture)
    variants |= {launch.source for launch in building.launches if launch.source is not None}
    assert len(variants) >= 8
    for source in variants:
        compile_cuda(source.text, architecture, source.options)
