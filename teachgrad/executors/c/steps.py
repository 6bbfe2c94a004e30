"""The functions of scans, branches and while loops: which body they call, how often, and on which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ...control.cond_op import Cond
from ...control.scan_op import Scan
from ...control.while_op import WhileGradient, WhileLoop
from ...dtypes import C_TYPES
from ...graph import describe
from ...op import Vertex
from .control import BodyCode, LoopCode, code_of, place


@code_of(Scan)
class ScanCode(LoopCode):
    """c_t, y_t = body(c_{t-1}, x_t, w) as a loop."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.length, self.carries, self.reverse = attrs["length"], attrs["carries"], attrs["reverse"]
        carries = self.carries
        self.fixed = carries + attrs["sequences"]
        self.rows = [k for k in self.items if k >= carries]
        self.bodies = {"step": self.body(attrs["body"], self.rows, carries)}
        self.leaves = self.bodies["step"].graph.inputs
        self.places = {k: self.take(self.leaves[k]._data.nbytes) for k in range(carries) if k not in self.items}
        """Where in the room those lie that are handed on, but are no results."""

    def names(self, labels: Mapping[int, str]) -> list[str]:
        ending = ["_first"] * self.carries + ["_rows"] * (self.fixed - self.carries)
        return [labels[leaf.id] + (ending[k] if k < self.fixed else "") for k, leaf in enumerate(self.leaves)]

    def result(self, k: int) -> str:
        step = self.bodies["step"]
        if k < self.carries:
            return step.label[self.leaves[k].id]
        return f"{step.label[step.graph.outputs[self.rows.index(k)].id]}_rows"

    def lines(self, name: str) -> list[str]:
        step = self.bodies["step"]
        names = self.names(step.label)
        lines = handed_on(self.leaves[:self.carries], step.label, self.places, names)
        arguments = [step.label[leaf.id] for leaf in self.leaves[:self.carries]]
        arguments += [row(names[k], self.leaves[k].size) for k in range(self.carries, self.fixed)]
        arguments += names[self.fixed:]
        arguments += [row(self.result(k), self.items[k].size // self.length) for k in self.rows]
        n = self.length
        turns = f"int64_t t = {n - 1}; t >= 0; t--" if self.reverse else f"int64_t t = 0; t < {n}; t++"
        return [*lines, f"for ({turns})", f"    {self.call(name, 'step', arguments)}", "return 0;"]


@code_of(Cond)
class CondCode(LoopCode):
    """then(x) or otherwise(x), as a branch."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.bodies = {key: self.body(attrs[key], list(self.items)) for key in ("then", "otherwise")}

    def names(self, labels: Mapping[int, str]) -> list[str]:
        return ["going", *(labels[leaf.id] for leaf in self.bodies["then"].graph.inputs)]

    def result(self, k: int) -> str:
        then = self.bodies["then"]
        return f"{then.label[then.graph.outputs[list(self.items).index(k)].id]}_out"

    def lines(self, name: str) -> list[str]:
        arguments = [*self.names(self.bodies["then"].label)[1:], *map(self.result, self.items)]
        return ["if (*going) {", f"    {self.call(name, 'then', arguments)}", "} else {",
                f"    {self.call(name, 'otherwise', arguments)}", "}", "return 0;"]


@code_of(WhileLoop)
class WhileCode(LoopCode):
    """while condition(c, w): c = body(c, w)."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.carries, self.most = attrs["carries"], attrs["max_steps"]
        self.rows = [k for k in self.items if k > self.carries]
        self.bodies = {"step": self.body(attrs["body"], [k - 1 for k in self.rows], self.carries),
                       "goes_on": self.body(attrs["condition"], [0])}
        self.leaves = self.bodies["step"].graph.inputs
        self.places = {k: self.take(self.leaves[k]._data.nbytes) for k in range(self.carries) if k not in self.items}

    def names(self, labels: Mapping[int, str]) -> list[str]:
        return [labels[leaf.id] + ("_first" if k < self.carries else "") for k, leaf in enumerate(self.leaves)]

    def result(self, k: int) -> str:
        step = self.bodies["step"]
        if k < self.carries:
            return step.label[self.leaves[k].id]
        if k == self.carries:
            return "count_out"
        return f"{step.label[step.graph.outputs[self.rows.index(k)].id]}_rows"

    def lines(self, name: str) -> list[str]:
        step = self.bodies["step"]
        lines = handed_on(self.leaves[:self.carries], step.label, self.places, self.names(step.label))
        given = [step.label[leaf.id] for leaf in self.leaves]
        rows = [f"{self.result(k)} + {self.items[k].size // self.most} * t" for k in self.rows]
        limit = "" if self.most is None else f"t < {self.most}"
        return [*lines, "int64_t t = 0;", f"for (; {limit}; t++) {{", "    bool going;",
                f"    {self.call(name, 'goes_on', [*given, '&going'])}", "    if (!going) break;",
                f"    {self.call(name, 'step', [*given, *rows])}", "}",
                *(["*count_out = t;"] if self.carries in self.items else []), "return 0;"]


@code_of(WhileGradient)
class WhileGradientCode(LoopCode):
    """The gradient of a while loop: from the last step to the first, by the body of the state that each is in."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.plans, self.starts, self.saved, self.given = (attrs[key] for key in ("plans", "starts", "saved", "given"))
        self.keys = [k for k, _ in attrs["handed"]]
        self.bodies = {f"state_{number}": BodyCode(plan.handing_on(body), self.exact, self.team)
                       for number, (body, plan) in enumerate(zip(attrs["bodies"], self.plans, strict=True))}
        self.specs = dict(attrs["handed"])
        self.places = {k: self.take(self.specs[k].nbytes) for i, k in enumerate(self.keys) if i not in self.items}

    def names(self, labels: Mapping[int, str]) -> list[str]:
        return ["steps", *(f"gradient_{k}_first" for k in self.starts), *(f"kept_{k}_rows" for k in self.saved),
                *(f"given_{k}" for k in self.given)]

    def result(self, k: int) -> str:
        return f"gradient_{self.keys[k]}"

    def lines(self, name: str) -> list[str]:
        lines = [f"{C_TYPES[self.specs[k].dtype]} *gradient_{k} = (void *){place(at)};  // {describe(self.specs[k])}"
                 for k, at in self.places.items()]
        lines += [f"memcpy(gradient_{k}, gradient_{k}_first, {self.specs[k].nbytes});" for k in self.starts]
        lines += ["int state = 0, last = -1;", "for (int64_t t = *steps - 1; t >= 0; t--) {", "    last = state;"]
        for number, plan in enumerate(self.plans):
            inside = (*plan.seeds, *plan.totals)
            graph = self.bodies[f"state_{number}"].graph
            rows = [row(f"kept_{k}_rows", leaf.size)
                    for k, leaf in zip(plan.saved, graph.inputs[len(inside):], strict=False)]
            given = [*(f"gradient_{k}" for k in inside), *rows, *(f"given_{k}" for k in plan.given),
                     *(f"gradient_{k}" for k in plan.answers if k not in inside)]
            lines += [f"    if (last == {number}) {{",
                      f"        {self.call(name, f'state_{number}', given)}", f"        state = {plan.after};", "    }"]
        return [*lines, "}", *(line for i in self.items for line in self.filled(self.keys[i])), "return 0;"]

    def filled(self, k: int) -> list[str]:
        """The statements that give -0.0 to a gradient, where the last step that was gone back through has left none."""
        there = {-1: self.starts, **{number: plan.answers for number, plan in enumerate(self.plans)}}
        without = [f"last == {state}" for state, keys in there.items() if k not in keys]
        return [f"for (int64_t i = 0; i < {prod(self.specs[k].shape)} && ({' || '.join(without)}); i++)",
                f"    gradient_{k}[i] = -0.0;"] if without else []


def handed_on(leaves: Sequence[Vertex], labels: Mapping[int, str], places: Mapping[int, int],
              names: Sequence[str]) -> list[str]:
    """The statements that give what is handed on its first values, from arrays of these names."""
    lines = []
    for k, leaf in enumerate(leaves):
        label = labels[leaf.id]
        if k in places:
            lines.append(f"{C_TYPES[leaf.dtype]} *{label} = (void *){place(places[k])};  // {describe(leaf._data)}")
        lines.append(f"memcpy({label}, {names[k]}, {leaf._data.nbytes});")
    return lines


def row(name: str, size: int) -> str:
    """The row of a step."""
    return f"{name} + {size} * t" if size != 1 else f"{name} + t"


__all__ = ["CondCode", "ScanCode", "WhileCode", "WhileGradientCode"]
