"""A run that can be attached to when somebody wants that: by a signal, by a command."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from teachgrad import observe
from teachgrad.recording import Reader, Recorder
from teachgrad.recording.moment import Moment

from .attaching import ATTACHED, Client, attach
from .runs import leaf

pytestmark = ATTACHED


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")
def test_a_signal_opens_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Recorder(tmp_path / "r.tgr", level="values", live="signal") as recorder:
        assert observe.sink is None
        assert recorder.address is None
        assert not recorder.path.exists()
        signal.raise_signal(signal.SIGUSR1)
        assert recorder.address is not None
        leaf(1, 2.0, "x")
        viewer = attach(recorder)
        assert viewer.hear()["recording"] == str(recorder.path)
        viewer.close()
        signal.raise_signal(signal.SIGUSR1)
    assert capsys.readouterr().err.count("teachgrad: attach with  teachgrad inspect ") == 2
    assert observe.sink is None
    assert signal.getsignal(signal.SIGUSR1) == before
    with Reader(tmp_path / "r.tgr") as reader:
        assert reader.label(next(reader.rows(0))) == "x"


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")
def test_a_signal_that_cannot_be_followed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.tgr").write_text("something else")
    with Recorder(tmp_path / "r.tgr", live="signal"):
        signal.raise_signal(signal.SIGUSR1)
        assert observe.sink is None
    assert "cannot be attached to: " in capsys.readouterr().err
    assert (tmp_path / "r.tgr").read_text() == "something else"
    with Recorder(tmp_path / "s.tgr", live="signal"):  # nobody sends it
        pass
    assert not (tmp_path / "s.tgr").exists()


TRAIN = """
import sys
import teachgrad as tg
from teachgrad import optim
w = tg.Parameter([1.0, 2.0])
opt = optim.SGD([w], lr=0.01)
for step in range(100_000):
    loss = tg.sum(w * w)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step == 10:
        print("ready", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")
def test_a_signal_in_the_middle_of_a_training(tmp_path: Path) -> None:
    """Recording may begin anywhere: within an op, a backward pass, an update."""
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    process = subprocess.Popen([sys.executable, "-m", "teachgrad", "run", "--live", "--on-signal", "--record",
                                str(tmp_path / "r.tgr"), str(script)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == "ready\n"
        assert process.stderr.readline() == f"teachgrad: to attach later, first  kill -USR1 {process.pid}\n"
        process.send_signal(signal.SIGUSR1)
        viewer = Client(process.stderr.readline().split()[-1])
        viewer.say(do="pause")
        viewer.paused()
        step = viewer.step("step")[0]
        with Reader(tmp_path / "r.tgr") as reader:
            parameter = next(row.vertex for row in reader.rows(max(0, step - 1)) if row.kind == "update")
            values = reader.values(reader.value_at(parameter, Moment(step - 1, 10**6, "upd")) or 0)
            assert values is not None
            assert values[1] == pytest.approx(2 * values[0])
        viewer.close()
    finally:
        process.kill()
        process.communicate()


def test_the_command_wants_to_know_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from teachgrad.cli import main

    script = tmp_path / "script.py"
    script.write_text("")
    assert main(["run", str(script)]) == 2
    assert main(["run", "--tcp", "--record", str(tmp_path / "r.tgr"), str(script)]) == 2
    err = capsys.readouterr().err
    assert "--record, or use --live" in err
    assert "go with --live" in err
    assert main(["run", "--live", str(script)]) == 0
