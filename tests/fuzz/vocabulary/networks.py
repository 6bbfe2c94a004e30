"""Rows of networks: softmax, convolution, pooling, normalization, attention, losses."""

from __future__ import annotations

from typing import Any

from ..drawing import Draw, Unfit, Value, row


def full(v: Value) -> bool:
    """Whether there is anything in it."""
    return 0 not in v.shape


@row(4)
def softmax_like(d: Draw) -> None:
    x = d.value("f", -60, 60, rank=(1, 4), fits=lambda v: full(v) or not d.special)
    name, axis = d.one(("softmax", "log_softmax", "softmin", "softmax")), d.axis(x)
    if name == "softmin":
        d.add(f"F.softmin({x}, axis={axis})", f"TF.softmin({x}, {axis})", f"jax.nn.softmax(-{x}, axis={axis})")
    else:
        d.add(f"F.{name}({x}, axis={axis})", f"torch.{name}({x}, {axis})", f"jax.nn.{name}({x}, axis={axis})")


@row(1)
def textbook_softmax(d: Draw) -> None:
    x = d.value("f", -6, 6, rank=(1, 3), fits=full)
    axis = d.axis(x)

    def text(lib: str, keep: str) -> str:
        kind = d_kind.format(e=f"{lib}.exp({x})", s=f"{lib}.exp({x}).sum({keep})")
        return f"{lib}.log({kind})" if logged else kind

    d_kind, logged = d.one(("{e} / {s}", "{e} * (1.0 / {s})")), d.chance(0.5)
    d.add(text("tg", f"axis={axis}, keepdims=True"), text("torch", f"{axis}, keepdim=True"),
          text("jnp", f"axis={axis}, keepdims=True"))


@row(1)
def glu(d: Draw) -> None:
    x = d.value("f", -60, 60, rank=(1, 4), fits=lambda v: any(n % 2 == 0 for n in v.shape))
    axis = d.one([k for k, n in enumerate(x.shape) if n % 2 == 0])
    d.add(f"F.glu({x}, axis={axis})", f"TF.glu({x}, {axis})", f"jax.nn.glu({x}, {axis})")


