"""The inspector line by line: the same commands, answered in sentences; a transcript is a script."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.glyphs import ASCII, UNICODE, Glyphs
from teachgrad_inspector.keys import ACTIONS, footer
from teachgrad_inspector.plain.console import Console
from teachgrad_inspector.screens import SCREENS, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options

from .runs import make
from .terminal import HAS_TMUX, Terminal
from .test_paper import HOSTILE, hostile

Open = Callable[..., Session]
COMMAND = [sys.executable, "-m", "teachgrad", "inspect"]


@pytest.fixture
def talk(session: Open, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs commands on a recording: `talk("net", "s", "q")` gives the status and what was printed."""

    def talk_(name: str, *commands: str, at: str | None = None, screen: str = "tape", options: Options | None = None,
              glyphs: Glyphs = UNICODE) -> tuple[int, str]:  # fmt: skip
        with ExitStack() as opened:
            console = Console(session(name), at, screen, options or Options(), glyphs, (100, 30), {}, opened)
            status = console.run(io.StringIO("\n".join(commands) + "\n"))
        return status, capsys.readouterr().out

    return talk_


def answers(text: str) -> list[list[str]]:
    """What was answered to each command; first what is said before any."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("> "):
            found.append([])
        else:
            assert line.startswith("  ")
            found[-1].append(line[2:])
    return found


def run(*arguments: str, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8", **env}
    return subprocess.run([*COMMAND, *arguments], input=text, capture_output=True, text=True, env=environment,
                          encoding="utf-8", timeout=60, check=False)  # fmt: skip


# ---- as a program ----------------------------------------------------------------------------------------------------


def test_a_transcript_is_a_script() -> None:
    script = "# the chain rule\ns 3\n:t0/bwd/a.grad\n2\np a.grad\nshow\nw a.grad > 3\nS\nx a = 2.01\nq\nnever reached\n"
    first = run("--demo", "micrograd", "--plain", text=script)
    assert (first.returncode, first.stderr) == (0, "")
    assert "never reached" not in first.stdout
    again = run("--demo", "micrograd", "--plain", text=first.stdout)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "  ╭─ backward of e = a · b" in first.stdout


@pytest.mark.parametrize(("script", "status"), [
    ("", 0), ("s\n", 0), ("q\n", 0), ("s", 0), ("nonsense\n", 1), (":t99\nq\n", 1), ("/nowhere\ns\n", 1),
    ("w 1 +\n", 1), ("c\n", 0),
])  # fmt: skip
def test_the_status_says_whether_all_could_be_done(
    script: str, status: int, talk: Callable[..., tuple[int, str]]
) -> None:
    assert talk("net", *script.splitlines())[0] == status


def test_a_file_that_cannot_be_read_is_status_2(tmp_path: Path) -> None:
    (tmp_path / "a.tgr").write_bytes(b"nothing")
    done = run(str(tmp_path / "a.tgr"), "--plain", text="s\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_without_colour_and_beyond_ascii(tmp_path: Path) -> None:
    path = str(make("net", tmp_path))
    done = run(path, "--plain", "--ascii", text="2\n3\n5\n6\nshow\n", NO_COLOR="1", TERM="dumb")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_no_terminal_library_is_loaded() -> None:
    code = ("import sys, teachgrad.cli as cli\ncli.main(['inspect', '--demo', 'micrograd', '--plain'])\n"
            "print([name for name in ('textual', 'rich') if name in sys.modules])")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], input="s\n2\n", capture_output=True, text=True, env=environment,
                          check=True)  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(not HAS_TMUX, reason="needs tmux")
@pytest.mark.slow
def test_in_a_terminal() -> None:
    with Terminal(60, 24) as terminal:
        terminal.teachgrad("inspect", "--demo", "micrograd", "--plain")
        terminal.wait(r"^>$")
        terminal.type("show")
        terminal.press("Enter")
        assert all(len(line) <= 57 + 2 for line in terminal.settled(r"^   ? ?s step").splitlines())
        terminal.type("G")
        terminal.press("Enter")
        terminal.wait(r"e back to a as e.grad ·\n    b; it is added to what is there, 4\.$")
        terminal.type("g")
        terminal.press("Enter")
        terminal.wait(r"^  t0/fwd/0: a is used[^>]*\n>$")
        terminal.type("s")
        terminal.press("Enter")
        terminal.wait(r"^  t0/fwd/1: b is used")
        terminal.press("C-c")
        terminal.type("nonsense")
        terminal.press("Enter")
        terminal.wait("there is no command 'nonsense'")
        terminal.press("C-d")
        terminal.wait(r"^status 0")  # only scripts have a status of their own


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_steps_are_told_one_by_one(talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk("micrograd", "s 3", "S")
    _, single = talk("micrograd", "s", "s", "s", "S")
    told = answers(text)
    assert told[1] == [line for lines in answers(single)[1:4] for line in lines]
    assert told[1][-1] == "t0/fwd/3: d is computed as e + a, -4."
    assert told[2] == ["t0/fwd/2: e is computed as a · b, -6."]


def test_the_ends_are_told(talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk("micrograd", "S", "G", "s")
    assert answers(text)[1] == ["nothing to tell has changed"]
    assert answers(text)[3] == ["nothing to tell has changed"]


def test_the_chain_rule_in_numbers(talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk("micrograd", "f", at="t0/bwd/a.grad", screen="chain")
    told = answers(text)
    for line in ("forward: e = a · b = (2) · (-3) = -6", "rule: ∂e/∂a = b; ∂e/∂b = a",
                 "∂L/∂a gets ∂L/∂e · ∂e/∂a = (-2) · (-3) = +6; this one", "from d: -2, running 0 to -2", "total 4",
                 "from e: +6, running -2 to 4; this one", "all paths together: 4"):  # fmt: skip
        assert line in told[0], line
    assert told[1][0] == "check: on"
    assert told[1][1].startswith("finite difference of L by a: 4; agrees with 4")
    assert len(told[1]) == 2  # what was said before is not said again


def test_on_the_map_a_step_tells_what_has_changed(talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk("net", "s", "tell", at="t0/fwd/2", screen="map")
    first, step, whole = answers(text)
    assert any(line.endswith("you are here") for line in first)
    here = next(line for line in whole if line.endswith("you are here"))
    assert here in step
    assert here not in first
    assert len(step) < len(whole)
    assert set(step[1:]) == set(whole) - set(first)


def test_values_are_printed(session: Open, talk: Callable[..., tuple[int, str]]) -> None:
    commands = ["p fc1.weight.grad[0,1]", "p norm(fc2.weight.grad) > 1", "p fc1.weight.grad", "p nothing", "p 1 +"]
    _, text = talk("net", *commands, at="t1/bwd/fc1.weight.grad")
    told = answers(text)
    opened = session("net")
    gradient = opened.run.values(opened.row(opened.run.resolve("t1/bwd/fc1.weight.grad")).value or 0)
    assert gradient is not None
    assert told[1] == [f"fc1.weight.grad[0,1] is {gradient[0, 1]:.4g}"]
    assert told[2] == ["norm(fc2.weight.grad) > 1 is true"]
    shown = np.array(eval("".join(told[3][1:])))
    np.testing.assert_allclose(shown, gradient, rtol=1e-6)
    assert told[4] == ["there is no row about 'nothing'"]


def test_a_name_of_nothing_is_not_one_to_come(talk: Callable[..., tuple[int, str]]) -> None:
    status, text = talk("micrograd", "p d", "p d.grad * 2")
    assert (status, answers(text)[1:]) == (0, [["d is not there yet"], ["d.grad * 2 is not there yet"]])
    status, text = talk("micrograd", "p zzz")
    assert (status, answers(text)[1:]) == (1, [["there is no row about 'zzz'"]])
    status, text = talk("micrograd", "p d + d.grap")
    assert (status, answers(text)[1:]) == (1, [["there is no row about 'd.grap'; did you mean 'd.grad'?"]])


def test_what_is_watched_is_told_at_every_step(talk: Callable[..., tuple[int, str]]) -> None:
    status, text = talk("micrograd", "w a.grad > 3", "c", "C", "b", "B", at="t0/bwd/7")
    told = answers(text)
    assert status == 0
    assert told[1] == ["watching a.grad > 3; c and C run to where it becomes true", "a.grad > 3 is not there yet"]
    assert told[2][0] == "a.grad > 3 becomes true"
    assert told[2][1].startswith("t0/bwd/12: Gradient flows from e back to a")
    assert told[2][2] == "a.grad > 3 is true"
    assert "breakpoint at a.grad; stops at t0/bwd/9, t0/bwd/12" in told[5]


def test_the_part_of_the_rows_that_is_shown_is_told(talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk("micrograd", ":t0/fwd/d", "i", "i", "filter op:add", "predict", "i", "predict", "filter", "a -6")
    told = answers(text)
    assert told[2] == ["ancestors of d: 4 of 13"]
    assert told[3] == ["descendants of d: 3 of 13"]
    assert told[4][0] == "filter op:add: 3 of 13"
    assert told[6][0] == "not as long as you predict: what comes of what would be given away"
    assert told[9] == ["p hides what is to be predicted, a answers"]


def test_trouble_is_told(talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk("trouble", "C", at="last")
    assert "error: 1 nan" in answers(text)[1]


def test_a_change_is_predicted_and_computed(talk: Callable[..., tuple[int, str]]) -> None:
    for command in ("x a = 2.5", "x 2.5", "what_if a = 2.5"):
        _, text = talk("micrograd", command, at="t0/fwd/0")
        assert answers(text)[1][1:4] == [
            "if a were 2.5 instead of 2 in t0:", "the gradient 4 predicts that L changes by +2",
            "really it changes by +2, from 8 to 10"]  # fmt: skip


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", ["micrograd", "net", "program", "trouble", "attention"])
def test_every_screen_is_told_without_drawing(name: str, screen: str, talk: Callable[..., tuple[int, str]]) -> None:
    _, text = talk(name, "tell", "s", "}", "j", "tell", at="t0/3", screen=screen)
    assert len(answers(text)[1]) >= 1
    assert not any("─" <= character <= "▟" or "⠀" <= character <= "⣿" for character in text)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_command_can_be_given_everywhere(screen: str, talk: Callable[..., tuple[int, str]]) -> None:
    commands = [f"{action.id} {argument}".strip() for action in ACTIONS.values() if action.id != "quit"
                for argument in ("", "1")]  # fmt: skip
    _, text = talk("net", *commands, at="t1/bwd/h.grad", screen=screen)
    told = answers(text)[1:]
    assert len(told) == len(commands)
    assert all(told)
    assert "quit" not in " ".join(line for lines in told for line in lines if line.startswith("there is no command"))


def test_shown_is_what_would_be_drawn(session: Open, talk: Callable[..., tuple[int, str]]) -> None:
    opened = session("net")
    moment = opened.run.resolve("t1/bwd/h.grad")
    for screen in SCREENS:
        _, text = talk("net", f"show {screen}", at="t1/bwd/h.grad")
        canvas = frame(opened, moment, screen, Options(), 100, 30, UNICODE, footer(SCREENS[screen].actions, {}))
        assert [line.rstrip() for line in answers(text)[1]] == canvas.text()


def test_predicted_gradients_are_not_given_away(talk: Callable[..., tuple[int, str]]) -> None:
    commands = [*(SCREENS[screen].key for screen in ("chain", "map", "memory", "train", "kernels", "doctor", "stops")),
                "e", "p a.grad", "f", "x a = 2.01", "1", "tell", "show"]  # fmt: skip
    _, text = talk("micrograd", *commands, at="t0/bwd/a.grad", options=Options(predict=True))
    for secret in ("+6", "-2 to", "total 4", "is 4", "gradient ∂L/∂a: 4", "agrees", "predicts", "together: 4"):
        assert secret not in text, secret
    assert "a.grad is hidden as long as it is to be predicted" in text
    _, text = talk("micrograd", "r", "tell", at="t0/bwd/a.grad", options=Options(predict=True))
    assert "gradient ∂L/∂a: 4" in text


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    path = hostile(tmp_path)
    script = "".join(f"{screen.key}\nshow\ntell\n" for screen in SCREENS.values()) + f"/{HOSTILE}\n"
    done = run(str(path), "--plain", text=script)
    assert not {"\x07", "\u202e"} & {*done.stdout.rpartition("> /")[0]}
    assert done.stderr == ""


def test_in_ascii_all_is_ascii(talk: Callable[..., tuple[int, str]]) -> None:
    commands = [f"{item.key}\nshow" for item in SCREENS.values()]
    _, text = talk("net", *commands, "?", at="t1/bwd/h.grad", glyphs=ASCII)
    assert text.isascii()


def test_a_growing_recording_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import teachgrad as tg

    with ExitStack() as opened, Recorder(tmp_path / "r.tgr", level="values") as recorder:
        x = tg.tensor(3.0, requires_grad=True, name="x")
        y = x * x
        growing = opened.enter_context(Reader(recorder.path))
        while growing.steps == 0 or growing.length(0) < 2:  # rows are written a few times a second
            time.sleep(0.02)
            growing.refresh()
        console = Console(Session(growing), None, "tape", Options(), UNICODE, (100, 30), {}, opened)
        assert console.carry_out("G")
        assert "y is computed as x · x" in capsys.readouterr().out
        y.backward()
        while growing.length(0) < 4:
            time.sleep(0.02)
            assert console.carry_out("G")
    assert "Gradient flows from y back to x" in capsys.readouterr().out
