"""Differences that are no errors of teachgrad, each with its reason. `test_known.py` shows every one of them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .program import Program


@dataclass(frozen=True)
class Known:
    """A difference that is understood. It explains a finding whose smallest program has such a line."""

    where: str
    text: str
    """A pattern for a line of the smallest program."""
    why: str
    special: bool = False
    """Whether it is about infinities, nan, or zeros alone."""
    order: int = 0
    """The least number of differentiations at which it shows."""
    difference: str = ""
    """A pattern for what is said about the difference."""
    times: float = math.inf
    """The difference is at most so many times as large as the estimate of rounding."""

    def explains(self, program: Program, where: str, what: str) -> bool:
        """Whether this is the reason of a finding."""
        return (where == self.where and program.order >= self.order and (program.special or not self.special)
                and any(re.search(self.text, line.texts["tg"]) for line in program.lines)
                and re.search(self.difference, what) is not None and excess(what) <= self.times)


def excess(what: str) -> float:
    """How many times as large as the estimate of rounding a difference is said to be; 0 where nothing is said of it."""
    said = re.search(r"rounding explains (\S+), not ([^;\s]+)", what)
    return 0.0 if said is None else float(said[2]) / max(float(said[1]), 1e-300)


ZERO = r"np\.float\d\d\(0\.0\)"
ROUNDING = r"np\.float(32\(-?[\d.]+e-(0[6-9]|[1-9]\d)|64\(-?[\d.]+e-(1[5-9]|[2-9]\d))\)"


KNOWN = (
    Known("torch", r"tg\.sign\(", "PyTorch says that the sign of nan is 0; the array API standard and NumPy, nan.",
          special=True, difference="nan"),
    Known("torch", r"binary_cross_entropy\(", "PyTorch adds 1e-12 to a denominator of the second derivative.", order=2),
    Known("torch", r"tg\.prod\(", "PyTorch divides the product by each factor, which rounds, and differentiates that "
          "again.", order=2),
    Known("torch", r"tg\.cumulative_prod\(", "PyTorch divides a sum of products by each factor; where they cancel, "
          "digits are lost.", order=1),
    Known("torch", r"tg\.(signbit|copysign)\(", "IEEE 754 leaves open which sign a nan has, and whether the larger of "
          "0 and -0 is the one or the other.", special=True,
          difference=r"np\.(True|False)_ instead of|\(-?([\d.e+-]+)\) instead of np\.\w+\(-?\2\)"),
    Known("torch", r"(F\.normalize|tg\.linalg\.(vector_norm|cross)|tg\.log)\(", "The derivative is zero whatever x is "
          "(a number divided by its own length, log of a multiple of exp(x) twice): what is left is rounding.",
          order=1, difference=rf"{ROUNDING} instead of {ZERO}|{ZERO} instead of {ROUNDING}"),
    Known("torch", r"tg\.linalg\.vector_norm\(", "Where a length is 0 it has no second derivative: nan here, 0 in "
          "PyTorch.", order=2, difference=rf"\(nan\) instead of {ZERO}"),
    Known("torch", r"F\.group_norm\(", "In a group of two numbers the gradient is what is left when nearly equal "
          "numbers are subtracted; in float64 both agree.", order=1, times=100.0),
    Known("torch", r"F\.gelu\(", "Far below zero 1 + erf(x / sqrt(2)) is a difference of nearly equal numbers: here "
          "and there the last digits of float32 are rounding.", difference="float32", times=1000.0),
    Known("torch", r"tg\.copysign\(", "PyTorch's derivative is z / x, which rounds and is differentiated again; ours "
          "is a sign, whose derivative is 0.", order=2),
)


def explanation(program: Program, where: str, what: str) -> str:
    """Why a difference is no error, or nothing."""
    return next((known.why for known in KNOWN if known.explains(program, where, what)), "")
