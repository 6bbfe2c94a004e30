"""Computing again what a recording of level `replay` did not keep.

Such a recording holds the bytes of what nothing else tells: leaves, updates, the gradients that backward passes start
with, what was drawn at random, and what ops of other kinds made. Of everything else it has the shape, the dtype and the
CRC-32 of all bytes. A result follows from the inputs of its op, a contribution from the gradient rule, a sum from its
terms; the framework itself runs them, as it did then, and only what has the right CRC-32 is given out.

So a value is exact, or it is not there and `why` says what stands against it: another machine may add up in another
order. A file may be a stranger's: only ops that this teachgrad has are run, for shapes that their own rule confirms,
and within bounds of memory and arithmetic.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import RecordingError, TeachgradError
from ..op import REGISTRY, Op, Spec, Vertex, apply, modes, state
from ..ops.elementwise import add
from ..ops.shape import sum_to
from ..tensor import Tensor
from .attributes import Opaque
from .checks import ArrayInfo
from .marks import mark, replayable
from .moment import Moment
from .schema import DTYPES
from .step import Row, Step

CACHED = 256 << 20
"""Bytes of results that are kept."""
LARGEST = 512 << 20
"""Bytes of one result."""
HARDEST = 1e12
"""Arithmetic operations of one op."""


class Run(Protocol):
    """What is asked of a `Reader` here."""

    def step(self, number: int) -> Step: ...
    def array(self, number: int) -> ArrayInfo: ...
    def values(self, number: int) -> np.ndarray | None: ...
    def attrs(self, row: Row) -> dict[str, Any]: ...
    def value_at(self, vertex: int, moment: Moment) -> int | None: ...
    def value_before(self, vertex: int, step: int) -> int | None: ...
    def step_of_array(self, number: int) -> int | None: ...
    def requires_grad(self, vertex: int) -> bool: ...


class Replayer:
    """Results of a recording, computed when they are asked for."""

    def __init__(self, run: Run, mark_of: Callable[[int], int | None]) -> None:
        self._run = run
        self._mark_of = mark_of
        self._made: OrderedDict[int, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._homes: dict[int, tuple[int, int, str]] = {}
        """The training step, the row and the field in which each array first stands."""
        self._read: set[tuple[int, int]] = set()
        self.why: dict[int, str] = {}
        """What stands against giving out an array."""

    def values(self, number: int) -> np.ndarray | None:
        """The elements of an array, exactly as they were, or None."""
        if number in self._made:
            self._made.move_to_end(number)
            return self._made[number]
        if number in self.why:
            return None
        home = self._home(number)
        if home is None:
            self.why[number] = "no row tells where it comes from"
            return None
        return self._compute(self._run.step(home[0]), number)

    def prepare(self, number: int, going: Callable[[], bool] = lambda: True) -> None:
        """Compute a training step from its first row to its last, as long as `going` says so."""
        for row in self._run.step(number).rows:
            if not going():
                return
            for array in (row.delta, row.value):
                if array is not None:
                    self._run.values(array)

    # ---- what is needed ----------------------------------------------------------------------------------------------

    def _home(self, number: int) -> tuple[int, int, str] | None:
        if number not in self._homes:
            step = self._run.step_of_array(number)
            if step is None:
                return None
            self._note(self._run.step(step))
        return self._homes.get(number)

    def _note(self, step: Step) -> None:
        key = step.number, len(step.rows)
        if key in self._read:
            return
        self._read.add(key)
        for row in step.rows:
            for field, number in (("delta", row.delta), ("value", row.value)):
                if number is not None:
                    self._homes.setdefault(number, (step.number, row.row, field))

    def _compute(self, step: Step, number: int) -> np.ndarray | None:
        """Compute an array and what it needs, each after what it needs itself. (Chains may be 100,000 long.)"""
        waiting, begun = [number], set[int]()
        while waiting:
            here = waiting[-1]
            if here in self._made or here in self.why or not self._is_marked(here):
                waiting.pop()
                continue
            try:
                missing = [n for n in self._sources(here) if self._is_marked(n) and n not in self._made]
                lost = next((n for n in missing if n in self.why), None)
                if lost is not None:
                    raise RecordingError(self.why[lost])
                if not begun.isdisjoint(missing) or here in missing:
                    raise RecordingError("it needs itself")
                if missing:
                    begun.add(here)
                    waiting += missing
                    continue
                self._keep(here, self._run_row(here))
            except (TeachgradError, MemoryError, *ERRORS) as error:
                self.why[here] = str(error) or type(error).__name__
            begun.discard(here)
            waiting.pop()
        return self._made.get(number)

    def _is_marked(self, number: int) -> bool:
        return self._run.array(number).marked

    def _sources(self, number: int) -> Iterator[int]:
        """The arrays that an array is computed from."""
        row, field = self._row(number)
        if row.kind == "op":
            yield from (self._value(vertex, row) for vertex in row.inputs)
        elif row.kind == "edge" and field == "delta":
            maker = self._maker(row)
            yield self._known(row.incoming)
            yield self._known(maker.value)
            yield from (self._value(vertex, maker) for vertex in maker.inputs)
        elif row.kind in ("edge", "deposit"):
            yield self._known(row.delta)
            yield self._known(self._before(row).value)
        else:
            raise RecordingError(f"{row.moment} does not say what it comes from")

    def _row(self, number: int) -> tuple[Row, str]:
        home = self._home(number)
        if home is None:
            raise RecordingError("no row tells where it comes from")
        return self._run.step(home[0]).rows[home[1]], home[2]

    def _maker(self, row: Row) -> Row:
        """The op that gradient along an edge flows out of."""
        step = self._run.step(row.step)
        made = step.made.get(row.source or 0)
        if made is None or step.rows[made].kind != "op":
            raise RecordingError(f"the op behind {row.moment} ran in another training step")
        return step.rows[made]

    def _before(self, row: Row) -> Row:
        """The row with the sum so far, of a row that adds to it."""
        step = self._run.step(row.step)
        rows = [i for i in (*step.into.get(row.vertex, ()), *step.seeds.get(row.vertex, ())) if i < row.row]
        if not rows:
            raise RecordingError(f"what {row.moment} adds to is not in this training step")
        return step.rows[max(rows)]

    def _value(self, vertex: int, row: Row) -> int:
        """The array that a vertex held when a row read it."""
        number = self._run.value_at(vertex, Moment(row.step, row.row, row.phase))
        return self._known(number if number is not None else self._run.value_before(vertex, row.step))

    def _known(self, number: int | None) -> int:
        if number is None:
            raise RecordingError("something that it is computed from was not recorded")
        return number

    # ---- computing ---------------------------------------------------------------------------------------------------

    def _keep(self, number: int, array: np.ndarray) -> None:
        info = self._run.array(number)
        if array.dtype != DTYPES[info.dtype] or array.shape != info.shape or mark(array) != self._mark_of(number):
            raise RecordingError("computed again, it is not what it was bit for bit: another machine, another NumPy, "
                                 "or memory that was changed without a trace")  # fmt: skip
        array.flags.writeable = False
        self._made[number] = array
        self._bytes += array.nbytes
        while self._bytes > CACHED and len(self._made) > 1:
            self._bytes -= self._made.popitem(last=False)[1].nbytes

    def _run_row(self, number: int) -> np.ndarray:
        row, field = self._row(number)
        outside, now = (state.now.quiet, state.now.tracer), state.now
        now.quiet, now.tracer = True, None
        try:
            with modes(grad=False), np.errstate(all="ignore"):
                if row.kind == "op":
                    return self._result(row, number)
                if row.kind == "edge" and field == "delta":
                    return self._contribution(row)
                before = self._tensor(self._known(self._before(row).value))
                return add(before, self._tensor(self._known(row.delta)))._data.copy() if row.kind == "edge" else (
                    add(self._tensor(self._known(row.delta)), before)._data.copy())  # fmt: skip
        finally:
            now.quiet, now.tracer = outside

    def _result(self, row: Row, number: int) -> np.ndarray:
        op, attrs = self._op(row)
        inputs = [self._tensor(self._value(vertex, row)) for vertex in row.inputs]
        self._check(op, inputs, attrs, self._run.array(number).shape, self._run.array(number).dtype)
        array = apply(op, tuple(inputs), attrs)._data
        return np.array(array) if op.view or array.base is not None else array

    def _contribution(self, row: Row) -> np.ndarray:
        """What the gradient rule of an op answers for one input, summed over what was broadcast."""
        maker = self._maker(row)
        op, attrs = self._op(maker)
        inputs = [self._tensor(self._value(vertex, maker), vertex) for vertex in maker.inputs]
        z = self._tensor(self._known(maker.value))
        self._check(op, inputs, attrs, z.shape, z.dtype.name)
        z.op, z.inputs, z.attrs = op, tuple(inputs), attrs
        contributions = op.vjp(self._tensor(self._known(row.incoming)), z, *inputs)
        part = contributions[row.edge or 0]
        if part is None:
            raise RecordingError(f"{op.name} has no gradient for input {row.edge}")
        shape = inputs[row.edge or 0].shape
        return np.array((part if part.shape == shape else sum_to(part, shape))._data)

    def _op(self, row: Row) -> tuple[Op, Mapping[str, Any]]:
        op, attrs = REGISTRY.get(row.op or ""), self._run.attrs(row)
        if op is None or not replayable(op) or any(isinstance(value, Opaque) for value in attrs.values()):
            raise RecordingError(f"{row.op} cannot be run again")
        return op, attrs

    def _tensor(self, number: int, vertex: int | None = None) -> Tensor:
        values = self._made.get(number)
        values = values if values is not None else self._run.values(number)
        if values is None:
            raise RecordingError("something that it is computed from is not here")
        tensor = Tensor(values)
        tensor.requires_grad = vertex is not None and self._run.requires_grad(vertex)
        return tensor

    @staticmethod
    def _check(op: Op, inputs: list[Vertex] | list[Tensor], attrs: Mapping[str, Any], shape: tuple[int, ...],
               dtype: str) -> None:  # fmt: skip
        """The op itself says that this shape and dtype come out, and that it is not too much to ask."""
        specs = [Spec(x.shape, x.dtype) for x in inputs]
        found = op.infer(*specs, **attrs)
        if not isinstance(found, Spec) or (found.shape, found.dtype.name) != (shape, dtype):
            raise RecordingError(f"{op.name} does not make {dtype} of shape {shape} of that")
        if math.prod(shape) * found.dtype.itemsize > LARGEST or op.flops(found, *specs, **attrs) > HARDEST:
            raise RecordingError(f"{op.name} for the shape {shape} is too much to be computed again")


ERRORS = (ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, NotImplementedError)
"""What ops raise for settings that do not fit."""
