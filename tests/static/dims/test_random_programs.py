"""Random programs with two open sizes: the bits of dynamic mode for every choice of them, and its errors.

The programs are those that are compared with PyTorch. Their generator chooses by shapes, so each tensor goes through a
program beside an array of NumPy, whose shape does not vary: all sizes then run one program, which some of them refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import teachgrad as tg
from tests.core.test_random_programs import run

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # means of nothing

PROGRAMS = 1000
QUICK = 30
SHAPES = (("N", "M"), ("M",), ("N", 1), ("M", "N"), (2, "N", "M"))
NOMINAL = {"N": 5, "M": 4}
SIZES = ((5, 4), (7, 4), (6, 9), (5, 1), (1, 4), (2, 3), (9, 9), (8, 0))


class Pair:
    """A tensor, and an array that shows the shape that it has where sizes are the nominal ones."""

    def __init__(self, real: Any, like: Any) -> None:
        self.real, self.like = real, like

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.like)  # type: ignore[no-any-return]

    def reshape(self, shape: Any) -> Pair:
        """Lengths that the program took from a shape are those of the tensor."""
        lead = self.real.shape[:1] if shape[0] != -1 else (-1,)
        return Pair(self.real.reshape((*lead, *shape[1:])), self.like.reshape(shape))

    def __getitem__(self, index: Any) -> Pair:
        plain = index.like.astype(int) if isinstance(index, Pair) else index
        return Pair(self.real[index.real if isinstance(index, Pair) else index], self.like[plain])

    def __setitem__(self, index: Any, value: Pair) -> None:
        self.real[index] = value.real

    def mean(self) -> Pair:
        return Pair(self.real.mean(), np.zeros(()))

    def sum(self) -> Pair:
        return Pair(self.real.sum(), np.zeros(()))


def binary(name: str) -> Callable[[Any, Any], Any]:
    def call(x: Pair, y: Any) -> Pair:
        real, like = (y.real, y.like) if isinstance(y, Pair) else (y, y)
        if name == "__matmul__":
            return Pair(x.real @ real, x.like @ like)
        shape = np.broadcast_shapes(np.shape(x.like), np.shape(like))
        return Pair(getattr(x.real, name)(real), np.zeros(shape))

    return call


for operator in ("add", "sub", "mul", "truediv", "matmul", "gt", "iadd", "imul"):
    setattr(Pair, f"__{operator}__", binary(f"__{operator}__"))


class Pairs:
    """What the generator needs of a library, for pairs."""

    def constant(self, a: Any) -> Pair:
        return Pair(tg.tensor(a), np.asarray(a))

    def concat(self, xs: list[Pair], axis: int) -> Pair:
        return Pair(tg.concat([x.real for x in xs], axis=axis), np.concatenate([x.like for x in xs], axis))

    def copy(self, x: Pair) -> Pair:
        return Pair(x.real.copy(), x.like)

    def permute(self, x: Pair, axes: Any) -> Pair:
        return Pair(x.real.permute_dims(axes), x.like.transpose(axes))

    def reduce(self, x: Pair, how: str, axis: int, keep: bool) -> Pair:
        return Pair(getattr(tg, how)(x.real, axis=axis, keepdims=keep), np.sum(x.like, axis=axis, keepdims=keep))

    def call(self, name: str, *xs: Any) -> Pair:
        likes = np.broadcast_shapes(*[x.shape for x in xs])
        return Pair(getattr(tg, name)(*[x.real for x in xs]), np.zeros(likes))


def program(seed: int) -> Callable[..., Any]:
    """The loss of a program and its gradients, as a function of its leaves."""
    likes = [np.zeros([NOMINAL.get(n, n) for n in shape]) for shape in SHAPES]  # type: ignore[call-overload]

    def step(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
        leaves = [a, b, c, d, e]
        loss = run(Pairs(), seed, [Pair(x, like) for x, like in zip(leaves, likes, strict=True)]).real
        return loss, tg.grad(loss, leaves, allow_unused=True)

    return step


def leaves(seed: int, n: int, m: int) -> list[Any]:
    rng, dtype = np.random.default_rng([seed, n, m]), np.float32 if seed % 2 else np.float64
    shapes = [[{"N": n, "M": m}.get(k, k) for k in shape] for shape in SHAPES]  # type: ignore[call-overload]
    return [tg.tensor((0.8 * rng.standard_normal(shape)).astype(dtype), requires_grad=True) for shape in shapes]


def outcome(step: Callable[..., Any], inputs: list[Any]) -> Any:
    """The bits of all answers, or that there is an error."""
    try:
        loss, slopes = step(*inputs)
    except tg.TraceError as refusal:
        if refusal.code != "TG-S09":  # an overwrite through reshape(), a view or a copy depending on the layout
            raise
        return "refused"
    except (ValueError, IndexError):
        return "error"
    return [None if x is None else (x.shape, x.numpy().tobytes()) for x in (loss, *slopes)]


def compare(seed: int, level: str, sizes: Any = SIZES) -> int:
    """Run a program for many sizes in both modes; how often it was traced."""
    step = program(seed)
    static = tg.static(step, level=level, dims=dict(zip("abcde", SHAPES, strict=True)))
    for n, m in sizes:
        got, expected = outcome(static, leaves(seed, n, m)), outcome(step, leaves(seed, n, m))
        if expected == "error":  # an index that is out of range and of which nothing comes is left out at O1
            expected = outcome(tg.static(step, level=level), leaves(seed, n, m))
        assert got in ("refused", expected), (seed, n, m)
    return static.count


def test_every_size_keeps_every_bit() -> None:
    counts = [compare(seed, ("O0", "O1")[seed % 2]) for seed in range(QUICK)]
    assert np.mean(counts) < 4  # for eight sizes, of which some broadcast, are empty, or too small for an index


@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=2, max_size=5))
def test_any_sizes_in_any_order_keep_every_bit(seed: int, sizes: list[tuple[int, int]]) -> None:
    compare(seed, "O1", sizes)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(PROGRAMS // 50))
def test_all_random_programs_keep_every_bit(block: int) -> None:
    for seed in range(50 * block, 50 * block + 50):
        for level in ("O0", "O1"):
            compare(seed, level)
