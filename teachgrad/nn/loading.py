"""Copying a state_dict into a module: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

import teachgrad as tg

from ..errors import StateError


class Difference(NamedTuple):
    """Where two sets of names differ."""

    missing_keys: list[str]
    """Names of the module for which there was no value; these tensors are as they were."""
    unexpected_keys: list[str]
    """Names of values for which the module has no place; they were skipped."""


def load(owner: str, own: Mapping[str, Any], given: Mapping[str, Any], strict: bool) -> Difference:
    """Copy the values of `given` into the tensors of `own` with the same names. Raises `StateError`, nothing copied."""
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    problems = []
    if strict:
        problems += [f"missing: {name}{nearest(name, unexpected)}" for name in missing]
        problems += [f"unexpected: {name}{nearest(name, missing)}" for name in unexpected]
    arrays = {name: np.asarray(given[name]) for name in own if name in given}
    for name, array in arrays.items():
        tensor = own[name]
        if array.shape != tensor.shape:
            problems.append(f"shape: {name} is {tensor.shape} in {owner}, but {array.shape} in the state")
        elif array.dtype.kind == "f" != tensor.dtype.kind:
            problems.append(f"dtype: {name} is {tensor.dtype} in {owner}, but {array.dtype} in the state")
    if problems:
        raise StateError(
            f"this state does not fit {owner}; nothing was loaded.\n  "
            + "\n  ".join(problems)
            + (
                "\nWay out, if some names may differ: load_state_dict(state, strict=False)."
                if missing or unexpected
                else ""
            )
        )
    with tg.no_grad():
        for name, array in arrays.items():
            own[name].copy_(array)
    return Difference(missing, unexpected)


def nearest(name: str, others: Iterable[str]) -> str:
    """A hint at the most similar of the other names, if one is similar."""
    found = get_close_matches(name, list(others), n=1)
    return f" (is it {found[0]}?)" if found else ""
