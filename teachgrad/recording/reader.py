"""Reads a recording: rows by range, arrays by number, moments by address. Safe on any file, and on a growing one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..displays import Displayed
from ..errors import RecordingError
from ..statistics import Statistics, statistics_of
from .accounts import Account
from .accounts import decode as decode_account
from .addresses import find
from .arrays import Arrays
from .attributes import decode
from .beside import path_beside
from .checks import ArrayInfo, integer, row_of
from .moment import Address, Moment, parse
from .programs import Held, Ran, Rewritten, held, ran, rewritten
from .schema import LEVELS, Level
from .sources import Sources
from .step import Row, Site, Step
from .store import Store
from .text import clean

if TYPE_CHECKING:
    from .replaying import Replayer

COLUMNS = (
    "step, row, phase, kind, vertex, source, edge, op, name, scope, inputs, attrs, site, flags, value, delta, incoming"
)
UNFINISHED = "recording ended early, or is still being written"
CACHED_STEPS = 6


class Reader(Displayed):
    """A recording, open for reading.

        with Reader("run.tgr") as run:
            for row in run.rows(step=0):
                print(row.kind, run.step(0).label(row))

    Nothing in the file is trusted: what does not fit raises `RecordingError`. All text is fit for a terminal.
    """

    displayed_as = "recording"

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._open()
        self._steps: OrderedDict[int, Step] = OrderedDict()
        self._names: dict[int, str] = {}
        self._leaves: dict[int, Row] = {}
        self._accounts: dict[int, Account] = {}
        try:
            self.refresh()
            if self._lacks_arrays:  # the recording may have become one file just now, between two looks
                self._store.close()
                self._open()
                self.refresh()
        except BaseException:
            self._store.close()
            raise

    def _open(self) -> None:
        self._store = Store(self.path)
        self._arrays = Arrays(self.path, self._store)
        self._sources = Sources(self.path, self._store)

    def __repr__(self) -> str:
        return f"<recording {self.path}, {self.steps} training steps, level {self.level}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    # ---- the whole -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look again at a file that may have grown."""
        about: dict[str, str] = {}
        self._salvaged: list[list[Row]] | None = None
        """The rows of a damaged file, by training step."""
        try:
            about = {
                clean(str(key)): clean(str(value))
                for key, value in self._store.rows("SELECT key, value FROM about LIMIT 100")
            }
        except RecordingError:
            self._store.damage = "part of the file is damaged"
        self.about = about
        """Facts about the recording: level, replay (whether it was that at some time), command, created (seconds),
        versions."""
        level = self.about.get("level", "meta")
        if level not in LEVELS:
            raise RecordingError(f"{self.path} has the level {level!r}, which is unknown")
        self.level: Level = level
        self.recomputes = self.about.get("replay") == "yes"
        """Whether there was a time at which the level was `replay`: some arrays are computed again."""
        self._lacks_arrays = self.about.get("arrays") == "beside" and not self._store.find_large_arrays()
        self._measure()
        newest = max(list(self._steps), default=None)
        if newest is not None and not (newest < self.steps and len(self._steps[newest].rows) == self.length(newest)):
            del self._steps[newest]

    def _measure(self) -> None:
        """Find how many training steps there are, and rows in the last one, which may grow: until somebody looks again,
        they stay so many. In a damaged file, count the rows that can be read."""
        last: Any = None
        if self._store.damage is None:
            try:
                last = self._store.row("SELECT max(step) FROM event")
            except RecordingError:
                self._store.damage = "part of the file is damaged"
        if self._store.damage is None and last is not None:
            self._last_step = -1 if last[0] is None else integer(last[0], "a training step")
            self._last_length = self._length(self._last_step)
            return
        # A search may be led astray by what is missing of the tree; a walk along its leaves is not.
        self._salvaged = []
        try:
            for row in self._stream(f"SELECT {COLUMNS} FROM event ORDER BY step, row"):
                if row.step == len(self._salvaged):
                    self._salvaged.append([])
                self._salvaged[row.step].append(row)
        except RecordingError:
            pass  # as far as it goes
        self._salvaged = [[self._without_losses(row) for row in rows] for rows in self._salvaged]
        self._last_step = len(self._salvaged) - 1

    def _without_losses(self, row: Row) -> Row:
        """A row of a damaged file, without what it names and is not there any more."""
        lost: dict[str, Any] = {}
        for field, look in (("value", self.array), ("delta", self.array), ("incoming", self.array),
                            ("site", self.site)):  # fmt: skip
            try:
                if getattr(row, field) is not None:
                    look(getattr(row, field))
            except RecordingError:
                lost[field] = None
        return row._replace(**lost) if lost else row

    @property
    def steps(self) -> int:
        """How many training steps there are."""
        return self._last_step + 1

    @property
    def trouble(self) -> str | None:
        """What is the matter with the recording, or None: it was cut, is not whole, or never finished."""
        if self._store.damage:
            return f"recording ended early: {self._store.damage}"
        if self._lacks_arrays:
            return f"the elements of all but tiny arrays are missing: there is no {path_beside(self.path)}"
        return None if self.is_finished else UNFINISHED

    @property
    def is_finished(self) -> bool:
        """Whether the last training step is there to its end: nobody writes any more, and nothing was cut off."""
        return not self._store.damage and self.about.get("finished") == "yes"

    def length(self, step: int) -> int:
        """How many rows a training step has."""
        if not 0 <= step < self.steps:
            raise RecordingError(f"there is no training step t{step}; the last one is t{self.steps - 1}")
        if self._salvaged is not None:
            return len(self._salvaged[step])
        found = self._last_length if step == self._last_step else self._length(step)
        if found is None:
            raise RecordingError(f"{self.path} is damaged: the rows of t{step} are missing")
        return found

    def _length(self, step: int) -> int | None:
        found = self._store.row("SELECT max(row) FROM event WHERE step = ?", step)
        return None if found is None or found[0] is None else integer(found[0], "a row") + 1

    # ---- rows ----------------------------------------------------------------------------------------------

    def rows(self, step: int, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """The rows of a training step from `start` up to, not including, `stop`, as they are read."""
        end = self.length(step) if stop is None else min(stop, self.length(step))
        if self._salvaged is not None:
            yield from self._salvaged[step][start:end]
            return
        query = f"SELECT {COLUMNS} FROM event WHERE step = ? AND row >= ? AND row < ? ORDER BY row"
        yield from self._stream(query, step, start, end)

    def _stream(self, query: str, *parameters: Any) -> Iterator[Row]:
        """Rows, checked; in order and without gaps, which also ends a walk through pages that form a circle."""
        before: tuple[int, int] | None = None
        for values in self._store.rows(query, *parameters):
            row = row_of(values)
            here = (row.step, row.row)
            if before is not None and here not in ((before[0], before[1] + 1), (before[0] + 1, 0)):
                raise RecordingError(f"{self.path} is damaged: row {here} follows row {before}")
            before = here
            yield row

    def step(self, number: int) -> Step:
        """A whole training step, with its names."""
        step = self._steps.get(number)
        if step is None:
            rows = list(self.rows(number))
            if rows and rows[0].row != 0:
                raise RecordingError(f"{self.path} is damaged: step t{number} begins with row {rows[0].row}")
            for site in {row.site for row in rows if row.site is not None}:
                self.site(site)
            step = self._steps[number] = Step(number, rows, self._sources.called, self._earlier_name)
            while len(self._steps) > CACHED_STEPS:
                self._steps.popitem(last=False)
        self._steps.move_to_end(number)
        return step

    def has_step(self, number: int) -> bool:
        """Whether a training step is in memory, so that `step` answers at once."""
        return number in self._steps

    def name(self, vertex: int, step: int) -> str:
        """What to call a vertex, as seen from a training step: it may have appeared in an earlier one."""
        return self.step(step).name(vertex)

    def _earlier_name(self, vertex: int) -> str:
        """The name of a vertex where it first appears: a leaf, if it is to be seen in several training steps."""
        name = self._names.get(vertex)
        if name is None:
            query = "SELECT step, name FROM event WHERE vertex = ? AND kind IN (0, 4) ORDER BY step, row LIMIT 1"
            home, name = self._store.row(query, vertex) or (None, None)
            if isinstance(name, str) and name:
                name = clean(name)
            elif isinstance(home, int) and 0 <= home < self.steps:
                name = self.step(home).names.get(vertex)
            name = self._names[vertex] = name or f"#{vertex}"
        return name

    def leaf(self, vertex: int) -> Row | None:
        """The row in which a leaf is first used, or None if an op makes this vertex."""
        made = self._leaves.get(vertex)
        if made is None:
            if self._salvaged is None:
                chosen = "vertex = ? AND kind IN (0, 4) AND kind = 0"  # first as `leaf_value` has it
                query = f"SELECT {COLUMNS} FROM event WHERE {chosen} ORDER BY step, row LIMIT 1"
                found: Iterable[Row] = map(row_of, self._store.rows(query, vertex))
            else:
                found = (row for rows in self._salvaged for row in rows if row.vertex == vertex and row.kind == "leaf")
            made = next(iter(found), None)
            if made is not None:  # while a recording is being written, it may still come
                self._leaves[vertex] = made
        return made

    def label(self, row: Row) -> str:
        """What a row is about: `W1`, `W1.grad`."""
        return self.step(row.step).label(row)

    def value_at(self, vertex: int, moment: Moment) -> int | None:
        """The number of the array that a vertex held at a moment, or None if it had none yet or it was not kept."""
        step = self.step(moment.step)
        updates = [row for row in step.updates.get(vertex, ()) if row <= moment.row]
        if updates:
            return step.rows[updates[-1]].value
        made = step.made.get(vertex)
        if made is not None and made <= moment.row:
            return step.rows[made].value
        if made is not None and not any(row < made for row in step.readers(vertex)):
            return None  # else it is a leaf from before that was told anew in the midst of this step
        found = self._store.row(
            "SELECT value FROM event WHERE vertex = ? AND kind IN (0, 4) AND step < ? "
            "ORDER BY step DESC, row DESC LIMIT 1",
            vertex,
            moment.step,
        )
        return None if found is None or found[0] is None else integer(found[0], "an array")

    # ---- arrays --------------------------------------------------------------------------------------------

    def array(self, number: int) -> ArrayInfo:
        """What is known of an array without its elements."""
        return self._arrays.info(number)

    def values(self, number: int) -> np.ndarray | None:
        """The elements of an array (read-only), or None if they were not recorded or are not here."""
        return self.replayer.values(number) if self.array(number).marked else self._arrays.elements(number)

    @cached_property
    def replayer(self) -> Replayer:
        """Computes what a recording of level `replay` did not keep."""
        from .replaying import Replayer  # it needs all ops, which is seldom wanted

        return Replayer(self, self._arrays.mark)

    def why_not(self, number: int) -> str:
        """Why the elements of an array are not here: "" if they are, or were never to be."""
        return self.replayer.why.get(number, "") if self.array(number).marked else ""

    def step_of_array(self, number: int) -> int | None:
        """The training step in which an array first stands in a row."""
        found = self._store.row("SELECT min(step) FROM event WHERE value = ?1 OR delta = ?1", number)
        return None if found is None or found[0] is None else integer(found[0], "a training step")

    def value_before(self, vertex: int, step: int) -> int | None:
        """The array that an op of an earlier training step made."""
        query = "SELECT value FROM event WHERE vertex = ? AND kind = 1 AND step < ? ORDER BY step DESC LIMIT 1"
        found = self._store.row(query, vertex, step)
        return None if found is None or found[0] is None else integer(found[0], "an array")

    def requires_grad(self, vertex: int) -> bool:
        """Whether a vertex takes part in gradients, as it says where it was made."""
        for step in reversed(self._steps.values()):
            if vertex in step.made:
                return step.rows[step.made[vertex]].requires_grad
        leaf = self.leaf(vertex)
        return leaf is not None and leaf.requires_grad

    def statistics(self, number: int) -> Statistics | None:
        """The statistics of an array, stored or computed, or None where the level is meta."""
        info = self.array(number)
        if info.statistics is not None or not info.has_values:
            return info.statistics
        values = self.values(number)
        if values is None:
            return None
        computed = statistics_of(values)
        self._arrays.note(number, computed)
        return computed

    def attrs(self, row: Row) -> dict[str, Any]:
        """The settings of an op call."""
        return decode(row.attrs, self.values) if row.attrs else {}

    # ---- source --------------------------------------------------------------------------------------------

    def site(self, number: int | None) -> Site | None:
        """A place in the user's source."""
        return None if number is None else self._sources.site(number)

    def source(self, file: str) -> list[str]:
        """The lines of a source file as it was when it ran; none if it was not kept."""
        return self._sources.lines(file)

    # ---- static programs -----------------------------------------------------------------------------------

    def rewrites(self) -> Iterator[Rewritten]:
        """The rewrites of static graphs, as they were made."""
        query = "SELECT step, row, pass, rule, before, after, site FROM rewrite ORDER BY id"
        return (rewritten(values) for values in self._store.rows(query))

    @property
    def programs(self) -> int:
        """How many static programs there are in the recording."""
        found = self._store.row("SELECT count(*) FROM program")
        return 0 if found is None else integer(found[0], "a program")

    def program(self, number: int) -> Account:
        """How a static program was compiled: the graph at every moment, rewrites, near misses, source and kernels."""
        account = self._accounts.get(number)
        if account is None:
            found = self._store.row("SELECT account FROM program ORDER BY id LIMIT 1 OFFSET ?", number)
            if found is None:
                raise RecordingError(f"there is no program {number}; there are {self.programs}")
            account = self._accounts[number] = decode_account(found[0])
        return account

    def memory(self, step: int) -> Iterator[Held]:
        """What memory static programs took and gave back in a training step, in order. What is no longer needed after
        one row comes before what is taken for the next."""
        query = "SELECT step, row, vertex, bytes, place FROM memory WHERE step = ? ORDER BY row, bytes, id"
        return (held(values) for values in self._store.rows(query, step))

    def kernels(self, step: int) -> Iterator[Ran]:
        """The statements of static programs that ran in a training step, in order."""
        query = "SELECT step, row, name, vertices, seconds FROM kernel WHERE step = ? ORDER BY id"
        return (ran(values) for values in self._store.rows(query, step))

    def at(self, step: int, row: int) -> Moment:
        """The moment of a row."""
        if step in self._steps:
            found = self._steps[step].rows[row : row + 1]
        else:
            found = list(self.rows(step, row, row + 1))
        if not found:
            raise RecordingError(f"there is no row {row} in t{step}, which has {self.length(step)} rows")
        return Moment(step, row, found[0].phase)

    def resolve(self, address: str | Address, here: Moment | None = None) -> Moment:
        """Find the moment of an address (see `teachgrad.recording.moment`), seen from the moment `here`."""
        return find(self, parse(address) if isinstance(address, str) else address, here)
