"""Which sizes of arguments a static function leaves open: those declared with `dims={"x": ("N", 784), "t": ("N",)}`,
or, with `dims="auto"`, those that have varied."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import SettingError, ShapeError
from .op import Vertex
from .structure import Tree, flatten, unflatten

Pattern = tuple[Any, ...]
"""For each axis a name (open), a number (it must be that) or None (as in the call); `...` for all axes that remain."""


@dataclass(frozen=True)
class Opened:
    """What a call leaves open: the sizes by name, and the shapes of arguments by number, with names for open sizes."""

    sizes: dict[str, int] = field(default_factory=dict)
    shapes: dict[int, tuple[Any, ...]] = field(default_factory=dict)


class Dims:
    """The open sizes of a function, by the names of its parameters."""

    def __init__(self, fn: Callable[..., Any], dims: Mapping[str, Any]) -> None:
        self.fn, self.name = fn, getattr(fn, "__qualname__", type(fn).__name__)
        self.patterns: dict[str, Pattern] = {key: self.checked(key, pattern) for key, pattern in dims.items()}
        if not self.patterns:
            return
        self.signature = inspect.signature(fn)
        for key in self.patterns:
            if key not in self.signature.parameters:
                there = ", ".join(self.signature.parameters) or "none"
                raise SettingError(f"dims names {key!r}, which is no parameter of {self.name}; its parameters: {there}")

    def checked(self, key: str, pattern: Any) -> Pattern:
        """A declaration in its full form."""
        pattern = (pattern,) if isinstance(pattern, str) else tuple(pattern)
        for number, item in enumerate(pattern):
            named = isinstance(item, str) and item.isidentifier()
            last = item is Ellipsis and number == len(pattern) - 1
            if not (named or last or item is None or (type(item) is int and item >= 0)):
                raise SettingError(
                    f"dims of {key!r} in {self.name}: {item!r} is no size. Write a name for a size that varies, such "
                    'as "N", a number for one that is fixed, None for one that may be either, and ... at the end for '
                    "all axes that remain")
        return pattern

    @property
    def settings(self) -> Any:
        """What was declared."""
        return self.patterns

    def traced(self, leaves: Sequence[Any], tree: Tree) -> None:
        """Note that a call is traced."""

    def opened(self, leaves: Sequence[Any], tree: Tree) -> Opened:
        """What these arguments leave open. ShapeError where they do not fit what is declared."""
        found = Opened()
        if not self.patterns:
            return found
        args, kwargs = unflatten(tree, list(range(len(leaves))))
        for key, numbers in self.signature.bind(*args, **kwargs).arguments.items():
            for number in flatten(numbers)[0] if key in self.patterns else ():
                x = leaves[number]
                if isinstance(x, Vertex):
                    shape = self.matched(key, x.shape, found.sizes)
                    if x._data.flags.c_contiguous:
                        found.shapes[number] = shape
        return found

    def matched(self, key: str, shape: tuple[int, ...], sizes: dict[str, int]) -> tuple[Any, ...]:
        """A shape with names for its open sizes, which are noted."""
        pattern = self.patterns[key]
        if pattern[-1:] == (Ellipsis,):
            pattern = pattern[:-1] + (None,) * (len(shape) - len(pattern) + 1)
        if len(pattern) != len(shape):
            raise ShapeError(f"{self.name} declares {key} with {len(pattern)} axes, {self.patterns[key]}; it is given "
                             f"the shape {shape}")
        for axis, (item, n) in enumerate(zip(pattern, shape, strict=True)):
            wanted = sizes.setdefault(item, n) if isinstance(item, str) else item
            if wanted is not None and wanted != n:
                what = f"{item} = {wanted} in an argument before it" if isinstance(item, str) else str(item)
                raise ShapeError(f"{self.name} declares {key} as {self.patterns[key]}: axis {axis} has the size {n} in "
                                 f"the shape {shape}, not {what}.\nWay out: give sizes that may differ names of their "
                                 "own")
        return tuple(item if isinstance(item, str) else n for item, n in zip(pattern, shape, strict=True))


class Automatic(Dims):
    """`dims="auto"`: sizes are left open that have varied. What has been equal in all calls so far gets one name."""

    def __init__(self) -> None:
        self.seen: dict[Any, list[tuple[int, ...]]] = {}
        """The sizes of all axes in the calls that were traced, by the structure and the numbers of axes."""

    @property
    def settings(self) -> str:
        return "auto"

    def opened(self, leaves: Sequence[Any], tree: Tree) -> Opened:
        kind, sizes = self.axes(leaves, tree)
        calls = [*self.seen.get(kind, ()), sizes]
        names: dict[tuple[int, ...], str] = {}
        places = []
        for column in zip(*calls, strict=True):
            varies = len(set(column)) > 1
            places.append(names.setdefault(column, f"N{len(names) + 1}" if names else "N") if varies else column[0])
        found = Opened({name: column[-1] for column, name in names.items()})
        items = iter(places)
        for number, count in enumerate(kind[1]):
            shape = tuple([next(items) for _ in range(count)])
            if any(isinstance(n, str) for n in shape):
                found.shapes[number] = shape
        return found

    def traced(self, leaves: Sequence[Any], tree: Tree) -> None:
        kind, sizes = self.axes(leaves, tree)
        self.seen.setdefault(kind, []).append(sizes)

    @staticmethod
    def axes(leaves: Sequence[Any], tree: Tree) -> tuple[Any, tuple[int, ...]]:
        """What calls have in common whose sizes are compared, and the sizes of this one."""
        shapes = [x.shape if isinstance(x, Vertex) and x._data.flags.c_contiguous else () for x in leaves]
        return (tree, tuple(map(len, shapes))), tuple([n for shape in shapes for n in shape])


def dims_of(fn: Callable[..., Any], dims: Any) -> Dims:
    """What `tg.static(dims=)` says."""
    if dims == "auto":
        return Automatic()
    if dims is not None and not isinstance(dims, Mapping):
        raise SettingError('dims is "auto", or maps parameters to their sizes, as in {"x": ("N", 784)}; '
                           f"not {dims!r}")
    return Dims(fn, dims or {})


__all__ = ["Dims", "Opened", "dims_of"]
