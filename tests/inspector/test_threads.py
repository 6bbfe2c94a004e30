"""Stepping through a kernel: the order of steps, what is shown at each, the keys, the printed twins."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from teachgrad.errors import RecordingError
from teachgrad.recording.kernel_trace import ACCESSES, EVENT, KINDS, KernelTrace, read_trace, write_trace
from teachgrad_inspector.app.help import HelpScreen
from teachgrad_inspector.app.sheet import Sheet
from teachgrad_inspector.app.stepper import Stepper
from teachgrad_inspector.canvas import Canvas, cell_width
from teachgrad_inspector.commands import inspect as command
from teachgrad_inspector.glyphs import ASCII, UNICODE, Glyphs
from teachgrad_inspector.render.threads import draw_threads
from teachgrad_inspector.stepping.costs import ideal, sectors, wavefronts
from teachgrad_inspector.stepping.keys import ACTIONS, footer
from teachgrad_inspector.stepping.moves import Steps
from teachgrad_inspector.stepping.places import Place
from teachgrad_inspector.stepping.walk import walk
from teachgrad_inspector.views.threads import view_threads

from .kernels import MADE, counted, parted, strided, turned

GOLDENS = Path(__file__).parent / "goldens"
SIZES = [(40, 10), (60, 20), (80, 24), (100, 30), (160, 48)]
CASES: dict[str, tuple[str, str, tuple[int, int], Glyphs]] = {
    **{f"{name}-{w}x{h}": (name, address, (w, h), UNICODE)
       for name, address in (("turned", "5"), ("race", "race"), ("wide", "b1/20")) for w, h in SIZES},
    "turned-start": ("turned", "0", (80, 24), UNICODE),
    "turned-end": ("turned", "last", (80, 24), UNICODE),
    "race-ascii": ("race", "race", (80, 24), ASCII),
}  # fmt: skip


def drawn(trace: KernelTrace, place: Place, width: int, height: int, glyphs: Glyphs = UNICODE, message: str = "",
          zoomed: bool = False) -> list[str]:  # fmt: skip
    canvas = Canvas(width, height, glyphs)
    view = view_threads(trace, Steps(trace).walk(place), place)
    draw_threads(canvas, view, footer({}), message, zoomed)
    return canvas.text()


@pytest.mark.parametrize("name", CASES)
def test_the_screen_is_the_golden_one(name: str) -> None:
    made, address, (width, height), glyphs = CASES[name]
    trace = MADE[made]()
    lines = drawn(trace, Steps(trace).resolve(address), width, height, glyphs)
    assert len(lines) == height
    assert all(cell_width(line) <= width for line in lines)
    if glyphs.ascii:
        assert "\n".join(lines).isascii()
    path = GOLDENS / f"threads-{name}.txt"
    if os.environ.get("TEACHGRAD_UPDATE_GOLDENS"):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "\n".join(lines) + "\n" == path.read_text(encoding="utf-8")


# ---- the order of steps ----------------------------------------------------------------------------------------------


def test_threads_of_a_warp_go_side_by_side() -> None:
    trace = turned(40)
    steps = walk(trace, 0)
    assert steps.together
    assert sorted(steps.order.tolist()) == list(range(len(trace.events)))
    rows = [trace.events[steps.step(number)] for number in range(1, len(steps) + 1)]
    told = [(KINDS[row["kind"][0]], row["thread"].tolist()) for row in rows]
    first, second = list(range(32)), list(range(32, 40))
    before = ["line", "read", "write", "barrier"]
    after = ["read", "write", "exit"]
    assert told == [*((kind, first) for kind in before), *((kind, second) for kind in before),
                    *((kind, first) for kind in after), *((kind, second) for kind in after)]  # fmt: skip


def test_where_threads_part_the_earlier_line_goes_first() -> None:
    trace = parted()
    steps = walk(trace, 0)
    rows = [trace.events[steps.step(number)] for number in range(1, len(steps) + 1)]
    exits = [row for row in rows if KINDS[row["kind"][0]] == "exit"]
    loops = [row["thread"].tolist() for row in rows if row["line"][0] == 3]
    assert loops == [list(range(first, 6)) for first in range(1, 6)]
    writes = [row["thread"].tolist() for row in rows if row["line"][0] == 5]
    assert writes == [list(range(6))]  # they have come together again
    assert len(exits) == 1


@pytest.mark.parametrize(("trace", "why"), [(turned(barrier=False), "a race"), (counted(2), "took turns")])
def test_where_the_order_matters_steps_stay_as_they_happened(trace: KernelTrace, why: str) -> None:
    steps = walk(trace, 0)
    assert not steps.together
    assert why in steps.note
    assert steps.order.tolist() == list(range(len(trace.events)))
    assert walk(trace, 0, together=False).note == ""


def test_atomics_that_kept_their_order_go_side_by_side() -> None:
    assert walk(counted(1), 0).together


def test_no_thread_overtakes_itself() -> None:
    for trace in (turned(40), parted(), counted(3)):
        steps = walk(trace, 0)
        threads = trace.events["thread"][steps.order]
        for thread in range(40):
            mine = steps.order[threads == thread]
            assert (np.diff(mine) > 0).all()


# ---- what is shown ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_memory_at_every_step_is_that_of_a_replay(together: bool) -> None:
    trace = turned(40, 2)
    for block in (0, 1):
        steps = walk(trace, block, together)
        for number in range(len(steps) + 1):
            held: dict[tuple[int, int], float] = {}
            for event in steps.done(number):
                row = trace.events[event]
                if row["kind"] < ACCESSES:
                    value = np.frombuffer(row["value"].tobytes()[:4], np.float32)[0]
                    held[int(row["array"]), int(row["offset"]) // 4] = float(value)
            view = view_threads(trace, steps, Place(block, number, 0, 0, together))
            for memory in view.memory:
                array = [a.name for a in trace.arrays].index(memory.name)
                assert memory.filled == sum(key[0] == array for key in held)
                for cell in memory.cells:
                    if (array, cell.element) in held:
                        assert float(cell.value) == held[array, cell.element]
                    else:
                        assert cell.value == ""


def test_what_is_left_in_the_end_is_the_result() -> None:
    trace = turned(8, 2)
    steps = walk(trace, 1)
    view = view_threads(trace, steps, Place(1, len(steps)))
    out = next(memory for memory in view.memory if memory.name == "out")
    assert [cell.value for cell in out.cells] == [""] * 8 + [f"{i + 0.5}" for i in range(15, 7, -1)]
    assert {lane.state for lane in view.lanes} == {"done"}


def test_threads_wait_at_a_barrier_until_all_have_come() -> None:
    trace = turned(40)
    steps = walk(trace, 0)
    arrived = [n for n in range(1, len(steps) + 1) if KINDS[trace.events["kind"][steps.step(n)[0]]] == "barrier"]
    first, second = arrived
    assert {lane.state for lane in view_threads(trace, steps, Place(step=first)).lanes} == {"waits"}
    assert {lane.state for lane in view_threads(trace, steps, Place(step=first, warp=1)).lanes} == {"new"}
    assert {lane.state for lane in view_threads(trace, steps, Place(step=second)).lanes} == {"runs"}
    assert {lane.line for lane in view_threads(trace, steps, Place(step=second)).lanes} == {7}


def test_the_pair_in_a_race_is_marked_with_its_element_and_its_lines() -> None:
    trace = turned(barrier=False)
    steps = Steps(trace)
    place = steps.race(Place(), True)
    view = view_threads(trace, steps.walk(place), place)
    assert [lane.thread for lane in view.lanes if lane.racing] == [3, 4]
    assert [lane.thread for lane in view.lanes if lane.acts] == [3]
    assert [line.number for line in view.source if line.racing] == [6, 8]
    shared = next(memory for memory in view.memory if memory.space == "shared")
    assert [cell.element for cell in shared.cells if cell.racing] == [4]
    assert view.faults[0].here
    other = steps.race(place, True)
    assert view_threads(trace, steps.walk(other), other).lanes[4].acts
    assert steps.race(other, True) == other
    assert steps.race(other, False).step == place.step


@pytest.mark.parametrize(("stride", "expected"), [(1, 4), (2, 8), (8, 32), (32, 32)])
def test_sectors(stride: int, expected: int) -> None:
    trace = strided(stride, "global")
    reads = trace.events[trace.events["kind"] == 0]
    assert sectors(reads) == 4 * min(stride, 8) == expected
    view = view_threads(trace, walk(trace, 0), Place(step=1))
    assert view.memory[0].cost == f"{expected} sectors"


@pytest.mark.parametrize(("stride", "turns"), [(1, 1), (2, 2), (32, 32), (33, 1), (8, 8)])
def test_turns_of_the_banks(stride: int, turns: int) -> None:
    trace = strided(stride, "shared")
    reads = trace.events[trace.events["kind"] == 0]
    assert wavefronts(reads) == turns
    assert ideal(reads) == 1
    cost = view_threads(trace, walk(trace, 0), Place(step=1)).memory[0].cost
    assert ("bank conflicts" in cost) == (turns > 1)


@pytest.mark.parametrize(("places", "turns"), [
    (range(32), 4),  # 8 lanes want 128 bytes
    ([lane // 2 for lane in range(32)], 2),  # neighbours want the same: 16 lanes at once
    ([lane // 4 * 2 + lane % 2 for lane in range(32)], 2),  # and those that are two apart
    ([lane % 16 for lane in range(32)], 4),  # who is 16 apart does not help
    ([0] * 32, 2),
    ([8 * lane for lane in range(32)], 32),
])  # fmt: skip
def test_wide_loads_go_in_groups_of_lanes(places: Iterable[int], turns: int) -> None:
    rows = np.zeros(32, EVENT)
    rows["thread"], rows["size"] = np.arange(64, 96), 16
    rows["offset"] = 16 * np.array(list(places))
    assert wavefronts(rows) == turns
    rows["kind"] = KINDS.index("write")
    assert ideal(rows) == 4


def test_a_wide_access_fills_all_its_elements() -> None:
    trace = strided(4, "global")
    events = trace.events.copy()
    events["size"][events["kind"] == 0] = 16
    events["value"][0] = np.array([1, 2, 3, 4], np.float32).tobytes()
    wide = KernelTrace(**{**vars(trace), "events": events})
    view = view_threads(wide, walk(wide, 0, together=False), Place(step=1, together=False))
    assert [cell.value for cell in view.memory[0].cells[:5]] == ["1", "2", "3", "4", ""]


# ---- moves -----------------------------------------------------------------------------------------------------------


def test_back_leads_where_one_was() -> None:
    steps = Steps(turned(40, 2))
    place = steps.resolve("0")
    way = [place]
    while (following := steps.step(place, 1)) != place:
        place = following
        way.append(place)
    assert len(way) == len(steps.walk(place)) + 1
    for before in reversed(way[:-1]):
        place = steps.step(place, -1)
        assert place.step == before.step
    assert steps.step(place, -1).step == 0


def test_changing_the_order_stays_at_the_same_event() -> None:
    steps = Steps(turned(40))
    for step in range(1, len(steps.walk(Place())) + 1):
        place = steps.to(Place(), step)
        other = steps.mode(place)
        last = steps.walk(place).done(step)[-1]
        assert steps.walk(other).done(other.step)[-1] == last
        assert steps.mode(other).step == step


@pytest.mark.parametrize("address", ["", "x", "b9", "b0/x", "999", "b0/999", "-1", "race", "b99999999999/1"])
def test_addresses_that_lead_nowhere_are_told(address: str) -> None:
    with pytest.raises(RecordingError):
        Steps(turned()).resolve(address)


# ---- the application -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(trace: KernelTrace, size: tuple[int, int] = (80, 24), keymap: dict[str, str] | None = None,
                  glyphs: Glyphs = UNICODE) -> AsyncIterator[Pilot[int]]:  # fmt: skip
    app = Stepper(Steps(trace), Place(), glyphs, keymap or {})
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


def app_of(pilot: Pilot[int]) -> Stepper:
    assert isinstance(pilot.app, Stepper)
    return pilot.app


def shown(pilot: Pilot[int]) -> list[str]:
    sheet = app_of(pilot).query_one(Sheet)
    return [sheet.render_line(y).text.rstrip() for y in range(sheet.size.height)]


async def test_every_key_does_what_it_says_and_the_screen_is_the_printed_one() -> None:
    trace = turned(40, 2)
    steps = Steps(trace)
    barrier = steps.barrier(Place(), True)
    expected = [
        ("s", steps.to(Place(), 1)), ("right", steps.to(Place(), 2)), ("S", steps.to(Place(), 1)),
        ("left", Place()), ("pagedown", steps.to(Place(), 10)), ("pageup", Place()), ("o", barrier),
        ("o", steps.barrier(barrier, True)), ("O", barrier), ("w", steps.of_warp(barrier, True)), ("W", barrier),
        ("l", barrier.but(lane=1)), ("j", barrier.but(lane=5)), ("k", barrier.but(lane=1)),
        ("t", steps.thread(barrier.but(lane=1), True)), ("T", barrier.but(lane=1)), ("h", barrier),
        ("right_square_bracket", barrier.but(warp=1)), ("left_square_bracket", barrier), ("m", steps.mode(barrier)),
        ("m", barrier), ("G", steps.end(barrier, True)), ("g", Place()), ("right_curly_bracket", Place(1)),
        ("left_curly_bracket", Place()),
    ]  # fmt: skip
    async with running(trace) as pilot:
        for key, place in expected:
            await pilot.press(key)
            assert app_of(pilot).place == place, key
            assert shown(pilot) == drawn(trace, place, 80, 24), key
        await pilot.press("z")
        assert shown(pilot) == drawn(trace, Place(), 80, 24, zoomed=True)
        await pilot.press("z", "r")
        assert shown(pilot)[-1].strip() == "nothing races in this launch"
        for theme in ("light", "high-contrast", "ansi", "dark"):
            await pilot.press("D")
            assert shown(pilot)[-1].strip() == f"theme {theme}"
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.press("escape", "q")
    assert pilot.app.return_code == 0
    pressed = {key for key, _ in expected} | {"z", "r", "R", "D", "question_mark", "q"}
    assert all(pressed & set(action.keys) for action in ACTIONS.values())


async def test_races_mouse_sizes_and_keys_of_ones_own() -> None:
    trace = turned(barrier=False)
    own = {"step": "x", "back": "t", "watch": "z"}  # t and z do something else here
    async with running(trace, keymap=own) as pilot:
        await pilot.press("r")
        assert "race" in shown(pilot)[-2]
        assert app_of(pilot).place.lane == 3
        await pilot.press("r", "r")
        assert shown(pilot)[-1].strip() == "no more races in this direction"
        await pilot.press("R")
        assert app_of(pilot).place.lane == 3
        step = app_of(pilot).place.step
        await pilot.press("s")
        assert app_of(pilot).place.step == step
        await pilot.press("x")
        assert app_of(pilot).place.step == step + 1
        await pilot.press("S")
        assert app_of(pilot).place.step == step
        await pilot.click(Sheet, offset=(43 + 9, 2))
        assert app_of(pilot).place.lane == 1
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        assert shown(pilot) == [*drawn(trace, app_of(pilot).place, 160, 48)[:47], shown(pilot)[-1]]
        await pilot.resize_terminal(30, 8)
        await pilot.pause()
        assert "too small" in shown(pilot)[0]


# ---- the command -----------------------------------------------------------------------------------------------------


def run(*words: str) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(list(words)))


def test_a_trace_is_printed_as_text_json_and_svg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "turn.trace"
    write_trace(path, turned(barrier=False))
    trace = read_trace(path)
    assert run(str(path), "--at", "race", "--size", "80x24") == 0
    place = Steps(trace).resolve("race")
    assert capsys.readouterr().out.splitlines() == drawn(trace, place, 80, 24)
    assert run(str(path), "--at", "race", "--print", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["step"] == place.step
    assert told["sentence"] == "line 8: thread 3 reads s[4]: -9"
    assert run(str(path), "-o", str(tmp_path / "turn.svg")) == 0
    assert "<svg" in (tmp_path / "turn.svg").read_text()
    for words in (["--print", "html"], ["--plain"], ["--at", "nowhere"], ["--doctor"],
                  ["--screen", "tape"]):  # fmt: skip
        assert run(str(path), *words) == 2
        assert capsys.readouterr().err.startswith("teachgrad inspect: ")
