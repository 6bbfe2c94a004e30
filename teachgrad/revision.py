"""A count of changes, by which static functions see at a glance that nothing they depend on has changed.

A static function watches the Python objects it reaches. Modules and optimizers are reached by almost all, and hold
many values; so they count every change of theirs here, and are looked at again only when the count has moved.
"""

from __future__ import annotations

from itertools import count
from typing import Any

_number = count(1)
now = 0
"""Another number after every change."""


def changed() -> None:
    """Note that an object has changed."""
    global now
    now = next(_number)


class Counted:
    """An object that counts the changes of its attributes."""

    contents: frozenset[str] = frozenset()
    """The attributes that hold dicts and lists which change only through methods that call `changed`."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        changed()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        changed()
