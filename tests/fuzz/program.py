"""A random program: inputs, lines of text, outputs. The same lines exist in teachgrad, PyTorch and JAX.

Inputs are called x0, x1, ...; what lines make, v0, v1, ... No other name in a line looks like that, so programs are
renamed, joined and disturbed by one regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

NAME = re.compile(r"\b[xv]\d+\b")
LIBRARIES = ("tg", "torch", "jax")


@dataclass(frozen=True)
class Line:
    """One op call. `texts` has the statement for each library that can do it, `row` says whose it is."""

    row: str
    targets: tuple[str, ...]
    texts: dict[str, str]

    @property
    def operands(self) -> set[str]:
        """The names that the line reads."""
        return set(NAME.findall(self.texts["tg"])) - set(self.targets)

    def disturbed(self) -> str:
        """The teachgrad statement with every operand and every result passed through the function `disturb`."""
        text = self.texts["tg"]
        prefix = f"{', '.join(self.targets)} = "
        plain = text.startswith(prefix) and ";" not in text
        body = NAME.sub(lambda m: m[0] if m[0] in self.targets else f"disturb({m[0]})",
                        text.removeprefix(prefix) if plain else text)
        if not plain:
            return body
        return prefix + (f"disturb({body})" if len(self.targets) == 1 else f"map(disturb, {body})")


@dataclass(frozen=True)
class Input:
    """An array that a program is given. `layout` says how it lies in memory; a cell gets a new value at the end."""

    array: Any
    requires_grad: bool = False
    layout: str = "rows"


@dataclass(frozen=True)
class Program:
    """Inputs by name, lines, the names that are returned, and the new values of inputs that are cells."""

    inputs: dict[str, Input]
    lines: tuple[Line, ...]
    outputs: tuple[str, ...]
    cells: dict[str, str] = field(default_factory=dict)
    order: int = 1
    """How often it is differentiated: 0, 1 or 2."""
    aliased: bool = False
    """Whether something that is returned lies in the memory of a cell, and changes with it."""
    special: bool = False
    """Whether inputs hold infinities, nan, and numbers without a reasonable size."""

    @property
    def wrt(self) -> list[str]:
        """The inputs that gradients are taken of."""
        return [name for name, x in self.inputs.items() if x.requires_grad] if self.order else []

    def can_run_in(self, library: str) -> bool:
        """Whether every line exists in a library."""
        return all(library in line.texts for line in self.lines)

    def mentions(self, dtype: str) -> bool:
        """Whether anything in it is of a dtype."""
        return any(x.array.dtype == dtype for x in self.inputs.values()) or any(dtype in line.texts["tg"]
                                                                                for line in self.lines)

    def function(self, library: str, name: str = "program", disturbed: bool = False) -> str:
        """The program as the text of a Python function of its inputs."""
        lines = [line.disturbed() if disturbed else line.texts[library] for line in self.lines]
        returned = ", ".join([*self.outputs, *self.cells.values()])
        return "\n    ".join([f"def {name}({', '.join(self.inputs)}):", *lines, f"return [{returned}]"]) + "\n"

    def renamed(self, number: int) -> Program:
        """The same program with names of its own."""
        def new(text: str) -> str:
            return NAME.sub(lambda m: f"{m[0][0]}{number:03d}0{m[0][1:]}", text)

        lines = tuple(Line(line.row, tuple(map(new, line.targets)), {k: new(t) for k, t in line.texts.items()})
                      for line in self.lines)
        return replace(self, inputs={new(k): v for k, v in self.inputs.items()}, lines=lines,
                       outputs=tuple(map(new, self.outputs)), cells={new(k): new(v) for k, v in self.cells.items()})

    def trimmed(self) -> Program:
        """Without the lines and inputs that nothing returned depends on."""
        needed = {*self.outputs, *self.cells, *self.cells.values()}
        kept: list[Line] = []
        for line in reversed(self.lines):
            if needed.intersection(line.targets):
                kept.append(line)
                needed |= line.operands
        return replace(self, lines=tuple(reversed(kept)), inputs={k: v for k, v in self.inputs.items() if k in needed})


def laid_out(x: Input) -> Any:
    """The array of an input in memory as its layout says: rows, columns, every other element, or backwards."""
    a = x.array
    if x.layout == "columns":
        return np.array(a.T, order="C").T
    if x.layout == "spread":
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if x.layout == "backwards":
        return np.array(a[::-1], order="C")[::-1]
    return np.array(a, order="C")


def numbers(a: Any) -> str:
    """An array as text that makes it again, bit for bit."""
    body = repr(a.tolist()).replace("inf", "np.inf").replace("nan", "np.nan")
    return f"np.array({body}, np.{a.dtype}).reshape({a.shape})"


def rows_of(programs: Iterable[Program]) -> dict[str, int]:
    """How many lines of each row of the vocabulary programs have."""
    counts: dict[str, int] = {}
    for program in programs:
        for line in program.lines:
            counts[line.row] = counts.get(line.row, 0) + 1
    return counts
