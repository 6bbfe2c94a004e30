"""One table of samples that drives every check of every op (tests/test_ops.py).

A sample is a call of public functions on a few small float64 or integer arrays. The check of an op uses all samples
that run it, in the forward pass or in a gradient rule; an op that no sample runs fails the build. `torch` is the same
call in PyTorch, where it has one; `numpy` the same in NumPy, where that is not what the op calls anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad.op import apply
from teachgrad.ops.indexing import take_along
from teachgrad.ops.matmul import linear
from teachgrad.ops.online_attention import online_attention, online_attention_gradient
from teachgrad.ops.tuples import unpack


@dataclass(frozen=True)
class Sample:
    """A call, its inputs, and what it is compared with. `order`: how often it can be differentiated (0, 1 or 2)."""

    name: str
    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    order: int = 2
    torch: Callable[..., Any] | None = None
    numpy: Callable[..., Any] | None = None
    tolerance: float = 1e-10
    tags: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return self.name


SAMPLES: list[Sample] = []
RNG = np.random.default_rng(20260)


def sample(name: str, call: Callable[..., Any], *inputs: Any, order: int = 2, torch: Any = None, numpy: Any = None,
           tolerance: float = 1e-10, tags: tuple[str, ...] = ()) -> None:
    """Add a row to the table."""
    SAMPLES.append(Sample(name, call, inputs, order, torch, numpy, tolerance, frozenset(tags)))


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Random float64 numbers away from 0 by at least 0.05, where kinks are."""
    x = RNG.uniform(low, high, shape)
    return np.where(np.abs(x) < 0.05, x + 0.1, x)


def whole(*shape: int, low: int = -5, high: int = 6) -> Any:
    return RNG.integers(low, high, shape)


def truth(*shape: int) -> Any:
    return RNG.integers(0, 2, shape).astype(bool)


# ---- elementwise, one input ------------------------------------------------------------------------------------------

DOMAINS = {
    "negative": (-2, 2), "positive": (-2, 2), "square": (-2, 2), "reciprocal": (0.3, 2), "abs": (-2, 2), "exp": (-2, 2),
    "log": (0.2, 3), "sqrt": (0.2, 3), "tanh": (-2, 2), "expm1": (-2, 2), "log1p": (-0.5, 2), "log2": (0.2, 3),
    "log10": (0.2, 3), "sin": (-3, 3), "cos": (-3, 3), "tan": (-1, 1), "asin": (-0.9, 0.9), "acos": (-0.9, 0.9),
    "atan": (-2, 2), "sinh": (-2, 2), "cosh": (-2, 2), "asinh": (-2, 2), "acosh": (1.2, 3), "atanh": (-0.8, 0.8),
}
for op, (low, high) in DOMAINS.items():
    for shape in ((3, 4), (), (2, 0, 3)):
        sample(f"{op}{list(shape)}", getattr(tg, op), real(*shape, low=low, high=high),
               torch=lambda x, op=op: getattr(__import__("torch"), op)(x))
for op in ("sign", "floor", "ceil", "trunc", "round", "isfinite", "isinf", "isnan", "signbit", "logical_not"):
    sample(op, getattr(tg, op), np.array([[-1.5, -0.5, 0.5], [2.5, np.inf if op[:2] == "is" else 1.0, 0.0]]), order=0,
           torch=lambda x, op=op: getattr(__import__("torch"), op)(x))

# ---- elementwise, two inputs -----------------------------------------------------------------------------------------

for op in ("add", "subtract", "multiply", "maximum", "minimum", "hypot", "logaddexp", "copysign", "atan2"):
    for first, second in (((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2, 3)), ((0, 3), (1,))):
        sample(f"{op}{list(first)}{list(second)}", getattr(tg, op), real(*first), real(*second),
               torch=lambda x, y, op=op: getattr(__import__("torch"), op)(x, y))
for first, second in (((3, 4), (3, 4)), ((3, 1), (4,)), ((2, 3), ())):
    sample(f"divide{list(first)}{list(second)}", tg.divide, real(*first), real(*second, low=0.4),
           torch=lambda x, y: x / y)
    sample(f"power{list(first)}{list(second)}", tg.power, real(*first, low=0.3), real(*second),
           torch=lambda x, y: x ** y)
    sample(f"remainder{list(first)}{list(second)}", tg.remainder, real(*first) + 5.05, real(*second, low=0.6, high=0.9),
           torch=lambda x, y: __import__("torch").remainder(x, y))
