"""One step of a loop in dynamic mode whose values are not kept: its gradient runs the step again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import observe, random
from ..autodiff import pull_back
from ..errors import InplaceError, place, user_site
from ..op import NO_ATTRS, Op, Vertex, modes, next_id, report, state, version
from ..ops.tuples import item


class Recompute(Op):
    r"""The results of one step of a loop, of which only what it was given is kept

    The gradient runs the step again, with the same random numbers, and pulls back through it.
    """

    pure = False
    gathers = True
    arithmetic = 0

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        run: Callable[[], Sequence[Any]] = z.attrs["run"]
        with modes(grad=True), random.as_at(z.attrs["random"]):
            outputs = run()
        seeds = [k for k in range(len(outputs) - 1, -1, -1) if g[k] is not None]
        targets = [x for x in inputs if x.id in found]
        before = {x.id: gradients[x.id] for x in targets if x.id in gradients}
        gradients.update(pull_back([outputs[k] for k in seeds], [g[k] for k in seeds], targets, state.now.grad, True,
                                   before))


recompute = Recompute()


def recomputed(run: Callable[[], Sequence[Any]]) -> list[Any]:
    """The results of a step, without its history: they know only what to run again."""
    begun, draws = next_id(), random.get_state()
    with modes(written=[]):
        outputs = run()
        written = [x for x in state.now.written or () if oldest(x).id < begun]
    inputs = older(outputs, begun)
    if not inputs:
        return list(outputs)
    if written:
        refuse_writes(written[0])
    z = outputs[0].result_type(tuple([v._data for v in outputs]))
    z.op, z.inputs, z.attrs = recompute, tuple(inputs), {"run": run, "random": draws}
    z.requires_grad, z.site = True, user_site()
    if observe.sink is not None and not state.now.quiet:
        report(z, recompute, z.inputs, NO_ATTRS)
    return [item(z, k) if v.requires_grad else forgetful(v) for k, v in enumerate(outputs)]


def refuse_writes(x: Any) -> None:
    """A step that runs again would overwrite a tensor from outside again."""
    name = x.name or f"a tensor of shape {x.shape}"
    raise InplaceError(
        f"the body of tg.scan at {place(user_site())} overwrites {name}, which comes from outside; with "
        "checkpoint=True it would do so once more when the gradient comes by.\nWays out: make it a part of the carry; "
        "or leave checkpoint out.")


def oldest(x: Vertex) -> Vertex:
    """A tensor as it was before any overwrite."""
    while x.past is not None:
        x = x.past
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


__all__ = ["recomputed", "refuse_writes"]
