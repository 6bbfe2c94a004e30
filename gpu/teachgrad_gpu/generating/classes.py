"""Rows of a table by number, numbers as rows of zeros and a one, and one element out of each line by number."""

from __future__ import annotations

from teachgrad.op import Vertex
from teachgrad.ops.embedding import embedding, embedding_gradient, one_hot, pick_class, put_class

from .moves import ADDABLE, add_to, cleared, few_axes, names_of, offset_in
from .threads import Threads, Work, kernel_of

MOST = 1 << 28
"""So many times a thread may look at an index, in all."""


@kernel_of(embedding, "table", "indices", fits=few_axes, fails=True)
def rows_of_table(work: Work) -> None:
    """z[..., :] = table[indices[...], :]."""
    z, (table, indices), k = work.v, work.v.inputs, work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    k.put(f"const int64_t row = {k.load('indices', *names[:indices.ndim])};")
    k.refuse(f"(uint64_t)row >= {table.shape[0]}")
    k.put(k.store(k.element, k.load("table", "row", *names[indices.ndim:])))


@kernel_of(embedding_gradient, "u", "indices", fits=few_axes)
def sums_of_rows(work: Work) -> None:
    """z[r] = Σ u[i] over the places i whose index is r: each thread looks for its row, in order.

    Where that is too much to look at, each place adds to its row, in any order.
    """
    if work.v.size * work.v.inputs[1].size > MOST and work.v.dtype.name in ADDABLE:
        add_rows(work)
        return
    z, indices, k = work.v, work.v.inputs[1], work.threads()
    rest = names_of(z.shape)[1:]
    k.spread(["row", *rest], z.shape)
    k.put(f"{k.kind('z')} sum = 0;")
    padding = z.attrs["padding_index"]
    places = [f"place{axis}" for axis in range(indices.ndim)]
    with k.loops(places, indices.shape) as found:
        at = [name or "0" for name in found]
        counts = "" if padding is None else f" && row != {padding % z.shape[0]}"
        k.put(f"if ({k.load('indices', *at)} == row{counts}) sum += {k.load('u', *at, *rest)};")
    k.put(k.store(k.element, "sum"))


def add_rows(work: Work) -> None:
    """z[r] += u[i] for all places at once: the order of the terms is another in each run."""
    z, (u, indices), padding = work.v, work.v.inputs, work.v.attrs["padding_index"]
    cleared(work)
    k = work.threads()
    names = names_of(u.shape)
    k.spread(names, u.shape)
    k.put(f"const int64_t row = {k.load('indices', *names[:indices.ndim])};")
    if padding is not None:
        k.put(f"if (row == {padding % z.shape[0]}) return;")
    k.put(add_to(k, offset_in(z.shape, ["row", *names[indices.ndim:]]), k.load("u", *names)))


@kernel_of(one_hot, "indices", fits=few_axes, fails=True)
def ones_at(work: Work) -> None:
    """z[..., k] = 1 where index[...] = k, else 0."""
    z, k = work.v, work.threads()
    *names, hot = names_of(z.shape)
    k.spread([*names, hot], z.shape)
    k.put(f"const int64_t place = {k.load('indices', *names)};")
    k.refuse(f"(uint64_t)place >= {z.shape[-1]}")
    k.put(k.store(k.element, f"place == {hot}"))


@kernel_of(pick_class, "x", "t", fits=few_axes, fails=True)
def element_of_class(work: Work) -> None:
    """z[n, ...] = x[n, t[n, ...], ...]; 0 where t is `ignore_index`."""
    z, axis, k = work.v, work.v.attrs["axis"], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    class_of(k, work.v, names, work.v.inputs[0].shape[axis])
    value = f"counts ? {k.load('x', *names[:axis], 'place', *names[axis:])} : 0"
    k.put(k.store(k.element, value))


@kernel_of(put_class, "u", "t", fits=few_axes, fails=True)
def class_of_element(work: Work) -> None:
    """z[n, t[n, ...], ...] = u[n, ...], and 0 elsewhere."""
    z, axis, k = work.v, work.v.attrs["axis"], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    others = [*names[:axis], *names[axis + 1:]]
    class_of(k, work.v, others, z.shape[axis])
    k.put(k.store(k.element, f"counts && place == {names[axis]} ? {k.load('u', *others)} : 0"))


def class_of(k: Threads, v: Vertex, names: list[str], classes: int) -> None:
    """The class at a place, and whether it counts; one out of range is refused."""
    k.put(f"const int64_t place = {k.load('t', *names)};",
          f"const bool counts = place != {v.attrs['ignore_index']};")
    k.refuse(f"counts && (uint64_t)place >= {classes}")
