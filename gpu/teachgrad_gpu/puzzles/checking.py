"""Run a learner's kernel on the emulator: is it right, is it free of mistakes, and does it cost no more than it may?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from teachgrad.errors import TeachgradError

from ..emulator import Counter, Finding, LaunchError, RawKernel, Recording
from ..emulator.events import KINDS
from ..emulator.scanning import masked
from .hints import hint_for
from .puzzle import Array, Bound, Case, Hint, Puzzle, Seen, same

SECONDS = 10.0
"""That a launch may take."""
EVENTS = 200_000
"""That are kept of a launch, for the picture."""
WRITES = KINDS.index("write"), KINDS.index("atomic")


@dataclass(frozen=True)
class Verdict:
    """What checking says."""

    passed: bool
    messages: tuple[str, ...]
    """What is wrong, one sentence each; if nothing is, what was checked."""
    hint: Hint | None = None
    findings: tuple[Finding, ...] = ()
    case: Case | None = None
    """The launch that the messages and the events are about."""
    events: Recording | None = None
    wrong: tuple[str, int] | None = None
    """The array and the position of the first element that is not as it should be."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What was counted, by what it is."""


@dataclass(frozen=True)
class Launched:
    """A launch that came to its end."""

    got: dict[str, Array]
    findings: tuple[Finding, ...]
    counters: tuple[Counter, ...]
    events: Recording | None


def check(puzzle: Puzzle, source: str) -> Verdict:
    """Launch `source` at every size of the puzzle, up to the first that goes wrong."""
    code, untouched = masked(source), tokens(source) == tokens(puzzle.start)
    first: Recording | None = None
    costs: dict[str, float] = {}
    cases = puzzle.cases()
    try:
        kernel = RawKernel(source, puzzle.kernel, record=EVENTS, timeout=SECONDS)
        kernel.compile()
        complain_of_parameters(kernel, cases[0])
    except TeachgradError as error:
        seen = Seen(code, untouched, str(error))
        return Verdict(False, (str(error),), hint_for(puzzle.hints, seen))
    for number, case in enumerate(cases):
        try:
            launched = launch(kernel, case)
        except TeachgradError as error:
            stopped = isinstance(error, LaunchError)
            seen = Seen(code, untouched, str(error), case=case)
            text = f"with {case.told} it is stopped: {error}" if stopped else str(error)
            return Verdict(False, (text,), hint_for(puzzle.hints, seen), case=case)
        first = launched.events if number == 0 else first
        place = first_wrong(case, launched.got)
        costs = {bound.what: bound.measure(launched.counters, case) for bound in puzzle.bounds}
        exceeded = [bound for bound in puzzle.bounds if costs[bound.what] > bound.most(case)]
        if launched.findings or place or exceeded:
            seen = Seen(code, untouched, "", launched.findings, case, launched.got, place is not None,
                        tuple(bound.key for bound in exceeded))  # fmt: skip
            told = tuple(complaints(case, launched, place, exceeded, costs))
            return Verdict(False, told, hint_for(puzzle.hints, seen), launched.findings, case, launched.events, place,
                           costs)  # fmt: skip
    right = f"right, without a mistake, in {len(cases)} launches: " + "; ".join(case.told for case in cases)
    return Verdict(True, (right,), case=cases[0], events=first, costs=costs)


def tokens(source: str) -> list[str]:
    """The words and signs of a source, comments aside."""
    return re.findall(r"\w+|[^\w\s]", masked(source))


def complain_of_parameters(kernel: RawKernel, case: Case) -> None:
    """The parameters of the kernel must be those of the task, in number."""
    if len(kernel.parameters) != len(case.arguments):
        wanted = ", ".join(case.arguments)
        raise TeachgradError(f"{kernel.name} takes {len(kernel.parameters)} parameters, but is launched with "
                             f"{len(case.arguments)}: {wanted}. Leave the first line of the kernel as it was")


def launch(kernel: RawKernel, case: Case) -> Launched:
    """Launch on copies of the arguments."""
    held = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in case.arguments.items()}
    kernel(case.grid, case.block, tuple(held.values()))
    got = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
    return Launched(got, kernel.findings, kernel.counters, kernel.events)


def first_wrong(case: Case, got: Mapping[str, Array]) -> tuple[str, int] | None:
    """The first element that is not as it should be, counted through."""
    for name, array in got.items():
        wanted = case.expected.get(name, case.arguments[name])
        if not same(array, wanted):
            off = ~np.isclose(array, wanted, rtol=1e-5, atol=1e-6, equal_nan=True)
            return name, int(np.flatnonzero(off)[0])
    return None


def complaints(case: Case, launched: Launched, place: tuple[str, int] | None, exceeded: list[Bound],
               costs: Mapping[str, float]) -> list[str]:  # fmt: skip
    """What is wrong with a launch."""
    told = [str(finding) for finding in launched.findings]
    if place is not None:
        told.append(about_element(case, launched, *place))
    told += [f"{bound.what}: {costs[bound.what]:.5g}, but at most {bound.most(case):.5g} will do" for bound in exceeded]
    return told


def about_element(case: Case, launched: Launched, name: str, position: int) -> str:
    """What is wrong with an element, and who wrote it."""
    array = launched.got[name]
    index = "".join(f"[{int(i)}]" for i in np.unravel_index(position, array.shape))
    value = array.flat[position]
    if name not in case.expected:
        return f"{name}{index} has become {value:g}; {name} is only to be read"
    wanted = case.expected[name].flat[position]
    writer = last_writer(launched.events, name, position, array.itemsize)
    return f"{name}{index} is {value:g}, and should be {wanted:g}; {writer}"


def last_writer(events: Recording | None, name: str, position: int, itemsize: int) -> str:
    """Which thread wrote an element last, in words."""
    if events is None:
        return "nobody knows who wrote it"
    numbers = [key for key, array in events.arrays.items() if array.name == name and array.space == "global"]
    data = events.data
    hits = [step for origin, number in numbers for step in np.flatnonzero(
        (data["number"] == number) & (data["origin"] == origin.encode()) & (data["offset"] // itemsize == position)
        & np.isin(data["kind"], WRITES))]  # fmt: skip
    if not hits:
        return "no thread has written it" + (" as far as it is recorded" if events.dropped else "")
    event: Any = events[int(max(hits))]
    return f"thread {event.thread} of block {event.block} wrote it, in line {event.line}"