for exponent in (2, 3, 0, -1, 0.5, 1, 2.5):
    sample(f"power by {exponent}", lambda x, exponent=exponent: x ** exponent, real(2, 3, low=0.3),
           torch=lambda x, e=exponent: x ** e)
for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
           "logical_xor"):
    sample(op, getattr(tg, op), np.array([1.0, 2.0, 0.0]), np.array([[1.0], [0.0]]), order=0,
           numpy=getattr(np, op))
sample("floor_divide", tg.floor_divide, real(3, 4), real(4, low=0.4), order=0,
       torch=lambda x, y: __import__("torch").floor_divide(x, y))
sample("nextafter", tg.nextafter, real(3), real(3), order=0, torch=lambda x, y: __import__("torch").nextafter(x, y))
for op in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    sample(op, getattr(tg, op), whole(3, 4), whole(4), order=0, numpy=getattr(np, op))
for op, function in (("bitwise_left_shift", np.left_shift), ("bitwise_right_shift", np.right_shift)):
    sample(op, getattr(tg, op), whole(3, 4), whole(4, low=0, high=4), order=0, numpy=function)
sample("bitwise_invert", tg.bitwise_invert, whole(5), order=0, numpy=np.invert)
sample("where", lambda x, y: tg.where(x > y, x * 2, y * 3), real(3, 4), real(4),
       torch=lambda x, y: __import__("torch").where(x > y, x * 2, y * 3))
sample("clip", lambda x: tg.clip(x, -0.5, 0.7), real(3, 4), torch=lambda x: x.clamp(-0.5, 0.7))
sample("clip to tensors", tg.clip, real(3, 4), real(4, low=-1.0, high=-0.5), real(3, 1, low=0.5, high=1.0),
       torch=lambda x, a, b: x.clamp(a, b))

# ---- shape and type --------------------------------------------------------------------------------------------------

sample("astype", lambda x: tg.astype(tg.astype(x, tg.float32), tg.float64), np.float32(real(2, 3)).astype(np.float64),
       order=0)
sample("astype to int", lambda x: tg.astype(x, tg.int32), real(2, 3), order=0, numpy=lambda x: x.astype(np.int32))
sample("copy", lambda x: x.copy() * x, real(2, 3), torch=lambda x: x.clone() * x)
sample("detach", lambda x: x.detach() * x, real(2, 3), torch=lambda x: x.detach() * x, tags=("hidden",))
sample("broadcast_to", lambda x: tg.broadcast_to(x, (2, 3, 4)) ** 2, real(3, 1), torch=lambda x: x.expand(2, 3, 4) ** 2)
sample("reshape", lambda x: x.reshape(4, -1) ** 2, real(2, 6), torch=lambda x: x.reshape(4, -1) ** 2)
sample("permute_dims", lambda x: tg.permute_dims(x, (2, 0, 1)) ** 2, real(2, 3, 4),
       torch=lambda x: x.permute(2, 0, 1) ** 2)
sample("flip", lambda x: tg.flip(x, axis=(0, 1)) * x, real(2, 3), torch=lambda x: x.flip((0, 1)) * x)
sample("concat", lambda x, y: tg.concat([x, y, x], axis=1) ** 2, real(2, 3), real(2, 2),
       torch=lambda x, y: __import__("torch").cat([x, y, x], 1) ** 2)
sample("stack", lambda x, y: tg.stack([x, y], axis=1) ** 2, real(2, 3), real(2, 3),
       torch=lambda x, y: __import__("torch").stack([x, y], 1) ** 2)
sample("squeeze and expand", lambda x: tg.squeeze(tg.expand_dims(x, axis=1), 1) ** 2, real(2, 3),
       torch=lambda x: x ** 2)
sample("moveaxis", lambda x: tg.moveaxis(x, 0, 2) ** 2, real(2, 3, 4), torch=lambda x: x.movedim(0, 2) ** 2)

# ---- reductions ------------------------------------------------------------------------------------------------------

for axis in (None, 0, -1, (0, 2)):
    for keepdims in (False, True):
        for op, theirs in (("sum", "sum"), ("mean", "mean"), ("max", "amax"), ("min", "amin")):
            sample(f"{op} {axis} {keepdims}",
                   lambda x, op=op, axis=axis, keepdims=keepdims: getattr(tg, op)(x, axis=axis, keepdims=keepdims) ** 2,
                   real(2, 3, 4),
                   torch=lambda x, op=theirs, axis=(0, 1, 2) if axis is None else axis, keepdims=keepdims:
                       getattr(x, op)(axis, keepdim=keepdims) ** 2)
