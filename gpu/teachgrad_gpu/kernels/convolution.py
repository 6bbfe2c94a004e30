"""Convolution and pooling: how the kernels of convolution.cu and pooling.cu are launched, and what they compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, empty, fit, normal, strided, warps, wide

Pair = tuple[int, int]
NO, ONE = (0, 0), (1, 1)


# ---- convolution -----------------------------------------------------------------------------------------------------

def out_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How many places a window has along each axis."""
    found = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1
                  for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))
    if min(found) < 1:
        raise ShapeError(f"a window {kernel} with dilation {dilation} does not fit into {size} with padding {padding}")
    return found[0], found[1]


def of_images(shape: tuple[int, ...], images_last: bool) -> tuple[int, int, Pair]:
    """Images, channels and the size, whichever way the axes stand."""
    if images_last:
        return shape[3], shape[0], (shape[1], shape[2])
    return shape[0], shape[1], (shape[2], shape[3])


def to_images(images: int, channels: int, size: Pair, images_last: bool) -> tuple[int, ...]:
    return (channels, *size, images) if images_last else (images, channels, *size)


def convolution_plan(x_shape: tuple[int, ...], w_shape: tuple[int, ...], *, stride: Pair = ONE, padding: Pair = NO,
                     dilation: Pair = ONE, groups: int = 1,
                     images_last: bool = False) -> tuple[dict[str, int], dict[str, Any], int]:
    """The numbers that all kernels of convolution.cu take, the macros, and the operations of one pass."""
    images, channels, size = of_images(x_shape, images_last)
    outputs, seen, *kernel = w_shape
    if channels != seen * groups or outputs % groups:
        raise ShapeError(f"convolution: weights {w_shape} with {groups} groups do not fit {channels} channels")
    out = out_size(size, (kernel[0], kernel[1]), stride, padding, dilation)
    numbers = {"images": images, "channels": channels, "height": size[0], "width": size[1], "outputs": outputs,
               "out_height": out[0], "out_width": out[1], "rows": kernel[0], "columns": kernel[1], "groups": groups}
    for name, pair in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        numbers |= {f"{name}0": pair[0], f"{name}1": pair[1]}
    macros = {"IMAGES_LAST": True} if images_last else {}
    return numbers, macros, 2 * images * outputs * out[0] * out[1] * seen * kernel[0] * kernel[1]


def result_shape(numbers: Mapping[str, int], channels: str, images_last: bool) -> tuple[int, ...]:
    size = numbers["out_height"], numbers["out_width"]
    return to_images(numbers["images"], numbers[channels], size, images_last)


def forward_plan(x: Any, w: Any, b: Any, z: Any, *, images_last: bool = False, **settings: Any) -> Plan:
    numbers, macros, flops = convolution_plan(x.shape, w.shape, images_last=images_last, **settings)
    fit("convolution", b=(b, w.shape[:1]), z=(z, result_shape(numbers, "outputs", images_last)))
    return Plan(*strided(z.size), numbers, macros=macros, flops=flops)


def input_plan(g: Any, w: Any, gx: Any, *, images_last: bool = False, **settings: Any) -> Plan:
    numbers, macros, flops = convolution_plan(gx.shape, w.shape, images_last=images_last, **settings)
    fit("convolution_backward_input", g=(g, result_shape(numbers, "outputs", images_last)))
    return Plan(*strided(gx.size), numbers, macros=macros, flops=flops)


def weights_plan(g: Any, x: Any, gw: Any, *, images_last: bool = False, **settings: Any) -> Plan:
    numbers, macros, flops = convolution_plan(x.shape, gw.shape, images_last=images_last, **settings)
    fit("convolution_backward_weights", g=(g, result_shape(numbers, "outputs", images_last)))
    return Plan(*warps(gw.size), numbers, macros=macros, flops=flops)


def columns_plan(x: Any, z: Any, x_is: Any, *, kernel: Pair, images_last: bool = False, **settings: Any) -> Plan:
    _, channels, _ = of_images(x.shape, images_last)
    numbers, macros, _ = convolution_plan(x.shape, (1, channels, *kernel), images_last=images_last, **settings)
    places = numbers["images"] * numbers["out_height"] * numbers["out_width"]
    fit("im2col", columns=(z, (channels * kernel[0] * kernel[1], places)))
    return Plan(*strided(x_is.size), numbers, macros=macros)


def im2col_plan(x: Any, z: Any, **settings: Any) -> Plan:
    return columns_plan(x, z, z, **settings)


def col2im_plan(z: Any, gx: Any, **settings: Any) -> Plan:
    return columns_plan(gx, z, gx, **settings)


