"""Windows that move over the spatial axes: convolution and pooling, forward and backward.

Arrays are (channel, ..., image), as their ops have them: neighbouring threads read neighbouring images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod

from teachgrad.op import Shape, Vertex
from teachgrad.ops.code import index
from teachgrad.ops.convolution import convolution, convolution_input_gradient, convolution_weight_gradient
from teachgrad.ops.pooling import average_pool, average_pool_gradient, max_pool, max_pool_gradient, max_pool_pick
from teachgrad.ops.windows import Pairs

from .products import team_for
from .threads import Threads, Work, kernel_of

PLACES, OFFSETS, INDICES = ("p", "q", "r"), ("k", "l", "m"), ("row", "column", "depth")
"""What the places of a window, the places in it and the places of the input are called, axis by axis."""


def few_axes(v: Vertex) -> bool:
    """Whether there are names for all spatial axes."""
    return v.inputs[0].ndim - 2 <= len(PLACES)


@contextmanager
def loops(k: Threads, names: Sequence[str], counts: Shape) -> Iterator[list[str]]:
    """Loops in one another: what stands for their variables."""
    with ExitStack() as stack:
        yield [stack.enter_context(k.loop(name, n)) or "0" for name, n in zip(names, counts, strict=False)]


@contextmanager
def seen(k: Threads, places: Sequence[str], offsets: Sequence[str], size: Shape, stride: Shape, padding: Pairs,
         dilation: Shape) -> Iterator[list[str]]:
    """Where in the input each place of a window is, around statements for those that are not in the padding."""
    indices = list(INDICES[:len(size)])
    for name, p, o, s, (low, _), d in zip(indices, places, offsets, stride, padding, dilation, strict=False):
        k.put(f"const int64_t {name} = {index((s, p), (d, '' if o == '0' else o), -low)};")
    within = [f"{name} >= 0 && {name} < {n}" for name, n, (low, high) in zip(indices, size, padding, strict=True)
              if low or high]
    if not within:
        yield indices
        return
    with k.block(f"if ({' && '.join(within)})"):
        yield indices


@contextmanager
def windows_of(k: Threads, indices: Sequence[str], offsets: Sequence[str], counts: Shape, stride: Shape,
               padding: Pairs, dilation: Shape) -> Iterator[list[str]]:
    """Which window has an element of the input at an offset, around statements for those where there is one."""
    places = list(PLACES[:len(counts)])
    conditions = []
    for name, i, o, n, s, (low, _), d in zip(places, indices, offsets, counts, stride, padding, dilation, strict=False):
        shift = index((1, i), (-d, "" if o == "0" else o), low)
        k.put(f"const int64_t {name}{'_' if s > 1 else ''} = {shift};")
        if s > 1:
            k.put(f"const int64_t {name} = {name}_ / {s};")
            conditions.append(f"{name}_ >= 0 && {name}_ % {s} == 0 && {name} < {n}")
        else:
            conditions.append(f"{name} >= 0 && {name} < {n}")
    with k.block(f"if ({' && '.join(conditions)})"):
        yield places


# ---- convolution -----------------------------------------------------------------------------------------------------

@kernel_of(convolution, "x", "w", "b", fits=few_axes)
def convolve(work: Work) -> None:
    """z[o,p,n] = b[o] + Σ_{c,k} x[c, p·stride + k·dilation - padding, n] w[o,c,k]."""
    z, x, w, a = work.v, work.v.inputs[0], work.v.inputs[1], work.v.attrs
    k, spatial = work.threads(), x.ndim - 2
    names = ["o", *PLACES[:spatial], "n"]
    k.spread(names, z.shape)
    k.put(f"{k.kind('z')} sum = {k.load('b', 'o') if len(z.inputs) > 2 else 0};")
    with (k.loop("c", w.shape[1]) as c, loops(k, OFFSETS, w.shape[2:]) as offsets,
          seen(k, PLACES, offsets, x.shape[1:-1], a["stride"], a["padding"], a["dilation"]) as at):
        channel = c or "0"
        if a["groups"] > 1:
            channel = f"{w.shape[1]} * (o / {w.shape[0] // a['groups']}) + {channel}"
        k.put(f"sum += {k.load('x', channel, *at, 'n')} * {k.load('w', 'o', c or '0', *offsets)};")
    k.put(k.store("at", "sum"))


@kernel_of(convolution_input_gradient, "u", "w", fits=few_axes)
def convolve_back_to_input(work: Work) -> None:
    """z[c,i,n] = Σ_{o,p,k: p·stride + k·dilation - padding = i} u[o,p,n] w[o,c,k]."""
    z, u, w, a = work.v, work.v.inputs[0], work.v.inputs[1], work.v.attrs
    k, spatial, each = work.threads(), u.ndim - 2, work.v.inputs[0].shape[0] // work.v.attrs["groups"]
    k.spread(["c", *INDICES[:spatial], "n"], z.shape)
    k.put(f"{k.kind('z')} sum = 0;")
    with k.loop("g", each) as g, loops(k, OFFSETS, w.shape[2:]) as offsets:
        out, channel = g or "0", "c"
        if a["groups"] > 1:
            out, channel = f"{each} * (c / {w.shape[1]}) + {out}", f"(c % {w.shape[1]})"
        with windows_of(k, INDICES, offsets, u.shape[1:-1], a["stride"], a["padding"], a["dilation"]) as places:
            k.put(f"sum += {k.load('u', out, *places, 'n')} * {k.load('w', out, channel, *offsets)};")
    k.put(k.store("at", "sum"))


@kernel_of(convolution_weight_gradient, "u", "x", fits=few_axes)
def convolve_back_to_weight(work: Work) -> None:
    """z[o,c,k] = Σ_{n,p} u[o,p,n] x[c, p·stride + k·dilation - padding, n]."""
    z, u, x, a = work.v, work.v.inputs[0], work.v.inputs[1], work.v.attrs
    k, spatial = work.threads(), u.ndim - 2
    k.spread(["o", "c", *OFFSETS[:spatial]], z.shape, team_for(z.size, prod(u.shape[1:])))
    channel = f"{z.shape[1]} * (o / {z.shape[0] // a['groups']}) + c" if a["groups"] > 1 else "c"
    k.put(f"{k.kind('z')} sum = 0;")
    shape = u.shape[1:]
    with k.along("term", prod(shape)) as term:
        for number, name in enumerate([*PLACES[:spatial], "n"]):
            after = prod(shape[number + 1:])
            k.put(f"const int64_t {name} = {term} / {after} % {shape[number]};")
        with seen(k, PLACES, OFFSETS, x.shape[1:-1], a["stride"], a["padding"], a["dilation"]) as at:
            k.put(f"sum += {k.load('u', 'o', *PLACES[:spatial], 'n')} * {k.load('x', channel, *at, 'n')};")
    k.summed("sum")
    k.put(k.store("at", "sum"))


# ---- pooling ---------------------------------------------------------------------------------------------------------

@kernel_of(max_pool, "x", fits=few_axes)
def pool_maximum(work: Work) -> None:
    """z = the largest x in each window; a nan is larger than all numbers."""
    z, x, a = work.v, work.v.inputs[0], work.v.attrs
    k = work.threads()
    k.spread(["c", *PLACES[:x.ndim - 2], "n"], z.shape)
    k.put(f"{k.kind('z')} best = -INFINITY;")
    with (loops(k, OFFSETS, a["kernel"]) as offsets,
          seen(k, PLACES, offsets, x.shape[1:-1], a["stride"], a["padding"], a["dilation"]) as at):
        k.put(f"const {k.kind('x')} element = {k.load('x', 'c', *at, 'n')};",
              "if (element > best || element != element) best = element;")
    k.put(k.store("at", "best"))


@kernel_of(max_pool_pick, "u", "x", "y", fits=few_axes)
def pick_at_maximum(work: Work) -> None:
    """z[window] = u[i], where i is the first place at which the maximum y of the window of x stands."""
    z, x, a = work.v, work.v.inputs[1], work.v.attrs
    k = work.threads()
    names = ["c", *PLACES[:x.ndim - 2], "n"]
    k.spread(names, z.shape)
    k.put(f"const {k.kind('y')} top = {k.load('y', *names)};", f"{k.kind('z')} found = 0;", "bool free = true;")
    with (loops(k, OFFSETS, a["kernel"]) as offsets,
          seen(k, PLACES, offsets, x.shape[1:-1], a["stride"], a["padding"], a["dilation"]) as at,
          k.block(f"if (free && {k.load('x', 'c', *at, 'n')} == top)")):
        k.put(f"found = {k.load('u', 'c', *at, 'n')};", "free = false;")
    k.put(k.store("at", "found"))


@kernel_of(max_pool_gradient, "u", "x", "y", fits=few_axes)
def spread_from_maximum(work: Work) -> None:
    """z[i] = Σ u[window] over the windows whose maximum y stands at i first."""
    z, y, a, spatial = work.v, work.v.inputs[2], work.v.attrs, work.v.inputs[0].ndim - 2
    k = work.threads()
    names = ["c", *INDICES[:spatial], "n"]
    k.spread(names, z.shape)
    k.put(f"const {k.kind('x')} element = {k.load('x', *names)};", f"{k.kind('z')} sum = 0;")
    with (loops(k, OFFSETS, a["kernel"]) as offsets,
          windows_of(k, INDICES, offsets, y.shape[1:-1], a["stride"], a["padding"], a["dilation"]) as places,
          k.block(f"if (element == {k.load('y', 'c', *places, 'n')})")):
        k.put("bool first = true;  // no element before it in the window is as large")
        with k.block(f"for (int64_t before = 0; before < {flat(offsets, a['kernel'])}; before++)"):
            inside = []
            for axis, (n, s, (low, high), d, length) in enumerate(zip(
                    z.shape[1:-1], a["stride"], a["padding"], a["dilation"], a["kernel"], strict=True)):
                after = prod(a["kernel"][axis + 1:])
                k.put(f"const int64_t at{axis} = {s} * {places[axis]} + {d} * (before / {after} % {length}) - {low};")
                inside += [f"at{axis} >= 0 && at{axis} < {n} && "] * (low > 0 or high > 0)
            there = k.load("x", "c", *(f"at{axis}" for axis in range(spatial)), "n")
            k.put(f"if ({''.join(inside)}{there} == element) first = false;")
        k.put(f"if (first) sum += {k.load('u', 'c', *places, 'n')};")
    k.put(k.store("at", "sum"))


def flat(offsets: Sequence[str], kernel: Shape) -> str:
    """The number of an offset in reading order."""
    return " + ".join(f"{prod(kernel[axis + 1:])} * {name}" for axis, name in enumerate(offsets))


@kernel_of(average_pool, "x", fits=few_axes)
def pool_mean(work: Work) -> None:
    """z = Σ x / n over each window."""
    z, x, a = work.v, work.v.inputs[0], work.v.attrs
    k, spatial = work.threads(), work.v.inputs[0].ndim - 2
    k.spread(["c", *PLACES[:spatial], "n"], z.shape)
    k.put(f"{k.kind('z')} sum = 0;")
    with (loops(k, OFFSETS, a["kernel"]) as offsets,
          seen(k, PLACES, offsets, x.shape[1:-1], a["stride"], a["padding"], (1,) * spatial) as at):
        k.put(f"sum += {k.load('x', 'c', *at, 'n')};")
    k.put(k.store("at", f"sum / {counted(k, work.v, x.shape[1:-1])}"))


@kernel_of(average_pool_gradient, "u", fits=few_axes)
def spread_mean(work: Work) -> None:
    """z[i] = Σ u/n over the windows that see i."""
    z, u, a = work.v, work.v.inputs[0], work.v.attrs
    k, spatial = work.threads(), work.v.inputs[0].ndim - 2
    k.spread(["c", *INDICES[:spatial], "n"], z.shape)
    k.put(f"{k.kind('z')} sum = 0;")
    with (loops(k, OFFSETS, a["kernel"]) as offsets,
          windows_of(k, INDICES, offsets, u.shape[1:-1], a["stride"], a["padding"], (1,) * spatial) as places):
        k.put(f"sum += {k.load('u', 'c', *places, 'n')} / {counted(k, work.v, z.shape[1:-1])};")
    k.put(k.store("at", "sum"))


def counted(k: Threads, v: Vertex, size: Shape) -> str:
    """How many elements of the present window count."""
    a, kind = v.attrs, k.kind("z")
    if a["divisor"] is not None:
        return f"({kind}){a['divisor']}"
    if a["padding"] == a["counted"]:
        return f"({kind}){prod(a['kernel'])}"
    for axis, (n, w, s, (low, _), (before, after)) in enumerate(
            zip(size, a["kernel"], a["stride"], a["padding"], a["counted"], strict=True)):
        first, last = f"{s} * {PLACES[axis]} - {low}", f"{s} * {PLACES[axis]} + {w - low}"
        k.put(f"const int64_t first{axis} = {first} > {-before} ? {first} : {-before};",
              f"const int64_t last{axis} = {last} < {n + after} ? {last} : {n + after};")
    return f"({kind})({' * '.join(f'(last{axis} - first{axis})' for axis in range(len(size)))})"
