"""Samples (see tests/op_samples.py) of the standard's statistics, sorting, moves of slices, linear algebra; einsum."""

from __future__ import annotations

from typing import Any

import numpy as np

import teachgrad as tg
from tests.op_samples import real, sample, whole


def spread_out(*shape: int) -> Any:
    """Numbers that are far from each other, so that sorting has no ties nearby."""
    n = int(np.prod(shape))
    return (np.random.default_rng(n).permutation(n) * 0.37 - n * 0.17).reshape(shape)


def torch() -> Any:
    import torch

    return torch


# ---- statistics, running sums ----------------------------------------------------------------------------------------

WITH_ZEROS = np.array([[0.0, 1.5, -2.0], [0.7, 0.0, 0.0], [1.2, -0.8, 0.5]])
for axis in (None, 0, (0, 1), -1):
    sample(f"prod {axis}", lambda x, axis=axis: tg.prod(x, axis=axis) ** 2, real(2, 3),
           torch=(lambda x: x.prod() ** 2) if axis in (None, (0, 1)) else lambda x, axis=axis: x.prod(axis) ** 2)
    sample(f"prod of zeros {axis}", lambda x, axis=axis: tg.prod(x, axis=axis, keepdims=True), WITH_ZEROS)
    for correction in (0.0, 1.0):
        for op in ("var", "std"):
            sample(f"{op} {axis} {correction}",
                   lambda x, op=op, axis=axis, c=correction: getattr(tg, op)(x, axis=axis, correction=c),
                   real(3, 4), torch=lambda x, op=op, axis=axis, c=correction: getattr(x, op)(axis, correction=c))
sample("prod of a number", tg.prod, real())
sample("var keepdims", lambda x: tg.var(x, axis=(0, 2), keepdims=True) * x, real(2, 3, 2),
       torch=lambda x: x.var((0, 2), correction=0, keepdim=True) * x)
for axis in (0, 1):
    sample(f"cumulative_sum {axis}", lambda x, axis=axis: tg.cumulative_sum(x, axis=axis) ** 2, real(3, 4),
           torch=lambda x, axis=axis: x.cumsum(axis) ** 2)
    sample(f"cumulative_prod {axis}", lambda x, axis=axis: tg.cumulative_prod(x, axis=axis) ** 2, real(3, 4),
           torch=lambda x, axis=axis: x.cumprod(axis) ** 2)
    sample(f"cumulative_prod of zeros {axis}", lambda x, axis=axis: tg.cumulative_prod(x, axis=axis), WITH_ZEROS,
           torch=lambda x, axis=axis: x.cumprod(axis))
sample("cumulative_sum from the start", lambda x: tg.cumulative_sum(x, include_initial=True) ** 2, real(4))
sample("cumulative_prod from the start", lambda x: tg.cumulative_prod(x, include_initial=True) ** 2, real(4))
sample("cumulative of nothing", lambda x: tg.cumulative_sum(x, axis=1) + tg.cumulative_prod(x, axis=0), real(2, 0))

# ---- logic and searching ---------------------------------------------------------------------------------------------

for axis in (None, 1):
    for keepdims in (False, True):
        for op in ("all", "any", "count_nonzero"):
            sample(f"{op} {axis} {keepdims}",
                   lambda x, op=op, a=axis, k=keepdims: getattr(tg, op)(x, axis=a, keepdims=k),
                   whole(3, 4, low=0, high=2), order=0,
                   numpy=lambda x, op=op, a=axis, k=keepdims: getattr(np, op)(x, axis=a, keepdims=k))
        for op in ("argmax", "argmin"):
            sample(f"{op} {axis} {keepdims}",
                   lambda x, op=op, a=axis, k=keepdims: getattr(tg, op)(x, axis=a, keepdims=k),
                   whole(3, 4),
                   order=0, numpy=lambda x, op=op, a=axis, k=keepdims: getattr(np, op)(x, axis=a, keepdims=k))
