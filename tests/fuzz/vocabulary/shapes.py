"""Rows that move elements: axes, shapes, joining, repeating, padding."""

from __future__ import annotations

import numpy as np

from ..drawing import LARGEST, Draw, Unfit, row


@row(4)
def move_axes(d: Draw) -> None:
    x = d.value("fib", rank=(1, 5))
    axes = tuple(int(a) for a in d.rng.permutation(x.rank))
    if d.chance(0.2) and x.rank >= 2:
        d.add(f"{x}.mT", f"{x}.mT", f"{x}.mT")
    elif d.chance(0.2):
        a, b = d.axis(x), d.axis(x)
        d.add(f"tg.moveaxis({x}, {a}, {b})", f"torch.movedim({x}, {a}, {b})", f"jnp.moveaxis({x}, {a}, {b})")
    else:
        d.add(f"tg.permute_dims({x}, {axes})", f"{x}.permute({axes})", f"jnp.transpose({x}, {axes})")


@row(4)
def reshape_(d: Draw) -> None:
    x = d.value("fib")
    n = int(np.prod(x.shape))
    if n == 0:
        shape: tuple[int, ...] = (0, 3) if d.chance(0.5) else (2, 0, 1)
    else:
        factors: list[int] = []
        rest = n
        for _ in range(d.whole(0, 3)):
            divisors = [k for k in range(1, rest + 1) if rest % k == 0]
            factors.append(d.one(divisors))
            rest //= factors[-1]
        shape = (*factors, rest) if rest > 1 or d.chance(0.5) or (not factors and x.rank) else tuple(factors)
        if shape and d.chance(0.3):
            k = d.whole(0, len(shape) - 1)
            shape = (*shape[:k], -1, *shape[k + 1:])
    d.add(f"tg.reshape({x}, {shape})", f"{x}.reshape({shape})", f"jnp.reshape({x}, {shape})")


@row(3)
def expand_and_squeeze(d: Draw) -> None:
    x = d.value("fib", rank=(0, 4))
    ones = [k for k, n in enumerate(x.shape) if n == 1]
    if ones and d.chance(0.5):
        axis = d.one(ones)
        d.add(f"tg.squeeze({x}, {axis})", f"{x}.squeeze({axis})", f"jnp.squeeze({x}, {axis})")
    else:
        axis = d.whole(-x.rank - 1, x.rank)
        d.add(f"tg.expand_dims({x}, axis={axis})", f"{x}.unsqueeze({axis})", f"jnp.expand_dims({x}, {axis})")


@row(3)
def broadcast(d: Draw) -> None:
    x = d.value("fib", rank=(0, 4))
    shape = tuple(d.whole(1, 3) if n == 1 else n for n in x.shape)
    if len(shape) < 4 and d.chance(0.6):
        shape = (d.whole(1, 3), *shape)
    if np.prod(shape) > LARGEST:
        raise Unfit
    d.add(f"tg.broadcast_to({x}, {shape})", f"{x}.expand({shape})", f"jnp.broadcast_to({x}, {shape})")


@row(1)
def broadcast_both(d: Draw) -> None:
    x = d.value("f")
    y = d.partner(x)
    d.add(f"tg.broadcast_arrays({x}, {y})", f"torch.broadcast_tensors({x}, {y})", f"jnp.broadcast_arrays({x}, {y})",
          results=2)


@row(1)
def grid(d: Draw) -> None:
    x, y = d.value("f", rank=(1, 1)), d.value("f", rank=(1, 1))
    if x.array.size * y.array.size > LARGEST or x.dtype != y.dtype:
        raise Unfit
    how = d.one(("xy", "ij"))
    d.add(f'tg.meshgrid({x}, {y}, indexing="{how}")', f'torch.meshgrid({x}, {y}, indexing="{how}")',
          f'jnp.meshgrid({x}, {y}, indexing="{how}")', results=2)


@row(2)
def turn_around(d: Draw) -> None:
    x = d.value("fib", rank=(1, 5))
    if d.chance(0.5):
        axes = tuple(int(a) for a in d.rng.permutation(x.rank)[:d.whole(1, x.rank)])
        d.add(f"tg.flip({x}, axis={axes})", f"{x}.flip({axes})", f"jnp.flip({x}, {axes})")
    else:
        axis, by = d.axis(x), d.whole(-3, 4)
        d.add(f"tg.roll({x}, {by}, axis={axis})", f"{x}.roll({by}, {axis})", f"jnp.roll({x}, {by}, {axis})")


@row(3)
def concat_(d: Draw) -> None:
    x = d.value("fi", rank=(1, 5))
    axis = d.axis(x)
    place = axis % x.rank

    def fits(v: object) -> bool:
        shape = v.shape  # type: ignore[attr-defined]
        return len(shape) == x.rank and v.dtype == x.dtype and all(  # type: ignore[attr-defined]
            a == b or k == place for k, (a, b) in enumerate(zip(shape, x.shape, strict=True)))

    parts = [d.value(x.kind, fits=fits, shape=None) if d.chance(0.7) and d.find(fits) else x
             for _ in range(d.whole(1, 2))]
    names = ", ".join([f"{x}", *map(str, parts)])
    d.add(f"tg.concat([{names}], axis={axis})", f"torch.cat([{names}], {axis})", f"jnp.concatenate([{names}], {axis})")


