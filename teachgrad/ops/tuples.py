"""Ops with several results, such as a QR decomposition.

Such an op makes one vertex whose data is a tuple; `item` takes one result out of it. The backward pass collects the
gradients of the results, None for those that are not used, and hands them to the op's rule together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..op import Op, Vertex, apply, state


class Item(Op):
    r"""z = x[index]: one of the results of an op that has several

    A rule may need the results again, and users may overwrite what they were given: so where a gradient is recorded, z
    is a copy (`own`). A trace needs none, there every overwrite makes a new version.
    """

    arithmetic = 0

    def __call__(self, x: Vertex, index: int, /) -> Any:
        now = state.now
        own = {"own": True} if x.requires_grad and now.grad and now.tracer is None else {}
        return apply(item if x._data[index].dtype.kind == "f" else item_of_integers, (x,), {"index": index, **own})

    def infer(self, x: Any, *, index: int, own: bool = False) -> Any:
        return x[index]

    def forward(self, xp: Any, x: Any, *, index: int, own: bool = False) -> Any:
        return x[index].copy() if own else x[index]


class ItemOfIntegers(Item):
    r"""z = x[index] where that result is not of a floating-point type: no gradient flows"""

    differentiable = False


item, item_of_integers = Item(), ItemOfIntegers()


def settle(x: Vertex) -> None:
    """Give an item the history of the result that it is, if code has run again that made it (`tg.checkpoint`)."""
    made = x.inputs[0].attrs.get("made") if x.inputs else None
    v = made[x.attrs["index"]] if made is not None else x
    if v is not x and v.id == x.id:
        x.op, x.inputs, x.attrs, x.hooks = v.op, v.inputs, v.attrs, (*v.hooks, *x.hooks)


class Pieces:
    """Results of which each is made when it is asked for: there may be many, and a rewrite looks at one at a time."""

    def __init__(self, piece: Callable[[int], Any]) -> None:
        self.piece = piece

    def __getitem__(self, k: int) -> Any:
        return self.piece(k)


def unpack(x: Vertex) -> tuple[Any, ...]:
    """All results of an op that has several, each as a vertex of its own."""
    return tuple(item(x, index) for index in range(len(x._data)))
