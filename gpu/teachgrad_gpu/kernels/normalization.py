"""Layer norm and batch norm: how the kernels of normalization.cu are launched, and what they compute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, row_in_registers, strided, whole_warps, wide

EPS = 1e-5


def without_mean(centred: bool) -> dict[str, Any]:
    """The macros of layer norm: without a mean it is root-mean-square norm."""
    return {} if centred else {"CENTRED": 0}


def layer_plan(x: Any, w: Any, b: Any, z: Any, means: Any, scales: Any, *, eps: float = EPS,
               centred: bool = True) -> Plan:
    rows, n = rows_of(x, w, b)
    fit("layer_norm", z=(z, x.shape), means=(means, (rows,)), scales=(scales, (rows,)))
    return Plan((rows,), (whole_warps(n),), {"n": n, "eps": eps}, macros=without_mean(centred), flops=8 * x.size)


def layer_registers_plan(x: Any, w: Any, b: Any, z: Any, means: Any, scales: Any, *, eps: float = EPS,
                         centred: bool = True) -> Plan:
    plan = layer_plan(x, w, b, z, means, scales, eps=eps, centred=centred)
    threads, macros = row_in_registers("layer_norm_registers", x.shape[1])
    return replace(plan, block=(threads,), macros={**plan.macros, **macros})


def layer_backward_plan(g: Any, x: Any, w: Any, means: Any, scales: Any, gx: Any, *, centred: bool = True) -> Plan:
    rows, n = rows_of(x, w)
    fit("layer_norm_backward", g=(g, x.shape), gx=(gx, x.shape), means=(means, (rows,)), scales=(scales, (rows,)))
    return Plan((rows,), (whole_warps(n),), {"n": n}, macros=without_mean(centred), flops=12 * x.size)


def layer_weights_plan(g: Any, x: Any, means: Any, scales: Any, gw: Any, gb: Any, *, lanes: int = 8) -> Plan:
    rows, n = rows_of(x)
    parts = gw.shape[:-1]
    fit("layer_norm_backward_weights", g=(g, x.shape), means=(means, (rows,)), scales=(scales, (rows,)),
        gw=(gw, (*parts, n)), gb=(gb, (*parts, n)))
    return Plan((blocks(n, 32), *parts), (32, lanes), {"rows": rows, "n": n},
                macros={} if lanes == 8 else {"LANES": lanes}, flops=5 * x.size)


def rows_of(x: Any, *weights: Any) -> tuple[int, int]:
    rows, n = x.shape
    for a in weights:
        fit("layer_norm", weights=(a, (n,)))
    if not n:
        raise ShapeError("layer norm over no numbers does not exist")
    return rows, n


def batch_plan(x: Any, w: Any, b: Any, z: Any, means: Any, variances: Any, *, eps: float = EPS) -> Plan:
    sizes = channels_of(x, w, b, means, variances)
    fit("batch_norm", z=(z, x.shape))
    return Plan((x.shape[1],), (256,), {**sizes, "eps": eps}, flops=8 * x.size)


def inference_plan(x: Any, w: Any, b: Any, means: Any, variances: Any, z: Any, *, eps: float = EPS) -> Plan:
    sizes = channels_of(x, w, b, means, variances)
    fit("batch_norm_inference", z=(z, x.shape))
    return Plan(*strided(x.size), {**sizes, "eps": eps}, flops=6 * x.size)


def batch_backward_plan(g: Any, x: Any, w: Any, means: Any, variances: Any, gx: Any, gw: Any, gb: Any, *,
                        eps: float = EPS) -> Plan:
    sizes = channels_of(x, w, means, variances, gw, gb)
    fit("batch_norm_backward", g=(g, x.shape), gx=(gx, x.shape))
    return Plan((x.shape[1],), (256,), {**sizes, "eps": eps}, flops=12 * x.size)


def channels_of(x: Any, *numbers: Any) -> dict[str, int]:
    outer, channels, inner = x.shape
    for a in numbers:
        fit("batch_norm", array=(a, (channels,)))
    if not outer * inner:
        raise ShapeError("batch norm over no numbers does not exist")
    return {"outer": outer, "channels": channels, "inner": inner}


def layer_norm(x: Any, w: Any, b: Any, z: Any, means: Any, scales: Any, *, eps: float = EPS,
               centred: bool = True) -> None:
    mean = wide(x).mean(axis=1) * centred
    scale = 1 / np.sqrt(((wide(x) - mean[:, None]) ** 2).mean(axis=1) + eps)
    means[...], scales[...] = mean, scale
    z[...] = (wide(x) - mean[:, None]) * scale[:, None] * w + b


def normalized(x: Any, means: Any, scales: Any) -> Any:
    return (wide(x) - wide(means)[:, None]) * scales[:, None]


def layer_norm_backward(g: Any, x: Any, w: Any, means: Any, scales: Any, gx: Any, *, centred: bool = True) -> None:
    u, hat = wide(g) * w, normalized(x, means, scales)
    flat = centred * u.mean(axis=1, keepdims=True)
    gx[...] = scales[:, None] * (u - flat - hat * (u * hat).mean(axis=1, keepdims=True))


def layer_norm_weights(g: Any, x: Any, means: Any, scales: Any, gw: Any, gb: Any) -> None:
    gw[...] = (wide(g) * normalized(x, means, scales)).sum(axis=0)
    gb[...] = wide(g).sum(axis=0)


def inference(x: Any, w: Any, b: Any, means: Any, variances: Any, z: Any, *, eps: float = EPS) -> None:
    hat = (wide(x) - wide(means)[:, None]) / np.sqrt(wide(variances) + eps)[:, None]
    z[...] = hat * w[:, None] + b[:, None]


def batch_norm(x: Any, w: Any, b: Any, z: Any, means: Any, variances: Any, *, eps: float = EPS) -> None:
    means[...], variances[...] = wide(x).mean(axis=(0, 2)), wide(x).var(axis=(0, 2))
    inference(x, w, b, wide(x).mean(axis=(0, 2)), wide(x).var(axis=(0, 2)), z, eps=eps)


def batch_norm_backward(g: Any, x: Any, w: Any, means: Any, variances: Any, gx: Any, gw: Any, gb: Any, *,
                        eps: float = EPS) -> None:
    scale = (w / np.sqrt(wide(variances) + eps))[:, None]
    hat = (wide(x) - wide(means)[:, None]) / np.sqrt(wide(variances) + eps)[:, None]
    along, count = (0, 2), x.shape[0] * x.shape[2]
    gb[...], gw[...] = wide(g).sum(axis=along), (wide(g) * hat).sum(axis=along)
    mean, dot = wide(g).sum(axis=along)[:, None] / count, (wide(g) * hat).sum(axis=along)[:, None] / count
    gx[...] = scale * (g - mean - hat * dot)


def layer_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    x = normal(rng, dtype, rows, n) + 10  # a mean that is large against the deviation
    return Example((x, normal(rng, dtype, n), normal(rng, dtype, n), empty(dtype, rows, n), empty(dtype, rows),
                    empty(dtype, rows)))


def layer_backward_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    x, w, b, z, means, scales = layer_example(rng, dtype, rows, n).arrays
    layer_norm(x, w, b, z, means, scales)
    return Example((normal(rng, dtype, rows, n), x, w, means, scales, empty(dtype, rows, n)))


def layer_weights_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    g, x, _, means, scales, _ = layer_backward_example(rng, dtype, rows, n).arrays
    return Example((g, x, means, scales, empty(dtype, n), empty(dtype, n)))


def batch_example(rng: np.random.Generator, dtype: str, outer: int, channels: int, inner: int) -> Example:
    x = normal(rng, dtype, outer, channels, inner) + 10
    numbers = [normal(rng, dtype, channels), normal(rng, dtype, channels)]
    return Example((x, *numbers, empty(dtype, *x.shape), empty(dtype, channels), empty(dtype, channels)))


def inference_example(rng: np.random.Generator, dtype: str, outer: int, channels: int, inner: int) -> Example:
    x, w, b, z, means, variances = batch_example(rng, dtype, outer, channels, inner).arrays
    batch_norm(x, w, b, z, means, variances)
    return Example((x, w, b, means, variances, empty(dtype, *x.shape)))


def batch_backward_example(rng: np.random.Generator, dtype: str, outer: int, channels: int, inner: int) -> Example:
    x, w, _, means, variances, _ = inference_example(rng, dtype, outer, channels, inner).arrays
    g = normal(rng, dtype, *x.shape)
    return Example((g, x, w, means, variances, empty(dtype, *x.shape), empty(dtype, channels), empty(dtype, channels)))


ROWS, ROW = ((1, 1), (3, 31), (5, 33), (2, 1000)), (16384, 4096)
PLANES, PLANE = ((1, 1, 5), (2, 3, 31), (1, 5, 33), (3, 2, 100)), (64, 256, 4096)
FAMILY = "normalization"
KERNELS = (
    Kernel("layer_norm", FAMILY, layer_plan, layer_norm, layer_example, ROWS, ROW, tolerance=16.0),
    Kernel("layer_norm_registers", FAMILY, layer_registers_plan, layer_norm, layer_example, ROWS, ROW, tolerance=16.0),
    Kernel("layer_norm_backward", FAMILY, layer_backward_plan, layer_norm_backward, layer_backward_example, ROWS, ROW,
           tolerance=64.0),
    Kernel("layer_norm_backward_weights", FAMILY, layer_weights_plan, layer_norm_weights, layer_weights_example, ROWS,
           ROW, tolerance=64.0),
    Kernel("batch_norm", FAMILY, batch_plan, batch_norm, batch_example, PLANES, PLANE, tolerance=16.0),
    Kernel("batch_norm_inference", FAMILY, inference_plan, inference, inference_example, PLANES, PLANE, tolerance=16.0),
    Kernel("batch_norm_backward", FAMILY, batch_backward_plan, batch_norm_backward, batch_backward_example, PLANES,
           PLANE, tolerance=64.0),
)
