"""Convolutions with many channels as products of matrices (im2col).

What the kernel sees at each place is copied into a column; the weights, as a matrix, times these columns are the
result. For g groups, o outputs and c channels each, K = c·(offsets in the kernel) and P = places·images:

    z (g, o, P)  = w (g, o, K) columns (g, K, P)         columns = what is seen of x
    gradient for w (g, o, K) = u (g, o, P) columnsᵀ      columns = what is seen of x
    gradient for x           = wᵀ u                      these are columns (g, K, P), added up where they came from

The direct kernels (`windows`) read two numbers for each multiplication, most of them from caches. Columns cost a number
written and read for each one of x that is seen, whatever the outputs, so they are worth it where there are some. The
kernels that copy and add up are written here and not taken from the catalogue's convolution.cu, because they then know
the sizes, read x wherever it lies, and have any number of axes.

Source: K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for document processing"
(2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from teachgrad.executors.c.views import contiguous
from teachgrad.op import Shape
from teachgrad.ops.code import index
from teachgrad.ops.convolution import convolution, convolution_input_gradient, convolution_weight_gradient

from .catalogued import Operand, Way, way_of
from .matrices import multiply
from .windows import INDICES, OFFSETS, PLACES, loops, seen, windows_of

OUTPUTS, HEIGHT, LEAST = 16, 32, 1 << 20
"""Columns are worth it from so many outputs of a group, so high columns, and so many multiplications of a group on."""
MOST = 1 << 30
"""The most bytes of columns."""


@dataclass(frozen=True)
class Columns:
    """The columns of a convolution of x (channels, ..., images) with w (outputs, channels of a group, ...)."""

    x: Shape
    w: Shape
    places: Shape
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, way: Way, x: Shape, w: Shape, results: Shape) -> Columns | None:
        """The columns of a convolution of x with w, or of a gradient of it, where they are worth it."""
        v = way.work.v
        settings = {name: v.attrs[name] for name in ("stride", "padding", "dilation", "groups")}
        columns = cls(x, w, results[1:-1], settings)
        return columns if columns.worth_it(v.dtype.itemsize) else None

    @property
    def groups(self) -> int:
        return int(self.settings["groups"])

    @property
    def weights(self) -> Shape:
        """The weights as matrices, one a group."""
        return self.groups, self.w[0] // self.groups, prod(self.w[1:])

    @property
    def shape(self) -> Shape:
        """The columns as matrices."""
        return self.groups, prod(self.w[1:]), prod(self.places) * self.x[-1]

    @property
    def results(self) -> Shape:
        """What a convolution makes, as matrices."""
        return self.groups, self.w[0] // self.groups, self.shape[2]

    @property
    def axes(self) -> Shape:
        """The columns element by element: channel, offset, place, image."""
        return self.x[0], *self.w[2:], *self.places, self.x[-1]

    @property
    def are_the_input(self) -> bool:
        """Whether each place sees one element of x, in the order of x."""
        return prod(self.w[2:]) == 1 and self.places == self.x[1:-1] and set(self.settings["stride"]) == {1} and all(
            pair == (0, 0) for pair in self.settings["padding"])

    def worth_it(self, itemsize: int) -> bool:
        """Whether a product of matrices is better than the direct kernels."""
        _, outputs, height = self.weights
        return (outputs >= OUTPUTS and height >= HEIGHT and outputs * height * self.shape[2] >= LEAST
                and (self.are_the_input or prod(self.shape) * itemsize <= MOST))

    def gathered(self, way: Way) -> Operand:
        """The columns of x, in memory."""
        if self.are_the_input:
            return way.rows("x").seen(*self.shape)
        columns = way.workspace(*self.shape)
        k = way.threads("_im2col", 0, columns=columns)
        offsets, places = OFFSETS[:len(self.places)], PLACES[:len(self.places)]
        k.spread(["c", *offsets, *places, "n"], self.axes)
        k.put(f"{k.kind('columns')} sees = 0;")
        with seen(k, places, offsets, self.x[1:-1], self.settings["stride"], self.settings["padding"],
                  self.settings["dilation"]) as at:
            k.put(f"sees = {k.load('x', 'c', *at, 'n')};")
        k.put(k.store("at", "sees", "columns"))
        return columns

    def added_up(self, way: Way, columns: Operand) -> None:
        """z, which is like x: the sum of all elements of columns that saw an element."""
        k = way.threads("_col2im", columns.size, columns=columns)
        indices, offsets = INDICES[:len(self.places)], OFFSETS[:len(self.places)]
        k.spread(["c", *indices, "n"], self.x)
        k.put(f"{k.kind('z')} sum = 0;")
        with (loops(k, offsets, self.w[2:]) as each,
              windows_of(k, indices, each, self.places, self.settings["stride"], self.settings["padding"],
                         self.settings["dilation"]) as places):
            names = ("c", *("" if name == "0" else name for name in each), *places, "n")
            where = index(*zip(contiguous(self.axes), names, strict=True))
            k.put(f"sum += columns[{where}];")
        k.put(k.store("at", "sum"))


@way_of(convolution)
def forward(way: Way) -> bool:
    """z = w columns + b."""
    z, x, w = way.work.v, way.work.inputs["x"], way.work.inputs["w"]
    c = Columns.of(way, x.shape, w.shape, z.shape)
    if c is None:
        return False
    columns = c.gathered(way)
    multiply(way, way.rows("w").seen(*c.weights), columns, way.result("z", *c.results))
    if "b" in way.work.inputs:
        k = way.threads("_bias", z.size)
        k.spread(["o", "place"], (z.shape[0], z.size // z.shape[0]))
        k.put(k.store("at", f"z[at] + {k.load('b', 'o')}"))
    return True


@way_of(convolution_weight_gradient)
def for_weight(way: Way) -> bool:
    """z = u columnsᵀ."""
    z, u, x = way.work.v, way.work.inputs["u"], way.work.inputs["x"]
    c = Columns.of(way, x.shape, z.shape, u.shape)
    if c is None:
        return False
    columns = c.gathered(way)
    multiply(way, way.rows("u").seen(*c.results), columns, way.result("z", *c.weights), turn_b=True)
    return True


@way_of(convolution_input_gradient)
def for_input(way: Way) -> bool:
    """z = what wᵀ u is, where it was seen."""
    z, u, w = way.work.v, way.work.inputs["u"], way.work.inputs["w"]
    c = Columns.of(way, z.shape, w.shape, u.shape)
    if c is None:
        return False
    columns = way.result("z", *c.shape) if c.are_the_input else way.workspace(*c.shape)
    multiply(way, way.rows("w").seen(*c.weights), way.rows("u").seen(*c.results), columns, turn_a=True)
    if not c.are_the_input:
        c.added_up(way, columns)
    return True
