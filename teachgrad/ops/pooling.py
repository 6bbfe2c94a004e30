"""Pooling: the maximum or the mean of each window that moves over the spatial axes, and what carries gradients back.

A maximum or a sum over a window is taken along one axis after the other. The gradient of a maximum goes to the first
element of the window, in reading order, that attains it, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import inf, nan, prod
from typing import Any

from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from . import pooling_c
from .masks import keep_where
from .windows import Pairs, images_first, images_last, padded, seen, whole_size, window_counts, without_border


def pooling_padding(size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape,
                    ceil_mode: bool) -> Pairs:
    """Padding as (low, high) for each spatial axis.

    With `ceil_mode` a last window may reach over the end, as long as it begins inside the input or the padding before
    it; the padding at the end is made longer for it.
    """
    pairs = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        reach, free = d * (k - 1) + 1, n + 2 * p - d * (k - 1) - 1
        count = (-(-free // s) if ceil_mode else free // s) + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        pairs.append((p, max(p, (count - 1) * s + reach - n - p)))
    return tuple(pairs)


def check(name: str, x: Vertex, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> None:
    """Refuse windows that do not fit."""
    if x.dtype.kind != "f":
        raise DTypeError(f"{name} takes floating-point numbers, not {x.dtype}; write tg.astype(x, tg.float32) first")
    if x.ndim != len(kernel) + 2:
        raise ShapeError(f"{name}: the input {x.shape} must be (images, channels, ...) with {len(kernel)} spatial axes")
    if min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1:
        raise ShapeError(f"{name}: kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1")
    for p, k in zip(padding, kernel, strict=True):
        if not 0 <= p <= k // 2:
            raise ShapeError(f"{name}: padding {padding} must be at most half of the kernel {kernel}, so that "
                             "every window sees something")
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if any(n + 2 * p < r for n, p, r in zip(x.shape[2:], padding, reach, strict=True)):
        raise ShapeError(f"{name}: a window {reach} does not fit into the input {x.shape[2:]} with padding {padding}")


class MaxPool(Op):
    r"""z = the largest x in each window,   dz/dx = 1 for the first element that attains it, else 0

    x (channels, ..., images). Padding counts as -infinity.
    """

    writes_out = out_anywhere = True
    derivatives = ("first(x == z)",)

    def infer(self, x: Spec, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Spec:
        return Spec(pooled_shape(x.shape, kernel, stride, padding, dilation), x.dtype)

    def forward(self, xp: Any, x: Array, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape,
                out: Array | None = None) -> Array:
        return fold(xp, xp.maximum, padded(xp, x, padding, -inf), kernel, stride, dilation, out)

    def c_body(self, z: Vertex, x: Vertex) -> str | None:
        return pooling_c.maximum(z, x)

    def flops(self, z: Any, x: Any, **attrs: Any) -> int:
        return z.size * prod(attrs["kernel"])

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(max_pool_gradient, (g, x, z), z.attrs),)


class MaxPoolGradient(Op):
    r"""z[i] = Σ u[window] over the windows of x whose maximum y stands at i: the gradient of max_pool, pulled back"""

    writes_out = out_anywhere = True
    may_overwrite = (1,)
    derivatives = ("first(x == y)", "0", "0")

    def infer(self, u: Spec, x: Spec, y: Spec, **settings: Any) -> Spec:
        return x

    def forward(self, xp: Any, u: Array, x: Array, y: Array, *, padding: Pairs, out: Array | None = None,
                **settings: Any) -> Array:
        size, kernel = x.shape[1:-1], settings["kernel"]
        whole = whole_size(size, padding)
        bordered = whole != size
        covered = tuple(n * k for n, k in zip(u.shape[1:-1], kernel, strict=True))
        tiled = settings["stride"] == kernel and whole == covered
        if out is not None and not tiled and not bordered and xp.may_share_memory(out, x):
            x = x.copy()
        z = xp.empty((x.shape[0], *whole, x.shape[-1]), u.dtype) if out is None or bordered else out
        if not tiled:
            z.fill(0)
        u, kept = xp.ascontiguousarray(u), None if tiled else xp.empty(y.shape, u.dtype)
        for index, won in winners(xp, x, y, padding=padding, **settings):
            part = z[index]
            if tiled:  # every element belongs to one window and is written once, perhaps over what was read there
                keep_where(xp, part, won, u)
            else:
                keep_where(xp, kept, won, u)
                xp.add(part, kept, out=part)
        return without_border(xp, z, size, padding, out)

    def c_body(self, z: Vertex, u: Vertex, x: Vertex, y: Vertex) -> str | None:
        return pooling_c.at_maximum(z, u, x, y, back=True)

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, x: Vertex, y: Vertex) -> Any:
        return apply(max_pool_pick, (g, x, y), z.attrs), None, None


class MaxPoolPick(Op):
    r"""z[window] = u[i], where i is the place at which the maximum y of the window of x stands"""

    derivatives = ("first(x == y)", "0", "0")

    def infer(self, u: Spec, x: Spec, y: Spec, **settings: Any) -> Spec:
        return y

    def forward(self, xp: Any, u: Array, x: Array, y: Array, *, padding: Pairs, **settings: Any) -> Array:
        source = padded(xp, u, padding)
        z, kept = xp.zeros(y.shape, u.dtype), xp.empty(y.shape, u.dtype)
        for index, won in winners(xp, x, y, padding=padding, **settings):
            keep_where(xp, kept, won, source[index])
            z += kept
        return z

    def c_body(self, z: Vertex, u: Vertex, x: Vertex, y: Vertex) -> str | None:
        return pooling_c.at_maximum(z, u, x, y, back=False)

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, x: Vertex, y: Vertex) -> Any:
        return apply(max_pool_gradient, (g, x, y), z.attrs), None, None


class AveragePool(Op):
    r"""z = Σ x / n over each window,   dz/dx = 1/n

    x (channels, ..., images). n is `divisor`, or how many elements of a window lie in x, or in x with the padding that
    `counted` says.
    """

    writes_out = out_anywhere = True
    derivatives = ("1/n",)

    def infer(self, x: Spec, *, kernel: Shape, stride: Shape, padding: Pairs, **settings: Any) -> Spec:
        return Spec(pooled_shape(x.shape, kernel, stride, padding, (1,) * len(kernel)), x.dtype)

    def forward(self, xp: Any, x: Array, *, kernel: Shape, stride: Shape, padding: Pairs, counted: Pairs,
                divisor: int | None, out: Array | None = None) -> Array:
        z = fold(xp, xp.add, padded(xp, x, padding), kernel, stride, (1,) * len(kernel), out)
        z /= divisors(xp, x.shape[1:-1], kernel, stride, padding, counted, divisor, z.dtype)
        return z

    def c_body(self, z: Vertex, x: Vertex) -> str | None:
        return pooling_c.mean(z, x)

    def flops(self, z: Any, x: Any, **attrs: Any) -> int:
        return z.size * prod(attrs["kernel"])

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(average_pool_gradient, (g,), {**z.attrs, "size": x.shape[1:-1]}),)


class AveragePoolGradient(Op):
    r"""z[i] = Σ u/n over the windows that see i: the gradient of average_pool for an input of this spatial size"""

    writes_out = out_anywhere = True
    derivatives = ("1/n",)

    def infer(self, u: Spec, *, size: Shape, **settings: Any) -> Spec:
        return Spec((u.shape[0], *size, u.shape[-1]), u.dtype)

    def forward(self, xp: Any, u: Array, *, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, counted: Pairs,
                divisor: int | None, out: Array | None = None) -> Array:
        whole = whole_size(size, padding)
        z = xp.ascontiguousarray(u) / divisors(xp, size, kernel, stride, padding, counted, divisor, u.dtype)
        for axis, (k, s, n) in enumerate(zip(kernel, stride, whole, strict=True), 1):
            last = out is not None and axis == len(kernel) and whole == size
            spread: Array = out if last else xp.empty((*z.shape[:axis], n, *z.shape[axis + 1:]), z.dtype)
            spread.fill(0)
            for part in parts_along(spread, axis, k, z.shape[axis], s, 1):
                part += z
            z = spread
        return without_border(xp, z, size, padding, out)

    def c_body(self, z: Vertex, u: Vertex) -> str | None:
        return pooling_c.mean_gradient(z, u)

    def vjp(self, g: Vertex, z: Vertex, u: Vertex) -> Any:
        return (apply(average_pool, (g,), {key: value for key, value in z.attrs.items() if key != "size"}),)


def pooled_shape(x: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    """The shape (channel, ..., image) of what has one element for each window."""
    return x[0], *window_counts(x[1:-1], kernel, stride, padding, dilation), x[-1]


def fold(xp: Any, function: Any, x: Array, kernel: Shape, stride: Shape, dilation: Shape, out: Array | None) -> Array:
    """A two-place function folded over each window of a padded x, axis by axis, in memory of its own or in `out`."""
    counts = window_counts(x.shape[1:-1], kernel, stride, ((0, 0),) * len(kernel), dilation)
    z = x
    for axis, (k, s, d, n) in enumerate(zip(kernel, stride, dilation, counts, strict=True), 1):
        first, *others = parts_along(z, axis, k, n, s, d)
        last = out if axis == len(kernel) else None
        if others:
            z = function(first, others[0], out=last)
            for part in others[1:]:
                function(z, part, out=z)
        elif last is None:
            z = first.copy()
        else:
            last[...] = z = first
    return z if out is None else out


def parts_along(x: Array, axis: int, kernel: int, count: int, stride: int, dilation: int) -> list[Array]:
    """For each offset in a window along one axis, what all windows have there: views of x."""
    before = (slice(None),) * axis
    return [x[(*before, slice(k * dilation, k * dilation + (count - 1) * stride + 1, stride))] for k in range(kernel)]


def winners(xp: Any, x: Array, z: Array, kernel: Shape, stride: Shape, padding: Pairs,
            dilation: Shape) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """For each offset in the kernel: its index in the padded input, and in which windows the maximum is there first."""
    x, z = padded(xp, x, padding, nan), xp.ascontiguousarray(z)  # padding never wins, not even where all is -infinity
    free = xp.ones(z.shape, bool)
    for offset in product(*map(range, kernel)):
        index = seen(offset, z.shape[1:-1], stride, dilation)
        won = xp.equal(x[index], z)
        won &= free
        free ^= won
        yield index, won


def divisors(xp: Any, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, counted: Pairs, divisor: int | None,
             dtype: Any) -> Any:
    """By what the sum of each window is divided: a number, or an array (..., 1) of numbers."""
    if divisor is not None:
        return divisor
    if padding == counted:
        return prod(kernel)
    answer = xp.ones((1,) * (len(size) + 2), dtype)
    places = window_counts(size, kernel, stride, padding, (1,) * len(kernel))
    for axis, (n, k, s, (low, _), (before, after), count) in enumerate(
            zip(size, kernel, stride, padding, counted, places, strict=True), 1):
        start = xp.arange(count) * s - low
        length = xp.minimum(start + k, n + after) - xp.maximum(start, -before)
        answer = answer * length.astype(dtype).reshape((-1,) + (1,) * (len(size) + 1 - axis))
    return answer


max_pool, max_pool_gradient, max_pool_pick = MaxPool(), MaxPoolGradient(), MaxPoolPick()
average_pool, average_pool_gradient = AveragePool(), AveragePoolGradient()


def pool_max(x: Vertex, /, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool) -> Any:
    """The largest element of each window of x (images, channels, ...)."""
    check("max pooling", x, kernel, stride, padding, dilation)
    pairs = pooling_padding(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    settings = {"kernel": kernel, "stride": stride, "padding": pairs, "dilation": dilation}
    return images_first(apply(max_pool, (images_last(x),), settings))


def pool_average(x: Vertex, /, *, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor: int | None = None) -> Any:
    """The mean of each window of x (images, channels, ...), or its sum over `divisor`."""
    single = (1,) * len(kernel)
    check("average pooling", x, kernel, stride, padding, single)
    if divisor == 0:
        raise ShapeError("average pooling: the divisor must not be zero")
    pairs = pooling_padding(x.shape[2:], kernel, stride, padding, single, ceil_mode)
    counted = tuple((p, p) if count_include_pad else (0, 0) for p in padding)
    settings = {"kernel": kernel, "stride": stride, "padding": pairs, "counted": counted, "divisor": divisor}
    return images_first(apply(average_pool, (images_last(x),), settings))
