"""The same as each kernel of the catalogue, by PyTorch: arrays and settings as for the kernel, its outputs as result.

Results come in the order of the kernel's outputs; None where PyTorch has nothing like it (sums kept for the backward
pass, places in memory). Gradients are PyTorch's own, by autograd or by the function that autograd calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

aten = torch.ops.aten


def pulled_back(f: Callable[..., Any], g: Any, *inputs: Any) -> tuple[Any, ...]:
    """The gradients of all inputs, by autograd."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    return torch.autograd.grad(f(*leaves), leaves, g)


def column(b: Any) -> Any:
    return b[:, None]


def sgd(p: Any, g: Any, rate: Any) -> tuple[Any, ...]:
    return (p - rate * g,)


def momentum(p: Any, g: Any, v: Any, rate: Any, *, momentum: float = 0.9, dampening: float = 0.0, decay: float = 0.0,
             nesterov: bool = False) -> tuple[Any, ...]:
    """By torch.optim.SGD. Its first step is not dampened, so it starts with a buffer that is there already."""
    parameter = torch.nn.Parameter(p.clone())
    parameter.grad = g
    if nesterov:
        dampening = 0.0
    optimizer = torch.optim.SGD([parameter], float(rate), momentum, dampening, decay, nesterov)
    optimizer.state[parameter]["momentum_buffer"] = v.clone()
    optimizer.step()
    return parameter.detach(), optimizer.state[parameter]["momentum_buffer"]


def adam(p: Any, g: Any, m: Any, v: Any, rate: Any, step: Any, *, beta1: float = 0.9, beta2: float = 0.999,
         eps: float = 1e-8, decay: float = 0.0, l2: float = 0.0) -> tuple[Any, ...]:
    """By torch.optim.Adam or AdamW."""
    parameter = torch.nn.Parameter(p.clone())
    parameter.grad = g
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    optimizer = kind([parameter], float(rate), (beta1, beta2), eps, decay or l2)
    state = {"step": torch.tensor(float(step) - 1), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    optimizer.state[parameter] = state
    optimizer.step()
    return parameter.detach(), state["exp_avg"], state["exp_avg_sq"]


def largest(x: Any, axis: int) -> tuple[Any, ...]:
    found = x.max(dim=axis)
    return found.values, found.indices


def at_places(g: Any, place: Any, gx: Any) -> tuple[Any, ...]:
    return (torch.zeros_like(gx).scatter_(1, place.long()[:, None], g[:, None]),)


def cross_entropy(x: Any, labels: Any, *_: Any, ignored: int = -100) -> tuple[Any, ...]:
    return F.cross_entropy(x, labels, ignore_index=ignored, reduction="none"), x.logsumexp(1)


def cross_entropy_backward(g: Any, x: Any, labels: Any, *_: Any, ignored: int = -100) -> tuple[Any, ...]:
    return pulled_back(lambda x: F.cross_entropy(x, labels, ignore_index=ignored, reduction="none"), g, x)


def layer_norm(x: Any, w: Any, b: Any, *_: Any, eps: float = 1e-5) -> tuple[Any, ...]:
    z, mean, scale = torch.native_layer_norm(x, (x.shape[1],), w, b, eps)
    return z, mean[:, 0], scale[:, 0]


def layer_backward(g: Any, x: Any, w: Any, means: Any, scales: Any, wanted: list[bool]) -> tuple[Any, ...]:
    return tuple(aten.native_layer_norm_backward(g, x, (x.shape[1],), means[:, None], scales[:, None], w,
                                                 torch.zeros_like(w), wanted))


def batch_norm(x: Any, w: Any, b: Any, z: Any, *_: Any, eps: float = 1e-5) -> tuple[Any, ...]:
    return (F.batch_norm(x, None, None, w, b, True, 0.0, eps), x.mean((0, 2)), x.var((0, 2), unbiased=False))


def batch_norm_backward(g: Any, x: Any, w: Any, *_: Any, eps: float = 1e-5) -> tuple[Any, ...]:
    return pulled_back(lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.0, eps), g, x, w, torch.zeros_like(w))


