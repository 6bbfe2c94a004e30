"""Loops and branches: their bodies as CUDA, and where what they hand on lies.

A body is a building of its own, and its launches are made once for each turn of the loop. What a loop hands on lies in
one place from the first turn to the last, and the body writes the new over the old, straight where nobody reads the old
value later. The results of the vertex are that place, and the rows of what each turn answers. Whatever else is needed
lies in a room, which the plan gives for as long as the loop lasts. `executors.turns` says who launches what, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from teachgrad.control.body import Body
from teachgrad.control.cond_op import Cond
from teachgrad.control.scan_op import Scan
from teachgrad.control.while_op import WhileGradient, WhileLoop
from teachgrad.dtypes import uint8
from teachgrad.op import Spec, Vertex
from teachgrad.passes.plan import aligned

from .catalogued import ALIGNMENT, is_straight

if TYPE_CHECKING:
    from .building import CudaBody, CudaBuilding

TRUTH = Spec((), np.dtype(bool))


class Loop:
    """A loop or a branch. `items` are the results that somebody reads, by number."""

    bodies: dict[str, CudaBody]

    def __init__(self, v: Vertex, items: Sequence[Vertex], outer: CudaBuilding) -> None:
        self.v, self.outer = v, outer
        self.items = {w.attrs["index"]: w for w in sorted(items, key=lambda w: w.attrs["index"])}
        self.again = [w for w in items if self.items[w.attrs["index"]] is not w]
        """Results that are among the items already, and are to be in memory of their own."""
        self.places: dict[Hashable, tuple[int, Spec]] = {}
        """Where in the room what lies, by a name of ours."""
        self.size = 0
        for k, x in enumerate(v.inputs):
            if not is_straight(x, outer.views):
                self.take(("input", k), Spec(x.shape, x.dtype))
        self.prepare(v.attrs)
        self.take("memory", Spec((max(body.arena for body in self.bodies.values()),), uint8))
        self.room = Vertex(Spec((self.size,), uint8))

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        """Make the bodies, and take room for what is not a result."""
        raise NotImplementedError

    def take(self, name: Hashable, spec: Spec) -> None:
        """A place in the room."""
        self.places[name] = self.size, spec
        self.size += aligned(spec.nbytes)

    def take_rows(self, name: str, k: int, row: Spec) -> None:
        """A place for a row of a sequence, if not all rows begin where kernels may take them from."""
        if row.nbytes % ALIGNMENT:
            self.take((name, k), row)

    def body(self, body: Body, outputs: Sequence[int], carries: int = 0) -> CudaBody:
        """The CUDA of a body with some of its outputs, the first ones being what the next turn is given."""
        return self.outer.body(body.handing_on(carries, outputs))

    @property
    def fails(self) -> bool:
        """Whether a kernel of a body may refuse values."""
        return any(body.can_fail(group) for body in self.bodies.values() for group in body.order)

    def told(self) -> str:
        """How often the bodies run."""
        raise NotImplementedError


LOOPS: dict[type, type[Loop]] = {}
"""What a vertex is as CUDA, by the class of its op."""


def loop_of(op: type) -> Callable[[type[Loop]], type[Loop]]:
    """Let a class describe the vertices of an op."""
    def note(kind: type[Loop]) -> type[Loop]:
        LOOPS[op] = kind
        return kind

    return note


@loop_of(Scan)
class ScanLoop(Loop):
    """c_t, y_t = body(c_{t-1}, x_t, w), so many times."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.length, self.carries, self.reverse = attrs["length"], attrs["carries"], attrs["reverse"]
        self.fixed = self.carries + attrs["sequences"]
        self.rows = [k for k in self.items if k >= self.carries]
        step = self.body(attrs["body"], self.rows, self.carries)
        self.bodies = {"step": step}
        for k, leaf in enumerate(step.graph.inputs[:self.fixed]):
            if k >= self.carries:
                self.take_rows("x", k, leaf._data)
            elif k not in self.items:
                self.take(("carry", k), leaf._data)
        for k, y in zip(self.rows, step.graph.outputs, strict=True):
            self.take_rows("y", k, y._data)

    def told(self) -> str:
        times = "once" if self.length == 1 else f"{self.length} times"
        return f"{times}{', from the last row to the first' if self.reverse else ''}"


@loop_of(Cond)
class Branch(Loop):
    """then(x) or otherwise(x)."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.bodies = {key: self.body(attrs[key], list(self.items)) for key in ("then", "otherwise")}

    def told(self) -> str:
        return "one of two, as a truth value says that is read back"


@loop_of(WhileLoop)
class While(Loop):
    """while condition(c, w): c = body(c, w)."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.carries, self.most = attrs["carries"], attrs["max_steps"]
        self.rows = [k for k in self.items if k > self.carries]
        step = self.body(attrs["body"], [k - 1 for k in self.rows], self.carries)
        self.bodies = {"condition": self.body(attrs["condition"], [0]), "step": step}
        self.take("truth", TRUTH)
        for k, leaf in enumerate(step.graph.inputs[:self.carries]):
            if k not in self.items:
                self.take(("carry", k), leaf._data)
        for k, y in zip(self.rows, step.graph.outputs, strict=True):
            self.take(("y", k), y._data)

    def told(self) -> str:
        return "as long as a truth value says that is read back" + (
            "" if self.most is None else f", {self.most} times at most")


@loop_of(WhileGradient)
class WhileBack(Loop):
    """The gradient of a while loop: from the last step to the first, by the body of the state that each is in."""

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        self.plans, self.starts, self.saved, self.given = (attrs[key] for key in ("plans", "starts", "saved", "given"))
        self.keys = [k for k, _ in attrs["handed"]]
        self.bodies = {f"state {number}": self.outer.body(plan.handing_on(body))
                       for number, (body, plan) in enumerate(zip(attrs["bodies"], self.plans, strict=True))}
        for number, (k, spec) in enumerate(attrs["handed"]):
            if number not in self.items:
                self.take(("gradient", k), spec)
        for k, rows in zip(self.saved, self.v.inputs[1 + len(self.starts):], strict=False):
            self.take(("kept", k), Spec(rows.shape[1:], rows.dtype))

    def told(self) -> str:
        return "as often as a number says that is read back"
