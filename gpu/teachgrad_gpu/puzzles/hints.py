"""When a hint is due: conditions on what was seen, and the hints that every puzzle shares."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from .puzzle import Array, Case, Hint, Seen, same

When = Callable[[Seen], bool]


def finds(kind: str, *, space: str = "", array: str = "") -> When:
    """A finding of a kind, in a memory or an array."""
    return lambda seen: any(
        f.kind == kind and space in ("", f.space) and array in ("", f.array) for f in seen.findings)


def gives(mistaken: Callable[[Case], Array], name: str = "out") -> When:
    """The wrong result is exactly what a mistake would give."""

    def when(seen: Seen) -> bool:
        if seen.case is None or seen.got is None or not seen.wrong or seen.trouble:
            return False
        with np.errstate(all="ignore"):
            return same(seen.got[name], mistaken(seen.case))

    return when


def over(key: str) -> When:
    """A limit was exceeded."""
    return lambda seen: key in seen.over


def wrong(seen: Seen) -> bool:
    """The result is not NumPy's."""
    return seen.wrong


def right(seen: Seen) -> bool:
    """The result is NumPy's, and nothing is found; it only costs too much."""
    return not seen.wrong and not seen.findings


def stopped(word: str) -> When:
    """It could not be compiled or launched, or was stopped, with a word in the reason."""
    return lambda seen: word in seen.trouble


def writes(pattern: str) -> When:
    """The source has something, comments aside."""
    return lambda seen: re.search(pattern, seen.source) is not None


def lacks(pattern: str) -> When:
    """The source has nothing of the kind, comments aside."""
    return lambda seen: re.search(pattern, seen.source) is None


def both(*conditions: When) -> When:
    return lambda seen: all(condition(seen) for condition in conditions)


def either(*conditions: When) -> When:
    return lambda seen: any(condition(seen) for condition in conditions)


def one_written(seen: Seen) -> bool:
    """Of several elements only one was written."""
    return unwritten(seen) and seen.got is not None and int((~np.isnan(seen.got["out"])).sum()) == 1


def unwritten(seen: Seen) -> bool:
    """Something that was to be written still holds nan, and nothing else is wrong."""
    if seen.case is None or seen.got is None or seen.findings:
        return False
    left = (np.isnan(seen.got[name]) & ~np.isnan(wanted) for name, wanted in seen.case.expected.items())
    return any(bool(holes.any()) for holes in left)


UNTOUCHED = Hint("untouched", lambda seen: seen.untouched,
                 "This is the puzzle as it was handed out. Look for TODO in the file, and read the picture below: it "
                 "shows what your threads do now.")  # fmt: skip

COMMON = (
    Hint("does-not-compile", stopped("does not compile"), "The compiler names the line above. CUDA C is C++: is there "
         "a semicolon missing, or a name that was never declared?"),
    Hint("too-long", either(stopped("timeout"), finds("timeout")), "The kernel does not end. Does every loop come "
         "nearer to its end each time around?"),
    Hint("divergent-barrier", either(finds("divergent barrier"), finds("missed barrier"), finds("deadlock")),
         "__syncthreads() waits for all threads of the block. It must not stand inside an if, or behind a return, that "
         "only some of them take: guard the loads and stores, not the barrier."),
    Hint("no-guard", finds("out of bounds", space="global"), "A thread went past the end of an array. There are more "
         "threads than elements: let a thread do something only if its index is inside."),
    Hint("shared-bounds", finds("out of bounds", space="shared"), "A thread went past the end of shared memory. How "
         "many elements does the array have, and what is the largest index?"),
    Hint("race-shared", finds("race", space="shared"), "One thread reads from shared memory what another writes, and "
         "nothing says who comes first. Put __syncthreads() between the writes and the reads, in a loop also between "
         "the reads and the writes of the next time around."),
    Hint("race-global", finds("race", space="global"), "Several threads write one element. Either each thread has an "
         "element of its own, or they take turns with atomicAdd."),
    Hint("uninitialised", finds("uninitialised"), "A thread reads shared memory that no thread of its block has "
         "written. Shared memory begins as rubbish, and each block has its own."),
    Hint("inactive-lane", either(finds("inactive lane"), finds("warp mask")), "A shuffle takes a value from a lane "
         "that has left. All lanes named in the mask must come to it: let those with nothing to do bring a zero."),
    Hint("unwritten", unwritten, "Elements of the result still hold nan: no thread wrote them. Which threads should "
         "have?"),
)  # fmt: skip


def hint_for(hints: tuple[Hint, ...], seen: Seen) -> Hint | None:
    """The first that is due: those of the puzzle come before those of all."""
    return next((hint for hint in (UNTOUCHED, *hints, *COMMON) if hint.when(seen)), None)
