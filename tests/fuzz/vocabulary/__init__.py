"""The vocabulary of random programs: every public op that PyTorch has, too, and how to find operands for it."""

from __future__ import annotations

from . import control, elementwise, indexing, networks, products, reductions, shapes

SPECIAL = frozenset((
    "arithmetic", "comparison", "logical", "where_", "sign_like", "move_axes", "reshape_", "index_basic", "concat_",
    "stack_", "special_unary", "maximum_like", "total", "extreme", "truth", "copysign_", "clip_", "sort_",
    "turn_around", "activation", "set_items", "softmax_like", "cast", "running", "find_largest", "expand_and_squeeze"))
"""Rows for programs with infinities and nan."""

__all__ = ["SPECIAL", "control", "elementwise", "indexing", "networks", "products", "reductions", "shapes"]
