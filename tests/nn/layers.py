"""The layers that are compared with PyTorch's: one list of (name, arguments, settings, inputs)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


def real(*shape: int) -> np.ndarray:
    """Numbers like random ones, the same with every version of every library."""
    size = int(np.prod(shape))
    return np.sin(np.arange(1.0, size + 1) * 1.7 + np.arange(1.0, size + 1) ** 2 * 0.13).reshape(shape)


def numbers(high: int, *shape: int) -> np.ndarray:
    return (np.arange(int(np.prod(shape))) * 7 % high).reshape(shape)


@dataclass
class Layer:
    """How a layer is made, here and there, and what it is called with."""

    name: str
    args: tuple[Any, ...]
    inputs: tuple[np.ndarray, ...]
    settings: dict[str, Any] = field(default_factory=dict)


def layer(name: str, args: tuple[Any, ...], *inputs: np.ndarray, **settings: Any) -> Layer:
    return Layer(name, args, inputs, settings)


LAYERS: dict[str, Layer] = {
    "linear": layer("Linear", (4, 3), real(5, 4)),
    "linear_no_bias": layer("Linear", (4, 3), real(2, 5, 4), bias=False),
    "bilinear": layer("Bilinear", (3, 4, 2), real(5, 3), real(5, 4)),
    "conv1d": layer("Conv1d", (3, 4, 3), real(2, 3, 9), stride=2, padding=1),
    "conv1d_same": layer("Conv1d", (3, 4, 3), real(2, 3, 9), padding="same", dilation=2),
    "conv2d": layer("Conv2d", (3, 4, 3), real(2, 3, 7, 6), padding=1),
    "conv2d_groups": layer(
        "Conv2d", (4, 6, (3, 2)), real(2, 4, 8, 7), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2
    ),
    "conv2d_single_image": layer("Conv2d", (3, 2, 3), real(3, 7, 6), bias=False),
    "conv_transpose1d": layer("ConvTranspose1d", (3, 4, 3), real(2, 3, 5), stride=2, padding=1, output_padding=1),
    "conv_transpose2d": layer("ConvTranspose2d", (4, 2, 3), real(2, 4, 4, 5), stride=2, groups=2),
    "max_pool1d": layer("MaxPool1d", (3,), real(2, 3, 10), stride=2, padding=1),
    "max_pool2d": layer("MaxPool2d", (2,), real(2, 3, 6, 7)),
    "max_pool2d_ceil": layer("MaxPool2d", ((3, 2),), real(2, 3, 8, 7), stride=2, ceil_mode=True),
    "avg_pool1d": layer("AvgPool1d", (3,), real(2, 3, 10), stride=2, padding=1),
    "avg_pool2d": layer("AvgPool2d", (2,), real(2, 3, 6, 7), padding=1, count_include_pad=False),
    "adaptive_avg_pool1d": layer("AdaptiveAvgPool1d", (3,), real(2, 3, 10)),
    "adaptive_avg_pool2d": layer("AdaptiveAvgPool2d", ((2, 3),), real(2, 3, 7, 8)),
    "batch_norm1d": layer("BatchNorm1d", (4,), real(6, 4)),
    "batch_norm1d_sequence": layer("BatchNorm1d", (4,), real(3, 4, 5), momentum=None),
    "batch_norm2d": layer("BatchNorm2d", (3,), real(4, 3, 5, 2), eps=1e-3, momentum=0.3),
    "batch_norm2d_plain": layer("BatchNorm2d", (3,), real(4, 3, 5, 2), affine=False, track_running_stats=False),
    "instance_norm1d": layer("InstanceNorm1d", (3,), real(4, 3, 5)),
    "instance_norm2d": layer("InstanceNorm2d", (3,), real(4, 3, 5, 2), affine=True, track_running_stats=True),
    "instance_norm2d_single_image": layer("InstanceNorm2d", (3,), real(3, 5, 2), affine=True),
    "layer_norm": layer("LayerNorm", (6,), real(2, 3, 6)),
    "layer_norm_axes": layer("LayerNorm", ((3, 6),), real(2, 3, 6), eps=1e-3, bias=False),
    "rms_norm": layer("RMSNorm", (6,), real(2, 3, 6)),
    "rms_norm_eps": layer("RMSNorm", ((3, 6),), real(2, 3, 6), eps=1e-4, elementwise_affine=False),
    "group_norm": layer("GroupNorm", (2, 6), real(3, 6, 4, 2)),
    "embedding": layer("Embedding", (7, 4), numbers(7, 3, 5)),
    "embedding_padding": layer("Embedding", (7, 4), numbers(7, 3, 5), padding_idx=-2),
    "rnn": layer("RNN", (3, 4), real(5, 2, 3)),
    "rnn_relu": layer("RNN", (3, 4), real(2, 5, 3), num_layers=2, nonlinearity="relu", batch_first=True, bias=False),
    "lstm": layer("LSTM", (3, 4), real(5, 2, 3)),
    "lstm_deep": layer("LSTM", (3, 4), real(2, 5, 3), num_layers=2, bidirectional=True, batch_first=True),
    "lstm_single": layer("LSTM", (3, 4), real(5, 3)),
    "gru": layer("GRU", (3, 4), real(5, 2, 3), real(1, 2, 4)),
    "gru_deep": layer("GRU", (3, 4), real(5, 2, 3), num_layers=3, bidirectional=True),
    "rnn_cell": layer("RNNCell", (3, 4), real(2, 3), real(2, 4), nonlinearity="relu"),
    "lstm_cell": layer("LSTMCell", (3, 4), real(2, 3)),
    "gru_cell": layer("GRUCell", (3, 4), real(3), real(4), bias=False),
    "attention": layer("MultiheadAttention", (8, 2), real(4, 3, 8), real(5, 3, 8), real(5, 3, 8)),
    "attention_sizes": layer(
        "MultiheadAttention", (8, 4), real(3, 4, 8), real(3, 5, 6), real(3, 5, 7), kdim=6, vdim=7, batch_first=True
    ),
    "attention_single": layer("MultiheadAttention", (8, 2), real(4, 8), real(5, 8), real(5, 8), bias=False),
    "encoder_layer": layer("TransformerEncoderLayer", (8, 2, 16), real(4, 3, 8), dropout=0.0),
    "encoder_layer_first": layer(
        "TransformerEncoderLayer",
        (8, 2, 16),
        real(3, 4, 8),
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    ),
    "prelu": layer("PReLU", (3,), real(2, 3, 4)),
    "identity": layer("Identity", (), real(2, 3)),
    "flatten": layer("Flatten", (), real(2, 3, 4)),
    "relu": layer("ReLU", (), real(3, 4)),
    "relu6": layer("ReLU6", (), real(3, 4) * 9),
    "leaky_relu": layer("LeakyReLU", (0.2,), real(3, 4)),
    "elu": layer("ELU", (0.7,), real(3, 4)),
    "celu": layer("CELU", (0.5,), real(3, 4)),
    "selu": layer("SELU", (), real(3, 4)),
    "gelu": layer("GELU", (), real(3, 4)),
    "gelu_tanh": layer("GELU", (), real(3, 4), approximate="tanh"),
    "silu": layer("SiLU", (), real(3, 4)),
    "mish": layer("Mish", (), real(3, 4)),
    "sigmoid": layer("Sigmoid", (), real(3, 4)),
    "log_sigmoid": layer("LogSigmoid", (), real(3, 4)),
    "hardsigmoid": layer("Hardsigmoid", (), real(3, 4) * 5),  # PyTorch's gradient has 1/6 in float32 only
    "hardswish": layer("Hardswish", (), real(3, 4) * 5),
    "tanh": layer("Tanh", (), real(3, 4)),
    "hardtanh": layer("Hardtanh", (-0.5, 0.7), real(3, 4)),
    "softplus": layer("Softplus", (2.0, 1.0), real(3, 4)),
    "softsign": layer("Softsign", (), real(3, 4)),
    "softmax": layer("Softmax", (1,), real(3, 4)),
    "softmin": layer("Softmin", (0,), real(3, 4)),
    "log_softmax": layer("LogSoftmax", (-1,), real(3, 4)),
    "glu": layer("GLU", (1,), real(3, 4)),
}

ones = np.where(numbers(2, 4) > 0, 1.0, -1.0)
inside = (real(4, 3) + 1.1) / 2.2
LOSSES: dict[str, Layer] = {
    "mse": layer("MSELoss", (), real(4, 3), real(4, 3)[::-1]),
    "l1": layer("L1Loss", (), real(4, 3), real(4, 3)[::-1], reduction="sum"),
    "smooth_l1": layer("SmoothL1Loss", (), real(4, 3), real(4, 3)[::-1], beta=0.5),
    "huber": layer("HuberLoss", (), real(4, 3), real(4, 3)[::-1], delta=0.5, reduction="none"),
    "cross_entropy": layer("CrossEntropyLoss", (), real(4, 3), numbers(3, 4)),
    "cross_entropy_weights": layer(
        "CrossEntropyLoss", (np.array([1.0, 2.0, 0.5]),), real(4, 3, 2), numbers(3, 4, 2), ignore_index=1
    ),
    "cross_entropy_smooth": layer(
        "CrossEntropyLoss", (), real(4, 3), numbers(3, 4), label_smoothing=0.2, reduction="sum"
    ),
    "cross_entropy_probabilities": layer("CrossEntropyLoss", (), real(4, 3), inside / inside.sum(1, keepdims=True)),
    "nll": layer("NLLLoss", (np.array([1.0, 2.0, 0.5]),), real(4, 3), numbers(3, 4)),
    "bce": layer("BCELoss", (), inside, inside[::-1]),
    "bce_logits": layer("BCEWithLogitsLoss", (), real(4, 3), inside, pos_weight=np.array([1.0, 2.0, 0.5])),
    "kl_div": layer("KLDivLoss", (), np.log(inside), inside[::-1], reduction="batchmean"),
    "hinge": layer("HingeEmbeddingLoss", (0.5,), real(4), ones),
    "soft_margin": layer("SoftMarginLoss", (), real(4), ones),
    "ranking": layer("MarginRankingLoss", (0.2,), real(4), real(5)[1:], ones),
    "cosine": layer("CosineEmbeddingLoss", (0.1,), real(4, 3), real(4, 3)[::-1], ones),
    "triplet": layer("TripletMarginLoss", (), real(4, 3), real(4, 3)[::-1], real(3, 4).T, margin=0.7),
    "poisson": layer("PoissonNLLLoss", (), real(4, 3), inside),
    "gaussian": layer("GaussianNLLLoss", (), real(4, 3), inside, inside[::-1], full=True),
}


def value_for(parameter: Any, number: int) -> np.ndarray:
    """A value for parameter number `number` of a layer, neither symmetric nor large."""
    return 0.4 * np.sin(0.3 + number + 0.9 * np.arange(1.0, int(np.prod(parameter.shape)) + 1)).reshape(parameter.shape)


def flows(x: np.ndarray) -> bool:
    """Whether a gradient flows to an input: not to integers, nor to targets of ±1."""
    return x.dtype.kind == "f" and not bool((abs(x) == 1).all())


def fingerprint(array: np.ndarray) -> list[float]:
    """Two numbers that all elements of an array enter, each with another weight."""
    flat = np.asarray(array, np.float64).ravel()
    weights = np.sqrt(np.arange(1.0, flat.size + 1))
    return [float(flat @ np.sin(weights)), float(flat @ np.cos(3.0 * weights))]


def results(value: Any) -> list[Any]:
    """The tensors of a result that may be a tuple of tuples."""
    if isinstance(value, tuple):
        return [tensor for item in value for tensor in results(item)]
    return [value]
