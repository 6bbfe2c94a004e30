"""The doctor finds what was planted, names the op and the line where it began, and tells healthy trainings nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.cli import main
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.doctor import Finding, Report, examine
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.doctor import view_doctor
from teachgrad_inspector.views.options import Options

from .runs import make

Open = Callable[..., Session]
Examined = Callable[..., Report]
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((32, 8)).astype(np.float32), RNG.standard_normal((32, 1)).astype(np.float32)


@pytest.fixture
def examined(tmp_path: Path) -> Examined:
    def run(function: Callable[[], object], level: str = "values") -> Report:
        path = tmp_path / "run.tgr"
        path.unlink(missing_ok=True)
        tg.seed(0)
        with np.errstate(all="ignore"), Recorder(path, level=level):  # type: ignore[arg-type]
            function()
        with Reader(path) as reader:
            report = examine(Session(reader))
            assert report is not None
            return report

    return run


def train(model: nn.Module, steps: int = 12, rate: float = 0.05, zero: bool = True, x: np.ndarray = X,
          loss: Callable[..., tg.Tensor] = nn.functional.mse_loss, every: int = 1) -> None:  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps):
        if zero:
            optimizer.zero_grad()
        for part in range(every):
            inputs, targets = x[part::every], Y[part::every]
            (loss(model(tg.tensor(inputs)), tg.tensor(targets)) / every).backward()
        optimizer.step()


def only(report: Report, kind: str) -> Finding:
    """The one finding of a kind; there are no others of other kinds."""
    assert {finding.kind for finding in report.findings} == {kind}, report.findings
    return report.findings[0]


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def line_of(text: str) -> int:
    """The line of this file that holds a text first."""
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize("make_model", [
    lambda: nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1)),
    lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)),
    lambda: nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Dropout(0.2), nn.Linear(16, 1)),
])  # fmt: skip
def test_the_healthy_are_told_nothing(make_model: Callable[[], nn.Module], examined: Examined) -> None:
    assert examined(lambda: train(make_model())).findings == ()
    assert examined(lambda: train(make_model(), every=2)).findings == ()  # gradients added up on purpose
    assert examined(lambda: train(make_model()), "stats").findings == ()


def test_the_recordings_of_the_other_tests(session: Open) -> None:
    for name in ("micrograd", "net", "deep", "attention"):
        report = examine(session(name))
        assert report is not None
        assert "nan" not in kinds(report)


def test_nan_in_a_training(examined: Examined) -> None:
    def program() -> None:
        model = nn.Linear(8, 1)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        for step in range(20):
            optimizer.zero_grad()
            y = model(tg.tensor(X))
            shifted = tg.exp(y) - (0 if step < 13 else 1e6)
            nn.functional.mse_loss(tg.log(shifted), tg.tensor(Y)).backward()  # planted: log of what is negative
            optimizer.step()

    finding = examined(program).findings[0]
    assert (finding.kind, finding.op, finding.phase, finding.severity) == ("nan", "log", "forward", "err")
    assert finding.moment.startswith("t13/fwd/")
    assert finding.place == f"{__file__}:{line_of('# planted: log of')}"
    assert finding.code == "tg.log(shifted)"
    assert "log is defined above 0" in finding.advice


def test_a_forgotten_zero_grad(examined: Examined) -> None:
    finding = only(examined(lambda: train(nn.Linear(8, 1), zero=False, rate=0.01)), "not zeroed")
    assert finding.moment.startswith("t1/bwd/")
    assert "zero_grad" in finding.advice
    assert only(examined(lambda: train(nn.Linear(8, 1), zero=False, rate=0.01), "stats"), "not zeroed")


def test_a_parameter_that_the_loss_does_not_depend_on(examined: Examined) -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 1)

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return self.fc2(self.fc1(x).detach())  # planted

    report = examined(lambda: train(Cut()))
    assert kinds(report) == {"unreached"}
    assert {finding.what.split()[0] for finding in report.findings} == {"fc1.weight", "fc1.bias"}
    frozen = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1))
    for parameter in frozen[0].parameters():
        parameter.requires_grad = False
    assert examined(lambda: train(frozen)).findings == ()  # frozen on purpose


def test_a_broadcast_that_nobody_meant(examined: Examined) -> None:
    def loss(y: tg.Tensor, target: tg.Tensor) -> tg.Tensor:
        return ((y - target.reshape((-1,))) ** 2).mean()  # planted: (32, 1) - (32,)

    report = examined(lambda: train(nn.Linear(8, 1), loss=loss))
    finding = only(report, "broadcast")
    assert finding.op == "subtract"
    assert "(32,1) with (32,)" in finding.what
    assert "(32,32)" in finding.what
    assert finding.place.endswith(f":{line_of('# planted: (32, 1)')}")


def test_dead_and_saturated_units(examined: Examined) -> None:
    def dead() -> nn.Module:
        model = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 1))
        model[0].bias.data[:6] = -100.0
        return model

    finding = only(examined(lambda: train(dead())), "dead")
    assert "6 of 10 units" in finding.what
    report = examined(lambda: train(dead()), "stats")
    assert "dead" not in kinds(report)
    assert any("only statistics" in text for text in report.skipped)

    def saturated() -> nn.Module:
        model = nn.Sequential(nn.Linear(8, 10), nn.Tanh(), nn.Linear(10, 1))
        model[0].weight.data[:] *= 100
        return model

    assert only(examined(lambda: train(saturated())), "saturated").op == "tanh"


def test_gradients_that_vanish_are_zero_or_explode(examined: Examined) -> None:
    def deep() -> nn.Module:
        layers: list[nn.Module] = [nn.Linear(8, 8)]
        for _ in range(11):
            layers += [nn.Sigmoid(), nn.Linear(8, 8)]
        return nn.Sequential(*layers, nn.Linear(8, 1))

    report = examined(lambda: train(deep()))
    assert "vanishing" in kinds(report)
    assert next(item for item in report.findings if item.kind == "vanishing").phase == "backward"

    def masked() -> None:
        model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 1))
        model[1].weight.data[:] = 0
        optimizer = optim.SGD(model[:1].parameters() if hasattr(model, "__getitem__") else [], lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(tg.tensor(X)), tg.tensor(Y)).backward()
            optimizer.step()

    assert "zero gradient" in kinds(examined(masked))

    def explode() -> None:
        x = X.copy()
        train(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1)), steps=30, rate=1.5, x=x)

    assert "exploding" in kinds(examined(explode))


def test_a_doctor_who_did_not_look_says_so(examined: Examined) -> None:
    report = examined(lambda: train(nn.Linear(8, 1)), "meta")
    assert report.findings == ()
    assert any("level meta has none" in text for text in report.skipped)


def test_giving_up_gives_no_report(session: Open) -> None:
    assert examine(session("training"), lambda: False) is None


def test_gradients_that_are_to_be_predicted_are_not_given_away(session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachgrad_inspector.doctor.EXPLODING", 1e-3)
    net = session("net")
    known = view_doctor(net, Options()).findings
    hiding = view_doctor(net, Options(predict=True)).findings
    assert "exploding" in {finding.kind for finding in known}
    for finding, hidden in zip(known, hiding, strict=True):
        assert "hidden" in hidden.what
        assert hidden.kind == finding.kind


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "bad.py"
    script.write_text("import teachgrad as tg\nx = tg.tensor([2.0], requires_grad=True)\nloss = tg.log(-x)\n"
                      "loss.sum().backward()\n")  # fmt: skip
    with np.errstate(all="ignore"):
        assert main(["inspect", str(script), "--doctor"]) == 1
        out = capsys.readouterr().out
        assert out.startswith(f"{script}:3: nan: loss (log, forward, t0/fwd/")
        assert main(["inspect", str(script), "--doctor", "--print", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["findings"][0]["op"] == "log"
    assert data["findings"][0]["phase"] == "forward"
    assert main(["inspect", str(make("net", tmp_path)), "--doctor"]) == 0
    assert "nothing found" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "none.tgr"), "--doctor"]) == 2
