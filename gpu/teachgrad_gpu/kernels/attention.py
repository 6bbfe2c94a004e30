"""Attention: how the kernels of attention.cu and attention_backward.cu are launched, and what they compute.

q, z and their gradients are (batch, queries, width), k and v (batch, keys, width), `log_sums` and `d` (batch, queries).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, warps, wide

SHARED = 48 << 10
"""How much static shared memory a block may have."""


def shape_of(q: Any, k: Any, v: Any, z: Any, log_sums: Any) -> tuple[int, int, int, int]:
    (batch, queries, width), keys = q.shape, k.shape[1]
    fit("attention", k=(k, (batch, keys, width)), v=(v, (batch, keys, width)), z=(z, q.shape),
        log_sums=(log_sums, (batch, queries)))
    if not keys or not width:
        raise ShapeError("attention over no keys, or of vectors without elements, does not exist")
    return batch, queries, keys, width


def scalars(queries: int, keys: int, width: int, causal: bool, scale: float | None) -> dict[str, Any]:
    return {"queries": queries, "keys": keys, "width": width, "causal": int(causal),
            "scale": width**-0.5 if scale is None else scale}


def flops(batch: int, queries: int, keys: int, width: int, causal: bool, products: int = 2) -> int:
    return 2 * products * batch * queries * keys * width // (2 if causal else 1)


def naive(q: Any, k: Any, v: Any, z: Any, log_sums: Any, *, causal: bool = False, scale: float | None = None) -> Plan:
    batch, queries, keys, width = shape_of(q, k, v, z, log_sums)
    return Plan((queries, batch), (32,), scalars(queries, keys, width, causal, scale), shared=keys * q.itemsize,
                flops=flops(batch, queries, keys, width, causal))


def padded(width: int, to: int = 16) -> int:
    return blocks(width, to) * to


def tiled(q: Any, k: Any, v: Any, z: Any, log_sums: Any, *, causal: bool = False, scale: float | None = None) -> Plan:
    tile = forward_tile("attention_tiled", padded(q.shape[2]), 1, q.itemsize)
    return in_tiles(tile, q, k, v, z, log_sums, causal, scale)


def vectorised(q: Any, k: Any, v: Any, z: Any, log_sums: Any, *, causal: bool = False,
               scale: float | None = None) -> Plan:
    tile = forward_tile("attention_vectorised", padded(q.shape[2], 64), 4, q.itemsize)
    return in_tiles(tile, q, k, v, z, log_sums, causal, scale)


def in_tiles(tile: tuple[int, int, int], q: Any, k: Any, v: Any, z: Any, log_sums: Any, causal: bool,
             scale: float | None) -> Plan:
    batch, queries, keys, width = shape_of(q, k, v, z, log_sums)
    names, usual = ("WIDTH", "QUERIES", "KEYS"), (64, 64, 32)
    macros = {name: n for name, n, default in zip(names, tile, usual, strict=True) if n != default}
    return Plan((blocks(queries, tile[1]), batch), (256,), scalars(queries, keys, width, causal, scale), macros=macros,
                flops=flops(batch, queries, keys, width, causal))


def forward_tile(name: str, width: int, padding: int, itemsize: int) -> tuple[int, int, int]:
    """Width, queries and keys of the largest tile that shared memory holds."""
    for rows, columns in ((64, 32), (32, 32), (32, 16), (16, 16)):
        numbers = rows * (width + padding) + columns * (2 * width + padding) + rows * (columns + padding)
        if numbers * itemsize <= SHARED:
            return width, rows, columns
    raise ShapeError(f"{name}: tiles of {width} columns of {itemsize} bytes do not fit into shared memory")


def dots_plan(g: Any, z: Any, d: Any) -> Plan:
    rows = z.shape[0] * z.shape[1]
    fit("attention_backward_dots", g=(g, z.shape), d=(d, z.shape[:2]))
    macros = backward_tile("attention_backward_dots", z.shape[2], z.itemsize)  # its file has to compile
    return Plan(*warps(rows), {"rows": rows, "width": z.shape[2]}, macros=macros, flops=2 * z.size)


def backward_tile(name: str, width: int, itemsize: int) -> dict[str, int]:
    for tile in (32, 16):
        if (4 * tile * (padded(width) + 1) + 2 * tile * (tile + 1)) * itemsize <= SHARED:
            return {key: n for key, n, default in (("WIDTH", padded(width), 64), ("TILE", tile, 32)) if n != default}
    raise ShapeError(f"{name}: tiles of {width} columns of {itemsize} bytes do not fit into shared memory")


def keys_plan(g: Any, q: Any, k: Any, v: Any, log_sums: Any, d: Any, gk: Any, gv: Any, *, causal: bool = False,
              scale: float | None = None) -> Plan:
    batch, queries, keys, width = shape_of(q, k, v, g, log_sums)
    fit("attention_backward_keys", d=(d, log_sums.shape), gk=(gk, k.shape), gv=(gv, v.shape))
    macros = backward_tile("attention_backward_keys", width, q.itemsize)
    return Plan((blocks(keys, macros.get("TILE", 32)), batch), (256,), scalars(queries, keys, width, causal, scale),
                macros=macros, flops=flops(batch, queries, keys, width, causal, products=4))


def queries_plan(g: Any, q: Any, k: Any, v: Any, log_sums: Any, d: Any, gq: Any, *, causal: bool = False,
                 scale: float | None = None) -> Plan:
    batch, queries, keys, width = shape_of(q, k, v, g, log_sums)
    fit("attention_backward_queries", d=(d, log_sums.shape), gq=(gq, q.shape))
    macros = backward_tile("attention_backward_queries", width, q.itemsize)
    return Plan((blocks(queries, macros.get("TILE", 32)), batch), (256,), scalars(queries, keys, width, causal, scale),
                macros=macros, flops=flops(batch, queries, keys, width, causal, products=3))


def scores(q: Any, k: Any, causal: bool, scale: float | None) -> Any:
    s = wide(q) @ wide(k).swapaxes(1, 2) * (q.shape[2] ** -0.5 if scale is None else scale)
    return np.where(np.arange(k.shape[1]) > np.arange(q.shape[1])[:, None], -np.inf, s) if causal else s


def weights(q: Any, k: Any, causal: bool, scale: float | None) -> Any:
    s = scores(q, k, causal, scale)
    e = np.exp(s - s.max(axis=2, keepdims=True))
    return e / e.sum(axis=2, keepdims=True)


def attention(q: Any, k: Any, v: Any, z: Any, log_sums: Any, *, causal: bool = False,
              scale: float | None = None) -> None:
    s = scores(q, k, causal, scale)
    largest = s.max(axis=2)
    log_sums[...] = largest + np.log(np.exp(s - largest[:, :, None]).sum(axis=2))
    z[...] = weights(q, k, causal, scale) @ wide(v)


def dots(g: Any, z: Any, d: Any) -> None:
    d[...] = (wide(g) * z).sum(axis=2)


def at_scores(g: Any, q: Any, k: Any, v: Any, causal: bool, scale: float | None) -> tuple[Any, Any]:
    """The weights, and the gradient at q kᵀ."""
    p, r = weights(q, k, causal, scale), wide(g) @ wide(v).swapaxes(1, 2)
    return p, p * (r - (p * r).sum(axis=2, keepdims=True)) * (q.shape[2] ** -0.5 if scale is None else scale)


def backward_keys(g: Any, q: Any, k: Any, v: Any, log_sums: Any, d: Any, gk: Any, gv: Any, *, causal: bool = False,
                  scale: float | None = None) -> None:
    p, s = at_scores(g, q, k, v, causal, scale)
    gk[...], gv[...] = s.swapaxes(1, 2) @ wide(q), p.swapaxes(1, 2) @ wide(g)


def backward_queries(g: Any, q: Any, k: Any, v: Any, log_sums: Any, d: Any, gq: Any, *, causal: bool = False,
                     scale: float | None = None) -> None:
    gq[...] = at_scores(g, q, k, v, causal, scale)[1] @ wide(k)


def example(rng: np.random.Generator, dtype: str, batch: int, queries: int, keys: int, width: int,
            causal: int) -> Example:
    q, k, v = (normal(rng, dtype, batch, n, width) for n in (queries, keys, keys))
    arrays = q, k, v, empty(dtype, *q.shape), empty(dtype, batch, queries)
    return Example(arrays, {"causal": bool(causal)})


def backward_arrays(rng: np.random.Generator, dtype: str, *shape: int) -> tuple[tuple[Any, ...], Any]:
    q, k, v, z, log_sums = (forward := example(rng, dtype, *shape)).arrays
    g, d = normal(rng, dtype, *q.shape), empty(dtype, *log_sums.shape)
    attention(q, k, v, z, log_sums, **forward.settings)
    dots(g, z, d)
    return (g, q, k, v, log_sums, d), forward.settings


def dots_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    _, _, _, z, log_sums = example(rng, dtype, *shape).arrays
    return Example((normal(rng, dtype, *z.shape), normal(rng, dtype, *z.shape), log_sums))


def keys_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    arrays, settings = backward_arrays(rng, dtype, *shape)
    return Example((*arrays, empty(dtype, *arrays[2].shape), empty(dtype, *arrays[2].shape)), settings)


def queries_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    arrays, settings = backward_arrays(rng, dtype, *shape)
    return Example((*arrays, empty(dtype, *arrays[1].shape)), settings)


SHAPES = ((1, 1, 1, 1, 0), (2, 33, 31, 17, 0), (2, 40, 70, 16, 1), (1, 70, 40, 64, 1))
LARGE, LESS = (96, 1024, 1024, 64, 1), (16, 1024, 1024, 64, 1)
BACKWARD = "attention_backward"
KERNELS = (
    Kernel("attention_naive", "attention", naive, attention, example, SHAPES, LARGE, tolerance=16.0),
    Kernel("attention_tiled", "attention", tiled, attention, example, SHAPES, LARGE, tolerance=16.0),
    Kernel("attention_vectorised", "attention", vectorised, attention, example, SHAPES, LARGE, tolerance=16.0,
           together=4),
    Kernel("attention_backward_dots", BACKWARD, dots_plan, dots, dots_example, SHAPES, LARGE),
    Kernel("attention_backward_keys", BACKWARD, keys_plan, backward_keys, keys_example, SHAPES, LESS, tolerance=16.0),
    Kernel("attention_backward_queries", BACKWARD, queries_plan, backward_queries, queries_example, SHAPES, LESS,
           tolerance=16.0),
)
