"""The layout of the tape: no two living values share a lane, and what is drawn is what is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad.recording import Row, Step
from teachgrad_inspector.lanes import MANY_LANES, MAX_RAILS, Lanes
from teachgrad_inspector.session import Session


def row(
    number: int,
    kind: str,
    vertex: int,
    inputs: tuple[int, ...] = (),
    scope: str = "",
    source: int | None = None,
    edge: int | None = None,
    parameter: bool = False,
) -> Row:
    phase = {"leaf": "fwd", "op": "fwd", "seed": "bwd", "edge": "bwd", "update": "upd"}[kind]
    return Row(
        0,
        number,
        phase,
        kind,
        vertex,
        source,
        edge,
        "matmul" if kind == "op" else None,
        None,
        scope,  # type: ignore[arg-type]
        inputs,
        None,
        None,
        True,
        parameter,
        None,
        None,
        None,
    )


def step(rows: list[Row]) -> Step:
    return Step(0, rows, {}, lambda vertex: f"#{vertex}")


@st.composite
def programs(draw: st.DrawFn) -> Step:
    """A random graph with its backward pass: leaves, ops of one or two earlier values, in a few modules."""
    leaves = draw(st.integers(1, 4))
    rows = [row(i, "leaf", i + 1, parameter=draw(st.booleans())) for i in range(leaves)]
    tape: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(draw(st.integers(1, 40))):
        vertex = len(rows) + 1
        inputs = tuple(draw(st.lists(st.integers(1, vertex - 1), min_size=1, max_size=2)))
        rows.append(row(len(rows), "op", vertex, inputs, draw(st.sampled_from(["", "a", "b", "b.c"]))))
        tape.append((vertex, inputs))
    if draw(st.booleans()):
        rows.append(row(len(rows), "seed", tape[-1][0]))
        reached = {tape[-1][0]}
        for vertex, inputs in reversed(tape):
            if vertex in reached:
                for edge, target in reversed(list(enumerate(inputs))):
                    rows.append(row(len(rows), "edge", target, source=vertex, edge=edge))
                    reached.add(target)
        rows += [row(len(rows) + i, "update", i + 1, parameter=True) for i in range(draw(st.integers(0, leaves)))]
    return step(rows)


@given(programs(), st.sets(st.sampled_from(["a", "b", "b.c"])))
def test_no_two_living_values_share_a_lane(program: Step, folded: set[str]) -> None:
    lanes = Lanes(program, frozenset(folded))
    pictures = lanes.pictures(0, len(lanes))
    assert len(pictures) == len(lanes)
    for item, picture in zip(lanes.items, pictures, strict=True):
        assert len(picture.passing) == len(set(picture.passing))
        assert item.node < lanes.width
        assert {use.lane for use in picture.uses} <= set(picture.passing)  # only what lives is read
        assert item.node not in {use.lane for use in picture.uses}
        assert picture.fresh == (item.node not in picture.passing)
        assert set(picture.born).isdisjoint({*picture.passing, item.node})


@given(programs(), st.sets(st.sampled_from(["a", "b", "b.c"])))
def test_every_row_stands_on_one_line(program: Step, folded: set[str]) -> None:
    lanes = Lanes(program, frozenset(folded))
    assert [(item.first, item.last) for item in lanes.items] == [
        (item.first, item.last) for item in sorted(lanes.items, key=lambda item: item.first)
    ]
    covered = [number for item in lanes.items for number in range(item.first, item.last + 1)]
    assert covered == list(range(len(program.rows)))
    assert all(lanes.items[lanes.item_of(number)].first <= number <= lanes.items[lanes.item_of(number)].last
               for number in covered)  # fmt: skip


@given(programs())
def test_a_value_that_is_read_again_keeps_its_lane(program: Step) -> None:
    lanes = Lanes(program)
    if lanes.rails:
        return
    where: dict[int, int] = {}
    for item, picture in zip(lanes.items, lanes.pictures(0, len(lanes)), strict=True):
        for key in item.reads:
            assert where[key] in {use.lane for use in picture.uses} | {item.node}
        where.update(zip(item.makes, (item.node, *item.born), strict=True))


def test_pictures_do_not_depend_on_where_drawing_starts(session: Callable[..., Session]) -> None:
    lanes = session("deep").lanes(0, frozenset())
    whole = lanes.pictures(0, len(lanes))
    for start in range(0, len(lanes), 7):
        assert lanes.pictures(start, start + 5) == whole[start : start + 5]


def test_a_straight_line_has_one_lane() -> None:
    rows = [row(0, "leaf", 1), *[row(i, "op", i + 1, (i,)) for i in range(1, 500)]]
    assert Lanes(step(rows)).width == 1


def test_saved_values_are_parked_by_module(session: Callable[..., Session]) -> None:
    lanes = session("deep").lanes(0, frozenset())
    assert lanes.width <= MANY_LANES
    assert sorted(rail.scope for rail in lanes.rails) == ["block0", "block1", "block2"]
    assert sum(len(rail.vertices) for rail in lanes.rails) == 24
    reads = [use.rail for item in lanes.items for use in item.rails]
    assert len(reads) == 25  # 24 rules of exp read the result, and the seed
    ends = [use.rail for item in lanes.items for use in item.rails if use.ends]
    assert sorted(ends) == [0, 1, 2]


def test_many_modules_share_one_rail() -> None:
    rows, blocks = [row(0, "leaf", 1)], MAX_RAILS + 3
    for block in range(blocks):
        for _ in range(3):
            rows.append(row(len(rows), "op", len(rows) + 1, (len(rows),), f"block{block}"))
    rows.append(row(len(rows), "seed", len(rows)))
    for vertex in range(3 * blocks + 1, 1, -1):
        rows.append(row(len(rows), "edge", vertex - 1, source=vertex, edge=0))
    lanes = Lanes(step([item._replace(op="exp") if item.kind == "op" else item for item in rows]))
    assert [rail.scope for rail in lanes.rails] == [""]


@pytest.mark.parametrize("count", [100_000])
def test_size(count: int) -> None:
    import time

    rows = [row(0, "leaf", 1)]
    rows += [row(i, "op", i + 1, (i, max(1, i - 5))) for i in range(1, count)]
    program = step(rows)
    before = time.process_time()
    lanes = Lanes(program)
    assert time.process_time() - before < 6.0  # a quarter of a second for each 10,000, generously
    before = time.process_time()
    assert len(lanes.pictures(count // 2, count // 2 + 50)) == 50
    assert time.process_time() - before < 0.05
