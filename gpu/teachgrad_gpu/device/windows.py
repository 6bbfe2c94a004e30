"""Convolution and pooling over one or two spatial axes, with the images last as the ops have them.

A convolution is a product of matrices (cuBLAS, by CuPy) with the columns that one kernel makes; where each group makes
few outputs there would be little to multiply, and every element is computed directly. CuPy no longer reaches cuDNN.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from teachgrad.ops.convolution import convolution, convolution_input_gradient, convolution_weight_gradient
from teachgrad.ops.pooling import average_pool, average_pool_gradient, max_pool, max_pool_gradient

from .table import computes, fits, launch

COLUMNS = 1 << 30
"""The most bytes that columns may take; where they would take more, the op makes them in pieces."""
FEW = 4
"""With fewer outputs in each group, a convolution is computed directly."""

Shape = tuple[int, ...]


def pair(numbers: Sequence[int], missing: int = 1) -> tuple[int, int]:
    """One number for each of two spatial axes; a single one is that of the columns."""
    fits(len(numbers) in (1, 2))
    return (missing, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def even(padding: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Padding that is the same on both sides."""
    fits(all(low == high for low, high in padding))
    return pair([low for low, _ in padding], 0)


def planes(there: Any, x: Any) -> Any:
    """x (channels, rows, columns, images) in C order; with one spatial axis there is one row."""
    x = there.xp.ascontiguousarray(x)
    return x if x.ndim == 4 else x.reshape(x.shape[0], 1, *x.shape[1:])


# ---- convolution -----------------------------------------------------------------------------------------------------

