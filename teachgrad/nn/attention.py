"""Attention with several heads, and the encoder layer of a transformer made of it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import sqrt
from typing import Any

import numpy as np

import teachgrad as tg

from ..errors import SettingError, ShapeError
from . import functional as F
from . import init
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm


class MultiheadAttention(Module):
    r"""y = concat(head_1, ..., head_h) Wₒᵀ + bₒ,   head_i = softmax(Q_i K_iᵀ / √d) V_i

    Q, K, V are affine maps of `query`, `key` and `value`; head i has the features i d ... (i + 1) d - 1 of them, with
    d = embed_dim / num_heads. The maps are the rows of `in_proj_weight` (3 embed_dim, embed_dim) and `in_proj_bias`
    (3 embed_dim,), one below the other; if keys or values have `kdim` or `vdim` features, the weights are
    `q_proj_weight`, `k_proj_weight` and `v_proj_weight`. `out_proj` is Wₒ, bₒ.

    Source: A. Vaswani et al., "Attention is all you need" (2017), section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise SettingError(f"{embed_dim} features cannot be divided among {num_heads} heads")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first = dropout, batch_first
        self.same_size = self.kdim == self.vdim == embed_dim
        if self.same_size:
            self.in_proj_weight = tg.Parameter(tg.empty((3 * embed_dim, embed_dim), dtype=dtype))
        else:
            self.q_proj_weight = tg.Parameter(tg.empty((embed_dim, embed_dim), dtype=dtype))
            self.k_proj_weight = tg.Parameter(tg.empty((embed_dim, self.kdim), dtype=dtype))
            self.v_proj_weight = tg.Parameter(tg.empty((embed_dim, self.vdim), dtype=dtype))
        self.in_proj_bias = tg.Parameter(tg.zeros(3 * embed_dim, dtype=dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values: Xavier's uniform ones for the maps of the inputs, biases 0."""
        for name, parameter in self.named_parameters(recurse=False):
            if name == "in_proj_bias":
                init.zeros_(parameter)
            else:
                init.xavier_uniform_(parameter)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """The result, and the weights of the attention (None unless `need_weights`).

        query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), result (L, N, embed_dim); under `batch_first`
        N comes first; N may be missing. `attn_mask` is (L, S) or (N num_heads, L, S), `key_padding_mask` (N, S) or
        (S,): where a boolean mask is True, nobody looks there (in these two, as in PyTorch); a float mask is added.
        `is_causal`: nobody looks at what comes later. The weights are (N, L, S), the mean over the heads, or
        (N, num_heads, L, S) unless `average_attn_weights`.
        """
        if not query.ndim == key.ndim == value.ndim or query.ndim not in (2, 3):
            shapes = f"{query.shape}, {key.shape}, {value.shape}"
            raise ShapeError(f"query, key and value have 3 axes, or 2 without a batch, not the shapes {shapes}")
        batched = query.ndim == 3
        if not batched:
            query, key, value = once(tg.expand_dims, query, key, value)
            if key_padding_mask is not None:
                key_padding_mask = tg.expand_dims(key_padding_mask, axis=0)
        elif not self.batch_first:
            query, key, value = once(batch_axis_moved, query, key, value)
        q, k, v = (self.split(x) for x in self.project(query, key, value))
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            mask = self.mask(q, k, attn_mask, key_padding_mask, is_causal)
            scores = (q * (1.0 / sqrt(self.head_dim))) @ k.mT
            weights = F.softmax(scores if mask is None else scores + mask, axis=-1)
            weights = F.dropout(weights, p, self.training)
            z = weights @ v
        else:
            causal = is_causal and attn_mask is None and key_padding_mask is None
            mask = self.mask(q, k, attn_mask, key_padding_mask, is_causal and not causal)
            z = F.scaled_dot_product_attention(q, k, v, mask, p, causal)
        z = tg.reshape(tg.permute_dims(z, (0, 2, 1, 3)), (q.shape[0], q.shape[2], self.embed_dim))
        y = self.out_proj(z)
        if weights is not None and average_attn_weights:
            weights = tg.mean(weights, axis=1)
        if not batched:
            return tg.squeeze(y, axis=0), None if weights is None else tg.squeeze(weights, axis=0)
        return y if self.batch_first else batch_axis_moved(y), weights

    def project(self, query: Any, key: Any, value: Any) -> tuple[Any, ...]:
        """Q, K and V, each (N, length, embed_dim)."""
        e = self.embed_dim
        if self.same_size and query is key and key is value:
            together = F.linear(query, self.in_proj_weight, self.in_proj_bias)
            return tuple(together[..., i * e : (i + 1) * e] for i in range(3))
        parts = [slice(i * e, (i + 1) * e) for i in range(3)]
        if self.same_size:
            matrices = [self.in_proj_weight[part] for part in parts]
        else:
            matrices = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None] * 3 if self.in_proj_bias is None else [self.in_proj_bias[part] for part in parts]
        return tuple(F.linear(x, w, b) for x, w, b in zip((query, key, value), matrices, biases, strict=True))

    def split(self, x: Any) -> Any:
        """(N, length, embed_dim) as (N, num_heads, length, head_dim)."""
        n, length, _ = x.shape
        return tg.permute_dims(tg.reshape(x, (n, length, self.num_heads, self.head_dim)), (0, 2, 1, 3))

    def mask(self, q: Any, k: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool) -> Any:
        """All masks as one that is added to the scores, or None."""
        n, length, size = q.shape[0], q.shape[2], k.shape[2]
        masks = []
        if attn_mask is not None:
            many = attn_mask.ndim == 3 and attn_mask.shape[0] > 1
            shape = (n, self.num_heads, length, size) if many else (1, 1, length, size)
            masks.append(tg.reshape(added(attn_mask, q.dtype), shape))
        elif is_causal:
            masks.append(tg.tensor(np.triu(np.full((length, size), -np.inf, q.dtype), 1), device=q.device))
        if key_padding_mask is not None:
            masks.append(tg.reshape(added(key_padding_mask, q.dtype), (n, 1, 1, size)))
        return masks[0] if len(masks) == 1 else masks[0] + masks[1] if masks else None

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}" + ", batch_first=True" * self.batch_first


