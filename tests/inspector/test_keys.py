"""Every key, in the application without a terminal: what it does, and that the screen is what the printed twin says."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from teachgrad.errors import TeachgradError
from teachgrad_inspector.app.application import Inspector
from teachgrad_inspector.app.help import MEANT, HelpScreen, help_text, prompt_help
from teachgrad_inspector.app.sheet import Sheet
from teachgrad_inspector.commands.inspect import add_arguments, main
from teachgrad_inspector.glyphs import ASCII, UNICODE
from teachgrad_inspector.keys import ACTIONS, footer, keymap_file, load_keymap
from teachgrad_inspector.keys import shown as key_shown
from teachgrad_inspector.matching import GivenUp
from teachgrad_inspector.screens import SCREENS, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options

from .runs import make

Open = Callable[..., Session]


@asynccontextmanager
async def running(
    session: Session,
    address: str | None = None,
    screen: str = "tape",
    size: tuple[int, int] = (80, 24),
    ascii_only: bool = False,
    keymap: dict[str, str] | None = None,
) -> AsyncIterator[Pilot[int]]:
    app = Inspector(session, address, screen, Options(), ASCII if ascii_only else UNICODE, keymap or {})
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


def app_of(pilot: Pilot[int]) -> Inspector:
    assert isinstance(pilot.app, Inspector)
    return pilot.app


def shown(pilot: Pilot[int]) -> list[str]:
    """The lines on the screen."""
    sheet = app_of(pilot).query_one(Sheet)
    return [sheet.render_line(y).text.rstrip() for y in range(sheet.size.height)]


async def type_in(pilot: Pilot[int], text: str) -> None:
    """Answer a prompt that is open."""
    pilot.app.query_one("#prompt", Input).value = text
    await pilot.press("enter")
    await pilot.pause()


MOVES = [  # (start, keys, where they lead)
    ("t0/fwd/0", ["s"], "t0/fwd/1"), ("t0/fwd/0", ["right"], "t0/fwd/1"), ("t0/fwd/0", ["s", "s", "S"], "t0/fwd/1"),
    ("t0/fwd/2", ["left"], "t0/fwd/1"), ("t0/fwd/0", ["S"], "t0/fwd/0"),
    ("t0/fwd/0", ["o"], "t0/fwd/3"), ("t0/fwd/3", ["O"], "t0/fwd/0"),
    ("t0/fwd/1", ["u"], "t0/fwd/3"), ("t0/fwd/2", ["U"], "t0/fwd/1"),
    ("t0/fwd/0", ["right_square_bracket"], "t0/bwd/9"), ("t0/bwd/12", ["left_square_bracket"], "t0/bwd/9"),
    ("t0/bwd/15", ["right_curly_bracket"], "t1/bwd/13"), ("t1/bwd/13", ["left_curly_bracket"], "t0/bwd/15"),
    ("t0/bwd/15", ["g"], "t0/fwd/0"), ("t0/fwd/0", ["G"], "t1/upd/15"), ("t0/fwd/3", ["home"], "t0/fwd/0"),
    ("t0/fwd/3", ["end"], "t1/upd/15"), ("t0/fwd/3", ["j", "down"], "t0/fwd/5"), ("t0/fwd/3", ["k", "up"], "t0/fwd/1"),
    ("t0/fwd/3", ["l"], "t0/fwd/4"), ("t0/fwd/3", ["h"], "t0/fwd/2"),
    ("t0/fwd/0", ["pagedown"], "t0/upd/17"), ("t0/upd/17", ["pageup"], "t0/fwd/0"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "keys", "end"), MOVES)
async def test_keys_that_move(start: str, keys: list[str], end: str, session: Open) -> None:
    async with running(session("net"), start) as pilot:
        await pilot.press(*keys)
        assert str(app_of(pilot).moment) == end
        assert shown(pilot)[-2].startswith(f" {end} ")


async def test_time_travel_is_exact(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        there = [shown(pilot)]
        for _ in range(12):
            await pilot.press("s")
            there.append(shown(pilot))
        assert there[-1][-2].startswith(" t0/bwd/12 a.grad ")
        for k in range(11, -1, -1):
            await pilot.press("S")
            assert shown(pilot) == there[k]
        await pilot.press("G", "g")
        assert shown(pilot) == there[0]


@pytest.mark.parametrize("name", ["micrograd", "net", "deep", "trouble"])
@pytest.mark.parametrize("screen", SCREENS)
async def test_the_screen_is_what_is_printed(name: str, screen: str, session: Open) -> None:
    opened = session(name)
    async with running(opened, None, screen, (100, 30)) as pilot:
        for _ in range(15):
            moment = app_of(pilot).moment
            keys = footer(SCREENS[screen].actions)
            printed = frame(opened, moment, screen, Options(), 100, 30, UNICODE, keys).text()
            assert shown(pilot) == printed
            await pilot.press("s")


async def test_the_chain_rule_by_keys(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        await pilot.press("colon")
        await type_in(pilot, ":t0/bwd/a.grad")
        assert str(app_of(pilot).moment) == "t0/bwd/12"
        await pilot.press("enter")
        text = "\n".join(shown(pilot))
        assert all(part in text for part in ("(-2) · (-3)", "+6", "running -2", "total 4"))
        assert "finite difference " not in text
        await pilot.press("f")
        assert "(L(a+h)-L(a-h))/2h = 4 " in "\n".join(shown(pilot))
        await pilot.press("backspace")
        assert app_of(pilot).shown == "tape"
        await pilot.press("f")
        assert (app_of(pilot).shown, app_of(pilot).options.check) == ("chain", True)


async def test_screens_by_number(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        for key, screen in (("2", "chain"), ("1", "tape")):
            await pilot.press(key)
            assert app_of(pilot).shown == screen


async def test_elements(session: Open) -> None:
    async with running(session("net"), "t0/bwd/fc1.weight.grad", "chain") as pilot:
        assert "fc1.weight.grad[0,0] = " in "\n".join(shown(pilot))
        for key, element in (("l", "0,1"), ("j", "1,1"), ("h", "1,0"), ("k", "0,0"), ("k", "1,0"), ("down", "0,0")):
            await pilot.press(key)
            assert f"fc1.weight.grad[{element}] = " in "\n".join(shown(pilot))
        await pilot.press("colon")
        await type_in(pilot, ":[1,1]")
        assert "fc1.weight.grad[1,1] = " in "\n".join(shown(pilot))
        await pilot.press("full_stop")
        assert "fc1.weight.grad[0,0] = " in "\n".join(shown(pilot))
        await pilot.press("l", "s", "S")  # another row has its own largest element
        assert "fc1.weight.grad[0,0] = " in "\n".join(shown(pilot))


async def test_folding(session: Open) -> None:
    async with running(session("net"), "t0/fwd/2") as pilot:
        await pilot.press("backspace")
        assert "▸ fc1" in "\n".join(shown(pilot))
        await pilot.press("s")
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        await pilot.press("S", "enter")
        assert "▸ fc1" not in "\n".join(shown(pilot))
        assert app_of(pilot).shown == "tape"
        await pilot.press("g", "backspace")
        assert "no module here to fold" in shown(pilot)[-1]
        await pilot.press("escape")
        assert "no module" not in shown(pilot)[-1]


async def test_search(session: Open) -> None:
    async with running(session("net")) as pilot:
        await pilot.press("n")
        assert "press /" in shown(pilot)[-1]
        await pilot.press("slash")
        await type_in(pilot, "/relu")
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        await pilot.press("n")
        assert str(app_of(pilot).moment) == "t1/fwd/2"
        await pilot.press("N")
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        await pilot.press("slash")
        await type_in(pilot, "/no such thing")
        assert "'no such thing' is not found" in shown(pilot)[-1]


async def test_a_prompt_takes_keys_that_are_typed_fast(session: Open) -> None:
    async with running(session("net")) as pilot:
        for key in ("slash", "r", "e", "l", "u", "enter"):
            app_of(pilot).simulate_key(key)
        await pilot.pause()
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        assert not app_of(pilot).options.revealed


async def test_keys_that_are_typed_fast_keep_their_order(session: Open) -> None:
    """A prompt opens at once: keys from before it must have done their work by then."""
    async with running(session("net")) as pilot:
        for key in ("2", "s", "slash", "r", "e", "l", "u", "enter"):
            app_of(pilot).simulate_key(key)
        await pilot.pause()
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        assert app_of(pilot).shown == "chain"
        for key in ("slash", "x", "escape", "3"):
            app_of(pilot).simulate_key(key)
        await pilot.pause()
        assert app_of(pilot).shown == "map"


async def test_prompts_close(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        prompt = pilot.app.query_one("#prompt", Input)
        await pilot.press("colon")
        assert prompt.display
        await pilot.press("backspace")
        assert not prompt.display
        await pilot.press("slash", "escape")
        assert not prompt.display
        await pilot.press("s")
        assert str(app_of(pilot).moment) == "t0/fwd/1"
        await pilot.press("colon")
        await type_in(pilot, ":t9")
        assert "there is no training step t9" in shown(pilot)[-1]
        assert str(app_of(pilot).moment) == "t0/fwd/1"


async def test_panes_and_zoom(session: Open) -> None:
    async with running(session("micrograd"), "t0/bwd/12", size=(50, 16)) as pilot:
        seen = []
        for _ in range(5):
            seen.append(shown(pilot)[1].strip("╭─ ").split("  ")[0].split(" ─")[0])
            await pilot.press("tab")
        assert seen == ["tape", "value", "gradient", "ledger", "source"]
        assert app_of(pilot).options.pane == 0
        await pilot.press("shift+tab")
        assert app_of(pilot).options.pane == 4
    async with running(session("micrograd"), "t0/bwd/12", size=(100, 30)) as pilot:
        await pilot.press("tab", "z")
        assert shown(pilot)[1].startswith("╭─ value  a ─")
        await pilot.press("escape")
        assert shown(pilot)[1].startswith("╭─ tape ─")


async def test_breakpoints(session: Open) -> None:
    async with running(session("net"), "t0/bwd/15", size=(100, 30)) as pilot:
        await pilot.press("b")
        assert "stops at fc1.weight.grad" in shown(pilot)[-1]
        assert any(line.startswith("│▶ 15■") for line in shown(pilot))
        await pilot.press("g", "c")
        assert str(app_of(pilot).moment) == "t0/bwd/15"
        assert "at fc1.weight.grad" in shown(pilot)[-1]
        await pilot.press("c")
        assert str(app_of(pilot).moment) == "t1/bwd/13"
        await pilot.press("c")
        assert "nothing to stop at from here on" in shown(pilot)[-1]
        await pilot.press("C")
        assert str(app_of(pilot).moment) == "t0/bwd/15"
        await pilot.press("B")
        assert app_of(pilot).shown == "stops"
        assert "▶ ■ at fc1.weight.grad" in "\n".join(shown(pilot))
        await pilot.press("b")
        assert "no stops yet" in "\n".join(shown(pilot))
        await pilot.press("1", "b", "b")
        assert "no longer stops" in shown(pilot)[-1]
        assert app_of(pilot).options.stops == ()


async def test_watched_conditions(session: Open) -> None:
    async with running(session("net"), "t0/fwd/0", size=(100, 30)) as pilot:
        await pilot.press("w")
        await type_in(pilot, "watch norm(fc1.weight.grad) > 1")
        assert "norm(fc1.weight.grad) > 1" in "\n".join(shown(pilot))
        assert "not there yet" in "\n".join(shown(pilot))
        await pilot.press("w")
        await type_in(pilot, "watch max(h")
        assert "is expected" in shown(pilot)[-1]
        assert len(app_of(pilot).options.stops) == 1
        await pilot.press("c")
        assert str(app_of(pilot).moment) == "t0/bwd/15"
        assert "norm(fc1.weight.grad) > 1 becomes true" in shown(pilot)[-1]
        await pilot.press("p")
        assert not any("norm(fc1.weight.grad) > 1" in line and "true" in line for line in shown(pilot))
        await pilot.press("p", "w")
        await type_in(pilot, "watch op relu")
        await pilot.press("B", "j", "enter")
        assert str(app_of(pilot).moment) == "t1/fwd/2"
        await pilot.press("k", "C")
        assert str(app_of(pilot).moment) == "t0/bwd/15"
        await pilot.press("w", "escape")
        assert len(app_of(pilot).options.stops) == 2


async def test_running_back_to_a_birth(session: Open) -> None:
    async with running(session("trouble"), "last", size=(100, 30)) as pilot:
        await pilot.press("C")
        assert "nan is born here" in shown(pilot)[-1]
        row = app_of(pilot).session.row(app_of(pilot).moment)
        assert row.op == "sqrt"
        await pilot.press("C")
        assert "nan is born here, and no other before this" in shown(pilot)[-1]
        await pilot.press("colon")
        await type_in(pilot, ":nan")
        assert app_of(pilot).session.row(app_of(pilot).moment) == row


async def test_looking_for_a_stop_can_be_given_up(session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachgrad_inspector.app.stopping.QUICK_ROWS", 0)
    async with running(session("training"), "t0/upd/fc.weight", size=(80, 24)) as pilot:
        await pilot.press("b", "g", "G", "C")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert str(app_of(pilot).moment).startswith("t3")
        app_of(pilot).seeking = "looking"
        await pilot.press("s")
        before = app_of(pilot).moment
        await pilot.press("escape", "g")
        assert app_of(pilot).seeking == ""
        assert app_of(pilot).moment != before


async def test_what_if(session: Open) -> None:
    async with running(session("micrograd"), "t0/fwd/0", size=(90, 30)) as pilot:
        before = shown(pilot)
        await pilot.press("x")
        assert pilot.app.query_one("#prompt", Input).value == "what if a = "
        await type_in(pilot, "what if a = 2.01")
        text = "\n".join(shown(pilot))
        assert "predicted  ΔL ≈ ∂L/∂a · Δ = (4) · (0.01) = +0.04" in text
        assert "actual     ΔL = 8.04 - (8) = +0.04" in text
        await pilot.press("x")
        await type_in(pilot, "what if f = -1")
        assert "f: -2 → -1" in "\n".join(shown(pilot))
        await pilot.press("escape")
        assert shown(pilot) == before
        await pilot.press("x")
        await type_in(pilot, "what if a = many")
        assert "'many' is not a number" in shown(pilot)[-1]
        await pilot.press("x")
        await type_in(pilot, "what if a = 2.01")
        await pilot.press("p")
        assert "hidden as long as" in "\n".join(shown(pilot))
        await pilot.press("x")
        assert "not as long as you predict" in shown(pilot)[-1]
        assert not pilot.app.query_one("#prompt", Input).display


async def test_explaining_a_number(session: Open) -> None:
    async with running(session("net"), "t0/bwd/fc1.weight.grad[0,1]", size=(120, 30)) as pilot:
        await pilot.press("e")
        assert app_of(pilot).shown == "explain"
        text = "\n".join(shown(pilot))
        assert "where fc1.weight.grad[0,1] comes from" in text
        assert "z.grad[0,1]" in text
        await pilot.press("j", "e")
        assert "where z.grad[0,1] comes from" in "\n".join(shown(pilot))
        await pilot.press("j", "enter")
        assert app_of(pilot).shown == "tape"
        assert shown(pilot)[-2].split()[1] == "h.grad"
        await pilot.press("p", "e")
        assert "hidden as long as" in "\n".join(shown(pilot))
    async with running(session("net", "stats"), "t0/fwd/2", size=(100, 30)) as pilot:
        await pilot.press("e", "j", "e", "enter")
        assert "not recorded" in "\n".join(shown(pilot)) or app_of(pilot).shown == "tape"


async def test_comparing(session: Open, tmp_path: Path) -> None:
    async with running(session("training"), "t2/fwd/0", size=(110, 30)) as pilot:
        before = shown(pilot)
        await pilot.press("d")
        await type_in(pilot, "compare with t3")
        text = "\n".join(shown(pilot))
        assert "training t2  and  training t3" in text
        await pilot.press("j", "k", "enter")
        assert app_of(pilot).shown == "tape"
        await pilot.press("d")
        await type_in(pilot, "compare with nothing.tgr")
        assert "No such file" in shown(pilot)[-1]
        await pilot.press("d")
        await type_in(pilot, f"compare with {make('net', tmp_path)} t0")
        assert "net.tgr t0" in "\n".join(shown(pilot))
        await pilot.press("escape", "colon")
        await type_in(pilot, ":t2/fwd/0")
        assert shown(pilot) == before


async def test_the_doctor(session: Open) -> None:
    async with running(session("trouble"), size=(100, 30)) as pilot:
        await pilot.press("exclamation_mark")
        text = "\n".join(shown(pilot))
        assert "1 finding" in text
        assert "sqrt made 1 nan out of finite numbers" in text
        await pilot.press("j", "enter")
        assert app_of(pilot).shown == "tape"
        assert app_of(pilot).session.row(app_of(pilot).moment).op == "sqrt"
    async with running(session("net"), size=(100, 30)) as pilot:
        await pilot.press("exclamation_mark", "j", "enter")
        assert "nothing found" in "\n".join(shown(pilot))


async def test_the_train_screen(session: Open) -> None:
    async with running(session("training"), "t3/upd/fc.weight", size=(100, 30)) as pilot:
        await pilot.press("6")
        assert app_of(pilot).shown == "train"
        for keys, moment in (
            (["s"], "t4"), (["s", "l", "S"], "t5"), (["h"], "t4"), (["pagedown"], "t8"), (["pageup", "pageup"], "t0"),
            (["right_curly_bracket"], "t1"), (["G"], "t39"), (["s"], "t39"), (["pageup"], "t35"),
        ):  # fmt: skip
            await pilot.press(*keys)
            assert shown(pilot)[-2].split("/")[0].strip() == moment
        lines = [line.split("▶ ")[1].split()[0] for line in shown(pilot) if "▶ " in line]
        assert lines == ["fc.weight"]
        for key, name in (("j", "z"), ("j", "h"), ("j", "h"), ("k", "z")):
            await pilot.press(key)
            text = "\n".join(shown(pilot))
            assert f"▶ {name}" in text
            assert f" values {name} " in text
        await pilot.press("backspace")
        assert app_of(pilot).shown == "tape"


async def test_the_passes_screen(session: Open) -> None:
    async with running(session("program"), "t1/fwd/3", size=(120, 34)) as pilot:

        def address() -> str:
            text = "\n".join(shown(pilot))
            return text.split("pass:")[1].split()[0] if "pass:" in text else "recorded"

        await pilot.press("4")
        start = shown(pilot)
        assert (app_of(pilot).shown, address()) == ("passes", "recorded")
        for key, where in (
            ("s", "lower/1"), ("right", "merge/1"), ("S", "lower/1"), ("left", "recorded"), ("G", "merge/2"),
            ("g", "recorded"), ("o", "lower/1"), ("o", "merge/1"), ("O", "lower/1"),
            ("right_square_bracket", "merge/1"), ("left_square_bracket", "lower/1"),
            ("j", "merge/1"), ("down", "merge/2"), ("k", "merge/1"),
            ("pagedown", "merge/2"), ("pageup", "recorded"), ("l", "lower/1"), ("h", "recorded"),
        ):  # fmt: skip
            await pilot.press(key)
            assert address() == where, key
            assert str(app_of(pilot).moment) == "t1/fwd/3"
        assert shown(pilot) == start
        await pilot.press("colon")
        await type_in(pilot, ":pass:merge/2")
        assert address() == "merge/2"
        assert "+" not in [line[40:44].strip() for line in shown(pilot)]
        await pilot.press("colon")
        await type_in(pilot, ":pass:nonsense")
        assert "there is no 'pass:nonsense'" in shown(pilot)[-1]
        row, line = next((y, line) for y, line in enumerate(shown(pilot)) if "transposed_products" in line)
        await pilot.click(Sheet, offset=(line.index("transposed"), row))
        await pilot.pause()
        assert address() == "lower/1"
        await pilot.press("tab", "z")
        assert shown(pilot)[1].startswith("╭─ before ─")
        await pilot.press("escape", "right_curly_bracket")
        assert app_of(pilot).options.stop == 0
        await pilot.press("enter")
        assert app_of(pilot).shown == "kernels"
        await pilot.press("backspace")
        assert app_of(pilot).shown == "tape"


async def test_passes_of_a_recording_without_programs(session: Open) -> None:
    async with running(session("net"), "t0/fwd/0", "passes") as pilot:
        await pilot.press("s")
        assert str(app_of(pilot).moment) == "t0/fwd/1"
        assert "no static program runs in this recording" in "\n".join(shown(pilot))
        await pilot.press("colon")
        await type_in(pilot, "pass:lower/1")
        assert "so there are no passes" in shown(pilot)[-1]


async def test_the_kernels_screen(session: Open) -> None:
    """The kernel, the lines of code and the user's line go with the op; and the other way round, from each pane."""
    async with running(session("program"), "t0/fwd/4", size=(120, 34)) as pilot:

        def marked() -> list[str]:
            return [line.split("▶")[1].split()[0] for line in shown(pilot) if "▶" in line]

        await pilot.press("7")
        assert "k1_matmul" in marked()
        await pilot.press("j")
        assert str(app_of(pilot).moment) == "t0/fwd/5"
        assert "k2_relu" in marked()
        assert "▶18         const double h = z[i] < 0 ? 0 : z[i];  // net.py:4" in "\n".join(shown(pilot))
        assert any("▶4 " in line and "h = nn.functional.relu(z)" in line for line in shown(pilot))
        await pilot.press("s", "s")
        assert "k3_sum_to_multiply" in marked()
        await pilot.press("tab", "j", "j", "down")
        assert app_of(pilot).options.line == 28
        assert str(app_of(pilot).moment) == "t0/fwd/8"  # gy is computed in that line
        assert "gy" in marked()
        await pilot.press("k")
        assert str(app_of(pilot).moment) == "t0/fwd/7"
        await pilot.press("tab", "j")
        assert str(app_of(pilot).moment) == "t0/fwd/8"
        await pilot.press("k", "tab", "k")
        assert shown(pilot)[-2].startswith(" t0/fwd/6 ")  # the line before in the user's source
        await pilot.press("j")
        assert shown(pilot)[-2].startswith(" t0/fwd/7 ")
        await pilot.press("tab", "z")
        assert shown(pilot)[1].startswith("╭─ 8 kernels of train ─")


