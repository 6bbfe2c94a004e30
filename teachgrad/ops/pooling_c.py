"""Pooling and its gradients as loops of C: for each channel and place, the taps of its window, and for each the images.

What lies in the padding is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any

from ..dtypes import C_TYPES
from ..op import Shape, Vertex
from .code import Code, divisor, index, steps
from .windows import Pairs

PLACES, TAPS = "pqr", "klm"
"""The names of loops over places and over taps of a window, and so the number of spatial axes that there can be."""
LONGEST = 1024
"""So many images at a time, where something is kept for each of them."""


class Pools:
    """The loops of windows that walk over an array (channels, ..., images) of some spatial size."""

    def __init__(self, shape: Shape, places: Shape, attrs: Mapping[str, Any]) -> None:
        self.channels, *self.size, self.images = shape
        self.places, self.padding = places, attrs["padding"]
        self.kernel, self.stride = attrs["kernel"], attrs["stride"]
        self.dilation = attrs.get("dilation", (1,) * len(places))
        self.steps, self.small = steps(shape), steps((shape[0], *places, shape[-1]))

    @property
    def speakable(self) -> bool:
        """Whether there are names for all loops."""
        return len(self.places) <= len(PLACES)

    @property
    def tiles(self) -> bool:
        """Whether every element is in just one window."""
        covered = tuple(n * k for n, k in zip(self.places, self.kernel, strict=True))
        return self.stride == self.kernel and set(self.dilation) == {1} and covered == tuple(self.size) and not any(
            low or high for low, high in self.padding)

    @contextmanager
    def windows(self, code: Code) -> Iterator[tuple[list[str], str]]:
        """Loops over channels and places: their variables, and where what belongs to a window begins."""
        names = ["c", *PLACES[:len(self.places)]]
        code.divide(1)
        with code.loops(names, [self.channels, *self.places]) as window:
            yield window, index(*zip(self.small, window, strict=False))

    @contextmanager
    def taps(self, code: Code, window: list[str]) -> Iterator[str]:
        """Loops over the taps of a window: where what a tap sees begins."""
        terms: list[tuple[int, str] | int] = [(self.steps[0], window[0])]
        with ExitStack() as stack:
            taps = stack.enter_context(code.loops(TAPS[:len(self.places)], self.kernel))
            for axis, (p, k) in enumerate(zip(window[1:], taps, strict=True)):
                (low, high), step = self.padding[axis], self.steps[axis + 1]
                s, d = self.stride[axis], self.dilation[axis]
                if low or high:
                    seen = f"{TAPS[axis]}_seen"
                    code.put(f"const int64_t {seen} = {index((s, p), (d, k), -low)};")
                    stack.enter_context(code.block(f"if ({seen} >= 0 && {seen} < {self.size[axis]})"))
                    terms.append((step, seen))
                else:
                    terms += [(step * s, p), (step * d, k)]
            yield index(*terms)


def image(base: str, *terms: tuple[int, str]) -> str:
    """The index of an image."""
    return index(*([] if base == "0" else [(1, base)]), *terms)


def maximum(z: Vertex, x: Vertex) -> str | None:
    """z = the largest x in each window, nan if there is one"""
    pools, code = Pools(x.shape, z.shape[1:-1], z.attrs), Code()
    if not pools.speakable:
        return None
    code.put("/* z = the largest x of each window, or nan where one is */")
    with pools.windows(code) as (window, place):
        with code.loop("n", pools.images) as n:
            code.put(f"z[{image(place, (1, n))}] = -INFINITY;")
        with pools.taps(code, window) as seen, code.loop("n", pools.images, pragma="omp simd") as n:
            target = f"z[{image(place, (1, n))}]"
            code.put(f"const {C_TYPES[x.dtype]} element = x[{image(seen, (1, n))}], most = {target};",
                     f"{target} = element > most || element != element ? element : most;")
    return code.text()


def at_maximum(z: Vertex, u: Vertex, x: Vertex, y: Vertex, back: bool) -> str | None:
    """What stands at the first maximum of each window is taken from u, or given from u `back` to where it stands."""
    pools, code, kind = Pools(x.shape, y.shape[1:-1], z.attrs), Code(), C_TYPES[x.dtype]
    if not pools.speakable:
        return None
    tiles, many = back and pools.tiles, divisor(pools.images, LONGEST)
    code.put(f"/* {'z there = Σ u of the windows whose' if back else 'z = u where the'} first maximum y stands */")
    if not tiles:
        with code.loop("n", z.size) as n:
            code.put(f"z[{n or 0}] = 0;")
    with pools.windows(code) as (window, place), code.loop("first", pools.images, many) as first:
        code.put(f"{kind} wanted[{many}];  // the maximum; nan once it has been found")
        with code.loop("n", many) as n:
            code.put(f"wanted[{n or 0}] = y[{image(place, (1, first), (1, n))}];")
        with pools.taps(code, window) as seen, code.loop("n", many, pragma="omp simd") as n:
            here, there = image(place, (1, first), (1, n)), image(seen, (1, first), (1, n))
            code.put(f"const bool found = x[{there}] == wanted[{n or 0}];",
                     f"z[{there}] {'' if tiles else '+'}= found ? u[{here}] : 0;" if back
                     else f"z[{here}] = found ? u[{there}] : z[{here}];",
                     f"wanted[{n or 0}] = found ? NAN : wanted[{n or 0}];")
    return code.text()


def mean(z: Vertex, x: Vertex) -> str | None:
    """z = Σ x / n over each window"""
    pools, code = Pools(x.shape, z.shape[1:-1], z.attrs), Code()
    if not pools.speakable:
        return None
    code.put("/* z = Σ x of each window / how many count */")
    with pools.windows(code) as (window, place):
        divide = how_many(code, pools, window, C_TYPES[z.dtype], z.attrs["counted"], z.attrs["divisor"])
        with code.loop("n", pools.images) as n:
            code.put(f"z[{image(place, (1, n))}] = 0;")
        with pools.taps(code, window) as seen, code.loop("n", pools.images, pragma="omp simd") as n:
            code.put(f"z[{image(place, (1, n))}] += x[{image(seen, (1, n))}];")
        with code.loop("n", pools.images) as n:
            code.put(f"z[{image(place, (1, n))}] /= {divide};")
    return code.text()


def mean_gradient(z: Vertex, u: Vertex) -> str | None:
    """z[i] = Σ u/n over the windows that see i"""
    pools, code = Pools(z.shape, u.shape[1:-1], z.attrs), Code()
    if not pools.speakable:
        return None
    code.put("/* z = Σ u of the windows that see it / how many count in each */")
    if not pools.tiles:
        with code.loop("n", z.size) as n:
            code.put(f"z[{n or 0}] = 0;")
    with pools.windows(code) as (window, place):
        divide = how_many(code, pools, window, C_TYPES[z.dtype], z.attrs["counted"], z.attrs["divisor"])
        with pools.taps(code, window) as seen, code.loop("n", pools.images, pragma="omp simd") as n:
            code.put(f"z[{image(seen, (1, n))}] {'' if pools.tiles else '+'}= u[{image(place, (1, n))}] / {divide};")
    return code.text()


def how_many(code: Code, pools: Pools, window: list[str], kind: str, counted: Pairs, divisor: int | None) -> str:
    """By what the sum of a window is divided: the number of its elements that count."""
    if divisor is not None or pools.padding == counted:
        return str(prod(pools.kernel) if divisor is None else divisor)
    names = []
    for p, k, tap, s, n, (low, _), (before, after) in zip(
            window[1:], pools.kernel, TAPS, pools.stride, pools.size, pools.padding, counted, strict=False):
        start, stop = index((s, p), -low), index((s, p), k - low)
        code.put(f"const int64_t {tap}_count = ({stop} < {n + after} ? {stop} : {n + after}) - "
                 f"({start} > {-before} ? {start} : {-before});")
        names.append(f"{tap}_count")
    return f"({kind})({' * '.join(names)})"