def sights(x: Any, kernel: Pair, *, stride: Pair = ONE, padding: Pair = NO, dilation: Pair = ONE,
           fill: float = 0.0) -> Iterator[tuple[int, int, Any, tuple[slice, ...]]]:
    """For each place in the kernel: its row and column, what it sees of the padded x (images, channels, height, width)
    at all places of the result, and where in the padded x that is."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    out = out_size(x.shape[2:], kernel, stride, padding, dilation)
    for r, s in product(range(kernel[0]), range(kernel[1])):
        down, across = (slice(k * d, k * d + (count - 1) * step + 1, step)
                        for k, d, count, step in zip((r, s), dilation, out, stride, strict=True))
        index = slice(None), slice(None), down, across
        yield r, s, padded[index], index


def first(x: Any, images_last: bool) -> Any:
    """A view with the images first."""
    return x.transpose(3, 0, 1, 2) if images_last else x


def parts(x: Any, groups: int) -> Any:
    """(images, groups, channels of a group, height, width)."""
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:])


def forward(x: Any, w: Any, b: Any, z: Any, *, groups: int = 1, images_last: bool = False, **settings: Any) -> None:
    out = first(z, images_last)
    total = np.zeros(out.shape)
    weights = wide(w).reshape(groups, -1, *w.shape[1:])
    for r, s, seen, _ in sights(wide(first(x, images_last)), w.shape[2:], **settings):
        total += np.einsum("pgchw,goc->pgohw", parts(seen, groups), weights[..., r, s]).reshape(out.shape)
    out[...] = total + b[:, None, None]


def backward_input(g: Any, w: Any, gx: Any, *, groups: int = 1, images_last: bool = False, **settings: Any) -> None:
    to, padding = first(gx, images_last), settings.get("padding", NO)
    total = np.zeros((*to.shape[:2], *(n + 2 * p for n, p in zip(to.shape[2:], padding, strict=True))))
    weights, given = wide(w).reshape(groups, -1, *w.shape[1:]), parts(wide(first(g, images_last)), groups)
    for r, s, seen, index in sights(to, w.shape[2:], **settings):
        total[index] += np.einsum("pgohw,goc->pgchw", given, weights[..., r, s]).reshape(seen.shape)
    to[...] = total[:, :, padding[0]: padding[0] + to.shape[2], padding[1]: padding[1] + to.shape[3]]


def backward_weights(g: Any, x: Any, gw: Any, *, groups: int = 1, images_last: bool = False, **settings: Any) -> None:
    given = parts(wide(first(g, images_last)), groups)
    for r, s, seen, _ in sights(wide(first(x, images_last)), gw.shape[2:], **settings):
        gw[..., r, s] = np.einsum("pgohw,pgchw->goc", given, parts(seen, groups)).reshape(gw.shape[:2])


def im2col(x: Any, z: Any, *, kernel: Pair, images_last: bool = False, **settings: Any) -> None:
    order = (1, 2, 3, 0) if images_last else (1, 0, 2, 3)
    channels = first(x, images_last).shape[1]
    to = z.reshape(channels, *kernel, -1)
    for r, s, seen, _ in sights(first(x, images_last), kernel, **settings):
        to[:, r, s] = seen.transpose(order).reshape(channels, -1)


def col2im(z: Any, gx: Any, *, kernel: Pair, images_last: bool = False, **settings: Any) -> None:
    to, padding = first(gx, images_last), settings.get("padding", NO)
    total = np.zeros((*to.shape[:2], *(n + 2 * p for n, p in zip(to.shape[2:], padding, strict=True))))
    given = wide(z).reshape(to.shape[1], *kernel, -1)
    for r, s, seen, index in sights(to, kernel, **settings):
        images, channels, height, width = seen.shape
        shape, order = ((channels, height, width, images), (3, 0, 1, 2)) if images_last else (
            (channels, images, height, width), (1, 0, 2, 3))
        total[index] += given[:, r, s].reshape(shape).transpose(order)
    to[...] = total[:, :, padding[0]: padding[0] + to.shape[2], padding[1]: padding[1] + to.shape[3]]


def settings_for(shape: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
    """Settings and the shapes of x and w, from (images, channels, side, outputs, kernel, stride, padding, dilation,
    groups, images last)."""
    images, channels, side, outputs, kernel, stride, padding, dilation, groups, last = shape
    settings = {"stride": (stride, 1), "padding": (padding, padding), "dilation": (dilation, dilation),
                "groups": groups, "images_last": bool(last)}
    x = to_images(images, channels, (side, side + 1), bool(last))
    return settings, x, (outputs, channels // groups, kernel, kernel)


def forward_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    settings, x, w = settings_for(shape)
    numbers, _, _ = convolution_plan(x, w, **settings)
    z = empty(dtype, *result_shape(numbers, "outputs", settings["images_last"]))
    return Example((normal(rng, dtype, *x), normal(rng, dtype, *w), normal(rng, dtype, w[0]), z), settings)


def input_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    x, w, _, z = forward_example(rng, dtype, *shape).arrays
    return Example((normal(rng, dtype, *z.shape), w, empty(dtype, *x.shape)), settings_for(shape)[0])


def weights_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    x, w, _, z = forward_example(rng, dtype, *shape).arrays
    return Example((normal(rng, dtype, *z.shape), x, empty(dtype, *w.shape)), settings_for(shape)[0])


def im2col_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    settings, x, w = settings_for((*shape[:8], 1, shape[9]))
    numbers, _, _ = convolution_plan(x, w, **settings)
    places = numbers["images"] * numbers["out_height"] * numbers["out_width"]
    del settings["groups"]
    z = empty(dtype, numbers["channels"] * w[2] * w[3], places)
    return Example((normal(rng, dtype, *x), z), {**settings, "kernel": w[2:]})


def col2im_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    (x, z), settings = (found := im2col_example(rng, dtype, *shape)).arrays, found.settings
    return Example((normal(rng, dtype, *z.shape), empty(dtype, *x.shape)), settings)


SHAPES = ((1, 1, 1, 1, 1, 1, 0, 1, 1, 0), (3, 4, 8, 2, 3, 1, 2, 2, 1, 1), (2, 4, 9, 6, 3, 2, 1, 1, 2, 0))
LARGE = (64, 64, 56, 64, 3, 1, 1, 1, 1, 0)
KERNELS = (
    Kernel("convolution", "convolution", forward_plan, forward, forward_example, SHAPES, LARGE),
    Kernel("convolution_backward_input", "convolution", input_plan, backward_input, input_example, SHAPES, LARGE),
    Kernel("convolution_backward_weights", "convolution", weights_plan, backward_weights, weights_example, SHAPES,
           LARGE),
    Kernel("im2col", "convolution", im2col_plan, im2col, im2col_example, SHAPES, LARGE),
    Kernel("col2im", "convolution", col2im_plan, col2im, col2im_example, SHAPES, LARGE),
)
