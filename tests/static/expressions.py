"""Random expressions of arrays, drawn from a seed and built in any library: the same draws give the same formula."""

from __future__ import annotations

from typing import Any

import numpy as np

import teachgrad as tg

SHAPES = ((3, 4), (4,), (3, 1), (4, 5), (2, 3, 4))
LARGEST = 120
"""No value has more elements than this."""


class Teachgrad:
    """How expressions are written here."""

    def call(self, name: str, *xs: Any) -> Any:
        return getattr(tg, name)(*xs)

    def reduce(self, x: Any, how: str, axis: int, keep: bool) -> Any:
        return getattr(tg, how)(x, axis=axis, keepdims=keep)

    def concat(self, xs: list[Any], axis: int) -> Any:
        return tg.concat(xs, axis=axis)

    def turn(self, x: Any, axes: tuple[int, ...]) -> Any:
        return tg.permute_dims(x, axes)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return tg.reshape(x, shape)


def arrays(seed: int) -> list[Any]:
    """Values for the inputs of the expression of a seed."""
    rng = np.random.default_rng([seed, 1])
    return [rng.normal(size=shape) * 0.8 for shape in SHAPES]


def expressions(lib: Any, seed: int, leaves: list[Any], steps: int) -> list[Any]:
    """The values, leaves included, that a random program makes in so many steps. Choices depend on shapes alone."""
    rng = np.random.default_rng(seed)
    pool = [(x, shape) for x, shape in zip(leaves, SHAPES, strict=True)]

    def pick(fits: Any = lambda shape: True) -> tuple[Any, tuple[int, ...]]:
        fitting = [entry for entry in pool if fits(entry[1])]
        return fitting[int(rng.integers(max(0, len(fitting) - 6), len(fitting)))]

    def meets(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        try:
            return bool(np.prod(np.broadcast_shapes(a, b)) <= LARGEST)
        except ValueError:
            return False

    while len(pool) < len(leaves) + steps:
        kind, (x, a) = int(rng.integers(9)), pick(lambda shape: len(shape) > 0)
        if kind < 3:
            y, b = pick(lambda shape, a=a: meets(a, shape))
            how = int(rng.integers(6))
            z = (x + y, x - y, x * y, x / (y * y + 1.5), lib.call("maximum", x, y),
                 lib.call("where", x > y, x * 2.0, y))[how]
            pool.append((z, np.broadcast_shapes(a, b)))
        elif kind == 3:
            pool.append((lib.call(("tanh", "sin", "cos", "abs")[rng.integers(4)], x), a))
        elif kind == 4:
            pool.append(((lib.call("exp", lib.call("tanh", x)), lib.call("log", x * x + 1.0),
                          lib.call("sqrt", x * x + 0.5))[rng.integers(3)], a))
        elif kind == 5:
            axis, keep, how = int(rng.integers(len(a))), bool(rng.integers(2)), ("sum", "mean", "max")[rng.integers(3)]
            pool.append((lib.reduce(x, how, axis, keep), (*a[:axis], *((1,) if keep else ()), *a[axis + 1:])))
        elif kind == 6:
            axes = tuple(int(axis) for axis in rng.permutation(len(a)))
            pool.append((lib.turn(x, axes), tuple(a[axis] for axis in axes)))
        elif kind == 7:
            start = int(rng.integers(a[0]))
            pool.append([(x[start:], (a[0] - start, *a[1:])), (x[start], a[1:]),
                         (lib.reshape(x, (-1,)), (int(np.prod(a)),))][rng.integers(3)])
        elif np.prod(a) <= LARGEST // 2:
            axis = int(rng.integers(len(a)))
            pool.append((lib.concat([x, x * 0.5], axis), (*a[:axis], 2 * a[axis], *a[axis + 1:])))
    return [x for x, _ in pool]


def expression(lib: Any, seed: int, leaves: list[Any], steps: int) -> Any:
    """A number made of the last values of a random program, and of every leaf."""
    pool = expressions(lib, seed, leaves, steps)
    total = None
    for x in (*leaves, *pool[-4:]):
        part = (x * x).mean() + x.sum() * 0.1
        total = part if total is None else total + part
    return total
