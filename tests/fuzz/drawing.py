"""Drawing random programs: valid by construction, because every line is chosen to fit values that are known.

While a program is drawn it also runs, in dynamic mode. So a row of the vocabulary knows shapes, dtypes and ranges of
what is there, picks operands for which its op is defined and well-conditioned, and makes new inputs where none fits.
This is the generation of NNSmith (Liu et al., ASPLOS 2023) without its solver: what it solves for is constructed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad.nn import functional as F

from .program import Input, Line, Program, laid_out

LARGEST = 240
"""No value has more elements than this."""
BOUND = 1e4
"""No value of an ordinary program is larger than this."""
TRIES = 12
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, 1e-3, 3.0, 88.0, -104.0, 1e30, -1e30, 1e-40, -1e-40)
INTEGERS = ("int64", "int64", "int64", "int32", "int8", "uint8", "int16")


ONCE = ("while_loop", "hardsigmoid")
"""What is differentiated once: a static graph refuses more of a while loop, PyTorch has no more of a hard sigmoid."""


class Unfit(Exception):
    """Nothing there fits what a row needs."""


class Refused(Exception):
    """teachgrad refuses a line that should be valid."""

    def __init__(self, program: Program, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.program = program


@dataclass(frozen=True, eq=False)
class Value:
    """What is known of a value while a program is drawn."""

    name: str
    array: Any

    def __str__(self) -> str:
        return self.name

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def rank(self) -> int:
        return self.array.ndim

    @property
    def kind(self) -> str:
        """"f", "i" or "b"."""
        return "i" if self.array.dtype.kind in "iu" else self.array.dtype.kind

    @property
    def dtype(self) -> str:
        return str(self.array.dtype)

    def within(self, low: float, high: float, away: float = 0.0) -> bool:
        """Whether all elements are in a range and, at the same time, so far away from 0."""
        if not self.array.size:
            return True
        a = self.array
        return bool(a.min() >= low and a.max() <= high and (not away or np.abs(a).min() >= away))


Row = Callable[["Draw"], None]
ROWS: dict[str, tuple[Row, float]] = {}
"""The vocabulary: each row draws a line, or raises `Unfit`; and how often it is tried."""


def row(weight: float = 1.0) -> Callable[[Row], Row]:
    """Add a function to the vocabulary."""
    def add(function: Row) -> Row:
        ROWS[function.__name__] = function, weight
        return function
    return add


class Draw:
    """A program being drawn."""

    def __init__(self, seed: int, *, needs: Sequence[str] = (), special: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.needs, self.special = needs, special
        self.dtype = "float32" if self.rng.random() < 0.6 else "float64"
        self.lengths = [int(n) for n in self.rng.choice((1, 2, 3, 4, 5, 7, 17), 4, p=(.1, .25, .25, .2, .1, .05, .05))]
        self.emptiness = 0.15 if self.rng.random() < 0.1 else 0.0
        self.inputs: dict[str, Input] = {}
        self.lines: list[Line] = []
        self.pool: list[Value] = []
        self.space: dict[str, Any] = {"tg": tg, "F": F, "np": np}
        self.row = ""

    # ---- choosing ----------------------------------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def one(self, of: Sequence[Any]) -> Any:
        return of[int(self.rng.integers(len(of)))]

    def whole(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def length(self) -> int:
        return 0 if self.chance(self.emptiness) else self.one(self.lengths)

    def shape(self, low: int = 0, high: int = 5) -> tuple[int, ...]:
        """The shape of a new input."""
        for _ in range(TRIES):
            rank = min(high, max(low, int(self.rng.choice(6, p=(.08, .25, .32, .2, .1, .05)))))
            shape = tuple(self.length() for _ in range(rank))
            if np.prod(shape) <= LARGEST:
                return shape
        raise Unfit

    def axis(self, x: Value) -> int:
        """An axis of x, perhaps counted from the end."""
        if not x.rank:
            raise Unfit
        axis = self.whole(0, x.rank - 1)
        return axis - x.rank if self.chance(0.3) else axis

    def axes(self, x: Value) -> Any:
        """None, an axis, or several."""
        if not x.rank or self.chance(0.2):
            return None
        if self.chance(0.6):
            return self.axis(x)
        return tuple(int(a) for a in self.rng.permutation(x.rank)[:self.whole(1, x.rank)])

    # ---- operands ----------------------------------------------------------------------------------------------------

    def find(self, fits: Callable[[Value], bool]) -> Value | None:
        """A value that fits; young ones are chosen more often."""
        fitting = [v for v in self.pool if fits(v)]
        if not fitting:
            return None
        return fitting[len(fitting) - 1 - min(int(self.rng.exponential(2.5)), len(fitting) - 1)]

    def value(self, kinds: str = "f", low: float = -BOUND, high: float = BOUND, *, away: float = 0.0,
              rank: tuple[int, int] = (0, 5), fits: Callable[[Value], bool] = lambda v: True,
              shape: tuple[int, ...] | None = None) -> Value:
        """An operand: of these kinds, with elements in a range, with such a rank, or with exactly this shape."""
        def suits(v: Value) -> bool:
            return (v.kind in kinds and rank[0] <= v.rank <= rank[1] and (shape is None or v.shape == shape) and fits(v)
                    and (v.kind != "f" or self.special or v.within(low, high, away)))

        found = self.find(suits) if self.chance(0.93) else None
        if found is not None:
            return found
        for _ in range(TRIES):
            new = self.new(shape if shape is not None else self.shape(*rank), kinds[0], max(low, -2.5), min(high, 2.5),
                           away=away, keep=False)
            if suits(new):
                return self.keep(new)
        raise Unfit

    def new(self, shape: tuple[int, ...], kind: str = "f", low: float = -2.0, high: float = 2.0, *, away: float = 0.0,
            keep: bool = True, dtype: str | None = None) -> Value:
        """A new input."""
        rng = self.rng
        if kind == "f":
            a = rng.uniform(low, high, shape)
            if away:
                sign = a if low < 0 < high else low + high
                a = np.where(np.abs(a) < away, np.copysign(away * (1.5 + np.abs(a)), sign), a)
            if self.special and low < 0:
                a = np.where(rng.random(shape) < 0.5, rng.choice(SPECIAL, shape), a)
            with np.errstate(over="ignore"):
                a = np.asarray(a).astype(dtype or self.dtype)
        elif kind == "b":
            a = np.asarray(rng.integers(0, 2, shape)).astype(bool)
        else:
            dtype = dtype or self.one(INTEGERS)
            lowest = 0 if dtype[0] == "u" else -5
            a = np.asarray(rng.integers(max(lowest, int(low)) if low > -2 else lowest, 6, shape)).astype(dtype)
        new = Value(f"x{len(self.inputs)}", a)
        return self.keep(new) if keep else new

    def keep(self, new: Value) -> Value:
        """Make a value an input."""
        a = new.array
        layouts = ["rows"] * 6 + (["columns"] if a.ndim > 1 else []) + (["spread", "backwards"] if a.ndim else [])
        x = Input(a, a.dtype.kind == "f" and not self.special and self.chance(0.85), self.one(layouts))
        self.inputs[new.name] = x
        self.space[new.name] = tg.from_dlpack(laid_out(x)) if a.ndim else tg.tensor(a)
        self.pool.append(new)
        return new

    def partner(self, x: Value, low: float = -BOUND, high: float = BOUND, *, away: float = 0.0,
                kinds: str | None = None, same_dtype: bool = True) -> Value:
        """A second operand that can be broadcast together with x."""
        def meets(v: Value) -> bool:
            try:
                return bool(np.prod(np.broadcast_shapes(v.shape, x.shape)) <= LARGEST) and (
                    v.dtype == x.dtype or (not same_dtype and (v.rank == 0) == (x.rank == 0)))  # see known.py
            except ValueError:
                return False

        found = self.find(lambda v: v.kind in (kinds or x.kind) and meets(v)
                          and (self.special or v.within(low, high, away))) if self.chance(0.8) else None
        if found is not None:
            return found
        shape = tuple(1 if self.chance(0.2) else n for n in x.shape[self.whole(0, x.rank) if self.chance(0.4) else 0:])
        kind = (kinds or x.kind)[0]
        return self.new(shape, kind, max(low, -2.0), min(high, 2.0), away=away,
                        dtype=x.dtype if kind == x.kind and (same_dtype or not shape) else None)

    # ---- lines -------------------------------------------------------------------------------------------------------

    def add(self, ours: str, torch: str | None = None, jax: str | None = None, results: int = 1) -> None:
        """A line whose right side is an expression; of a tuple, if there are several results."""
        first = sum(len(line.targets) for line in self.lines)
        targets = tuple(f"v{first + k}" for k in range(results))
        left = ", ".join(targets)
        self.finish(targets, {lib: f"{left} = {text}" for lib, text in
                              (("tg", ours), ("torch", torch), ("jax", jax)) if text is not None})

    def block(self, write: Callable[[str], tuple[str, str | None, str | None]]) -> None:
        """A line of several statements that make one value; `write` is told its name."""
        name = f"v{sum(len(line.targets) for line in self.lines)}"
        self.finish((name,), {lib: text for lib, text in zip(("tg", "torch", "jax"), write(name), strict=True)
                              if text is not None})

    def finish(self, targets: tuple[str, ...], texts: dict[str, str]) -> None:
        """Run a line, look at what it gives, and keep it if that is of a reasonable size."""
        if not all(library in texts for library in self.needs):
            raise Unfit
        line = Line(self.row, targets, texts)
        try:
            with np.errstate(all="ignore"), tg.no_grad():
                exec(texts["tg"], self.space)
        except Exception as error:
            program = Program(dict(self.inputs), (*self.lines, line), targets, order=0)
            raise Refused(program.trimmed(), error) from error
        made = [Value(name, np.array(self.space[name].numpy())) for name in targets]
        for v in made:
            if v.array.size > LARGEST:
                raise Unfit
            if not self.special and v.kind == "f" and not (np.isfinite(v.array).all() and v.within(-BOUND, BOUND)):
                raise Unfit
            if v.kind == "i" and not self.special and not v.within(-10**9, 10**9):
                raise Unfit
        self.lines.append(line)
        self.pool += made


def draw(seed: int, *, needs: Sequence[str] = (), special: bool | None = None) -> Program:
    """The program of a seed. `needs` are libraries in which it must exist."""
    from . import vocabulary

    if special is None:
        special = seed % 10 == 9
    d = Draw(seed, needs=needs, special=special)
    names = [name for name in ROWS if not special or name in vocabulary.SPECIAL]
    weights = np.array([ROWS[name][1] for name in names])
    weights = weights / weights.sum()
    wanted = d.whole(1, 6)
    for _ in range(4 * wanted):
        if len(d.lines) >= wanted:
            break
        d.row = names[int(d.rng.choice(len(names), p=weights))]
        known = dict(d.inputs), list(d.pool)
        try:
            ROWS[d.row][0](d)
        except Unfit:
            d.inputs, d.pool = known
    return finished(d)


def finished(d: Draw) -> Program:
    """Choose what is returned: the last values, some others, perhaps twice; and new values of cells."""
    made = [v for v in d.pool if v.name[0] == "v"]
    if not made:
        return Program({}, (), ())
    used = set().union(*(line.operands for line in d.lines))
    outputs = [v.name for v in made if v.name not in used or d.chance(0.2)]
    if d.chance(0.08):
        outputs.append(d.one(outputs))
    if d.chance(0.05) and d.inputs:
        outputs.append(d.one(list(d.inputs)))
    cells: dict[str, str] = {}
    for name, x in d.inputs.items():
        fitting = [v.name for v in made if v.shape == x.array.shape and v.array.dtype == x.array.dtype]
        if fitting and x.layout == "rows" and d.chance(0.12) and not d.special:
            cells[name] = d.one(fitting)
    once = any(words in line.texts["tg"] for line in d.lines for words in ONCE)
    order = 0 if d.special or not any(x.requires_grad for x in d.inputs.values()) else 2 if d.chance(0.12) else 1
    order = min(order, 1) if once else order
    aliased = any(np.shares_memory(d.space[a]._data, d.space[b]._data)
                  for a in cells for b in (*outputs, *cells.values()))
    return Program(d.inputs, tuple(d.lines), tuple(outputs), cells, order, aliased, d.special).trimmed()
