"""A kernel of the catalogue: its source, its parameters, and how to launch it for arrays at hand.

A kernel is CUDA C in the `.cu` file of its family. Beside that file, one of Python says what C cannot say of itself:
the grid and block for given shapes (`plan`), what is computed, in NumPy (`reference`), and examples. What C does say,
names, types and comments, is read from it and not written twice.

A *device* is anything with `RawKernel(source, name, options)` whose result is called with (grid, block, arguments,
shared_mem=bytes): the module `cupy`, or the emulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from teachgrad.errors import DTypeError, ExecutorError, ShapeError

from ..compiling import headers

FOLDER = Path(__file__).parent
GRID = (2**31 - 1, 65535, 65535)
"""The most blocks that a device takes along each axis."""
LARGEST = 2**31 - 2**21
"""The most elements that an array may have: kernels count in int, and a strided loop counts one round too far."""

SCALARS: dict[str, Any] = {
    "int": np.int32, "unsigned int": np.uint32, "long long": np.int64, "float": np.float32, "double": np.float64,
    "word": np.uint64,
}
REALS = {"float32": "float", "float64": "double"}
INTEGERS = {"int64": "long long", "int32": "int"}
WHOLES = INTEGERS | {"int16": "short", "int8": "signed char", "uint64": "unsigned long long", "uint32": "unsigned int",
                     "uint16": "unsigned short", "uint8": "unsigned char"}
CHOSEN = {"real": ("REAL", REALS), "integer": ("INTEGER", INTEGERS), "whole": ("WHOLE", WHOLES)}
"""The types in the source that a macro chooses: its name, and what it may be, the default first."""


@dataclass(frozen=True)
class Plan:
    """One launch: how many blocks and threads, the numbers among the arguments by name, and what it costs at least."""

    grid: tuple[int, ...]
    block: tuple[int, ...]
    scalars: Mapping[str, Any] = field(default_factory=dict)
    shared: int = 0
    """Bytes of dynamic shared memory."""
    macros: Mapping[str, Any] = field(default_factory=dict)
    flops: int = 0
    traffic: int | None = None
    """Bytes that must move if every number moves once, where that is not all of every array."""


Prepared = tuple[Any, Plan, tuple[Any, ...]]
"""The device's kernel (None where there is nothing to do), the plan, and the numbers among the arguments."""
MOST_PREPARED = 4096
"""For so many shapes a device keeps what launches need."""


@dataclass(frozen=True)
class Parameter:
    """A parameter as the source declares it."""

    name: str
    type: str
    """Without const and the asterisk."""
    pointer: bool
    const: bool


