"""Arguments and results as trees: tuples, lists and dicts are taken apart into leaves and put together again."""

from __future__ import annotations

from typing import Any

from .sizes import OpenShape

Tree = Any
"""A structure without its leaves: None for a leaf, else (kind, keys, subtrees). Hashable."""


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """The leaves of a structure in order, and the structure without them."""
    leaves: list[Any] = []
    return leaves, _take(value, leaves)


def _take(value: Any, leaves: list[Any]) -> Tree:
    kind = type(value)
    if kind is tuple or kind is list or kind is OpenShape:
        return tuple if kind is OpenShape else kind, None, tuple([_take(item, leaves) for item in value])
    if kind is dict:
        return kind, tuple(value), tuple([_take(item, leaves) for item in value.values()])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind, "fields", tuple([_take(item, leaves) for item in value])
    leaves.append(value)
    return None


def unflatten(tree: Tree, leaves: list[Any]) -> Any:
    """The structure with its leaves back in place."""
    return _put(tree, iter(leaves))


def _put(tree: Tree, leaves: Any) -> Any:
    if tree is None:
        return next(leaves)
    kind, keys, subtrees = tree
    items = [_put(subtree, leaves) for subtree in subtrees]
    if kind is dict:
        return dict(zip(keys, items, strict=True))
    return kind(*items) if keys == "fields" else kind(items)
