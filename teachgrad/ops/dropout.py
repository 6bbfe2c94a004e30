"""Keeping some elements of a tensor, scaled, and making the others 0: what dropout does once the mask is drawn."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from ..op import Array, Spec, Vertex, apply
from ..sizes import broadcast_shapes
from .elementwise_op import Elementwise
from .masks import keep_where
from .pieces import in_pieces


class KeepScaled(Elementwise):
    r"""z = scale · x where the mask holds, else 0,   dz/dx = scale or 0"""

    c = "{y} ? {scale} * {x} : 0"
    derivatives = ("scale*y", "")
    may_overwrite = (0,)

    def __call__(self, x: Vertex, mask: Vertex, /, *, scale: float) -> Any:
        if x._data.dtype.kind != "f" or mask._data.dtype.kind != "b":
            raise DTypeError(f"{self.name} takes floats and a mask of truth values, not {x.dtype} and {mask.dtype}")
        return apply(self, (x, mask), {"scale": scale})

    def infer(self, x: Spec, mask: Spec, *, scale: float) -> Spec:
        return Spec(broadcast_shapes(x.shape, mask.shape), x.dtype)

    def forward(self, xp: Any, x: Array, mask: Array, *, scale: float, out: Array | None = None) -> Array:
        return in_pieces(self.compute, xp, out, x, mask, scale=scale)

    def compute(self, xp: Any, z: Array, x: Array, mask: Array, *, scale: float) -> None:
        """z = scale · x or 0, for some of the elements."""
        keep_where(xp, z, xp.broadcast_to(mask, x.shape), x)
        z *= scale

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, mask: Vertex) -> Any:
        return apply(self, (g, mask), z.attrs), None


keep_scaled = KeepScaled()