class Windows:
    """The settings of a convolution as its kernels take them, and its columns."""

    def __init__(self, there: Any, weight: Shape, stride: Shape, padding: Sequence[tuple[int, int]], dilation: Shape,
                 groups: int) -> None:
        self.there, self.groups = there, groups
        self.kernel = pair(weight[2:])
        self.outputs, self.seen = weight[0], weight[1]
        self.settings = {"stride": pair(stride), "padding": even(padding), "dilation": pair(dilation),
                         "images_last": True}
        self.height = self.seen * prod(self.kernel)
        self.direct = self.outputs // groups < FEW
        self.plain = self.kernel == (1, 1) and self.settings["stride"] == (1, 1) \
            and self.settings["padding"] == (0, 0)

    def columns(self, x: Any, places: int) -> Any:
        """What the kernel sees of x at so many places, a matrix for each group."""
        if not self.plain:
            z = self.memory(places, x)
            launch(self.there, "im2col", x, z, kernel=self.kernel, **self.settings)
            x = z
        return x.reshape(self.groups, self.height, places)

    def memory(self, places: int, like: Any) -> Any:
        """Memory for columns."""
        shape = self.groups * self.height, places
        fits(prod(shape) * like.itemsize <= COLUMNS)
        return self.there.xp.empty(shape, like.dtype)

    def matrices(self, weight: Any) -> Any:
        """The weights, a matrix for each group."""
        return weight.reshape(self.groups, self.outputs // self.groups, self.height)


def multiplied(xp: Any, a: Any, b: Any, out: Any = None) -> Any:
    """a b for each group. One product is one of matrices alone: in a batch of them CuPy copies what is turned."""
    if len(a) == 1:
        return xp.matmul(a[0], b[0], out=None if out is None else out[0])
    return xp.matmul(a, b, out=out)


def square(weight: Any) -> Any:
    """Weights (outputs, channels, rows, columns)."""
    fits(bool(weight.flags.c_contiguous))
    return weight.reshape(*weight.shape[:2], *pair(weight.shape[2:]))


@computes(convolution)
def convolved(there: Any, x: Any, weight: Any, bias: Any = None, *, stride: Shape, padding: Any, dilation: Shape,
              groups: int) -> Any:
    xp, how = there.xp, Windows(there, weight.shape, stride, padding, dilation, groups)
    shape = convolution.infer(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups).shape
    weight, places = square(weight), prod(shape[1:])
    if how.direct:
        z = xp.empty((shape[0], *pair(shape[1:-1]), shape[-1]), x.dtype)
        added = xp.zeros(shape[0], x.dtype) if bias is None else bias
        launch(there, "convolution", planes(there, x), weight, added, z, groups=groups, **how.settings)
        return z.reshape(shape)
    z = multiplied(xp, how.matrices(weight), how.columns(planes(there, x), places)).reshape(shape[0], places)
    if bias is not None:
        z += bias[:, None]
    return z.reshape(shape)


@computes(convolution_input_gradient)
def pulled_back(there: Any, u: Any, weight: Any, *, size: Shape, stride: Shape, padding: Any, dilation: Shape,
                groups: int) -> Any:
    xp, how = there.xp, Windows(there, weight.shape, stride, padding, dilation, groups)
    given, weight = planes(there, u), square(weight)
    z = xp.empty((how.seen * groups, *pair(size), u.shape[-1]), u.dtype)
    if how.direct:
        launch(there, "convolution_backward_input", given, weight, z, groups=groups, **how.settings)
    else:
        matrices = given.reshape(groups, how.outputs // groups, u.size // how.outputs)
        columns = None if how.plain else how.memory(matrices.shape[2], u)
        if columns is None:
            z = multiplied(xp, how.matrices(weight).mT, matrices)
        else:
            multiplied(xp, how.matrices(weight).mT, matrices, columns.reshape(groups, how.height, -1))
            launch(there, "col2im", columns, z, kernel=how.kernel, **how.settings)
    return z.reshape(how.seen * groups, *size, u.shape[-1])


@computes(convolution_weight_gradient)
def of_weights(there: Any, u: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Any, dilation: Shape,
               groups: int) -> Any:
    shape = (u.shape[0], x.shape[0] // groups, *kernel)
    xp, how = there.xp, Windows(there, shape, stride, padding, dilation, groups)
    given, seen = planes(there, u), planes(there, x)
    if how.direct:
        z = xp.empty((*shape[:2], *how.kernel), u.dtype)
        launch(there, "convolution_backward_weights", given, seen, z, groups=groups, **how.settings)
        return z.reshape(shape)
    matrices = given.reshape(groups, how.outputs // groups, u.size // how.outputs)
    return multiplied(xp, matrices, how.columns(seen, matrices.shape[2]).mT).reshape(shape)


# ---- pooling ---------------------------------------------------------------------------------------------------------

def maxima(there: Any, x: Any, shape: Shape, kernel: Shape, stride: Shape, padding: Any,
           dilation: Shape) -> tuple[Any, Any, dict[str, Any]]:
    """The largest element of each window, where in the plane it stands, and the settings of the kernels."""
    settings = {"kernel": pair(kernel), "stride": pair(stride), "padding": even(padding), "dilation": pair(dilation)}
    z = there.xp.empty((shape[0], *pair(shape[1:-1]), shape[-1]), x.dtype)
    places = there.xp.empty(z.shape, "int32")
    launch(there, "max_pool", x, z, places, **settings)
    return z, places, settings


@computes(max_pool)
def largest(there: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Any, dilation: Shape) -> Any:
    shape = max_pool.infer(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation).shape
    return maxima(there, planes(there, x), shape, kernel, stride, padding, dilation)[0].reshape(shape)


@computes(max_pool_gradient)
def to_largest(there: Any, u: Any, x: Any, y: Any, **settings: Any) -> Any:
    seen = planes(there, x)
    _, places, how = maxima(there, seen, y.shape, **settings)
    z = there.xp.empty_like(seen)
    launch(there, "max_pool_backward_gather", planes(there, u), places, z, **how)
    return z.reshape(x.shape)


@computes(average_pool)
def average(there: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Any, counted: Any,
            divisor: int | None) -> Any:
    fits(divisor is None and counted == padding)
    settings = {"kernel": kernel, "stride": stride, "padding": padding}
    shape = average_pool.infer(x, counted=counted, divisor=divisor, **settings).shape
    z = there.xp.empty((shape[0], *pair(shape[1:-1]), shape[-1]), x.dtype)
    launch(there, "average_pool", planes(there, x), z, kernel=pair(kernel), stride=pair(stride), padding=even(padding))
    return z.reshape(shape)


@computes(average_pool_gradient)
def shared_out(there: Any, u: Any, *, size: Shape, kernel: Shape, stride: Shape, padding: Any, counted: Any,
               divisor: int | None) -> Any:
    fits(divisor is None and counted == padding)
    z = there.xp.empty((u.shape[0], *pair(size), u.shape[-1]), u.dtype)
    launch(there, "average_pool_backward", planes(there, u), z, kernel=pair(kernel), stride=pair(stride),
           padding=even(padding))
    return z.reshape(u.shape[0], *size, u.shape[-1])
