"""The real program in a real terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .runs import make
from .terminal import HAS_TMUX, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_TMUX, reason="there is no tmux")]

DEMO = ("inspect", "--demo", "micrograd")


def test_it_opens_and_leaves_the_terminal_as_it_was() -> None:
    with Terminal() as terminal:
        terminal.type("stty -a | tr ';' '\\n' > /tmp/before.$$; echo done")
        terminal.press("Enter")
        terminal.wait("^done")
        terminal.teachgrad(*DEMO)
        screen = terminal.settled_at("t0/fwd/0")
        assert "○" in screen
        assert "●" in screen
        assert re.search(r"^ s step ", screen, re.MULTILINE)
        terminal.press("q")
        terminal.wait_for_end()
        terminal.type("stty -a | tr ';' '\\n' | diff - /tmp/before.$$ && rm /tmp/before.$$ && echo same")
        terminal.press("Enter")
        terminal.wait("^same")
        terminal.type("x")
        assert terminal.wait(r"^\$ x").rstrip().endswith("$ x")


def test_an_internal_error_is_not_a_success() -> None:
    code = ("import teachgrad_inspector.app.application as a; a.Inspector.action_go = lambda self: 1 / 0; "
            "from teachgrad.cli import main; import sys; sys.exit(main(sys.argv[1:]))")  # fmt: skip
    with Terminal() as terminal:
        terminal.type(f'{sys.executable} -c "{code}" {" ".join(DEMO)}; echo status $?')
        terminal.press("Enter")
        terminal.wait_at("t0/fwd/0")
        terminal.press(":")
        terminal.wait_for_end("[1-9]")


def test_time_travel_is_exact() -> None:
    with Terminal() as terminal:
        terminal.teachgrad(*DEMO)
        there = [terminal.settled_at("t0/fwd/0")]
        moments = [f"t0/{'fwd' if row < 6 else 'bwd'}/{row}" for row in range(13)]
        for moment in moments[1:]:
            terminal.press("s")
            there.append(terminal.settled_at(moment))
        for k in range(11, -1, -1):
            terminal.press("S")
            terminal.wait_for(there[k])
        terminal.press("G")
        terminal.wait_at("t0/bwd/12")
        terminal.press("g")
        terminal.wait_for(there[0])
        terminal.press("q")
        terminal.wait_for_end()


def test_the_chain_rule_with_numbers() -> None:
    with Terminal() as terminal:
        terminal.teachgrad(*DEMO)
        terminal.wait_at("t0/fwd/0")
        terminal.press(":")
        terminal.type("t0/bwd/a.grad")
        terminal.press("Enter")
        terminal.wait_at("t0/bwd/12")
        terminal.press("Enter")
        screen = terminal.settled("backward of e = a · b")
        assert all(part in screen for part in ("(-2) · (-3)", "+6", "running -2", "total 4"))
        assert len(re.findall(r"edge \w→a ", screen)) == 2
        terminal.press("f")
        found = re.search(r"/2h = (\S+)", terminal.wait("/2h = "))
        assert found is not None
        assert abs(float(found[1]) - 4) < 1e-6


def test_resizing() -> None:
    with Terminal() as terminal:
        terminal.teachgrad(*DEMO, "--at", "t0/bwd/a.grad")
        first = terminal.settled_at("t0/bwd/12")
        for columns, rows in ((60, 20), (40, 12), (20, 5), (200, 60), (39, 30), (80, 24)):
            terminal.resize(columns, rows)
            if columns >= 40:
                assert "a.grad" in terminal.settled_at("t0/bwd/12")
            else:
                terminal.wait("too small")
            assert "Traceback" not in terminal.capture()
        terminal.wait_for(first)


def test_without_colour_in_ascii() -> None:
    with Terminal(env={"NO_COLOR": "1"}) as terminal:
        terminal.type("export NO_COLOR=1")
        terminal.press("Enter")
        terminal.teachgrad(*DEMO, "--ascii")
        terminal.wait_at("t0/fwd/0")
        terminal.press("s")
        screen = terminal.settled_at("t0/fwd/1")
        assert screen.isascii()
        assert len(re.findall(r"^\|>", screen, re.MULTILINE)) == 1
        coloured = terminal.capture("-e")
        assert not re.search(r"\x1b\[[0-9;]*[34]8;", coloured)
        assert not re.search(r"\x1b\[[0-9;]*\b(3[1-7]|4[1-7]|9[0-7])m", coloured)
        terminal.press("2")
        assert terminal.settled("accumulator").isascii()
        terminal.press("q")
        terminal.wait_for_end()


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = make("trouble", tmp_path)
    with Terminal() as terminal:
        before = terminal.title()
        terminal.teachgrad("inspect", str(path))
        screen = terminal.settled_at("t0/fwd/0")
        assert "[bold]x[/] \\x1b]0;" in screen
        assert terminal.title() == before
        terminal.press("q")
        terminal.wait_for_end()


def test_two_viewers_of_a_killed_run(tmp_path: Path) -> None:
    script, recording = tmp_path / "train.py", tmp_path / "a.tgr"
    script.write_text(
        "import time\nimport teachgrad as tg\nfrom teachgrad import optim\nw = tg.Parameter([1.0, 2.0])\n"
        "opt = optim.SGD([w], lr=0.1)\nfor step in range(10_000):\n    loss = tg.sum(w * w)\n    opt.zero_grad()\n"
        "    loss.backward()\n    opt.step()\n    print(step, flush=True)\n    time.sleep(0.02)\n")  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "teachgrad", "run", "--record", str(recording), str(script)],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 30:
            break
    with Terminal(100, 30) as growing, Terminal(100, 30) as killed:
        growing.teachgrad("inspect", str(recording))
        growing.wait_at("t0/fwd/0")  # while it is being written
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        killed.teachgrad("inspect", str(recording), "--at", "last")
        screen = killed.wait(r"^ ?t\d+/")
        step = re.search(r"^ ?t(\d+)/", screen, re.MULTILINE)
        assert step is not None
        assert int(step[1]) >= 15
        assert "ended early" in screen.splitlines()[0]
        for _ in range(20):  # it may not have looked for new rows since the last were written
            growing.press("G")
            if re.search(rf"^ ?t{step[1]}/", growing.wait(r"^ ?t\d+/"), re.MULTILINE):
                break
            time.sleep(0.2)
        growing.wait(rf"^ ?t{step[1]}/")
        for terminal in (growing, killed):
            terminal.press("q")
            terminal.wait_for_end()


def test_stopped_and_continued() -> None:
    with Terminal() as terminal:
        terminal.teachgrad(*DEMO)
        terminal.wait_at("t0/fwd/0")
        terminal.press("C-z")
        terminal.wait(r"^\$ *$|Stopped|suspended", 5)
        terminal.type("fg")
        terminal.press("Enter")
        terminal.wait_at("t0/fwd/0")
        terminal.press("s")
        terminal.wait_at("t0/fwd/1")


def test_a_hundred_thousand_ops() -> None:
    """What 100,000 ops cost in time depends on the machine; in memory, far less than their values would."""
    with Terminal(100, 30) as terminal:
        terminal.teachgrad("inspect", "--demo", "layered:100000")
        terminal.wait_at("t0/fwd/0")
        terminal.press("G")
        terminal.wait_at("t0/fwd/100000")
        for k in range(20):
            terminal.press("S")
            terminal.wait_at(f"t0/fwd/{99_999 - k}")
        terminal.press("/")
        terminal.type("op_50000")
        terminal.press("Enter")
        terminal.wait_at("t0/fwd/50001")
        status = Path(f"/proc/{terminal.process()}/status").read_text()
        memory = re.search(r"VmRSS:\s+(\d+)", status)
        assert memory is not None
        assert int(memory[1]) < 700_000  # kB
        terminal.press("q")
        terminal.wait_for_end()


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_map_and_the_training(size: tuple[int, int], tmp_path: Path) -> None:
    with Terminal(*size) as terminal:
        terminal.teachgrad("inspect", str(make("attention", tmp_path)), "--screen", "map")
        terminal.wait("┃ ▶ x ┃")
        for key, there in (("j", r"┃ ▶ block"), ("Enter", r"┃ ▶ q "), ("j", r"┃ ▶ scores"), ("BSpace", r"┃ ▶ block")):
            terminal.press(key)
            terminal.wait(there)
        terminal.press("q")
        terminal.wait_for_end()
    with Terminal(*size) as terminal:
        terminal.teachgrad("inspect", str(make("training", tmp_path)), "--screen", "train")
        terminal.wait("▶ fc.weight")
        terminal.press("s")
        terminal.wait_at("t1/fwd/0")
        terminal.press("j")
        terminal.wait("▶ h")  # the second moment is about z
        terminal.resize(40, 10)
        terminal.wait("^╭─ loss .*─╮$")
        terminal.press("q")
        terminal.wait_for_end()


def test_passes_are_stepped_through_both_ways() -> None:
    """Each rewrite has a rule with its place, the error that it makes and its costs; and going back is exact."""
    with Terminal(120, 34) as terminal:
        terminal.teachgrad("inspect", "--demo", "static_mlp", "--screen", "passes")
        there = [terminal.settled("graph as recorded")]
        terminal.press("s")
        there.append(terminal.settled("rewrite 1 of"))
        count = int(re.search(r"graph after rewrite 1 of (\d+)", there[1])[1])  # type: ignore[index]
        for k in range(2, count + 1):
            terminal.press("s")
            there.append(terminal.settled(f"graph after rewrite {k} of {count}" if k < count else "graph as compiled"))
        for screen in there[1:]:
            assert re.search(r"─ pass:[a-z_.0-9]+/\d+  \w+ ─+ \w+\.py:\d+ ─", screen)
            error = re.search(r"ok max \|Δ\| ([0-9.e-]+) on the recorded inputs", screen)
            assert error is not None
            assert float(error[1]) <= 1e-5
            assert re.search(r"Δ ops [-+0-9]+, kernels [-+0-9]+, moved ", screen)
        assert len(set(there)) == count + 1
        for k in range(count - 1, -1, -1):
            terminal.press("S")
            terminal.wait_for(there[k])
        terminal.press("7")
        terminal.wait("kernels of train_step")
        terminal.press("5")
        terminal.wait(r"arena [0-9.]+ kB, by the plan")
        terminal.press("q")
        terminal.wait_for_end()
