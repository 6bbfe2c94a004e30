"""The layout: nothing overlaps, everything flows down, every operand is drawn or named, few lines cross."""

from __future__ import annotations

from itertools import combinations, groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad.drawing.layered import Edge, apart, crossings, layers_of, ordered
from teachgrad.drawing.layout import Box, Drawing, Frame, lay_out
from teachgrad.drawing.model import INPUT, OP, picture_of
from teachgrad.drawing.modules import Group, groups_of, modules, with_updates_at_home
from tests.drawing.graphs import histories, residual, training_step


def overlap(a: Box, b: Box) -> bool:
    return (abs(a.x - b.x) < (a.width + b.width) / 2 - 0.01 and a.y < b.y + b.height - 0.01
            and b.y < a.y + a.height - 0.01)


def drawings() -> list[Drawing]:
    step = training_step()
    things: list[Any] = [*histories(25), *(residual(seed, 50) for seed in range(10))]
    moments = [picture_of(step, number) for number in range(len(step.trace.moments))]
    return [lay_out(picture_of(thing)) for thing in things] + [lay_out(picture) for picture in moments]


@pytest.fixture(scope="module")
def all_drawings() -> list[Drawing]:
    return drawings()


def test_boxes_do_not_overlap_and_are_on_the_paper(all_drawings: list[Drawing]) -> None:
    for drawing in all_drawings:
        assert not any(overlap(a, b) for a, b in combinations(drawing.boxes, 2))
        for box in drawing.boxes:
            assert box.width / 2 <= box.x <= drawing.width - box.width / 2
            assert 0 <= box.y <= drawing.height - box.height


def test_every_op_and_input_has_one_box(all_drawings: list[Drawing]) -> None:
    for drawing in all_drawings:
        keys = sorted(box.node.key for box in drawing.boxes)
        assert keys == [node.key for node in drawing.picture.nodes if node.kind in (OP, INPUT)]


def test_every_operand_arrives_or_is_named(all_drawings: list[Drawing]) -> None:
    for drawing in all_drawings:
        box_of = {box.node.key: box for box in drawing.boxes}
        arrows = {(value, round(x, 1), round(y, 1)) for value, wire in drawing.wires.items() for x, y, _ in wire.tips}
        count = 0
        for box in drawing.boxes:
            for key in dict.fromkeys(box.node.inputs):
                if key in box_of:
                    into = [a for a in arrows if a[0] == key and abs(a[1] - box.x) <= box.width / 2
                            and abs(a[2] - box.y) < 0.1]
                    named = any(line.startswith(("↑ ", "and ")) for line in box.lines)
                    assert len(into) == 1 or named
                    count += len(into)
                else:
                    text = " ".join(box.lines)
                    short = drawing.picture.nodes[key].name.removeprefix(f"{box.node.scope}.")
                    assert short[:20] in text or "more" in text
        assert count == len(arrows)


def test_lines_run_down(all_drawings: list[Drawing]) -> None:
    for drawing in all_drawings:
        for wire in drawing.wires.values():
            assert all(y <= start + 0.01 and start < stop and stop <= end + 0.01
                       for _, y, start, stop, _, end in wire.curves)


def test_frames_hold_their_modules_and_nothing_else() -> None:
    def holds(frame: Frame, box: Box) -> bool:
        return (frame.x <= box.x - box.width / 2 and box.x + box.width / 2 <= frame.x + frame.width
                and frame.y <= box.y and box.y + box.height <= frame.y + frame.height)

    drawing = lay_out(picture_of(training_step()))
    assert {frame.path for frame in drawing.frames} == {"fc1", "fc2"}
    scope_of = {node.key: scope for node, scope in with_updates_at_home(drawing.picture)}
    framed: list[int] = []
    for frame in drawing.frames:
        inside = [box.node.key for box in drawing.boxes if holds(frame, box)]
        assert {scope_of[key] for key in inside} == {frame.path}
        framed += inside
    assert sorted(framed) == [key for key, scope in sorted(scope_of.items()) if scope]


