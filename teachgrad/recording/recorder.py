"""Watches a run and writes it down. What the file looks like is said in `teachgrad.recording.schema`."""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Callable
from math import inf
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy import ndarray

from .. import devices, observe
from ..displays import Displayed
from ..errors import RecordingError, Where
from .accounts import MAX_ACCOUNT
from .accounts import encode as tell
from .attributes import encode
from .beside import path_beside
from .kinds import Kind, kind_of
from .marks import mark
from .schema import LEVELS, MAX_BYTES, MAX_SOURCE, PARAMETER, REQUIRES_GRAD, WITH_ELEMENTS, Level
from .text import listed, short, sound
from .timeline import Timeline
from .vertices import Vertices
from .writer import Writer, about

if TYPE_CHECKING:
    from .live.gate import Gate
    from .live.opening import Live


class Recorder(Displayed):
    """Record what runs inside a `with` block: values, gradients along every edge, updates, and where each
    came from.

        with tg.Recorder("run.tgr", level="values"):
            train()

    Afterwards, or meanwhile, `teachgrad inspect run.tgr` shows it. Recorders nest; the inner one takes over.

    - `path`: the file. A recording of that name is replaced; any other file is an error. While the run goes on,
      elements of all but tiny arrays are in a second file beside it, `run.tgr-arrays`.
    - `level`: `"meta"` records shapes and dtypes, `"stats"` also statistics of each array, `"values"` its elements.
      `"replay"` keeps the elements of leaves and updates, and of whatever else is not a function of them; the others
      are computed again when they are looked at, bit for bit, or said to be out of reach.
    - `live`: whether `teachgrad inspect ADDRESS` can attach to the run, pause it and step it; the address is told on
      stderr. True listens on a Unix socket that only its owner can reach, or where there are none on a port of the
      loopback device with a token. Words in a string say more: `"tcp"` takes a port in any case; `"wait"` has the run
      wait at its first op for a viewer; `"signal"` records nothing, and costs nothing, until the process gets SIGUSR1;
      `"spare"` records elements only while somebody is attached, else statistics; and of elements no more than half of
      the disk that is free, or 8 GiB.

    Raises `RecordingError` if the file cannot be made, or no viewer can be listened for. A disk that fills up later
    ends the recording with a warning, not the run.
    """

    displayed_as = "recording"

    def __init__(self, path: str | PathLike[str], level: Level = "meta", live: bool | str = False) -> None:
        if level not in LEVELS:
            raise RecordingError(f"there is no level {level!r}; there are {', '.join(LEVELS)}")
        self.path = Path(path)
        self.level = level
        self._writer: Writer | None = None
        self._live: Live | None = None
        if live:
            from .live.opening import Live

            self._live = Live(live)

    @property
    def address(self) -> str | None:
        """Where a viewer attaches to the run, while it can."""
        return self._live.address if self._live is not None else None

    def __repr__(self) -> str:
        return f"<recorder of {self.path}, level {self.level}{', at work' * (self._writer is not None)}>"

    def __enter__(self) -> Self:
        if self._writer is not None:
            raise RecordingError("this Recorder is recording already; make another one")
        if self._live is not None and self._live.on_signal:
            self._live.await_signal(self._begin)
        else:
            self._begin()
        return self

    def _begin(self) -> None:
        writer = Writer(self.path, about(self.level))
        sink = _Sink(writer, self.level)
        if self._live is not None:
            try:
                sink.gate = self._live.open(self.path.absolute(), sink)
            except BaseException:
                writer.close()
                raise
        self._writer, self._sink = writer, sink
        self._before = observe.sink
        observe.sink = sink

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.end()
        writer, self._writer = self._writer, None
        if writer is None:  # nobody sent the signal
            return
        observe.sink = self._before
        self._sink.finish()
        try:
            writer.close()
        finally:
            if self._live is not None:
                self._live.close()
            if writer.error is not None:
                self._sink.warn()
            elif writer.apart is not None:
                self._sink.warn_of_more_files(self.path)