@dataclass(frozen=True)
class Example:
    """Arguments of a launch: arrays in the order of the pointers of the source, and settings by name."""

    arrays: tuple[Any, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@cache
def source_of(family: str) -> str:
    return (FOLDER / f"{family}.cu").read_text(encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Kernel:
    """`launch(device, *arrays, **settings)` runs it, `reference(*arrays, **settings)` does the same in NumPy."""

    name: str
    family: str
    plan: Callable[..., Plan]
    """plan(*arrays, **settings): looks at shapes only."""
    reference: Callable[..., None]
    """Writes into the same arrays what the kernel writes."""
    example: Callable[..., Example]
    """example(rng, dtype, *shape): arrays with numbers to try it on."""
    shapes: tuple[tuple[int, ...], ...]
    """Shapes for the example, small and odd."""
    large: tuple[int, ...]
    """A shape at which a real device is busy."""
    dtypes: tuple[str, ...] = ("float32", "float64")
    tolerance: float = 4.0
    """How far a result may be from the reference, in units of the rounding error of the dtype times the largest number
    times the square root of the number of elements."""
    together: int = 1
    """How many neighbours it moves by one instruction: arrays must begin at a multiple of so many numbers."""
    _prepared: WeakKeyDictionary[Any, dict[Any, Prepared]] = field(default_factory=WeakKeyDictionary, repr=False)
    _compiled: WeakKeyDictionary[Any, dict[tuple[str, ...], Any]] = field(default_factory=WeakKeyDictionary, repr=False)

    @property
    def source(self) -> str:
        return source_of(self.family)

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.family}.cu"

    @cached_property
    def line(self) -> int:
        """The line of the file in which the kernel's name stands."""
        return self.source[: self._head.start(1)].count("\n") + 1

    @cached_property
    def doc(self) -> str:
        """The comment above it."""
        lines: list[str] = []
        for line in reversed(self.source[: self._head.start()].rstrip("\n").splitlines()):
            if not line.startswith("//"):
                break
            lines.append(line[3:])
        return "\n".join(reversed(lines))

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        text = self._head[2]
        for name, value in macros_with_lists(self.source).items():
            text = re.sub(rf"\b{name}\b", value, text)
        return tuple(parameter(part) for part in text.split(","))

    @cached_property
    def macros(self) -> dict[str, str]:
        """What can be chosen with -D when compiling, and its default."""
        return dict(re.findall(r"#ifndef (\w+)\n#define \1 (.+)", self.source))

    @cached_property
    def _head(self) -> re.Match[str]:
        before = r'extern "C" __global__ void(?:\s+__launch_bounds__\([^)]*\))?\s+'
        found = re.search(rf"{before}({self.name})\(([^)]*)\)", self.source)
        if found is None:
            raise ExecutorError(f"{self.family}.cu has no kernel {self.name}")
        return found

    @property
    def pointers(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.pointer)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Which of the arrays it writes to."""
        return tuple(i for i, p in enumerate(self.pointers) if not p.const)

    def launch(self, device: Any, *arrays: Any, **settings: Any) -> None:
        """Run it on a device. What it writes is in the arrays afterwards.

        Raises:
            ShapeError, DTypeError: for arrays it cannot take.
        """
        known = self._prepared.setdefault(device, {})  # as long as there is the device
        key = (*[(a.shape, a.dtype) for a in arrays], *settings.items())
        found = known.get(key)
        if found is None or not all(map(self.lies_right, arrays)):
            found = self.prepared(device, arrays, settings)
            if len(known) >= MOST_PREPARED:
                known.clear()
            known[key] = found
        raw, plan, numbers = found
        if not all(plan.grid):
            return  # there is nothing to do
        if plan.shared > 48 << 10:  # more than every device gives unasked
            raw.max_dynamic_shared_size_bytes = plan.shared
        raw(plan.grid, plan.block, with_arrays(numbers, arrays), shared_mem=plan.shared)

    def prepared(self, device: Any, arrays: tuple[Any, ...], settings: Mapping[str, Any]) -> Prepared:
        """What a launch needs for arrays of these shapes: the same for all of them, and found once."""
        self.check(arrays)
        plan = self.plan(*arrays, **settings)
        if any(n > most for n, most in zip(plan.grid, GRID, strict=False)):
            raise ShapeError(f"{self.name}: a grid of {plan.grid} blocks is larger than a device takes")
        raw = self.compiled(device, self.options(arrays, plan)) if all(plan.grid) else None
        return raw, plan, self.numbers(arrays, plan)

    def compiled(self, device: Any, options: tuple[str, ...] = ()) -> Any:
        """The device's RawKernel, made once for each device and options."""
        made = self._compiled.setdefault(device, {})  # as long as there is the device
        if options not in made:
            made[options] = device.RawKernel(self.source, self.name, (*options, *self.includes(device)))
        return made[options]

    def includes(self, device: Any) -> tuple[str, ...]:
        """Where CUDA's own headers are, for a source that includes some; CuPy alone does not look in all packages."""
        needed = "#include" in self.source and getattr(device, "__name__", "") == "cupy"
        return tuple(f"-I{place}" for place in headers()) if needed else ()

    def options(self, arrays: tuple[Any, ...], plan: Plan) -> tuple[str, ...]:
        """The macros as options of a compiler: those of the plan, and the types of the arrays."""
        macros = dict(plan.macros)
        for p, a in zip(self.pointers, arrays, strict=True):
            macro, types = CHOSEN.get(p.type, ("", {}))
            if macro and str(a.dtype) != next(iter(types)):
                macros[macro] = types[str(a.dtype)]
        return tuple(f"-D{name}={value}" if value is not True else f"-D{name}" for name, value in macros.items())

    def arguments(self, arrays: tuple[Any, ...], plan: Plan) -> tuple[Any, ...]:
        """All arguments in the order of the source, numbers in its types."""
        return with_arrays(self.numbers(arrays, plan), arrays)

    def numbers(self, arrays: tuple[Any, ...], plan: Plan) -> tuple[Any, ...]:
        """The numbers among the arguments in the order of the source and in its types, with None for each array."""
        reals = [a.dtype.type for p, a in zip(self.pointers, arrays, strict=True) if p.type == "real"]
        types = SCALARS | {"real": (reals or [None])[0]}
        return tuple(None if p.pointer else types[p.type](plan.scalars[p.name]) for p in self.parameters)

    def lies_right(self, array: Any) -> bool:
        """Whether an array lies row by row, and begins where its neighbours can be moved together."""
        return bool(array.flags.c_contiguous) and (
            self.together == 1 or start(array) % (self.together * array.itemsize) == 0)

    def check(self, arrays: tuple[Any, ...]) -> None:
        """Refuse what the source does not fit: it knows neither strides nor other types."""
        if len(arrays) != len(self.pointers):
            names = ", ".join(p.name for p in self.pointers)
            raise ShapeError(f"{self.name} takes {len(self.pointers)} arrays ({names}), not {len(arrays)}")
        real = None
        for p, a in zip(self.pointers, arrays, strict=True):
            if not a.flags.c_contiguous:
                raise ShapeError(f"{self.name}: {p.name} does not lie in memory row by row; make it contiguous")
            if a.size > LARGEST:
                raise ShapeError(f"{self.name}: {p.name} has {a.size} elements; kernels count to {LARGEST}")
            if not self.lies_right(a):
                raise ShapeError(f"{self.name} moves {self.together} numbers at once, and {p.name} does not begin at a "
                                 f"multiple of {self.together * a.itemsize} bytes; make a copy of it")
            wanted = self.dtypes if p.type == "real" else tuple(CHOSEN[p.type][1]) if p.type in CHOSEN \
                else POINTERS[p.type]
            if str(a.dtype) not in wanted or (p.type == "real" and real not in (None, a.dtype)):
                others = "" if real in (None, a.dtype) else f", and others are {real}"
                raise DTypeError(f"{self.name}: {p.name} is of {' or '.join(wanted)}, not {a.dtype}{others}")
            real = a.dtype if p.type == "real" else real

    def least_traffic(self, *arrays: Any, **settings: Any) -> int:
        """Bytes that a launch must move at least: each array once."""
        traffic = self.plan(*arrays, **settings).traffic
        return sum(a.nbytes for a in arrays) if traffic is None else traffic


POINTERS = {
    "float": ("float32",), "double": ("float64",), "half": ("float16",), "int": ("int32",), "bool": ("bool",),
    "word": ("uint64",), "unsigned int": ("uint32",), "long long": ("int64",),
}
"""The dtypes of arrays whose type in the source has no macro."""


def with_arrays(numbers: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments: arrays in the places that numbers leave."""
    given = iter(arrays)
    return tuple([next(given) if n is None else n for n in numbers])


def macros_with_lists(source: str) -> dict[str, str]:
    """The macros of a source that stand for several parameters."""
    joined = source.replace("\\\n", " ")
    return {name: value for name, value in re.findall(r"^#define (\w+)\s+(.+)$", joined, re.MULTILINE) if "," in value}


def start(array: Any) -> int:
    """Where an array begins: on a device its address; of NumPy's, which an emulator copies, the place in its memory."""
    if hasattr(array.data, "ptr"):
        return int(array.data.ptr)
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return int(array.__array_interface__["data"][0] - base.__array_interface__["data"][0])


def parameter(text: str) -> Parameter:
    words = text.replace("*", " * ").split()
    kind = " ".join(word for word in words[:-1] if word not in ("const", "*", "__restrict__"))
    return Parameter(words[-1], kind, "*" in words, "const" in words)


def fit(name: str, **pairs: tuple[Any, tuple[int, ...]]) -> None:
    """Refuse arrays that do not have the shapes they must have: name=(array, shape)."""
    for what, (array, shape) in pairs.items():
        if tuple(array.shape) != tuple(shape):
            raise ShapeError(f"{name}: {what} must have the shape {tuple(shape)}, not {tuple(array.shape)}")


def blocks(count: int, each: int) -> int:
    """How many blocks of so many make at least the count."""
    return -(-count // each)


def strided(count: int, threads: int = 256, most: int = 4096) -> tuple[tuple[int], tuple[int]]:
    """Grid and block of a strided loop: no more blocks than a large device holds at once, a few times over."""
    return (min(blocks(count, threads), most),), (threads,)


def warps(rows: int, threads: int = 128) -> tuple[tuple[int], tuple[int]]:
    """Grid and block where each row has a warp. Threads are counted in 32 bits, too."""
    if rows * 32 > LARGEST:
        raise ShapeError(f"{rows} rows are too many for a warp each: threads are counted to {LARGEST}")
    return (blocks(rows * 32, threads),), (threads,)


def whole_warps(n: int, most: int = 256) -> int:
    """How many threads a block has that goes along n elements: whole warps, no more than there is work for."""
    return min(most, max(32, blocks(n, 32) * 32))


def row_in_registers(name: str, n: int) -> tuple[int, dict[str, int]]:
    """Threads of a block that keeps a row of n numbers in registers, and the macros THREADS and ITEMS for that.

    A warp for short rows, else 256 threads with 4 or 16 numbers each, else 1024: few variants, each compiled once.
    """
    threads = 32 if n <= 128 else 256 if n <= 4096 else 1024
    items = next((items for items in (4, 16, 32) if threads * items >= n), None)
    if items is None:
        raise ShapeError(f"{name} keeps a row in registers, at most {32 * 1024} numbers, not {n}")
    macros = {"THREADS": threads, "ITEMS": items}
    return threads, {key: value for key, value in macros.items() if value != {"THREADS": 256, "ITEMS": 4}[key]}


def normal(rng: np.random.Generator, dtype: str, *shape: int) -> Any:
    return rng.standard_normal(shape, np.float64 if dtype == "float64" else np.float32).astype(dtype, copy=False)


def empty(dtype: str, *shape: int) -> Any:
    """Memory for a result, with nan or the largest number in it, so that nobody takes what was there for a result."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else True if dtype == "bool" else np.iinfo(dtype).max,
                   dtype)


def wide(x: Any) -> Any:
    """The numbers in double precision: references compute in it."""
    return x.astype(np.float64)
