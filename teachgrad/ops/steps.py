"""What stands at the borders of the steps of a loop: values handed in and out, rows of a sequence, rows put together.

`boundary` gives a step its values in memory of its own, and gives what lies before it the gradient in memory of its
own. So neither depends on how its neighbours lie in memory, and a step may overwrite what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from .elementwise_op import lift
from .shape import Copy, broadcast_to, concat, stack
from .tuples import Pieces, item


class Boundary(Copy):
    r"""z = x in memory of its own, where a loop or a branch begins or ends;   dz/dx = 1, also in memory of its own"""

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (boundary(g),)


class Rows(Op):
    r"""z = (x[0], x[1], ...): the rows of x along its first axis, each in memory of its own"""

    arithmetic = 0

    def __call__(self, x: Vertex, /) -> Any:
        return apply(self, (x,))

    def infer(self, x: Spec) -> Any:
        if not x.shape:
            raise ShapeError("a tensor without axes has no rows")
        return (Spec(x.shape[1:], x.dtype),) * x.shape[0]

    def forward(self, xp: Any, x: Array) -> Any:
        return tuple([x[k, ...].copy() for k in range(x.shape[0])])

    def parts(self, z: Any, x: Any) -> Any:
        return Pieces(lambda k: x[k, ...])

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        return (one_zero(join_rows([nothing(x.shape[1:], x) if row is None else row for row in g])),)


class JoinRows(Op):
    r"""z[k] = the k-th input, along a new first axis"""

    arithmetic = 0

    def __call__(self, rows: Sequence[Vertex], /) -> Any:
        return apply(self, tuple(rows))

    def infer(self, *inputs: Spec) -> Spec:
        return Spec((len(inputs), *inputs[0].shape), inputs[0].dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.stack(inputs)

    def parts(self, z: Any, *inputs: Any) -> Any:
        return stack(inputs)

    def vjp(self, g: Vertex, z: Vertex, *inputs: Vertex) -> Any:
        parts = rows(g)
        return [item(parts, k) if x.requires_grad else None for k, x in enumerate(inputs)]


class Sections(Op):
    r"""z = pieces of x along its first axis, of these lengths, each in memory of its own"""

    arithmetic = 0

    def __call__(self, x: Vertex, lengths: tuple[int, ...], /) -> Any:
        return apply(self, (x,), {"lengths": lengths})

    def infer(self, x: Spec, *, lengths: tuple[int, ...]) -> Any:
        if sum(lengths) != x.shape[0]:
            raise ShapeError(f"pieces of lengths {lengths} do not make an axis of length {x.shape[0]}")
        return tuple([Spec((n, *x.shape[1:]), x.dtype) for n in lengths])

    def forward(self, xp: Any, x: Array, *, lengths: tuple[int, ...]) -> Any:
        stops = [sum(lengths[:k + 1]) for k in range(len(lengths))]
        return tuple([x[stop - n:stop].copy(order="K") for n, stop in zip(lengths, stops, strict=True)])

    def parts(self, z: Any, x: Any) -> Any:
        lengths = z.attrs["lengths"]
        return Pieces(lambda k: x[sum(lengths[:k]):sum(lengths[:k + 1])])

    def vjp(self, g: Any, z: Vertex, x: Vertex) -> Any:
        return (join_sections([nothing((n, *x.shape[1:]), x) if piece is None else piece
                               for piece, n in zip(g, z.attrs["lengths"], strict=True)]),)


class JoinSections(Op):
    r"""z = the inputs one after the other along their first axis"""

    arithmetic = 0

    def __call__(self, pieces: Sequence[Vertex], /) -> Any:
        return apply(self, tuple(pieces))

    def infer(self, *inputs: Spec) -> Spec:
        return Spec((sum(x.shape[0] for x in inputs), *inputs[0].shape[1:]), inputs[0].dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.concatenate(inputs)

    def parts(self, z: Any, *inputs: Any) -> Any:
        return concat(inputs)

    def vjp(self, g: Vertex, z: Vertex, *inputs: Vertex) -> Any:
        parts = sections(g, tuple([x.shape[0] for x in inputs]))
        return [item(parts, k) if x.requires_grad else None for k, x in enumerate(inputs)]


def nothing(shape: tuple[int, ...], like: Vertex) -> Any:
    """Zeros."""
    return broadcast_to(lift(0.0, like), shape)


def one_zero(g: Vertex) -> Any:
    """The gradient of a sequence, with one kind of zero.

    Where dynamic mode has no gradient for a row, a static graph may have computed one of -0.0.
    """
    return g + 0.0


boundary, rows, join_rows, sections, join_sections = Boundary(), Rows(), JoinRows(), Sections(), JoinSections()
