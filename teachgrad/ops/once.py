"""Gradients that can be used, but not differentiated again, and the error that says why."""

from __future__ import annotations

from typing import Any

from ..errors import GradientError
from ..op import Array, Op, Spec, Vertex


def not_again(name: str) -> str:
    """How the error begins, for a function of this name."""
    return f"the gradient of {name} cannot be differentiated again:"


class Once(Op):
    r"""z = x, the gradient of a Function whose `backward` left the graph: it cannot be differentiated again

    The other inputs are what z depends on, though the graph does not show how.
    """

    arithmetic = 0

    def infer(self, x: Spec, *inputs: Spec, function: str, leak: str) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *inputs: Array, function: str, leak: str) -> Array:
        return x.copy()

    def vjp(self, g: Vertex, z: Vertex, *inputs: Vertex) -> Any:
        raise GradientError(
            f"{not_again(z.attrs['function'])} its backward took a value out of the graph ({z.attrs['leak']}).\n"
            "Ways out: compute with tensors in backward; or put the NumPy code into a second tg.Function, with a "
            "backward of its own, and call that.")


once = Once()