for side in ("left", "right"):
    sample(f"searchsorted {side}", lambda x, y, side=side: tg.searchsorted(x, y, side=side),
           np.array([1.0, 2.0, 2.0, 5.0]),
           np.array([[0.0, 2.0], [5.0, 9.0]]), order=0, numpy=lambda x, y, side=side: np.searchsorted(x, y, side))
sample("searchsorted with a sorter", lambda x, y: tg.searchsorted(x, y, sorter=tg.argsort(x)),
       np.array([3.0, 1.0, 2.0]), real(4),
       order=0, numpy=lambda x, y: np.searchsorted(np.sort(x), y))

# ---- sorting and sets ------------------------------------------------------------------------------------------------

for axis in (0, -1):
    for descending in (False, True):
        for stable in (False, True):
            settings = {"axis": axis, "descending": descending, "stable": stable}
            sample(f"sort {axis} {descending} {stable}", lambda x, s=settings: tg.sort(x, **s) ** 2, spread_out(3, 4),
                   torch=lambda x, s=settings: x.sort(s["axis"], descending=s["descending"]).values ** 2)
            sample(f"argsort {axis} {descending} {stable}", lambda x, s=settings: tg.argsort(x, **s), spread_out(3, 4),
                   order=0,
                   torch=lambda x, s=settings: x.argsort(s["axis"], descending=s["descending"]))
sample("argsort of ties", lambda x: tg.argsort(x, descending=True), whole(20, low=0, high=3), order=0,
       torch=lambda x: torch().argsort(x, descending=True, stable=True))
sample("unique_all", lambda x: tuple(tg.unique_all(x)), whole(4, 5), order=0, tags=("value shape",),
       numpy=lambda x: tuple(v.reshape(x.shape) if k == 2 else v for k, v in enumerate(np.unique(x, True, True, True))))
sample("unique_values", lambda x: tg.unique_values(x) ** 2, np.array([2.0, 1.0, 3.0, 5.0]), tags=("value shape",))

# ---- moves of slices -------------------------------------------------------------------------------------------------

sample("roll", lambda x: tg.roll(x, 2) * x, real(2, 3), torch=lambda x: x.roll(2) * x)
sample("roll axes", lambda x: tg.roll(x, (1, -1), axis=(0, 1)) * x, real(2, 3),
       torch=lambda x: x.roll((1, -1), (0, 1)) * x)
sample("tile", lambda x: tg.tile(x, (2, 1, 2)) ** 2, real(2, 3), torch=lambda x: x.tile(2, 1, 2) ** 2)
sample("repeat", lambda x: tg.repeat(x, 3, axis=1) ** 2, real(2, 3), torch=lambda x: x.repeat_interleave(3, 1) ** 2)
sample("repeat flat", lambda x: tg.repeat(x, 2) ** 2, real(2, 3), torch=lambda x: x.repeat_interleave(2) ** 2)
sample("repeat by a list", lambda x: tg.repeat(x, [2, 0, 1], axis=1) ** 2, real(2, 3),
       torch=lambda x: x.repeat_interleave(torch().tensor([2, 0, 1]), 1) ** 2)
sample("repeat by a tensor", lambda x, n: tg.repeat(x, n, axis=0) ** 2, real(2, 3),
       np.array([1, 3]), tags=("value shape",),
       numpy=lambda x, n: np.repeat(x, n, 0) ** 2)
sample("unstack", lambda x: tuple(v ** 2 for v in tg.unstack(x, axis=1)), real(2, 3),
       torch=lambda x: tuple(v ** 2 for v in x.unbind(1)))
sample("diff", lambda x, y: tg.diff(x, n=2, prepend=y) ** 2, real(2, 4), real(2, 1),
       torch=lambda x, y: x.diff(n=2, prepend=y) ** 2)
sample("broadcast_arrays", lambda x, y: tuple(v ** 2 for v in tg.broadcast_arrays(x, y)), real(2, 1), real(3),
       torch=lambda x, y: tuple(v ** 2 for v in torch().broadcast_tensors(x, y)))
sample("meshgrid", lambda x, y: tuple(v ** 2 for v in tg.meshgrid(x, y)), real(2), real(3),
       torch=lambda x, y: tuple(v ** 2 for v in torch().meshgrid(x, y, indexing="xy")))
