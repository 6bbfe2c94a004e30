"""Checking gradients against finite differences.

A gradient rule claims to know the Jacobian J of a function, J_ij = ∂y_i/∂x_j. Central differences measure it,

    J_ij ≈ (y_i(x + ε e_j) - y_i(x - ε e_j)) / 2ε,     error O(ε²) + O(10⁻¹⁶/ε),

and `gradcheck` compares every element. Beyond that it asks what holds for any derivative: that pulling back is linear
in the gradient that comes in, and that u·(J v) = (Jᵀ u)·v, forward mode against reverse mode. For `order=2` the
pull-back itself, (x, u) -> Jᵀ u, is checked in the same way, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import autodiff, devices, random
from .errors import DTypeError, GradientError, TeachgradError, place
from .op import Vertex, apply, beside, modes
from .ops.shape import concat, reshape
from .ops.tuples import item, unpack

Arrays = list[Any]
LINEAR = 1e-8
"""How far, relative to its size, a pull-back may be from linear: it is computed in float64 without differences."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The element of the Jacobian where rule and measurement differ most, measured in tolerances."""

    order: int
    input: int
    """Which argument of the function, counted from 0."""
    index: tuple[int, ...]
    """Which element of that argument."""
    output: int
    """Which result of the function."""
    output_index: tuple[int, ...]
    """Which element of that result."""
    analytic: float
    """What the gradient rules say."""
    numeric: float
    """What finite differences say."""
    excess: float
    """The difference in tolerances: above 1 it is an error."""
    blame: str = ""
    """The op whose own rule is wrong, and where it was called, if one could be found."""

    def __str__(self) -> str:
        derivative = "derivative" if self.order == 1 else f"order-{self.order} derivative"
        result = "the result" if self.output == 0 else f"result {self.output}"
        text = (f"the {derivative} of {result} at {list(self.output_index)} for input {self.input} at "
                f"{list(self.index)} is {self.analytic:.9g} by rule and {self.numeric:.9g} by finite differences")
        return text + (f"\n{self.blame} is wrong by itself" if self.blame else "")


@dataclass(frozen=True, slots=True)
class GradCheck:
    """What a check found. True in a condition if all is well."""

    ok: bool
    worst: Worst | None
    """The largest difference, also of a check that passed; None if nothing was compared."""
    checked: int
    """How many elements of Jacobians were compared."""
    skipped: int
    """How many were left out, because the function has a kink there or is not defined on one side."""
    forward_mode: bool
    """Whether forward mode could be compared too; it cannot where `backward` works once only."""
    problem: str = ""
    """What is wrong, in words."""

    def __bool__(self) -> bool:
        return self.ok


def gradcheck(f: Callable[..., Any], *xs: Vertex, order: int = 1, eps: float = 1e-6, atol: float = 1e-5,
              rtol: float = 1e-3, kinks: str = "skip", raise_exception: bool = True) -> GradCheck:
    """Check the gradients of `f` at `xs`; a failure raises `GradientError`, which names the worst element.

    `f` takes tensors and returns one or several. Every floating-point tensor among `xs` is checked and must be float64;
    others are passed through. An element passes if |rule - measured| ≤ atol + rtol |measured|. At a corner or a jump of
    the function (|x| at 0, a tie of max) there is no derivative to compare with: an element that would fail there is
    skipped, unless kinks="keep". Random numbers are the same in every evaluation. If the check fails, the ops on the
    way are checked one by one, and the first that is wrong by itself is named.
    """
    if kinks not in ("skip", "keep"):
        raise TeachgradError(f"kinks is \"skip\" or \"keep\", not {kinks!r}")
    if order < 1:
        raise TeachgradError(f"order is 1 for gradients, 2 for their gradients, and so on; not {order}")
    tolerance = _Tolerance(eps, atol, rtol, kinks == "keep")
    result = _check(_Problem(f, xs, 1), tolerance)
    if not result.ok and result.worst is not None and result.problem == str(result.worst):
        worst = replace(result.worst, blame=_blame(f, xs, tolerance))
        result = replace(result, worst=worst, problem=str(worst))
    problem = _Problem(f, xs, 1)
    while result.ok and problem.order < order:
        problem = problem.pulled_back()
        further = _check(problem, tolerance)
        result = replace(further, checked=result.checked + further.checked, skipped=result.skipped + further.skipped)
    if raise_exception and not result.ok:
        raise GradientError(f"gradcheck: {result.problem}")
    return result


