"""Guards: values that a trace depends on, and whether they are still the same.

Each guard knows one place in the Python world (a global, a closure variable, an attribute, the elements of a list) and
what was there while the function was traced. Looking at all of them before every call has to be quick. So a guard can
say in one Python expression that the very same object is still there; `signature.Fit` makes one function of all these
expressions. Only when that answers no are the guards asked one by one: a number may have been replaced by an equal one.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign
from operator import is_
from types import CellType, MethodType
from typing import Any

import numpy as np

from . import revision
from .errors import Site
from .op import Vertex

PLAIN = (int, float, complex, str, bytes, bool, type(None), np.dtype, np.generic, range, slice)
"""Types whose values never change, and are compared by value."""
LARGE = 1 << 20
"""Of arrays above this many bytes a digest is kept instead of a copy."""


def alike(a: Any, b: Any) -> bool:
    """Whether two values mean the same to a program: one object, or equal plain values of one type."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (float, complex, np.generic)):
        return bool(a == b) and same_signs(a, b)
    if isinstance(a, PLAIN):
        return bool(a == b)
    if type(a) is tuple:
        return len(a) == len(b) and all(map(alike, a, b))
    return isinstance(a, MethodType) and a.__func__ is b.__func__ and a.__self__ is b.__self__


def same_signs(a: Any, b: Any) -> bool:
    """Whether equal numbers are equal in the sign of their zeros too."""
    if isinstance(a, complex):
        return same_signs(a.real, b.real) and same_signs(a.imag, b.imag)
    return not isinstance(a, (float, np.floating)) or copysign(1.0, a) == copysign(1.0, b)


class Guard:
    """One value and what it was. `what` says what it is, `where` the code that depends on it."""

    counted = False
    """Whether every change is counted in `revision`, so that the guard is needed only when that moves."""
    lasting = True
    """Whether the value matters between calls too, and not only while the function is traced."""
    random = False
    """Whether the value is the state of a random number generator."""

    def __init__(self, what: str, where: Site | None) -> None:
        self.what, self.where = what, where
        self.expected = self.now()

    def now(self) -> Any:
        """The value as it is."""
        raise NotImplementedError

    def holds(self) -> bool:
        """Whether the value is what it was."""
        try:
            return alike(self.now(), self.expected)
        except Exception:  # a name that is gone, or objects that cannot be compared, have changed
            return False

    def renew(self) -> None:
        """Take the value that is there now, an equal one, for the quick expression."""
        self.expected = self.now()

    def quick(self, bind: Callable[[Any], str]) -> str:
        """An expression that holds if nothing has changed. `bind` gives an object a name in it."""
        raise NotImplementedError


class Entry(Guard):
    """space[name]: a global, or an attribute in the `__dict__` of an object or a class."""

    def __init__(self, space: Any, name: str, what: str, where: Site | None) -> None:
        self.space, self.name = space, name
        super().__init__(what, where)

    def now(self) -> Any:
        return self.space[self.name]

    def quick(self, bind: Callable[[Any], str]) -> str:
        return f"{bind(self.space)}[{self.name!r}] is {bind(self.expected)}"


class Absent(Guard):
    """Names that are not in a `__dict__`, so that Python looks for them elsewhere: in the class, or in a default."""

    def __init__(self, space: Any, names: frozenset[str], what: str, where: Site | None) -> None:
        self.space, self.names = space, names
        super().__init__(what, where)
        self.expected = True

    def now(self) -> Any:
        return self.names.isdisjoint(self.space)

    def quick(self, bind: Callable[[Any], str]) -> str:
        return f"{bind(self.space.keys())}.isdisjoint({bind(self.names)})"  # which looks at the names alone


class Attribute(Guard):
    """owner.name, for what does not lie in a dict: slots, and what Python keeps about functions."""

    def __init__(self, owner: Any, name: str, what: str, where: Site | None) -> None:
        self.owner, self.name = owner, name
        super().__init__(what, where)

    def now(self) -> Any:
        return getattr(self.owner, self.name)

    def quick(self, bind: Callable[[Any], str]) -> str:
        return f"{bind(self.owner)}.{self.name} is {bind(self.expected)}"