sample("max of ties", lambda x: tg.max(x, axis=1), np.array([[1.0, 2.0, 2.0]]), order=0)

# ---- products --------------------------------------------------------------------------------------------------------

for first, second in (((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3, 4)),
                      ((5, 2, 3), (5, 3, 4)),
                      ((2, 1, 2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,))):
    sample(f"matmul{list(first)}{list(second)}", tg.matmul, real(*first), real(*second), torch=lambda x, y: x @ y)
for shape in ((5, 3), (2, 5, 3), (3,)):
    sample(f"linear{list(shape)}", lambda x, w, b: linear(x, w, b) ** 2, real(*shape), real(4, 3), real(4),
           torch=lambda x, w, b: __import__("torch").nn.functional.linear(x, w, b) ** 2)

# ---- indexing --------------------------------------------------------------------------------------------------------

for name, index in {
    "int": 1, "slice": slice(1, None), "step": slice(None, None, 2), "backwards": slice(None, None, -1),
    "pair": (0, slice(1, 3)),
    "new axis": (None, slice(0, 2), None), "dots": (..., 0), "both ints": (1, 2),
}.items():
    sample(f"index {name}", lambda x, index=index: x[index] ** 2, real(3, 4),
           torch=None if "back" in name else lambda x, index=index: x[index] ** 2,
           numpy=lambda x, index=index: x[index] ** 2)
TAKEN = np.array([[0, 2], [2, 1]])
sample("index tensor", lambda x: x[tg.tensor(TAKEN)] ** 2, real(3, 4), torch=lambda x: x[TAKEN] ** 2)
sample("index tensors", lambda x: x[tg.tensor([0, 2, 2]), tg.tensor([1, 1, 1])] ** 2, real(3, 4),
       torch=lambda x: x[[0, 2, 2], [1, 1, 1]] ** 2)
sample("index mixed", lambda x: x[:, tg.tensor([0, 3, 0])] ** 2, real(3, 4), torch=lambda x: x[:, [0, 3, 0]] ** 2)
MASK = np.array([True, False, True])
sample("index mask", lambda x: x[tg.tensor(MASK)] ** 2, real(3, 4), torch=lambda x: x[MASK] ** 2, tags=("value shape",))
sample("take", lambda x: tg.take(x, tg.tensor([2, 0, 2]), axis=1) ** 2, real(2, 3),
       torch=lambda x: x[:, [2, 0, 2]] ** 2)
sample("take_along", lambda x: take_along(x, tg.tensor([[1, 1, 0], [2, 2, 2]]), axis=1) ** 2, real(2, 3),
       torch=lambda x: x.gather(1, __import__("torch").tensor([[1, 1, 0], [2, 2, 2]])) ** 2)
sample("nonzero", lambda x: tg.stack(tg.nonzero(x)), np.array([[0.0, 1.0], [2.0, 0.0]]), order=0, tags=("value shape",))


def written(x: Any, y: Any) -> Any:
    a = x * 1
    a[0] = y
    v = a[1:, 1:3]
    v *= 2
    a[1, 0] += a[2, 0] * 1
    return a * x


sample("set items and write views", written, real(3, 4), real(4), tags=("in place",), torch=written)


def written_at(x: Any, y: Any, index: Any) -> Any:
    a = x * 1
    a[index] = y
    return a * x


sample("set items at indices", lambda x, y: written_at(x, y, tg.tensor([2, 0])), real(3, 4), real(4),
       tags=("in place",), torch=lambda x, y: written_at(x, y, [2, 0]))

# ---- functions of networks (PyTorch has them under the same names) ---------------------------------------------------

F = tg.nn.functional


def theirs(name: str) -> Any:
    """PyTorch's function of a name, looked up when it is called."""
    return lambda *xs, **settings: getattr(__import__("torch").nn.functional, name)(*xs, **settings)


for op in ("relu", "sigmoid", "silu", "gelu", "softplus", "logsigmoid", "elu", "selu", "leaky_relu", "mish",
           "hardswish", "softsign"):
    sample(op, getattr(F, op), real(3, 4, low=-4.0, high=4.0), torch=theirs(op))
