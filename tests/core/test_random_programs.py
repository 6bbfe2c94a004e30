"""2,000 random programs against PyTorch: values, gradients, and gradients of gradients.

A program is a list of instructions over a pool of tensors, drawn from a seed: arithmetic with broadcasting, reuse,
reductions, products, moves, indexing, joining, and overwriting in place. The same instructions run on both libraries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg

PROGRAMS = 2000
QUICK = 120


class Teachgrad:
    def make(self, a: Any) -> Any:
        return tg.tensor(a, requires_grad=a.dtype.kind == "f")

    def constant(self, a: Any) -> Any:
        return tg.tensor(a)

    def grad(self, y: Any, xs: list[Any]) -> list[Any]:
        return list(tg.grad(y, xs, create_graph=True, allow_unused=True))

    def concat(self, xs: list[Any], axis: int) -> Any:
        return tg.concat(xs, axis=axis)

    def copy(self, x: Any) -> Any:
        return x.copy()

    def permute(self, x: Any, axes: Any) -> Any:
        return x.permute_dims(axes)

    def reduce(self, x: Any, how: str, axis: int, keep: bool) -> Any:
        return getattr(tg, how)(x, axis=axis, keepdims=keep)

    def call(self, name: str, *xs: Any) -> Any:
        return getattr(tg, name)(*xs)


class Torch:
    def __init__(self) -> None:
        import torch

        self.torch = torch

    def make(self, a: Any) -> Any:
        return self.torch.tensor(a, requires_grad=a.dtype.kind == "f")

    def constant(self, a: Any) -> Any:
        return self.torch.tensor(a)

    def grad(self, y: Any, xs: list[Any]) -> list[Any]:
        return list(self.torch.autograd.grad(y, xs, create_graph=True, allow_unused=True))

    def concat(self, xs: list[Any], axis: int) -> Any:
        return self.torch.cat(xs, axis)

    def copy(self, x: Any) -> Any:
        return x.clone()

    def permute(self, x: Any, axes: Any) -> Any:
        return x.permute(axes)

    def reduce(self, x: Any, how: str, axis: int, keep: bool) -> Any:
        return getattr(x, {"max": "amax", "min": "amin"}.get(how, how))(axis, keepdim=keep)

    def call(self, name: str, *xs: Any) -> Any:
        return getattr(self.torch, name)(*xs)


SHAPES = ((3, 4), (4,), (3, 1), (4, 3), (2, 3, 4))


def inputs(seed: int, dtype: Any) -> list[Any]:
    """The arrays that the program of a seed starts from."""
    rng = np.random.default_rng([seed, 1])
    return [(rng.standard_normal(shape) * 0.8).astype(dtype) for shape in SHAPES]


def run(lib: Any, seed: int, leaves: list[Any]) -> Any:
    """Run the program of a seed on leaves; its loss. All choices depend on the seed and on shapes alone."""
    rng = np.random.default_rng(seed)
    pool = list(leaves)

    def pick(condition: Any = lambda x: True) -> Any:
        fitting = [x for x in pool if condition(x)]
        return fitting[rng.integers(len(fitting))]

    def fits(x: Any, y: Any) -> bool:
        try:
            return bool(np.prod(np.broadcast_shapes(tuple(x.shape), tuple(y.shape))) <= 200)
        except ValueError:
            return False

    for _ in range(int(rng.integers(4, 16))):
        kind = rng.integers(13)
        x = pick(lambda t: len(t.shape) > 0)
        if kind == 0:
            y = pick(lambda t, x=x: fits(x, t))
            pool.append([x + y, x - y, x * y][rng.integers(3)])
        elif kind == 1:
            y = pick(lambda t, x=x: fits(x, t))
            pool.append(x / (y * y + 1.5))
        elif kind == 2:
            pool.append(lib.call(["tanh", "sin", "cos"][rng.integers(3)], x))
        elif kind == 3:
            pool.append([lib.call("exp", lib.call("tanh", x)), lib.call("log", x * x + 1.0),
                         lib.call("sqrt", x * x + 0.5)][rng.integers(3)])
        elif kind == 4:
            axis, keep = int(rng.integers(len(x.shape))), bool(rng.integers(2))
            pool.append(lib.reduce(x, ["sum", "mean", "max", "min"][rng.integers(4)], axis, keep))
        elif kind == 5:
            y = pick(lambda t: len(t.shape) == 2)
            if len(x.shape) >= 2 and x.shape[-1] == y.shape[0]:
                pool.append(x @ y)
        elif kind == 6:
            axes = tuple(int(a) for a in rng.permutation(len(x.shape)))
            pool.append(lib.permute(x, axes))
        elif kind == 7:
            pool.append(x.reshape((-1,)) if rng.integers(2) else x.reshape((x.shape[0], -1)))
        elif kind == 8:
            start = int(rng.integers(x.shape[0]))
            pool.append([x[start], x[start:], x[..., None],
                         x[lib.constant(rng.integers(0, x.shape[0], 3))]][rng.integers(4)])
        elif kind == 9:
            pool.append(lib.concat([x, x * 0.5], int(rng.integers(len(x.shape)))))
        elif kind == 10:
            y = pick(lambda t, x=x: fits(x, t))
            pool.append(lib.call("where", x > y, x * 2.0, y))
        elif kind == 11:
            a = lib.copy(x)
            y = pick(lambda t, a=a: fits(a, t) and np.broadcast_shapes(a.shape, t.shape) == tuple(a.shape))
            if rng.integers(2):
                a += y
            else:
                a *= y
            a *= 0.5
            pool.append(a)
        else:
            a = lib.copy(x)
            i = int(rng.integers(a.shape[0]))
            a[i] = a[int(rng.integers(a.shape[0]))] * 0.3
            v = a[i:]
            v += 1.0
            pool.append(a)
        if np.prod(tuple(pool[-1].shape)) > 400:
            pool.pop()
    loss = None
    for x in pool[-3:]:
        part = (x * x).mean() + x.sum() * 0.1
        loss = part if loss is None else loss + part
    return loss


def numbers(gradients: list[Any], leaves: list[Any]) -> list[Any]:
    return [np.zeros(tuple(x.shape)) if g is None else np.asarray(g.detach())
            for g, x in zip(gradients, leaves, strict=True)]


def compare(seed: int) -> None:
    dtype, tolerance = (np.float32, 2e-4) if seed % 4 == 0 else (np.float64, 1e-11)
    answers = []
    for lib in (Teachgrad(), Torch()):
        leaves = [lib.make(array) for array in inputs(seed, dtype)]
        loss = run(lib, seed, leaves)
        first = lib.grad(loss, leaves)
        penalty = sum((g * g).sum() for g in first if g is not None)
        second = lib.grad(penalty, leaves) if getattr(penalty, "requires_grad", False) else [None] * len(leaves)
        answers.append([np.asarray(loss.detach()), *numbers(first, leaves), *numbers(second, leaves)])
    for number, (mine, theirs) in enumerate(zip(*answers, strict=True)):
        assert mine.dtype == theirs.dtype or number
        scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
        np.testing.assert_allclose(mine / scale, theirs / scale, rtol=tolerance, atol=tolerance,
                                   err_msg=f"program {seed}, number {number}")


@pytest.mark.oracles
@pytest.mark.parametrize("block", range(QUICK // 20))
def test_random_programs(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        compare(seed)


@pytest.mark.slow
@pytest.mark.oracles
@pytest.mark.parametrize("block", range(QUICK // 20, PROGRAMS // 20))
def test_all_random_programs(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        compare(seed)
