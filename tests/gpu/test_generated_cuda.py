"""Generated CUDA is CUDA: NVIDIA's compiler takes it for three generations of GPUs, with all warnings as errors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from teachgrad.executors import find
from teachgrad_gpu.generating.building import CudaBuilding
from tests.export import programs
from tests.gpu.test_emulated_samples import CHOSEN, all_of, inputs

NVCC = shutil.which("nvcc")
pytestmark = pytest.mark.skipif(NVCC is None, reason="needs nvcc")


def source_of(function: Any, arguments: Sequence[Any], monkeypatch: Any) -> str:
    """The CUDA of a function, which is not run."""
    found: list[str] = []

    def build(graph: Any, plan: Any) -> Any:
        found.append(CudaBuilding(graph).source)
        return find("numpy")(graph, plan)

    monkeypatch.setattr("teachgrad.executors.find", lambda name, exact=False, threads=None: build)
    tg.static(function, level="O3", executor="cuda source")(*arguments)
    return found[0]


def compile_for(source: str, architecture: str, folder: Path) -> None:
    path = folder / "program.cu"
    path.write_text(source)
    done = subprocess.run([str(NVCC), "-cubin", f"-arch={architecture}", "-Werror", "all-warnings", str(path), "-o",
                           str(folder / "program.cubin")], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[:4000]


@pytest.mark.parametrize("architecture", [pytest.param("sm_75", marks=pytest.mark.slow), "sm_80",
                                          pytest.param("sm_90", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["lenet", pytest.param("gpt", marks=pytest.mark.slow)])
def test_training_steps(name: str, architecture: str, tmp_path: Path, monkeypatch: Any) -> None:
    step, _, batch = programs.lenet(4) if name == "lenet" else programs.gpt()
    compile_for(source_of(step, programs.tensors(batch), monkeypatch), architecture, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(CHOSEN), 100))
def test_samples(start: int, tmp_path: Path, monkeypatch: Any) -> None:
    part = CHOSEN[start:start + 100]
    compile_for(source_of(all_of(part), inputs(part), monkeypatch), "sm_90", tmp_path)