sample("gelu tanh", lambda x: F.gelu(x, approximate="tanh"), real(3, 4),
       torch=lambda x: theirs("gelu")(x, approximate="tanh"))
sample("erf", F.erf, real(3, 4), torch=lambda x: __import__("torch").erf(x))
for axis in (0, 1, -1):
    for op in ("softmax", "log_softmax"):
        sample(f"{op} {axis}", lambda x, op=op, axis=axis: getattr(F, op)(x, axis=axis) ** 2, real(3, 4, 2),
               torch=lambda x, op=op, axis=axis: theirs(op)(x, dim=axis) ** 2)
    sample(f"logsumexp {axis}", lambda x, axis=axis: F.logsumexp(x, axis=axis) ** 2, real(3, 4, 2),
           torch=lambda x, axis=axis: x.logsumexp(axis) ** 2)
LABELS = np.array([2, 0, 1, 2])
for reduction in ("mean", "sum", "none"):
    sample(f"cross_entropy {reduction}",
           lambda x, reduction=reduction: F.cross_entropy(x, tg.tensor(LABELS), reduction=reduction), real(4, 3),
           torch=lambda x, reduction=reduction: theirs("cross_entropy")(x, __import__("torch").tensor(LABELS),
                                                                        reduction=reduction))
sample("cross_entropy ignoring", lambda x: F.cross_entropy(x, tg.tensor(LABELS), ignore_index=0), real(4, 3),
       torch=lambda x: theirs("cross_entropy")(x, __import__("torch").tensor(LABELS), ignore_index=0))
sample("nll_loss", lambda x: F.nll_loss(x, tg.tensor(LABELS)), real(4, 3),
       torch=lambda x: theirs("nll_loss")(x, __import__("torch").tensor(LABELS)))
sample("mse_loss", F.mse_loss, real(3, 4), real(3, 4), torch=theirs("mse_loss"))
sample("binary_cross_entropy", F.binary_cross_entropy, real(3, 4, low=0.1, high=0.9), real(3, 4, low=0.1, high=0.9),
       torch=None)
sample("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, real(3, 4),
       real(3, 4, low=0.1, high=0.9),
       torch=theirs("binary_cross_entropy_with_logits"))
