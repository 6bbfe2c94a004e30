"""Convolution and its gradients as loops of C.

None of them makes columns (im2col): with the images innermost, what a tap of the kernel sees along a row of places is
one run of memory, which it shares with its neighbours. So each is a nest of loops whose innermost one runs along such
a row, vectorised, with the taps of a line of the kernel (or, where the line is short, of several channels) inside of
it, unrolled, for a few outputs at a time: every number that is loaded is used several times. Where places are more
than one column apart and images are few, runs would be too short for vectors: then what the taps of one line see
along one row is gathered first, and used for all outputs. Measured on one core of an AMD EPYC of family 26 (Zen 5,
AVX-512) with gcc 12, in float32: the second convolution of LeNet-5 at batch 32 reaches 260 GFlop/s forward, 250 back
to its input and 200 to its weight, of about 270 that the arithmetic can do; 64 channels of 16 x 16 with 3 x 3 taps,
180 forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from math import prod
from typing import Any, NamedTuple

from ..dtypes import C_TYPES
from ..op import Shape, Vertex
from .code import Code, at, divisor, index, steps
from .windows import Pairs

PLACES, TAPS, POSITIONS = "pqr", "klm", "dh"
"""The names of loops over places, taps of the kernel and lines of an input, and so the number of spatial axes."""
LINE = 12
"""A line of the kernel of up to so many taps is taken as a whole."""
TERMS = 8
"""About so many products are added up at a time."""
REGISTERS = 24
"""So many running sums, each a vector, are kept in registers."""
VECTOR = 64
"""The bytes of a vector."""
MOST_GATHERED = 1 << 15
"""Lines that are gathered on the stack take up to so many bytes: no more than the nearest cache holds."""
PART = 4096
"""Sums over all places are made of parts of so many terms in each lane: the error grows with the length of a part."""


class Windows:
    """How windows of a kernel (out, channels/groups, ...) walk over x (channels, ..., images) in memory.

    The last spatial axis and the images form a row. Where the stride along it is 1, a row of places is one run.
    """

    def __init__(self, x: Shape, weight: Shape, places: Shape, attrs: Mapping[str, Any], itemsize: int) -> None:
        self.stride, self.dilation, self.groups = attrs["stride"], attrs["dilation"], attrs["groups"]
        self.kernel, self.places, self.images = weight[2:], places, x[-1]
        self.outputs, self.channels = weight[0] // self.groups, weight[1]
        self.x, self.z, self.weight = steps(x), steps((weight[0], *places, x[-1])), steps(weight)
        self.line = self.kernel[-1] if self.kernel[-1] <= LINE else divisor(self.kernel[-1], TERMS)
        self.together = divisor(self.channels, TERMS // self.line)
        """So many channels are taken together."""
        self.terms = self.line * self.together
        self.step, self.tap = self.stride[-1] * self.images, self.dilation[-1] * self.images
        """How far a place, and a tap of the line, is in x from the one before."""
        self.row_length = places[-1] * x[-1]
        self.gathers = (self.stride[-1] > 1 and x[-1] < VECTOR // itemsize
                        and self.terms * self.row_length * itemsize <= MOST_GATHERED)
        """Whether runs would be too short for vectors: then what taps see is gathered into lines first."""
        whole = self.stride[-1] == 1 or self.gathers
        self.turns, self.run = (1, self.row_length) if whole else (places[-1], x[-1])
        """Of how many runs a row of places consists, and how long they are."""
        self.p, self.k = PLACES[:len(places)], TAPS[:len(places)]

    def seen(self, g: str, c: str, rows: Sequence[str], taps: Sequence[str]) -> str:
        """Where in x the row begins that places in these rows see through these taps."""
        terms = [(self.channels * self.x[0], g), (self.x[0], c)]
        for p, k, s, d, step in zip(rows, taps, self.stride, self.dilation, self.x[1:-2], strict=False):
            terms += [(step * s, p), (step * d, k)]
        return at("x", *terms, *((self.tap, k) for k in taps[len(rows):]))

    def element(self, a: str, q: str, t: str, *j: tuple[int, str] | int) -> str:
        """What tap t sees of channel a at an element of a row, where `seen` or the lines are at hand."""
        if self.gathers:
            return f"line[{index((self.line, a), (1, t))}][{index(*j)}]"
        return f"seen[{index((self.x[0], a), (self.step, q), *j, (self.tap, t))}]"

    def gather(self, code: Code, kind: str) -> None:
        """Gather what taps see into lines, if need be."""
        if self.gathers:
            code.put(f"{kind} line[{self.terms}][{self.row_length}];  // what each tap sees along the row")
            with code.loop("a", self.together) as a, code.loop(self.k[-1], self.line) as t, \
                    code.loop(self.p[-1], self.places[-1]) as q, code.loop("n", self.images) as n:
                code.put(f"line[{index((self.line, a), (1, t))}][{index((self.images, q), (1, n))}] = "
                         f"seen[{index((self.x[0], a), (self.step, q), (1, n), (self.tap, t))}];")

    def said(self, formula: str) -> str:
        """A formula as a comment: {p} are the places, {k} the taps, {seen} what they see."""
        seen = [f"{'' if s == 1 else f'{s} '}{p} + {'' if d == 1 else f'{d} '}{k}"
                for p, k, s, d in zip(self.p, self.k, self.stride, self.dilation, strict=True)]
        return f"/* {formula.format(p=','.join(self.p), k=','.join(self.k), seen=', '.join(seen))} */"

    def row(self, name: str, g: str, o: str, rows: Sequence[str]) -> str:
        """Where a row of places of an output begins."""
        return at(name, (self.outputs * self.z[0], g), (self.z[0], o), *zip(self.z[1:], rows, strict=False))

    def weights(self, name: str, g: str, o: str, c: str, taps: Sequence[str]) -> str:
        """Where the weights from a channel to an output begin."""
        return at(name, (self.outputs * self.weight[0], g), (self.weight[0], o), (self.weight[1], c),
                  *zip(self.weight[2:], taps, strict=False))


def can_write(x: Vertex, attrs: Mapping[str, Any]) -> bool:
    """Whether there is C: not for padding, which `passes.borders` makes zeros in memory, nor for so many axes."""
    return x.ndim - 2 <= len(PLACES) and not any(low or high for low, high in attrs["padding"])


def forward(z: Vertex, x: Vertex, weight: Vertex, bias: Vertex | None = None) -> str | None:
    """z[o,p,n] = b[o] + Σ_{c,k} x[c, p·stride + k·dilation, n] w[o,c,k]"""
    if not can_write(x, z.attrs):
        return None
    code, kind = Code(), C_TYPES[z.dtype]
    w = Windows(x.shape, weight.shape, z.shape[1:-1], z.attrs, z.dtype.itemsize)
    each = divisor(w.outputs, 4)
    code.put(w.said(f"z[o,{{p}},n] = {'' if bias is None else 'bias[o] + '}Σ weight[o,c,{{k}}] x[c, {{seen}}, n]"))
    code.divide(len(w.places) + 1)
    with code.loop("g", w.groups) as g, code.loops(w.p[:-1], w.places[:-1]) as p, ExitStack() as outputs:
        at_once = w.outputs if w.gathers else each
        o = outputs.enter_context(code.loop("o", w.outputs, at_once))
        code.put(f"{kind} *row = {w.row('z', g, o, p)};")
        with code.loop("i", at_once) as i, code.loop("j", w.row_length) as j:
            start = "0" if bias is None else f"bias[{index((w.outputs, g), (1, o), (1, i))}]"
            code.put(f"row[{index((w.z[0], i), (1, j))}] = {start};")
        with code.loop("c", w.channels, w.together) as c, code.loops(w.k[:-1], w.kernel[:-1]) as k, \
                code.loop("first", w.kernel[-1], w.line) as first:
            code.put(f"const {kind} *seen = {w.seen(g, c, p, [*k, first])};")
            w.gather(code, kind)
            with code.loop("o", w.outputs, each) if w.gathers else nullcontext("") as more:
                code.put(f"const {kind} *w = {w.weights('weight', g, more or o, c, [*k, first])};")
                with code.loop(w.p[-1], w.turns) as q, code.loop("j", w.run, pragma="omp simd") as j, \
                        code.unrolled("i", each) as i:
                    target = f"row[{index((w.z[0], more), (w.z[0], i), (w.images, q), (1, j))}]"
                    code.put(f"{kind} sum = {target};")
                    with code.unrolled("a", w.together) as a, code.unrolled(w.k[-1], w.line) as t:
                        code.put(f"sum += w[{index((w.weight[0], i), (w.weight[1], a), (1, t))}] * "
                                 f"{w.element(a, q, t, (1, j))};")
                    code.put(f"{target} = sum;")
    return code.text()


def weight_gradient(z: Vertex, u: Vertex, x: Vertex) -> str | None:
    """z[o,c,k] = Σ_{n,p} u[o,p,n] x[c, p·stride + k·dilation, n]"""
    if not can_write(x, z.attrs):
        return None
    code, kind = Code(), C_TYPES[z.dtype]
    w = Windows(x.shape, z.shape, u.shape[1:-1], z.attrs, z.dtype.itemsize)
    each, lanes = divisor(w.outputs, REGISTERS // w.terms), min(VECTOR // z.dtype.itemsize, 1 << w.run.bit_length() - 1)
    whole = w.run - w.run % lanes
    walk = [*((p, n, 1) for p, n in zip(w.p, [*w.places[:-1], w.turns], strict=True)), ("j", whole, lanes)]
    outermost, count, step = next((turn for turn in walk if turn[1] > turn[2]), walk[-1])
    part = max(1, PART * step * count // step // prod(n // by for _, n, by in walk)) * step
    """So many turns of the outermost loop make a part."""
    code.put(w.said("z[o,c,{k}] = Σ u[o,{p},n] x[c, {seen}, n]"))
    with code.loop("i", z.size) as i:
        code.put(f"z[{i or 0}] = 0;")
    code.divide(len(w.kernel) + 3)
    with code.loop("g", w.groups) as g, code.loop("o", w.outputs, each) as o, \
            code.loop("c", w.channels, w.together) as c, code.loops(w.k[:-1], w.kernel[:-1]) as k, \
            code.loop("first", w.kernel[-1], w.line) as first, code.loop("start", count, part) as start:
        code.put(f"{kind} part[{each}][{w.terms}][{lanes}] = {{0}};")
        if start:
            code.put(f"const int64_t stop = start + {part} < {count} ? start + {part} : {count};")

        def walked(name: str, n: int, step: int) -> AbstractContextManager[str]:
            return code.loop(name, *(("stop", step, "", "start") if start and name == outermost else (n, step)))

        with ExitStack() as loops:
            *p, q = [loops.enter_context(walked(*turn)) for turn in walk[:-1]]
            code.put(f"const {kind} *given = {w.row('u', g, o, p)};",
                     f"const {kind} *seen = {w.seen(g, c, p, [*k, first])};")
            w.gather(code, kind)
            with walked(*walk[-1]) as j:
                multiply_lanes(code, w, each, lanes, q, (1, j))
            if w.run > whole:
                with code.block(f"if (stop == {count})") if start and outermost == "j" else nullcontext():
                    multiply_lanes(code, w, each, w.run - whole, q, whole)
        target = w.weights("z", g, o, c, [*k, first])
        code.put(f"{kind} *w = {target};")
        with code.loop("i", each) as i, code.loop("a", w.together) as a, code.loop(w.k[-1], w.line) as t:
            code.put(f"{kind} sum = 0;")
            with code.loop("v", lanes, pragma="omp simd reduction(+:sum)") as v:
                code.put(f"sum += part[{i or 0}][{index((w.line, a), (1, t))}][{v or 0}];")
            code.put(f"w[{index((w.weight[0], i), (w.weight[1], a), (1, t))}] += sum;")
    return code.text()


def multiply_lanes(code: Code, w: Windows, each: int, lanes: int, q: str, j: tuple[int, str] | int) -> None:
    """Add the products of a vector of the gradient with what taps see there."""
    with code.unrolled("i", each) as i, code.unrolled("a", w.together) as a, code.unrolled(w.k[-1], w.line) as t, \
            code.loop("v", lanes, pragma="omp simd") as v:
        code.put(f"part[{i or 0}][{index((w.line, a), (1, t))}][{v or 0}] += "
                 f"given[{index((w.z[0], i), (w.images, q), j, (1, v))}] * "
                 f"{w.element(a, q, t, j, (1, v))};")


def input_gradient(z: Vertex, u: Vertex, weight: Vertex) -> str | None:
    """z[c,i,n] = Σ_{o,p,k: p·stride + k·dilation - padding = i} u[o,p,n] w[o,c,k]"""
    if z.ndim - 2 > len(PLACES):
        return None
    code, kind = Code(), C_TYPES[z.dtype]
    w = Windows(z.shape, weight.shape, u.shape[1:-1], z.attrs, z.dtype.itemsize)
    size, each, terms = z.shape[1:-1], divisor(w.channels, 6), divisor(w.outputs, 4)
    names = POSITIONS[len(POSITIONS) - len(size) + 1:]
    padding = " - padding" if any(map(any, z.attrs["padding"])) else ""
    code.put(w.said(f"z[c, {{seen}}{padding}, n] is the Σ of all weight[o,c,{{k}}] u[o,{{p}},n]"))
    code.divide(len(size) + 1)
    with code.loop("g", w.groups) as g, code.loops(names, size[:-1]) as rows, code.loop("c", w.channels, each) as c:
        code.put(f"{kind} *row = {at('z', (w.channels * w.x[0], g), (w.x[0], c), *zip(w.x[1:], rows, strict=False))};")
        with code.loop("e", each) as e, code.loop("j", size[-1] * w.images) as j:
            code.put(f"row[{index((w.x[0], e), (1, j))}] = 0;")
        with code.loops(w.k[:-1], w.kernel[:-1]) as k, places_that_see(code, w, rows, k, z.attrs["padding"]) as p, \
                code.loop(w.k[-1], w.kernel[-1]) as t:
            seeing = seeing_places(code, w, size[-1], z.attrs["padding"][-1], t)
            if w.gathers:
                code.put(f"{kind} line[{each}][{w.row_length}] = {{0}};  // what goes back through the tap")
            with code.loop("o", w.outputs, terms) as o:
                code.put(f"const {kind} *given = {w.row('u', g, o, p)};",
                         f"const {kind} *w = {w.weights('weight', g, o, c, [*k, t])};")
                with runs_of_places(code, w, seeing) as (to, q, j), code.unrolled("e", each) as e:
                    target = f"line[{e or 0}][{j}]" if w.gathers else f"row[{index((w.x[0], e), *to)}]"
                    code.put(f"{kind} sum = {target};")
                    with code.unrolled("a", terms) as a:
                        code.put(f"sum += w[{index((w.weight[0], a), (w.weight[1], e))}] * "
                                 f"given[{index((w.z[0], a), (w.images, q), (1, j))}];")
                    code.put(f"{target} = sum;")
            if w.gathers:
                with code.loop("e", each) as e, code.loop(w.p[-1], seeing.last, start=seeing.first) as q, \
                        code.loop("n", w.images) as n:
                    code.put(f"row[{index((w.x[0], e), (w.step, q), (1, n), seeing.shift)}] += "
                             f"line[{e or 0}][{index((w.images, q), (1, n))}];")
    return code.text()


@contextmanager
def places_that_see(code: Code, w: Windows, rows: Sequence[str], taps: Sequence[str],
                    padding: Pairs) -> Iterator[list[str]]:
    """Along all axes but the last: the place that sees an element through a tap, if there is one."""
    with ExitStack() as stack:
        for p, row, k, (low, _), s, d, n in zip(w.p, rows, taps, padding, w.stride, w.dilation, w.places, strict=False):
            seen = index((1, row), (-d, k), low)
            if s == 1:
                code.put(f"const int64_t {p} = {seen};")
                stack.enter_context(code.block(f"if ({p} >= 0 && {p} < {n})"))
            else:
                code.put(f"const int64_t {p}_seen = {seen}, {p} = {p}_seen / {s};")
                stack.enter_context(code.block(f"if ({p}_seen >= 0 && {p}_seen % {s} == 0 && {p} < {n})"))
        yield list(w.p[:-1])


class Seeing(NamedTuple):
    """The places of a row that see something through a tap, from first to last, and how far that is from them."""

    first: str
    last: int | str
    shift: tuple[int, str]


def seeing_places(code: Code, w: Windows, size: int, padding: tuple[int, int], tap: str) -> Seeing:
    """Those places, for an input of some length: all of them where there is no padding."""
    (low, high), s, places = padding, w.stride[-1], w.places[-1]
    if not (low or high):
        return Seeing("0", places, (w.tap, tap))
    code.put(f"const int64_t shift = {index((w.dilation[-1], tap), -low)};")
    if s == 1:
        code.put("const int64_t first = shift < 0 ? -shift : 0;",
                 f"const int64_t last = shift > {size - places} ? {size} - shift : {places};")
    else:
        code.put(f"const int64_t first = shift < 0 ? ({s - 1} - shift) / {s} : 0;",
                 f"const int64_t reach = ({size - 1 + s} - shift) / {s};",
                 f"const int64_t last = reach < {places} ? reach : {places};")
    return Seeing("first", "last", (w.images, "shift"))


@contextmanager
def runs_of_places(code: Code, w: Windows, seeing: Seeing) -> Iterator[Any]:
    """Loops over the runs of those places, or of all if they are gathered: what they see, and the variables."""
    n, all_seeing = w.images, seeing.first == "0"
    if w.gathers:
        with code.loop("j", w.row_length, pragma="omp simd") as j:
            yield [], "", j or 0
    elif w.stride[-1] == 1:
        start, stop = ("0", w.row_length) if all_seeing else (f"{n} * first", f"{n} * last")
        with code.loop("j", stop, pragma="omp simd", start=start) as j:
            yield [(1, j), seeing.shift], "", j
    else:
        with code.loop(w.p[-1], seeing.last, start=seeing.first) as q, code.loop("j", n, pragma="omp simd") as j:
            yield [(w.step, q), (1, j), seeing.shift], q, j
