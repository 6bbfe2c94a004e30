"""Rows that reduce, accumulate, sort and search."""

from __future__ import annotations

from typing import Any

from ..drawing import Draw, Unfit, row


def settings(d: Draw, axis: Any) -> tuple[str, str, str]:
    """Axis and keepdims in three libraries."""
    keep = d.chance(0.4)
    if axis is None:
        return (", keepdims=True" if keep else "", "KEEP" if keep else "", ", keepdims=True" if keep else "")
    return f", axis={axis}, keepdims={keep}", f", dim={axis}, keepdim={keep}", f", axis={axis}, keepdims={keep}"


def every(x: Any, axis: Any, text: str) -> str:
    """PyTorch wants all axes by name where they are to be kept."""
    return f", dim={tuple(range(x.rank))}, keepdim=True" if text == "KEEP" else text


@row(6)
def total(d: Draw) -> None:
    name = d.one(("sum", "mean", "sum"))
    x = d.value("fib" if name == "sum" and d.chance(0.25) else "f", -500, 500, fits=lambda v: v.dtype[0] != "u")
    axis = d.axes(x)
    if name == "mean" and 0 in x.shape:
        raise Unfit
    ours, torch, jax = settings(d, axis)
    if not x.rank:
        ours = torch = jax = ""
    d.add(f"tg.{name}({x}{ours})", f"torch.{name}({x}{every(x, axis, torch)})", f"jnp.{name}({x}{jax})")


@row(4)
def extreme(d: Draw) -> None:
    name = d.one(("max", "min"))
    x = d.value("fi" if d.chance(0.2) else "f", rank=(1, 5), fits=lambda v: 0 not in v.shape)
    axis = d.axes(x)
    ours, torch, jax = settings(d, axis)
    d.add(f"tg.{name}({x}{ours})", f"torch.a{name}({x}{every(x, axis, torch)})", f"jnp.{name}({x}{jax})")


@row(2)
def spread(d: Draw) -> None:
    name = d.one(("var", "std"))
    correction = d.one((0, 1))
    x = d.value("f", -100, 100, rank=(1, 5), fits=lambda v: min(v.shape) >= 2)
    axis = d.axes(x)
    ours, torch, jax = settings(d, axis)
    d.add(f"tg.{name}({x}, correction={correction}{ours})",
          f"torch.{name}({x}, correction={correction}{every(x, axis, torch)})",
          f"jnp.{name}({x}, ddof={correction}{jax})")


@row(2)
def product_of(d: Draw) -> None:
    x = d.value("fi" if d.chance(0.2) else "f", -2.5, 2.5, rank=(1, 4), fits=lambda v: v.array.size <= 40)
    if x.dtype[0] == "u":
        raise Unfit
    if d.chance(0.3):
        d.add(f"tg.prod({x})", f"torch.prod({x})", f"jnp.prod({x})")
        return
    axis, keep = d.axis(x), d.chance(0.4)
    d.add(f"tg.prod({x}, axis={axis}, keepdims={keep})", f"torch.prod({x}, {axis}, keepdim={keep})",
          f"jnp.prod({x}, axis={axis}, keepdims={keep})")


@row(2)
def running(d: Draw) -> None:
    x = d.value("fi" if d.chance(0.15) else "f", -50, 50, rank=(1, 4), fits=lambda v: v.dtype[0] != "u")
    axis = d.axis(x)
    d.add(f"tg.cumulative_sum({x}, axis={axis})", f"torch.cumsum({x}, {axis})", f"jnp.cumsum({x}, {axis})")


@row(1)
def running_product(d: Draw) -> None:
    x = d.value("f", -2, 2, rank=(1, 3), fits=lambda v: max(v.shape) <= 7)
    axis = d.axis(x)
    d.add(f"tg.cumulative_prod({x}, axis={axis})", f"torch.cumprod({x}, {axis})", f"jnp.cumprod({x}, {axis})")


@row(2)
def truth(d: Draw) -> None:
    name = d.one(("all", "any", "count_nonzero"))
    x = d.value("b")
    axis = d.axes(x)
    if name == "count_nonzero" or axis is None:
        ours = "" if axis is None else f", axis={axis}"
        theirs = "" if axis is None else f", dim={axis}"
        d.add(f"tg.{name}({x}{ours})", f"torch.{name}({x}{theirs})", f"jnp.{name}({x}{ours})")
    else:
        ours, torch, jax = settings(d, axis)
        d.add(f"tg.{name}({x}{ours})", f"torch.{name}({x}{torch})", f"jnp.{name}({x}{jax})")


@row(2)
def find_largest(d: Draw) -> None:
    name = d.one(("argmax", "argmin"))
    x = d.value("f", rank=(1, 5), fits=lambda v: 0 not in v.shape)
    if d.chance(0.25):
        d.add(f"tg.{name}({x})", f"torch.{name}({x})", f"jnp.{name}({x})")
        return
    axis, keep = d.axis(x), d.chance(0.4)
    d.add(f"tg.{name}({x}, axis={axis}, keepdims={keep})", f"torch.{name}({x}, dim={axis}, keepdim={keep})",
          f"jnp.{name}({x}, axis={axis}, keepdims={keep})")


@row(2)
def sort_(d: Draw) -> None:
    x = d.value("fi" if d.chance(0.15) else "f", rank=(1, 4))
    axis, down = d.axis(x), d.chance(0.4)
    if d.chance(0.6):
        d.add(f"tg.sort({x}, axis={axis}, descending={down})",
              f"torch.sort({x}, dim={axis}, descending={down}, stable=True).values",
              f"jnp.sort({x}, axis={axis}, descending={down})")
    else:
        d.add(f"tg.argsort({x}, axis={axis}, descending={down})",
              f"torch.sort({x}, dim={axis}, descending={down}, stable=True).indices",
              f"jnp.argsort({x}, axis={axis}, descending={down}, stable=True)")


@row(1)
def search(d: Draw) -> None:
    x, y = d.value("f", rank=(1, 1)), d.value("f", rank=(0, 3))
    if x.dtype != y.dtype:
        raise Unfit
    side = d.one(("left", "right"))
    d.add(f'tg.searchsorted(tg.sort({x}), {y}, side="{side}")',
          f'torch.searchsorted(torch.sort({x}.detach()).values, {y}.detach(), side="{side}")',
          f'jnp.searchsorted(jnp.sort({x}), {y}, side="{side}").astype(jnp.int64)')


@row(2)
def log_sum_exp(d: Draw) -> None:
    x = d.value("f", -60, 60, rank=(1, 4), fits=lambda v: 0 not in v.shape)
    axis, keep = d.axis(x), d.chance(0.4)
    d.add(f"F.logsumexp({x}, axis={axis}, keepdims={keep})", f"torch.logsumexp({x}, {axis}, keepdim={keep})",
          f"jax.nn.logsumexp({x}, axis={axis}, keepdims={keep})")


@row(2)
def norm(d: Draw) -> None:
    x = d.value("f", -80, 80, away=0.02, rank=(1, 3), fits=lambda v: 0 not in v.shape)
    order, axis = d.one((2, 1, 3, "np.inf", "-np.inf", -1, 0.5)), d.axis(x)
    d.add(f"tg.linalg.vector_norm({x}, axis={axis}, ord={order})",
          f"torch.linalg.vector_norm({x}, {order}, {axis})", f"jnp.linalg.vector_norm({x}, axis={axis}, ord={order})")


@row(1)
def trace(d: Draw) -> None:
    x = d.value("f", rank=(2, 2))
    d.add(f"tg.linalg.trace({x})", f"torch.trace({x})", f"jnp.trace({x})")
