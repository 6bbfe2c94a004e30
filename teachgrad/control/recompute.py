"""Code whose values are not kept in dynamic mode: its gradient runs it again. Steps of a scan, and `tg.checkpoint`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .. import observe, random
from ..autodiff import pull_back
from ..errors import InplaceError, place, user_site
from ..op import (
    NO_ATTRS,
    Op,
    Overwritten,
    Vertex,
    apply,
    memory_of,
    modes,
    next_id,
    report,
    spec_of,
    state,
    value_is_gone,
    version,
)
from ..ops.tuples import item


class Recompute(Op):
    r"""The results of code of which only what it was given is kept

    The gradient runs the code again, with the same random numbers, and pulls back through it.
    """

    pure = False
    gathers = True
    arithmetic = 0

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        past: Past = z.attrs["past"]
        past.refuse_changes(z, inputs)
        with modes(grad=True, quiet=True), past.again():
            outputs = z.attrs["run"]()
        seeds = [k for k in range(len(outputs) - 1, -1, -1) if g[k] is not None]
        targets = [x for x in inputs if x.id in found]
        before = {x.id: gradients[x.id] for x in targets if x.id in gradients}
        gradients.update(pull_back([outputs[k] for k in seeds], [g[k] for k in seeds], targets, state.now.grad, True,
                                   before))


recompute = Recompute()


class Past:
    """What a run of some code, which will be run again, found: the random numbers, and what it read and overwrote.

    While the code runs this is the witness of its thread. With `writes_once`, what it overwrites is put back after it
    has run again; else nothing older than the run may be overwritten.
    """

    def __init__(self, what: str, writes_once: bool) -> None:
        self.what, self.writes_once = what, writes_once
        self.begun, self.draws, self.site = next_id(), random.get_state(), user_site()
        self.sites: list[random.Source] = []
        """The sites that drew, in their order."""
        self.outer = state.now.witness
        self.read: dict[int, Vertex] = {}
        """The tensors from outside that were read, by identity."""
        self.before: dict[int, tuple[Vertex, Any]] = {}
        """The tensors from outside that were overwritten, by identity, and what they were."""

    # ---- while it runs -----------------------------------------------------------------------------------------------

    def reads(self, tensors: Sequence[Vertex]) -> None:
        """Note tensors from outside."""
        for x in tensors:
            if x.id < self.begun or (x.past is not None and oldest(x).id < self.begun):
                self.read[id(x)] = x
        if self.outer is not None:
            self.outer.reads(tensors)

    def writes(self, x: Vertex, tracked: bool = False) -> None:
        """Keep what a tensor from outside is before it is overwritten; refuse what could not be put back."""
        if oldest(x).id < self.begun and not random.is_site(x):
            if tracked or not self.writes_once:
                refuse_writes(self.what, x)
            if id(x) not in self.before:
                self.before[id(x)] = x, x._data.copy()
        if self.outer is not None:
            self.outer.writes(x, tracked)

    def has_written(self, x: Vertex) -> None:
        """Refuse what was overwritten unannounced, through the memory that `.data` hands out."""
        if oldest(x).id < self.begun and id(x) not in self.before:
            refuse_writes(self.what, x)
        if self.outer is not None:
            self.outer.has_written(x)

    def leak(self, x: Vertex, why: str) -> None:
        """A value leaves the graph: that is reading, too."""
        self.reads([x])

    # ---- when it is run again ----------------------------------------------------------------------------------------

    def refuse_changes(self, z: Vertex, inputs: Sequence[Vertex]) -> None:
        """What the code used must be what it was."""
        gone: list[Vertex] = [x for x in inputs if type(x) is Overwritten]
        gone += [x for x in self.read.values() if value_is_gone(x, z) and id(memory_of(x)) not in self.before
                 and not random.is_site(x)]
        if gone:
            x = gone[0]
            writer = x.writer if isinstance(x, Overwritten) else memory_of(x).site
            raise InplaceError(
                f"{self.what} at {place(self.site)} runs again for the gradient, but {named(x)}, which it uses, was "
                f"overwritten in place at {place(writer)}.\nWays out: overwrite it after backward(); write `a = a + b` "
                "instead of `a += b`; or keep a copy() before.")

    @contextmanager
    def again(self) -> Iterator[None]:
        """A block in which random numbers and overwritten tensors are what they were, and after which nothing is
        different from before it."""
        now = [(x, x._data.copy(), x.stamp, x.site) for x, _ in self.before.values()]
        for x, array in self.before.values():
            x._data[...] = array
        try:
            with random.as_at(self.draws, self.sites):
                yield
        finally:
            for x, array, stamp, site in now:
                x._data[...] = array
                x.stamp, x.site = stamp, site


def recomputed(run: Callable[[], Sequence[Any]], what: str, writes_once: bool = False) -> list[Any]:
    """The results of some code, without its history: they know only what to run again."""
    past = Past(what, writes_once)
    with modes(witness=past, leak=past.leak), random.noted() as past.sites:
        outputs = run()
    inputs = older(outputs, past.begun)
    if not inputs:
        return list(outputs)
    z = outputs[0].result_type(tuple([v._data for v in outputs]))
    z.op, z.inputs, z.attrs = recompute, tuple(inputs), {"run": run, "past": past}
    z.requires_grad, z.site = True, past.site
    if observe.sink is not None and not state.now.quiet:
        report(z, recompute, z.inputs, NO_ATTRS)
    answers = [apply(item, (z,), {"index": k}) if v.requires_grad else forgetful(v) for k, v in enumerate(outputs)]
    z._data = tuple([spec_of(v) for v in outputs])  # the values are the answers' own: the gradient needs none of them
    return answers


def refuse_writes(what: str, x: Vertex) -> None:
    """Code that runs again would overwrite a tensor from outside again."""
    raise InplaceError(
        f"{what} at {place(user_site())} overwrites {named(x)}, which comes from outside; it would do so once more "
        "when the gradient comes by.\nWays out: hand the new value on as a result; overwrite under tg.no_grad() in "
        "tg.checkpoint; or keep the values, without checkpoint.")


def named(x: Vertex) -> str:
    """A tensor in the middle of a sentence."""
    return x.name or f"a tensor of shape {x.shape}"


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