for k in (-1, 0, 1):
    sample(f"tril and triu {k}", lambda x, k=k: (tg.tril(x, k=k) ** 2, tg.triu(x, k=k) ** 2), real(2, 3, 4),
           torch=lambda x, k=k: (x.tril(k) ** 2, x.triu(k) ** 2))

# ---- linear algebra --------------------------------------------------------------------------------------------------

LA = tg.linalg
EYE = np.eye(3)


def symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


def definite(x: Any) -> Any:
    n = x.shape[-1]
    return x @ x.mT + (tg.eye(n, dtype=tg.float64) if isinstance(x, tg.Tensor) else torch().eye(n).double())


for lead in ((), (2,)):
    square, tall, wide = real(*lead, 3, 3) + 2 * EYE, real(*lead, 4, 2), real(*lead, 2, 4)
    sample(f"inv{lead}", LA.inv, square, torch=lambda x: torch().linalg.inv(x))
    sample(f"solve{lead}", LA.solve, square, real(*lead, 3, 2), torch=lambda a, b: torch().linalg.solve(a, b))
    sample(f"solve a vector{lead}", LA.solve, square, real(3), torch=lambda a, b: torch().linalg.solve(a, b))
    sample(f"det{lead}", LA.det, square, torch=lambda x: torch().linalg.det(x))
    sample(f"slogdet{lead}", lambda x: LA.slogdet(x).logabsdet, square,
           torch=lambda x: torch().linalg.slogdet(x).logabsdet)
    sample(f"cholesky{lead}", lambda x: LA.cholesky(definite(x)), square,
           torch=lambda x: torch().linalg.cholesky(definite(x)))
    sample(f"cholesky upper{lead}", lambda x: LA.cholesky(definite(x), upper=True), square,
           torch=lambda x: torch().linalg.cholesky(definite(x), upper=True))
    sample(f"cholesky of the symmetric part{lead}", LA.cholesky, square @ np.swapaxes(square, -1, -2))
    sample(f"eigh{lead}", lambda x: (LA.eigh(symmetric(x))[0], LA.eigh(symmetric(x))[1] ** 2), square,
           torch=lambda x: (torch().linalg.eigh(symmetric(x))[0], torch().linalg.eigh(symmetric(x))[1] ** 2))
    sample(f"eigvalsh{lead}", LA.eigvalsh, square, torch=lambda x: torch().linalg.eigvalsh(symmetric(x)))
    for name, matrix in (("square", square), ("tall", tall), ("wide", wide)):
        sample(f"svd {name}{lead}", lambda x: tuple(v ** 2 for v in LA.svd(x, full_matrices=False)), matrix,
               torch=lambda x: tuple(v ** 2 for v in torch().linalg.svd(x, full_matrices=False)))
        sample(f"svd full {name}{lead}", lambda x: LA.svd(x).S, matrix, torch=lambda x: torch().linalg.svd(x).S)
        sample(f"svdvals {name}{lead}", LA.svdvals, matrix, torch=lambda x: torch().linalg.svdvals(x))
        sample(f"qr {name}{lead}", lambda x: tuple(LA.qr(x)), matrix, torch=lambda x: tuple(torch().linalg.qr(x)))
        sample(f"pinv {name}{lead}", LA.pinv, matrix, torch=lambda x: torch().linalg.pinv(x))
        sample(f"matrix_rank {name}{lead}", LA.matrix_rank, matrix, order=0,
               torch=lambda x: torch().linalg.matrix_rank(x))
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            sample(f"matrix_norm {order} {name}{lead}",
                   lambda x, o=order: LA.matrix_norm(x, ord=o, keepdims=True), matrix,
                   torch=lambda x, o=order: torch().linalg.matrix_norm(x, o, keepdim=True))
    for power in (-2, 0, 1, 3, 5):
        sample(f"matrix_power {power}{lead}", lambda x, n=power: LA.matrix_power(x, n), square, order=2 if power else 0,
               torch=lambda x, n=power: torch().linalg.matrix_power(x, n))
    for offset in (-1, 0, 2):
        sample(f"diagonal {offset}{lead}", lambda x, k=offset: LA.diagonal(x, offset=k) ** 2, wide,
               torch=lambda x, k=offset: x.diagonal(k, -2, -1) ** 2)
        sample(f"trace {offset}{lead}", lambda x, k=offset: LA.trace(x, offset=k) ** 2, wide,
               torch=lambda x, k=offset: x.diagonal(k, -2, -1).sum(-1) ** 2)