class _Sink:
    """Turns events into rows. Called from any thread, one event at a time."""

    def __init__(self, writer: Writer, level: Level) -> None:
        self._writer = writer
        self._timeline = Timeline(writer.add)
        self.level = self._highest = level
        self.budget = inf
        """Bytes of elements that there may be; when they are spent, statistics have to do."""
        self._warned = False
        self._vertices = Vertices()
        self._flowing: dict[int, tuple[Any, int | None]] = {}
        """The running sums of the present backward pass: the incoming gradient of a vertex is one of them."""
        self._incoming: dict[int, int | None] = {}
        self._metas: dict[Kind, int] = {}
        self._sites: dict[tuple[str, int, int, int], int] = {}
        self._files: set[str] = set()
        self._keep_here = self._keeper(level)
        self.gate: Gate | None = None
        """Where the run waits, if somebody may hold it."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            observe.Leaf: self._leaf,
            observe.Forward: self._forward,
            observe.Seed: self._seed,
            observe.Backward: self._backward,
            observe.Accumulate: self._accumulate,
            observe.Deposit: self._deposit,
            observe.Update: self._update,
            observe.Rewrite: self._rewrite,
            observe.Compiled: self._compiled,
            observe.Alloc: self._alloc,
            observe.Free: self._free,
            observe.Kernel: self._kernel,
        }

    def __call__(self, event: Any) -> None:
        with self._writer.lock:
            if self._writer.error is not None:
                self.warn()
            else:
                self._handlers[type(event)](event)
        if self.gate is not None and self.gate.closed:
            self.gate.arrive(event)

    def place(self) -> tuple[int, int, int] | None:
        """Training step, number and phase of the last row."""
        return self._timeline.last

    def stored(self) -> int:
        """Bytes of elements in the recording."""
        return self._writer.stored

    def commit(self) -> None:
        """Make all rows readable."""
        with self._writer.lock:
            self._writer.commit()

    def set_level(self, level: Level) -> None:
        """Keep so much of each array from now on. The recording is said to be of the highest level that it has had."""
        with self._writer.lock:
            if LEVELS.index(level) > LEVELS.index(self._highest):
                self._highest = level
                self._writer.add("about", ("level", level))
            if level == "replay":
                self._writer.add("about", ("replay", "yes"))
            if LEVELS.index(level) > LEVELS.index(self.level):
                self._vertices.forget()
            self.level, self._keep_here = level, self._keeper(level)
        if self.gate is not None:
            self.gate.told()

    def finish(self) -> None:
        """There will be no more events."""
        with self._writer.lock:
            self._timeline.close()

    def warn(self) -> None:
        """Say once that the recording ended before the run."""
        if not self._warned:
            self._warned = True
            warnings.warn(f"the recording ended early, the run goes on: {self._writer.error}", stacklevel=3)

    def warn_of_more_files(self, path: Path) -> None:
        """Say that the recording is not one file."""
        reason = str(self._writer.apart) or type(self._writer.apart).__name__
        others = f"{path_beside(path).name}, {path.name}-wal"
        warnings.warn(
            f"the recording is whole, but {path} needs what stayed beside it ({others}): {reason}", stacklevel=3
        )

    # ---- rows ----------------------------------------------------------------------------------------------

    def _leaf(self, event: observe.Leaf) -> None:
        vertex, name, array, requires_grad, is_parameter = event
        pulled = self._timeline.pulled
        if self._vertices.is_told(vertex, array, pulled):
            return
        if not is_parameter and self._vertices.comes_again(vertex, pulled):
            self._begin_again()
        self._vertices.tell_leaf(vertex, array)
        flags = REQUIRES_GRAD * requires_grad | PARAMETER * is_parameter
        self._timeline.forward("leaf", (vertex, short(name), flags, self._keep(array)), False)
        if self._timeline.step != self._vertices.step:
            self._turn(vertex)

    def _forward(self, event: observe.Forward) -> None:
        vertex, op, inputs, attrs, array, name, where, scope, requires_grad = event
        if vertex in self._vertices.made:
            self._begin_again()
        self._vertices.tell(vertex, array)
        settings = encode(attrs, self._keep_setting) if attrs else ""
        if self.level == "replay":
            self._vertices.ran(vertex, op, inputs, settings, array)
        values = (
            vertex, op, short(name), short(scope), listed(inputs), settings, self._site(where),
            REQUIRES_GRAD * requires_grad, self._keep_made(vertex, array),
        )  # fmt: skip
        self._timeline.forward("op", values, requires_grad)
        if self._timeline.step != self._vertices.step:
            self._turn(vertex)

    def _turn(self, vertex: int) -> None:
        """The row of a vertex has begun a new training step. The sums of the last one are let go."""
        self._vertices.turn(vertex, self._timeline.step)
        self._flowing.clear()

    def _begin_again(self) -> None:
        """A static program runs once more, with the vertices that it had before."""
        if self._vertices.made:
            self._timeline.again()
            self._vertices.made.clear()

    def _seed(self, event: observe.Seed) -> None:
        gradient = self._keep(event.gradient)
        self._flowing[event.id] = event.gradient, gradient
        self._timeline.backward("seed", (event.id, gradient))

    def _backward(self, event: observe.Backward) -> None:
        array, stored = self._flowing.pop(event.id, (None, None))
        if array is not event.gradient:
            stored = self._keep(event.gradient)
        if len(self._incoming) > 4096:
            self._incoming.clear()
        self._incoming[event.id] = stored

    def _accumulate(self, event: observe.Accumulate) -> None:
        source, target, edge, contribution, total = event
        delta = self._keep_made(source, contribution)
        kept = delta if total is contribution else self._keep_made(source, total)
        self._flowing[target] = total, kept
        self._timeline.backward("edge", (target, source, edge, kept, delta, self._incoming.get(source)))

    def _deposit(self, event: observe.Deposit) -> None:
        vertex, before, total = event
        self._timeline.backward("deposit", (vertex, self._keep(total), self._keep(before)))

    def _update(self, event: observe.Update) -> None:
        vertex, name, after = event
        self._vertices.update(vertex, after)
        self._timeline.update("update", (vertex, short(name), self._keep(after)))

    # ---- other tables --------------------------------------------------------------------------------------

    def _rewrite(self, event: observe.Rewrite) -> None:
        pass_name, rule, before, after, where = event
        self._timeline.note("rewrite", (pass_name, rule, before, after, self._site(where)))

    def _compiled(self, event: observe.Compiled) -> None:
        from .compiling import account_of  # it needs most of teachgrad, which is seldom wanted

        text = tell(account_of(event.trace, event.arrays), self._site)
        if len(text) <= MAX_ACCOUNT:
            self._timeline.note("program", (sound(text),))

    def _alloc(self, event: observe.Alloc) -> None:
        if event.vertex in self._vertices.made:
            self._begin_again()
        self._timeline.note("alloc", event)

    def _free(self, event: observe.Free) -> None:
        self._timeline.note("free", event)

    def _kernel(self, event: observe.Kernel) -> None:
        name, vertices, seconds = event
        self._timeline.note("kernel", (name, listed(vertices), seconds))

    def _site(self, where: Where | None) -> int | None:
        if where is None:
            return None
        key = (where.file, where.line, where.column, where.end_column)
        number = self._sites.get(key)
        if number is None:
            number = self._sites[key] = len(self._sites) + 1
            place = (number, short(where.file), where.line, short(where.function), where.column, where.end_column,
                     short(where.text))  # fmt: skip
            self._writer.add("site", place)
            if where.file not in self._files:
                self._files.add(where.file)
                text = "".join(linecache.getlines(where.file))
                self._writer.add("source", (short(where.file), sound(text[:MAX_SOURCE])))
        return number

    # ---- arrays --------------------------------------------------------------------------------------------

    def _keep(self, array: Any) -> int | None:
        """Keep what the level says of an array. One on another device is carried over: whoever records, looks."""
        kind = kind_of(array)
        if kind is None:
            if type(array) is ndarray or type(array) not in devices.KINDS:
                return None
            array = devices.of(array).to_host(array)
            kind = kind_of(array)
            if kind is None:
                return None
        return self._keep_here(kind, array)

    def _keeper(self, level: Level) -> Callable[[Kind, np.ndarray], int]:
        keep: dict[Level, Callable[[Kind, np.ndarray], int]] = {
            "meta": self._keep_meta,
            "stats": self._writer.add_statistics,
            "replay": self._keep_values,
            "values": self._keep_values,
        }
        return keep[level]

    def _keep_meta(self, kind: Kind, array: np.ndarray) -> int:
        number = self._metas.get(kind)
        if number is None:
            number = self._metas[kind] = self._writer.add_description(kind)
        return number

    def _keep_values(self, kind: Kind, array: np.ndarray) -> int:
        if kind.nbytes > MAX_BYTES:
            return self._keep_meta(kind, array)
        if self._writer.stored > self.budget:
            self.set_level("stats")
            return self._writer.add_statistics(kind, array)
        return self._writer.add_array(kind, array)

    def _keep_made(self, vertex: int, array: Any) -> int | None:
        """What is kept of what the op of a vertex made, forward or backward."""
        if self.level != "replay" or not self._vertices.follows(vertex):
            return self._keep(array)
        kind = kind_of(array)
        if kind is None:  # of other devices, bits may differ
            return self._keep(array)
        return self._writer.add_mark(kind, mark(array))

    def _keep_setting(self, array: np.ndarray) -> int | None:
        """The number of an array among the settings of an op, such as an index."""
        kind = kind_of(array) if self.level in WITH_ELEMENTS else None
        return None if kind is None else self._keep_values(kind, array)
