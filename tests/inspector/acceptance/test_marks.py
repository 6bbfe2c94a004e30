"""Check 7: what is meant is seen without colour; and the ways in by mouse, keyboard, palette and theme."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.inspector.runs import make
from tests.inspector.terminal import HAS_TMUX, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_TMUX, reason="there is no tmux")]


def test_7_cursor_breakpoint_and_trouble_differ_by_their_characters(tmp_path: Path) -> None:
    with Terminal(100, 30, env={"NO_COLOR": "1"}) as terminal:
        terminal.type("export NO_COLOR=1")
        terminal.press("Enter")
        terminal.teachgrad("inspect", str(make("trouble", tmp_path)), "--ascii", "--at", "t0/fwd/1")
        terminal.wait_at("t0/fwd/1")
        terminal.press("b", "s")
        screen = terminal.settled_at("t0/fwd/2")
        assert screen.isascii()
        lines = [line[1:].split(" |")[0] for line in screen.splitlines() if re.match(r"^\|[> ] +\d+", line)]
        assert [line[0] for line in lines[:3]] == [" ", " ", ">"]
        assert [line[4] for line in lines[:3]] == [" ", "B", " "]  # the breakpoint
        assert [line[5] for line in lines[:3]] == ["o", "*", "X"]  # a leaf, an op, trouble
        coloured = terminal.capture("-e")
        assert not re.search(r"\x1b\[[0-9;]*[34]8;", coloured)
        assert not re.search(r"\x1b\[[0-9;]*\b(3[1-7]|4[1-7]|9[0-7])m", coloured)
        terminal.press("q")
        terminal.wait_for_end()


def test_the_mouse(tmp_path: Path) -> None:
    with Terminal(100, 30) as terminal:
        terminal.teachgrad("inspect", str(make("net", tmp_path)))
        screen = terminal.settled_at("t0/fwd/0")
        row = next(y for y, line in enumerate(screen.splitlines()) if "relu(fc1.matmul)" in line or "relu(z)" in line)
        for kind in "Mm":  # pressed and let go, as terminals tell it
            terminal.type(f"\x1b[<0;20;{row + 1}{kind}")
        terminal.wait_at("t0/fwd/3")
        terminal.type(f"\x1b[<65;20;{row + 1}M")  # the wheel, down
        terminal.wait_at("t0/fwd/6")
        terminal.type(f"\x1b[<64;20;{row + 1}M")
        terminal.wait_at("t0/fwd/3")
        place = terminal.capture().splitlines()[0].index("3 Map") + 1
        for kind in "Mm":
            terminal.type(f"\x1b[<0;{place};1{kind}")
        terminal.wait("─ map ─")
        terminal.press("q")
        terminal.wait_for_end()


def test_the_palette_and_the_help(tmp_path: Path) -> None:
    with Terminal(100, 30) as terminal:
        terminal.teachgrad("inspect", str(make("net", tmp_path)))
        terminal.wait_at("t0/fwd/0")
        terminal.press("C-p")
        terminal.wait("Search for commands")
        terminal.type("to the last moment")
        terminal.wait("Time: to the last moment")
        terminal.press("Enter")
        terminal.wait_at("t1/upd/15")
        terminal.press("?")
        assert re.search(r"one event forward", terminal.wait("Tape: every event"))
        terminal.press("Escape")
        terminal.wait("^│ upd ─")  # a key right after escape would be taken for one with alt
        terminal.press("/", "F1")
        terminal.wait(r"op:exp")
        terminal.press("Escape")
        terminal.wait("^│ upd ─")
        terminal.press("Escape")
        terminal.wait(r"q quit\s*\Z")
        terminal.press("g")
        terminal.wait_at("t0/fwd/0")
        terminal.press("q")
        terminal.wait_for_end()


@pytest.mark.parametrize(("theme", "background"), [("light", "48;2;250;250;250"), ("high-contrast", "48;2;0;0;0")])
def test_a_theme_from_the_command_line(theme: str, background: str, tmp_path: Path) -> None:
    with Terminal(80, 24) as terminal:
        terminal.teachgrad("inspect", str(make("net", tmp_path)), "--theme", theme)
        terminal.settled_at("t0/fwd/0")
        coloured = terminal.capture("-e")
        assert background in coloured
        terminal.press("q")
        terminal.wait_for_end()


def test_keys_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "teachgrad").mkdir()
    keys = tmp_path / "teachgrad" / "keys.json"
    keys.write_text('{"step": "%,f7"}')
    with Terminal(100, 30, env={"XDG_CONFIG_HOME": str(tmp_path)}) as terminal:
        terminal.teachgrad("inspect", str(make("net", tmp_path)))
        terminal.wait_at("t0/fwd/0")
        terminal.press("%", "F7")
        terminal.wait_at("t0/fwd/2")
        terminal.press("q")
        terminal.wait_for_end()
        keys.write_text('{"step": "o"}')
        terminal.teachgrad("inspect", str(tmp_path / "net.tgr"))
        terminal.wait(r"two things, 'step' and 'over'")
        terminal.wait_for_end("2")
