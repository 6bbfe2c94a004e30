"""The account of a compilation as plain data: graphs at every moment, rewrites, near misses, source and kernels.

A node of a graph keeps its number through all passes: where a rewrite upstream makes a copy of it on other inputs, the
copy is the same node. What stands for an input at some moment follows from the rewrites before it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property, lru_cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import RecordingError
from .text import clean

MAX_ACCOUNT = 1 << 27
"""Characters of an account."""
MAX_NUMBER = 1 << 62


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a graph: a leaf, or what an op makes of other values."""

    id: int
    kind: str
    """`input`, `cell` (what outlives the call), `constant` or `op`."""
    op: str
    name: str
    label: str
    """What the program calls it; empty for what is not in the program."""
    inputs: tuple[int, ...]
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    view: bool
    tracked: bool
    """Whether it takes part in gradients."""
    site: int | None
    """Of the user's line: a position in `Account.sites`."""
    scope: str
    settings: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A graph as recorded, or after a pass: what it computes, in order, and what is needed of that at the end."""

    name: str
    order: tuple[int, ...]
    results: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A rule put one node in the place of another, on the way from moment number `moment` to the next."""

    moment: int
    rule: str
    where: str
    """File and line of the rule."""
    before: int
    after: int
    fresh: tuple[int, ...]
    """What is computed newly for it."""
    dead: tuple[int, ...]
    """What nobody needs any more."""
    site: int | None
    vertices: int
    """How many more there are; likewise of the next two."""
    kernels: int
    bytes: int
    """Read and written."""
    bound: str
    domain: str
    error: float | None
    """The largest difference between both sides on the inputs of the run that was recorded."""
    trouble: str
    """What was wrong, or why it was not checked."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A rule was close to applying and did not."""

    pass_name: str
    rule: str
    at: str
    """The call at which it looked."""
    site: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A kernel of the program: what it computes and moves, and its lines in the source (from 1; 0 if it has none)."""

    name: str
    runs: str
    """What runs it: `C`, `NumPy`, `CUDA`, ... ."""
    nodes: tuple[int, ...]
    first: int
    last: int
    read: int
    written: int
    flops: int
    dtype: str
    seconds: float | None
    """In the profile that was taken last before the recording, if one was."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine can do at most: bytes a second, and operations a second in float32 and float64."""

    bandwidth: float
    single: float
    double: float


@dataclass(frozen=True)
class Account:
    """How a static function was compiled."""

    name: str
    level: str
    executor: str
    language: str
    """Of the source: `C`, `Python`, ... ."""
    sites: tuple[Any, ...]
    """Places in the user's source: `Where`s as they are described, numbers of sites in a recording."""
    nodes: tuple[Node, ...]
    moments: tuple[Moment, ...]
    rewrites: tuple[Rewriting, ...]
    misses: tuple[Miss, ...]
    vertices: tuple[tuple[int, ...], ...]
    """Of each vertex that the program computes, as rows know it, with its node."""
    source: str
    pieces: tuple[Piece, ...]
    machine: Machine | None

    @cached_property
    def node_of(self) -> Mapping[int, int]:
        """The node of each vertex that rows tell of."""
        return dict(self.vertices)  # type: ignore[arg-type]

    @cached_property
    def by_id(self) -> Mapping[int, Node]:
        """The nodes by number."""
        return {node.id: node for node in self.nodes}


# ---- as text ---------------------------------------------------------------------------------------------------------


def encode(account: Account, site: Callable[[Any], int | None]) -> str:
    """An account as JSON text. `site` gives a place in the source its number in the recording."""
    lists = {field.name: _plain(getattr(account, field.name)) for field in fields(account) if field.name != "sites"}
    return json.dumps(lists | {"sites": [site(where) for where in account.sites]}, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Lists in place of tuples and of instances; what is not finite as text."""
    if type(value) is tuple:
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return [_plain(getattr(value, field.name)) for field in fields(value)]
    return value if type(value) is not float or math.isfinite(value) else str(value)


def decode(text: Any) -> Account:
    """The account that a text tells. Any text may come: what does not fit raises `RecordingError`."""
    if type(text) is not str or len(text) > MAX_ACCOUNT:
        raise RecordingError("the account of a compilation is damaged")
    try:
        found = json.loads(text)
        hints = get_type_hints(Account)
        source = found.pop("source")
        sites = _built(tuple[int | None, ...], found.pop("sites"))
        values = {name: _built(hints[name], value) for name, value in found.items()}
        if type(source) is not str:
            raise ValueError(source)
        account = Account(**values, sites=sites, source="\n".join(map(clean, source.split("\n"))))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RecordingError("the account of a compilation is damaged") from None
    try:
        _check(account)
    except ValueError:  # of pairs that are none
        raise RecordingError("the account of a compilation is damaged") from None
    return account


@lru_cache(maxsize=64)
def _hints(kind: type) -> tuple[Any, ...]:
    return tuple(get_type_hints(kind).values())


def _built(kind: Any, value: Any) -> Any:
    """A value of a kind, if it is one: numbers, texts, tuples of one kind, instances as lists of their fields."""
    if type(kind) is UnionType:
        return None if value is None else _built(next(part for part in get_args(kind) if part is not NoneType), value)
    if get_origin(kind) is tuple:
        if type(value) is not list:
            raise TypeError(kind)
        return tuple([_built(get_args(kind)[0], item) for item in value])
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        if type(value) is not list or len(value) != len(hints):
            raise TypeError(kind)
        return kind(*[_built(hint, item) for hint, item in zip(hints, value, strict=True)])  # type: ignore[operator]
    if kind is float and (type(value) is int or value in ("nan", "inf", "-inf")):
        return float(value)
    if type(value) is not kind or (kind is int and abs(value) >= MAX_NUMBER):
        raise TypeError(kind)
    return clean(value) if kind is str else value


def _check(account: Account) -> None:
    """All that is referred to is there."""
    known, sites = account.by_id, range(len(account.sites))
    named = [(node.inputs, node.site) for node in account.nodes]
    named += [((*moment.order, *moment.results), None) for moment in account.moments]
    named += [((r.before, r.after, *r.fresh, *r.dead), r.site) for r in account.rewrites]
    named += [((), miss.site) for miss in account.misses] + [(piece.nodes, None) for piece in account.pieces]
    moments = [rewriting.moment for rewriting in account.rewrites]
    count = account.source.count("\n") + 1
    lines = all(0 <= piece.first <= piece.last <= count for piece in account.pieces)
    named += [((node,), None) for _, node in account.vertices]
    sound = all(known.keys() >= set(nodes) and (site is None or site in sites) for nodes, site in named)
    if not sound or not lines or not account.moments or moments != sorted(moments) \
            or not all(0 <= moment < len(account.moments) - 1 for moment in moments):
        raise RecordingError("the account of a compilation is damaged")
