"""On how many cores generated C runs: one, unless more are asked for.

The number comes from `tg.static(..., threads=n)`, else from `set_num_threads(n)`, else from the environment variable
TEACHGRAD_NUM_THREADS. NumPy's products divide themselves as NumPy's BLAS was told, until a number is asked for here:
within generated C they keep to it, too.
"""

from __future__ import annotations

import os

from .errors import SettingError

VARIABLE = "TEACHGRAD_NUM_THREADS"

_asked: int | None = None


def set_num_threads(threads: int) -> None:
    """Let static functions at level O3 that are traced from now on use so many cores.

    More than one pays for steps of about a millisecond and longer; the same number gives the same bits in every run.
    """
    global _asked
    _asked = checked(threads)


def get_num_threads() -> int:
    """The number of cores that static functions at level O3 use when they are not told another."""
    return asked() or 1


def asked() -> int | None:
    """The number that was asked for, or None if none was."""
    if _asked is not None:
        return _asked
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise SettingError(f"the environment variable {VARIABLE} is {text!r}; give it a number from 1 on, or unset it")
    return checked(int(text))


def checked(threads: int) -> int:
    """A number of threads, if it is one."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise SettingError(f"the number of threads is an integer from 1 on, not {threads!r}")
    return threads
