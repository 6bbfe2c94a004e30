"""Comparisons, tests and logic: elementwise answers of True or False. No gradient flows through them."""

from __future__ import annotations

from .. import dtypes
from .elementwise_op import Binary, Unary


class Comparison(Binary):
    """A comparison of two numbers."""

    result = dtypes.bool
    differentiable = False
    c_kinds = "biuf"


class NotEqual(Comparison):
    r"""z = (x ≠ y)"""

    ufunc = "not_equal"
    c = "{x} != {y}"


class Less(Comparison):
    r"""z = (x < y)"""

    ufunc = "less"
    c = "{x} < {y}"


class LessEqual(Comparison):
    r"""z = (x ≤ y)"""

    ufunc = "less_equal"
    c = "{x} <= {y}"


class Greater(Comparison):
    r"""z = (x > y)"""

    ufunc = "greater"
    c = "{x} > {y}"


class GreaterEqual(Comparison):
    r"""z = (x ≥ y)"""

    ufunc = "greater_equal"
    c = "{x} >= {y}"


class Test(Unary):
    """A property of one number. Integers are always finite."""

    result = dtypes.bool
    differentiable = False


class Isfinite(Test):
    r"""z = x is neither infinite nor nan"""

    ufunc = "isfinite"
    c = "isfinite({x})"


class Isinf(Test):
    r"""z = x is plus or minus infinity"""

    ufunc = "isinf"
    c = "isinf({x})"


class Isnan(Test):
    r"""z = x is not a number"""

    ufunc = "isnan"
    c = "isnan({x})"


class Signbit(Test):
    r"""z = the sign bit of x is set: x is negative, or -0"""

    ufunc = "signbit"
    kinds = "f"
    c = "signbit({x}) != 0"


class LogicalAnd(Comparison):
    r"""z = x and y"""

    ufunc = "logical_and"
    c = "{x} && {y}"


class LogicalOr(Comparison):
    r"""z = x or y"""

    ufunc = "logical_or"
    c = "{x} || {y}"


class LogicalXor(Comparison):
    r"""z = either x or y"""

    ufunc = "logical_xor"
    c = "!{x} != !{y}"


class LogicalNot(Test):
    r"""z = not x"""

    ufunc = "logical_not"
    c = "!{x}"
    c_kinds = "biuf"


not_equal, less, less_equal, greater, greater_equal = NotEqual(), Less(), LessEqual(), Greater(), GreaterEqual()
isfinite, isinf, isnan, signbit = Isfinite(), Isinf(), Isnan(), Signbit()
logical_and, logical_or, logical_xor, logical_not = LogicalAnd(), LogicalOr(), LogicalXor(), LogicalNot()
