"""What a CUDA program tells of its kernels, in a recording and on the Kernels screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.recording import Reader
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.calls import say_once
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.kernels import KernelsView, view_kernels
from teachgrad_inspector.views.options import Options

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


def screens(path: Path, profiled: bool) -> tuple[Any, list[KernelsView]]:
    """A function of several kinds of kernels that was recorded, and its Kernels screen at each row."""
    def several(x: Any) -> Any:
        z = F.scaled_dot_product_attention(x, x[:, :, ::-1], x)
        return (z * z).mean() + tg.linalg.det(z[0, :2, :2])

    step = tg.static(several, level="O3", executor="emulated")
    x = tg.tensor(np.random.default_rng(2).normal(size=(2, 40, 8)).astype(np.float32), name="x")
    with pytest.warns(RuntimeWarning, match="no CUDA kernel for det"):
        step(x)
    if profiled:
        with tg.profile():
            step(x)
    with tg.Recorder(path, level="values"):
        step(x)
    with Reader(path) as run:
        session = Session(run)
        count = len(run.step(0).rows)
        return step, [view_kernels(session, run.resolve(f"t0/fwd/{k}"), Options()) for k in range(count)]


def test_each_launch_is_a_kernel_with_its_lines(tmp_path: Path) -> None:
    say_once.cache_clear()
    step, views = screens(tmp_path / "run.tgr", profiled=True)
    view = views[0]
    assert (view.executor, view.language) == ("emulated", "CUDA")
    launches = [str(s.call.op) if s.call is not None else launch.name
                for s in step.trace.program.building.steps for launch in s.launches or [None]]
    assert [kernel.name for kernel in view.kernels] == launches
    runs = {kernel.name: kernel.runs for kernel in view.kernels}
    assert runs["attention_tiled"] == "CUDA"
    assert runs["det"] == "NumPy"
    assert all(kernel.seconds is not None and kernel.seconds > 0 for kernel in view.kernels)
    assert view.timed == "seconds of the last profile before the recording"
    assert all(kernel.least is None for kernel in view.kernels), "what this machine can do is not what a GPU can do"
    size = 2 * 40 * 8 * 4
    copied = next(kernel for kernel in view.kernels if kernel.name.endswith("_k_in_rows"))
    assert (copied.moved, copied.flops) == (2 * size, 0)

    lines = step.source.split("\n")
    shown = {view.title: view for view in views}
    tiled = shown["CUDA  attention_tiled"]
    marked = [line for line in tiled.code if line.mark]
    assert all(lines[line.number - 1] == line.text for line in tiled.code)
    assert marked[0].text.startswith("// Tiled, with the online softmax")
    fused = next(view for title, view in shown.items() if title.startswith("CUDA  k1_"))
    assert any(line.mark == "op" and "// test_told.py:" in line.text for line in fused.code)
    assert "NumPy computes this" in shown


def test_without_a_profile_it_says_how_to_get_one(tmp_path: Path) -> None:
    say_once.cache_clear()
    _, views = screens(tmp_path / "run.tgr", profiled=False)
    assert views[0].timed.startswith("no seconds of CUDA")
    assert [kernel.name for kernel in views[0].kernels if kernel.seconds is not None] in ([], ["det"])
