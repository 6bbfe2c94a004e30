"""Convolution over any number of spatial axes, and its two gradients, as one family.

    forward           z[o,p,n]  = b[o] + Σ_{c,k} x[c, p·stride + k·dilation - padding, n] w[o,c,k]
    input gradient    z[c,i,n]  = Σ_{o,p,k: p·stride + k·dilation - padding = i} g[o,p,n] w[o,c,k]
    weight gradient   z[o,c,k]  = Σ_{n,p} g[o,p,n] x[c, p·stride + k·dilation - padding, n]

All three are linear in each input, and the derivatives of each are the other two: so there are gradients of any order.

Each is a product of matrices: the values under the kernel at every place are copied into columns (im2col), and the
weights multiply those. With the images innermost in memory (see `windows`) the copies move long runs. Columns are made
for some rows at a time, few enough to stay in the cache until the product has read them.
Source of im2col: K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for document
processing" (2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from . import convolution_c
from .reductions import sum
from .shape import astype
from .windows import Pairs, images_first, images_last, padded, seen, whole_size, window_counts, without_border

GATHER_BYTES, SPREAD_BYTES = 3 << 18, 1 << 21
"""How much memory columns take at a time: those that are copied and then multiplied, those that a product writes.
Measured, on a second-level cache of 2 MiB, to be best or close to it for sides of 14 to 64 and 1 to 64 channels."""
ELSEWHERE_BYTES = 1 << 28
"""The same on another device: there each piece is a few launches, so only memory limits them."""

SMALL_PRODUCT, LONG_ENOUGH = 10**6, 1024
"""OpenBLAS multiplies matrices with m·n·k up to a million without first copying them into blocks. With few channels and
long columns that copying costs more than the product, so there the product is cut into pieces that are small in this
sense. Measured, this makes it up to three times as fast, as long as the pieces stay long enough."""


class Columns:
    """The columns of im2col for a padded input (channel, ..., image): what the kernel sees at each place.

    They are made in pieces: some rows of the first spatial axis at a time.
    """

    def __init__(self, channels: int, images: int, kernel: Shape, places: Shape, budget: int, itemsize: int,
                 stride: Shape, dilation: Shape, groups: int, **settings: Any) -> None:
        self.kernel, self.places, self.stride, self.dilation = kernel, places, stride, dilation
        self.channels, self.images, self.groups = channels, images, groups
        self.height = channels // groups * prod(kernel)
        self.row = prod(places[1:]) * images
        self.rows = max(1, min(places[0], budget // max(1, groups * self.height * self.row * itemsize)))
        self.identity = prod(kernel) == 1 and set(stride) == {1}
        self.memory: Array = None

    def pieces(self) -> Iterator[tuple[int, int, slice]]:
        """First row, number of rows, and which of the flattened places they are."""
        for first in range(0, self.places[0], self.rows):
            rows = min(self.rows, self.places[0] - first)
            yield first, rows, slice(first * self.row, (first + rows) * self.row)

    def buffer(self, xp: Any, rows: int, dtype: Any) -> Array:
        """Memory for the columns of so many rows, (channel, ...kernel, ...places, image), the same for each piece."""
        shape = (self.channels, *self.kernel, rows, *self.places[1:], self.images)
        if self.memory is None or self.memory.shape != shape:
            self.memory = xp.empty(shape, dtype)
        return self.memory

    def matrices(self, columns: Array) -> Array:
        """Columns as matrices, one a group."""
        return columns.reshape(self.groups, self.height, columns.size // max(1, self.groups * self.height))

    def windows(self, xp: Any, x: Array) -> Array:
        """The padded input, seen as the columns would be: a view (channel, ...kernel, ...places, image)."""
        channel, *spatial, image = x.strides
        along_kernel = [step * d for step, d in zip(spatial, self.dilation, strict=True)]
        along_places = [step * s for step, s in zip(spatial, self.stride, strict=True)]
        return xp.lib.stride_tricks.as_strided(x, (self.channels, *self.kernel, *self.places, self.images),
                                               (channel, *along_kernel, *along_places, image))

    def gather(self, xp: Any, windows: Array, first: int, rows: int) -> Array:
        """The columns of some rows as matrices."""
        part = windows[(slice(None),) * (1 + len(self.kernel)) + (slice(first, first + rows),)]
        if self.identity:
            return self.matrices(part)
        columns = self.buffer(xp, rows, windows.dtype)
        xp.copyto(columns, part)
        return self.matrices(columns)

    def spread(self, xp: Any, columns: Array, first: int, rows: int, x: Array) -> None:
        """Add the columns of some rows to the places in the padded input where they were taken from."""
        top = x[:, first * self.stride[0]:]
        for offset in product(*map(range, self.kernel)):
            part = top[seen(offset, (rows, *self.places[1:]), self.stride, self.dilation)]
            xp.add(part, columns[(slice(None), *offset)], out=part)


def memory_for(xp: Any, cached: int) -> int:
    """How much memory columns take at a time: `cached` on the CPU."""
    return cached if xp is np else ELSEWHERE_BYTES


def cuts(xp: Any, a: Array, length: int) -> Iterator[slice]:
    """How to cut a product of the matrices `a` with others of so many columns."""
    each = SMALL_PRODUCT // max(1, a.shape[1] * a.shape[2]) // 16 * 16
    each = each if each >= LONG_ENOUGH and xp is np else max(1, length)
    return (slice(start, start + each) for start in range(0, length, each))


def multiply(xp: Any, a: Array, b: Array, out: Array) -> None:
    """out = a b for each of some pairs of matrices."""
    for cut in cuts(xp, a, b.shape[2]):
        xp.matmul(a, b[:, :, cut], out=out[:, :, cut])


def multiply_transposed(xp: Any, a: Array, b: Array, total: Array) -> None:
    """total = total + a bᵀ for each of some pairs of matrices."""
    for cut in cuts(xp, total, b.shape[2]):
        total += xp.matmul(a[:, :, cut], b[:, :, cut].transpose(0, 2, 1))


class Convolution(Op):
    r"""z[o,p,n] = b[o] + Σ_{c,k} x[c, p·stride + k·dilation - padding, n] w[o,c,k]

    x (channels, ..., images), w (out, channels/groups, ...), b (out,), z (out, ..., images). Outside of x there are
    zeros. With groups, the channels are cut into that many parts, and each part of the outputs sees one of them.
    """

    writes_out = out_anywhere = True
    derivatives = ("Σ_{o,k} g w", "Σ_{n,p} g x", "Σ_{n,p} g")

    def infer(self, x: Spec, weight: Spec, *bias: Spec, stride: Shape, padding: Pairs, dilation: Shape,
              groups: int) -> Spec:
        places = window_counts(x.shape[1:-1], weight.shape[2:], stride, padding, dilation)
        return Spec((weight.shape[0], *places, x.shape[-1]), x.dtype)

    def forward(self, xp: Any, x: Array, weight: Array, bias: Array | None = None, *, padding: Pairs,
                out: Array | None = None, **settings: Any) -> Array:
        kernel, images = weight.shape[2:], x.shape[-1]
        places = window_counts(x.shape[1:-1], kernel, settings["stride"], padding, settings["dilation"])
        columns = Columns(x.shape[0], images, kernel, places, memory_for(xp, GATHER_BYTES), x.itemsize, **settings)
        weights = weight.reshape(columns.groups, weight.shape[0] // columns.groups, columns.height)
        z = xp.empty((weight.shape[0], *places, images), x.dtype) if out is None else out
        matrices = z.reshape(*weights.shape[:2], prod(places) * images)
        windows = columns.windows(xp, padded(xp, x, padding))
        for first, rows, span in columns.pieces():
            part = matrices[:, :, span]
            multiply(xp, weights, columns.gather(xp, windows, first, rows), part)
            if bias is not None:
                xp.add(part, bias.reshape(columns.groups, -1, 1), out=part)
        return z

    def c_body(self, z: Vertex, *inputs: Vertex) -> str | None:
        return convolution_c.forward(z, *inputs)

    def flops(self, z: Any, x: Any, weight: Any, *bias: Any, **attrs: Any) -> int:
        return z.size * (2 * prod(weight.shape[1:]) + len(bias))

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, weight: Vertex, *bias: Vertex) -> Any:
        gx = input_gradient(g, weight, x, z.attrs) if x.requires_grad else None
        gw = weight_gradient(g, x, weight, z.attrs) if weight.requires_grad else None
        if not bias:
            return gx, gw
        return gx, gw, sum(g, axis=tuple(range(1, g.ndim))) if bias[0].requires_grad else None


class ConvolutionInputGradient(Op):
    r"""z[c,i,n] = Σ_{o,p,k: p·stride + k·dilation - padding = i} u[o,p,n] w[o,c,k]

    The gradient of a convolution for its input, whose spatial shape is `size`; and the transposed convolution.
    """

    writes_out = out_anywhere = True
    derivatives = ("Σ_{c,k} g w", "Σ_{n,p} u g")

    def infer(self, u: Spec, weight: Spec, *, size: Shape, groups: int, **settings: Any) -> Spec:
        return Spec((weight.shape[1] * groups, *size, u.shape[-1]), u.dtype)

    def forward(self, xp: Any, u: Array, weight: Array, *, size: Shape, padding: Pairs, out: Array | None = None,
                **settings: Any) -> Array:
        channels, kernel = weight.shape[1] * settings["groups"], weight.shape[2:]
        places, images = u.shape[1:-1], u.shape[-1]
        columns = Columns(channels, images, kernel, places, memory_for(xp, SPREAD_BYTES), u.itemsize, **settings)
        given = xp.ascontiguousarray(u).reshape(columns.groups, u.shape[0] // columns.groups, prod(places) * images)
        weights = weight.reshape(columns.groups, u.shape[0] // columns.groups, columns.height).transpose(0, 2, 1)
        whole = (channels, *whole_size(size, padding), images)
        bordered = whole[1:-1] != size
        z = xp.empty(whole, u.dtype) if out is None or bordered else out
        if columns.identity and whole[1:-1] == places:
            multiply(xp, weights, given, z.reshape(columns.groups, columns.height, prod(places) * images))
        else:
            z.fill(0)
            for first, rows, span in columns.pieces():
                memory = columns.buffer(xp, rows, u.dtype)
                multiply(xp, weights, given[:, :, span], columns.matrices(memory))
                columns.spread(xp, memory, first, rows, z)
        return without_border(xp, z, size, padding, out)

    def c_body(self, z: Vertex, *inputs: Vertex) -> str | None:
        return convolution_c.input_gradient(z, *inputs)

    def flops(self, z: Any, u: Any, weight: Any, **attrs: Any) -> int:
        return 2 * u.size * prod(weight.shape[1:])

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, weight: Vertex) -> Any:
        gu = output_gradient(g, weight, u, without(z.attrs, "size")) if u.requires_grad else None
        gw = weight_gradient(u, g, weight, without(z.attrs, "size")) if weight.requires_grad else None
        return gu, gw


class ConvolutionWeightGradient(Op):
    r"""z[o,c,k] = Σ_{n,p} u[o,p,n] x[c, p·stride + k·dilation - padding, n]

    The gradient of a convolution for its weight, whose spatial shape is `kernel`.
    """

    writes_out = out_anywhere = True
    derivatives = ("Σ_{c,k} x g", "Σ_{o,k} u g")

    def infer(self, u: Spec, x: Spec, *, kernel: Shape, groups: int, **settings: Any) -> Spec:
        return Spec((u.shape[0], x.shape[0] // groups, *kernel), u.dtype)

    def forward(self, xp: Any, u: Array, x: Array, *, kernel: Shape, padding: Pairs, out: Array | None = None,
                **settings: Any) -> Array:
        places, images = u.shape[1:-1], u.shape[-1]
        columns = Columns(x.shape[0], images, kernel, places, memory_for(xp, GATHER_BYTES), x.itemsize, **settings)
        given = xp.ascontiguousarray(u).reshape(columns.groups, u.shape[0] // columns.groups, prod(places) * images)
        z = xp.empty((u.shape[0], x.shape[0] // columns.groups, *kernel), u.dtype) if out is None else out
        z.fill(0)
        matrices = z.reshape(*given.shape[:2], columns.height)
        windows = columns.windows(xp, padded(xp, x, padding))
        for first, rows, span in columns.pieces():
            multiply_transposed(xp, given[:, :, span], columns.gather(xp, windows, first, rows), matrices)
        return z

    def c_body(self, z: Vertex, *inputs: Vertex) -> str | None:
        return convolution_c.weight_gradient(z, *inputs)

    def flops(self, z: Any, u: Any, x: Any, **attrs: Any) -> int:
        return 2 * u.size * prod(z.shape[1:])

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, x: Vertex) -> Any:
        gu = output_gradient(x, g, u, without(z.attrs, "kernel")) if u.requires_grad else None
        gx = input_gradient(u, g, x, without(z.attrs, "kernel")) if x.requires_grad else None
        return gu, gx


convolution = Convolution()
convolution_input_gradient, convolution_weight_gradient = ConvolutionInputGradient(), ConvolutionWeightGradient()


def input_gradient(g: Vertex, weight: Vertex, x: Vertex, settings: Mapping[str, Any]) -> Any:
    """The gradient g of a convolution of x with `weight`, pulled back to x."""
    return apply(convolution_input_gradient, (g, weight), {**settings, "size": x.shape[1:-1]})


def weight_gradient(g: Vertex, x: Vertex, weight: Vertex, settings: Mapping[str, Any]) -> Any:
    """The gradient g of a convolution of x with `weight`, pulled back to the weight."""
    return apply(convolution_weight_gradient, (g, x), {**settings, "kernel": weight.shape[2:]})


def output_gradient(x: Vertex, weight: Vertex, u: Vertex, settings: Mapping[str, Any]) -> Any:
    """The convolution of x with `weight` at the places of u; an output padding may have made room for more of them."""
    z = apply(convolution, (x, weight), settings)
    return z if z.shape == u.shape else z[(slice(None), *map(slice, u.shape[1:-1]))]


def without(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Settings but for one."""
    return {k: value for k, value in settings.items() if k != key}