def test_modules_are_runs_of_a_topological_order() -> None:
    picture = picture_of(training_step())
    order = with_updates_at_home(picture)
    seen = {node.key for node in picture.nodes if node.kind != OP}
    for node, _ in order:
        assert seen.issuperset(node.inputs)
        seen.add(node.key)
    assert len(seen) == len(picture.nodes)
    runs = [scope for scope, _ in groupby(scope for _, scope in order) if scope]
    assert runs == ["fc1", "fc2", "fc2", "fc1"]
    root = modules(picture)
    assert [member.name for member in root.members if isinstance(member, Group)] == runs
    assert sum(len(group.members) for group in groups_of(root)) == len(picture.nodes) + len(runs)


def test_an_update_stands_in_the_module_of_its_parameter() -> None:
    picture = picture_of(training_step())
    scope_of = {node.key: scope for node, scope in with_updates_at_home(picture)}
    assert all(scope_of[new] == picture.nodes[leaf].name[:3] for leaf, new in picture.updates)


def test_a_thousand_vertices_are_laid_out() -> None:
    drawing = lay_out(picture_of(residual(1, 1000)))
    assert len(drawing.boxes) > 500


def test_values_from_far_away_are_named() -> None:
    x = tg.tensor([1.0], requires_grad=True, name="x")
    first = y = x.exp()
    for _ in range(30):
        y = y.tanh()
    box = lay_out(picture_of(y * first)).boxes[-1]
    assert "↑ exp 1" in box.lines


@given(st.integers(0, 10_000))
def test_crossings_are_counted_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    upper, lower = [("u", k) for k in range(6)], [("l", k) for k in range(6)]
    edges = [Edge(k, upper[a], lower[b]) for k, (a, b) in enumerate(rng.integers(0, 6, (10, 2)))]
    brute = sum((e.above[1] - f.above[1]) * (e.below[1] - f.below[1]) < 0 for e, f in combinations(edges, 2))  # type: ignore[index]
    assert crossings([upper, lower], edges) == brute


@given(st.integers(0, 10_000))
def test_ordering_never_makes_it_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items: list[Any] = list(range(14))
    pairs = sorted({(int(a), int(b)) for a, b in rng.integers(0, 14, (20, 2)) if a < b})
    layer = layers_of(items, pairs)
    assert all(layer[a] < layer[b] for a, b in pairs)
    edges = [Edge(a, a, b) for a, b in pairs if layer[b] == layer[a] + 1]
    plain = [[item for item in items if layer[item] == number] for number in range(max(layer.values()) + 1)]
    answer = ordered(layer, edges, dict.fromkeys(items, 1.0))
    assert crossings(answer.layers, answer.edges) <= crossings(plain, edges)
    assert sorted(item for items in answer.layers for item in items) == items


def test_a_planar_graph_is_drawn_without_crossings() -> None:
    tree = [(k, 2 * k + 1 + side) for k in range(31) for side in (1, 0)]
    items: list[Any] = list(range(63))
    answer = ordered(layers_of(items, tree), [Edge(a, a, b) for a, b in tree], dict.fromkeys(items, 1.0))
    assert crossings(answer.layers, answer.edges) == 0


@given(st.integers(0, 10_000))
def test_places_are_the_nearest_that_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    wishes, weights, widths = rng.normal(0, 30, n), rng.uniform(0.1, 5, n), rng.uniform(1, 20, n)
    x = np.array(apart(list(wishes), list(weights), list(widths), 3.0))
    apart_by = (widths[:-1] + widths[1:]) / 2 + 3.0
    assert (np.diff(x) >= apart_by - 1e-6).all()
    slope = 2 * weights * (x - wishes)  # the best place: no feasible direction goes down
    tight = np.abs(np.diff(x) - apart_by) < 1e-6
    pull = np.cumsum(slope)
    assert abs(pull[-1]) < 1e-6
    assert (pull[:-1][tight] < 1e-6).all() if tight.any() else True
    assert np.abs(pull[:-1][~tight]).max(initial=0.0) < 1e-6
