"""Characters that are drawn rather than written, so that lines join whatever the font: boxes, blocks, dots of braille.

A cell is `WIDTH` by `HEIGHT`; lines meet at its middle and end at its edges.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

WIDTH, HEIGHT = 9, 18
MIDDLE = 4.5, 9.5
LIGHT, HEAVY, DOUBLE = 1, 2, 3
GAP = 1.5
"""Half the distance of double lines."""
SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
_SIDES = {"UP": "u", "DOWN": "d", "LEFT": "l", "RIGHT": "r", "HORIZONTAL": "lr", "VERTICAL": "ud"}
_WEIGHTS = {"LIGHT": LIGHT, "SINGLE": LIGHT, "HEAVY": HEAVY, "DOUBLE": DOUBLE}
_DASHES = {"DOUBLE DASH": 2, "TRIPLE DASH": 3, "QUADRUPLE DASH": 4}


class Line(NamedTuple):
    """A straight line: at `at` of the other axis, from `start` to `stop`."""

    across: bool
    heavy: bool
    at: float
    start: float
    stop: float


class Ink(NamedTuple):
    """What a character is made of, within its cell."""

    lines: tuple[Line, ...] = ()
    arc: str = ""
    """The path of a round corner."""
    areas: tuple[tuple[float, float, float, float], ...] = ()
    """Rectangles: left, top, width and height."""
    shade: float = 1.0
    """How dark the areas are."""


@lru_cache(maxsize=512)
def ink(character: str) -> Ink | None:
    """How a character is drawn; None where it is written."""
    code = ord(character)
    if 0x2500 <= code < 0x2580:
        return _box(unicodedata.name(character))
    if 0x2580 <= code < 0x2596:
        return _block(character, code)
    if 0x2800 < code < 0x2900:
        dots = [(column, row) for bit, (column, row) in enumerate(_DOTS) if code >> bit & 1]
        return Ink(areas=tuple((1.5 + 4.5 * column, 1.5 + 4.5 * row, 2, 2) for column, row in dots))
    return None


_DOTS = (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)


def _box(name: str) -> Ink | None:
    """A box character by its name: `LIGHT DOWN AND RIGHT`, or `VERTICAL DOUBLE AND RIGHT SINGLE`."""
    text = name.removeprefix("BOX DRAWINGS ")
    if "DIAGONAL" in text:
        return None
    dashes = 1
    for kind, count in _DASHES.items():
        if kind in text:
            text, dashes = text.replace(kind + " ", ""), count
    words = text.split()
    arms: dict[str, int] = {}
    if words[0] in _WEIGHTS:  # one weight for all
        arms = {side: _WEIGHTS[words[0]] for word in words[1:] for side in _SIDES.get(word, "")}
    else:
        for part in text.split(" AND "):
            *sides, weight = part.split()
            arms |= {side: _WEIGHTS[weight] for word in sides for side in _SIDES[word]}
    if "ARC" in words:
        return Ink(arc=_arc("".join(arms)))
    return Ink(lines=tuple(line for side, weight in arms.items() for line in _arm(side, weight, dashes)))


def _arm(side: str, weight: int, dashes: int) -> Iterator[Line]:
    """The lines from the middle of a cell to one of its sides."""
    across = side in "lr"
    middle, at = MIDDLE if across else MIDDLE[::-1]
    start, stop = (0, middle) if side in "lu" else (middle, WIDTH if across else HEIGHT)
    offsets = (-GAP, GAP) if weight == DOUBLE else (0.0,)
    if dashes == 1:
        yield from (Line(across, weight == HEAVY, at + offset, start, stop) for offset in offsets)
        return
    length = (WIDTH if across else HEIGHT) / dashes
    for number in range(dashes):
        first, last = (number + 0.2) * length, (number + 0.8) * length
        if max(first, start) < min(last, stop):
            yield Line(across, weight == HEAVY, at, max(first, start), min(last, stop))


def _arc(sides: str) -> str:
    x, y = MIDDLE
    down, right = "d" in sides, "r" in sides
    return f"M{x:g} {HEIGHT if down else 0}Q{x:g} {y:g} {WIDTH if right else 0} {y:g}"


def _block(character: str, code: int) -> Ink:
    if character in SHADES:
        return Ink(areas=((0, 0, WIDTH, HEIGHT),), shade=SHADES[character])
    if character == "▀":
        return Ink(areas=((0, 0, WIDTH, HEIGHT / 2),))
    if character in "▐▕":
        part = 1 / 2 if character == "▐" else 1 / 8
        return Ink(areas=((WIDTH * (1 - part), 0, WIDTH * part, HEIGHT),))
    if character == "▔":
        return Ink(areas=((0, 0, WIDTH, HEIGHT / 8),))
    if code <= 0x2588:  # lower one eighth to full
        height = HEIGHT * (code - 0x2580) / 8
        return Ink(areas=((0, HEIGHT - height, WIDTH, height),))
    return Ink(areas=((0, 0, WIDTH * (0x2590 - code) / 8, HEIGHT),))


def path(lines: Iterable[Line]) -> str:
    """Lines as the data of a path; those that continue each other become one."""
    tracks: dict[tuple[bool, float], list[tuple[float, float]]] = defaultdict(list)
    for line in lines:
        tracks[line.across, line.at].append((line.start, line.stop))
    parts = []
    for (across, at), pieces in sorted(tracks.items()):
        for start, stop in _joined(sorted(pieces)):
            parts.append(f"M{start:g} {at:g}H{stop:g}" if across else f"M{at:g} {start:g}V{stop:g}")
    return "".join(parts)


def _joined(pieces: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    start, stop = pieces[0]
    for first, last in pieces[1:]:
        if first > stop + 0.01:
            yield start, stop
            start, stop = first, last
        stop = max(stop, last)
    yield start, stop
