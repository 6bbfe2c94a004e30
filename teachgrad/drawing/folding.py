"""Folding what repeats: a thousand layers that are alike are shown once, with `×1000` beside them.

A line has a `form`, which must be the same in every repetition, and `numbers`, which may go up or down by the same step
from each repetition to the next, as the numbers of layers and of values do. So nothing is hidden that the first
repetition does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

LONGEST = 600
"""The longest block, in lines, that is looked for."""
LEAST = 3
"""So often a block must stand to be folded."""

_digits = re.compile(r"\d+")


class Line(NamedTuple):
    """A line of text, what must be equal in its repetitions, and what may count on."""

    text: str
    form: Hashable
    numbers: tuple[int, ...]
    note: str = ""
    """What stands at the right."""


class Block(NamedTuple):
    """Lines that stand `times` times, one after the other; shown are those of the first time."""

    lines: Sequence[Line]
    times: int


def split_numbers(text: str) -> tuple[str, tuple[int, ...]]:
    """A name without its numbers, and the numbers: `blocks.3.bias` is `blocks.*.bias` and (3,)."""
    return _digits.sub("*", text), tuple(map(int, _digits.findall(text)))


def fold(lines: Sequence[Line]) -> Iterator[Block]:
    """The lines as blocks. At each place the repetition that covers most lines is taken, the shortest of equals."""
    after: dict[Hashable, int] = {}
    following = [0] * len(lines)  # the next line of the same form
    for number in range(len(lines) - 1, -1, -1):
        following[number] = after.get(lines[number].form, len(lines))
        after[lines[number].form] = number
    forms = [line.form for line in lines]
    at = 0
    while at < len(lines):
        length, count = 1, 1
        candidate = following[at]
        while candidate - at <= LONGEST and 2 * candidate - at <= len(lines):
            times = repetitions(lines, forms, at, candidate - at)
            if times >= LEAST and times * (candidate - at) > length * count:
                length, count = candidate - at, times
            if times * (candidate - at) > LONGEST:
                break
            candidate = following[candidate]
        yield Block(lines[at:at + length], count)
        at += length * count


def repetitions(lines: Sequence[Line], forms: Sequence[Hashable], at: int, length: int) -> int:
    """How often the block of that length at that place stands there."""
    block = forms[at:at + length]
    if forms[at + length:at + 2 * length] != block:
        return 1
    steps = [steps_of(lines[at + k].numbers, lines[at + length + k].numbers) for k in range(length)]
    count = 2
    while forms[at + count * length:at + (count + 1) * length] == block:
        here = at + count * length
        if any(steps_of(lines[here - length + k].numbers, lines[here + k].numbers) != steps[k] for k in range(length)):
            break
        count += 1
    return count


def steps_of(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """By how much each number goes on."""
    return tuple(b - a for a, b in zip(before, after, strict=True))
