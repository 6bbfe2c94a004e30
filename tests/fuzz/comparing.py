"""How far two answers may be apart: as far as rounding can carry them, and rounding is measured, not guessed.

Two numbers are the same if they are within the documented bound of one op, or two units in the last place of the
largest number of their array. Where they are not, the program is run again in double precision with every operand,
result and gradient multiplied by 1 + δ, δ random and as small as a rounding error: what that changes is what rounding
may change (Monte Carlo arithmetic: D. S. Parker, 1997). A disturbance that makes a number jump stands near a kink or a
tie, where a comparison would be unfair; such elements count as undecided. What ops round within themselves, no
disturbance from outside shows; it is seen when they run in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .program import Program
from .running import DISTURBANCE, Numbers, run_disturbed

CLOSE = {"float32": 1e-5, "float64": 1e-12}
"""Relative differences that need no explanation: the documented bound of one op at O3."""
MARGIN = 8.0
"""So many times the measured effect of rounding is allowed."""
FEW, MANY = 3, 24
JUMP = 1e-3
"""A disturbance of one part in millions that changes a number by so much, relatively, stands near a kink."""


@dataclass(frozen=True)
class Difference:
    """Where two answers differ: which of their numbers, and how."""

    number: int
    text: str


def none_is_zero(got: Any, want: Any) -> tuple[Any, Any]:
    """A gradient that one library leaves out is zero in the other."""
    if got is None and want is not None:
        got = np.zeros_like(want)
    if want is None and got is not None:
        want = np.zeros_like(got)
    return got, want


def exactly(got: Numbers, want: Numbers) -> Difference | None:
    """The first number that has not the same bits, or None.

    Where dynamic mode has no gradient, zeros will do: a branch gives them to what only its other function uses.
    """
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        if (a is None) != (b is None) and (a is None or a.any()):
            return Difference(k, f"{a} instead of {b}")
        if a is not None and b is not None and (a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes()):
            return Difference(k, f"{a!r} instead of the bits of {b!r}")
    return None


def unequal(a: Any, b: Any) -> Any:
    """Where two arrays differ by more than the bound of one op, and more than two units of their largest number."""
    if b.dtype.kind != "f":
        return a != b
    with np.errstate(all="ignore"):
        a, allowed = a.astype(np.float64), CLOSE[str(b.dtype)] * np.abs(b.astype(np.float64)) + floor_of(b, b.dtype)
        b = b.astype(np.float64)
        return ~((a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= allowed))


def floor_of(b: Any, dtype: Any) -> float:
    """Two units in the last place of the largest finite number of an array."""
    size = np.abs(b)
    return 2 * float(np.finfo(dtype).eps) * float(np.max(np.where(np.isfinite(size), size, 0), initial=0))


class Judge:
    """Compares answers of one program, and measures the effect of rounding on it when that is needed."""

    def __init__(self, program: Program, calls: int = 1) -> None:
        self.program, self.calls = program, calls
        self.samples: dict[str, list[Numbers]] = {"float64": [], "float32": []}
        self.base: Numbers = []
        self.undecided = 0
        self.noisy = False
        """Whether an explanation had to look into an op: at the rounding of float32 itself."""

    def allowed(self, k: int, like: Any, count: int, precision: str) -> Any:
        """How far each element of number k may be off; infinite where a disturbance makes it jump."""
        if not self.base:
            self.base = run_disturbed(self.program, None, self.calls)
        samples = self.samples[precision]
        while len(samples) < count:
            samples.append(run_disturbed(self.program, len(samples), self.calls, precision))
        base = self.base[k]
        if base is None:
            return np.zeros(like.shape)
        base = np.asarray(base, np.float64)
        with np.errstate(all="ignore"):
            moved = [np.abs(np.asarray(s[k], np.float64) - base) for s in samples if s[k] is not None]
            moved = [np.where(np.isnan(m), np.where(np.isnan(base), 0.0, np.inf), m) for m in moved]
            most = np.max(moved, axis=0) if moved else np.zeros(like.shape)
            size = np.abs(base)
            jumps = most > JUMP * np.maximum(size, np.max(np.where(np.isfinite(size), size, 0), initial=1e-30))
        if like.dtype.kind != "f":
            return np.where(most > 0, np.inf, 0.0)
        rounded = like.dtype == np.float32 or self.program.special or self.program.mentions("float32")
        scale = 1.0 if rounded else 2.0 ** -51 / DISTURBANCE
        return np.where(jumps, np.inf, MARGIN * scale * most + floor_of(base, like.dtype))

    def difference(self, got: Numbers, want: Numbers) -> Difference | None:
        """The first number that differs by more than rounding explains, or None."""
        if len(got) != len(want):
            return Difference(-1, f"{len(got)} numbers instead of {len(want)}")
        for k, (x, y) in enumerate(zip(got, want, strict=True)):
            a, b = none_is_zero(x, y)
            if a is None:
                continue
            if a.shape != b.shape or a.dtype != b.dtype:
                return Difference(k, f"number {k}: {a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}")
            wrong = unequal(a, b)
            if wrong.any() and (found := self.looked_into(k, a, b, wrong)):
                return found
        return None

    def looked_into(self, k: int, a: Any, b: Any, wrong: Any) -> Difference | None:
        """Whether rounding explains a difference: first by what it does between ops, then by what it does within."""
        with np.errstate(all="ignore"):
            gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
            gap = np.where(np.isnan(gap), np.inf, gap)
        tiny = float(np.finfo(b.dtype).tiny) * 64 if b.dtype.kind == "f" else 0.0
        for count, precision in ((FEW, "float64"), (FEW, "float32"), (MANY, "float32"), (MANY, "float64")):
            allowed = self.allowed(k, b, count, precision)
            wrong = wrong & ~(gap <= allowed + tiny)
            if not wrong.any():
                self.undecided += int(np.isinf(allowed).sum())
                self.noisy |= precision == "float32"
                return None
        place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        return Difference(k, f"number {k}, element {[int(i) for i in place]}: {a[place]!r} instead of {b[place]!r}; "
                             f"rounding explains {float(allowed[place]):.2g}, not {float(gap[place]):.2g}; "
                             f"{int(wrong.sum())} of {wrong.size} elements")
