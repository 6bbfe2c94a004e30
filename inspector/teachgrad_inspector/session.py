"""A recording as the screens see it: what each value is called, and what was known of it at a moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from teachgrad.recording import UNFINISHED, ArrayInfo, Moment, Reader, RecordingError, Row, Site, Statistics, Step

from .history import History, objectives
from .lanes import Lanes
from .levels import Level, Module, modules_of, runs_of, section_of
from .numbers import number

CACHED_LAYOUTS = 4
CACHED_PARTS = 64
SHORT = 5000
"""Training steps of up to so many rows are read at once."""
ROW_BYTES = 10_000
"""So many bytes of an array are as much work as a row."""


class Keep(Hashable, Protocol):
    """A choice of rows to be shown without the others: a slice, or a filter. It is a key of dictionaries."""

    @property
    def title(self) -> str:
        """What it is called."""

    def rows(self, session: Session, number: int) -> frozenset[int] | None:
        """The rows of a training step that are kept; None where there would be none."""


class Session:
    """Questions about a recording, answered from the recording alone."""

    def __init__(self, run: Reader, title: str = "") -> None:
        self.run = run
        self.title = title or run.path.name
        self.live = ""
        """What the training does that is recorded: `running`, `paused at t3/fwd/12`, ...; "" for a mere file."""
        self.grows = False
        """Whether that is known to go on: then it is no trouble that the recording is not finished."""
        self._layouts: OrderedDict[tuple[int, int, frozenset[str], Keep | None], Lanes] = OrderedDict()
        self._labels: dict[tuple[int, int], str] = {}
        self._parts: OrderedDict[Hashable, Any] = OrderedDict()

    @property
    def trouble(self) -> str | None:
        """What is the matter with the recording."""
        trouble = self.run.trouble
        return None if trouble == UNFINISHED and self.grows else trouble

    def refresh(self) -> bool:
        """Look again at a file that may have grown; whether it has. Raises `RecordingError` if it has shrunk."""
        before = self._end
        self.run.refresh()
        if self._end == before:
            return False
        if self._end < before:
            raise RecordingError(f"{self.run.path} was damaged while it was open: rows that were there are gone")
        self._labels.clear()  # what an op is called hangs on those after it
        return True

    @property
    def _end(self) -> tuple[int, int]:
        """The last training step, and how many rows it has."""
        last = self.run.steps - 1
        return last, self.run.length(last) if last >= 0 else 0

    @property
    def last(self) -> Moment:
        """The last moment so far."""
        return self.run.at(self.run.steps - 1, self.run.length(self.run.steps - 1) - 1)

    @property
    def knows_the_future(self) -> bool:
        """Whether what comes after a moment is known; not while it is to be predicted."""
        return True

    def is_over(self, moment: Moment) -> bool:
        """Whether nothing more comes in the training step of a moment: not known of the last one of a recording that
        is not finished."""
        return self.knows_the_future and (self.run.is_finished or moment.step < self.run.steps - 1)

    def is_complete(self, vertex: int, moment: Moment) -> bool:
        """Whether all gradient that flows into a vertex in this step may be known at a moment."""
        return self.is_over(moment)

    def hides(self, row: Row) -> bool:
        """Whether what a row computes is to be predicted."""
        return False

    @cached_property
    def first(self) -> Moment:
        """The first moment of the recording."""
        if self.run.steps == 0:
            raise RecordingError(f"{self.run.path} holds no rows")
        return self.run.at(0, 0)

    @cached_property
    def history(self) -> History:
        """What became of the numbers over the training steps."""
        return History(self.run)

    def step(self, moment: Moment) -> Step:
        return self.run.step(moment.step)

    def row(self, moment: Moment) -> Row:
        rows = self.run.step(moment.step).rows
        if moment.row >= len(rows):
            raise RecordingError(f"{self.run.path} is damaged: there is no row {moment.row} in t{moment.step}")
        return rows[moment.row]

    def lanes(self, step: int, folded: frozenset[str], keep: Keep | None = None) -> Lanes:
        """The layout of a training step with some modules folded, and perhaps a part of its rows alone."""
        whole = self.run.step(step)
        key = (step, len(whole.rows), folded, keep)
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = Lanes(whole, folded, self.kept_rows(step, keep))
            while len(self._layouts) > CACHED_LAYOUTS:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(key)
        return layout

    def kept_rows(self, number: int, keep: Keep | None) -> frozenset[int] | None:
        """The rows of a training step that are shown; None for all, also where there would be none."""
        if keep is None:
            return None
        found: frozenset[int] | None = self.kept(
            lambda: keep.rows(self, number), "keep", number, self.run.length(number), keep
        )
        return found

    def told_kept(self, number: int, keep: Keep | None) -> str:
        """What is shown of a training step, and how much of it is left; "" if that is all of it."""
        if keep is None:
            return ""
        rows, whole = self.kept_rows(number, keep), self.run.length(number)
        return f"{keep.title}: " + (f"{len(rows)} of {whole}" if rows is not None else "not in this step")

    def has_layout(self, step: int, folded: frozenset[str], keep: Keep | None = None) -> bool:
        """Whether `lanes` would answer at once."""
        return self.run.has_step(step) and (step, len(self.run.step(step).rows), folded, keep) in self._layouts

    def kept(self, make: Callable[[], Any], *key: Hashable) -> Any:
        """What `make` makes, made once for each key; the last few are kept."""
        if key not in self._parts:
            self._parts[key] = make()
            while len(self._parts) > CACHED_PARTS:
                self._parts.popitem(last=False)
        self._parts.move_to_end(key)
        return self._parts[key]

    def has_kept(self, *key: Hashable) -> bool:
        """Whether `kept` would answer at once."""
        return key in self._parts

    def weight(self, step: int) -> int:
        """About how much work it is to look at all numbers of a training step: so many rows of small arrays."""
        length = self.run.length(step)
        if length > SHORT:
            return length

        def add_up() -> int:
            infos = (self.info(row.value) for row in self.run.step(step).rows)
            return length + sum(info.nbytes for info in infos if info is not None) // ROW_BYTES

        weight: int = self.kept(add_up, "weight", step, length)
        return weight

    def modules(self, moment: Moment) -> Mapping[str, Module]:
        """The modules of a training step."""
        step = self.step(moment)
        found: Mapping[str, Module] = self.kept(
            lambda: modules_of(self.run, step), "modules", step.number, len(step.rows)
        )
        return found

    def level(self, moment: Moment, path: str, keep: Keep | None = None) -> Level:
        """The boxes of a module, or of the section of it in which a moment stands."""
        step = self.step(moment)
        key = step.number, len(step.rows), path, keep
        runs = self.kept(lambda: runs_of(step, path, self.kept_rows(step.number, keep)), "runs", *key)
        section = section_of(step, runs, step.rows[moment.row])
        rows = self.kept_rows(step.number, keep)
        level: Level = self.kept(lambda: Level(self.run, step, path, runs, section, rows), "level", *key, section)
        return level

    # ---- names -------------------------------------------------------------------------------------------------------

    def name(self, vertex: int, step: int) -> str:
        """What to call a vertex: its name, or for a nameless constant its value."""
        key = (vertex, step)
        name = self._labels.get(key)
        if name is None:
            name = self._labels[key] = self._constant(vertex, step) or self.run.name(vertex, step)
            if len(self._labels) > 1 << 16:
                self._labels.clear()
        return name

    def _constant(self, vertex: int, step: int) -> str | None:
        """What to call a constant that nobody gave a name: its value, if that is one number all through the step. One
        that an earlier training step made is told from others that are called the same here."""
        whole = self.run.step(step)
        at = whole.made.get(vertex)
        row = whole.rows[at] if at is not None else self.run.leaf(vertex)
        if row is None or row.kind != "leaf" or row.name or row.requires_grad or row.value is None:
            return None
        if not self.run.array(row.value).shape and vertex not in whole.updates:
            value = self.array(row.value if at is not None else self.value_of(vertex, self.run.at(step, 0)))
            if value is not None:
                return number(value)
        name = self.run.name(vertex, step)
        return f"{name} of t{row.step}" if at is None and name in whole.names.values() else None

    def names(self, row: Row) -> list[str]:
        """What to call the inputs of an op."""
        return [self.name(vertex, row.step) for vertex in row.inputs]

    # ---- values ------------------------------------------------------------------------------------------------------

    def info(self, number: int | None) -> ArrayInfo | None:
        return None if number is None else self.run.array(number)

    def array(self, number: int | None) -> np.ndarray | None:
        return None if number is None else self.run.values(number)

    def statistics(self, number: int | None) -> Statistics | None:
        return None if number is None else self.run.statistics(number)

    def scalar(self, number: int | None) -> float | None:
        """The value of an array of one element, if it was recorded."""
        info = self.info(number)
        if info is None or info.size != 1 or not info.has_values:
            return None
        values = self.array(number)
        return None if values is None else float(values.real.reshape(-1)[0])

    def why_not(self, number: int | None) -> str:
        """Why the elements of an array are not here."""
        why = "" if number is None else self.run.why_not(number)
        return f"its elements could not be computed again: {why}" if why else (
            f"its elements were not recorded (level {self.run.level})")  # fmt: skip

    def left_to_compute(self, step: int) -> int:
        """About how many rows of a training step are to be computed again before they can be looked at."""
        if not self.run.recomputes or self.has_kept("computed", step, self.run.length(step)):
            return 0
        return 4 * self.weight(step)

    def compute(self, step: int, going: Callable[[], bool]) -> None:
        """Compute them, as long as `going` says so."""
        self.run.replayer.prepare(step, going)
        if going():
            self.kept(lambda: True, "computed", step, self.run.length(step))

    def value_of(self, vertex: int, moment: Moment) -> int | None:
        """The array that a vertex held at a moment."""
        return self.run.value_at(vertex, moment)

    def gradient_row(self, vertex: int, moment: Moment) -> Row | None:
        """The row that last changed the gradient of a vertex, up to a moment."""
        step = self.run.step(moment.step)
        found = [i for i in (*step.into.get(vertex, ()), *step.seeds.get(vertex, ())) if i <= moment.row]
        return step.rows[max(found)] if found else None

    def next_gradient_row(self, vertex: int, moment: Moment) -> Row | None:
        """The row that first changes the gradient of a vertex, after a moment."""
        step = self.run.step(moment.step)
        found = [i for i in (*step.into.get(vertex, ()), *step.seeds.get(vertex, ())) if i > moment.row]
        return step.rows[min(found)] if found else None

    def finished_gradient(self, vertex: int, step: int, element: tuple[int, ...]) -> float | None:
        """An element of the gradient that all backward passes of a training step give a vertex together, without what
        `.grad` held before; None where it was not recorded."""
        whole = self.run.step(step)
        rows = [whole.rows[i] for i in (*whole.seeds.get(vertex, ()), *whole.into.get(vertex, ()))]
        if not rows:
            return None
        if sum(map(len, whole.seeds.values())) == 1 and rows[-1].kind != "deposit":
            rows = [max(rows, key=lambda row: row.row)]
            parts = [self.array(rows[0].value)]
        else:
            parts = [self.array(row.part) for row in rows if row.kind != "deposit"]
        if any(part is None or part.ndim != len(element) for part in parts):
            return None
        try:
            return sum(float(part[element]) for part in parts if part is not None)
        except IndexError:
            return None

    def maker(self, vertex: int, moment: Moment) -> Row | None:
        """The row in which a vertex was made, if that was in this training step."""
        step = self.run.step(moment.step)
        at = step.made.get(vertex)
        return None if at is None else step.rows[at]

    def objective(self, step: int) -> tuple[str, float | None] | None:
        """Name and value of what a training step differentiates, if it is one scalar."""
        whole = self.run.step(step)
        found: tuple[str, float | None] | None = self.kept(
            lambda: self._objective(whole), "objective", step, len(whole.rows)
        )
        return found

    def _objective(self, whole: Step) -> tuple[str, float | None] | None:
        for vertex in objectives(whole.rows):
            at = whole.made.get(vertex)
            row = whole.rows[at] if at is not None else None
            info = self.info(row.value) if row is not None else None
            if row is not None and info is not None and info.size == 1:
                return self.name(vertex, whole.number), self.scalar(row.value)
        return None

    def goal(self, moment: Moment) -> str:
        """What gradients in a training step are gradients of: L."""
        seeds = self.run.step(moment.step).seeds
        return self.name(next(iter(seeds)), moment.step) if seeds else "L"

    # ---- the rest ----------------------------------------------------------------------------------------------------

    def attrs(self, row: Row) -> dict[str, Any]:
        return self.run.attrs(row)

    def site(self, row: Row, moment: Moment) -> Site | None:
        """Where a row comes from in the user's source: for gradient along an edge, where the op was called."""
        if row.site is None and row.kind == "edge" and row.source is not None:
            maker = self.maker(row.source, moment)
            return self.run.site(maker.site) if maker is not None else None
        if row.site is None and row.kind in ("seed", "deposit"):
            maker = self.maker(row.vertex, moment)
            return self.run.site(maker.site) if maker is not None else None
        return self.run.site(row.site)

    def state(self, moment: Moment) -> tuple[str, str]:
        """`ok`, `warn` or `err` for a moment, and why."""
        row = self.row(moment)
        stats = self.statistics(row.value)
        if stats is not None and (stats.nans or stats.infs):
            parts = [f"{count} {what}" for count, what in ((stats.nans, "nan"), (stats.infs, "inf")) if count]
            return "err", " and ".join(parts)
        info = self.info(row.value)
        if stats is not None and info is not None and info.size > 1 and stats.zeros == stats.counted:
            if row.of_gradient:
                return "warn", "the gradient is zero everywhere"
            if row.kind == "op" and row.requires_grad:
                return "warn", "zero everywhere"
        return "ok", ""
