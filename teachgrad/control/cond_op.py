"""The vertex of a branch: two bodies, of which one runs. Its gradient is another branch on the same truth value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import constant, specs
from ..op import Array, Spec, apply
from ..ops.tuples import item
from .body import Body, Control, flops_in, own, values_in
from .pulling import Pulled, leaf_like, pull


class Cond(Control):
    r"""z = then(x) if the truth value p holds, else otherwise(x): exactly one of the two bodies runs"""

    def infer(self, p: Spec, *inputs: Spec, then: Body, otherwise: Body) -> Any:
        return tuple(specs(then.graph.outputs))

    def forward(self, xp: Any, p: Array, *inputs: Array, then: Body, otherwise: Body) -> Any:
        return tuple(map(own, (then if p.item() else otherwise)(inputs)))

    def flops(self, z: Any, p: Any, *inputs: Any, then: Body, otherwise: Body) -> int:
        """Those of the branch that takes more."""
        return max(flops_in(then), flops_in(otherwise))

    def unrolled(self, *inputs: Array, then: Body,
                 otherwise: Body) -> Iterator[tuple[Body, Mapping[int, Any]]]:
        """The values in the body that runs."""
        body = then if inputs[0].item() else otherwise
        yield body, values_in(body, inputs[1:])

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        xs = inputs[1:]
        then, otherwise = z.attrs["then"], z.attrs["otherwise"]
        seeds = [k for k in range(len(g) - 1, -1, -1) if g[k] is not None]
        wanted = [k for k, x in enumerate(xs) if x.id in found]
        totals = [k for k in wanted if xs[k].id in gradients]
        kept = len(then.graph.outputs)
        then, first = pulled(then, seeds, wanted, totals)
        otherwise, second = pulled(padded(otherwise, then, kept), seeds, wanted, totals)
        then = padded(then, otherwise, len(then.graph.outputs))
        z.attrs = {"then": then, "otherwise": otherwise}
        z._data = self.infer(spec_of_truth, then=then, otherwise=otherwise)
        saved, given = sorted({*first.saved, *second.saved}), sorted({*first.given, *second.given})
        answers = sorted({*first.answers, *second.answers})
        values = [*(g[k] for k in seeds), *(gradients[xs[k].id] for k in totals),
                  *(item(z, k) for k in saved), *(xs[k] for k in given)]
        bodies = [gradient(branch, values, [[("seeds", k) for k in seeds], [("totals", k) for k in totals],
                                            [("saved", k) for k in saved], [("given", k) for k in given]],
                           [(k, xs[k]) for k in answers]) for branch in (first, second)]
        result = apply(cond, (inputs[0], *values), {"then": bodies[0], "otherwise": bodies[1]})
        for number, k in enumerate(answers):
            gradients[xs[k].id] = item(result, number)


cond = Cond()
spec_of_truth = Spec((), np.dtype(bool))


def pulled(body: Body, seeds: Sequence[int], wanted: Sequence[int], totals: Sequence[int]) -> tuple[Body, Pulled]:
    """The gradient of one branch."""
    graph = body.graph
    return pull(body, [k for k in seeds if graph.outputs[k].requires_grad],
                [k for k in wanted if graph.inputs[k].requires_grad], totals, range(len(graph.inputs)), 0)


def padded(body: Body, like: Body, start: int) -> Body:
    """A branch with outputs for what the other one keeps, from number `start` on: zeros that nobody reads."""
    graph = body.graph
    more = [constant(np.broadcast_to(np.zeros((), v.dtype), v.shape), v) for v in like.graph.outputs[start:]]
    return body.with_(graph.inputs, (*graph.outputs, *more))


def gradient(branch: Pulled, values: Sequence[Any], roles: Sequence[Sequence[tuple[str, int]]],
             answers: Sequence[tuple[int, Any]]) -> Body:
    """The gradient of a branch as a body with these inputs, whether it needs them or not, and with all answers.

    To an input to which nothing comes, -0.0 does: the number that changes no bit of a sum.
    """
    places = [entry for part in roles for entry in part]
    inputs = [getattr(branch, role)[k] if k in getattr(branch, role) else leaf_like(x, x.requires_grad)
              for x, (role, k) in zip(values, places, strict=True)]
    passing = {k: leaf for leaf, (role, k) in zip(inputs, places, strict=True) if role == "totals"} | branch.answers
    outputs = [passing[k] if k in passing else constant(np.broadcast_to(np.array(-0.0, x.dtype), x.shape), x)
               for k, x in answers]
    return branch.body(inputs, outputs)


__all__ = ["Cond", "cond"]