async def test_a_click_on_a_line_of_code(session: Open) -> None:
    async with running(session("program"), "t0/fwd/7", "kernels", size=(120, 34)) as pilot:
        row, line = next((y, line) for y, line in enumerate(shown(pilot)) if "const double gy" in line)
        await pilot.click(Sheet, offset=(line.index("double"), row))
        await pilot.pause()
        assert str(app_of(pilot).moment) == "t0/fwd/8"


async def test_the_memory_screen(session: Open) -> None:
    async with running(session("program"), "t1/fwd/3", size=(120, 30)) as pilot:

        def chosen() -> str:
            lines = shown(pilot)
            table = lines[next(y for y, line in enumerate(lines) if "new peak" in line) :]
            return next(line.split("▶")[1].split()[0] for line in table if "│ ▶  " in line)

        await pilot.press("5")
        assert (app_of(pilot).shown, str(app_of(pilot).moment)) == ("memory", "t1/fwd/3")
        assert "arena 576 B, by the plan" in shown(pilot)[1]
        for key, moment in (("s", "t1/fwd/4"), ("l", "t1/fwd/5"), ("S", "t1/fwd/4"), ("h", "t1/fwd/3")):
            await pilot.press(key)
            assert shown(pilot)[-2].startswith(f" {moment} ")
        for key, name in (("j", "h"), ("j", "h"), ("k", "matmul_nt_1"), ("down", "h")):
            await pilot.press(key)
            assert chosen() == name
        await pilot.press("x")
        assert app_of(pilot).options.dropped == {5}
        assert "peak 712 B → 968 B, 32 flop more" in "\n".join(shown(pilot))
        await pilot.press("x")
        assert "x: compute again" in "\n".join(shown(pilot))
        await pilot.press("m")
        assert "memory in dynamic mode" in shown(pilot)[1]
        await pilot.press("m", "tab", "z")
        assert shown(pilot)[1].startswith("╭─ bytes held ─")
        await pilot.press("escape", "1", "m")
        assert app_of(pilot).shown == "memory"


