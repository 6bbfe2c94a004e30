"""Launches as text, for a shell and for comments in a .cu file, in CUDA's own notation:

    // launch: block_sum<<<4, 256>>>(x = float32[1024]:random, out = float32[1], n = 1024)

Between the chevrons stand the grid, the block and, if wanted, the bytes of dynamic shared memory; a grid or block of
more dimensions is written (2, 2). An argument is a number, `null`, or an array: a dtype, a shape and how it is filled:

    float32[64, 64]             zeros
    float32[1024]:random        between 0 and 1, from a fixed seed; integers between 0 and 99
    float32[1024]:normal        a standard normal distribution
    int32[1024]:arange          0, 1, 2, ...
    float32[16]:2.5             one number everywhere

Names before the equals sign are those of the kernel's parameters; without them, arguments stand in order. A launch in
which all blocks are there at once, for barriers of the whole grid, is written `// cooperative launch: ...`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import DTYPES, complain_of_dtype
from .errors import ArgumentError
from .parameters import Parameter

MOST_BYTES = 1 << 30
COMMENT = re.compile(r"^\s*//\s*(cooperative\s+)?launch:\s*(.*)$", re.MULTILINE)
LAUNCH = re.compile(r"(?P<name>[\w:]+(?:<[^<>]*(?:<[^<>]*>)?[^<>]*>)?)\s*"
                    r"<<<(?P<size>.*?)>>>\s*\((?P<args>.*)\)\s*;?\s*$")
ARRAY = re.compile(r"(?P<dtype>\w+)\s*\[(?P<shape>[\d\s,]*)\]\s*(?::\s*(?P<fill>[\w.+-]+))?$")
BITS = {"bfloat16": "uint16"}
"""The dtypes that hold the bits of what NumPy does not have."""


@dataclass(frozen=True)
class LaunchText:
    """A launch as it is written down."""

    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    arguments: tuple[tuple[str, str], ...]
    """Name ("" where none is given) and value of each."""
    cooperative: bool = False
    """Whether all blocks are there at once."""


def launches_in(source: str) -> tuple[LaunchText, ...]:
    """The launches in the comments of a source."""
    return tuple(read_launch(found[2], bool(found[1])) for found in COMMENT.finditer(source))


def read_launch(text: str, cooperative: bool = False) -> LaunchText:
    """Read one launch."""
    found = LAUNCH.match(text.strip())
    if found is None:
        raise ArgumentError(f"this launch is not understood: {text.strip()}\n"
                            "write kernel<<<grid, block>>>(name = value, ...)")
    sizes = split(found["size"])
    if not 2 <= len(sizes) <= 3:
        raise ArgumentError("between <<< and >>> stand a grid, a block and perhaps bytes of shared memory, not "
                            f"{found['size']}")
    named = tuple(name_and_value(part) for part in split(found["args"]))
    shared = read_integer(sizes[2]) if sizes[2:] else 0
    return LaunchText(found["name"], read_size(sizes[0]), read_size(sizes[1]), shared, named, cooperative)


def name_and_value(text: str) -> tuple[str, str]:
    """`n = 5` or `5`."""
    name, equals, value = text.partition("=")
    return (name.strip(), value.strip()) if equals else ("", text.strip())


def read_size(text: str) -> tuple[int, ...]:
    """`4`, `(2, 2)`, `2,2` or `2x2`."""
    return tuple(read_integer(part) for part in re.split(r"[,x]", text.strip().strip("()")))


def read_integer(text: str) -> int:
    """An integer, or an error that shows it."""
    try:
        return int(text.strip(), 0)
    except ValueError:
        raise ArgumentError(f"{text.strip()!r} is no integer" if text.strip() else "an integer is missing") from None


def split(text: str) -> list[str]:
    """Split at commas outside brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def values(parameters: Sequence[Parameter], given: Sequence[tuple[str, str]]) -> tuple[Any, ...]:
    """Make the arguments that a kernel takes from what is written down."""
    by_name = {name: text for name, text in given if name}
    in_order = [text for name, text in given if not name]
    known = [parameter.name for parameter in parameters]
    for name in by_name:
        if name not in known:
            raise ArgumentError(f"the kernel has no parameter {name!r}; it has {', '.join(known) or 'none'}")
    rng = np.random.default_rng(0)
    made = []
    for parameter in parameters:
        if parameter.name in by_name:
            text = by_name[parameter.name]
        elif in_order:
            text = in_order.pop(0)
        else:
            raise ArgumentError(f"nothing is given for `{parameter}`; write {parameter.name} = float32[1024] or a "
                                "number")
        made.append(read_value(text, parameter, rng))
    if in_order:
        raise ArgumentError(f"the kernel takes {len(parameters)} arguments; {', '.join(in_order)} is too much")
    return tuple(made)


def read_value(text: str, parameter: Parameter, rng: np.random.Generator) -> Any:
    """One argument: an array for a pointer, a number of the right size for anything else."""
    found = ARRAY.match(text)
    if parameter.pointer:
        if found:
            array = read_array(found, rng)
            complain_of_dtype(array.dtype, parameter)
            return array
        if text == "null":
            return None
        raise ArgumentError(f"`{parameter}` is a pointer; it takes an array such as float32[1024], or null, not {text}")
    if found or text == "null":
        raise ArgumentError(f"`{parameter}` is no pointer; it takes a number, not {text}")
    try:
        if parameter.kind == "integer":
            return int(text, 0)
        number = float(text)
    except ValueError:
        raise ArgumentError(f"`{parameter}` takes a number, not {text!r}") from None
    kinds: Mapping[int, type[np.floating[Any]]] = {2: np.float16, 4: np.float32, 8: np.float64}
    return kinds.get(parameter.size, np.float64)(number)


def read_array(found: re.Match[str], rng: np.random.Generator) -> npt.NDArray[Any]:
    """An array from its dtype, shape and filling."""
    name, fill = found["dtype"], found["fill"] or "0"
    try:
        dtype = np.dtype(BITS.get(name, DTYPES.get(name, name)))
    except TypeError:
        raise ArgumentError(f"there is no dtype {name!r}; there are float32, float16, int32, uint8, ...") from None
    shape = tuple(read_integer(n) for n in found["shape"].split(",") if n.strip())
    size = int(np.prod(shape, dtype=np.int64))
    if dtype.hasobject:
        raise ArgumentError(f"{found[0]} would hold Python objects; a kernel takes numbers")
    if not 0 <= size * dtype.itemsize <= MOST_BYTES:
        raise ArgumentError(f"{found[0]} is more than {MOST_BYTES >> 20} MiB")
    if fill == "random":
        whole = dtype.kind in "iub"
        return (rng.integers(0, 100, shape) if whole else rng.random(shape)).astype(dtype)
    if fill == "normal":
        return rng.standard_normal(shape).astype(dtype)
    if fill == "arange":
        return np.arange(size).astype(dtype).reshape(shape)
    try:
        return np.full(shape, float(fill) if dtype.kind == "f" else int(fill, 0), dtype)
    except (ValueError, OverflowError):
        raise ArgumentError(f"{fill!r} fills no array; there are random, normal, arange, and numbers") from None