def added(mask: Any, dtype: Any) -> Any:
    """A mask as numbers to add to the scores: -inf where a boolean one is True."""
    if mask.dtype.kind != "b":
        return tg.astype(mask, dtype, copy=False)
    return tg.where(mask, tg.full((), -np.inf, dtype=dtype), tg.zeros((), dtype=dtype))


def once(function: Callable[[Any], Any], *xs: Any) -> list[Any]:
    """The function of each tensor; one that comes several times is still one tensor afterwards."""
    done = {id(x): function(x) for x in xs}
    return [done[id(x)] for x in xs]


def batch_axis_moved(x: Any) -> Any:
    """A tensor with its first two axes exchanged."""
    return tg.permute_dims(x, (1, 0, 2))


class TransformerEncoderLayer(Module):
    r"""x ← norm(x + attention(x)),   x ← norm(x + W₂ f(W₁ x + b₁) + b₂)

    With `norm_first` x ← x + attention(norm(x)), x ← x + W₂ f(W₁ norm(x) + b₁) + b₂.

    x (S, N, d_model), or (N, S, d_model) under `batch_first`. `activation` f is "relu", "gelu" or a function. Dropout
    follows the attention, f, and W₂.

    Source: A. Vaswani et al., "Attention is all you need" (2017), section 3.1; norm_first: R. Xiong et al., "On layer
    normalization in the transformer architecture" (2020).
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(activation, str) and activation not in ("relu", "gelu"):
            raise SettingError(f'the activation is "relu", "gelu" or a function, not {activation!r}')
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = getattr(F, activation) if isinstance(activation, str) else activation

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        x = src
        if self.norm_first:
            x = x + self.attend(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self.feed_forward(self.norm2(x))
        x = self.norm1(x + self.attend(x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self.feed_forward(x))

    def attend(self, x: Any, mask: Any, key_padding_mask: Any, is_causal: bool) -> Any:
        """The half with the attention."""
        y, _ = self.self_attn(
            x, x, x, key_padding_mask=key_padding_mask, need_weights=False, attn_mask=mask, is_causal=is_causal
        )
        return self.dropout1(y)

    def feed_forward(self, x: Any) -> Any:
        """The half with the two affine maps."""
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer, one after the other, and a norm after the last if one is given."""

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList(deepcopy(encoder_layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.norm = norm

    def forward(self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)
