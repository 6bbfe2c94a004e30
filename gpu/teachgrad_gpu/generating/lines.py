"""Lines along axes: extreme elements and their places, running sums, products, norms, questions, sorting, searching."""

from __future__ import annotations

from teachgrad.op import Vertex
from teachgrad.ops.cumulative import cumulative_prod, cumulative_sum, linear_scan
from teachgrad.ops.logic import all as all_true
from teachgrad.ops.logic import any as any_true
from teachgrad.ops.logic import count_nonzero
from teachgrad.ops.norms import p_norm
from teachgrad.ops.reductions import max as largest
from teachgrad.ops.reductions import min as smallest
from teachgrad.ops.searching import argmax, argmin, searchsorted
from teachgrad.ops.sorting import argsort, sort
from teachgrad.ops.statistics import prod as product_of

from .moves import AXES, few_axes, names_of, offset_in
from .threads import Threads, Work, kernel_of

# ---- reductions ------------------------------------------------------------------------------------------------------

def fold(work: Work, kind: str, start: str, statement: str, end: str = "z") -> None:
    """A thread for each element of the result, which goes through all that is reduced to it.

    `statement` is of the running result, `z`, and the element, `x`.
    """
    v, x = work.v, work.v.inputs[0]
    k, axes = work.threads(), v.attrs["axis"]
    names = list(AXES[:x.ndim])
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    k.spread([names[axis] for axis in kept], [x.shape[axis] for axis in kept])
    k.put(f"{kind} result = {start};")
    with k.loops([names[axis] for axis in axes], [x.shape[axis] for axis in axes]) as found:
        for axis, name in zip(axes, found, strict=True):
            names[axis] = name or "0"
        k.put(statement.format(z="result", x=k.load("x", *names)))
    k.put(k.store(k.element, end.format(z="result")))


@kernel_of(product_of, "x", fits=few_axes)
def product(work: Work) -> None:
    """z = Π x over the axes."""
    fold(work, work_kind(work), "1", "{z} *= {x};", "{z}")


@kernel_of(all_true, "x", fits=few_axes)
def every(work: Work) -> None:
    """z = every x along the axes is true."""
    fold(work, "bool", "true", "{z} = {z} && {x} != 0;", "{z}")


@kernel_of(any_true, "x", fits=few_axes)
def some(work: Work) -> None:
    """z = some x along the axes is true."""
    fold(work, "bool", "false", "{z} = {z} || {x} != 0;", "{z}")


@kernel_of(count_nonzero, "x", fits=few_axes)
def how_many(work: Work) -> None:
    """z = how many x along the axes are not zero."""
    fold(work, "int64_t", "0", "{z} += {x} != 0;", "{z}")


@kernel_of(p_norm, "x", fits=few_axes)
def norm(work: Work) -> None:
    """z = (Σ |x|^ord)^(1/ord) over the axes."""
    order, f = work.v.attrs["ord"], "f" if work.v.dtype.itemsize == 4 else ""
    if order == 2.0:
        fold(work, work_kind(work), "0", "{z} += {x} * {x};", f"sqrt{f}({{z}})")
    else:
        fold(work, work_kind(work), "0", f"{{z}} += pow{f}(fabs{f}({{x}}), {order!r}{f});",
             f"pow{f}({{z}}, {1 / order!r}{f})")


@kernel_of(largest, "x", fits=few_axes)
def largest_integer(work: Work) -> None:
    """z = the largest x along the axes: of integers, of which there is no smallest to begin with in every type."""
    extreme(work, ">")


@kernel_of(smallest, "x", fits=few_axes)
def smallest_integer(work: Work) -> None:
    """z = the smallest x along the axes."""
    extreme(work, "<")


def extreme(work: Work, sign: str) -> None:
    x, axes = work.v.inputs[0], work.v.attrs["axis"]
    first = [("0" if axis in axes else name) for axis, name in enumerate(AXES[:x.ndim])]
    probe = Threads(work, "")
    fold(work, work_kind(work), probe.load("x", *first), f"if ({{x}} {sign} {{z}}) {{z}} = {{x}};", "{z}")


def work_kind(work: Work) -> str:
    """The type of the result."""
    return Threads(work, "").kind("z")


# ---- places ----------------------------------------------------------------------------------------------------------

@kernel_of(argmax, "x", fits=few_axes)
def place_of_largest(work: Work) -> None:
    """z = the index of the largest x along the axis, the first of several; a nan is larger than all numbers."""
    place_of_extreme(work, ">")


@kernel_of(argmin, "x", fits=few_axes)
def place_of_smallest(work: Work) -> None:
    """z = the index of the smallest x along the axis, the first of several; a nan is smaller than all numbers."""
    place_of_extreme(work, "<")


