"""Arrays that follow from sizes alone, in a trace that leaves sizes open.

`tg.zeros(n)`, `tg.arange(n)` and the number in `loss / n` are constants of a graph. Where n is open they have to be
made anew for each n, so there they are vertices without inputs; once n is known, they are constants again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..op import Array, Op, Shape, Spec, Vertex, apply
from ..sizes import is_open


class Made(Op):
    r"""z = f(sizes), an array that depends on nothing else"""

    arithmetic = 0
    differentiable = False

    def infer(self, *, by: Callable[..., Array], arguments: tuple[Any, ...], shape: Shape, dtype: Any) -> Spec:
        return Spec(shape, dtype)

    def forward(self, xp: Any, *, by: Callable[..., Array], arguments: tuple[Any, ...], shape: Shape,
                dtype: Any) -> Array:
        return by(*arguments)


made = Made()


def made_of(by: Callable[..., Array], arguments: tuple[Any, ...], shape: Shape) -> Vertex:
    """A vertex for by(*arguments), which has this shape and, at the end of its arguments, the dtype."""
    return apply(made, (), {"by": by, "arguments": arguments, "shape": shape, "dtype": arguments[-1]})


def array_or_vertex(by: Callable[..., Array], arguments: tuple[Any, ...], shape: Shape) -> Any:
    """The array by(*arguments), or a vertex for it where that depends on open sizes."""
    return made_of(by, arguments, shape) if is_open(arguments) else by(*arguments)