for stride, padding, dilation, groups in ((1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (1, 1, 1, 2)):
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    sample(f"conv2d {settings}", lambda x, w, b, settings=settings: F.conv2d(x, w, b, **settings) ** 2,
           real(2, 4, 5, 6), real(4, 4 // groups, 3, 3), real(4),
           torch=lambda x, w, b, settings=settings: theirs("conv2d")(x, w, b, **settings) ** 2, tolerance=1e-9)
sample("conv1d", lambda x, w, b: F.conv1d(x, w, b, padding=1) ** 2, real(2, 2, 6), real(3, 2, 3), real(3),
       torch=lambda x, w, b: theirs("conv1d")(x, w, b, padding=1) ** 2)
sample("conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1) ** 2, real(1, 2, 3, 4),
       real(2, 3, 3, 3),
       torch=lambda x, w: theirs("conv_transpose2d")(x, w, stride=2, padding=1) ** 2)
for op in ("max_pool2d", "avg_pool2d"):
    sample(f"{op} 2", lambda x, op=op: getattr(F, op)(x, 2) ** 2, real(2, 2, 4, 6),
           torch=lambda x, op=op: theirs(op)(x, 2) ** 2)
    sample(f"{op} 3 1 1", lambda x, op=op: getattr(F, op)(x, 3, 1, 1) ** 2, real(1, 2, 4, 5),
           torch=lambda x, op=op: theirs(op)(x, 3, 1, 1) ** 2)
sample("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b) ** 2, real(2, 3, 4), real(4), real(4),
       torch=lambda x, w, b: theirs("layer_norm")(x, (4,), w, b) ** 2, tolerance=1e-8)
sample("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b) ** 2, real(2, 4, 3), real(4), real(4),
       torch=lambda x, w, b: theirs("group_norm")(x, 2, w, b) ** 2, tolerance=1e-8)
sample("rms_norm", lambda x, w: F.rms_norm(x, (4,), w, eps=1e-5) ** 2, real(3, 4), real(4),
       torch=lambda x, w: theirs("rms_norm")(x, (4,), w, eps=1e-5) ** 2)
sample("batch_norm training", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True) ** 2, real(5, 3),
       real(3), real(3),
       torch=lambda x, w, b: theirs("batch_norm")(x, None, None, w, b, training=True) ** 2, tolerance=1e-8)
sample("embedding", lambda w: F.embedding(tg.tensor(TAKEN), w) ** 2, real(4, 3),
       torch=lambda w: theirs("embedding")(__import__("torch").tensor(TAKEN), w) ** 2)
sample("one_hot", lambda: F.one_hot(tg.tensor(LABELS), 3), order=0,
       torch=lambda: theirs("one_hot")(__import__("torch").tensor(LABELS), 3))
PLACES = np.array([[0, 1, 1], [2, 0, 0]])
sample("gather", lambda x: F.gather(x, 1, tg.tensor(PLACES)) ** 2, real(2, 3),
       torch=lambda x: x.gather(1, __import__("torch").tensor(PLACES)) ** 2)
sample("scatter_add", lambda x, y: F.scatter_add(x, 1, tg.tensor(PLACES), y) ** 2, real(2, 3), real(2, 3),
       torch=lambda x, y: x.scatter_add(1, __import__("torch").tensor(PLACES), y) ** 2)
for causal in (False, True):
    sample(f"attention causal={causal}",
           lambda q, k, v, causal=causal: F.scaled_dot_product_attention(q, k, v, is_causal=causal) ** 2,
           real(2, 3, 4), real(2, 3, 4), real(2, 3, 5),
           torch=lambda q, k, v, causal=causal: theirs("scaled_dot_product_attention")(q, k, v, is_causal=causal) ** 2,
           tolerance=1e-8)
ONLINE = (real(2, 3, 4), real(2, 5, 4), real(2, 5, 6))
sample("online_attention", lambda q, k, v: unpack(apply(online_attention, (q, k, v), {"causal": False})), *ONLINE,
       order=0, torch=lambda q, k, v: (theirs("scaled_dot_product_attention")(q, k, v, scale=1.0),
                                       (q @ k.mT).logsumexp(-1)))


def gradients_of_online_attention(q: Any, k: Any, v: Any) -> Any:
    """Pulled back from the gradient 2 z of Σ z²."""
    z, l = unpack(apply(online_attention, (q, k, v), {"causal": False}))
    return unpack(apply(online_attention_gradient, (2.0 * z, q, k, v, z, l), {"causal": False}))


def gradients_of_attention(q: Any, k: Any, v: Any) -> Any:
    """What PyTorch makes of it."""
    torch = __import__("torch")
    q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
    z = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0)
    return torch.autograd.grad((z * z).sum(), (q, k, v))


sample("online_attention_gradient", gradients_of_online_attention, *ONLINE, order=0, torch=gradients_of_attention)

# ---- statistics, searching, sorting, sets ----------------------------------------------------------------------------

for op in ("prod", "var", "std"):
    for axis in (None, 1):
        sample(f"{op} {axis}", lambda x, op=op, axis=axis: getattr(tg, op)(x, axis=axis), real(2, 3, low=0.3),
               numpy=lambda x, op=op, axis=axis: getattr(np, op)(x, axis=axis))
sample("var corrected", lambda x: tg.var(x, axis=0, correction=1.0), real(4, 3), torch=lambda x: x.var(0, correction=1))
sample("cumulative_sum", lambda x: tg.cumulative_sum(x, axis=1) ** 2, real(2, 4), torch=lambda x: x.cumsum(1) ** 2)
sample("cumulative_prod", lambda x: tg.cumulative_prod(x, axis=1) ** 2, real(2, 4), torch=lambda x: x.cumprod(1) ** 2)
sample("cumulative_prod with a zero", lambda x: tg.cumulative_prod(x, axis=0), np.array([2.0, 0.0, 3.0, 0.0, 4.0]),
       torch=lambda x: x.cumprod(0))
for op in ("argmax", "argmin"):
    sample(op, lambda x, op=op: getattr(tg, op)(x, axis=1), real(3, 4), order=0,
           numpy=lambda x, op=op: getattr(np, op)(x, axis=1))
for op in ("all", "any", "count_nonzero"):
    sample(op, lambda x, op=op: getattr(tg, op)(x, axis=0), truth(3, 4), order=0,
           numpy=lambda x, op=op: getattr(np, op)(x, axis=0))
sample("searchsorted", lambda x, y: tg.searchsorted(x, y), np.array([1.0, 2.0, 4.0]), real(3, 2), order=0,
       numpy=np.searchsorted)