def place_of_extreme(work: Work, sign: str) -> None:
    v, x = work.v, work.v.inputs[0]
    k, axis = work.threads(), v.attrs["axis"]
    if x.ndim == 0:
        k.spread([], ())
        k.put(k.store("0", "0"))
        return
    names = names_of(x.shape)
    others = [*names[:axis], *names[axis + 1:]]
    k.spread(others, [*x.shape[:axis], *x.shape[axis + 1:]])
    k.put(f"{k.kind('x')} best = {k.load('x', *names[:axis], '0', *names[axis + 1:])};", "int64_t place = 0;")
    with k.block(f"for (int64_t {names[axis]} = 1; {names[axis]} < {x.shape[axis]}; {names[axis]}++)"):
        k.put(f"const {k.kind('x')} element = {k.load('x', *names)};")
        nan = " || (element != element && best == best)" if x.dtype.kind == "f" else ""
        with k.block(f"if (element {sign} best{nan})"):
            k.put("best = element;", f"place = {names[axis]};")
    k.put(k.store(k.element, "place"))


@kernel_of(searchsorted, "list", "x", "sorter", fits=few_axes)
def search(work: Work) -> None:
    """z = where the values x belong in the sorted list, by halves."""
    v, k = work.v, work.threads()
    names = names_of(v.shape)
    k.spread(names, v.shape)
    k.put(f"const {k.kind('x')} value = {k.load('x', *names)};", f"int64_t low = 0, high = {v.inputs[0].size};")
    with k.block("while (low < high)"):
        place = "middle" if len(v.inputs) == 2 else k.load("sorter", "middle")
        k.put("const int64_t middle = (low + high) / 2;",
              f"const {k.kind('list')} element = {k.load('list', place)};")
        less = ("element", "value") if v.attrs["side"] == "left" else ("value", "element")
        before = smaller(*less, v.inputs[0])
        k.put(f"if ({before if v.attrs['side'] == 'left' else f'!({before})'}) low = middle + 1;",
              "else high = middle;")
    k.put(k.store(k.element, "low"))


def smaller(x: str, y: str, like: Vertex) -> str:
    """Whether x comes before y, where nan is the largest of all numbers."""
    if like.dtype.kind != "f":
        return f"{x} < {y}"
    return f"{x} < {y} || ({y} != {y} && {x} == {x})"


@kernel_of(sort, "x", fits=few_axes)
def sorted_line(work: Work) -> None:
    """z = x in order along the axis: each thread counts how many come before its element, and puts it there."""
    by_rank(work, "element")


@kernel_of(argsort, "x", fits=few_axes)
def order_of_line(work: Work) -> None:
    """z = the indices that sort x along the axis."""
    by_rank(work, None)


def by_rank(work: Work, value: str | None) -> None:
    v, x = work.v, work.v.inputs[0]
    k, axis, n = work.threads(), v.attrs["axis"], x.shape[v.attrs["axis"]]
    names = names_of(x.shape)
    k.spread(names, x.shape)
    me, other = names[axis], "other"
    k.put(f"const {k.kind('x')} element = {k.load('x', *names)};", "int64_t rank = 0;")
    with k.block(f"for (int64_t {other} = 0; {other} < {n}; {other}++)"):
        k.put(f"const {k.kind('x')} x_other = {k.load('x', *names[:axis], other, *names[axis + 1:])};")
        first, second = ("x_other", "element") if not v.attrs["descending"] else ("element", "x_other")
        before, after = smaller(first, second, x), smaller(second, first, x)
        k.put(f"if (({before}) || (!({after}) && {other} < {me})) rank++;  // of equal ones, the earlier comes first")
    place = [*names[:axis], "rank", *names[axis + 1:]]
    k.put(k.store(offset_in(x.shape, place), value or me))


# ---- running results -------------------------------------------------------------------------------------------------

def run_along(work: Work, start: str, statement: str) -> None:
    """A thread for each line, which goes along it and keeps every step."""
    v, k, axis = work.v, work.threads(), work.v.attrs["axis"]
    names = names_of(v.shape)
    k.spread([*names[:axis], *names[axis + 1:]], [*v.shape[:axis], *v.shape[axis + 1:]])
    k.put(f"{k.kind('z')} running = {start};")
    with k.block(f"for (int64_t {names[axis]} = 0; {names[axis]} < {v.shape[axis]}; {names[axis]}++)"):
        k.put(statement.format(**{name: k.load(name, *names) for name in work.names}))
        k.put(k.store(offset_in(v.shape, names), "running"))


@kernel_of(cumulative_sum, "x", fits=few_axes)
def running_sum(work: Work) -> None:
    """z_i = x_0 + ... + x_i along the axis."""
    run_along(work, "0", "running += {x};")


@kernel_of(cumulative_prod, "x", fits=few_axes)
def running_product(work: Work) -> None:
    """z_i = x_0 x_1 ... x_i along the axis."""
    run_along(work, "1", "running *= {x};")


@kernel_of(linear_scan, "a", "b", fits=few_axes)
def recurrence(work: Work) -> None:
    """z_i = a_i z_(i-1) + b_i along the axis."""
    run_along(work, "0", "running = {a} * running + {b};")
