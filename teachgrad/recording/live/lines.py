"""What a training and its viewers say to each other: one JSON object a line, in UTF-8.

The training greets, after a token where one is needed, and then tells its state whenever that changes:

    {"teachgrad": 1, "recording": "/home/ada/run.tgr", "title": "train.py", "pid": 4711}
    {"state": "paused", "at": [12, 40], "level": "values", "viewers": 1}

`state` is `running`, `stepping` (it will pause by itself), `pausing` (at its next event), `paused` or `ended`; `at` is
training step and row of the last row that can be read, where it is paused. Viewers say

    {"token": "…"}                          first, where the training listens on a port
    {"do": "pause"}    {"do": "resume"}
    {"do": "step", "unit": "row"}           or over, out (of a module), phase, step (a training step:
                                            to the same place in the next one)
    {"do": "level", "level": "stats"}       record so much from now on: meta, stats, replay or values

What is anything else is answered with `{"refused": "…"}`. A line that is too long or no JSON object ends the
connection. Nothing that is said is ever run: a command is one of these words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from ..schema import LEVELS, Level

VERSION = 1
MAX_LINE = 4096
"""Bytes that a viewer may say in one line."""
MAX_ANSWER = 1 << 16
"""Bytes that a training may."""

Unit = Literal["row", "over", "out", "phase", "step"]
UNITS: tuple[Unit, ...] = get_args(Unit)
Deed = Literal["pause", "resume", "step", "level"]
DEEDS: tuple[Deed, ...] = get_args(Deed)


class Refused(Exception):
    """What was said is none of the above."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a viewer wants."""

    do: Deed
    unit: Unit = "row"
    level: Level = "values"


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of a line. Raises `Refused` if it is no JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("a line is one JSON object") from None
    if type(message) is not dict:
        raise Refused("a line is one JSON object")
    return message


def command_of(message: Mapping[str, Any]) -> Command:
    """The command in a message. Raises `Refused` if there is none."""
    do = message.get("do")
    if do not in DEEDS:
        raise Refused(f"there is no such command; there are {', '.join(DEEDS)}")
    choices: Mapping[str, tuple[str, ...]] = {"step": ("unit", *UNITS), "level": ("level", *LEVELS)}
    name, *known = choices.get(cast(str, do), ("",))
    unknown = message.keys() - {"do", name}
    if unknown:
        raise Refused(f"{do} takes {'nothing more' if not name else f'{name} alone'}")
    if not name:
        return Command(cast(Deed, do))
    chosen = message.get(name)
    if chosen not in known:
        raise Refused(f"{name} is one of {', '.join(known)}")
    return Command("step", unit=cast(Unit, chosen)) if do == "step" else Command("level", level=cast(Level, chosen))


class Lines:
    """Whole lines out of bytes as they come."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now. Raises `Refused` where one is too long."""
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = rest
        if max(map(len, (*whole, rest))) > self._longest:
            raise Refused(f"a line has at most {self._longest} bytes")
        return [bytes(line) for line in whole]
