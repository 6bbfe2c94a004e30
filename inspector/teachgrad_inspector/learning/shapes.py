"""Misconceptions about shapes, and the shapes that they lead to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from teachgrad.recording import Row

from ..numbers import shape as text_of
from ..session import Session
from .suspects import Suspect

Shape = tuple[int, ...]


def shape_suspects(session: Session, row: Row) -> Iterator[Suspect]:
    """What may go wrong in finding the shape of what a row computes."""
    info = session.info(row.value)
    if info is None:
        return
    if row.kind == "edge":
        yield from _of_gradients(session, row, info.shape)
        return
    infos = [session.info(session.value_of(vertex, row.moment)) for vertex in row.inputs]
    shapes = [item.shape for item in infos if item is not None]
    if len(shapes) < len(infos) or not shapes:
        return
    settings = session.attrs(row)
    if row.op in ("matmul", "linear"):
        yield from _of_products(row, shapes, info.shape)
    elif "keepdims" in settings:
        yield from _of_reductions(shapes[0], settings)
    elif len(shapes) > 1:
        yield from _of_broadcasts(shapes)
    if "reduction" in settings:
        yield Suspect("reduction", shapes[0][:1], f"one number for each sample: {row.op} reduces them to their "
                      f"{settings['reduction']}")  # fmt: skip
        yield Suspect("reduction", shapes[0], f"that is the shape of what goes in: {row.op} reduces it")
    if "axes" in settings:
        yield Suspect("transpose", shapes[0], "the axes change places, and their lengths with them")
    yield Suspect("transpose", info.shape[::-1], "the axes are the other way round")


def _of_gradients(session: Session, row: Row, found: Shape) -> Iterator[Suspect]:
    name = session.name(row.vertex, row.step)
    incoming = session.info(row.incoming)
    if incoming is not None:
        repeated = ", so what was repeated is summed" if len(found) < len(incoming.shape) else ""
        yield Suspect("not summed", incoming.shape, f"that is the shape of the incoming gradient: a gradient has the "
                      f"shape of what it is the gradient of, {name}{repeated}")  # fmt: skip
        for axis in range(len(incoming.shape)):
            kept = (*incoming.shape[:axis], 1, *incoming.shape[axis + 1 :])
            yield Suspect("keepdims", kept, f"the summed axis is kept with length 1 only if {name} has it too")
            dropped = (*incoming.shape[:axis], *incoming.shape[axis + 1 :])
            yield Suspect("keepdims", dropped, f"{name} has an axis of length 1 there, and so has its gradient")
    yield Suspect("transpose", found[::-1], f"a transpose is missing: a gradient has the shape of {name}")


def _of_products(row: Row, shapes: Sequence[Shape], found: Shape) -> Iterator[Suspect]:
    x, y = shapes[0], shapes[1]
    right = y if row.op == "matmul" else y[::-1]
    if len(x) == 2 and len(right) == 2:
        yield Suspect("transpose", (right[1], x[0]), "that is the transpose: rows come from the left matrix, columns "
                      "from the right one")  # fmt: skip
        yield Suspect("contracted", (x[1], right[0]), "that is the axis that is summed over: the outer ones are left")
        if row.op == "linear":
            yield Suspect("transpose", (x[0], y[1]), f"the weight {text_of(y)} is transposed: its first axis is that "
                          "of the outputs")  # fmt: skip
    yield Suspect("elementwise", x, "that is the shape of the left matrix: the axis that both share is summed over, "
                  "and the outer axis of the right one comes in its place")  # fmt: skip
    yield Suspect("elementwise", y, "that is the shape of the right matrix: the axis that both share is summed over")


def _of_reductions(x: Shape, settings: dict[str, object]) -> Iterator[Suspect]:
    axis, keeps = settings.get("axis"), bool(settings.get("keepdims"))
    axes = tuple(range(len(x))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {i % max(1, len(x)) for i in axes if isinstance(i, int)}

    def reduced(axes: set[int], keepdims: bool) -> Shape:
        return tuple(1 if i in axes else n for i, n in enumerate(x) if keepdims or i not in axes)

    hint = ("keepdims=True keeps the reduced axis, with length 1" if keeps
            else "without keepdims=True the reduced axis is gone")  # fmt: skip
    yield Suspect("keepdims", reduced(gone, not keeps), hint)
    for other in range(len(x)):
        if {other} != gone:
            for keepdims in (keeps, not keeps):
                yield Suspect("axis", reduced({other}, keepdims), f"that reduces axis {other}: the axis that is named "
                              "is the one that goes, not the one that stays")  # fmt: skip
    yield Suspect("reduction", x, "that is the shape of what goes in: the reduced axis goes")
    yield Suspect("reduction", (), "that reduces all axes")


def _of_broadcasts(shapes: Sequence[Shape]) -> Iterator[Suspect]:
    """Shapes are aligned at the right, and length 1 is repeated."""
    wrong = left_aligned(shapes)
    if wrong is not None:
        yield Suspect("aligned left", wrong, "shapes are aligned at their last axis, not at the first")
    for x in shapes:
        yield Suspect("not repeated", x, f"that is the shape of one operand, {text_of(x)}: where one has length 1 or "
                      "no axis, it is repeated to the length of the other")  # fmt: skip
    yield Suspect("not repeated", tuple(min(pair) for pair in zip_longest(*_padded(shapes))),
                  "of two lengths, the one that is not 1 stays")  # fmt: skip
    if len(shapes) == 2:
        yield Suspect("joined", shapes[0] + shapes[1], "an elementwise op pairs axes up, it does not join them")


def _padded(shapes: Sequence[Shape]) -> list[Shape]:
    longest = max(map(len, shapes))
    return [(1,) * (longest - len(x)) + x for x in shapes]


def left_aligned(shapes: Sequence[Shape]) -> Shape | None:
    """What broadcasting would give if it aligned shapes at the first axis, or None if they would not fit."""
    result = []
    for lengths in zip_longest(*shapes, fillvalue=1):
        longest = {n for n in lengths if n != 1}
        if len(longest) > 1:
            return None
        result.append(longest.pop() if longest else 1)
    return tuple(result)
