"""Search and filters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teachgrad_inspector.queries import QueryError, query
from teachgrad_inspector.session import Session

Open = Callable[..., Session]


@pytest.mark.parametrize(("text", "expected"), [
    ("relu", {3}), ("RELU", {3}), ("op:relu", {3, 14}), ("op:rel", set()), ("op:r*", {3, 14}), ("op:?elu", {3, 14}),
    ("fc1", {1, 2, 15, 16}), ("name:fc1.weight", {1, 16}), ("name:*.grad", {9, 10, 11, 12, 13, 14, 15}),
    ("module:fc1", {2, 15}), ("module:fc*", {2, 5, 12, 13, 15}),
    ("dtype:float64", set(range(18))), ("dtype:float32", set()), ("dtype:float*", set(range(18))),
    ("shape:()", {8, 9}), ("shape:(3,1)", {5, 6, 7, 10, 11}), ("shape:3,*", {0, 2, 3, 5, 6, 7, 10, 11, 13, 14}),
    ("shape:(...,1)", {4, 5, 6, 7, 10, 11, 12, 17}), ("shape:(*,*,*)", set()), ("shape:...", set(range(18))),
    ("line:net.py:4", {3, 14}), ("line:4", {3, 14}), ("line:/somewhere/net.py:4", {3, 14}), ("line:other.py", set()),
    ("line:net.py phase:fwd kind:op", {2, 3, 5, 7, 8}), ("kind:update", {16, 17}), ("phase:upd op:relu", set()),
    ("kind:seed", {9}), ("phase:bwd shape:(3,2)", {13, 14}),
])  # fmt: skip
def test_queries(text: str, expected: set[int], session: Open) -> None:
    """Rows of `net`: 0 x, 1 fc1.weight, 2 z, 3 h, 4 fc2.weight, 5 y, 6 t, 7 p, 8 loss, then gradients and updates."""
    net = session("net")
    assert set(net.kept_rows(0, query(text)) or ()) == expected


@pytest.mark.parametrize(("text", "message"), [
    ("", "nothing to look for"), ("opp:relu", "there is no field 'opp'"), ("op:", "right after the colon"),
    (":relu", "there is no field ''"), ("x" * 1001, "at most 1000 characters"),
])  # fmt: skip
def test_what_is_no_query(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        query(text)
