"""Operations on the bits of integers, and logic on truth values."""

from __future__ import annotations

from typing import ClassVar

from .elementwise_op import Binary, Unary


class BitwiseAnd(Binary):
    r"""z = x & y: the bits set in both"""

    ufunc = "bitwise_and"
    c = "{x} & {y}"
    c_kinds = "biu"
    kinds = "biu"
    differentiable = False


class BitwiseOr(Binary):
    r"""z = x | y: the bits set in either"""

    ufunc = "bitwise_or"
    c = "{x} | {y}"
    c_kinds = "biu"
    kinds = "biu"
    differentiable = False


class BitwiseXor(Binary):
    r"""z = x ^ y: the bits set in one of the two"""

    ufunc = "bitwise_xor"
    c = "{x} ^ {y}"
    c_kinds = "biu"
    kinds = "biu"
    differentiable = False


class BitwiseInvert(Unary):
    r"""z = ~x: every bit turned round; for truth values, not x"""

    ufunc = "invert"
    c = "~{x}"
    c_kinds = "iu"
    kinds = "biu"
    differentiable = False


class BitwiseLeftShift(Binary):
    r"""z = x · 2^y: the bits moved up"""

    ufunc = "left_shift"
    c = "{x} << {y}"
    c_kinds = ""  # NumPy defines shifts by more bits than there are
    c_whole: ClassVar = dict.fromkeys("iu", "(uint64_t){y} < {bits} ? ({type}){x} << {y} : 0")
    kinds = "iu"
    differentiable = False


class BitwiseRightShift(Binary):
    r"""z = floor(x / 2^y): the bits moved down"""

    ufunc = "right_shift"
    c = "{x} >> {y}"
    c_kinds = ""
    c_whole: ClassVar = {"i": "(uint64_t){y} < {bits} ? ({type}){x} >> {y} : {x} < 0 ? -1 : 0",
               "u": "(uint64_t){y} < {bits} ? ({type}){x} >> {y} : 0"}
    kinds = "iu"
    differentiable = False


bitwise_and, bitwise_or, bitwise_xor = BitwiseAnd(), BitwiseOr(), BitwiseXor()
bitwise_invert, bitwise_left_shift, bitwise_right_shift = BitwiseInvert(), BitwiseLeftShift(), BitwiseRightShift()