sample("sort", lambda x: tg.sort(x, axis=0) ** 2, real(4, 3), torch=lambda x: x.sort(0).values ** 2)
sample("sort descending", lambda x: tg.sort(x, descending=True) ** 2, real(4, 3),
       torch=lambda x: x.sort(-1, descending=True).values ** 2)
sample("argsort", lambda x: tg.argsort(x, axis=0), real(4, 3), order=0,
       numpy=lambda x: np.argsort(x, axis=0, kind="stable"))
sample("roll", lambda x: tg.roll(x, (1, -2), axis=(0, 1)) * x, real(3, 4), torch=lambda x: x.roll((1, -2), (0, 1)) * x)
sample("repeat", lambda x: tg.repeat(x, 2, axis=1) ** 2, real(2, 3), torch=lambda x: x.repeat_interleave(2, 1) ** 2)
sample("repeat each", lambda x: tg.repeat(x, tg.tensor([1, 0, 2]), axis=1) ** 2, real(2, 3), tags=("value shape",),
       torch=lambda x: x.repeat_interleave(__import__("torch").tensor([1, 0, 2]), 1) ** 2)
sample("unique", lambda x: tg.unique_all(x), np.array([3, 1, 3, 2]), order=0, tags=("value shape",))
sample("tile", lambda x: tg.tile(x, (2, 1)) ** 2, real(2, 3), torch=lambda x: x.tile((2, 1)) ** 2)

# ---- linear algebra --------------------------------------------------------------------------------------------------


def well_conditioned(*shape: int) -> Any:
    """Matrices with singular values away from 0 and from each other."""
    return real(*shape) * 0.3 + np.diag(np.arange(1, shape[-1] + 1) * 1.5)


def symmetric(function: Any) -> Any:
    return lambda x: function((x + x.mT) * 0.5)


def positive_definite(function: Any, eye: Any) -> Any:
    return lambda x: function(x @ x.mT + eye(x))


L = tg.linalg


def scaled_projections(u: Any, s: Any) -> Any:
    """Σ_k s_k u_k u_kᵀ: a function of the singular vectors that does not depend on their signs."""
    return (u[..., :, None, :] * u[..., None, :, :] * s[..., None, None, :]).sum(axis=-1)


def torch_linalg(name: str) -> Any:
    return getattr(__import__("torch").linalg, name)


for op in ("det", "inv", "svdvals"):
    sample(op, getattr(L, op), well_conditioned(2, 3, 3), torch=lambda x, op=op: torch_linalg(op)(x), tolerance=1e-8)
sample("det of a singular matrix", L.det, np.array([[1.0, 2.0], [2.0, 4.0]]), order=1,
       torch=lambda x: torch_linalg("det")(x))
sample("slogdet", lambda x: L.slogdet(x)[1], well_conditioned(2, 3, 3), torch=lambda x: torch_linalg("slogdet")(x)[1],
       tolerance=1e-8)
sample("solve", L.solve, well_conditioned(2, 3, 3), real(2, 3, 2), torch=lambda a, b: torch_linalg("solve")(a, b),
       tolerance=1e-8)
sample("cholesky", positive_definite(L.cholesky, lambda x: tg.eye(3, dtype=tg.float64)), real(2, 3, 3),
       torch=positive_definite(lambda x: torch_linalg("cholesky")(x),
                               lambda x: __import__("torch").eye(3, dtype=x.dtype)), tolerance=1e-8)
sample("qr", lambda x: L.qr(x)[1] ** 2, well_conditioned(2, 3, 3), torch=lambda x: torch_linalg("qr")(x)[1] ** 2,
       tolerance=1e-8)
sample("svd", lambda x: scaled_projections(*L.svd(x, full_matrices=False)[:2]),
       well_conditioned(2, 3, 3), tolerance=1e-8)
sample("eigh", symmetric(lambda x: L.eigh(x)[0]), well_conditioned(2, 3, 3),
       torch=symmetric(lambda x: torch_linalg("eigh")(x)[0]), tolerance=1e-8)
sample("eigenvectors", symmetric(lambda x: L.eigh(x)[1] ** 2), well_conditioned(3, 3),
       torch=symmetric(lambda x: torch_linalg("eigh")(x)[1] ** 2), tolerance=1e-8)
