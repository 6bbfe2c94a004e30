"""Moves through the steps of a kernel trace: from one place to another."""

from __future__ import annotations

import math
import re
from functools import cached_property

import numpy as np
import numpy.typing as npt

from teachgrad.errors import RecordingError
from teachgrad.recording.kernel_trace import KernelTrace

from .places import Place, sides_of
from .walk import BARRIER, WARP, Walk, walk

Mask = npt.NDArray[np.bool_]


class Steps:
    """A trace with the walks through its blocks, each made when it is first asked for."""

    def __init__(self, trace: KernelTrace) -> None:
        self.trace = trace
        self.blocks = math.prod(trace.grid)
        self.threads = math.prod(trace.block)
        self.warps = -(-self.threads // WARP)
        self._walks: dict[tuple[int, bool], Walk] = {}

    def walk(self, place: Place) -> Walk:
        """The steps of the block, in the order that the place asks for."""
        key = (place.block, place.together)
        if key not in self._walks:
            self._walks[key] = walk(self.trace, *key)
        return self._walks[key]

    # ---- moves -------------------------------------------------------------------------------------------------------

    def step(self, place: Place, by: int) -> Place:
        """So many steps on, or back; the warp that acts is shown."""
        return self.to(place, place.step + by)

    def to(self, place: Place, step: int) -> Place:
        """After so many steps of the block."""
        found = self.walk(place)
        step = max(0, min(step, len(found)))
        if not len(found):
            return place.but(step=0)
        thread = int(self.trace.events["thread"][found.step(max(1, step))[0]])
        return place.but(step=step, warp=thread // WARP)

    def end(self, place: Place, last: bool) -> Place:
        """To the first step or the last."""
        return self.to(place, len(self.walk(place)) if last else 0)

    def seek(self, place: Place, forward: bool, wanted: Mask) -> Place:
        """To the next step, or the one before, that has an event that is wanted; where there is none, nowhere."""
        found = self.walk(place)
        positions = np.flatnonzero(wanted[found.order])
        numbers = np.searchsorted(found.ends, positions, side="right") + 1
        ahead = numbers > place.step if forward else numbers < place.step
        if not ahead.any():
            return place
        at = int(np.flatnonzero(ahead)[0 if forward else -1])
        thread = int(self.trace.events["thread"][found.order[positions[at]]])
        return place.but(step=int(numbers[at]), warp=thread // WARP)

    def thread(self, place: Place, forward: bool) -> Place:
        """To the next step of the chosen thread."""
        return self.seek(place, forward, self.trace.events["thread"] == place.warp * WARP + place.lane)

    def of_warp(self, place: Place, forward: bool) -> Place:
        """To the next step of the warp that is shown."""
        return self.seek(place, forward, self.trace.events["thread"] // WARP == place.warp)

    def barrier(self, place: Place, forward: bool) -> Place:
        """To the next arrival at a barrier."""
        return self.seek(place, forward, self.trace.events["kind"] == BARRIER)

    def race(self, place: Place, forward: bool) -> Place:
        """To the next access that races, with its thread chosen; in this block, else in another that has one."""
        wanted = self._racing
        found = self.seek(place, forward, wanted)
        if found == place:
            blocks = np.unique(self.trace.events["block"][wanted]).tolist()
            ahead = [b for b in blocks if (b > place.block if forward else b < place.block)]
            if not ahead:
                return place
            other = Place(ahead[0] if forward else ahead[-1], 0, 0, place.lane, place.together)
            past = other.but(step=0 if forward else len(self.walk(other)) + 1)
            found = self.seek(past, forward, wanted)
        step = self.walk(found).step(found.step)
        event = step[wanted[step]][0]
        return found.but(lane=int(self.trace.events["thread"][event]) % WARP)

    @cached_property
    def _racing(self) -> Mask:
        """Which events are one of the two accesses of a race."""
        racing = np.zeros(len(self.trace.events), bool)
        for finding in self.trace.findings:
            racing |= sides_of(self.trace.events, finding)
        return racing

    def block(self, place: Place, by: int) -> Place:
        """To another block, at its first step."""
        block = max(0, min(place.block + by, self.blocks - 1))
        return place if block == place.block else Place(block, 0, 0, place.lane, place.together)

    def show_warp(self, place: Place, by: int) -> Place:
        """Show another warp; the step stays."""
        return place.but(warp=max(0, min(place.warp + by, self.warps - 1)))

    def choose(self, place: Place, lane: int) -> Place:
        """Choose a thread of the warp."""
        return place.but(lane=max(0, min(lane, WARP - 1, self.threads - place.warp * WARP - 1)))

    def mode(self, place: Place) -> Place:
        """Threads side by side, or as it happened; at about the same point: where the last event is done."""
        done = self.walk(place).done(place.step)
        other = place.but(together=not place.together)
        found = self.walk(other)
        if not len(done):
            return self.to(other, 0)
        position = int(np.flatnonzero(found.order == done[-1])[0])
        return self.to(other, int(np.searchsorted(found.ends, position, side="right")) + 1)

    def resolve(self, address: str) -> Place:
        """A place by its address: `12`, `b1/12` (block and step), `last`, `race`. Raises `RecordingError`."""
        match = re.fullmatch(r"(?:b(\d{1,10})(?:/|$))?(\d{1,10}|last|race)?", address)
        if match is None or not address:
            raise RecordingError(f"{address!r} is no place in a kernel trace; write 12, b1/12, last, b1/last or race")
        block = int(match[1] or 0)
        if block >= self.blocks:
            raise RecordingError(f"there is no block {block}; the launch had {self.blocks}")
        place = Place(block)
        if match[2] == "race":
            found = self.race(place, True)
            if found == place:
                raise RecordingError("nothing races here")
            return found
        if match[2] == "last":
            return self.end(place, True)
        step = int(match[2] or 0)
        if step > len(self.walk(place)):
            raise RecordingError(f"there is no step {step}; block {block} has {len(self.walk(place))}")
        return self.to(place, step)
