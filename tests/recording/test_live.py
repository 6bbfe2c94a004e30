"""A run that can be attached to: what viewers may say, and how it is held and let go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from teachgrad import observe, optim
from teachgrad.recording import Reader, Recorder
from teachgrad.recording.live.lines import Command, Lines, Refused, command_of, decode
from teachgrad.recording.moment import Moment
from teachgrad.recording.schema import WITH_ELEMENTS, Level

from .attaching import ATTACHED, SECONDS, Client, Run, attach, goes_on, wait_until
from .runs import leaf, op

pytestmark = ATTACHED


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_commands() -> None:
    assert command_of({"do": "pause"}) == Command("pause")
    assert command_of({"do": "step", "unit": "phase"}) == Command("step", unit="phase")
    assert command_of({"do": "level", "level": "stats"}) == Command("level", level="stats")


@pytest.mark.parametrize("message", [
    {}, {"do": None}, {"do": "eval"}, {"do": ["pause"]}, {"do": {}}, {"do": "step"}, {"do": "step", "unit": "mile"},
    {"do": "step", "unit": ["row"]}, {"do": "pause", "unit": "row"}, {"do": "level", "level": 3}, {"token": "x"},
    {"do": "level", "level": "values", "file": "/etc/passwd"}, {"do": "step", "unit": {"row": 1}},
])  # fmt: skip
def test_what_is_no_command_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        command_of(message)


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"null", b'"pause"', b"{", b"\xff\xfe", b"[" * 4000, b'{"a":' * 600,
                                  b"\x80\x04N.", b"GET / HTTP/1.1", b"9" * 4096, b"{'do': 'pause'}"])  # fmt: skip
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(Refused):
        decode(line)


def test_lines_come_in_pieces() -> None:
    lines = Lines(10)
    assert [lines.feed(part) for part in (b"ab", b"c\nd", b"\n\ne")] == [[], [b"abc"], [b"d", b""]]
    with pytest.raises(Refused):
        lines.feed(b"x" * 10)


# ---- pausing and stepping --------------------------------------------------------------------------------------------


def test_a_viewer_pauses_and_steps(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    greeting, state = viewer.hear(), viewer.hear()
    assert (greeting["teachgrad"], greeting["recording"]) == (1, str(recorder.path))
    assert (state["state"], state["level"], state["viewers"]) == ("running", "values", 1)
    viewer.say(do="pause")
    step, row = viewer.paused()
    held = run.count
    with Reader(recorder.path) as reader:  # all that happened until then can be read
        assert (reader.steps - 1, reader.length(reader.steps - 1) - 1) == (step, row)
        time.sleep(0.1)
        assert run.count == held
        for _ in range(7):
            reader.refresh()
            rows = reader.length(step)
            at = viewer.step("row")
            reader.refresh()
            assert at == [reader.steps - 1, reader.length(reader.steps - 1) - 1]
            assert at == ([step, rows] if at[0] == step else [step + 1, 0])
            step = at[0]
    viewer.say(do="resume")
    goes_on(run)
    viewer.close()


def test_steps_of_every_size(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    viewer.say(do="pause")
    viewer.paused()
    while viewer.step("row")[1] != 0:  # a (square), with the leaf in the first step
        pass
    first = viewer.step("step")
    assert viewer.step("step") == [first[0] + 1, first[1]]
    step = viewer.step("step")[0]
    assert viewer.step("over") == [step, 3]  # over all of b: what comes after it is the backward pass
    with Reader(recorder.path) as reader:
        assert [(row.op, row.kind) for row in reader.rows(step)] == [
            ("square", "op"), ("exp", "op"), ("log", "op"), (None, "seed")]  # fmt: skip
    phases = [viewer.step("phase") for _ in range(4)]
    assert phases == [[step, 5], [step + 1, 0], [step + 1, 3], [step + 1, 5]]
    assert run.count in (step, step + 1)
    while viewer.step("row")[1] != 1:  # in b.c
        pass
    assert viewer.step("out")[1] == 2
    viewer.close()


def test_the_last_viewer_lets_it_go(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    first, second = attach(recorder), attach(recorder)
    first.say(do="pause")
    assert first.paused() == second.paused()
    first.close()
    time.sleep(0.1)
    held = run.count
    time.sleep(0.1)
    assert run.count == held
    assert second.step("step")[0] >= held
    second.close()
    goes_on(run)


def test_a_viewer_that_is_killed_lets_it_go(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    code = ("import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
            "s.sendall(b'{\"do\":\"pause\"}\\n'); time.sleep(60)")  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", code, recorder.address or ""])
    watcher = attach(recorder)
    watcher.paused()
    watcher.close()
    time.sleep(0.1)
    held = run.count
    time.sleep(0.1)
    assert run.count == held
    process.kill()
    process.wait()
    goes_on(run)


def test_the_level_can_be_changed(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)

    def last_value() -> tuple[bool, bool]:
        with Reader(recorder.path) as reader:
            number = next(row.value for row in reader.rows(reader.steps - 1) if row.op == "square")
            assert number is not None
            assert reader.level == "values"  # the most that there is
            return reader.values(number) is not None, reader.statistics(number) is not None

    for level, known in (("stats", (False, True)), ("meta", (False, False)), ("values", (True, True))):
        viewer.say(do="level", level=level)
        assert viewer.until(lambda message, level=level: message.get("level") == level)
        goes_on(run)
        viewer.say(do="pause")
        viewer.paused()
        viewer.step("step")
        assert last_value() == known
        viewer.say(do="resume")
    viewer.close()


def test_a_level_that_rises_is_told(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="meta", live=True) as recorder:
        viewer = attach(recorder)
        viewer.say(do="level", level="stats")
        viewer.until(lambda message: message.get("level") == "stats")
        leaf(1, 2.0)
        viewer.close()
    with Reader(recorder.path) as reader:
        assert reader.level == "stats"
        assert reader.trouble is None


@pytest.mark.parametrize("level", WITH_ELEMENTS)
def test_elements_are_spared_while_nobody_looks(level: Level, tmp_path: Path) -> None:
    def known() -> tuple[bool, bool]:
        """Whether the elements and the statistics of the last op were recorded."""
        with Reader(recorder.path) as reader:
            number = [row.value for row in reader.rows(reader.steps - 1) if row.kind == "op"][-1] or 0
            return reader.values(number) is not None, reader.statistics(number) is not None

    def computed() -> tuple[bool, bool]:
        op(next(numbers), "square", (1,), float(next(numbers)))
        observe.sink.commit()  # type: ignore[union-attr]
        return known()

    numbers = iter(range(10, 100))
    with Recorder(tmp_path / "r.tgr", level=level, live="spare") as recorder:
        leaf(1, 0.5, "w", parameter=True)
        assert computed() == (False, True)
        viewer = attach(recorder)
        viewer.until(lambda message: message.get("level") == level)
        assert computed() == (True, True)
        viewer.close()
        wait_until(lambda: observe.sink.level == "stats")  # type: ignore[union-attr]
        assert computed() == (False, True)
        viewer = attach(recorder)
        viewer.until(lambda message: message.get("level") == level)
        assert computed() == (True, True)
        observe.sink.budget = 0  # type: ignore[union-attr]
        assert computed() == (False, True)
        viewer.until(lambda message: message.get("level") == "stats")
        viewer.say(do="level", level=level)
        viewer.until(lambda message: message.get("level") == level)
        assert computed() == (True, True)
        viewer.close()


@pytest.mark.parametrize("static", [False, True])
def test_leaves_are_told_anew_where_more_is_kept(static: bool, tmp_path: Path) -> None:
    """Also a leaf that never changes has its elements soon after the level has risen, and each only once."""
    w, x = tg.Parameter([1.0, 2.0], name="w"), tg.tensor([0.5, -1.0], name="x")
    frozen = tg.tensor([3.0, 4.0], name="frozen")
    optimizer = optim.SGD([w], lr=0.125)

    def train(x: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.sum(w * x * frozen)
        loss.backward()
        optimizer.step()
        return loss

    step: Callable[[tg.Tensor], tg.Tensor] = tg.static(train) if static else train
    with Recorder(tmp_path / "r.tgr", level="stats", live=True):
        for level in (None, "values"):
            if level is not None:
                observe.sink.set_level(level)  # type: ignore[union-attr]
            for _ in range(4):
                step(x)
    with Reader(tmp_path / "r.tgr") as reader:
        for name, truth in (("w", None), ("x", [0.5, -1.0]), ("frozen", [3.0, 4.0])):
            rows = [row for number in range(reader.steps) for row in reader.rows(number)
                    if row.kind == "leaf" and row.name == name]  # fmt: skip
            assert [reader.values(row.value or 0) is not None for row in rows] == [False, True], name
            assert rows[1].step <= 5
            value = reader.values(reader.value_at(rows[0].vertex, Moment(7, 0, "fwd")) or 0)
            assert value is not None
            assert truth is None or value.tolist() == truth


def test_it_says_when_it_ends(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values", live=True) as recorder:
        address = recorder.address
        assert address is not None
        viewer = attach(recorder)
        leaf(1, 2.0)
    assert viewer.until(lambda message: message.get("state") == "ended")
    assert viewer.hear() == {}
    assert recorder.address is None
    assert not os.path.exists(address)
    with Reader(recorder.path) as reader:
        assert reader.trouble is None


def test_waiting_for_a_viewer(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values", live="wait") as recorder:
        run = Run(3)
        run.start()
        time.sleep(0.1)
        assert run.count == 0
        viewer = attach(recorder)
        assert viewer.paused() == [0, 0]
        viewer.say(do="resume")
        run.join(SECONDS)
        assert run.count == 3
        viewer.close()


def test_ctrl_c_while_it_is_held(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
                      "import teachgrad as tg\ntry:\n    x = tg.ones(3) * 2.0\nexcept KeyboardInterrupt:\n"
                      "    print('interrupted', float(tg.sum(tg.ones(4))), flush=True)\n    raise\n")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "teachgrad", "run", "--live", "--wait", "--record", str(tmp_path / "r.tgr"),
         str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stderr is not None
    address = process.stderr.readline().split()[-1]
    viewer = Client(address)
    viewer.paused()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=SECONDS)
    assert (out, process.returncode) == ("interrupted 4.0\n", 130)
    viewer.close()
    with Reader(tmp_path / "r.tgr") as reader:
        assert reader.trouble is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_are_not_held(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    viewer.say(do="pause")
    viewer.paused()
    child = multiprocessing.get_context("fork").Process(target=lambda: leaf(7, 1.0))
    child.start()
    child.join(SECONDS)
    assert child.exitcode == 0
    viewer.close()
    goes_on(run)
