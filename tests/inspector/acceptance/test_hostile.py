"""Check 8 and what else strangers and systems do: broken files, and terminals that stop, end and change their size."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from teachgrad_inspector.canvas import cell_width
from tests.inspector.runs import make
from tests.inspector.terminal import HAS_TMUX, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_TMUX, reason="there is no tmux")]


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.target),)


def run(*arguments: str, memory: int | None = None, shell: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "teachgrad", "inspect", *arguments]

    def limit() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    if shell:
        line = " ".join(f"'{part}'" for part in command) + f" {shell}"
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit)


def test_8_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, target = tmp_path / "run.tgr", tmp_path / "gone off"
    path.write_bytes(pickle.dumps(Bomb(target)))
    with Terminal(100, 30) as terminal:
        terminal.teachgrad("inspect", str(path))
        screen = terminal.wait("^status")
        terminal.wait_for_end("2")
    assert "is not a recording of teachgrad" in screen.replace("\n", "")
    assert "Traceback" not in screen
    assert not target.exists()


def test_8_a_recording_that_was_cut_opens_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = make("training", tmp_path).read_bytes()
    draw, opened = random.Random(8), 0
    for _ in range(5):
        path = tmp_path / "cut.tgr"
        path.write_bytes(whole[: draw.randrange(len(whole) // 8, len(whole))])
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        done = run(str(path), "--at", "last", "--print", "text")
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        if done.returncode == 0:
            opened += 1
            assert "recording ended early" in done.stderr
            assert "ended early" in done.stdout.splitlines()[0]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert opened >= 2


def test_8_a_claim_of_a_trillion_elements_takes_neither_time_nor_memory(tmp_path: Path) -> None:
    path = make("micrograd", tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE array SET shape = '1000000,1000000'")
    connection.commit()
    connection.close()
    started = time.monotonic()
    base = run("--keys")
    starting = time.monotonic() - started
    assert base.returncode == 0
    started = time.monotonic()
    done = run(str(path), "--print", "text", memory=200 << 20)
    assert time.monotonic() - started < starting + 4  # a second on a machine that does nothing else
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    assert "it claims the shape '1000000,1000000'" in done.stdout + done.stderr


def test_a_recording_from_a_newer_version(tmp_path: Path) -> None:
    path = make("micrograd", tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.commit()
    connection.close()
    done = run(str(path), "--print", "text")
    assert done.returncode == 2
    assert re.search(r"newer teachgrad|version 99", done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1


def test_wide_and_zero_width_names_keep_their_columns(tmp_path: Path) -> None:
    names = ["数据", "e\u0301e\u0301", "zero\u200bwidth", "\u202ertl", "👩‍👩‍👧", "[link=x]y[/]", "\x9b31m", "a\tb\nc"]
    script = tmp_path / "names.py"
    lines = [f"x = tg.tensor(1.0, requires_grad=True, name={name!r})\ny = x * 2.0" for name in names]
    script.write_text("import teachgrad as tg\n" + "\n".join(lines), encoding="utf-8")
    with Terminal(100, 30) as terminal:
        title = terminal.title()
        terminal.teachgrad("inspect", str(script))
        screen = terminal.settled_at("t0/fwd/0")
        widths = {sum(map(cell_width, line.rstrip())) for line in screen.splitlines()[1:28]}
        assert widths == {100}
        assert all(sign not in screen for sign in ("\u200b", "\u202e", "\x9b"))
        assert "[link=x]y[/]" in screen
        terminal.press("G")
        terminal.wait_at(f"t0/fwd/{2 * len(names)}")
        assert terminal.title() == title
        terminal.press("q")
        terminal.wait_for_end()


def test_a_storm_of_resizes_and_a_stop(tmp_path: Path) -> None:
    draw = random.Random(6)
    with Terminal(80, 24) as terminal:
        terminal.teachgrad("inspect", str(make("net", tmp_path)), "--at", "t0/bwd/13")
        first = terminal.settled_at("t0/bwd/13")
        for _ in range(40):
            terminal.resize(draw.randrange(1, 200), draw.randrange(1, 60))
        terminal.press("C-z")
        terminal.resize(100, 30)
        terminal.wait(r"^\$ *$|Stopped|suspended", 10)
        terminal.type("fg")
        terminal.press("Enter")
        terminal.resize(80, 24)  # while the shell wakes the program
        terminal.wait_for(first)
        terminal.press("q")
        terminal.wait(r"^\$ *$")
        terminal.type("echo code $?")  # the shell forgot what was to follow the command when that was stopped
        terminal.press("Enter")
        terminal.wait("^code 0")


def test_the_end_by_sigterm_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with Terminal(80, 24) as terminal:
        terminal.type("stty -a | tr ';' '\\n' > before; echo done".replace("before", str(tmp_path / "before")))
        terminal.press("Enter")
        terminal.wait("^done")
        terminal.teachgrad("inspect", str(make("net", tmp_path)))
        terminal.wait_at("t0/fwd/0")
        os.kill(terminal.process(), signal.SIGTERM)
        terminal.wait_for_end("143")
        terminal.type(f"stty -a | tr ';' '\\n' | diff - {tmp_path / 'before'} && echo same")
        terminal.press("Enter")
        terminal.wait("^same")
        assert terminal.tmux("display", "-p", "#{mouse_any_flag} #{alternate_on}").split() == ["0", "0"]


@pytest.mark.parametrize(("shell", "status", "said"), [
    ("| head -c 20; exit ${PIPESTATUS[0]}", (0, 1), ""), (">&-", (0,), ""),
    ("> /dev/full", (1,), "cannot write: No space"),
])  # fmt: skip
def test_an_output_that_is_closed_or_full(shell: str, status: tuple[int, ...], said: str, tmp_path: Path) -> None:
    done = run(str(make("net", tmp_path)), "--print", "json", shell=shell)
    assert done.returncode in status
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == bool(said)


def test_two_viewers_and_a_reader_of_one_file(tmp_path: Path) -> None:
    path = make("net", tmp_path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with Terminal(80, 24) as one, Terminal(80, 24) as other:
        for terminal in (one, other):
            terminal.teachgrad("inspect", str(path))
        for terminal in (one, other):
            terminal.wait_at("t0/fwd/0")
        one.press("G")
        one.wait_at("t1/upd/15")
        other.press("s")
        other.wait_at("t0/fwd/1")
        shutil.copy(path, tmp_path / "copy.tgr")
        for terminal in (one, other):
            terminal.press("q")
            terminal.wait_for_end()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["copy.tgr", path.name]
