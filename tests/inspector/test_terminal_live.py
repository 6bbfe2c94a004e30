"""The real program in a real terminal, attached to a real training."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .terminal import HAS_TMUX, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_TMUX, reason="there is no tmux")]

TRAIN = """\
import itertools, os, sys, time
import teachgrad as tg
from teachgrad import optim
w = tg.Parameter([1.0, 2.0])
opt = optim.SGD([w], lr=0.01)

def train(w):
    opt.zero_grad()
    loss = tg.sum(w * w)
    loss.backward()
    opt.step()
    return loss

if sys.argv[1] == "static":
    train = tg.static(train)
log = open("log", "w")
for step in itertools.count():
    train(w)
    print(step, file=log, flush=True)
    time.sleep(0.02)
    if os.path.exists("enough"):
        break
"""


@contextmanager
def training(folder: Path, mode: str, *options: str) -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """A training that runs until there is a file `enough`: its address, its log, its process."""
    script, log = folder / "train.py", folder / "log"
    script.write_text(TRAIN)
    process = subprocess.Popen([sys.executable, "-m", "teachgrad", "run", "--live", *options, str(script), mode],
                               cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stderr is not None
        found = re.search(r"teachgrad inspect (\S+)$", process.stderr.readline())
        assert found is not None
        yield found[1], log, process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def counter(log: Path) -> int:
    """The last number that the training has printed."""
    lines = log.read_text().split() if log.exists() else []
    return int(lines[-1]) if lines else -1


def wait_beyond(log: Path, count: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while counter(log) <= count:
        assert time.monotonic() < deadline, f"the counter stays at {counter(log)}"
        time.sleep(0.02)


def moment(screen: str) -> str:
    """The moment in the status line, which is where the training is held, too."""
    found = re.search(r"^ ?(t\d+/\w+/\d+) .*paused at (t\d+/\w+/\d+)  ok$", screen, re.MULTILINE)
    assert found is not None
    assert found[1] == found[2]
    return found[1]


def place(screen: str) -> tuple[int, int]:
    """Training step and row of it."""
    step, _, row = moment(screen).split("/")
    return int(step.removeprefix("t")), int(row)


@pytest.mark.parametrize("mode", ["dynamic", "static"])
@pytest.mark.parametrize("options", [(), ("--tcp",)])
def test_attached_to_a_training(mode: str, options: tuple[str, ...], tmp_path: Path) -> None:
    with training(tmp_path, mode, *options) as (address, log, process), Terminal(100, 30) as terminal:
        wait_beyond(log, 2)
        terminal.teachgrad("inspect", address)
        terminal.wait(r"^ ?t\d+/\w+/\d+ .*running  ok$")
        terminal.press("Space")
        screen = terminal.settled(r"^ ?t\d+/\w+/\d+ .*paused at t\d+/\w+/\d+  ok$")
        assert re.search(r"^ space resume +s step", screen, re.MULTILINE)

        held = counter(log)
        time.sleep(2)  # what is to be seen is that nothing happens
        assert counter(log) == held

        before = place(screen)
        terminal.press("s")
        terminal.wait(rf"^ ?(?!{re.escape(moment(screen))} )(t\d+/\w+/\d+) .*paused at \1  ok$")
        assert place(terminal.capture()) in ((before[0], before[1] + 1), (before[0] + 1, 0))
        assert counter(log) - held in (0, 1)

        held, (step, row) = counter(log), place(terminal.capture())
        terminal.press("}")
        terminal.wait(rf"^ ?(t{step + 1}/\w+/{row}) .*paused at \1  ok$")
        assert counter(log) == held + 1

        terminal.press("Space")
        terminal.wait(r"^ ?t\d+/\w+/\d+ .*running  ok$")
        wait_beyond(log, held + 3)
        terminal.press("Space")
        terminal.wait(r"paused at t\d+/")
        held = counter(log)
        os.kill(terminal.process(), signal.SIGKILL)
        wait_beyond(log, held + 1)
        (tmp_path / "enough").touch()
        assert process.wait(30) == 0