sample("eigvalsh", symmetric(L.eigvalsh), well_conditioned(3, 3),
       torch=symmetric(lambda x: torch_linalg("eigvalsh")(x)), tolerance=1e-8)
sample("pinv", L.pinv, well_conditioned(3, 3)[:, :2], torch=lambda x: torch_linalg("pinv")(x), tolerance=1e-8)
sample("matrix_rank", L.matrix_rank, np.array([[1.0, 2.0], [2.0, 4.0]]), order=0, numpy=np.linalg.matrix_rank)
sample("vector_norm", lambda x: L.vector_norm(x, axis=1), real(3, 4),
       torch=lambda x: torch_linalg("vector_norm")(x, dim=1))
sample("vector_norm 3", lambda x: L.vector_norm(x, axis=1, ord=3), real(3, 4),
       torch=lambda x: torch_linalg("vector_norm")(x, 3, dim=1))
sample("diagonal", lambda x: L.diagonal(x, offset=1) ** 2, real(2, 3, 4), torch=lambda x: x.diagonal(1, -2, -1) ** 2)
sample("trace", lambda x: L.trace(x) ** 2, real(3, 3), torch=lambda x: x.trace() ** 2)
for equation, *shapes in (("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
                          ("i,j->ij", (3,), (2,)), ("ij->j", (2, 3)),
                          ("ii->i", (3, 3)), ("...ij,...jk->...ik", (2, 2, 3), (3, 2)), ("ij,ij->", (2, 3), (2, 3)),
                          ("bhid,bhjd->bhij", (1, 2, 3, 2), (1, 2, 2, 2))):
    sample(f"einsum {equation}", lambda *xs, equation=equation: tg.einsum(equation, *xs) ** 2,
           *[real(*s) for s in shapes],
           torch=lambda *xs, equation=equation: __import__("torch").einsum(equation, *xs) ** 2)
sample("tensordot", lambda x, y: tg.tensordot(x, y, axes=2), real(2, 3, 4), real(3, 4, 2),
       numpy=lambda x, y: np.tensordot(x, y, 2))
sample("vecdot", tg.vecdot, real(2, 3), real(3), numpy=lambda x, y: (x * y).sum(-1))

# ---- loops and branches ----------------------------------------------------------------------------------------------

def torch_scan(body: Any, init: Any, xs: Any, reverse: bool = False, checkpoint: bool = False) -> Any:
    """The loop, in PyTorch."""
    carry, ys = init, []
    for x in (xs.flip(0) if reverse else xs):
        carry, y = body(carry, x)
        ys.append(y)
    return carry, __import__("torch").stack(ys[::-1] if reverse else ys)


def torch_while(condition: Any, body: Any, init: Any, max_steps: int) -> Any:
    """The loop, in PyTorch."""
    carry = init
    while condition(*carry):
        carry = body(*carry)
    return carry


for settings in ({}, {"reverse": True}, {"checkpoint": True}):
    sample(f"scan {settings}", lambda w, h, xs, scan=tg.scan, s=settings: scan(
               lambda h, x: ((x + h @ w).tanh(), h * h @ w), h, xs, **s), real(3, 3), real(2, 3), real(4, 2, 3),
           torch=lambda w, h, xs, s=settings: torch_scan(lambda h, x: ((x + h @ w).tanh(), h * h @ w), h, xs, **s))
sample("scan of rows that are not used", lambda h, xs: tg.scan(lambda h, x: (h * x, h), h, xs)[0], real(2), real(3, 2),
       torch=lambda h, xs: torch_scan(lambda h, x: (h * x, h), h, xs)[0])
for sign in (1, -1):
    sample(f"cond {sign}", lambda x, w, s=sign: tg.cond((x * x).sum() * s > 0, lambda x: (x @ w).tanh(),
                                                       lambda x: x * x - w[0], x), real(2, 3), real(3, 3),
           torch=lambda x, w, s=sign: (x @ w).tanh() if s > 0 else x * x - w[0])
sample("while_loop", lambda x, w: tg.while_loop(lambda x, n: (x * x).sum() < 200, lambda x, n: (x @ w + 2 * x, n + 1),
                                                (x, 0), max_steps=50),
       real(2, 3), real(3, 3, low=0.1, high=0.9), order=1,
       torch=lambda x, w: torch_while(lambda x, n: (x * x).sum() < 200, lambda x, n: (x @ w + 2 * x, n + 1),
                                      (x, __import__("torch").tensor(0)), 50))