@dataclass(frozen=True, slots=True)
class _Tolerance:
    eps: float
    atol: float
    rtol: float
    keep_kinks: bool


class _Problem:
    """A function and the point at which it is checked."""

    def __init__(self, f: Callable[..., Any], xs: Sequence[Vertex], order: int) -> None:
        self.f, self.order = f, order
        self.xs = tuple(xs)
        self.checked = [i for i, x in enumerate(xs) if isinstance(x, Vertex) and x.dtype.kind == "f"]
        if not self.checked:
            raise DTypeError("gradcheck needs at least one floating-point tensor to check the gradient of")
        for i in self.checked:
            if xs[i].dtype != np.float64:
                raise DTypeError(f"input {i} is {xs[i].dtype}; finite differences need the digits of float64: "
                                 "write tg.astype(x, tg.float64), or tg.tensor(data, dtype=tg.float64)")
        self.point: Arrays = [on_host(xs[i]).copy() for i in self.checked]
        self.random = random.get_state()

    def call(self, inputs: Sequence[Vertex]) -> list[Vertex]:
        """The floating-point results of the function."""
        arguments: list[Any] = list(self.xs)
        for i, x in zip(self.checked, inputs, strict=True):
            arguments[i] = x
        random.set_state(self.random)
        result = self.f(*arguments)
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        for y in results:
            if not isinstance(y, Vertex):
                raise DTypeError(f"gradcheck needs a function that returns tensors, not a {type(y).__name__}")
        return [y for y in results if y.dtype.kind == "f"]

    def leaves(self, arrays: Arrays) -> list[Any]:
        leaves: list[Any] = [beside(self.xs[i], a.copy()) for i, a in zip(self.checked, arrays, strict=True)]
        for x in leaves:
            x.requires_grad = True
        return leaves

    def values(self, arrays: Arrays) -> Arrays:
        """The results as arrays, with no graph."""
        with modes(grad=False):
            inputs = [beside(self.xs[i], a.copy()) for i, a in zip(self.checked, arrays, strict=True)]
            results = [on_host(y).astype(np.float64) for y in self.call(inputs)]
        for i, x, a in zip(self.checked, inputs, arrays, strict=True):
            if on_host(x).tobytes() != a.tobytes():
                raise GradientError(f"gradcheck: the function overwrites its input {i}; check one that works on a copy")
        return results

    def pulled_back(self) -> _Problem:
        """The next order: the function (xs, us) -> Σ (dy/dx)ᵀ u."""
        rng = np.random.default_rng(self.order)
        us = [beside(self.xs[self.checked[0]], _weights(rng, y.shape)) for y in self.values(self.point)]
        count = len(self.xs)

        def pull_back(*arguments: Vertex) -> Any:
            inside = _Problem.__new__(_Problem)
            inside.f, inside.xs, inside.checked, inside.random = self.f, arguments[:count], self.checked, self.random
            with modes(grad=True):
                inputs = [autodiff.fresh(arguments[i]) for i in self.checked]
                ys = inside.call(inputs)
                pairs = [(y, u) for y, u in zip(ys, arguments[count:], strict=True) if y.requires_grad]
                if pairs:
                    gs = autodiff.grad([y for y, _ in pairs], inputs, [u for _, u in pairs], create_graph=True,
                                       allow_unused=True)
                else:
                    gs = [None] * len(inputs)
            return [x * 0.0 if g is None else g for g, x in zip(gs, inputs, strict=True)]

        return _Problem(pull_back, (*self.xs, *us), self.order + 1)


def on_host(x: Vertex) -> Any:
    """The array of a tensor, as NumPy's."""
    return devices.CPU.take(x._data)


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Random numbers of both signs, none near 0."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


