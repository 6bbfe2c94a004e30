"""What layers compute, as functions of tensors: PyTorch's names and argument order, with `axis` where it says `dim`.

    from teachgrad.nn import functional as F

    h = F.relu(F.conv2d(x, weight, bias, padding="same"))
    loss = F.cross_entropy(F.linear(h.flatten(1), readout), labels)

Every function is differentiable, to second order and beyond. Where measurement showed that it matters the work is one
op with a gradient rule of its own (`teachgrad.ops`); the tests keep a plain formula beside each of them.
"""

# ruff: noqa: RUF022  (names stand in groups by subject)

from __future__ import annotations

from .activation import (
    celu,
    elu,
    erf,
    gelu,
    glu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    logsumexp,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softsign,
    tanh,
)
from .attention import scaled_dot_product_attention
from .convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from .distance import cosine_similarity, normalize, pairwise_distance
from .dropout import dropout, dropout1d, dropout2d
from .linear import bilinear, einsum, flatten, linear
from .loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cross_entropy,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from .normalization import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .padding import interpolate, pad
from .pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)
from .table import embedding, gather, one_hot, scatter_add

__all__ = [
    # layers
    "linear", "bilinear", "flatten", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "einsum", "scaled_dot_product_attention", "dropout", "dropout1d", "dropout2d",
    # activations
    "celu", "elu", "erf", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
    "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh",
    "log_softmax", "logsumexp", "softmax", "softmin",
    # pooling, padding, resizing
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",
    "interpolate", "pad",
    # normalization and distance
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm",
    "cosine_similarity", "normalize", "pairwise_distance",
    # tables and indices
    "embedding", "gather", "one_hot", "scatter_add",
    # losses
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cross_entropy",
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss",
    "nll_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
]
