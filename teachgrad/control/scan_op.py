"""The vertex of a scan, and its gradient: scans in the other direction, over values that the first one kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..op import Array, Spec, apply, state
from ..ops.elementwise import add
from ..ops.shape import reshape
from ..ops.steps import join_sections, nothing, one_zero, sections
from ..ops.tuples import item
from .body import Body, Control, flops_in, own, values_in
from .pulling import Pulled, pull


class Scan(Control):
    r"""c_t, y_t = body(c_{t-1}, x_t, w) for t = 1 ... n;   z = (c_n, y_1 ... y_n)

    Inputs are the first carries c_0, the sequences x along their first axis, and the captured values w. The gradient is
    the same loop backwards; what it needs of the values of each step is kept as a further sequence y.
    """

    def infer(self, *inputs: Spec, body: Body, length: int, carries: int, **settings: Any) -> Any:
        outputs = [v._data if type(v._data) is Spec else Spec(v.shape, v.dtype) for v in body.graph.outputs]
        return (*outputs[:carries], *[Spec((length, *y.shape), y.dtype) for y in outputs[carries:]])

    def forward(self, xp: Any, *inputs: Array, body: Body, length: int, carries: int, sequences: int, reverse: bool,
                recompute: bool) -> Any:
        carry, captured = list(inputs[:carries]), inputs[carries + sequences:]
        stacks: list[Array] = []
        for t in steps(length, reverse):
            answers = body([*carry, *[x[t, ...] for x in inputs[carries:carries + sequences]], *captured])
            carry = answers[:carries]
            stacks = stacks or [stack_of(length, y) for y in answers[carries:]]
            for stack, y in zip(stacks, answers[carries:], strict=True):
                stack[t] = y
        return (*map(own, carry), *stacks)

    def flops(self, z: Any, *inputs: Any, body: Body, length: int, **settings: Any) -> int:
        return length * flops_in(body)

    def unrolled(self, *inputs: Array, body: Body, length: int, carries: int, sequences: int,
                 reverse: bool, recompute: bool) -> Iterator[tuple[Body, Mapping[int, Any]]]:
        """The values in the body, step by step."""
        carry = list(inputs[:carries])
        for t in steps(length, reverse):
            leaves = [*carry, *[x[t, ...] for x in inputs[carries:carries + sequences]], *inputs[carries + sequences:]]
            values = values_in(body, leaves)
            yield body, values
            carry = [values[v.id] for v in body.graph.outputs[:carries]]

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        ScanGradient(g, z, inputs, found, gradients).run()


def stack_of(length: int, row: Array) -> Array:
    """Room for rows, which will lie as this one does: last bits may depend on that."""
    order = sorted(range(row.ndim), key=lambda axis: -abs(row.strides[axis]))
    stack = np.empty((length, *[row.shape[axis] for axis in order]), row.dtype)
    return stack.transpose(0, *[1 + order.index(axis) for axis in range(row.ndim)])


def steps(length: int, reverse: bool) -> range:
    """The rows of the sequences in the order in which the steps take them."""
    return range(length - 1, -1, -1) if reverse else range(length)


scan = Scan()


class ScanGradient:
    """Carries gradients back through one scan, by scans in the other direction.

    One is enough where all steps have the same gradients to pull back. The last step may lack some (those of a last
    carry that is not used), so it often gets a scan of its own.
    """

    def __init__(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
                 gradients: dict[int, Any]) -> None:
        self.z, self.inputs, self.found, self.gradients = z, inputs, found, gradients
        outputs, leaves = z.attrs["body"].graph.outputs, z.attrs["body"].graph.inputs
        self.carries, self.fixed = z.attrs["carries"], z.attrs["carries"] + z.attrs["sequences"]
        live = {k: y for k, y in enumerate(g) if y is not None and outputs[k].requires_grad}
        self.carry = {k: y for k, y in live.items() if k < self.carries}
        """Gradients of the carries after the steps that are left, by number."""
        self.slots = {k: y for k, y in live.items() if k >= self.carries}
        """Gradients of what the steps answer."""
        self.wanted = [k for k, leaf in enumerate(leaves) if leaf.requires_grad
                       and (k < self.carries or inputs[k].id in found)]
        self.left = z.attrs["length"]
        """How many steps are left."""
        self.rows: dict[int, list[tuple[int, Any]]] = {k: [] for k in self.wanted if self.carries <= k < self.fixed}
        """How many rows of the sequences have which gradient, None for none, the last steps first."""
        self.rest: dict[tuple[str, int], Any] = {}
        """What is left of sequences: of gradients, of kept values, of those that the scan was given."""

    def run(self) -> None:
        """Go back through all steps, then add what has come to the sequences and the first carries."""
        while self.left and (self.slots or self.carry):
            pattern = set(self.carry), {k for k in self.wanted if k >= self.fixed and self.total(k) is not None}
            seeds = [*sorted(self.slots, reverse=True), *sorted(self.carry, reverse=True)]
            pulled = self.pulled(seeds, sorted(pattern[1]))
            after = {k for k in pulled.answers if k < self.carries}, {k for k in pulled.answers if k >= self.fixed}
            self.go_back(pulled, self.left if after == pattern else 1)
        for k in sorted(self.rows, reverse=True):
            self.add(k, self.joined(k))
        for k in sorted(self.carry, reverse=True):
            self.add(k, self.carry[k])

    def total(self, k: int) -> Any:
        """The gradient that input k has so far."""
        return self.gradients.get(self.inputs[k].id)

    def add(self, k: int, g: Any) -> None:
        """A gradient has come to input k."""
        if g is not None and self.inputs[k].id in self.found:
            total = self.total(k)
            self.gradients[self.inputs[k].id] = g if total is None else add(total, g)

    def pulled(self, seeds: list[int], totals: list[int]) -> Pulled:
        """The gradient of the body; the scan then keeps what that needs."""
        a = self.z.attrs
        body, pulled = pull(a["body"], seeds, self.wanted, totals, range(self.carries, len(self.inputs)), self.carries,
                            a["recompute"])
        self.z.attrs = {**a, "body": body}
        self.z._data = scan.infer(**self.z.attrs)
        return pulled

    def go_back(self, pulled: Pulled, count: int) -> None:
        """Go back through the last `count` of the steps that are left."""
        handed = [k for k in pulled.answers if k not in self.rows]
        rows = [k for k in pulled.answers if k in self.rows]
        before = {k: (leaf, self.carry[k]) for k, leaf in pulled.seeds.items() if k < self.carries}
        before |= {k: (leaf, self.total(k)) for k, leaf in pulled.totals.items()}
        sequences = [(leaf, self.cut("y", k, self.slots[k], count)) for k, leaf in pulled.seeds.items()
                     if k >= self.carries]
        sequences += [(leaf, self.cut("kept", k, item(self.z, k), count)) for k, leaf in pulled.saved.items()]
        sequences += [(leaf, self.cut("x", k, self.inputs[k], count)) for k, leaf in pulled.given.items()
                      if k < self.fixed]
        captured = [(leaf, self.inputs[k]) for k, leaf in pulled.given.items() if k >= self.fixed]
        firsts = [before[k] for k in handed] if count > 1 else []
        if count == 1:  # what is handed on may be other gradients than those that are handed in
            captured += before.values()
        inputs = [*firsts, *sequences, *captured]
        body = pulled.body([leaf for leaf, _ in inputs], [pulled.answers[k] for k in (*handed, *rows)])
        z = apply(scan, tuple([x for _, x in inputs]), {
            "body": body, "length": count, "carries": len(firsts), "sequences": len(sequences),
            "reverse": not self.z.attrs["reverse"], "recompute": self.z.attrs["recompute"]})
        answers = {k: item(z, number) for number, k in enumerate((*handed, *rows))}
        for k in handed if count == 1 else ():
            answers[k] = reshape(answers[k], answers[k].shape[1:])
        self.carry = {k: answers[k] for k in handed if k < self.carries}
        self.gradients.update((self.inputs[k].id, answers[k]) for k in handed if k >= self.carries)
        for k, found in self.rows.items():
            found.append((count, answers.get(k)))
        self.left -= count

    def cut(self, kind: str, k: int, x: Any, count: int) -> Any:
        """The rows of the last `count` steps that are left, of a sequence."""
        x = self.cut_off(self.rest.get((kind, k), x), self.left)[0]
        self.rest[kind, k], rows = self.cut_off(x, self.left - count)
        return rows

    def cut_off(self, x: Any, count: int) -> tuple[Any, Any]:
        """A sequence in two: the rows of its first `count` steps, and the others."""
        others = x.shape[0] - count
        if not others:
            return x, None
        if not count:
            return None, x
        lengths = (others, count) if self.z.attrs["reverse"] else (count, others)
        if state.now.grad:
            parts = sections(x, lengths)
            halves = item(parts, 0), item(parts, 1)
        else:
            halves = x[:lengths[0]], x[lengths[0]:]
        return halves[::-1] if self.z.attrs["reverse"] else halves

    def joined(self, k: int) -> Any:
        """The gradient of a sequence, from those of its rows; None if there is none."""
        found, x = self.rows[k], self.inputs[k]
        if all(g is None for _, g in found):
            return None
        found = [*found, (self.left, None)]
        pieces = [nothing((n, *x.shape[1:]), x) if g is None else g for n, g in found if n]
        if not self.z.attrs["reverse"]:
            pieces.reverse()
        return one_zero(pieces[0] if len(pieces) == 1 else join_sections(pieces))


__all__ = ["Scan", "scan", "steps"]
