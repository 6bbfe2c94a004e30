"""The vertex of a while loop, and the loop backwards over the values that it has kept of each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import GradientError, place
from ..graph import Graph, specs
from ..op import Array, Spec, apply
from ..ops.elementwise import add
from ..ops.tuples import item
from .body import Body, Control, flops_in, own, values_in
from .pulling import Pulled, pull

COUNT = Spec((), np.dtype(np.int64))


class WhileLoop(Control):
    r"""while condition(c, w): c = body(c, w);   z = c, and how many steps there were

    Inputs are the first carries c and the captured values w. With `max_steps` there are at most so many steps, and what
    a gradient needs can be kept of each.
    """

    def infer(self, *inputs: Spec, condition: Body, body: Body, carries: int, max_steps: int | None) -> Any:
        outputs, room = specs(body.graph.outputs), max_steps or 0
        return (*outputs[:carries], COUNT, *[Spec((room, *y.shape), y.dtype) for y in outputs[carries:]])

    def forward(self, xp: Any, *inputs: Array, condition: Body, body: Body, carries: int,
                max_steps: int | None) -> Any:
        carry, captured = list(inputs[:carries]), inputs[carries:]
        stacks = [np.empty((max_steps or 0, *v.shape), v.dtype) for v in body.graph.outputs[carries:]]
        count = 0
        while (max_steps is None or count < max_steps) and condition([*carry, *captured])[0].item():
            answers = body([*carry, *captured])
            carry = answers[:carries]
            for stack, y in zip(stacks, answers[carries:], strict=True):
                stack[count] = y
            count += 1
        return (*map(own, carry), np.array(count, np.int64), *stacks)

    def flops(self, z: Any, *inputs: Any, condition: Body, body: Body, carries: int, max_steps: int | None) -> int:
        """Those of all steps, or of one as long as their number is not known."""
        steps = int(z[carries]) if isinstance(z[carries], np.ndarray) else 1
        return (steps + 1) * flops_in(condition) + steps * flops_in(body)

    def unrolled(self, *inputs: Array, condition: Body, body: Body, carries: int,
                 max_steps: int | None) -> Iterator[tuple[Body, Mapping[int, Any]]]:
        """The values in the condition and the body, step by step."""
        carry, captured, count = list(inputs[:carries]), inputs[carries:], 0
        while max_steps is None or count < max_steps:
            for part in (condition, body):
                values = values_in(part, [*carry, *captured])
                yield part, values
                if part is condition and not values[condition.graph.outputs[0].id].item():
                    return
            carry, count = [values[v.id] for v in body.graph.outputs[:carries]], count + 1

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        a = z.attrs
        carries, outputs = a["carries"], a["body"].graph.outputs
        if a["max_steps"] is None:
            raise GradientError(
                f"the gradient of tg.while_loop at {place(z.site)} is asked for, but it has no max_steps; in a static "
                "graph the room for what a gradient needs of each step must be known.\nWays out: tg.while_loop(..., "
                "max_steps=100), at most so many steps; tg.scan, if their number is known; or dynamic mode.")
        carry = {k: g[k] for k in range(carries) if g[k] is not None and outputs[k].requires_grad}
        wanted = [k for k, leaf in enumerate(a["body"].graph.inputs)
                  if leaf.requires_grad and (k < carries or inputs[k].id in found)]
        totals = {k for k in wanted if k >= carries and inputs[k].id in gradients}
        states = States(z, wanted)
        states.explore(frozenset(carry), frozenset(totals))
        pulled, starts = states.pulled, (*sorted(carry), *sorted(totals))
        saved = tuple(sorted({k for p in pulled for k in p.saved}))
        given = tuple(sorted({k for p in pulled for k in p.given}))
        handed = sorted({*starts, *(k for p in pulled for k in p.answers)})
        values = [item(z, carries), *(carry[k] if k < carries else gradients[inputs[k].id] for k in starts),
                  *(item(z, k + 1) for k in saved), *(inputs[k] for k in given)]  # the count stands before what is kept
        result = apply(while_gradient, tuple(values), {
            "bodies": tuple(body_of(p) for p in pulled), "starts": starts, "saved": saved, "given": given,
            "handed": tuple((k, Spec(inputs[k].shape, inputs[k].dtype)) for k in handed),
            "plans": tuple(plan_of(p, after) for p, after in zip(pulled, states.after, strict=True))})
        for number, k in reversed(list(enumerate(handed))):
            if k >= carries:
                gradients[inputs[k].id] = item(result, number)
            elif inputs[k].id in found:
                total, answer = gradients.get(inputs[k].id), item(result, number)
                gradients[inputs[k].id] = answer if total is None else add(total, answer)


while_loop = WhileLoop()


class States:
    """Which gradients there are, step by step backwards: each such state has a gradient of the body of its own."""

    def __init__(self, z: Any, wanted: Sequence[int]) -> None:
        self.z, self.wanted = z, wanted
        self.number: dict[Any, int] = {}
        self.pulled: list[Pulled] = []
        self.after: list[int] = []
        """The state before a step, by that after it."""

    def explore(self, carry: frozenset[int], totals: frozenset[int]) -> None:
        """Make the gradients for a state and for all that follow it."""
        while (carry, totals) not in self.number:
            self.number[carry, totals] = len(self.pulled)
            a = self.z.attrs
            carries = a["carries"]
            body, pulled = pull(a["body"], sorted(carry, reverse=True), self.wanted, sorted(totals),
                                range(carries, len(a["body"].graph.inputs)), carries)
            self.z.attrs = {**a, "body": body}
            self.z._data = while_loop.infer(**self.z.attrs)
            self.pulled.append(pulled)
            carry = frozenset(k for k in pulled.answers if k < carries)
            totals = frozenset(k for k in pulled.answers if k >= carries)
        self.after = [*range(1, len(self.pulled)), self.number[carry, totals]]


def body_of(pulled: Pulled) -> Body:
    """The gradient of a step, its inputs and outputs in the order in which they are listed."""
    return pulled.body([*pulled.seeds.values(), *pulled.totals.values(), *pulled.saved.values(),
                        *pulled.given.values()], tuple(pulled.answers.values()))


class Plan(NamedTuple):
    """The numbers of what the gradient of a step takes and answers, and which one comes before it."""

    seeds: tuple[int, ...]
    totals: tuple[int, ...]
    saved: tuple[int, ...]
    given: tuple[int, ...]
    answers: tuple[int, ...]
    after: int

    def handing_on(self, body: Body) -> Graph:
        """The graph of the gradient of a step, which overwrites the gradients that it takes; the others it answers."""
        leaves = dict(zip((*self.seeds, *self.totals), body.graph.inputs, strict=False))
        answers = dict(zip(self.answers, body.graph.outputs, strict=True))
        return replace(body.graph, outputs=tuple([v for k, v in answers.items() if k not in leaves]),
                       updates=tuple([(leaves[k], v) for k, v in answers.items()
                                      if k in leaves and v is not leaves[k]]))


def plan_of(pulled: Pulled, after: int) -> Plan:
    """What the body of `body_of` takes and answers."""
    return Plan(tuple(pulled.seeds), tuple(pulled.totals), tuple(pulled.saved), tuple(pulled.given),
                tuple(pulled.answers), after)


class WhileGradient(Control):
    r"""The gradients of the first carries and of captured values, from those of the last carries, step by step back

    The first of `bodies` goes back through the last step; `plans` say which one follows. To an input to which nothing
    comes in a run, -0.0 does: the number that changes no bit of a sum.
    """

    gathers = False

    def infer(self, *inputs: Spec, handed: tuple[tuple[int, Spec], ...], **settings: Any) -> Any:
        return tuple([spec for _, spec in handed])

    def forward(self, xp: Any, count: Array, *values: Array, bodies: tuple[Body, ...], plans: tuple[Plan, ...],
                starts: tuple[int, ...], saved: tuple[int, ...], given: tuple[int, ...],
                handed: tuple[tuple[int, Spec], ...]) -> Any:
        fill = iter(values)
        now, kept, fixed = [dict(zip(numbers, fill, strict=False)) for numbers in (starts, saved, given)]
        state = 0
        for t in range(int(count) - 1, -1, -1):
            plan = plans[state]
            answers = bodies[state]([*(now[k] for k in (*plan.seeds, *plan.totals)),
                                     *(kept[k][t, ...] for k in plan.saved), *(fixed[k] for k in plan.given)])
            now, state = dict(zip(plan.answers, answers, strict=True)), plan.after
        return tuple([own(now[k]) if k in now else np.full(spec.shape, -0.0, spec.dtype) for k, spec in handed])

    def flops(self, z: Any, count: Any, *values: Any, bodies: tuple[Body, ...], **settings: Any) -> int:
        """Those of all steps, or of one as long as their number is not known."""
        return (int(count) if isinstance(count, np.ndarray) else 1) * max(map(flops_in, bodies))

    def unrolled(self, *inputs: Array, bodies: tuple[Body, ...],
                 **settings: Any) -> Iterator[tuple[Body, Mapping[int, Any]]]:
        """One of the bodies, to show what they are; plain Python does not compute quite the same."""
        yield bodies[0], {}

    def vjp(self, g: Any, z: Any, *inputs: Any) -> Any:
        raise GradientError(
            f"the gradient of tg.while_loop at {place(z.site)} is to be differentiated again, which a static graph "
            "cannot.\nWays out: tg.scan with tg.cond in its body; or dynamic mode.")


while_gradient = WhileGradient()

__all__ = ["WhileLoop", "while_loop"]