sample("complete qr", lambda x: tuple(LA.qr(x, mode="complete")), real(2, 4),
       torch=lambda x: tuple(torch().linalg.qr(x, mode="complete")))
sample("qr, r alone", lambda x: LA.qr(x).R, real(2, 4), torch=lambda x: torch().linalg.qr(x).R)
sample("qr, q alone", lambda x: LA.qr(x).Q, real(2, 4), torch=lambda x: torch().linalg.qr(x).Q)
sample("det of a singular matrix", LA.det, np.array([[1.0, 2.0], [2.0, 4.0]]), order=1,
       torch=lambda x: torch().linalg.det(x))
sample("cross", LA.cross, real(2, 3), real(3), torch=lambda x, y: torch().linalg.cross(x, y.expand(2, 3)))
sample("outer", LA.outer, real(2), real(3), torch=lambda x, y: torch().outer(x, y))
sample("vecdot", LA.vecdot, real(2, 3), real(3), torch=lambda x, y: torch().linalg.vecdot(x, y))
sample("tensordot 1", lambda x, y: tg.tensordot(x, y, axes=1), real(2, 3), real(3, 2),
       torch=lambda x, y: torch().tensordot(x, y, 1))
sample("tensordot pairs", lambda x, y: tg.tensordot(x, y, axes=((0, 2), (1, 0))), real(2, 3, 4), real(4, 2, 2),
       torch=lambda x, y: torch().tensordot(x, y, ((0, 2), (1, 0))))
for order in (2, 1, 3, 0.5, -1, np.inf, -np.inf):
    for axis in (None, 1):
        sample(f"vector_norm {order} {axis}", lambda x, o=order, a=axis: LA.vector_norm(x, ord=o, axis=a), real(3, 4),
               torch=lambda x, o=order, a=axis: torch().linalg.vector_norm(x, o, a))
sample("vector_norm 0", lambda x: LA.vector_norm(x, ord=0), np.array([0.0, 1.0, 2.0]), order=0,
       torch=lambda x: torch().linalg.vector_norm(x, 0))

# ---- einsum ----------------------------------------------------------------------------------------------------------

LENGTHS = {"a": 2, "b": 3, "i": 2, "j": 3, "k": 4, "l": 2, "h": 2}
for subscripts in ("ij,jk->ik", "ij,jk", "ij,jk->ki", "ii->", "ii->i", "ij->ji", "ij->", "ij,ij->", "ij,ij->ij",
                   "i,j->ji", "bij,bjk->bik", "bhij,bhkj->bhik", "ij,jk,kl->il", "ij,k->", "iij,j->i", "iii->i",
                   "ij,j,i->",
                   "i,i,i->i", "->", ",ij->ij"):
    sample(f"einsum {subscripts}", lambda *xs, s=subscripts: tg.einsum(s, *xs),
           *[real(*[LENGTHS[i] for i in term]) for term in subscripts.split("->")[0].split(",")],
           torch=lambda *xs, s=subscripts: torch().einsum(s, *xs))
for subscripts, shapes in (("...ij,...jk->...ik", ((3, 2, 2), (1, 2, 3))), ("...ij,jk", ((2, 3, 2, 2), (2, 3))),
                           ("...i->...", ((2, 3, 2),)), ("i...,i...->...", ((2, 3), (2, 1))),
                           ("ij,jk->ik", ((2, 1), (3, 2)))):
    sample(f"einsum {subscripts} {shapes}", lambda *xs, s=subscripts: tg.einsum(s, *xs),
           *[real(*shape) for shape in shapes],
           torch=lambda *xs, s=subscripts: torch().einsum(s, *xs))
