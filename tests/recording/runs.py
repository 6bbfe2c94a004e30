"""Runs made of hand-written events, so that every number in a recording is known."""

from __future__ import annotations

import linecache
from pathlib import Path

import numpy as np

from teachgrad import observe
from teachgrad.errors import Where
from teachgrad.recording import Level, Recorder

SOURCE = "/somewhere/lesson.py"
LINES = ["# a lesson", "", "e = a * b", "d = e + a", "L = d * f"]
linecache.cache[SOURCE] = (1, None, [f"{line}\n" for line in LINES], SOURCE)


def scalar(value: float) -> np.ndarray:
    return np.array(value, dtype=np.float32)


def send(event: object) -> None:
    assert observe.sink is not None
    observe.sink(event)


_leaves: dict[tuple[int, str], np.ndarray] = {}
"""As in a real run, the array of a leaf lives on and is the same in every event."""


def leaf(id: int, value: object, name: str | None = None, grad: bool = True, parameter: bool = False) -> None:
    if not isinstance(value, np.ndarray):
        value = _leaves.setdefault(
            (id, repr(value)), np.asarray(value) if isinstance(value, np.generic) else scalar(value)
        )  # type: ignore[arg-type]
    send(observe.Leaf(id, name, value, grad, parameter))


def op(
    id: int,
    name: str,
    inputs: tuple[int, ...],
    value: object,
    line: int = 0,
    grad: bool = True,
    scope: str = "",
    **attrs: object,
) -> None:
    array = value if isinstance(value, np.ndarray) else scalar(value)  # type: ignore[arg-type]
    where = None
    if line:
        text = LINES[line - 1]
        start = text.find("= ") + 2
        where = Where(SOURCE, line, "<module>", start, len(text), text)
    send(observe.Forward(id, name, inputs, attrs, array, None, where, scope, grad))


def edge(source: int, target: int, number: int, contribution: float, total: float) -> None:
    part = scalar(contribution)
    send(observe.Accumulate(source, target, number, part, part if contribution == total else scalar(total)))


def micrograd() -> None:
    """a = 2, b = -3, f = -2, e = a·b, d = e + a, L = d·f: vertices 1 a, 2 b, 3 e, 4 d, 5 f, 6 L."""
    leaf(1, 2.0, "a")
    leaf(2, -3.0, "b")
    op(3, "multiply", (1, 2), -6.0, line=3)
    leaf(1, 2.0, "a")
    op(4, "add", (3, 1), -4.0, line=4)
    leaf(5, -2.0, "f")
    op(6, "multiply", (4, 5), 8.0, line=5)
    send(observe.Seed(6, scalar(1.0)))
    for source, gradient, edges in (
        (6, 1.0, [(5, 1, -4.0, -4.0), (4, 0, -2.0, -2.0)]),
        (4, -2.0, [(1, 1, -2.0, -2.0), (3, 0, -2.0, -2.0)]),
        (3, -2.0, [(2, 1, -4.0, -4.0), (1, 0, 6.0, 4.0)]),
    ):
        send(observe.Backward(source, "op", scalar(gradient)))
        for target, number, contribution, total in edges:
            edge(source, target, number, contribution, total)


def record(path: Path, level: Level = "values") -> Path:
    """A recording of `micrograd`."""
    with Recorder(path, level=level):
        micrograd()
    return path


def training(steps: int) -> None:
    """Steps of w ← w - w for w = 1, 2, 3, ...: a leaf, a product, its gradient, an update. Vertex 1 is w."""
    next_id = 100
    w = scalar(1)
    for step in range(steps):
        leaf(1, w, "w", parameter=True)
        leaf(next_id, float(step), None, grad=False)
        op(next_id + 1, "multiply", (1, next_id), (step + 1.0) * step, scope="model.layer")
        send(observe.Seed(next_id + 1, scalar(1.0)))
        send(observe.Backward(next_id + 1, "multiply", scalar(1.0)))
        edge(next_id + 1, 1, 0, float(step), float(step))
        w += 1
        send(observe.Update(1, "w", w))
        next_id += 2
