"""Moving through time, in both directions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teachgrad.recording import Moment, RecordingError
from teachgrad_inspector import navigation
from teachgrad_inspector.session import Session

NONE: frozenset[str] = frozenset()


def at(session: Session, address: str) -> Moment:
    return session.run.resolve(address)


def walk(session: Session, start: str, how: str, forward: bool, count: int, folded: frozenset[str] = NONE) -> list[str]:
    moment, seen = at(session, start), []
    for _ in range(count):
        moment = getattr(navigation, how)(session, moment, folded, forward)
        seen.append(str(moment))
    return seen


def test_stepping_back_undoes_stepping_forward(session: Callable[..., Session]) -> None:
    net = session("net")
    for folded in (NONE, frozenset({"fc1"}), frozenset({"fc1", "fc2"})):
        there = ["t0/fwd/0", *walk(net, "t0/fwd/0", "step", True, 60, folded)]
        last = there.index(there[-1])
        back = walk(net, there[-1], "step", False, last, folded)
        assert back == there[:last][::-1]
        assert walk(net, "t0/fwd/0", "step", False, 1, folded) == ["t0/fwd/0"]


def test_every_row_is_visited_once(session: Callable[..., Session]) -> None:
    net = session("net")
    rows = [str(net.run.at(step, row)) for step in range(net.run.steps) for row in range(net.run.length(step))]
    assert ["t0/fwd/0", *walk(net, "t0/fwd/0", "step", True, len(rows) - 1)] == rows


def test_over_passes_a_module_in_one_stride(session: Callable[..., Session]) -> None:
    net = session("net")
    assert walk(net, "t0/fwd/0", "over", True, 3) == ["t0/fwd/3", "t0/fwd/6", "t0/fwd/7"]
    assert walk(net, "t0/fwd/7", "over", False, 3) == ["t0/fwd/6", "t0/fwd/3", "t0/fwd/0"]
    assert walk(net, "t0/fwd/1", "over", True, 1) == ["t0/fwd/2"]  # inside a module, its own rows are not passed


def test_out_leaves_a_module(session: Callable[..., Session]) -> None:
    net = session("net")
    assert walk(net, "t0/fwd/1", "out", True, 1) == ["t0/fwd/3"]
    assert walk(net, "t0/fwd/2", "out", False, 2) == ["t0/fwd/1", "t0/fwd/0"]


def test_phases(session: Callable[..., Session]) -> None:
    net = session("net")
    assert walk(net, "t0/fwd/3", "phase", True, 4) == ["t0/bwd/9", "t0/upd/16", "t1/fwd/0", "t1/bwd/7"]
    assert walk(net, "t1/bwd/9", "phase", False, 5) == ["t1/bwd/7", "t1/fwd/0", "t0/upd/16", "t0/bwd/9", "t0/fwd/0"]
    assert walk(net, "last", "phase", True, 1) == [str(at(net, "last"))]


def test_training_steps_keep_the_place(session: Callable[..., Session]) -> None:
    net = session("net")
    assert walk(net, "t0/bwd/fc1.weight.grad", "training_step", True, 1) == ["t1/bwd/13"]
    assert walk(net, "t1/bwd/13", "training_step", False, 1) == ["t0/bwd/15"]
    assert walk(net, "t1/bwd/13", "training_step", True, 1) == ["t1/bwd/13"]


def test_ends_and_pages(session: Callable[..., Session]) -> None:
    net = session("net")
    assert walk(net, "t0/fwd/3", "end", True, 1) == ["t1/upd/15"]
    assert walk(net, "t1/upd/15", "end", False, 1) == ["t0/fwd/0"]
    assert str(navigation.page(net, at(net, "t0/fwd/3"), NONE, 100)) == "t0/upd/17"
    assert str(navigation.page(net, at(net, "t0/fwd/3"), NONE, -2)) == "t0/fwd/1"


@pytest.mark.parametrize(("text", "start", "forward", "found"), [
    ("relu", "t0/fwd/0", True, "t0/fwd/3"),
    ("relu", "t0/fwd/3", True, "t1/fwd/2"),
    ("relu", "t1/fwd/2", True, "t0/fwd/3"),  # and round again
    ("RELU", "t0/fwd/0", True, "t0/fwd/3"),
    ("FC1.Weight.grad", "t0/fwd/0", True, "t0/bwd/15"),
    ("fc2", "t0/fwd/4", False, "t1/upd/15"),
    ("nothing of the kind", "t0/fwd/0", True, None),
])  # fmt: skip
def test_search(text: str, start: str, forward: bool, found: str | None, session: Callable[..., Session]) -> None:
    net = session("net")
    result = navigation.search(net, at(net, start), text, forward)
    assert (None if result is None else str(result)) == found


def test_search_finds_scopes_and_wraps_in_one_step(session: Callable[..., Session]) -> None:
    micrograd = session("micrograd")
    assert str(navigation.search(micrograd, at(micrograd, "t0/bwd/12"), "a.grad", True)) == "t0/bwd/9"


def test_a_row_that_a_damaged_recording_lacks_is_told(session: Callable[..., Session]) -> None:
    micrograd = session("micrograd")
    with pytest.raises(RecordingError, match="is damaged: there is no row 99 in t0"):
        micrograd.row(Moment(0, 99, "bwd"))
