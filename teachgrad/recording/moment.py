"""Moments: the address of every row of a recording, to be shown, typed, linked and asked for.

    t12/bwd/41          row 41 of training step 12, which stands in its backward phase
    t12/bwd/W1.grad     the last row of that phase that is about W1.grad
    t12/bwd             the first row of that phase;  t12  the first row of the step
    W1                  the first row about W1 from here on, else anywhere
    last, last W1       the last row; the last row about W1

Any of them may end in the index of an element, as in `t0/bwd/W1.grad[3,1]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from ..errors import RecordingError
from .schema import PHASES, Phase

Element = tuple[int, ...]

_ELEMENT = re.compile(r"^(?P<rest>.*[^\[\]])\[(?P<indices>\s*\d+\s*(?:,\s*\d+\s*)*)\]$", re.DOTALL)
_PLACE = re.compile(rf"^t(?P<step>\d{{1,18}})(?:/(?P<phase>{'|'.join(PHASES)}))?(?:/(?P<rest>.+))?$", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One row of a recording, and perhaps one element of its array."""

    step: int
    row: int
    phase: Phase
    element: Element | None = None

    def __str__(self) -> str:
        place = f"t{self.step}/{self.phase}/{self.row}"
        return place if self.element is None else f"{place}[{','.join(map(str, self.element))}]"


@dataclass(frozen=True, slots=True)
class Address:
    """What somebody typed to name a moment; `Reader.resolve` finds it."""

    step: int | None = None
    phase: Phase | None = None
    row: int | None = None
    name: str | None = None
    last: bool = False
    element: Element | None = None


def parse(text: str) -> Address:
    """Read an address. A leading colon, as it is typed in the inspector, does not matter."""
    rest = text.strip().removeprefix(":").strip()
    element = None
    if match := _ELEMENT.match(rest):
        rest = match["rest"]
        element = tuple(int(index) for index in match["indices"].split(","))
        if max(element) >= 1 << 60:
            raise RecordingError(f"there is no element {list(element)}")
    if not rest:
        raise RecordingError("an empty address; write something like t0/bwd/41, W1 or last")
    if match := _PLACE.match(rest):
        what = match["rest"]
        row = int(what) if what is not None and what.isdecimal() and len(what) < 19 else None
        return Address(
            step=int(match["step"]),
            phase=cast(Phase | None, match["phase"]),
            row=row,
            name=what if row is None else None,
            element=element,
        )
    if rest == "last":
        return Address(last=True, element=element)
    if rest.startswith("last "):
        return Address(name=rest[5:].strip(), last=True, element=element)
    return Address(name=rest, element=element)
