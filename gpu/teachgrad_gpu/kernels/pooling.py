"""Pooling: how the kernels of pooling.cu are launched, and what they compute. x is (outer, height, width, inner)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .convolution import NO, ONE, Pair, out_size, sights
from .kernel import Example, Kernel, Plan, empty, fit, normal, strided, wide


def sizes(x: tuple[int, ...], z: Any, kernel: Pair, stride: Pair | None, padding: Pair,
          dilation: Pair) -> dict[str, int]:
    outer, height, width, inner = x
    stride = stride or kernel
    out = out_size((height, width), kernel, stride, padding, dilation)
    fit("pooling", z=(z, (outer, *out, inner)))
    numbers = {"outer": outer, "height": height, "width": width, "inner": inner, "out_height": out[0],
               "out_width": out[1], "rows": kernel[0], "columns": kernel[1]}
    for name, pair in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        numbers |= {f"{name}0": pair[0], f"{name}1": pair[1]}
    return numbers


def max_plan(x: Any, z: Any, places: Any, *, kernel: Pair, stride: Pair | None = None, padding: Pair = NO,
             dilation: Pair = ONE) -> Plan:
    fit("max_pool", places=(places, z.shape))
    return Plan(*strided(z.size), sizes(x.shape, z, kernel, stride, padding, dilation),
                flops=z.size * kernel[0] * kernel[1])


def max_backward_plan(g: Any, places: Any, gx: Any, *, kernel: Pair, stride: Pair | None = None, padding: Pair = NO,
                      dilation: Pair = ONE) -> Plan:
    fit("max_pool_backward", places=(places, g.shape))
    return Plan(*strided(g.size), sizes(gx.shape, g, kernel, stride, padding, dilation), flops=g.size)


def gather_plan(g: Any, places: Any, gx: Any, *, kernel: Pair, stride: Pair | None = None, padding: Pair = NO,
                dilation: Pair = ONE) -> Plan:
    fit("max_pool_backward_gather", places=(places, g.shape))
    return Plan(*strided(gx.size), sizes(gx.shape, g, kernel, stride, padding, dilation), flops=g.size)


def average_plan(x: Any, z: Any, *, kernel: Pair, stride: Pair | None = None, padding: Pair = NO) -> Plan:
    return Plan(*strided(z.size), sizes(x.shape, z, kernel, stride, padding, ONE), flops=z.size * kernel[0] * kernel[1])


def average_backward_plan(g: Any, gx: Any, *, kernel: Pair, stride: Pair | None = None, padding: Pair = NO) -> Plan:
    return Plan(*strided(gx.size), sizes(gx.shape, g, kernel, stride, padding, ONE),
                flops=g.size * kernel[0] * kernel[1])


def planes(x: Any) -> Any:
    """(outer, inner, height, width), a view."""
    return x.transpose(0, 3, 1, 2)


def stacked(x: Any, kernel: Pair, fill: float, stride: Pair | None, **settings: Any) -> Any:
    """What each place of the kernel sees, in reading order along a first axis."""
    seen = sights(planes(x), kernel, stride=stride or kernel, fill=fill, **settings)
    return np.stack([part for _, _, part, _ in seen])


def max_pool(x: Any, z: Any, places: Any, *, kernel: Pair, stride: Pair | None = None, **settings: Any) -> None:
    seen = stacked(x, kernel, -np.inf, stride, **settings)
    planes(z)[...] = seen.max(axis=0)
    where = np.arange(x.shape[1] * x.shape[2], dtype=np.float64).reshape(1, *x.shape[1:3], 1)
    numbers = stacked(np.broadcast_to(where, x.shape), kernel, -1, stride, **settings)
    planes(places)[...] = np.take_along_axis(numbers, seen.argmax(axis=0)[None], axis=0)[0]


def max_pool_backward(g: Any, places: Any, gx: Any, **settings: Any) -> None:
    outer, height, width, inner = gx.shape
    flat = np.zeros((outer, height * width, inner))
    o, i = np.arange(outer)[:, None, None, None], np.arange(inner)
    np.add.at(flat, (o, places, i), np.where(places < 0, 0, g))
    gx[...] = flat.reshape(gx.shape)


def average_pool(x: Any, z: Any, *, kernel: Pair, stride: Pair | None = None, **settings: Any) -> None:
    planes(z)[...] = stacked(wide(x), kernel, 0.0, stride, **settings).mean(axis=0)


def average_pool_backward(g: Any, gx: Any, *, kernel: Pair, stride: Pair | None = None, padding: Pair = NO) -> None:
    to = planes(gx)
    total = np.zeros((*to.shape[:2], *(n + 2 * p for n, p in zip(to.shape[2:], padding, strict=True))))
    for _, _, _, index in sights(to, kernel, stride=stride or kernel, padding=padding):
        total[index] += planes(wide(g)) / (kernel[0] * kernel[1])
    to[...] = total[:, :, padding[0]: padding[0] + to.shape[2], padding[1]: padding[1] + to.shape[3]]


def example(rng: np.random.Generator, dtype: str, *shape: int) -> tuple[Any, Any, dict[str, Any]]:
    """From (outer, side, inner, kernel, stride, padding): x, memory for a result, and settings."""
    outer, side, inner, kernel, stride, padding = shape
    settings = {"kernel": (kernel, kernel), "stride": (stride, stride), "padding": (padding, padding)}
    out = out_size((side, side + 1), settings["kernel"], settings["stride"], settings["padding"], ONE)
    x = rng.integers(-9, 9, (outer, side, side + 1, inner)).astype(dtype)  # with equal maxima
    return x, empty(dtype, outer, *out, inner), settings


def max_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    x, z, settings = example(rng, dtype, *shape)
    return Example((x, z, empty("int32", *z.shape)), settings)


def max_backward_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    x, z, settings = example(rng, dtype, *shape)
    places = empty("int32", *z.shape)
    max_pool(x, z, places, **settings)
    return Example((normal(rng, dtype, *z.shape), places, np.zeros(x.shape, dtype)), settings)


def average_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    x, z, settings = example(rng, dtype, *shape)
    return Example((x, z), settings)


def average_backward_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    x, z, settings = example(rng, dtype, *shape)
    return Example((normal(rng, dtype, *z.shape), empty(dtype, *x.shape)), settings)


SHAPES = (1, 1, 1, 1, 1, 0), (3, 9, 1, 3, 2, 1), (2, 8, 5, 2, 2, 0), (1, 31, 1, 3, 1, 1)
LARGE = 4096, 112, 1, 3, 2, 1
KERNELS = (
    Kernel("max_pool", "pooling", max_plan, max_pool, max_example, SHAPES, LARGE),
    Kernel("max_pool_backward", "pooling", max_backward_plan, max_pool_backward, max_backward_example, SHAPES, LARGE),
    Kernel("max_pool_backward_gather", "pooling", gather_plan, max_pool_backward, max_backward_example, SHAPES, LARGE),
    Kernel("average_pool", "pooling", average_plan, average_pool, average_example, SHAPES, LARGE),
    Kernel("average_pool_backward", "pooling", average_backward_plan, average_pool_backward, average_backward_example,
           SHAPES, LARGE),
)
