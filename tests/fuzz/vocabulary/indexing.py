"""Rows that pick elements by place, put them somewhere, and overwrite in place."""

from __future__ import annotations

from typing import Any

from ..drawing import Draw, Unfit, Value, row


def basic(d: Draw, x: Value, backwards: bool = False) -> str:
    """A random basic index of x: numbers, slices, dots and new axes."""
    parts: list[str] = []
    for n in x.shape[:d.whole(1, x.rank)]:
        kind = d.whole(0, 5)
        if kind == 0 and n:
            parts.append(str(d.whole(-n, n - 1)))
        elif kind == 1:
            parts.append(f"{d.whole(0, max(0, n - 1))}:")
        elif kind == 2:
            parts.append(f":{d.whole(-max(0, n - 1), n)}" if n else ":")
        elif kind == 3:
            parts.append(f"{d.whole(0, 1)}::2")
        elif kind == 4 and backwards:
            parts.append(d.one(("::-1", "::-2", f"{n}:0:-1")))
        else:
            parts.append(":")
    if d.chance(0.15):
        parts.insert(d.whole(0, len(parts)), "None")
    if d.chance(0.15):
        parts.append("..." if len(parts) < x.rank or d.chance(0.5) else ":" if len(parts) < x.rank else "...")
    return ", ".join(parts)


def places(d: Draw, n: int, shape: tuple[int, ...], negative: bool = True) -> str:
    """A nested list of numbers of rows, of n."""
    if n == 0:
        raise Unfit
    a = d.rng.integers(-n if negative and d.chance(0.3) else 0, n, shape)
    return str(a.tolist())


@row(5)
def index_basic(d: Draw) -> None:
    x = d.value("fib", rank=(1, 5))
    index = basic(d, x)
    d.add(f"{x}[{index}]", f"{x}[{index}]", f"{x}[{index}]")


@row(1)
def index_backwards(d: Draw) -> None:
    """PyTorch has no negative steps."""
    x = d.value("f", rank=(1, 3))
    index = basic(d, x, backwards=True)
    d.add(f"{x}[{index}]", None if "::-" in index or ":0:-1" in index else f"{x}[{index}]", f"{x}[{index}]")


@row(3)
def index_by_numbers(d: Draw) -> None:
    """One or two tensors of places, with slices around them."""
    x = d.value("fi", rank=(1, 4), fits=lambda v: 0 not in v.shape)
    shape: Any = d.one(((2,), (3,), (2, 2), (1,), ()))
    k = d.whole(0, x.rank - 1)
    i = places(d, x.shape[k], shape)
    parts: list[Any] = [":"] * k + [("i", i)]
    if k + 1 < x.rank and d.chance(0.35):
        parts.append(("i", places(d, x.shape[k + 1], shape)))
    elif k + 2 < x.rank and d.chance(0.3):
        parts += [":", ("i", places(d, x.shape[k + 2], shape))]
    elif k + 1 < x.rank and d.chance(0.3):
        parts.append(d.one(("0", "1:", "None")) if x.shape[k + 1] else ":")

    def text(make: str) -> str:
        return f"{x}[{', '.join(p if isinstance(p, str) else f'{make}({p[1]})' for p in parts)}]"

    d.add(text("tg.tensor"), text("torch.tensor") + (".clone()" if shape == () else ""), text("jnp.array"))


@row(3)
def take_rows(d: Draw) -> None:
    x = d.value("fi", rank=(1, 4), fits=lambda v: 0 not in v.shape)
    axis = d.axis(x)
    i = places(d, x.shape[axis], (d.whole(1, 4),), negative=False)
    d.add(f"tg.take({x}, tg.tensor({i}), axis={axis})", f"torch.index_select({x}, {axis}, torch.tensor({i}))",
          f"jnp.take({x}, jnp.array({i}), axis={axis})")


@row(2)
def take_along(d: Draw) -> None:
    x = d.value("f", rank=(1, 3), fits=lambda v: 0 not in v.shape)
    axis = d.axis(x)
    shape = list(x.shape)
    shape[axis] = d.whole(1, 3)
    i = places(d, x.shape[axis], tuple(shape), negative=False)
    d.add(f"tg.take_along_axis({x}, tg.tensor({i}), axis={axis})", f"torch.gather({x}, {axis}, torch.tensor({i}))",
          f"jnp.take_along_axis({x}, jnp.array({i}), {axis})")


@row(2)
def gather_and_scatter(d: Draw) -> None:
    x = d.value("f", rank=(1, 3), fits=lambda v: 0 not in v.shape)
    axis = d.axis(x)
    shape = list(x.shape)
    shape[axis] = d.whole(1, 4)
    i = places(d, x.shape[axis], tuple(shape), negative=False)
    if d.chance(0.5):
        d.add(f"F.gather({x}, {axis}, tg.tensor({i}))", f"torch.gather({x}, {axis}, torch.tensor({i}))",
              f"jnp.take_along_axis({x}, jnp.array({i}), {axis})")
        return
    y = d.value("f", shape=tuple(shape), fits=lambda v: v.dtype == x.dtype)
    d.add(f"F.scatter_add({x}, {axis}, tg.tensor({i}), {y})",
          f"torch.scatter_add({x}, {axis}, torch.tensor({i}), {y})")


