"""Profiles: what ran, how it is accounted for, and that nothing is left behind."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, observe, optim
from teachgrad.executors.c import CProgram, compiler
from teachgrad.executors.measured import measured
from teachgrad.graph import specs
from teachgrad.op import Spec, state
from teachgrad.profiling import Machine, Profile
from teachgrad.profiling.table import rows_of, short


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc = nn.Linear(256, 10)

    def forward(self, x: Any) -> Any:
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2)
        return self.fc(x.reshape((x.shape[0], -1)))


def training() -> tuple[Any, Any, Any]:
    """A step of training, and its arguments."""
    tg.seed(0)
    net = LeNet()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step, tg.random.normal((8, 1, 28, 28)), tg.tensor(np.arange(8) % 10)


def profiled(mode: str) -> Profile:
    step, x, t = training()
    if mode == "static":
        step = tg.static(step)
    step(x, t)
    step(x, t)
    with tg.profile() as p:
        step(x, t)
        step(x, t)
    return p


@pytest.fixture(scope="module", params=["dynamic", "static"])
def taken(request: pytest.FixtureRequest) -> Profile:
    return profiled(request.param)


def test_the_accounts_add_up(taken: Profile) -> None:
    for by in ("op", "layer", "kernel", "line", "phase"):
        table = taken.table(by=by)
        assert table.total == pytest.approx(taken.seconds)
        assert sum(row.seconds for row in table.rows) == pytest.approx(table.kernels)
        assert sum(row.calls for row in table.rows) == len(taken.runs)
        assert sum(row.share for row in table.rows) == pytest.approx(table.kernels / taken.seconds)
        assert table.outside >= 0 <= table.measuring
        assert "Python and bookkeeping" in str(table)


def test_runs_follow_each_other_within_the_block(taken: Profile) -> None:
    ends = [run.start + run.seconds for run in taken.runs]
    assert all(end <= run.start + 1e-9 for end, run in zip(ends, taken.runs[1:], strict=False))
    assert all(run.seconds >= 0 for run in taken.runs)


def test_layers_have_their_forward_and_backward_ops(taken: Profile) -> None:
    found = {row.name: row for row in taken.table(by="layer").rows}
    for layer in ("conv1", "conv2", "fc"):
        assert found[f"{layer} forward"].flops > 0
        assert found[f"{layer} backward"].flops > found[f"{layer} forward"].flops / 2
    weights = {(run.scope, run.phase) for run in taken.runs if run.op == "convolution_weight_gradient"}
    assert weights == {("conv1", "backward"), ("conv2", "backward")}
    assert {run.phase for run in taken.runs if run.op.endswith("_update")} == {"update"}


def test_both_modes_count_the_same_work() -> None:
    dynamic, static = (profiled(mode) for mode in ("dynamic", "static"))
    heavy = ("convolution", "max_pool", "cross_entropy", "momentum_update")
    for op in heavy:
        a, b = ([row for row in p.table().rows if row.name == op] for p in (dynamic, static))
        assert (a[0].calls, a[0].flops) == (b[0].calls, b[0].flops)
    assert {run.mode for run in dynamic.runs} == {"dynamic"}
    assert {run.mode for run in static.runs} == {"static"}


def test_lines_are_the_users(taken: Profile) -> None:
    lines = {row.name for row in taken.table(by="line").rows}
    assert all(name.startswith("test_profile.py:") for name in lines - {"(no line)"})
    assert len(lines) >= 5


def test_what_is_computed_is_what_is_computed_without() -> None:
    results = []
    for mode in ("dynamic", "static"):
        for watched in (False, True):
            step, x, t = training()
            step = tg.static(step) if mode == "static" else step
            if watched:
                with tg.profile():
                    losses = [step(x, t).numpy().tobytes() for _ in range(3)]
            else:
                losses = [step(x, t).numpy().tobytes() for _ in range(3)]
            results.append(losses)
    assert results[0] == results[1] == results[2] == results[3]


def test_nothing_is_left_behind() -> None:
    for error in (None, ZeroDivisionError):
        try:
            with tg.profile() as p:
                tg.ones(3) + 1
                if error is not None:
                    raise error
        except ZeroDivisionError:
            pass
        assert (state.now.meter, observe.sink) == (None, None)
        assert [run.op for run in p.runs] == ["add"]
    before = len(p.runs)
    tg.ones(3) + 1
    assert len(p.runs) == before


def test_one_at_a_time(tmp_path: Path) -> None:
    with tg.Recorder(tmp_path / "run.tgr"), pytest.raises(tg.TeachgradError, match="Recorder"), tg.profile():
        pass
    with tg.profile(), pytest.raises(tg.TeachgradError, match="inside another"), tg.profile():
        pass
    p = tg.profile()
    with pytest.raises(tg.TeachgradError, match="has not been taken"):
        p.table()
    with p:
        pass
    assert p.runs == []
    assert p.memory().peak == 0
    with pytest.raises(tg.TeachgradError, match="has been taken"), p:
        pass
    with pytest.raises(tg.TeachgradError, match="no table by 'colour'; it has them by op, layer"):
        p.table(by="colour")


def test_errors_pass_through_and_name_the_op() -> None:
    with tg.profile() as p:
        with pytest.raises(tg.ShapeError, match="matmul"):
            tg.ones((2, 3)) @ tg.ones((2, 3))
        y = tg.ones((2, 3)) @ tg.ones((3, 2))
    assert y.shape == (2, 2)
    assert [run.op for run in p.runs] == ["matmul"]


def test_other_threads_are_not_measured() -> None:
    from threading import Thread

    with tg.profile() as p:
        other = Thread(target=lambda: (tg.ones(5, requires_grad=True) * 2.0).sum().backward())
        other.start()
        other.join()
        tg.exp(tg.ones(3))
    assert [run.op for run in p.runs] == ["exp"]
    assert p.runs[0].where.startswith("test_profile.py:")


def test_functions_by_hand_are_measured() -> None:
    x = tg.placeholder((4, 4), name="x")
    w = tg.state(np.eye(4, dtype=np.float32), name="w")
    f = tg.function([x], (x @ w).sum(), updates={w: w * 2.0})
    with tg.profile() as p:
        f(np.ones((4, 4), np.float32))
    assert {"matmul", "sum", "multiply"} <= {run.op for run in p.runs}
    assert {run.phase for run in p.runs if run.op == "copyto"} <= {"update"}


def test_an_executor_without_a_twin_is_one_kernel() -> None:
    step, x, t = training()
    f = tg.static(step)
    f(x, t)

    class Other:
        source = ""

        def __call__(self, inputs: Any, cells: Any) -> Any:
            return f.trace.program(inputs, cells)

    twin = measured(Other(), f.graph)  # type: ignore[arg-type]
    f.trace.fit.holds([x, t])
    twin([x.numpy(), t.numpy()], f.trace.fit.arrays)
    assert [kernel.name for kernel in twin.kernels] == ["program"]
    assert twin.kernels[0].vertices == f.graph.order
    assert twin.ticks[0] < twin.ticks[1]


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_every_kernel_of_a_c_program_is_timed() -> None:
    step, x, t = training()
    f = tg.static(step, level="O3", executor="c")
    f(x, t)
    with tg.profile() as p:
        measured_losses = [f(x, t).numpy().tobytes() for _ in range(2)]
    assert isinstance(f.trace.program, CProgram)
    kernels = {run.name for run in p.runs}
    assert len(p.runs) == 2 * len(f.trace.program.building.order)
    assert any(name.startswith("k") and "_to_" in name for name in kernels)
    counted = sum(v.op.flops(*specs([v, *v.inputs]), **v.attrs) for v in f.graph.order)
    assert 0.9 * counted < sum(run.flops for run in p.runs) / 2 <= counted
    assert 0 < p.memory().peak < sum(v._data.nbytes for v in f.graph.order if type(v._data) is Spec)

    step, x, t = training()
    g = tg.static(step, level="O3", executor="c")
    assert [g(x, t).numpy().tobytes() for _ in range(3)][1:] == measured_losses


# ---- memory ----------------------------------------------------------------------------------------------------------

def test_dynamic_memory_is_what_tracemalloc_sees() -> None:
    x = tg.ones((512, 512))

    def work() -> Any:
        y = tg.exp(x)
        z = (y * 2.0 + y).tanh()
        del y
        return (z @ z).sum()

    work()
    gc.collect()
    with tg.profile() as p:
        tracemalloc.start()
        work()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    memory = p.memory()
    assert memory.peak == pytest.approx(peak, rel=0.05)
    assert sum(value.bytes for value in memory.alive) == memory.peak
    assert memory.alive[0].bytes == x.size * 4


def test_static_memory_is_the_arena_and_what_lives_beside_it() -> None:
    p = profiled("static")
    memory = p.memory()
    assert memory.peak >= memory.arena > 0
    assert all(value.bytes > 0 for value in memory.alive)
    assert "arena" in str(memory)


# ---- roofline --------------------------------------------------------------------------------------------------------

def test_the_roofline_is_the_lower_of_two_bounds() -> None:
    roof = Machine(bandwidth=100.0, single=1000.0, double=500.0)
    p = profiled("static")
    for run in p.runs:
        assert roof.least(run) == max((run.read + run.written) / 100.0, run.flops / 1000.0)
        if run.moved:
            assert roof.bound(run) == ("memory" if run.flops / run.moved <= 10.0 else "arithmetic")
    rows = rows_of(p.runs, lambda run: "all", lambda device: roof, p.seconds)
    assert rows[0].roofline == pytest.approx(sum(map(roof.least, p.runs)) / sum(run.seconds for run in p.runs))
    assert roof.peak(np.dtype(np.float64)) == 500.0


def test_the_machine_is_measured_once() -> None:
    p = profiled("static")
    roofline = p.roofline()
    assert roofline.machine is p.roofline().machine
    assert 1e8 < roofline.machine.bandwidth < 1e13
    assert roofline.machine.single > 1e8
    assert "Gflop/s" in str(roofline)
    assert any(row.bound == "arithmetic" for row in roofline.rows)


def test_short_numbers() -> None:
    assert [short(n) for n in (0, 999, 1000, 12_345, 4_560_000, 7e9)] == ["0", "999", "1k", "12.3k", "4.56M", "7G"]


# ---- Chrome trace ----------------------------------------------------------------------------------------------------

def test_the_trace_nests(taken: Profile, tmp_path: Path) -> None:
    taken.chrome(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    assert {event["ph"] for event in events} == {"X"}
    assert all(event["dur"] >= 0 <= event["ts"] for event in events)
    kernels = [event for event in events if event["cat"] == "kernel"]
    assert [event["name"] for event in kernels] == [run.name for run in taken.runs]
    assert {event["name"] for event in events if event["cat"] == "phase"} == {"forward", "backward", "update"}
    open_events: list[Any] = []
    for event in events:  # outer ones come first; each lies within the innermost that is still open
        while open_events and open_events[-1]["ts"] + open_events[-1]["dur"] <= event["ts"] + 1e-6:
            open_events.pop()
        if open_events:
            outer = open_events[-1]
            assert event["ts"] + event["dur"] <= outer["ts"] + outer["dur"] + 1e-6
            assert outer["cat"] != "kernel"
        open_events.append(event)