def product(A: Any, B: Any, C: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> tuple[Any, ...]:
    return ((A.mT if transpose_a else A) @ (B.mT if transpose_b else B),)


def tensor_product(A: Any, B: Any, C: Any) -> tuple[Any, ...]:
    """In half precision throughout: the result is rounded to it, which a comparison must allow for."""
    return (A @ B,)


def convolved(*, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
              images_last: bool = False) -> Callable[..., Any]:
    """The convolution of these settings, on arrays as they lie."""
    def run(x: Any, w: Any, b: Any = None) -> Any:
        z = F.conv2d(x.permute(3, 0, 1, 2) if images_last else x, w, b, stride, padding, dilation, groups)
        return z.permute(1, 2, 3, 0) if images_last else z
    return run


def unfolded(x: Any, z: Any, *, kernel: Any, images_last: bool = False, stride: Any = 1, padding: Any = 0,
             dilation: Any = 1) -> Any:
    """im2col by F.unfold, whose columns are (images, channels rows columns, places)."""
    columns = F.unfold(x.permute(3, 0, 1, 2) if images_last else x, kernel, dilation, padding, stride)
    return columns.permute(1, 2, 0).reshape(z.shape) if images_last else columns.permute(1, 0, 2).reshape(z.shape)


def pooled(x: Any, f: Callable[..., Any]) -> tuple[Any, ...]:
    """A function of (images, channels, height, width), on x (outer, height, width, inner)."""
    z = f(x.permute(0, 3, 1, 2))
    return tuple(part.permute(0, 2, 3, 1) for part in (z if isinstance(z, tuple) else (z,)))


def max_pool(x: Any, *_: Any, kernel: Any, stride: Any, padding: Any) -> tuple[Any, ...]:
    return pooled(x, lambda x: F.max_pool2d(x, kernel, stride, padding, return_indices=True))


def max_pool_backward(g: Any, places: Any, gx: Any, **settings: Any) -> tuple[Any, ...]:
    flat = torch.zeros_like(gx).flatten(1, 2)
    return (flat.scatter_add_(1, places.long().flatten(1, 2), g.flatten(1, 2)).reshape(gx.shape),)


def average_pool(x: Any, z: Any, **settings: Any) -> tuple[Any, ...]:
    return pooled(x, lambda x: F.avg_pool2d(x, settings["kernel"], settings["stride"], settings["padding"]))


def average_pool_backward(g: Any, gx: Any, **settings: Any) -> tuple[Any, ...]:
    return pulled_back(lambda x: average_pool(x, None, **settings)[0], g, torch.zeros_like(gx))


def attended(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """With four axes: for three PyTorch has only its slow way, which keeps the matrix of weights in memory."""
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]


def attention(q: Any, k: Any, v: Any, *_: Any, causal: bool = False) -> tuple[Any, ...]:
    return attended(q, k, v, causal), None


def softmax_columns(x: Any, z: Any, causal: bool = False) -> tuple[Any, ...]:
    hidden = torch.full_like(x[0], -torch.inf).tril(-1) if causal else 0
    return ((x + hidden).softmax(1),)


def attention_backward(g: Any, q: Any, k: Any, v: Any, *_: Any, causal: bool = False) -> tuple[Any, ...]:
    return pulled_back(lambda q, k, v: attended(q, k, v, causal), g, q, k, v)


UNTIMED = "sgd_momentum", "adam"
"""Here an optimizer is built anew in each call, which is not how PyTorch is used: these answer, but are not timed."""

ANSWERS: dict[str, Callable[..., tuple[Any, ...]]] = {
    **dict.fromkeys(("gelu_guarded", "gelu_strided", "gelu_vectorised"), lambda x, z: (F.gelu(x),)),
    "gelu_backward": lambda g, x, gx: (aten.gelu_backward(g, x),),
    "copy_vectorised": lambda x, z: (x.clone(),),
    "add_row": lambda x, b, z: (x + b,),
    "add_column": lambda x, b, z: (x + column(b),),
    "add_strided": lambda x, y, z: (x + y,),
    **dict.fromkeys(("column_sum_naive", "column_sum"), lambda g, gb: (g.sum(0),)),
    **dict.fromkeys(("transpose_naive", "transpose_tiled", "transpose_padded"), lambda x, z: (x.T.contiguous(),)),
    **dict.fromkeys(("sum_atomic", "sum_interleaved", "sum_folded", "sum_shuffled"), lambda x, z: (x.sum(),)),
    "sum_last_block": lambda x, parts, arrived, z: (None, None, x.sum()),
    **dict.fromkeys(("sum_rows", "sum_axis"), lambda x, z: (x.sum(1),)),
    "sum_axis_backward": lambda g, gx: (g[:, None].expand(gx.shape).contiguous(),),
    **dict.fromkeys(("max_rows", "max_axis"), lambda x, z, place: largest(x, 1)),
    "max_axis_backward": at_places,
    **dict.fromkeys(("softmax_naive", "softmax_shared", "softmax_shuffled", "softmax_online", "softmax_registers"),
                    lambda x, z: (x.softmax(1),)),
    "softmax_backward": lambda g, z, gx: (aten._softmax_backward_data(g, z, 1, z.dtype),),
    "log_softmax": lambda x, z: (x.log_softmax(1),),
    "log_softmax_backward": lambda g, z, gx: (aten._log_softmax_backward_data(g, z, 1, z.dtype),),
    "softmax_columns": softmax_columns,
    "softmax_columns_backward": lambda g, z, gx: (aten._softmax_backward_data(g, z, 1, z.dtype),),
    "cross_entropy": cross_entropy,
    "cross_entropy_backward": cross_entropy_backward,
    **dict.fromkeys(("layer_norm", "layer_norm_registers"), layer_norm),
    "layer_norm_backward": lambda g, x, w, m, s, gx: layer_backward(g, x, w, m, s, [True, False, False])[:1],
    "layer_norm_backward_weights": lambda g, x, m, s, gw, gb: layer_backward(g, x, gw, m, s, [False, True, True])[1:],
    "batch_norm": batch_norm,
    "batch_norm_inference": lambda x, w, b, m, v, z, eps=1e-5: (F.batch_norm(x, m, v, w, b, False, 0.0, eps),),
    "batch_norm_backward": batch_norm_backward,
    "embedding": lambda table, indices, z: (F.embedding(indices, table),),
    **dict.fromkeys(("scatter_add", "scatter_add_ordered", "scatter_add_sorted"),
                    lambda g, indices, *others: (torch.zeros_like(others[-1]).index_add_(0, indices, g),)),
    "sgd": sgd,
    "sgd_momentum": momentum,
    "adam": adam,
    **dict.fromkeys(("matmul_naive", "matmul_tiled", "matmul_registers", "matmul_vectorised"), product),
    "matmul_tensor": tensor_product,
    "convolution": lambda x, w, b, z, **settings: (convolved(**settings)(x, w, b),),
    "convolution_backward_input":
        lambda g, w, gx, **settings: pulled_back(convolved(**settings), g, gx.nan_to_num(), w)[:1],
    "convolution_backward_weights":
        lambda g, x, gw, **settings: pulled_back(convolved(**settings), g, x, gw.nan_to_num())[1:],
    "im2col": lambda x, z, **settings: (unfolded(x, z, **settings),),
    "col2im": lambda z, gx, **settings: pulled_back(lambda x: unfolded(x, z, **settings), z, gx.nan_to_num()),
    "max_pool": max_pool,
    **dict.fromkeys(("max_pool_backward", "max_pool_backward_gather"), max_pool_backward),
    "average_pool": average_pool,
    "average_pool_backward": average_pool_backward,
    **dict.fromkeys(("attention_naive", "attention_tiled", "attention_vectorised"), attention),
    "attention_backward_dots": lambda g, z, d: ((g * z).sum(2),),
    "attention_backward_keys": lambda *arrays, **settings: attention_backward(*arrays, **settings)[1:],
    "attention_backward_queries": lambda *arrays, **settings: attention_backward(*arrays, **settings)[:1],
}
"""Kernel -> its outputs, computed by PyTorch. The kernels of philox.cu are missing: PyTorch draws other bits."""