@row(2)
def stack_(d: Draw) -> None:
    x = d.value("fi", rank=(0, 4))
    y = d.value(x.kind, shape=x.shape, fits=lambda v: v.dtype == x.dtype)
    axis = d.whole(-x.rank - 1, x.rank)
    names = f"{x}, {y}" if d.chance(0.7) else f"{x}, {y}, {x}"
    d.add(f"tg.stack([{names}], axis={axis})", f"torch.stack([{names}], {axis})", f"jnp.stack([{names}], {axis})")


@row(1)
def unstack_(d: Draw) -> None:
    x = d.value("fi", rank=(1, 4), fits=lambda v: 2 in v.shape or 3 in v.shape)
    axis = d.one([k for k, n in enumerate(x.shape) if n in (2, 3)])
    n = x.shape[axis]
    d.add(f"tg.unstack({x}, axis={axis})", f"torch.unbind({x}, {axis})",
          f"[jnp.take({x}, k, axis={axis}) for k in range({n})]", results=n)


@row(2)
def repeated(d: Draw) -> None:
    x = d.value("fi", rank=(1, 4))
    if 3 * x.array.size > LARGEST:
        raise Unfit
    if d.chance(0.5):
        axis, n = d.axis(x), d.whole(1, 3)
        d.add(f"tg.repeat({x}, {n}, axis={axis})", f"torch.repeat_interleave({x}, {n}, {axis})",
              f"jnp.repeat({x}, {n}, {axis})")
    else:
        times = tuple(d.whole(1, 2) for _ in range(d.whole(1, min(2, x.rank))))
        d.add(f"tg.tile({x}, {times})", f"torch.tile({x}, {times})", f"jnp.tile({x}, {times})")


@row(1)
def triangle(d: Draw) -> None:
    x = d.value("f", rank=(2, 4))
    name, k = d.one(("tril", "triu")), d.whole(-1, 2)
    d.add(f"tg.{name}({x}, k={k})", f"torch.{name}({x}, {k})", f"jnp.{name}({x}, {k})")


@row(2)
def padded(d: Draw) -> None:
    mode = d.one(("constant", "constant", "reflect", "replicate", "circular"))
    x = d.value("f", rank=(1, 4) if mode == "constant" else (2, 3),
                fits=lambda v: mode == "constant" or min(v.shape, default=0) >= 2)
    pads = (d.whole(0, 2), d.whole(0, 2)) if mode == "constant" else (d.whole(0, 1), d.whole(0, 1))
    if mode == "constant" and x.rank > 1 and d.chance(0.4):
        pads = (*pads, d.whole(0, 2), d.whole(0, 1))
    if mode == "constant" and d.chance(0.15) and x.shape[-1] > 2:
        pads = (-1, *pads[1:])
    value = f", value={d.one((1.5, -2.0))}" if mode == "constant" and d.chance(0.4) else ""
    text = f'({x}, {pads}, mode="{mode}"{value})'
    d.add(f"F.pad{text}", f"TF.pad{text}")


@row(1)
def views_together(d: Draw) -> None:
    """An array beside parts and turns of itself, each of which is read twice."""
    x = d.value("f", -5, 5, rank=(1, 3), fits=lambda v: v.shape[0] >= 2)
    n = x.shape[0]
    pairs = [(f"{x}[1:]", f"{x}[:-1]"), (f"{x}[::2]", f"{x}[:{-(-n // 2)}]"), (f"{x}[:1]", f"{x}[-1]")]
    if x.rank > 1 and x.shape[-1] == x.shape[-2]:
        pairs.append((f"{x}", f"{x}.mT"))
    a, b = d.one(pairs)
    texts = [f"{a} * {lib}.sin({a}) {operator} {b} * {lib}.tanh({b})" for operator in (d.one("+-*"),)
             for lib in ("tg", "torch", "jnp")]
    d.add(*texts)


@row(1)
def difference(d: Draw) -> None:
    x = d.value("fi", rank=(1, 3), fits=lambda v: v.dtype != "uint8")
    axis, n = d.axis(x), d.whole(1, 2)
    d.add(f"tg.diff({x}, axis={axis}, n={n})", f"torch.diff({x}, n={n}, dim={axis})", f"jnp.diff({x}, {n}, {axis})")


@row(1)
def diagonal(d: Draw) -> None:
    x = d.value("f", rank=(2, 3))
    k = d.whole(-1, 1)
    theirs = f"{x}.diagonal({k}, -2, -1).clone()"  # PyTorch's is a view
    d.add(f"tg.linalg.diagonal({x}, offset={k})", theirs, f"jnp.diagonal({x}, {k}, -2, -1)")


@row(1)
def resized(d: Draw) -> None:
    x = d.value("f", rank=(4, 4), fits=lambda v: 0 not in v.shape and v.array.size <= 60)
    by = d.whole(1, 2)
    d.add(f"F.interpolate({x}, scale_factor={by})", f"TF.interpolate({x}, scale_factor={by})")
