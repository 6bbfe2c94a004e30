"""From the arguments of a launch to bytes, as CuPy does it, with more care.

An array is passed as a pointer to its first element, whatever its dtype and strides. Scalars are passed by value:
NumPy scalars as they are, Python's bool, int and float as bool, long long and double. Where CuPy would let a kernel
read other bytes than were meant (a double for a float), it is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError
from .memory import ALIGNMENT, Arena, Segment
from .parameters import Parameter
from .pointers import Held, held_by

APART = 64 << 10
"""Bytes between the arrays of a launch that is checked."""
ADDRESS = struct.Struct("=QQQ")
FLOATS = {2: np.float16, 4: np.float32, 8: np.float64}
DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(kind) for name, kind in {
        "char": "i1", "signed char": "i1", "unsigned char": "u1", "short": "i2", "unsigned short": "u2", "int": "i4",
        "unsigned": "u4", "unsigned int": "u4", "long": "i8", "long long": "i8", "unsigned long": "u8",
        "unsigned long long": "u8", "float": "f4", "double": "f8", "half": "f2", "__half": "f2", "bool": "?",
        "uint8_t": "u1", "int8_t": "i1", "uint32_t": "u4", "int32_t": "i4"}.items()
}
"""The dtypes of C types, as far as NumPy has them."""


@dataclass(frozen=True)
class Region:
    """The bytes that an array argument reaches, in this process, and its copy if it does not lie in shared memory."""

    low: int
    size: int
    changes: bool


class Packed:
    """The arguments of one launch as the worker takes them. Arrays outside shared memory are copied there, and back.

    `apart`, for a launch that is checked: each lies far from the others, and has to hold the numbers that its pointer
    names. `held` are arrays that arguments hold the addresses of.
    """

    def __init__(self, parameters: tuple[Parameter, ...], arguments: tuple[Any, ...], arena: Arena, kernel: str,
                 apart: bool = False) -> None:  # fmt: skip
        if len(parameters) != len(arguments):
            declared = ", ".join(map(str, parameters)) or "nothing"
            raise ArgumentError(f"{kernel} takes {len(parameters)} arguments ({declared}), {len(arguments)} are given")
        self.arrays: dict[int, npt.NDArray[Any]] = {}
        self.segments: set[int] = set()
        self.held = held_by(parameters, arguments, arena)
        self.copies: list[tuple[Region, npt.NDArray[np.uint8]]] = []
        outside: list[tuple[int, Region]] = []
        parts: list[bytes] = []
        for position, (parameter, value) in enumerate(zip(parameters, arguments, strict=True)):
            if not parameter.pointer:
                data = scalar(value, parameter, position, kernel)
                parts.append(ADDRESS.pack(0, 0, len(data)) + data)
                continue
            array = array_of(value, parameter, position, kernel)
            if array is None or array.size == 0:
                parts.append(ADDRESS.pack(0, 0, 0))
                continue
            if apart:
                complain_of_dtype(array.dtype, parameter)
            self.arrays[position] = array
            address = array.__array_interface__["data"][0]
            stays = not apart or any(each.has(address) for each in self.held)
            found = arena.find(address) if stays else None
            if found is not None:
                parts.append(self._shared(found, address, array))
                continue
            low, high = bounds(array, address)
            outside.append((position, Region(low, high - low, not parameter.constant)))
            parts.append(b"")
        if outside:
            self._copy(outside, parts, arena, APART if apart else 0)
        places = [self._place(arena, each) for each in self.held]
        self.payload = b"".join([*parts, struct.pack("=I", len(places)), *places])

    def _place(self, arena: Arena, held: Held) -> bytes:
        place = arena.find(held.low)
        assert place is not None
        segment, offset = place
        self.segments.add(segment.name)
        return ADDRESS.pack(segment.name, offset, held.size)

    def _shared(self, found: tuple[Segment, int], address: int, array: npt.NDArray[Any]) -> bytes:
        segment, offset = found
        self.segments.add(segment.name)
        size = array.nbytes if array.flags.c_contiguous else bounds(array, address)[1] - address
        return ADDRESS.pack(segment.name, offset, size)

    def _copy(self, outside: list[tuple[int, Region]], parts: list[bytes], arena: Arena, gap: int) -> None:
        """Copy what lies outside shared memory. Arrays that overlap are copied as one, so that they still overlap.

        With a gap they lie so far from each other that running over the end of one does not reach the next.
        """
        groups: list[list[tuple[int, Region]]] = []
        reached = -1
        for position, region in sorted(outside, key=lambda item: item[1].low):
            if groups and region.low < reached:
                groups[-1].append((position, region))
            else:
                groups.append([(position, region)])
            reached = max(reached, region.low + region.size)
        for group in groups:
            low = group[0][1].low
            high = max(region.low + region.size for _, region in group)
            ahead = gap and gap + offset_in_base(self.arrays[group[0][0]], low) % ALIGNMENT
            copy = arena.empty(ahead + high - low + gap, np.uint8)[ahead:ahead + high - low]
            copy[...] = memory_at(low, high - low)
            place = arena.find(copy.__array_interface__["data"][0])
            assert place is not None
            segment, offset = place
            self.segments.add(segment.name)
            self.copies.append((Region(low, high - low, any(region.changes for _, region in group)), copy))
            for position, region in group:
                start = self.arrays[position].__array_interface__["data"][0]
                parts[position] = ADDRESS.pack(segment.name, offset + start - low, region.low + region.size - start)

    def copy_back(self) -> None:
        """Bring back what the kernel wrote."""
        for region, copy in self.copies:
            if region.changes:
                memory_at(region.low, region.size)[...] = copy


class _Memory:
    def __init__(self, low: int, size: int) -> None:
        self.__array_interface__ = {"data": (low, False), "shape": (size,), "typestr": "|u1", "version": 3}


def memory_at(low: int, size: int) -> npt.NDArray[np.uint8]:
    """Bytes of this process as an array. The caller holds what they belong to."""
    return np.asarray(_Memory(low, size))


def bounds(array: npt.NDArray[Any], address: int) -> tuple[int, int]:
    """The lowest byte of an array and the one behind its highest."""
    low = high = address
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize


def offset_in_base(array: npt.NDArray[Any], low: int) -> int:
    """How far a view begins behind the array that it is a view of: that one is aligned as memory on a device is."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return low - int(base.__array_interface__["data"][0])


