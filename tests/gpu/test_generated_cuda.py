"""Generated CUDA is CUDA: NVIDIA's compilers take it for three generations of GPUs, with all warnings as errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import teachgrad as tg
from teachgrad.executors import find
from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.generating.building import CudaBuilding
from tests.export import programs
from tests.gpu.test_emulated_samples import CHOSEN, all_of, inputs

pytestmark = pytest.mark.skipif(not compilers(), reason="needs NVRTC or nvcc")


def source_of(function: Any, arguments: Sequence[Any], monkeypatch: Any) -> str:
    """The CUDA of a function, which is not run."""
    found: list[str] = []

    def build(graph: Any, plan: Any) -> Any:
        found.append(CudaBuilding(graph).source)
        return find("numpy")(graph, plan)

    monkeypatch.setattr("teachgrad.executors.find", lambda name, exact=False, threads=None: build)
    tg.static(function, level="O3", executor="cuda source")(*arguments)
    return found[0]


@pytest.mark.parametrize("architecture", [pytest.param("sm_75", marks=pytest.mark.slow), "sm_80",
                                          pytest.param("sm_90", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["lenet", pytest.param("gpt", marks=pytest.mark.slow)])
def test_training_steps(name: str, architecture: str, monkeypatch: Any) -> None:
    step, _, batch = programs.lenet(4) if name == "lenet" else programs.gpt()
    source = source_of(step, programs.tensors(batch), monkeypatch)
    for compiler in compilers():
        compiled = compile_cuda(source, architecture, compiler=compiler)
        assert len(compiled.resources) == source.count("__global__")
        assert not any(r.spilled for r in compiled.resources), "no kernel needs more registers than there are"


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(CHOSEN), 100))
def test_samples(start: int, monkeypatch: Any) -> None:
    part = CHOSEN[start:start + 100]
    compile_cuda(source_of(all_of(part), inputs(part), monkeypatch), "sm_90")
