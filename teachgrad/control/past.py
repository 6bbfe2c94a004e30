"""What a run of some code found that will be run again, and how it is run again with the same steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import random
from ..errors import GradientError, InplaceError, place, user_site
from ..op import Overwritten, Vertex, memory_of, modes, next_id, remember, state, value_is_gone, version

Run = Callable[[], Sequence[Any]]


class Past:
    """What a run of some code, which will be run again, found: the random numbers, the ids that it took, and what it
    read and overwrote.

    While the code runs this is the witness of its thread. With `writes_once`, what it overwrites is put back after it
    has run again; else nothing older than the run may be overwritten.
    """

    def __init__(self, what: str, writes_once: bool) -> None:
        self.what, self.writes_once = what, writes_once
        self.outer, self.count = state.now.witness, state.now.next_id
        self.begun, self.draws, self.site = next_id(), random.get_state(), user_site()
        self.ended = self.begun
        self.ids: list[int] = []
        """The ids that were taken, in their order: without those that other threads took meanwhile."""
        self.sites: list[random.Source] = []
        """The sites that drew, in their order."""
        self.read: dict[int, Vertex] = {}
        """The tensors from outside that were read, by identity."""
        self.before: dict[int, tuple[Vertex, Any]] = {}
        """The tensors from outside that were overwritten, by identity, and what they were."""

    # ---- while it runs -----------------------------------------------------------------------------------------------

    def first(self, run: Run) -> Sequence[Vertex]:
        """Run the code and note all that."""
        with modes(witness=self, leak=self.leak, next_id=self.next_id), random.noted() as self.sites:
            outputs = run()
        self.ended = next_id()
        return outputs

    def next_id(self) -> int:
        """Note an id that is taken."""
        self.ids.append(self.count())
        return self.ids[-1]

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

    def refuse_changes(self, inputs: Sequence[Vertex]) -> None:
        """What the code used must be what it was."""
        gone: list[Vertex] = [x for x in inputs if type(x) is Overwritten or x.id > self.ended
                              or value_is_gone(x, self.ended)]
        gone += [x for x in self.read.values() if value_is_gone(x, self.ended)
                 and id(memory_of(x)) not in self.before and not random.is_site(x)]
        if gone:
            x = gone[0]
            writer = x.writer if isinstance(x, Overwritten) else memory_of(x).site
            raise InplaceError(
                f"{self.what} at {place(self.site)} runs again for the gradient, but {named(x)}, which it uses, was "
                f"overwritten in place at {place(writer)}.\nWays out: overwrite it after backward(); write `a = a + b` "
                "instead of `a += b`; or keep a copy() before.")

    def again(self, run: Run, inputs: Sequence[Vertex]) -> tuple[Sequence[Vertex], bool]:
        """Run the code again, and say whether what it made has the ids of the first time.

        If it takes other steps than it did, as code does that keeps things from its first run, the same ids could mean
        different vertices; then it runs once more with ids of its own, and its history is as good, but for the order in
        which gradients of gradients add up. Steps of a scan always have their own, as in static mode.
        """
        same, begun = False, self.begun
        if self.writes_once:
            repeated = Repeated(self)
            with modes(witness=repeated, next_id=repeated.next_id), self.as_it_was():
                outputs = run()
            same = repeated.same
        if not same:
            begun = next_id()
            with modes(witness=None), self.as_it_was():
                outputs = run()
            for x, _ in self.before.values():
                x.stamp = next_id()
        self.refuse_strangers(outputs, inputs, begun)
        return outputs, same

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """A block in which random numbers and overwritten tensors are what they were, and after which nothing is
        different from before it."""
        now = [(x, x._data.copy(), x.stamp, x.site) for x, _ in self.before.values()]
        put(self.before.values())
        try:
            with modes(grad=True, quiet=True), random.as_at(self.draws, self.sites):
                yield
        finally:
            put([(x, array) for x, array, _, _ in now])
            for x, _, stamp, site in now:
                x.stamp, x.site = stamp, site

    def refuse_strangers(self, outputs: Sequence[Vertex], inputs: Sequence[Vertex], begun: int) -> None:
        """Code that ran again, from `begun` on, must depend on the same tensors: no others would get a gradient."""
        known = {x.id for x in inputs}
        seen: set[int] = set()
        stack = [v for v in outputs if v.requires_grad]
        while stack:
            v = stack.pop()
            if v.id in known or v.id in seen:
                continue
            seen.add(v.id)
            if v.id < (begun if v.op is None else self.begun):
                raise GradientError(
                    f"{self.what} at {place(self.site)} runs again for the gradient, and now uses {named(v)}, which it "
                    "did not use (or made itself) the first time.\nWays out: hand it over as an argument, if its name "
                    "means another tensor by now; if a first call makes parameters, call it once before.")
            stack += [version(x, v) for x in v.inputs if x.requires_grad]


class Repeated:
    """Who watches code that runs again: it takes the ids of the first time, as long as it takes the same steps."""

    def __init__(self, past: Past) -> None:
        self.left, self.extra = past.ids[::-1], state.now.next_id
        self.steady = True

    @property
    def same(self) -> bool:
        """Whether it has taken all ids, no others, and read nothing that comes after its reader."""
        return self.steady and not self.left

    def next_id(self) -> int:
        """The next id of the first time."""
        if self.left:
            return self.left.pop()
        self.steady = False
        return self.extra()

    def reads(self, tensors: Sequence[Vertex]) -> None:
        """Look whether these are older than what is about to be made of them."""
        for x in tensors:
            if not self.left or x.id >= self.left[-1]:
                self.steady = False

    def writes(self, x: Vertex, tracked: bool = False) -> None:
        """What is overwritten will be put back."""

    def has_written(self, x: Vertex) -> None:
        """What was overwritten will be put back."""


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


def put(arrays: Iterable[tuple[Vertex, Any]]) -> None:
    """Put values into tensors, as if they had never had others."""
    for x, array in arrays:
        x._data[...] = array
        remember(x)


__all__ = ["Past", "Run", "oldest", "refuse_writes"]