@row(2)
def embedding(d: Draw) -> None:
    w = d.value("f", rank=(2, 2), fits=lambda v: 0 not in v.shape)
    shape: Any = d.one(((3,), (2, 2), (), (4,), (1, 3)))
    i = places(d, w.shape[0], shape, negative=False)
    padding = f", padding_idx={d.whole(0, w.shape[0] - 1)}" if d.chance(0.15) else ""
    d.add(f"F.embedding(tg.tensor({i}), {w}{padding})", f"TF.embedding(torch.tensor({i}), {w}{padding})",
          None if padding else f"{w}[jnp.array({i})]")


@row(1)
def embedding_of_computed(d: Draw) -> None:
    """Places that are themselves computed: the largest of each row."""
    w = d.value("f", rank=(2, 2), fits=lambda v: 0 not in v.shape)
    x = d.value("f", rank=(1, 3), fits=lambda v: 1 <= v.shape[-1] <= w.shape[0] and 0 not in v.shape)
    d.add(f"F.embedding(tg.argmax({x}, axis=-1), {w})", f"TF.embedding(torch.argmax({x}, dim=-1), {w})",
          f"{w}[jnp.argmax({x}, axis=-1)]")


@row(1)
def one_hot(d: Draw) -> None:
    n = d.whole(1, 5)
    i = places(d, n, d.one(((3,), (2, 2), ())), negative=False)
    x = d.value("f", rank=(0, 0))
    d.add(f"F.one_hot(tg.tensor({i}), {n}) * {x}", f"TF.one_hot(torch.tensor({i}), {n}) * {x}",
          f"jax.nn.one_hot(jnp.array({i}), {n}, dtype=jnp.int64) * {x}")


@row(3)
def set_items(d: Draw) -> None:
    """A copy, some of which is overwritten."""
    x = d.value("f", rank=(1, 4))
    index = basic(d, x).replace("None, ", "").replace(", None", "").replace("None", ":")
    part = x.array[eval(f"np.s_[{index}]", {"np": __import__("numpy")})]
    y = d.new(part.shape[d.whole(0, part.ndim):], "f", dtype=x.dtype) if d.chance(0.7) else d.one((0.0, 1.5, -2))
    d.block(lambda z: (f"{z} = {x}.copy(); {z}[{index}] = {y}", f"{z} = {x}.clone(); {z}[{index}] = {y}",
                       f"{z} = {x}.at[{index}].set({y})"))


@row(2)
def write_view(d: Draw) -> None:
    """Arithmetic in place on a view changes what it is a view of."""
    x = d.value("f", -50, 50, rank=(1, 3), fits=lambda v: v.shape[0] >= 2)
    start, operator = d.whole(0, x.shape[0] - 1), d.one(("+", "*", "-"))
    y = d.new(x.shape[1:][d.whole(0, x.rank - 1):], "f", dtype=x.dtype) if d.chance(0.7) else d.one((2.0, 0.5, 1))
    name = {"+": "add", "*": "multiply", "-": "add"}[operator]
    value = f"-({y})" if operator == "-" else f"{y}"
    d.block(lambda z: (f"{z} = {x} * 1.0; t = {z}[{start}:]; t {operator}= {y}",
                       f"{z} = {x} * 1.0; t = {z}[{start}:]; t {operator}= {y}",
                       f"{z} = ({x} * 1.0).at[{start}:].{name}({value})"))


@row(1)
def in_place(d: Draw) -> None:
    x = d.value("f", -50, 50)
    operator = d.one(("+", "*", "-", "/"))
    y = d.one((2.0, 0.5, 3)) if d.chance(0.4) else d.new(x.shape[d.whole(0, x.rank):], "f", away=0.1, dtype=x.dtype)
    d.block(lambda z: (f"{z} = {x} * 1.0; {z} {operator}= {y}", f"{z} = {x} * 1.0; {z} {operator}= {y}",
                       f"{z} = {x} * 1.0 {operator} {y}"))


@row(1)
def in_place_function(d: Draw) -> None:
    x = d.value("f", -5, 5)
    name = d.one(("exp_", "tanh_", "relu_", "zero_", "fill_", "clamp_"))
    settings = {"fill_": "1.5", "clamp_": "-0.5, 0.5"}.get(name, "")
    d.block(lambda z: (f"{z} = {x} * 1.0; {z}.{name}({settings})", f"{z} = {x} * 1.0; {z}.{name}({settings})", None))
