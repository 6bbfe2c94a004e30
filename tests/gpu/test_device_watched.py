"""Whoever looks at computations on a device: profiles, recordings, `verify=True` and the "check" mode."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.cli import main
from teachgrad.ops.elementwise import square
from teachgrad_gpu.emulator.building import compiler
from tests.export import programs
from tests.gpu.fake import FakeGpu
from tests.gpu.standing import StandIn

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


def small(place: str) -> Callable[[], Any]:
    """A step of a small network on a device."""
    tg.seed(2)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Dropout(0.3), nn.Linear(8, 3)).to(place)
    step = programs.step_of(model, optim.Adam(model.parameters(), lr=0.01))
    rng = np.random.default_rng(0)
    x, t = tg.tensor(rng.standard_normal((5, 4)), tg.float32).to(place), tg.tensor([0, 1, 2, 0, 1]).to(place)
    return lambda: step(x, t)


def test_profiles_time_ops_of_the_device(standing: StandIn) -> None:
    """What ran, with bytes and operations, is what runs on the CPU; each op is waited for before and after."""
    profiles = {}
    for place in ("cpu", "gpu"):
        step = small(place)
        step()
        standing.waits = 0
        with tg.device(place), tg.profile() as profiles[place]:
            step()
    waits = standing.waits
    told = {place: [(run.op, run.phase, run.scope, run.read, run.written, run.flops) for run in p.runs]
            for place, p in profiles.items()}
    assert told["gpu"] == told["cpu"] != []
    runs = profiles["gpu"].runs
    assert {run.device for run in runs} == {"gpu"}
    assert waits == 2 * len(runs)
    assert all(a.start + a.seconds <= b.start for a, b in pairwise(runs))
    assert profiles["gpu"].memory().peak > 0
    assert "gpu copies" in str(profiles["gpu"].roofline())
    assert "gelu in 1" in str(profiles["gpu"].table(by="kernel"))


@pytest.mark.parametrize("level", ["values", "replay"])
def test_a_recorded_step_looks_as_on_the_cpu(level: Any, standing: StandIn, tmp_path: Any, capsys: Any) -> None:
    """The screens of the inspector are the same, but for the last digits of numbers."""
    told = {}
    for place in ("cpu", "gpu"):
        path = tmp_path / place / "run.tgr"
        path.parent.mkdir()
        step = small(place)
        with tg.device(place), tg.Recorder(path, level=level):
            for _ in range(2):
                step()
        for screen in ("tape", "chain", "map", "memory", "train", "doctor"):
            assert main(["inspect", str(path), "--screen", screen, "--at", "loss", "--print", "text"]) == 0
        assert main(["inspect", str(path), "--screen", "what-if", "--what-if", "loss=1", "--print", "text"]) == 0
        told[place] = capsys.readouterr().out
    numbers = {place: [float(number) for number in NUMBER.findall(text)] for place, text in told.items()}
    words = {place: NUMBER.sub("", text).split() for place, text in told.items()}
    assert words["gpu"] == words["cpu"]
    np.testing.assert_allclose(numbers["gpu"], numbers["cpu"], rtol=1e-3, atol=1e-6)
    assert "∂loss/∂loss = 1" in told["gpu"]


def arguments() -> tuple[Any, Any]:
    x = np.random.default_rng(4).standard_normal((5, 4)).astype(np.float32)
    return tg.tensor(x, device="gpu"), tg.tensor([0, 1, 2, 0, 1], device="gpu")


def training() -> Callable[[Any, Any], Any]:
    tg.seed(2)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Dropout(0.3), nn.Linear(8, 3)).to("gpu")
    return programs.step_of(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def test_programs_of_the_device_are_verified(gpu: FakeGpu) -> None:
    """The same losses as without; values go to the CPU to be looked at, and nothing is overwritten meanwhile."""
    x, t = arguments()
    plain, verified = training(), tg.static(training(), level="O3", executor="cupy", verify=True)
    tg.seed(2)
    want = [plain(x, t).item() for _ in range(3)]
    tg.seed(2)
    np.testing.assert_allclose([verified(x, t).item() for _ in range(3)], want, rtol=1e-5)
    assert all(np.isfinite(entry.error) for entry in verified.trace.rewrites)
    assert any(entry.error > 0 for entry in verified.trace.rewrites)


def test_check_mode_compares_the_device_with_the_interpreter(gpu: FakeGpu) -> None:
    x, t = arguments()
    plain, checked = training(), tg.static(training(), level="O3", executor="cupy")
    tg.seed(2)
    want = [plain(x, t).item() for _ in range(3)]
    tg.seed(2)
    with tg.mode("check"):
        got = [checked(x, t).item() for _ in range(3)]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_wrong_kernel_is_found(gpu: FakeGpu, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(square), "c", "{x} + {x}")
    x, _ = arguments()
    with pytest.raises(tg.VerificationError, match=r"the program is wrong: its square at test_device_watched.py"):
        tg.static(lambda x: tg.square(x) * 3.0, level="O3", executor="cupy", verify=True)(x)
    with tg.mode("check"), pytest.raises(tg.TraceError, match=r"result 0 of .* differs between the modes"):
        tg.static(lambda x: tg.square(x) * 3.0, level="O3", executor="cupy")(x)


def test_what_the_device_computes_wrong_is_found(gpu: FakeGpu, monkeypatch: Any) -> None:
    computed = FakeGpu.computed

    def wrong(self: Any, op: Any, arrays: Any, settings: Any) -> Any:
        return arrays[0] if op is square else computed(self, op, arrays, settings)

    monkeypatch.setattr(FakeGpu, "computed", wrong)
    x, _ = arguments()
    with tg.mode("check"), pytest.raises(tg.TraceError, match=r"first difference .* is square"):
        tg.static(lambda x: tg.square(x) * 3.0, level="O3", executor="cupy")(x)


def test_a_graph_built_by_hand_says_where_it_computes(standing: StandIn) -> None:
    a = tg.placeholder((2,), name="a")
    with pytest.raises(tg.DeviceError, match=r'the argument a of function is on "gpu".*\nWays out: x.to\("cpu"\)'):
        tg.function([a], [a * 2.0])(tg.ones(2, device="gpu"))
