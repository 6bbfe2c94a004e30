"""What loops hand on, as lists of tensors: structures are taken apart and put together, and compared by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..creation import tensor
from ..errors import DTypeError, ShapeError, place, user_site
from ..graph import describe
from ..op import Vertex, spec_of
from ..structure import Tree, flatten, unflatten


@dataclass(frozen=True)
class Structure:
    """A structure of tensors without the tensors. None may stand in it, for nothing."""

    tree: Tree
    there: tuple[bool, ...]
    """For each leaf, whether it is a tensor and not None."""

    def fill(self, tensors: Sequence[Any]) -> Any:
        """The structure with these tensors in it."""
        fill = iter(tensors)
        return unflatten(self.tree, [next(fill) if there else None for there in self.there])

    def __str__(self) -> str:
        return "a single tensor" if self.tree is None else ", ".join(self.names()) or "nothing"

    def names(self) -> list[str]:
        """Where each tensor stands, such as `[0]['h']`."""
        return [name for name, there in zip(paths(self.tree), self.there, strict=True) if there]


def paths(tree: Tree, prefix: str = "") -> list[str]:
    """Where each leaf of a tree stands."""
    if tree is None:
        return [prefix]
    kind, keys, subtrees = tree
    if keys == "fields":
        steps = [f".{name}" for name in kind._fields]
    else:
        steps = [f"[{key!r}]" for key in (keys if keys is not None else range(len(subtrees)))]
    return [path for step, subtree in zip(steps, subtrees, strict=True) for path in paths(subtree, prefix + step)]


def taken_apart(value: Any, what: str) -> tuple[list[Any], Structure]:
    """The tensors of a structure, numbers made into tensors, and the structure."""
    leaves, tree = flatten(value)
    tensors = []
    for leaf, name in zip(leaves, paths(tree), strict=True):
        if leaf is None:
            continue
        if not isinstance(leaf, (Vertex, int, float, np.ndarray, np.generic)):
            raise DTypeError(f"{what}{name} is a {type(leaf).__name__} at {place(user_site())}; it takes tensors, "
                             "numbers, and tuples, lists and dicts of them")
        tensors.append(leaf if isinstance(leaf, Vertex) else tensor(leaf))
    return tensors, Structure(tree, tuple([leaf is not None for leaf in leaves]))


def refuse_changes(what: str, kind: str, body: Any, old: Sequence[Vertex], new: Sequence[Vertex],
                   structure: Structure, found: Structure, change: str = "changes from {} to {}") -> None:
    """What a step hands on must have the structure, shapes and dtypes of what it was given."""
    code = getattr(body, "__code__", None)
    where = f"{place(user_site())}" + (f", its body at {place((code, 0))}" if code is not None else "")
    if found != structure:
        raise ShapeError(f"{what} at {where}: the structure of {kind} {change.format(structure, found)}.\n"
                         "Way out: return the same tuples, lists and dicts.")
    for a, b, name in zip(old, new, structure.names(), strict=True):
        if spec_of(a) != spec_of(b):
            error = ShapeError if a.shape != b.shape else DTypeError
            raise error(f"{what} at {where}: {kind}{name} "
                        f"{change.format(describe(spec_of(a)), describe(spec_of(b)))}.\nWays out: begin with the shape "
                        "and dtype that it has afterwards; or astype(), reshape() or broadcast_to() it.")


__all__ = ["Structure", "refuse_changes", "taken_apart"]
