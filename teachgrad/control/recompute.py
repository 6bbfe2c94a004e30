"""Code whose values are not kept in dynamic mode: its gradient runs it again. Steps of a scan, and `tg.checkpoint`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..autodiff import pull_back
from ..op import NO_ATTRS, Op, Vertex, next_id, spec_of, state, version
from ..ops.tuples import item
from .past import Past, Run, oldest


class Recompute(Op):
    r"""The results of code of which only what it was given is kept

    The gradient runs the code again, with the same random numbers, and pulls back through it. In `tg.checkpoint` what
    it makes has the ids of the first time, too. If that gradient is to be differentiated in turn, this stays and takes
    the place of the results: then all is as it would be without recomputing, and gradients of any order add up in the
    same order.
    """

    pure = False
    gathers = True
    arithmetic = 0

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        past: Past = z.attrs["past"]
        past.refuse_changes(z.inputs)
        outputs, same = past.again(z.attrs["run"], z.inputs)
        if state.now.grad and same:
            z.attrs["made"] = outputs
        seeds = [k for k in range(len(outputs) - 1, -1, -1) if g[k] is not None]
        targets = [x for x in z.inputs if x.id in found]
        before = {x.id: gradients[x.id] for x in targets if x.id in gradients}
        gradients.update(pull_back([outputs[k] for k in seeds], [g[k] for k in seeds], targets, state.now.grad, True,
                                   before))


recompute = Recompute()


def recomputed(run: Run, what: str, writes_once: bool = False) -> list[Any]:
    """The results of some code, without its history: they know only what to run again."""
    past = Past(what, writes_once)
    outputs = past.first(run)
    inputs = older(outputs, past.begun)
    if not inputs:
        return list(outputs)
    z = outputs[0].result_type(tuple([spec_of(v) for v in outputs]))
    z.id = z.stamp = past.begun  # the gradient comes to it when all of the results have had theirs
    z.op, z.inputs, z.attrs = recompute, tuple(inputs), {"run": run, "past": past}
    z.requires_grad, z.site = True, past.site
    answers: dict[int, Vertex] = {}
    for k, v in enumerate(outputs):
        if id(v) not in answers:
            answers[id(v)] = answer(z, k, v) if v.requires_grad else forgetful(v)
    return [answers[id(v)] for v in outputs]


def answer(z: Vertex, k: int, v: Vertex) -> Vertex:
    """A tensor that stands for result `v`, number k of the code, and holds nothing else that the code made."""
    x = v.earlier_self()
    x.op, x.inputs, x.attrs = item, (z,), {"index": k}
    x.base, x.past, x.hooks = None, None, ()
    if oldest(v).id < z.id:  # a tensor from outside, handed on
        x.id = x.stamp = next_id()
    return x


def forgetful(v: Vertex) -> Vertex:
    """A tensor without history."""
    v.op, v.inputs, v.attrs = None, (), NO_ATTRS
    return v


def older(outputs: Sequence[Vertex], begun: int) -> list[Vertex]:
    """What requires a gradient, is older than `begun`, and was used to make the outputs."""
    found: dict[int, Vertex] = {}
    stack = [v for v in outputs if v.requires_grad]
    seen: set[int] = set()
    while stack:
        v = stack.pop()
        if v.id in seen:
            continue
        seen.add(v.id)
        if v.id < begun:
            found[v.id] = v
        else:
            stack += [version(x, v) for x in v.inputs if x.requires_grad]
    return [found[number] for number in sorted(found)]


__all__ = ["recomputed"]