def _check(problem: _Problem, tolerance: _Tolerance) -> GradCheck:
    """Compare rule and measurement, and ask for linearity and for forward mode."""
    here = problem.values(problem.point)
    again = problem.values(problem.point)
    if any(a.tobytes() != b.tobytes() for a, b in zip(here, again, strict=True)):
        return GradCheck(False, None, 0, 0, False, "two calls of the function at the same point gave different results")
    rows = list(_analytic(problem))
    worst: Worst | None = None
    checked = skipped = wrong = 0
    for number, x in enumerate(problem.point):
        for index in np.ndindex(*x.shape):
            column = [rows[output][number][(..., *index)] for output in range(len(here))]
            measured, excesses = _compare(problem, here, number, index, column, tolerance)
            for output, excess in enumerate(excesses):
                left_out = int((excess < 0).sum())
                checked, skipped = checked + excess.size - left_out, skipped + left_out
                wrong += int((excess > 1).sum())
                if excess.size and excess.max() > (worst.excess if worst is not None else -1):
                    at = tuple(int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
                    worst = Worst(problem.order, problem.checked[number], index, output, at,
                                  float(column[output][at]), float(measured[output][at]), float(excess[at]))
    if wrong:
        return GradCheck(False, worst, checked, skipped, False, str(worst))
    if skipped and not checked:
        return GradCheck(False, None, 0, skipped, False, "every element lies at a kink; choose another point")
    return _consistent(problem, rows, here, GradCheck(True, worst, checked, skipped, True))


def _analytic(problem: _Problem) -> Iterator[Arrays]:
    """For each result, its Jacobian for each input by the gradient rules, of the shape result + input."""
    with modes(grad=True):
        inputs = problem.leaves(problem.point)
        ys = problem.call(inputs)
    rng = np.random.default_rng(0)
    for y in ys:
        jacobians = [np.zeros((*y.shape, *x.shape)) for x in inputs]
        weights = _weights(rng, y.shape)
        for at in np.ndindex(*y.shape) if y.requires_grad else ():
            u = np.zeros(y.shape)
            u[at] = weights[at]  # a weight, not 1: a rule that forgets or squares the incoming gradient is seen
            for number, g in enumerate(_pulled(y, inputs, u)):
                if g is not None:
                    jacobians[number][at] = g / weights[at]
        yield jacobians


def _pulled(y: Vertex, inputs: Sequence[Vertex], u: Any) -> Iterator[Any]:
    """(dy/dx)ᵀ u for each input, as arrays; None where nothing flows."""
    with modes(grad=True):
        gradients = autodiff.grad(y, list(inputs), beside(y, u.astype(y.dtype)), retain_graph=True,
                                  allow_unused=True)
    for number, (g, x) in enumerate(zip(gradients, inputs, strict=True)):
        if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
            raise GradientError(f"gradcheck: the gradient of input {number} is {g.dtype}{list(g.shape)}, but the input "
                                f"is {x.dtype}{list(x.shape)}")
        yield None if g is None else on_host(g)


def _compare(problem: _Problem, here: Arrays, number: int, index: tuple[int, ...], column: Arrays,
             tolerance: _Tolerance) -> tuple[Arrays, Arrays]:
    """Measure a column of the Jacobian for each result; also how far the rule is from it, in tolerances, -1 at a kink.
    """
    right, left = _one_sided(problem, here, number, index, tolerance.eps)
    measured = [(a + b) / 2 for a, b in zip(right, left, strict=True)]
    excesses = []
    for analytic, numeric in zip(column, measured, strict=True):
        with np.errstate(invalid="ignore"):
            excess = np.abs(analytic - numeric) / (tolerance.atol + tolerance.rtol * np.abs(numeric))
        excesses.append(np.where(np.isfinite(excess), excess, np.inf))
    if tolerance.keep_kinks or not any((excess > 1).any() for excess in excesses):
        return measured, excesses
    # Where the function is smooth, the gap between the slopes shrinks with the step, to an eighth, and the slope stays.
    # At a corner the gap stays or vanishes, at a jump the slope grows.
    near_right, near_left = _one_sided(problem, here, number, index, tolerance.eps / 8)
    for output, excess in enumerate(excesses):
        gap, near_gap = _gap(right[output], left[output]), _gap(near_right[output], near_left[output])
        corner = (gap > 1e-3) & ((near_gap < 0.1 * gap) | (near_gap > 0.16 * gap))
        jump = _gap(measured[output], (near_right[output] + near_left[output]) / 2) > 1e-3
        undefined = ~np.isfinite(measured[output])
        excesses[output] = np.where((excess > 1) & (corner | jump | undefined), -1.0, excess)
    return measured, excesses


def _one_sided(problem: _Problem, here: Arrays, number: int, index: tuple[int, ...], eps: float
               ) -> tuple[Arrays, Arrays]:
    """The slopes of the results to the right and to the left of the point, along one element of one input."""
    sides = []
    for step in (eps, -eps):
        point = [x.copy() for x in problem.point]
        point[number][index] += step
        moved = point[number][index] - problem.point[number][index]  # what was added after rounding
        with np.errstate(all="ignore"):
            sides.append([np.asarray((there - y) / moved)
                          for there, y in zip(problem.values(point), here, strict=True)])
    return sides[0], sides[1]


def _gap(right: Any, left: Any) -> Any:
    """How far the slopes on both sides are apart, relative to their size."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.abs(right - left) / np.maximum(1, np.maximum(np.abs(right), np.abs(left))))


def _consistent(problem: _Problem, rows: list[Arrays], here: Arrays, result: GradCheck) -> GradCheck:
    """Ask of the rules what holds for any derivative."""
    rng = np.random.default_rng(problem.order)
    us = [_weights(rng, y.shape) for y in here]
    vs = [_weights(rng, x.shape) for x in problem.point]
    with modes(grad=True):
        inputs = problem.leaves(problem.point)
        ys = problem.call(inputs)
    total, size = 0.0, 1.0
    for y, u, jacobians in zip(ys, us, rows, strict=True):
        if not y.requires_grad:
            continue
        for g, v, jacobian in zip(_pulled(y, inputs, u), vs, jacobians, strict=True):
            expected = np.tensordot(u, jacobian, u.ndim)
            got = np.zeros_like(v) if g is None else g
            scale = 1 + np.tensordot(np.abs(u), np.abs(jacobian), u.ndim)
            if not np.all(np.abs(got - expected) <= LINEAR * scale):
                return replace(result, ok=False, problem="pulling back is not linear in the incoming gradient: two "
                                                         "gradients together give something else than one by one")
            total, size = total + float(np.sum(got * v)), size + float(np.sum(scale * np.abs(v)))
    try:
        forward = _forward(problem, us, vs)
    except GradientError:  # the rules cannot be differentiated, so there is no forward mode; an error at order 2 only
        return replace(result, forward_mode=False)
    if not abs(forward - total) <= LINEAR * size:
        return replace(result, ok=False, problem=f"forward and reverse mode differ: u·(J v) = {forward:.12g}, but "
                                                 f"(Jᵀ u)·v = {total:.12g}")
    return result


def _forward(problem: _Problem, us: Arrays, vs: Arrays) -> float:
    """u·(J v), with J v by forward mode."""
    like = problem.xs[problem.checked[0]]

    def flat(*inputs: Vertex) -> Any:
        return concat([reshape(y, (-1,)) for y in problem.call(inputs) if y.dtype == np.float64])

    _, tangent = autodiff.jvp(flat, [beside(like, x.copy()) for x in problem.point],
                               [beside(like, v) for v in vs])
    if not us:
        return 0.0
    return float(np.concatenate([u.ravel() for u in us]) @ on_host(tangent))


def _blame(f: Callable[..., Any], xs: Sequence[Vertex], tolerance: _Tolerance) -> str:
    """The first op on the way whose own rule is wrong, checked at the values it was called with."""
    problem = _Problem(f, xs, 1)
    with modes(grad=True):
        ys = problem.call(problem.leaves(problem.point))
    found = autodiff.reachable(ys)
    for _, z in sorted(found.items()):
        op = z.op
        if op is None or not z.inputs or op is item:
            continue

        def alone(*inputs: Vertex, z: Vertex = z) -> Any:
            result = apply(z.op, inputs, z.attrs)  # type: ignore[arg-type]
            return unpack(result) if isinstance(result._data, tuple) else result

        try:
            inputs = [x.result_type(x._data) for x in z.inputs]
            ok = _check(_Problem(alone, inputs, 1), tolerance).ok
        except TeachgradError:
            continue
        if not ok:
            return f"{op.name} at {place(z.site)}"
    return ""


__all__ = ["GradCheck", "Worst", "gradcheck"]