def convolve(x: Vertex, weight: Vertex, bias: Vertex | None = None, /, *, stride: Shape, padding: Pairs,
             dilation: Shape, groups: int = 1) -> Any:
    """The convolution of x (images, channels, ...) with a weight (out, channels/groups, ...), plus a bias (out,)."""
    x, weight = meet("convolution", x, weight)
    check(x.shape, weight.shape, stride, dilation, groups)
    channels, (out, taken, *kernel) = x.shape[1], weight.shape
    if channels != taken * groups:
        fitting = str((out, channels // groups, *kernel)) if channels % groups == 0 else "with another number of groups"
        each = f" in each of {groups} groups" if groups > 1 else ""
        raise ShapeError(f"convolution: the input {x.shape} has {channels} channels, the weight {weight.shape} takes "
                         f"{taken}{each}.\nWays out: an input of {taken * groups} channels; or a weight {fitting}.")
    if bias is not None and bias.shape != (out,):
        raise ShapeError(f"convolution: the bias {bias.shape} must have a number for each output channel: ({out},)")
    if min(window_counts(x.shape[2:], weight.shape[2:], stride, padding, dilation)) < 1:
        raise ShapeError(f"convolution: a kernel {weight.shape[2:]} with dilation {dilation} does not fit into the "
                         f"input {x.shape[2:]} with padding {padding}.\nWays out: a smaller kernel; or more padding.")
    inputs = (images_last(x), weight) if bias is None else (images_last(x), weight, astype(bias, x.dtype, copy=False))
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return images_first(apply(convolution, inputs, settings))


def convolve_transposed(x: Vertex, weight: Vertex, /, *, stride: Shape, padding: Pairs, dilation: Shape, groups: int,
                        output_padding: Shape) -> Any:
    """The adjoint of a convolution, which spreads each element of x over a window of the result.

    x (images, channels, ...), weight (channels, out/groups, ...). Along each spatial axis the result has
    (n - 1)·stride - low - high + dilation·(kernel - 1) + 1 + output_padding elements.
    """
    x, weight = meet("transposed convolution", x, weight)
    check(x.shape, weight.shape, stride, dilation, groups)
    if x.shape[1] != weight.shape[0]:
        raise ShapeError(f"transposed convolution: the input {x.shape} has {x.shape[1]} channels, but the weight "
                         f"{weight.shape}, which is (in, out/groups, ...), takes {weight.shape[0]}")
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if not 0 <= extra < max(s, d):
            raise ShapeError(f"transposed convolution: output_padding {output_padding} must be smaller than the stride "
                             f"{stride} or the dilation {dilation}")
    size = tuple((n - 1) * s - low - high + d * (k - 1) + 1 + extra for n, s, (low, high), d, k, extra in
                 zip(x.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True))
    if min(size) < 1:
        raise ShapeError(f"transposed convolution: padding {padding} leaves nothing of the result: {size}")
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "size": size}
    return images_first(apply(convolution_input_gradient, (images_last(x), weight), settings))


def meet(name: str, x: Vertex, weight: Vertex) -> tuple[Vertex, Vertex]:
    """Input and weight in the type in which they meet."""
    if x._data.dtype != weight._data.dtype:
        dtype = dtypes.promote(x.dtype, weight.dtype)
        x, weight = astype(x, dtype, copy=False), astype(weight, dtype, copy=False)
    if x._data.dtype.kind != "f":
        raise DTypeError(f"{name} takes floating-point numbers, not {x.dtype}; write tg.astype(x, tg.float32) first")
    return x, weight


def check(x: Shape, weight: Shape, stride: Shape, dilation: Shape, groups: int) -> None:
    """Refuse what no convolution can be made of."""
    if len(x) < 3 or len(weight) != len(x):
        raise ShapeError(f"convolution: the input {x} must be (images, channels, ...) and the weight {weight} "
                         "(out, in, ...), with the same number of spatial axes")
    if groups < 1 or weight[0] % groups:
        raise ShapeError(f"convolution: the first axis of the weight {weight} cannot be cut into {groups} groups")
    if min(stride) < 1 or min(dilation) < 1:
        raise ShapeError(f"convolution: stride {stride} and dilation {dilation} must be at least 1")