def array_of(value: Any, parameter: Parameter, position: int, kernel: str) -> npt.NDArray[Any] | None:
    """The array for a pointer. None is the null pointer."""
    if value is None:
        return None
    if not isinstance(value, np.ndarray):
        if not hasattr(value, "__array_interface__") or isinstance(value, np.generic):
            raise ArgumentError(f"argument {position + 1} of {kernel} is `{parameter}`, a pointer; "
                                f"{type(value).__name__} is no array")
        value = np.asarray(value)
    if value.dtype.hasobject:
        raise ArgumentError(f"argument {position + 1} of {kernel} is an array of Python objects")
    if not parameter.constant and not value.flags.writeable:
        raise ArgumentError(f"argument {position + 1} of {kernel}, `{parameter}`, is not const, and its array is "
                            "read-only; pass a copy, or declare the parameter const")
    return value


def complain_of_dtype(dtype: np.dtype[Any], parameter: Parameter) -> None:
    """A kernel would take the bytes of doubles for floats. What may be meant so is left alone: bytes, complex numbers
    as pairs, integers without a sign, the bits of 16-bit floats."""
    wanted = DTYPES.get(" ".join(parameter.type.replace("*", " ").replace("const", " ").split()))
    if wanted is None or parameter.type.count("*") > 1 or dtype.itemsize == 1 or dtype.kind not in "fiu":
        return
    alike = wanted.itemsize == 2 or (wanted.kind == "f") == (dtype.kind == "f")
    if dtype.itemsize != wanted.itemsize or not alike:
        raise ArgumentError(f"`{parameter}` points to {wanted.name}, and an array of {dtype.name} is given; its bytes "
                            f"would be misread. Pass array.astype(np.{wanted.name}), or if bits are meant, "
                            f"array.view(np.{wanted.name})")


def scalar(value: Any, parameter: Parameter, position: int, kernel: str) -> bytes:
    """The bytes of a scalar."""
    what = f"argument {position + 1} of {kernel} is `{parameter}`"
    if isinstance(value, np.ndarray):
        raise ArgumentError(f"{what}, no pointer, but an array is given; pass array.item() or a NumPy scalar")
    if isinstance(value, bool):
        value = np.bool_(value)
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise ArgumentError(f"{what}; {value} does not fit 64 bits")
        value = np.int64(value) if value < 1 << 63 else np.uint64(value)
    elif isinstance(value, float):
        value = np.float64(value)
    elif isinstance(value, complex):
        value = np.complex128(value)
    if not isinstance(value, np.generic):
        raise ArgumentError(f"{what}; {type(value).__name__} is neither a number nor an array")
    data = value.tobytes()
    if isinstance(value, np.void) and len(data) != parameter.size:
        raise ArgumentError(f"{what}, {parameter.size} bytes; the structure has {len(data)}. A dtype has its fields "
                            "where C++ has them if it is made with np.dtype([...], align=True)")
    if parameter.kind == "integer" and isinstance(value, (np.integer, np.bool_)):
        return integer(int(value), parameter, what)
    if parameter.kind == "integer" or (parameter.kind == "float" and not isinstance(value, np.floating)) or (
            len(data) != parameter.size):  # fmt: skip
        wanted = np.dtype(FLOATS[parameter.size]).name if parameter.kind == "float" else f"int{8 * parameter.size}"
        hint = f"; pass np.{wanted}(...)" if parameter.kind != "other" else f", {parameter.size} bytes"
        raise ArgumentError(f"{what}; a {type(value).__name__} has other bytes, which a device would misread{hint}")
    return data


def integer(value: int, parameter: Parameter, what: str) -> bytes:
    """An integer as wide as the parameter; bit patterns of either sign are taken."""
    bits = 8 * parameter.size
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise ArgumentError(f"{what}; {value} does not fit {bits} bits")
    return (value % (1 << bits)).to_bytes(parameter.size, "little")
