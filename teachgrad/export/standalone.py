"""The C of a graph that stands alone: kernels, and one function that calls them on memory that the caller owns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import C_TYPES
from ..errors import ExecutorError
from ..executors.c import products
from ..executors.c.building import helpers, reductions
from ..executors.c.control import ControlBuilding
from ..executors.c.groups import Group
from ..executors.c.spelling import constant_array
from ..graph import describe, is_constant
from ..op import Spec, Vertex
from .snapshot import Snapshot

WIDTH = 120
"""Longer lines are folded."""
EMBEDDED = 1024
"""Up to so many numbers stand in the source; more are in a file beside it."""


@dataclass(frozen=True, eq=False)
class Field:
    """An array that is there before the first call: a parameter, a state of an optimizer, a large constant."""

    name: str
    array: Any

    @property
    def type(self) -> str:
        return C_TYPES[self.array.dtype]

    @property
    def words(self) -> str:
        """What it is, for a comment."""
        return describe(Spec(self.array.shape, self.array.dtype))

    @property
    def declaration(self) -> str:
        """Its line in a struct."""
        return f"{self.type} {self.name}" + (f"[{self.array.size}]" if self.array.ndim else "")

    def address(self, struct: str) -> str:
        """Where it is, in a struct that a variable of this name points to."""
        return f"{'' if self.array.ndim else '&'}{struct}->{self.name}"


class Standalone(ControlBuilding):
    """A graph as C without Python: no compiler, no BLAS and no table of pointers.

    What is called `stem` is run by the function `stem_run`, or, if it trains, `stem_step`.
    """

    functions: list[Any]

    def __init__(self, snapshot: Snapshot, stem: str, train: bool) -> None:
        self.values, self.stem, self.train = snapshot.values, stem, train
        self.constants: dict[int, Vertex] = {}
        """The constants of the graph that kernels read as arrays, by id."""
        super().__init__(snapshot.graph, exact=False)

    def divide(self) -> None:
        """One segment of C; what has no C yet is refused by name."""
        missing: dict[str, Vertex] = {}
        for group in self.order:
            if group.kind == "numpy":
                missing.setdefault(str(group.members[0].op), group.members[0])
        if missing:
            lines = [f"  {name}" + (f"   {where}" if (where := self.graph.where(v)) else "")
                     for name, v in missing.items()]
            raise ExecutorError(f"{self.graph.name} cannot be exported: there is no C for\n" + "\n".join(lines) +
                                "\nWay out: write these with other ops, or do them outside the function.")
        super().divide()

    def compiled(self) -> list[Any]:
        return []

    # ---- arrays that are there before the first call -----------------------------------------------------------------

    @property
    def fields(self) -> list[Field]:
        """All such arrays, in the order of the file of weights; constants last."""
        return [Field(self.label[v.id], self.values.get(v.id, v._data))
                for v in (*self.graph.cells, *self.constants.values())]

    @property
    def embedded(self) -> bool:
        """Whether their numbers stand in the source; zeros cost nothing there."""
        return sum(int(np.count_nonzero(field.array)) for field in self.fields) <= EMBEDDED

    @property
    def struct(self) -> str:
        """The name of the variable that holds them: a state that the function changes, or weights; "" for none."""
        if self.train:
            return "state" if self.graph.cells or not self.embedded else ""
        return "weights" if self.fields and not self.embedded else ""

    @property
    def held(self) -> list[Field]:
        """Those that are in the struct."""
        if not self.struct:
            return []
        return self.fields[:len(self.graph.cells)] if self.embedded else self.fields

    def holds(self, field: Field) -> bool:
        """Whether an array is in the struct."""
        return field.name in [other.name for other in self.held]

    # ---- text --------------------------------------------------------------------------------------------------------

    @property
    def returned(self) -> Vertex | None:
        """The value that the function returns: a single number, the loss, as the only result of a training step."""
        outputs = self.graph.outputs
        single = self.train and len(outputs) == 1 and outputs[0].size == 1 and outputs[0].dtype.kind == "f"
        return outputs[0] if single else None

    @property
    def function(self) -> str:
        """The name of the function."""
        return f"{self.stem}_{'step' if self.train else 'run'}"

    @property
    def prototype(self) -> str:
        """The function without its body."""
        outputs = [] if self.returned is not None else self.graph.outputs
        const = "" if self.train else "const "
        parameters = [f"{const}{self.stem}_{self.struct} *{self.struct}"] if self.struct else []
        parameters += [f"{self.stem}_memory *memory"] if self.arena else []
        written = {leaf.id for leaf, _ in self.graph.updates}
        parameters += [f"{'' if v.id in written else 'const '}{C_TYPES[v.dtype]} *{self.label[v.id]}"
                       for v in self.graph.inputs]
        parameters += [f"{C_TYPES[v.dtype]} *{self.label[v.id]}" for v in outputs]
        kind = "int" if self.returned is None else C_TYPES[self.returned.dtype]
        return f"{kind} {self.function}({', '.join(parameters) or 'void'})"

    def maker(self, product: products.Product) -> str:
        made = super().maker(product)
        return "tiles" if made == "blas" else made

    def title(self, kernels: int) -> str:
        return super().title(kernels).replace(" */", f"\n   {self.stem}.h says how to call it. */")

    def head(self, kernels: list[str], runs: list[str]) -> list[str]:
        """What stands before the kernels."""
        text = "\n".join(kernels + runs)
        names = ["math.h", "stdbool.h", "stdint.h"] + ([] if self.embedded else ["stdio.h"])
        names += ["string.h"] if "memcpy" in text or self.struct else []
        lines = [f'#include "{self.stem}.h"', "", *(f"#include <{name}>" for name in names), ""]
        if "#pragma" in text:
            lines += ["/* With -fopenmp-simd the compiler may use vectors where these lines say so. */",
                      "#ifdef __GNUC__", '#pragma GCC diagnostic ignored "-Wunknown-pragmas"', "#endif", ""]
        lines += [*reductions(text), *helpers(text)]
        for field in self.fields:
            if not self.holds(field):
                lines += constant_array(f"{self.stem}_{field.name}", field.array, field.words)
        return lines

    def write(self) -> None:
        super().write()
        text = self.source.replace("KERNEL ", "static ")
        self.source = "\n".join(folded(line) for line in text.split("\n"))

    def kernel(self, group: Group, name: str, used: dict[int, Vertex]) -> tuple[str, str]:
        text, call = super().kernel(group, name, used)
        self.constants |= {number: v for number, v in used.items() if is_constant(v)}
        return text, call.replace("return 1;", "return NAN;") if self.returned is not None else call

    def run(self, name: str, calls: list[str], used: dict[int, Vertex]) -> str:
        """The function that calls the kernels."""
        copied = [(leaf, new) for leaf, new in self.graph.updates if new.id not in self.direct]
        used |= {v.id: v for pair in copied for v in pair}
        lines = [self.prototype, "{"]
        lines += [f"    (void){self.label[v.id]};" for v in self.graph.inputs if v.id not in used]
        lines += [line for v in used.values() if (line := self.pointer(v))]
        if self.returned is not None:
            kind, label = C_TYPES[self.returned.dtype], self.label[self.returned.id]
            lines.append(f"    {kind} {label}[1];")
        lines = [*dict.fromkeys(lines), "", *(f"    {call}" for call in calls)]
        lines += [f"    {self.assignment(leaf, new)}" for leaf, new in copied]
        result = "0" if self.returned is None else f"{self.label[self.returned.id]}[0]"
        return "\n".join([*lines, f"    return {result};", "}", ""])

    def assignment(self, leaf: Vertex, new: Vertex) -> str:
        """The statement that writes a new value into a leaf."""
        target, source = self.label[leaf.id], self.label[new.id]
        return f"*{target} = *{source};" if leaf.size == 1 else f"memcpy({target}, {source}, {leaf._data.nbytes});"

    def pointer(self, v: Vertex) -> str:
        """The line that says where an array is; "" if it is a parameter."""
        label, kind = self.label[v.id], C_TYPES[v.dtype]
        leaf = self.direct.get(v.id)
        if v.id in self.offsets:
            offset = self.offsets[v.id] // 8
            where = f"(memory->arena + {offset})" if offset else "memory->arena"
            return f"    {kind} *{label} = (void *){where};  /* {describe(v._data)} */"
        home = self.label[(leaf or v).id]
        field = next((field for field in self.fields if field.name == home), None)
        if field is not None:
            held = self.holds(field)
            const = "" if held and self.train else "const "
            where = field.address(self.struct) if held else f"{self.stem}_{home}"
            return f"    {const}{kind} *{label} = {where};"
        return f"    {kind} *{label} = {home};" if leaf is not None else ""


def folded(line: str) -> str:
    """A line of C as several, if it is long: its comment above it, and a break after a comma or before an operator."""
    start = len(line) - len(line.lstrip())
    if len(line) <= WIDTH or line[start:].startswith(("#", "/*", "*", "//")):
        return line
    line, _, comment = line.partition("  // ")
    parts = [f"{line[:start]}// {comment}"] if comment else []
    indent = " " * (start + 4)
    while len(line) > WIDTH:
        at = max(line.rfind(", ", 0, WIDTH) + 1, *(line.rfind(f" {sign} ", 0, WIDTH) for sign in "?:+-*/"))
        if at <= len(indent):
            break
        parts.append(line[:at])
        line = indent + line[at + 1:]
    return "\n".join([*parts, line])


def arguments(standalone: Standalone, names: Sequence[str]) -> str:
    """The arguments of a call of the function: the struct and the memory, then these."""
    own = [f"&{standalone.struct}"] if standalone.struct else []
    own += ["&memory"] if standalone.arena else []
    return ", ".join([*own, *names])


__all__ = ["Field", "Standalone", "arguments", "folded"]
