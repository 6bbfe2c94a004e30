"""Division with a whole quotient, of floating-point numbers: exact where x / y would be rounded up to the next number.

The remainder of the C library is exact; the quotient is made of it, as NumPy and Python do.
"""

from __future__ import annotations

from teachgrad.op import Vertex
from teachgrad.ops.rounding import floor_divide, remainder

from .moves import few_axes, names_of
from .threads import Threads, Work, kernel_of


def floats(v: Vertex) -> bool:
    """Whether it is a division of numbers that have kernels."""
    return few_axes(v) and v.dtype.kind == "f"


def divided(work: Work) -> Threads:
    """A thread for each quotient: it knows x, y and the remainder, which has the sign of y."""
    v, k = work.v, work.threads()
    names, kind, f = names_of(v.shape), k.kind("z"), "f" if v.dtype.itemsize == 4 else ""
    k.spread(names, v.shape)
    x, y = (k.load(name, *names[v.ndim - other.ndim:]) for name, other in work.inputs.items())
    k.put(f"const {kind} dividend = {x}, divisor = {y};",
          f"const {kind} rest = fmod{f}(dividend, divisor);",
          "const bool other_sign = rest != 0 && (divisor < 0) != (rest < 0);")
    return k


@kernel_of(remainder, "x", "y", fits=floats)
def rest(work: Work) -> None:
    """z = x - y floor(x / y), which has the sign of y."""
    k = divided(work)
    f, kind = "f" if work.v.dtype.itemsize == 4 else "", k.kind("z")
    k.put(k.store(k.element, f"other_sign ? rest + divisor : rest == 0 ? copysign{f}(({kind})0, divisor) : rest"))


@kernel_of(floor_divide, "x", "y", fits=floats)
def quotient(work: Work) -> None:
    """z = floor(x / y)."""
    k = divided(work)
    f, kind = "f" if work.v.dtype.itemsize == 4 else "", k.kind("z")
    k.put(f"const {kind} whole = (dividend - rest) / divisor - other_sign;",
          f"const {kind} below = floor{f}(whole);",
          f"const {kind} nearest = whole - below > ({kind})0.5 ? below + 1 : below;")
    zero = f"copysign{f}(({kind})0, dividend / divisor)"
    k.put(k.store(k.element, f"divisor == 0 ? dividend / divisor : whole == 0 ? {zero} : nearest"))
