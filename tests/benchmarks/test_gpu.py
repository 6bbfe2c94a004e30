"""The benchmark for a GPU, where there is none: it says so, and its rehearsal runs every line of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as script
from benchmarks.gpu.goals import NOT_RUN, goals
from benchmarks.gpu.machine import Rehearsal
from benchmarks.gpu.report import time_cells
from benchmarks.gpu.rows import Timed
from benchmarks.gpu.session import Session
from benchmarks.gpu.steps import GRAPHED, Step
from teachgrad_gpu import timing
from teachgrad_gpu.emulator import building


def test_without_a_gpu_it_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(script, "missing", lambda: "CuPy finds no CUDA device")
    assert script.main(["--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "NOT RUN: CuPy finds no CUDA device\n"
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "find_spec", lambda name: None)
    assert timing.missing() == 'CuPy is not installed; `python -m pip install "teachgrad[gpu]"` brings it'


@pytest.mark.slow
@pytest.mark.oracles
@pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
def test_a_rehearsal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = "static: softmax|gelu_vec|transpose_pad|sum_last|softmax_reg|matmul_vec|philox_words|scatter_add$|^sgd$"
    assert script.main(["--rehearse", "--no-steps", "--no-tests", "--kernels", pattern, "--output", str(tmp_path)]) == 0
    text = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "A REHEARSAL, whose times mean nothing" in text
    assert "MISSED" not in text
    assert "13 of 13 kernels and dtypes agree with NumPy" in text
    data = json.loads((tmp_path / "results.json").read_text("utf-8"))
    names = ["static: softmax", "gelu_vectorised", "transpose_padded", "softmax_registers", "matmul_vectorised"]
    assert [row["kernel"] for row in data["timed"]][:5] == names, "what goals are about comes first"
    assert [row["kernel"] for row in data["timed"] if row["agrees"] is not True] == ["philox_words"]
    assert [row["kernel"] for row in data["timed"] if row["compiled"]] == [*names[:2], "softmax_registers"]
    assert data["timed"][0]["call"] > 0
    assert {goal["measured"] for goal in data["goals"]} == {NOT_RUN}
    assert data["checked"][0]["same_bits"] == data["checked"][0]["results"] > 0


@pytest.mark.slow
@pytest.mark.oracles
@pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
def test_training_steps_on_the_emulator_have_the_losses_of_the_cpu() -> None:
    from benchmarks.gpu.training import entries, measured

    machine = Rehearsal()
    found = {name: measured(machine, name, entry) for name, entry in entries().items() if not name.startswith("gpt")}
    assert list(found) == ["mlp, captured", "lenet, captured", "mlp, dynamic", "lenet, dynamic"]
    assert all(step.same and not step.missing for step in found.values())
    assert set(found["mlp, captured"].beside) == {"teachgrad on the CPU", "torch eager", GRAPHED}
    assert set(found["mlp, dynamic"].beside) == {"teachgrad on the CPU", "torch eager"}


class WithoutTorch(Rehearsal):
    """A machine that has no PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.torch = None


@pytest.mark.slow
@pytest.mark.oracles
@pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
def test_an_interrupted_run_keeps_what_it_has_and_pytorch_may_be_missing(tmp_path: Path) -> None:
    session = Session(WithoutTorch(), tmp_path, lambda name: name == "static: softmax", minutes=0.0)
    rows = session.parts()[0][1]()
    session.rows.append(next(rows))
    session.write()
    data = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [(row["kernel"], row["torch"], row["agrees"]) for row in data["timed"]] == [("static: softmax", None, None)]
    session.run()
    text = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "There was no time for: static functions, times of the kernels that goals are about, training steps" in text
    assert "| static: softmax |" in text


@pytest.mark.oracles
def test_attention_is_compared_with_pytorchs_fast_way() -> None:
    """Which PyTorch has for four axes only; asked for that way alone, it refuses others."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from benchmarks.gpu.torch_side import ANSWERS

    q, k, v = torch.randn(3, 6, 32, 16)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        z, _ = ANSWERS["attention_vectorised"](q, k, v, causal=True)
    with sdpa_kernel(SDPBackend.MATH):
        slow, _ = ANSWERS["attention_vectorised"](q, k, v, causal=True)
    torch.testing.assert_close(z, slow)


def row(kernel: str, ms: float, of_copy: float, torch: float | None = None, compiled: float | None = None) -> Timed:
    return Timed(kernel, (8, 8), ms, 1e9, of_copy, 1e12, None, torch, compiled, True)


def test_goals_are_met_or_missed_by_the_figures() -> None:
    timed = {r.kernel: r for r in (
        row("gelu_vectorised", 1.0, 0.90, compiled=1.0), row("layer_norm_registers", 1.0, 0.84, compiled=0.9),
        row("matmul_vectorised", 10.0, 0.1, torch=6.5), row("matmul_tensor", 10.0, 0.1, torch=4.9))}
    steps = {"gpt, captured": Step("gpt, captured", 2.0, {"torch eager": 1.0}, True)}
    found = {goal.what: (goal.measured, goal.met) for goal in goals(timed, steps)}
    assert found["gelu_vectorised: speed of memory"] == ("90 %", True)
    assert found["layer_norm_registers: speed of memory"] == ("84 %", False)
    assert found["gelu_vectorised: time beside torch.compile"] == ("1.00 x", True)
    assert found["layer_norm_registers: time beside torch.compile"] == ("1.11 x", False)
    assert found["matmul_vectorised: time beside cuBLAS float32 (by PyTorch, TF32 off)"] == ("1.54 x", True)
    assert found["matmul_tensor: time beside cuBLAS half precision (by PyTorch)"] == ("2.04 x", False)
    assert found["a training step, gpt, captured: time beside torch eager"] == ("2.00 x", False)
    assert found["attention_vectorised: time beside PyTorch's attention"] == (NOT_RUN, None)
    assert time_cells(timed["layer_norm_registers"])[2:5] == ("1.000", "1", "84 %")


def test_a_median_of_events() -> None:
    clock = FakeClock()
    assert timing.milliseconds(clock, clock.work, rounds=5) == pytest.approx(0.25)
    assert clock.calls == 2 + 5 * 8  # to warm up and to guess, then eight calls make two milliseconds


class FakeClock:
    """A cupy whose device takes a quarter of a millisecond for each call of `work`."""

    def __init__(self) -> None:
        self.calls = 0
        self.cuda = self

    def work(self) -> None:
        self.calls += 1

    def Event(self) -> FakeEvent:
        return FakeEvent(self)

    def get_elapsed_time(self, start: FakeEvent, end: FakeEvent) -> float:
        return (end.at - start.at) / 4


class FakeEvent:
    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.at = clock, 0

    def record(self) -> None:
        self.at = self.clock.calls

    def synchronize(self) -> None:
        """It has happened."""
