"""The map: what is drawn is what flows, it stands still while the moment moves, and its numbers are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachgrad import observe
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.boxes import HEIGHT, Layout
from teachgrad_inspector.channel import DOWN, LEFT, RIGHT, UP, sides
from teachgrad_inspector.levels import MODULE, OUTSIDE, SECTION, Wire, prefixes
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.map import MapView, beside, laid_out, view_map
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.plain import to_json
from tests.recording.runs import scalar, send

PLAIN = Options()
Open = Callable[..., Session]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[Wire], list[list[int]]]:
    """Boxes of some widths; each makes one or two values and reads some of those before."""
    count = draw(st.integers(1, 14))
    widths = [draw(st.integers(5, 20)) for _ in range(count)]
    values = [[2 * i, 2 * i + 1][: draw(st.integers(1, 2))] for i in range(count)]
    wires = []
    for i in range(1, count):
        before = [value for made in values[:i] for value in made]
        read = draw(st.lists(st.sampled_from(before), max_size=4, unique=True))
        wires += [Wire(value, value // 2, i) for value in read]
    return widths, wires, values


@given(graphs())
@settings(deadline=None)
def test_every_line_leads_from_the_box_that_makes_a_value_to_those_that_read_it(
    graph: tuple[list[int], list[Wire], list[list[int]]],
) -> None:
    widths, wires, values = graph
    layout = Layout(widths, wires, values, {value: 8 for made in values for value in made})
    boxes: dict[tuple[int, int], int] = {}
    for number, place in enumerate(layout.places):
        assert place.width >= widths[number]
        for x in range(place.x, place.x + place.width):
            for y in range(place.y, place.y + HEIGHT):
                assert (x, y) not in boxes
                boxes[x, y] = number
        assert place.x >= 0
        assert place.x + place.width <= layout.width
    cells: dict[tuple[int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for stretch in layout.stretches:
        for x, y, to in sides(stretch):
            cells[x, y][stretch.value] |= to
    for place, inside in cells.items():
        if len(inside) > 1:
            assert sorted(inside.values()) == [UP | DOWN, RIGHT | LEFT]
        if place in boxes:  # only at the edge, where a line begins or ends
            box = layout.places[boxes[place]]
            assert place[1] == (box.y if set(inside.values()) == {UP} else box.y + HEIGHT - 1)
    for number, made in enumerate(values):
        for value in made:
            expected = {wire.below for wire in wires if wire.vertex == value}
            start = layout.places[number].outs[value], layout.places[number].y + HEIGHT - 1
            assert _reached(cells, boxes, value, start) == expected


def _reached(
    cells: dict[tuple[int, int], dict[int, int]], boxes: dict[tuple[int, int], int], value: int, start: tuple[int, int]
) -> set[int]:
    """The boxes that the line of a value leads to, followed from cell to cell."""
    seen, waiting, found = set(), [start], set()
    while waiting:
        x, y = here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        to = cells[here].get(value, 0)
        if here in boxes and to & UP:
            found.add(boxes[here])
        for side, back, other in ((UP, DOWN, (x, y - 1)), (DOWN, UP, (x, y + 1)), (LEFT, RIGHT, (x - 1, y)),
                                  (RIGHT, LEFT, (x + 1, y))):  # fmt: skip
            if to & side and cells[other].get(value, 0) & back:
                waiting.append(other)
    return found


def boxes_of(view: MapView) -> list[tuple[str, str]]:
    return [(box.name, box.what) for box in view.boxes]


def test_what_the_map_shows_of_a_run(session: Open) -> None:
    run = session("net")
    view = view_map(run, run.run.resolve("t0/fwd/3"), PLAIN, 20)
    assert boxes_of(view) == [
        ("x", ""), ("fc1", "matmul"), ("h", "relu"), ("fc2", "matmul"), ("t", ""), ("multiply_1", ""), ("loss", "sum")
    ]  # fmt: skip
    names = [box.name for box in view.boxes]
    assert [(wire.name, wire.shape, names[wire.above], names[wire.below]) for wire in view.wires] == [
        ("x", "(3,2)", "x", "fc1"), ("z", "(3,2)", "fc1", "h"), ("h", "(3,2)", "h", "fc2"),
        ("fc2.matmul", "(3,1)", "fc2", "multiply_1"), ("t", "(3,1)", "t", "multiply_1"),
        ("multiply_1", "(3,1)", "multiply_1", "loss"),
    ]  # fmt: skip
    assert [box.future for box in view.boxes] == [False, False, False, True, True, True, True]
    assert [box.name for box in view.boxes if box.cursor] == ["h"]
    assert to_json(view)


def test_inside_a_module_values_from_outside_are_named(session: Open) -> None:
    run = session("attention")
    view = view_map(run, run.run.resolve("scores"), Options(level="block"), 20)
    assert [(box.kind, box.name) for box in view.boxes] == [
        (OUTSIDE, "x"), (MODULE, "q"), (MODULE, "k"), (MODULE, "v"), ("op", "scores"), ("op", "weights"),
        ("op", "mixed"), (MODULE, "o"), ("op", "y"),
    ]  # fmt: skip
    outer = view_map(run, run.run.resolve("loss"), Options(level="block"), 20)
    assert outer.level == ""
    assert [box.name for box in outer.boxes if box.cursor] == ["loss"]


def test_the_map_stands_still(session: Open) -> None:
    """At every moment of every step of one structure, everything is in the same place."""
    run = session("net")
    places = {
        tuple((box.name, box.x, box.y, box.width) for box in view_map(run, run.run.at(step, row), PLAIN, 9).boxes)
        for step in range(1, run.run.steps)
        for row in range(run.run.length(step))
    }
    assert len(places) == 1
    first = {
        tuple((box.name, box.x, box.y) for box in view_map(run, run.run.at(0, row), PLAIN, 9).boxes)
        for row in range(run.run.length(0))
    }
    assert len(first) == 1


def test_the_tree_counts_and_measures(session: Open) -> None:
    run = session("net")
    z = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]]) @ np.array([[1.0, -1.0], [0.0, 2.0]])
    start, middle, end = (view_map(run, run.run.resolve(at), PLAIN, 9).tree for at in ("t0/fwd/0", "t0/fwd/3", "last"))
    assert [(line.path, line.parameters) for line in start] == [("", 6), ("fc1", 4), ("fc2", 2)]
    assert [line.state for line in start] == ["running", "to come", "to come"]
    assert [line.state for line in middle] == ["running", "done", "to come"]
    assert middle[1].shape == (3, 2)
    assert (middle[1].mean, middle[1].std) == (pytest.approx(z.mean()), pytest.approx(z.std()))
    assert all(line.gradient_norm is None for line in middle)
    gradients = {}
    for name in ("fc1.weight", "fc2.weight"):
        row = run.row(run.run.resolve(f"t1/bwd/{name}.grad"))
        gradients[name] = np.linalg.norm(run.array(row.value))  # type: ignore[arg-type]
    norms = [line.gradient_norm for line in end]
    assert norms == pytest.approx([np.hypot(*gradients.values()), *gradients.values()])
    hidden = view_map(run, run.run.resolve("last"), Options(predict=True), 9)
    assert {line.gradient_norm for line in hidden.tree} == {None}


def test_the_cursor_goes_from_box_to_box(session: Open) -> None:
    run = session("attention")
    options = Options(level="block")

    def names(start: str, *moves: tuple[int, int]) -> list[str]:
        moment, found = run.run.resolve(start), []
        for right, down in moves:
            moment = beside(run, moment, options, right, down)
            found += [box.name for box in view_map(run, moment, options, 9).boxes if box.cursor]
        return found

    assert names("scores", (0, 1), (0, 1), (0, 1), (0, 1), (0, 1)) == ["weights", "mixed", "o", "y", "y"]
    assert names("scores", (0, -1))[0] in ("q", "k")
    row = names("t0/fwd/2", (1, 0), (1, 0), (-1, 0), (-1, 0), (-1, 0), (-1, 0))
    assert set(row) <= {"q", "k", "v"}
    assert len(set(row)) >= 2
    back = beside(run, run.run.resolve("last"), options, 0, 1)
    assert str(back) == "t0/bwd/16"  # from o down to y, and still in the backward pass


def test_in_the_backward_pass_the_box_is_that_of_the_op(session: Open) -> None:
    run = session("net")
    for address, name in (("t1/bwd/z.grad", "h"), ("t1/bwd/fc1.weight.grad", "fc1"), ("t1/upd/fc2.weight", "fc2"),
                          ("t1/bwd/loss.grad", "loss")):  # fmt: skip
        view = view_map(run, run.run.resolve(address), PLAIN, 9)
        assert [box.name for box in view.boxes if box.cursor] == [name]


def test_large_levels_come_in_sections(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        send(observe.Leaf(1, "x", np.ones(2), False, False))
        for i in range(250):
            inputs = (i + 1, max(1, i - 90))
            send(observe.Forward(i + 2, "add", inputs, {}, scalar(1.0), f"op_{i}", None, "", True))
    with Reader(tmp_path / "r.tgr") as reader:
        run = Session(reader)
        seen = []
        for row in range(1, 251):
            view = view_map(run, reader.at(0, row), PLAIN, 9)
            assert view.sections == 5
            assert len([box for box in view.boxes if box.kind == "op"]) in (SECTION, 10)
            assert [box.name for box in view.boxes if box.cursor] == [f"op_{row - 1}"]
            seen.append(view.section)
        assert seen == sorted(seen)
        level, _ = laid_out(run, reader.at(0, 200), "")
        assert sum(node.kind == OUTSIDE for node in level.nodes) <= 24
        assert "more values from outside" in view_map(run, reader.at(0, 200), PLAIN, 9).note


def test_prefixes() -> None:
    assert prefixes("") == [""]
    assert prefixes("a.b") == ["", "a", "a.b"]