@row(4)
def convolution(d: Draw) -> None:
    """In one, two and three dimensions, with all settings."""
    n = int(d.rng.choice((1, 2, 3), p=(.35, .5, .15)))
    groups = d.one((1, 1, 1, 2))
    channels = groups * d.whole(1, 2)
    window = tuple(d.whole(1, 3) for _ in range(n))
    stride, padding, dilation = d.whole(1, 2), d.whole(0, 2), d.one((1, 1, 1, 2))
    room = [dilation * (k - 1) + 1 - 2 * padding for k in window]
    x = d.value("f", -20, 20, rank=(n + 2, n + 2), fits=lambda v: (
        v.shape[1] == channels and 0 not in v.shape and all(a >= b for a, b in zip(v.shape[2:], room, strict=True)))) \
        if d.chance(0.3) and d.find(lambda v: v.rank == n + 2 and v.kind == "f") else None
    if x is None:
        sides = tuple(max(1, least) + d.whole(0, 3) for least in room)
        x = d.new((d.whole(1, 2), channels, *sides))
    w = d.new((groups * d.whole(1, 2), channels // groups, *window), dtype=x.dtype)
    b = d.new((w.shape[0],), dtype=x.dtype).name if d.chance(0.5) else "None"
    how: Any = padding
    if stride == 1 and d.chance(0.15):
        how = f'"{d.one(("same", "valid"))}"'
    if how == '"valid"' and any(a < dilation * (k - 1) + 1 for a, k in zip(x.shape[2:], window, strict=True)):
        raise Unfit
    settings = f"stride={stride}, padding={how}, dilation={dilation}, groups={groups}"
    text = f"conv{n}d({x}, {w}, {b}, {settings})"
    d.add(f"F.{text}", f"TF.{text}")


@row(1)
def transposed_convolution(d: Draw) -> None:
    n = d.whole(1, 2)
    groups = d.one((1, 1, 2))
    channels, stride, padding = groups * d.whole(1, 2), d.whole(1, 2), d.whole(0, 1)
    window = tuple(d.whole(1 + padding, 3) for _ in range(n))
    x = d.new((d.whole(1, 2), channels, *(d.whole(2, 4) for _ in range(n))))
    w = d.new((channels, d.whole(1, 2), *window), dtype=x.dtype)
    more = d.whole(0, 1) if stride == 2 else 0
    text = (f"conv_transpose{n}d({x}, {w}, stride={stride}, padding={padding}, output_padding={more}, "
            f"groups={groups})")
    d.add(f"F.{text}", f"TF.{text}")


@row(3)
def pooling(d: Draw) -> None:
    n = d.whole(1, 2)
    name = d.one(("max", "avg"))
    window = d.whole(1, 3)
    padding = d.whole(0, window // 2)
    x = d.value("f", rank=(n + 2, n + 2), fits=lambda v: full(v) and min(v.shape[2:]) + 2 * padding >= window) \
        if d.chance(0.4) else d.new((d.whole(1, 2), d.whole(1, 3), *(window + d.whole(0, 3) for _ in range(n))))
    stride = d.whole(1, 3)
    extra = ", ceil_mode=True" if d.chance(0.2) else ""
    if name == "avg" and d.chance(0.3):
        extra += ", count_include_pad=False"
    if name == "max" and d.chance(0.15) and window <= 2 and min(x.shape[2:]) >= 3:
        extra += ", dilation=2"
    text = f"{name}_pool{n}d({x}, {window}, {stride}, {padding}{extra})"
    d.add(f"F.{text}", f"TF.{text}")


@row(1)
def adaptive_pooling(d: Draw) -> None:
    n = d.whole(1, 2)
    x = d.new((d.whole(1, 2), d.whole(1, 2), *(d.whole(2, 6) for _ in range(n))))
    size = d.whole(1, 4)
    d.add(f"F.adaptive_avg_pool{n}d({x}, {size})", f"TF.adaptive_avg_pool{n}d({x}, {size})")


@row(3)
def layer_norm(d: Draw) -> None:
    """Over rows that are not almost constant."""
    x = d.value("f", -30, 30, rank=(2, 4), fits=lambda v: full(v) and v.shape[-1] >= 3
                and v.array.std(axis=-1).min() > 0.05)
    w = f", {d.new((x.shape[-1],), dtype=x.dtype)}" if d.chance(0.7) else ""
    name = d.one(("layer_norm", "layer_norm", "rms_norm"))
    if name == "layer_norm" and w:
        w += f", {d.new((x.shape[-1],), dtype=x.dtype)}"
    eps = ", eps=1e-5" if name == "rms_norm" or d.chance(0.3) else ""
    text = f"{name}({x}, ({x.shape[-1]},){w}{eps})"
    d.add(f"F.{text}", f"TF.{text}")


@row(2)
def other_norms(d: Draw) -> None:
    x = d.value("f", -30, 30, rank=(2, 4), fits=lambda v: full(v) and v.shape[1] % 2 == 0 and v.array.size >= 8) \
        if d.chance(0.4) else d.new((d.whole(2, 4), 2, d.whole(2, 4)))
    channels = x.shape[1]
    w, b = (d.new((channels,), dtype=x.dtype) for _ in range(2))
    name = d.one(("group_norm", "batch_norm", "batch_norm"))
    if name == "group_norm":
        if x.array.reshape(x.shape[0], 2, -1).std(axis=-1).min() < 0.05:
            raise Unfit
        text = f"group_norm({x}, {d.one((1, 2))}, {w}, {b})"
    else:
        axes = (0, *range(2, x.rank))
        if x.array.std(axis=axes).min() < 0.05:
            raise Unfit
        text = f"batch_norm({x}, None, None, {w}, {b}, training=True)"
    d.add(f"F.{text}", f"TF.{text}")


@row(1)
def batch_norm_evaluated(d: Draw) -> None:
    x = d.value("f", -30, 30, rank=(2, 4), fits=full)
    n = x.shape[1]
    mean, var = d.new((n,), dtype=x.dtype), d.new((n,), "f", 0.4, 2.0, dtype=x.dtype)
    text = f"batch_norm({x}, {mean}.detach(), {var}.detach(), training=False)"
    d.add(f"F.{text}", f"TF.{text}")


@row(3)
def attention(d: Draw) -> None:
    lead = tuple(d.whole(1, 2) for _ in range(d.whole(0, 2)))
    rows, keys, width = d.whole(1, 4), d.whole(1, 4), d.whole(1, 4)
    q = d.new((*lead, rows, width))
    k, v = d.new((*lead, keys, width)), d.new((*lead, keys, d.whole(1, 4)))
    how = d.whole(0, 4)
    extra = ""
    if how == 1:
        extra = ", is_causal=True"
    elif how == 2:
        extra = f", attn_mask={d.new((rows, keys))}"
    elif how == 3:
        extra = ", scale=0.3"
    text = f"scaled_dot_product_attention({q}, {k}, {v}{extra})"
    d.add(f"F.{text}", f"TF.{text}")


def reduction(d: Draw) -> str:
    return f', reduction="{d.one(("mean", "sum", "none"))}"'


@row(3)
def cross_entropy(d: Draw) -> None:
    x = d.value("f", -60, 60, rank=(2, 3), fits=full)
    classes = x.shape[1]
    t = str(d.rng.integers(0, classes, (x.shape[0], *x.shape[2:])).tolist())
    extra = reduction(d)
    if d.chance(0.3):
        extra += f", weight={d.new((classes,), 'f', 0.3, 1.5, dtype=x.dtype)}.detach()"
    if d.chance(0.2):
        extra += ", ignore_index=0" if '"none"' in extra or '"sum"' in extra else ""
    if d.chance(0.2) and "ignore" not in extra:
        extra += ", label_smoothing=0.1"
    name = "cross_entropy"
    if d.chance(0.2):
        name, extra = "nll_loss", extra.replace(", label_smoothing=0.1", "")
    d.add(f"F.{name}({x}, tg.tensor({t}){extra})", f"TF.{name}({x}, torch.tensor({t}){extra})")


@row(3)
def loss(d: Draw) -> None:
    name = d.one(("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits", "kl_div",
                  "binary_cross_entropy", "poisson_nll_loss", "soft_margin_loss", "gaussian_nll_loss",
                  "hinge_embedding_loss", "margin_ranking_loss"))
    x = d.value("f", 0.05 if name == "binary_cross_entropy" else -8, 0.95 if name == "binary_cross_entropy" else 8,
                rank=(1, 3), fits=full)
    extra = reduction(d)
    if name in ("binary_cross_entropy_with_logits", "binary_cross_entropy", "kl_div"):
        t = d.new(x.shape, "f", 0.1, 0.9, dtype=x.dtype)
    elif name == "poisson_nll_loss":
        t = d.new(x.shape, "f", 0.3, 4, dtype=x.dtype)
    else:
        t = d.value("f", -8, 8, shape=x.shape, fits=lambda v: v.dtype == x.dtype)
    if name == "binary_cross_entropy_with_logits" and d.chance(0.3):
        extra += f", pos_weight={d.new(x.shape[-1:], 'f', 0.5, 2.0, dtype=x.dtype)}.detach()"
    if name == "huber_loss" and d.chance(0.5):
        extra += ", delta=0.5"
    if name == "smooth_l1_loss" and d.chance(0.5):
        extra += ", beta=0.4"
    if name == "gaussian_nll_loss":
        var = d.new(x.shape, "f", 0.3, 2, dtype=x.dtype)
        d.add(f"F.{name}({x}, {t}, {var}{extra})", f"TF.{name}({x}, {t}, {var}{extra})")
        return
    if name in ("soft_margin_loss", "hinge_embedding_loss", "margin_ranking_loss"):
        signs = str((2 * d.rng.integers(0, 2, x.shape) - 1).tolist())
        y = f", {t}" if name == "margin_ranking_loss" else ""
        d.add(f"F.{name}({x}{y}, tg.tensor({signs}, dtype=tg.{x.dtype}){extra})",
              f"TF.{name}({x}{y}, torch.tensor({signs}, dtype=torch.{x.dtype}){extra})")
        return
    target = f"{t}.detach()" if name in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div",
                                         "poisson_nll_loss") else f"{t}"
    d.add(f"F.{name}({x}, {target}{extra})", f"TF.{name}({x}, {target}{extra})")


@row(1)
def distance(d: Draw) -> None:
    x = d.value("f", -30, 30, rank=(2, 2), away=0.02, fits=lambda v: full(v) and v.shape[1] > 1)
    y = d.value("f", -30, 30, shape=x.shape, away=0.02, fits=lambda v: v.dtype == x.dtype and v is not x)
    if y.name == x.name:
        raise Unfit
    how = d.whole(0, 3)
    if how == 0:
        d.add(f"F.cosine_similarity({x}, {y}, axis=1)", f"TF.cosine_similarity({x}, {y}, dim=1)")
    elif how == 1:
        d.add(f"F.pairwise_distance({x}, {y})", f"TF.pairwise_distance({x}, {y})")
    elif how == 2:
        p, axis = d.one((2.0, 1.0, 3.0)), d.whole(0, 1)
        d.add(f"F.normalize({x}, p={p}, axis={axis})", f"TF.normalize({x}, p={p}, dim={axis})")
    else:
        signs = str((2 * d.rng.integers(0, 2, x.shape[0]) - 1).tolist())
        theirs = f"TF.cosine_embedding_loss({x}, {y}, torch.tensor({signs}))" if x.dtype == "float32" else None
        d.add(f"F.cosine_embedding_loss({x}, {y}, tg.tensor({signs}))", theirs)  # see test_known.py
