"""Layers, activations, attention, indices: calls with many settings."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tests.functional.table import RNG, case, dim, real

# ---- activations -----------------------------------------------------------------------------------------------------

HARD: dict[str, Any] = {"hardsigmoid": {"order": 1, "tags": ("loose",)}}
"""PyTorch has a constant in single precision in the derivatives of some, and no second derivative of others."""
for name, low, high in (
    ("relu", -3, 3),
    ("relu6", -3, 8),
    ("leaky_relu", -3, 3),
    ("elu", -4, 3),
    ("selu", -4, 3),
    ("celu", -4, 3),
    ("hardtanh", -3, 3),
    ("hardsigmoid", -5, 5),
    ("hardswish", -5, 5),
    ("sigmoid", -9, 9),
    ("logsigmoid", -30, 9),
    ("softsign", -3, 3),
    ("gelu", -6, 6),
    ("silu", -9, 9),
    ("mish", -9, 9),
    ("softplus", -9, 30),
    ("tanh", -3, 3),
):
    for text, inputs in (
        ("", real(5, 7, low=low, high=high)),
        (" of a scalar", real(low=0.3, high=1.0)),
        (" of nothing", real(3, 0, 2)),
    ):
        case(name + text, lambda F, xp, x, name=name: getattr(F, name)(x), inputs, **HARD.get(name, {}))
    case(
        f"{name} of a transposed matrix",
        lambda F, xp, x, name=name: getattr(F, name)(x.mT),
        real(4, 3, low=low, high=high),
        **HARD.get(name, {}),
    )
case("gelu tanh", lambda F, xp, x: F.gelu(x, approximate="tanh"), real(5, 7, low=-6, high=6))
for slope in (0.2, 0.0, 1.5, -0.5):
    case(f"leaky_relu {slope}", lambda F, xp, x, s=slope: F.leaky_relu(x, s), real(4, 3))
for alpha in (0.3, 2.0):
    case(f"elu {alpha}", lambda F, xp, x, a=alpha: F.elu(x, a), real(4, 3))
    case(f"celu {alpha}", lambda F, xp, x, a=alpha: F.celu(x, a), real(4, 3), smooth=1, tags=("loose",))
for beta, threshold in ((2.0, 20.0), (0.5, 3.0), (1.0, 1.0)):
    case(
        f"softplus {beta} {threshold}",
        lambda F, xp, x, b=beta, t=threshold: F.softplus(x, b, t),
        real(4, 5, low=-9, high=9),
    )
case("hardtanh -0.5 0.7", lambda F, xp, x: F.hardtanh(x, -0.5, 0.7), real(4, 5))
for shape, weight in (((4, 3), 1), ((2, 3), 3), ((2, 3, 4), 3), ((5,), 1)):
    case(f"prelu {shape} {weight}", lambda F, xp, x, w: F.prelu(x, w), real(*shape), real(weight, low=0.1, high=0.4))
for axis in (0, 1, -1):
    case(f"glu {axis}", lambda F, xp, x, a=axis: F.glu(x, a), real(4, 2, 6))
    for name in ("softmax", "log_softmax", "softmin"):
        case(f"{name} {axis}", lambda F, xp, x, name=name, a=axis: getattr(F, name)(x, **dim(F, a)), real(3, 4, 2))
    case(
        f"logsumexp {axis}",
        lambda F, xp, x, a=axis: xp.logsumexp(x, a) if hasattr(xp, "Generator") else F.logsumexp(x, a),
        real(3, 4, 2),
    )
case(
    "logsumexp of two axes",
    lambda F, xp, x: xp.logsumexp(x, (0, 2), True) if hasattr(xp, "Generator") else F.logsumexp(x, (0, 2), True),
    real(3, 4, 2),
)
case("erf", lambda F, xp, x: xp.erf(x) if hasattr(xp, "Generator") else F.erf(x), real(5, 7, low=-3, high=3))

# ---- affine maps -----------------------------------------------------------------------------------------------------

for lead in ((), (3,), (2, 3)):
    case(f"linear {lead}", lambda F, xp, x, w, b: F.linear(x, w, b), real(*lead, 4), real(5, 4), real(5))
    case(f"linear {lead} without bias", lambda F, xp, x, w: F.linear(x, w), real(*lead, 4), real(5, 4))
    case(
        f"bilinear {lead}",
        lambda F, xp, x, y, w, b: F.bilinear(x, y, w, b),
        real(*lead, 3),
        real(*lead, 2),
        real(4, 3, 2),
        real(4),
    )

# ---- convolution -----------------------------------------------------------------------------------------------------

for stride, padding, dilation, groups in (
    (1, 0, 1, 1),
    (2, 0, 1, 1),
    (3, 2, 1, 1),
    (1, 1, 2, 1),
    (2, 3, 3, 1),
    (1, 0, 1, 2),
    (2, 1, 1, 4),
    ((2, 1), (0, 2), (1, 2), 2),
    (1, "same", 1, 1),
    (1, "same", (2, 1), 2),
    (2, "valid", 1, 1),
    (5, 4, 1, 1),
):
    text = f"{stride} {padding} {dilation} {groups}"
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    case(
        f"conv2d {text}",
        lambda F, xp, x, w, b, s=settings: F.conv2d(x, w, b, **s),
        real(2, 4, 7, 8),
        real(4, 4 // groups, 3, 2),
        real(4),
    )
    if not isinstance(stride, tuple) and not isinstance(dilation, tuple):
        case(
            f"conv1d {text}",
            lambda F, xp, x, w, b, s=settings: F.conv1d(x, w, b, **s),
            real(2, 4, 9),
            real(8, 4 // groups, 3),
            real(8),
        )
case("conv2d 1x1", lambda F, xp, x, w: F.conv2d(x, w), real(2, 3, 4, 5), real(4, 3, 1, 1))
case("conv2d 1x1 stride 2", lambda F, xp, x, w: F.conv2d(x, w, stride=2), real(2, 3, 4, 5), real(4, 3, 1, 1))
case("conv2d 1x1 padded", lambda F, xp, x, w: F.conv2d(x, w, padding=1), real(2, 3, 3, 4), real(4, 3, 1, 1))
case("conv2d of one image", lambda F, xp, x, w, b: F.conv2d(x, w, b), real(3, 5, 4), real(2, 3, 2, 3), real(2))
case("conv2d of no images", lambda F, xp, x, w: F.conv2d(x, w), real(0, 3, 5, 4), real(2, 3, 2, 3), order=1)
case("conv1d of one line", lambda F, xp, x, w: F.conv1d(x, w, padding=1), real(3, 5), real(2, 3, 3))
case(
    "conv2d by depth",
    lambda F, xp, x, w, b: F.conv2d(x, w, b, padding=1, groups=3),
    real(2, 3, 4, 4),
    real(6, 1, 3, 3),
    real(6),
)
case(
    "conv3d",
    lambda F, xp, x, w, b: F.conv3d(x, w, b, stride=(1, 2, 1), padding=(1, 0, 1)),
    real(2, 2, 3, 4, 3),
    real(3, 2, 2, 3, 2),
    real(3),
)
case(
    "two convolutions",
    lambda F, xp, x, v, w: F.conv2d(F.relu(F.conv2d(x, v, padding=1)), w),
    real(2, 2, 5, 5),
    real(3, 2, 3, 3),
    real(2, 3, 2, 2),
)
for stride, padding, output_padding, groups, dilation in (
    (1, 0, 0, 1, 1),
    (2, 0, 0, 1, 1),
    (2, 1, 1, 1, 1),
    (3, 2, 2, 2, 1),
    (1, 1, 0, 1, 2),
    ((2, 1), (1, 0), (1, 0), 2, (1, 2)),
    (2, 0, 1, 1, 3),
):
    text = f"{stride} {padding} {output_padding} {groups} {dilation}"
    call = (stride, padding, output_padding, groups, dilation)
    case(
        f"conv_transpose2d {text}",
        lambda F, xp, x, w, b, c=call: F.conv_transpose2d(x, w, b, *c),
        real(2, 4, 3, 4),
        real(4, 2, 3, 2),
        real(2 * groups),
    )
    if not isinstance(stride, tuple):
        case(
            f"conv_transpose1d {text}",
            lambda F, xp, x, w, b, c=call: F.conv_transpose1d(x, w, b, *c),
            real(2, 4, 5),
            real(4, 2, 3),
            real(2 * groups),
        )
case(
    "conv_transpose3d",
    lambda F, xp, x, w: F.conv_transpose3d(x, w, stride=2, padding=1),
    real(1, 2, 2, 3, 2),
    real(2, 2, 3, 2, 3),
)
case(
    "conv_transpose2d of one image",
    lambda F, xp, x, w: F.conv_transpose2d(x, w, stride=2),
    real(2, 3, 2),
    real(2, 3, 2, 2),
)

# ---- pooling ---------------------------------------------------------------------------------------------------------

for kernel, stride, padding, ceil_mode in product((2, 3, (3, 2)), (None, 1, 2, (3, 2)), (0, 1), (False, True)):
    text = f"{kernel} {stride} {padding} {ceil_mode}"
    settings = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    case(f"max_pool2d {text}", lambda F, xp, x, k=kernel, s=settings: F.max_pool2d(x, k, **s), real(2, 2, 6, 7))
    case(f"avg_pool2d {text}", lambda F, xp, x, k=kernel, s=settings: F.avg_pool2d(x, k, **s), real(2, 2, 6, 7))
case("max_pool2d dilated", lambda F, xp, x: F.max_pool2d(x, 2, 1, 1, (2, 1)), real(2, 2, 5, 6))
case("max_pool2d of one image", lambda F, xp, x: F.max_pool2d(x, 2), real(2, 4, 6))
case("max_pool2d of ties", lambda F, xp, x: F.max_pool2d(x, 3, 2, 1), np.round(real(2, 2, 7, 6)), smooth=0)
case("max_pool2d 1", lambda F, xp, x: F.max_pool2d(x, 1, 2), real(2, 2, 5, 5))
case("max_pool1d", lambda F, xp, x: F.max_pool1d(x, 3, 2, 1, ceil_mode=True), real(2, 3, 8))
case("avg_pool1d", lambda F, xp, x: F.avg_pool1d(x, 3, 2, 1, ceil_mode=True), real(2, 3, 8))
case("avg_pool2d without the padding", lambda F, xp, x: F.avg_pool2d(x, 3, 2, 1, True, False), real(2, 2, 6, 7))
case("avg_pool2d divided by 5", lambda F, xp, x: F.avg_pool2d(x, (3, 2), 2, 1, True, True, 5), real(2, 2, 6, 7))
for size in (1, 2, 3, (2, None), (3, 5), (7, 8)):
    case(f"adaptive_avg_pool2d {size}", lambda F, xp, x, n=size: F.adaptive_avg_pool2d(x, n), real(2, 2, 6, 7))
for size in (1, 3, 4, 7):
    case(f"adaptive_avg_pool1d {size}", lambda F, xp, x, n=size: F.adaptive_avg_pool1d(x, n), real(2, 3, 6))

# ---- normalization, distance -----------------------------------------------------------------------------------------

case("layer_norm", lambda F, xp, x, w, b: F.layer_norm(x, (4,), w, b), real(2, 3, 4), real(4), real(4))
case(
    "layer_norm over two axes",
    lambda F, xp, x, w, b: F.layer_norm(x, (3, 4), w, b, 1e-3),
    real(2, 3, 4),
    real(3, 4),
    real(3, 4),
)
case("layer_norm without bias", lambda F, xp, x, w: F.layer_norm(x, (4,), w), real(5, 4), real(4))
case("layer_norm without weight", lambda F, xp, x: F.layer_norm(x, (4,)), real(5, 4))
case("rms_norm", lambda F, xp, x, w: F.rms_norm(x, (4,), w, 1e-5), real(2, 3, 4), real(4))
case("rms_norm without weight", lambda F, xp, x: F.rms_norm(x, (3, 4), None, 1e-5), real(2, 3, 4))
for shape in ((6, 3), (4, 3, 5), (2, 3, 4, 2), (2, 3, 2, 2, 2)):
    case(
        f"batch_norm {shape}",
        lambda F, xp, x, w, b: F.batch_norm(x, None, None, w, b, True, eps=1e-3),
        real(*shape),
        real(3),
        real(3),
    )
case("batch_norm without weight", lambda F, xp, x: F.batch_norm(x, None, None, training=True), real(4, 3, 2))
case(
    "batch_norm evaluating",
    lambda F, xp, x, w, b, m, v: F.batch_norm(x, m, v, w, b),
    real(4, 3, 2),
    real(3),
    real(3),
    constants=(real(3), real(3, low=0.5)),
)
case(
    "batch_norm evaluating without weight",
    lambda F, xp, x, m, v: F.batch_norm(x, m, v),
    real(4, 3),
    constants=(real(3), real(3, low=0.5)),
)
for groups in (1, 2, 4):
    case(
        f"group_norm {groups}",
        lambda F, xp, x, w, b, g=groups: F.group_norm(x, g, w, b),
        real(2, 4, 3, 2),
        real(4),
        real(4),
    )
case("group_norm without weight", lambda F, xp, x: F.group_norm(x, 2), real(2, 4, 3))
case("instance_norm", lambda F, xp, x, w, b: F.instance_norm(x, None, None, w, b), real(2, 3, 4, 3), real(3), real(3))
case(
    "instance_norm with statistics",
    lambda F, xp, x, m, v: F.instance_norm(x, m, v, use_input_stats=False),
    real(2, 3, 5),
    constants=(real(3), real(3, low=0.5)),
)
for p in (1.0, 2.0, 3.0, float("inf")):
    case(f"normalize {p}", lambda F, xp, x, p=p: F.normalize(x, p, **dim(F, 1)), real(3, 4, 2))
case("cosine_similarity", lambda F, xp, x, y: F.cosine_similarity(x, y, **dim(F, 1)), real(3, 4, 2), real(3, 4, 2))
case(
    "cosine_similarity of a vector", lambda F, xp, x, y: F.cosine_similarity(x, y, **dim(F, -1)), real(3, 4), real(1, 4)
)
case("pairwise_distance", lambda F, xp, x, y: F.pairwise_distance(x, y, 3.0), real(3, 4), real(3, 4))

# ---- attention -------------------------------------------------------------------------------------------------------

QKV = real(2, 3, 5, 4), real(2, 3, 6, 4), real(2, 3, 6, 3)
case("attention", lambda F, xp, q, k, v: F.scaled_dot_product_attention(q, k, v), *QKV)
case("attention scaled", lambda F, xp, q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.3), *QKV)
case("attention causal", lambda F, xp, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), *QKV)
case(
    "attention with a mask",
    lambda F, xp, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
    *QKV,
    constants=(real(5, 6),),
)
case(
    "attention with a learned mask",
    lambda F, xp, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
    *QKV,
    real(3, 5, 6),
)
case(
    "attention with a choice",
    lambda F, xp, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
    *QKV,
    constants=(RNG.integers(0, 2, (2, 1, 5, 6)).astype(bool) | (np.arange(6) == 2),),
)
case(
    "attention that sees nothing",
    lambda F, xp, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
    *QKV,
    constants=((np.arange(5)[:, None] != 2) & (np.arange(6) != 1),),
)
case(
    "attention of matrices",
    lambda F, xp, q, k, v: F.scaled_dot_product_attention(q, k, v),
    real(5, 4),
    real(6, 4),
    real(6, 3),
)

# ---- tables, indices, borders ----------------------------------------------------------------------------------------

ROWS = np.array([[1, 0, 3], [3, 3, 1]])
case("embedding", lambda F, xp, w, i: F.embedding(i, w), real(5, 3), constants=(ROWS,))
case(
    "embedding with a row of padding", lambda F, xp, w, i: F.embedding(i, w, 3), real(5, 3), constants=(ROWS,), smooth=0
)
case("embedding of nothing", lambda F, xp, w, i: F.embedding(i, w), real(5, 3), constants=(ROWS[:0],), order=1)
for axis, shape in ((0, (4, 3, 2)), (1, (3, 5, 2)), (2, (3, 4, 6)), (-1, (2, 3, 3)), (0, (2, 2, 1))):
    index = RNG.integers(0, (3, 4, 2)[axis], shape)
    case(
        f"gather {axis} {shape}",
        lambda F, xp, x, i, a=axis: (xp.gather if hasattr(xp, "Generator") else F.gather)(x, a, i),
        real(3, 4, 2),
        constants=(index,),
    )
    case(
        f"scatter_add {axis} {shape}",
        lambda F, xp, x, s, i, a=axis: (xp.scatter_add if hasattr(xp, "Generator") else F.scatter_add)(x, a, i, s),
        real(3, 4, 2),
        real(*shape),
        constants=(index,),
    )
for widths in ((1, 2), (0, 1, 2, 0), (1, 1, 2, 2, 1, 0), (-1, 2), (1, 0, -1, -1)):
    case(f"pad {widths}", lambda F, xp, x, p=widths: F.pad(x, p), real(2, 3, 4))
    case(f"pad {widths} with 1.5", lambda F, xp, x, p=widths: F.pad(x, p, value=1.5), real(2, 3, 4))
for mode in ("reflect", "replicate", "circular"):
    for widths in ((1, 2), (0, 1)):
        case(f"pad {mode} {widths}", lambda F, xp, x, p=widths, m=mode: F.pad(x, p, m), real(2, 3, 4))
    case(f"pad {mode} images", lambda F, xp, x, m=mode: F.pad(x, (1, 2, 2, 0), m), real(2, 2, 3, 4))
for size, factor in ((None, 2), ((4, 9), None), (None, (0.5, 1.5)), (2, None), (None, 3), ((3, 4), None)):
    case(f"interpolate {size} {factor}", lambda F, xp, x, n=size, f=factor: F.interpolate(x, n, f), real(2, 2, 3, 4))