async def test_memory_is_worked_out_in_the_background(session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachgrad_inspector.app.application.SLOW_ROWS", 3)
    async with running(session("program"), "t1/fwd/3") as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.press("5")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert "arena 576 B, by the plan" in shown(pilot)[1]


@pytest.mark.parametrize(("keys", "said", "answer"), [
    (("x",), "what if fc1.weight[0,0] = 1.5", "predicted"),
    (("d",), "compare with t0", "the same   bit for bit"),
    (("e",), "", "comes from"),
])  # fmt: skip
async def test_answers_are_worked_out_in_the_background(
    keys: tuple[str, ...], said: str, answer: str, session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teachgrad_inspector.app.application.SLOW_ROWS", 3)
    drawn: list[threading.Thread] = []
    for name in ("whatif._answer", "compare.compare", "explain._grown"):
        spied = f"teachgrad_inspector.views.{name}"
        module, _, function = spied.rpartition(".")
        work = getattr(importlib.import_module(module), function)

        def noted(*args: object, work: Callable[..., object] = work) -> object:
            drawn.append(threading.current_thread())
            return work(*args)

        monkeypatch.setattr(spied, noted)
    async with running(session("net"), "t0/bwd/fc1.weight.grad[0,1]", size=(120, 30)) as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        await pilot.press(*keys)
        if said:
            await type_in(pilot, said)
        await pilot.press("j", "k")  # keys meanwhile do not wait for it, nor make it
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert answer in "\n".join(shown(pilot))
    assert drawn
    assert threading.main_thread() not in drawn


async def test_escape_gives_up_a_comparison(session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared asks again and again whether anybody still wants to know, and stops."""
    monkeypatch.setattr("teachgrad_inspector.app.application.SLOW_ROWS", 0)
    stopped, begun = threading.Event(), threading.Event()

    def compare(*arguments: object) -> None:
        going = arguments[-1]
        assert callable(going)
        begun.set()
        while going():
            stopped.wait(0.01)
        stopped.set()
        raise GivenUp

    opened = session("training")
    for step in range(3):
        opened.lanes(step, frozenset())
    monkeypatch.setattr("teachgrad_inspector.views.compare.compare", compare)
    async with running(opened, size=(80, 24)) as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.press("d")
        await type_in(pilot, "compare with t1")
        assert begun.wait(10)
        await pilot.pause(0.4)
        assert "esc gives up" in shown(pilot)[1]
        await pilot.press("escape")
        assert stopped.wait(10)
        await pilot.pause()
        assert app_of(pilot).shown == "tape"


async def test_a_click_on_a_block(session: Open) -> None:
    async with running(session("program"), "t0/fwd/5", "memory", size=(120, 30)) as pilot:
        row, line = max((y, line) for y, line in enumerate(shown(pilot)) if "▒▒▒▒▒" in line)  # the lowest
        await pilot.click(Sheet, offset=(line.index("▒▒▒▒▒"), row))
        await pilot.pause()
        assert app_of(pilot).moment == app_of(pilot).session.run.resolve("t0/h")


async def test_the_map_screen(session: Open) -> None:
    async with running(session("attention"), "t0/fwd/0", size=(100, 40)) as pilot:

        def cursor() -> str:
            return next(line.split("┃ ▶ ")[1].split()[0] for line in shown(pilot) if "┃ ▶ " in line)

        await pilot.press("3")
        assert cursor() == "x"
        for key, name in (("j", "block"), ("j", "loss"), ("up", "block"), ("enter", "q"), ("l", "k"), ("h", "q"),
                          ("j", "scores"), ("s", "weights"), ("S", "scores"), ("backspace", "block")):  # fmt: skip
            await pilot.press(key)
            assert cursor() == name, key
            assert shown(pilot)[-2].startswith(f" {app_of(pilot).moment} ")
        await pilot.press("tab")
        for key, path in (("j", "q"), ("j", "k"), ("k", "q"), ("k", "all"), ("k", "all")):
            await pilot.press(key)
            line = next(line for line in shown(pilot) if "│ ▶  " in line)
            assert line.split("▶")[1].replace("▾", "").split()[0] == path
        await pilot.press("shift+tab", "j", "minus")
        assert app_of(pilot).options.folded == {"block.q"}
        await pilot.press("minus")
        assert not app_of(pilot).options.folded
        await pilot.press("j", "enter")
        assert app_of(pilot).shown == "chain"
        await pilot.press("3", "backspace")
        assert app_of(pilot).shown == "tape"


async def test_a_click_on_a_box(session: Open) -> None:
    async with running(session("attention"), "t0/fwd/0", "map", size=(100, 40)) as pilot:
        row, line = next((y, line) for y, line in enumerate(shown(pilot)) if "block  8 ops" in line)
        await pilot.click(Sheet, offset=(line.index("block  8"), row))
        await pilot.pause()
        assert app_of(pilot).session.row(app_of(pilot).moment).scope == "block.q"


async def test_predict_and_reveal(session: Open) -> None:
    async with running(session("micrograd"), "t0/bwd/a.grad", "chain") as pilot:
        await pilot.press("p")
        assert "+6" not in "\n".join(shown(pilot))
        assert "=  ?" in "\n".join(shown(pilot))
        await pilot.press("r")
        assert "=  +6" in "\n".join(shown(pilot))
        await pilot.press("S")
        assert "∂e/∂b  =  ?" in "\n".join(shown(pilot))
        await pilot.press("y")
        assert "4" not in pilot.app.clipboard.removeprefix("t0/bwd/11")
        await pilot.press("s")  # what was given up stays on the screen
        assert "=  +6" in "\n".join(shown(pilot))
        await pilot.press("S", "p")
        assert "=  -4" in "\n".join(shown(pilot))


async def test_switches(session: Open) -> None:
    async with running(session("net"), "t0/bwd/fc1.weight.grad", size=(100, 30)) as pilot:
        await pilot.press("v")
        assert "Gradient flows from z back to fc1.weight" in shown(pilot)[-3]
        await pilot.press("number_sign")
        assert app_of(pilot).options.numbers
        await pilot.press("v", "number_sign", "y")
        assert pilot.app.clipboard == "t0/bwd/15 fc1.weight.grad from z  (2,2)"
        assert "copied: t0/bwd/15" in shown(pilot)[-1]


async def test_help_lists_every_key(session: Open) -> None:
    async with running(session("micrograd"), size=(100, 60)) as pilot:
        for key in ("question_mark", "f1"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, HelpScreen)
            text = pilot.app.screen._text
            assert all(action.help in text for action in ACTIONS.values())
            await pilot.press("escape")
            assert not isinstance(pilot.app.screen, HelpScreen)


async def test_help_in_ascii(session: Open) -> None:
    """Its frame, too; and what keys do stands below each other."""
    async with running(session("micrograd"), ascii_only=True) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        assert pilot.app.screen._text.isascii()
        box = pilot.app.screen.query_one("VerticalScroll")
        assert {kind for kind, _ in box.styles.border} == {"ascii"}
    listed = help_text("tape", 0, ASCII, {}).split("\n")
    assert all(any(line == f"{line[:16]}{action.help}" for line in listed) for action in ACTIONS.values())


@pytest.mark.parametrize("screen", SCREENS)
def test_help_begins_with_what_matters_here(screen: str) -> None:
    text = help_text(screen, 1, UNICODE, {"step": "f9"})
    here = text.split("\n\n")[1].split("\n")
    assert here[0] == SCREENS[screen].title
    names = [name for item in SCREENS[screen].actions for name in MEANT.get(item, (item,))]
    for action in ACTIONS.values():
        keys = "f9" if action.id == "step" else "  ".join(map(key_shown, action.keys))
        line = f"  {keys:<14}{action.help}"
        assert text.split("\n").count(line) == 1
        assert (line in here) == (action.id in names)
    panes = SCREENS[screen].panes
    if len(panes) > 1:
        assert here[-1].endswith(f"the keys go to {panes[1]}")


@pytest.mark.parametrize(("mark", "words"), [
    ("/", "op:exp"), ("& ", "shape:(32,*)"), (":", "t12/bwd/41"), ("watch ", "norm(W1.grad) > 10"),
    ("what if W1[0,0] = ", "a = 2.01"), ("compare with ", "run.tgr t3"),
])  # fmt: skip
def test_help_of_prompts(mark: str, words: str) -> None:
    assert words in prompt_help(mark, UNICODE)


async def test_help_in_a_prompt_says_what_can_be_typed(session: Open) -> None:
    async with running(session("micrograd"), size=(100, 40)) as pilot:
        await pilot.press("ampersand", "f1")
        assert isinstance(pilot.app.screen, HelpScreen)
        assert "shape:(32,*)" in pilot.app.screen._text
        await pilot.press("escape")
        assert pilot.app.query_one("#prompt", Input).display
        await pilot.press("escape")
        assert not pilot.app.query_one("#prompt", Input).display


async def test_the_palette_has_every_action(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        commands = list(app_of(pilot).get_system_commands(pilot.app.screen))
        assert all(command.help for command in commands)
        titles = {command.title for command in commands}
        assert {f"{action.group}: {action.help}" for action in ACTIONS.values()} <= titles
        command = next(c for c in app_of(pilot).get_system_commands(pilot.app.screen) if "last moment" in c.title)
        await command.callback()  # type: ignore[misc]
        assert str(app_of(pilot).moment) == "t0/bwd/12"


async def test_quit(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        await pilot.press("q")
    assert pilot.app.return_code == 0


async def test_the_mouse(session: Open) -> None:
    async with running(session("micrograd"), size=(80, 24)) as pilot:
        line = next(y for y, text in enumerate(shown(pilot)) if " d.grad " in text)
        await pilot.click(Sheet, offset=(10, line))
        await pilot.pause()
        assert str(app_of(pilot).moment) == "t0/bwd/8"
        await pilot.click(Sheet, offset=(12, 0))
        await pilot.pause()
        assert app_of(pilot).shown == "chain"
        sheet = app_of(pilot).query_one(Sheet)
        sheet.post_message(Sheet.Scrolled(-3))
        await pilot.pause()
        assert str(app_of(pilot).moment) == "t0/fwd/5"


async def test_resizing(session: Open) -> None:
    async with running(session("net"), "t0/bwd/fc1.weight.grad") as pilot:
        before = shown(pilot)
        for size in ((60, 20), (40, 12), (20, 5), (10, 3), (1, 1), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            if size[0] >= 40:
                assert "fc1.weight.grad" in "\n".join(shown(pilot))
            elif size[1] > 3:
                assert "too small" in "\n".join(shown(pilot))
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert shown(pilot) == before


@pytest.mark.parametrize("name", ["micrograd", "net", "deep", "trouble"])
async def test_without_colour_and_in_ascii(name: str, session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(session(name), ascii_only=True) as pilot:
        for screen in (item.key for item in SCREENS.values()):
            await pilot.press(screen, "escape", "s")
            sheet = app_of(pilot).query_one(Sheet)
            for y in range(24):
                strip = sheet.render_line(y)
                assert strip.text.isascii()
                assert all(segment.style is not None for segment in strip)
                assert all(
                    segment.style.color is None and segment.style.bgcolor is None for segment in strip if segment.style
                )
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        assert pilot.app.screen._text.isascii()


async def test_remapped_keys(session: Open) -> None:
    async with running(session("micrograd"), keymap={"step": "f2", "back": "f3"}) as pilot:
        await pilot.press("f2", "f2", "f3", "s")
        assert str(app_of(pilot).moment) == "t0/fwd/1"
        assert shown(pilot)[-1].startswith(" f2 step  f3 back")


@pytest.fixture
def keys_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keymap_file().parent.mkdir(parents=True)
    return keymap_file()


@pytest.mark.parametrize(("text", "keymap"), [
    ('{"step": "f7,s"}', {"step": "f7,s"}), ("{}", {}), ('{"help": "f5,?"}', {"help": "f5,question_mark"}),
    ('{"step": ","}', {"step": "comma"}), ('{"step": "f4, ctrl+n"}', {"step": "f4,ctrl+n"}), ('{"go": "%"}',
     {"go": "percent_sign"}), ('{"step": "o", "over": "s"}', {"step": "o", "over": "s"}), ('{"up": "←", "back": "S"}',
     {"up": "left", "back": "S"}),
])  # fmt: skip
def test_keymap_file(text: str, keymap: dict[str, str], keys_file: Path) -> None:
    assert load_keymap() == {}
    keys_file.write_text(text, encoding="utf-8")
    assert load_keymap() == keymap


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "object of strings"), ('{"step": 3}', "object of strings"),
    ('{"jump": "x"}', "no action 'jump'"), ('{"stepp": "x"}', "did you mean 'step'"), ('{"step": ""}', "has no key"),
    ('{"step": "o"}', "o would do two things, 'step' and 'over'"), ('{"step": "f9", "back": "f9"}', "f9 would do two"),
    ('{"step": "?"}', r"\? would do two things, 'step' and 'help'"), ('{"step": "escape"}', "it leads back"),
    ('{"step": "ctrl+p"}', "it opens the palette"), ('{"step": "Strg+k"}', r"'Strg\+k' is no key"),
])  # fmt: skip
def test_what_is_no_keymap(text: str, message: str, keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys_file.write_text(text)
    with pytest.raises(TeachgradError, match=message):
        load_keymap()
    assert command("--keys") == 2
    assert str(keys_file) in capsys.readouterr().err


def test_the_table_of_keys(keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys_file.write_text('{"step": "%,f9"}')
    assert command("--keys") == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(any(action.help in line and action.id in line for line in lines) for action in ACTIONS.values())
    assert next(line for line in lines if " step " in line).split()[:4] == ["*", "step", "percent_sign", "f9"]
    assert str(keys_file) in "\n".join(lines)
    example = next(line for line in lines if line.strip().startswith("{"))
    keys_file.write_text(example)
    assert load_keymap() == json.loads(example)


def test_a_bad_keymap_is_told_before_the_screen_is_taken(keys_file: Path, tmp_path: Path) -> None:
    keys_file.write_text('{"step": "o"}')
    code = (
        "import sys, os, pty\n"
        "from teachgrad.cli import main\n"
        "for stream in (sys.stdin, sys.stderr): stream.isatty = lambda: True\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", code, "inspect", str(make("micrograd", tmp_path))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "o would do two things" in done.stderr


def command(*arguments: str) -> int:
    parser = ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(arguments))


def test_no_key_does_two_things() -> None:
    keys = [key for action in ACTIONS.values() for key in action.keys]
    assert len(keys) == len(set(keys))
    assert not any(key.startswith(("alt+", "ctrl+")) for key in keys)


async def test_the_terminal_cursor_follows_the_row(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        line = next(y for y, text in enumerate(shown(pilot)) if text.startswith("│▶"))
        assert app_of(pilot).cursor_position == (1, line)
        await pilot.press("s")
        assert app_of(pilot).cursor_position == (1, line + 1)


async def test_hostile_names_are_only_text(session: Open) -> None:
    async with running(session("trouble")) as pilot:
        text = "\n".join(shown(pilot))
        assert "[bold]x[/] \\x1b]0;" in text
        assert "\x1b" not in text
        await pilot.press("slash")
        await type_in(pilot, "/[bold]x")
        await pilot.press("colon")
        await type_in(pilot, ":[/nonsense")
        assert "there is no row about '[/nonsense'" in shown(pilot)[-1]
