"""Measuring: what stands in place of computing while a profile is taken, and listens to what belongs to whom."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from threading import get_ident
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from .. import observe
from ..devices import CPU, KINDS, Device, of
from ..drawing.model import BACKWARD, FORWARD, UPDATE
from ..errors import Where
from ..executors.measured import measured
from ..executors.timing import Measured
from ..op import Array, Op, Spec, state
from ..op.elsewhere import compute_on
from .runs import Kernels, Run, dtype_of, nbytes

NOWHERE: tuple[str, Where | None] = "", None


class Change(NamedTuple):
    """Memory was taken (bytes > 0) or given back (bytes < 0) for the result of a run."""

    run: int
    bytes: int


class Mark(weakref.ref[Any]):
    """A result that is watched, and what to note when it is given back."""

    __slots__ = ("change",)

    change: Change


class Taken(NamedTuple):
    """A run of dynamic mode as it is noted while it counts: what follows from it is worked out later."""

    op: Op
    begin: float
    end: float
    phase: str
    attrs: Mapping[str, Any]
    inputs: list[Any]
    result: Any
    device: str


def form_of(data: Any) -> Any:
    """Shape and dtype of an array; of several, a list of these."""
    return (data.shape, data.dtype) if type(data) is not tuple else [form_of(array) for array in data]


def spec_of(form: Any) -> Any:
    """The spec that says the same."""
    return tuple(map(spec_of, form)) if type(form) is list else Spec(*form)


class Meter:
    """Runs computations of one thread and keeps the time.

    In dynamic mode an op is a kernel. Its module and line come with the events of the run: a forward op is reported
    right after it has run; an op of the backward pass belongs to the vertex whose gradient rule has just begun.
    """

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        """What ran in dynamic mode."""
        self.places: list[tuple[str, Where | None]] = []
        """The module and the line of each of these."""
        self.overhead = 0.0
        """Seconds that measuring itself took."""
        self.programs: dict[int, tuple[Any, Measured]] = {}
        """The compiled functions that ran, by identity, each with the twin of its program."""
        self.devices: dict[int, str] = {}
        """Where each of these runs."""
        self.calls: list[tuple[int, int, list[float]]] = []
        """Calls of these: which one, before which run of dynamic mode, and what the clock said."""
        self.memory: list[Change] = []
        self.marks: list[Mark] = []
        self.thread = get_ident()
        self.origins: dict[int, tuple[str, Where | None]] = {}
        """The module and the line of forward ops, by vertex."""
        self.pulling = NOWHERE
        self.pulled = False

    # ---- dynamic mode ------------------------------------------------------------------------------------------------

    def compute(self, op: Op, arrays: Sequence[Array], attrs: Mapping[str, Any], there: Device | None = None) -> Any:
        """Compute an op; its result in C order, which is part of the work. On a device, from when that has nothing to
        do until it has nothing to do again."""
        now = state.now
        entered = perf_counter()
        now.meter = None  # an op of the user's own may use tensors inside; that is its time
        try:
            if there is not None:
                there.synchronize()
            begin = perf_counter()
            if there is not None:
                data = compute_on(there, op, arrays, attrs)
            else:
                data = op.kernel(*arrays) if op.kernel is not None and not attrs else op.forward(np, *arrays, **attrs)
            if type(data) in KINDS and not data.flags.c_contiguous and not op.view:
                data = data.copy()
            if there is not None:
                there.synchronize()
            end = perf_counter()
        finally:
            now.meter = self
        phase = BACKWARD if now.quiet else UPDATE if self.pulled and not now.grad else FORWARD
        self.places.append(self.pulling if phase is BACKWARD else (now.scope, None))
        self.taken.append(Taken(op, begin, end, phase, attrs, [form_of(x) for x in arrays],
                                self.watched(data, "out" not in attrs), "cpu" if there is None else there.name))
        self.overhead += perf_counter() - end + begin - entered
        return data

    def watched(self, data: Any, own: bool) -> Any:
        """The form of a result. If it has memory of its own, that is noted, now and when it is given back."""
        if type(data) is tuple:
            return [self.watched(array, own) for array in data]
        if type(data) not in KINDS:
            data = np.asarray(data)
        elif own and data.base is None:
            run, size = len(self.taken), data.nbytes
            self.memory.append(Change(run, size))
            mark = Mark(data, self.given_back)
            mark.change = Change(run, -size)
            self.marks.append(mark)
        return data.shape, data.dtype

    def given_back(self, mark: Any) -> None:
        """A result is not there any more."""
        self.memory.append(mark.change)

    def event(self, event: observe.Event) -> None:
        """Take what an event says about the run before it, or those to come."""
        if get_ident() != self.thread:
            return
        entered = perf_counter()
        kind = type(event)
        if kind is observe.Forward:
            place = event.scope, event.where  # type: ignore[union-attr]
            self.origins[event.id] = place  # type: ignore[union-attr]
            if self.places:
                self.places[-1] = place
            if event.requires_grad:  # type: ignore[union-attr]
                self.pulled = False
        elif kind is observe.Seed:
            self.pulled = True
            self.pulling = NOWHERE
        elif kind is observe.Backward:
            self.pulling = self.origins.get(event.id, NOWHERE)  # type: ignore[union-attr]
        self.overhead += perf_counter() - entered

    # ---- static mode -------------------------------------------------------------------------------------------------

    def run(self, compiled: Any, inputs: Sequence[Array], cells: list[Array]) -> list[Array]:
        """Run a twin of the program of a compiled function."""
        entered = perf_counter()
        if id(compiled) not in self.programs:
            self.programs[id(compiled)] = compiled, measured(compiled.program, compiled.graph)
            self.devices[id(compiled)] = next((there.name for there in map(of, (*inputs, *cells)) if there is not CPU),
                                              "cpu")
        twin = self.programs[id(compiled)][1]
        begin = perf_counter()
        outputs = twin(inputs, cells)
        end = perf_counter()
        self.calls.append((id(compiled), len(self.taken), list(twin.ticks)))
        self.overhead += perf_counter() - end + begin - entered
        return outputs

    def all_runs(self) -> list[Run]:
        """Everything that ran, in order."""
        kernels = {number: Kernels(compiled, twin.kernels, self.devices[number])
                   for number, (compiled, twin) in self.programs.items()}
        dynamic = self.dynamic_runs()
        answer: list[Run] = []
        done = 0
        for number, before, ticks in self.calls:
            answer += dynamic[done:before]
            answer += kernels[number].runs(ticks)
            done = before
        return answer + dynamic[done:]

    def dynamic_runs(self) -> list[Run]:
        """What ran in dynamic mode."""
        answer = []
        for taken, (scope, where) in zip(self.taken, self.places, strict=True):
            op = taken.op
            inputs, result = [spec_of(form) for form in taken.inputs], spec_of(taken.result)
            read, written = (0, 0) if op.view else (nbytes(inputs), nbytes([result]))
            answer.append(Run(
                op.name, op.name, taken.begin, taken.end - taken.begin, taken.phase, scope, str(where) if where else "",
                read, written, op.flops(result, *inputs, **taken.attrs), dtype_of(result), "dynamic",
                taken.device))
        return answer
