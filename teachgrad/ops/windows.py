"""Windows that move over the spatial axes of a batch of images: what convolution and pooling share.

A window is told by kernel, stride, padding as (low, high) and dilation, one entry for each spatial axis.

The ops of this family have the images as their last axis: (channel, row, column, image). Then a shifted part of an
array consists of long runs of memory, and copying and combining such parts, which is most of the work, takes half as
long as with the images first, where the longest run is part of a row. The functions that people call have the images
first, as usual, and turn the axes; that is a view, and costs nothing between two ops of this family.
"""

from __future__ import annotations

from typing import Any

from ..op import Array, Shape, Vertex
from .shape import permute_dims

Pairs = tuple[tuple[int, int], ...]


def images_last(x: Vertex) -> Any:
    """(image, channel, ...) turned to (channel, ..., image)."""
    return permute_dims(x, (*range(1, x.ndim), 0))


def images_first(x: Vertex) -> Any:
    """(channel, ..., image) turned to (image, channel, ...)."""
    return permute_dims(x, (x.ndim - 1, *range(x.ndim - 1)))


def padded(xp: Any, x: Array, padding: Pairs, value: float = 0.0) -> Array:
    """x (channel, ..., image) in C order, with a constant around the spatial axes."""
    if not any(low or high for low, high in padding):
        return xp.ascontiguousarray(x)
    shape = (x.shape[0], *whole_size(x.shape[1:-1], padding), x.shape[-1])
    z = xp.full(shape, value, x.dtype) if value else xp.zeros(shape, x.dtype)
    z[inside(padding, x.shape[1:-1])] = x
    return z


def whole_size(size: Shape, padding: Pairs) -> Shape:
    """The spatial shape with padding."""
    return tuple(n + low + high for n, (low, high) in zip(size, padding, strict=True))


def inside(padding: Pairs, size: Shape) -> tuple[slice, ...]:
    """The index of what is not padding, in an array (channel, ..., image)."""
    return slice(None), *(slice(low, low + n) for (low, _), n in zip(padding, size, strict=True))


def without_border(xp: Any, z: Array, size: Shape, padding: Pairs, out: Array | None) -> Array:
    """The inner part of a padded array, in `out` if that is given and not what it is already."""
    if z.shape[1:-1] == size:
        return z
    inner = z[inside(padding, size)]
    if out is None:
        return xp.ascontiguousarray(inner)
    out[...] = inner
    return out


def window_counts(size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    """How many places the window takes along each spatial axis."""
    return tuple((n + low + high - d * (k - 1) - 1) // s + 1
                 for n, k, s, (low, high), d in zip(size, kernel, stride, padding, dilation, strict=True))


def seen(offset: Shape, counts: Shape, stride: Shape, dilation: Shape) -> tuple[slice, ...]:
    """The index, in a padded array (channel, ..., image), of what all windows have at one offset in the kernel."""
    return slice(None), *(slice(k * d, k * d + (n - 1) * s + 1, s)
                          for k, n, s, d in zip(offset, counts, stride, dilation, strict=True))
