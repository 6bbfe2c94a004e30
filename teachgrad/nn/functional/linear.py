"""Affine, bilinear and multilinear maps, and making axes one."""

from __future__ import annotations

from math import prod
from typing import Any

from ...errors import ShapeError
from ...ops import matmul as products
from ...ops.einsum import einsum
from ...ops.shape import expand_dims, normalize_axis, reshape

__all__ = ["bilinear", "einsum", "flatten", "linear"]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x Wᵀ + b:   x (..., in), W (out, in), b (out,)"""
    return products.linear(input, weight, bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """z_o = Σ_ij x_i W_oij y_j + b_o:   x (..., I), y (..., J), W (out, I, J), b (out,)"""
    if weight.ndim != 3 or input1.shape[-1:] != weight.shape[1:2] or input2.shape[-1:] != weight.shape[2:]:
        raise ShapeError(f"bilinear: inputs {input1.shape} and {input2.shape} do not fit the weight {weight.shape}, "
                         "which is (out, in1, in2)")
    out, first, second = weight.shape
    half = products.matmul(input1, reshape(weight.permute_dims(1, 0, 2), (first, out * second)))
    half = reshape(half, (*input1.shape[:-1], out, second))
    z = products.matmul(half, expand_dims(input2, axis=input2.ndim))[..., 0]
    return z if bias is None else z + bias


def flatten(input: Any, start_axis: int = 0, end_axis: int = -1) -> Any:
    """The axes from start_axis to end_axis (which counts too) as one"""
    if input.ndim == 0:
        return reshape(input, (1,))
    start, end = normalize_axis(start_axis, input.ndim), normalize_axis(end_axis, input.ndim)
    if start > end:
        raise ShapeError(f"flatten: start_axis {start_axis} comes after end_axis {end_axis} in shape {input.shape}")
    return reshape(input, (*input.shape[:start], prod(input.shape[start:end + 1]), *input.shape[end + 1:]))
