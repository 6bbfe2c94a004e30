"""Lines between two layers of boxes: each arrives where it must, and lines of two values do nothing but cross."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from teachgrad_inspector.channel import DOWN, LEFT, RIGHT, UP, Net, route, sides


@st.composite
def channels(draw: st.DrawFn) -> list[Net]:
    tops = draw(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True))
    bottoms = draw(st.lists(st.integers(0, 30), min_size=len(tops), max_size=16, unique=True))
    owner = [*range(len(tops)), *[draw(st.integers(0, len(tops) - 1)) for _ in bottoms[len(tops) :]]]
    return [Net(i, top, tuple(b for b, o in zip(bottoms, owner, strict=True) if o == i)) for i, top in enumerate(tops)]


def cells(nets: list[Net]) -> tuple[dict[tuple[int, int], dict[int, int]], int]:
    """For each cell, which values go to which sides of it."""
    stretches, height = route(nets)
    found: dict[tuple[int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for stretch in stretches:
        assert stretch.x0 == stretch.x1 or (stretch.y0 == stretch.y1 and stretch.x0 < stretch.x1)
        for x, y, to in sides(stretch):
            assert -1 <= y <= height
            if 0 <= y < height:
                found[x, y][stretch.value] |= to
    return found, height


@given(channels())
def test_lines_arrive_and_only_cross(nets: list[Net]) -> None:
    found, height = cells(nets)
    for values in found.values():
        if len(values) > 1:
            assert sorted(values.values()) == [UP | DOWN, RIGHT | LEFT]
    neighbours = {UP: (0, -1), DOWN: (0, 1), LEFT: (-1, 0), RIGHT: (1, 0)}
    for net in nets:
        if not height:
            assert net.ends == (net.top,)
            continue
        reached, waiting = set(), [(net.top, 0)]
        assert found[net.top, 0][net.value] & UP
        while waiting:
            x, y = here = waiting.pop()
            if here in reached:
                continue
            reached.add(here)
            for side, (dx, dy) in neighbours.items():
                if found[here].get(net.value, 0) & side and 0 <= y + dy < height:
                    waiting.append((x + dx, y + dy))
        arrived = {x for x, y in reached if y == height - 1 and found[x, y][net.value] & DOWN}
        assert arrived == set(net.ends)
        assert reached == {cell for cell, values in found.items() if net.value in values}  # nothing leads nowhere


def test_straight_lines_take_no_rows() -> None:
    assert route([Net(0, 3, (3,)), Net(1, 9, (9,))]) == ([(0, 3, -1, 3, 0), (1, 9, -1, 9, 0)], 0)


def test_two_values_that_change_places() -> None:
    """Each ends where the other one begins, so one of them must change columns halfway."""
    stretches, height = route([Net(0, 2, (8,)), Net(1, 8, (2,))])
    assert height == 3
    assert len([s for s in stretches if s.x0 != s.x1]) == 3
