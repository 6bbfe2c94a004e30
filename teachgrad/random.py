"""Random numbers that depend on the seed and on the place of the call, and on nothing else.

Every place in a program that draws is a *site* with a number, and counts its draws. Draw number `step` of a site has
the bits of NumPy's Philox generator with key [seed, site] and counter [0, step, 0, 0], so anybody can recompute them:

    tg.seed(7)
    x = tg.random.normal((3,))
    site = tg.random.where()[0]
    bits = np.random.Generator(np.random.Philox(key=[7, site.number], counter=[0, 0, 0, 0]))
    bits.standard_normal(3, np.float32)                      # the same three numbers

(`normal` draws by `standard_normal(shape, dtype)`, `uniform` by `random(shape, dtype)`, `integers` and `permutation`
under their own names, `bernoulli(p)` is `random(shape, float32) < p`; float16 is rounded from float32.) So the numbers
are the same in dynamic and static mode and on every executor, whatever else draws, is removed or changes places.
(On a GPU, one normal number in thousands may differ in last bits, as logarithms do there.)

The number of a site is the BLAKE2b hash (8 bytes, little-endian, without the top bit: NumPy would take a list with a
larger number for floats) of its label. The label is the `name` in the call, or else says where in the user's code the
call stands: the function's qualified name, the line counted from the function's first, and the column, such as
`train+12:8`. Neither file nor machine enters it, editing other functions leaves it alone, and a name makes it
independent of all editing. Calls that share a label share its count.

The state of a site is a small tensor that a static function reads and overwrites like any other from outside.
Until `tg.seed` is called the seed is 0: a script gives the same numbers on every run.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from . import devices, dtypes, observe
from .errors import DTypeError, ShapeError, TeachgradError, TraceError, locate, user_site
from .op import Op, Vertex, apply, modes, report, state
from .op.elsewhere import compute_on
from .ops import random as ops
from .ops.indexing import take
from .ops.inplace import overwrite
from .ops.shape import as_shape
from .sizes import as_length
from .tensor import Tensor

LARGEST = 2**63 - 1
"""The largest seed, and the largest number of a site."""


class Source:
    """A site: its label, its number, and the tensor (seed, site, step) that says where its bits are."""

    def __init__(self, label: str, seed: int, step: int, where: str) -> None:
        from hashlib import blake2b  # here, because importing it takes time

        self.label = label
        self.number = int.from_bytes(blake2b(label.encode(), digest_size=8).digest(), "little") & LARGEST
        self.where = where
        self.lock = threading.Lock()
        older = -len(_sources) - 1  # than every trace, which so takes the tensor for a cell
        with modes(next_id=lambda: older):
            self.cell = Tensor(np.array([seed, self.number, step], np.uint64), name=f"random {label}")

    @property
    def step(self) -> int:
        """How many draws there have been."""
        return int(self.cell._data[2])

    def set(self, seed: int, step: int) -> None:
        """Go to another place in the bits."""
        with self.lock:
            self.cell._data[...] = seed, self.number, step


_seed = 0
_sources: dict[str, Source] = {}
_places: dict[tuple[int, int], tuple[Source, CodeType]] = {}
_waiting: dict[str, int] = {}
"""Steps from `set_state` of sites that have not drawn yet."""
_lock = threading.Lock()


def seed(n: int) -> None:
    """Choose the seed, 0 ≤ n < 2^63, and let every site begin anew."""
    global _seed
    n = operator.index(n)
    if not 0 <= n <= LARGEST:
        raise TeachgradError(f"a seed is an integer from 0 to 2**63 - 1, not {n}")
    if state.now.tracer is not None:
        raise TraceError.at(
            "TG-S06", "tg.seed() is called in a static function", user_site(),
            "It would act while the function is traced, and never again.", "call it before the function")
    with _lock:
        _seed = n
        _waiting.clear()
        for source in _sources.values():
            source.set(n, 0)


def _source(name: str | None) -> Source:
    """The site of the draw that is being made."""
    if name is not None:
        return _sources.get(name) or _new_source(name, "")
    site = user_site()
    if site is None:
        return _sources.get("?") or _new_source("?", "")
    code, offset = site
    found = _places.get((id(code), offset))
    if found is not None:
        return found[0]
    where = locate(site)
    assert where is not None
    label = f"{code.co_qualname}+{where.line - code.co_firstlineno}:{where.column}"
    source = _sources.get(label) or _new_source(label, str(where))
    _places[id(code), offset] = source, code  # holding the code object keeps its id from being used again
    return source


def _new_source(label: str, where: str) -> Source:
    with _lock:
        if label not in _sources:
            _sources[label] = Source(label, _seed, _waiting.pop(label, 0), where)
        return _sources[label]


class _Draws(threading.local):
    """Where draws of code that will run again are noted, and those of code that runs again are taken from."""

    noted: list[Source] | None = None
    again: Iterator[Source] = iter(())


_draws = _Draws()


def _draw(op: Op, name: str | None, device: Any = None, **settings: Any) -> Any:
    """One draw, and a step forward for its site. A device that can draws by itself; the bits are those of the CPU."""
    source = next(_draws.again, None) or _source(name)
    if _draws.noted is not None:
        _draws.noted.append(source)
    if state.now.tracer is not None:
        z = apply(op, (source.cell,), settings)
        with modes(grad=False):
            overwrite(source.cell, apply(ops.next_step, (source.cell,)))
        return z
    place = state.now.device if device is None else devices.find(device)
    with source.lock:
        if place is None or place is devices.CPU:
            z = apply(op, (source.cell,), settings)
        else:
            z = Tensor(compute_on(place, op, (source.cell._data,), settings))
            if observe.sink is not None:
                report(z, op, (source.cell,), settings)
        source.cell._data[2] += 1
    return z


def _float(dtype: Any) -> dtypes.DType:
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if dtype.kind != "f":
        raise DTypeError(f"this distribution has floating-point numbers, not {dtype}")
    return dtype


def normal(shape: Any = (), *, mean: float = 0.0, std: float = 1.0, dtype: Any = None, requires_grad: bool = False,
           name: str | None = None, device: Any = None) -> Tensor:
    """Numbers from the normal distribution: density exp(-(x - mean)² / (2 std²)) / (std √(2π))."""
    z = _draw(ops.random_normal, name, device, shape=as_shape(shape), dtype=_float(dtype), mean=float(mean),
              std=float(std))
    return _requiring(z, requires_grad)


def uniform(shape: Any = (), *, low: float = 0.0, high: float = 1.0, dtype: Any = None, requires_grad: bool = False,
            name: str | None = None, device: Any = None) -> Tensor:
    """Numbers from low to high (without high, but for rounding), all equally likely."""
    z = _draw(ops.random_uniform, name, device, shape=as_shape(shape), dtype=_float(dtype), low=float(low),
              high=float(high))
    return _requiring(z, requires_grad)


def _requiring(z: Tensor, requires_grad: bool) -> Tensor:
    if requires_grad:
        z.requires_grad = True
    return z


def integers(low: int, high: int | None = None, shape: Any = (), *, dtype: Any = dtypes.int64,
             name: str | None = None, device: Any = None) -> Tensor:
    """Integers with low ≤ x < high, all equally likely; with one argument, 0 ≤ x < low."""
    if high is None:
        low, high = 0, low
    low, high, dtype = as_length(low), as_length(high), dtypes.as_dtype(dtype)
    if dtype.kind not in "iu":
        raise DTypeError(f"integers of {dtype} do not exist")
    if low >= high:
        raise ShapeError(f"there is no integer x with {low} <= x < {high}")
    return _draw(ops.random_integers, name, device, shape=as_shape(shape), dtype=dtype, low=low, high=high)


def bernoulli(p: float, shape: Any = (), *, dtype: Any = dtypes.bool, name: str | None = None,
              device: Any = None) -> Tensor:
    """True with probability p, else False; as numbers 1 and 0 of another dtype. The mask of dropout."""
    if not 0 <= p <= 1:
        raise ShapeError(f"a probability lies between 0 and 1; p is {p}")
    return _draw(ops.random_bernoulli, name, device, shape=as_shape(shape), dtype=dtypes.as_dtype(dtype), p=float(p))


def permutation(x: int | Vertex, /, *, dtype: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """The numbers 0, 1, ..., x - 1 in random order; for a tensor x, its rows (along axis 0) in random order."""
    n = x.shape[0] if isinstance(x, Vertex) else as_length(x)
    order = _draw(ops.random_permutation, name, shape=as_shape(n), dtype=dtypes.as_dtype(dtype))
    return take(x, order, axis=0) if isinstance(x, Vertex) else order


# ---- looking at it, keeping it ---------------------------------------------------------------------------------------

class Site(NamedTuple):
    """One row of `where()`."""

    number: int
    """The second word of the key of its bits."""
    label: str
    step: int
    """How many draws there have been; the next one has this counter."""
    where: str
    """File and line, for sites without a name."""


class Sites(tuple[Site, ...]):
    """The table of sites and steps."""

    def __str__(self) -> str:
        rows = [("site", "label", "step", "where")]
        rows += [(f"{site.number:016x}", site.label, str(site.step), site.where) for site in self]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
                         for row in rows)

    __repr__ = __str__


def where() -> Sites:
    """The sites that have drawn, in the order of their first draw, and how often. `print` shows a table."""
    return Sites(Site(source.number, label, source.step, source.where) for label, source in _sources.items())


def get_state() -> dict[str, Any]:
    """The seed, and the step of every site by its label: all that a checkpoint needs. Plain numbers and strings."""
    return {"seed": _seed, "steps": {label: source.step for label, source in _sources.items()}}


def set_state(kept: Mapping[str, Any]) -> None:
    """Go back to a state that `get_state` gave; a site that was not there then begins anew."""
    global _seed
    with _lock:
        _seed = kept["seed"]
        _waiting.clear()
        _waiting.update({label: step for label, step in kept["steps"].items() if label not in _sources})
        for label, source in _sources.items():
            source.set(_seed, kept["steps"].get(label, 0))


def is_site(x: Any) -> bool:
    """Whether a tensor says where the bits of a site are."""
    return any(source.cell is x for source in _sources.values())


@contextmanager
def noted() -> Iterator[list[Source]]:
    """Note which sites draw in this block, in their order."""
    outer, _draws.noted = _draws.noted, []
    try:
        yield _draws.noted
    finally:
        if outer is not None:
            outer += _draws.noted
        _draws.noted = outer


@contextmanager
def as_at(kept: Mapping[str, Any], sites: Sequence[Source]) -> Iterator[None]:
    """Draw again what these sites drew after `kept = get_state()`; afterwards every site goes on from where it was.

    The sites are those of the first time, since code may now be called from elsewhere.
    """
    now = {label: source.step for label, source in _sources.items()}
    for label in now:
        _sources[label].set(kept["seed"], kept["steps"].get(label, 0))
    outer, _draws.again = _draws.again, iter(sites)
    try:
        yield
    finally:
        _draws.again = outer
        for label, step in now.items():
            _sources[label].set(_seed, step)


__all__ = ["Site", "Sites", "bernoulli", "get_state", "integers", "normal", "permutation", "seed", "set_state",
           "uniform", "where"]