class Variable(Guard):
    """A closure variable."""

    def __init__(self, cell: CellType, what: str, where: Site | None) -> None:
        self.cell = cell
        super().__init__(what, where)

    def now(self) -> Any:
        return self.cell.cell_contents

    def quick(self, bind: Callable[[Any], str]) -> str:
        return f"{bind(self.cell)}.cell_contents is {bind(self.expected)}"


class Elements(Guard):
    """The elements of a container, in order: of a list, a set or a deque, or the keys and values of a dict."""

    def __init__(self, container: Any, what: str, where: Site | None) -> None:
        self.container = container
        super().__init__(what, where)

    def now(self) -> Any:
        if isinstance(self.container, dict):
            return *self.container, *self.container.values()
        return tuple(self.container)

    def quick(self, bind: Callable[[Any], str]) -> str:
        container, n = bind(self.container), len(self.container)
        if not isinstance(self.container, dict):
            return f"len({container}) == {n} and all(map(is_, {container}, {bind(self.expected)}))"
        keys, values = bind(self.expected[:n]), bind(self.expected[n:])
        return (f"len({container}) == {n} and all(map(is_, {container}, {keys})) "
                f"and all(map(is_, {container}.values(), {values}))")


class Contents(Guard):
    """The bytes of a NumPy array, or of what else holds plain numbers."""

    def __init__(self, array: Any, what: str, where: Site | None) -> None:
        self.array = array
        super().__init__(what, where)

    def now(self) -> Any:
        kind = (self.array.shape, self.array.strides, self.array.dtype) if isinstance(self.array, np.ndarray) else ()
        data = self.array.tobytes()
        if len(data) <= LARGE:
            return kind, data
        from hashlib import blake2b  # with OpenSSL a tenth of the import time of teachgrad, and seldom needed

        return kind, blake2b(data).digest()

    def holds(self) -> bool:
        return bool(self.now() == self.expected)

    def quick(self, bind: Callable[[Any], str]) -> str:
        return f"{bind(self)}.holds()"


class Answer(Guard):
    """What a function answers, compared by identity or as a plain value."""

    def __init__(self, ask: Callable[[], Any], what: str, where: Site | None) -> None:
        self.ask = ask
        super().__init__(what, where)

    def now(self) -> Any:
        return self.ask()

    def quick(self, bind: Callable[[Any], str]) -> str:
        return f"{bind(self.ask)}() is {bind(self.expected)}"


class Progress(Answer):
    """How far something has got that only moves on: an iterator, a file, a random number generator.

    If the traced code left it alone, it does not matter where it is later.
    """

    lasting = False

    def __init__(self, ask: Callable[[], Any], what: str, where: Site | None, random: bool = False) -> None:
        self.random = random
        super().__init__(ask, what, where)

    def holds(self) -> bool:
        return bool(self.now() == self.expected)


class Shell(Guard):
    """All of a tensor but its values, on which a trace may depend; the values are read in every call."""

    def __init__(self, tensor: Vertex, what: str, where: Site | None) -> None:
        self.tensor = tensor
        super().__init__(what, where)

    def now(self) -> Any:
        data = self.tensor._data
        return data.shape, data.dtype, type(data), data.strides, self.tensor.requires_grad, self.tensor.hooks

    def holds(self) -> bool:
        return bool(self.now() == self.expected)

    def quick(self, bind: Callable[[Any], str]) -> str:
        x = bind(self.tensor)
        return (f"{x}._data is {bind(self.tensor._data)} and {x}.requires_grad is {self.tensor.requires_grad} "
                f"and {x}.hooks is {bind(self.tensor.hooks)}")


class Terms:
    """The objects that are named in an expression."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"is_": is_}

    def bind(self, value: Any) -> str:
        """A new name for an object."""
        name = f"v{len(self.namespace)}"
        self.namespace[name] = value
        return name


class Counting:
    """Guards that need a look only when the count of changes has moved."""

    def __init__(self, guards: list[Guard]) -> None:
        self.guards = guards
        self.seen = revision.now
        """The count at which all of them were last seen to hold."""

    def hold(self) -> bool:
        """Whether all guards hold."""
        now = revision.now
        if now == self.seen:
            return True
        if not all(guard.holds() for guard in self.guards):
            return False
        self.seen = now
        return True


__all__ = [
    "PLAIN", "Answer", "Attribute", "Contents", "Counting", "Elements", "Entry", "Guard", "Progress", "Shell", "Terms",
    "Variable", "alike",
]
