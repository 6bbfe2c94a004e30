"""Memory that the interpreter and the worker share: arrays that lie in it are not copied for a launch.

It comes in segments, files without a name that both map. Blocks of a segment are handed out by size (powers of two), so
that an array that is gone leaves its place to the next of its size.
"""

from __future__ import annotations

import bisect
import itertools
import mmap
import os
import tempfile
import threading
from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import EmulatorError

SEGMENT = 64 << 20
LARGE = SEGMENT // 4
"""Bytes from which on a block is a segment of its own."""
ALIGNMENT = 256
"""Bytes of the smallest block, and what all are aligned to, as on a device."""


class Segment:
    """A piece of shared memory: its file, where it is mapped, and how much of it has been handed out."""

    names = itertools.count(1)

    def __init__(self, size: int) -> None:
        self.name = next(self.names)
        self.size = size
        self.used = 0
        self.file = _nameless_file(size)
        self.map = mmap.mmap(self.file, size)
        self.base = np.frombuffer(self.map, np.uint8).__array_interface__["data"][0]

    def close(self) -> None:
        """Give the memory back. No array may be left in it."""
        self.map.close()
        os.close(self.file)


class Block:
    """A part of a segment. NumPy arrays are made from it; when the last of them is gone, its place is free again."""

    __slots__ = ("__array_interface__", "owner", "place")

    def __init__(self, arena: Arena, place: tuple[Segment, int, int], nbytes: int) -> None:
        segment, offset, _ = place
        self.owner, self.place = arena, place
        self.__array_interface__ = {"data": (segment.base + offset, False), "shape": (nbytes,), "typestr": "|u1",
                                    "version": 3}  # fmt: skip

    def __del__(self) -> None:
        self.owner.release(self.place)


class Arena:
    """All shared memory of this interpreter."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.segments: list[Segment] = []
        self._bases: list[int] = []
        self._live: dict[int, tuple[int, np.dtype[Any], tuple[int, ...]]] = {}
        self._free: dict[int, list[tuple[Segment, int, int]]] = defaultdict(list)
        self._lock = threading.RLock()  # a block may be released while one is handed out, by the garbage collector

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
        """An array in shared memory; what is in it, nobody knows."""
        kind = np.dtype(dtype)
        if kind.hasobject:
            raise EmulatorError("arrays of Python objects cannot be in shared memory")
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        nbytes = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        place = self._take(max(nbytes, 1))
        block = Block(self, place, nbytes)
        with self._lock:
            self._live[place[0].base + place[1]] = nbytes, kind, shape
        return np.asarray(block).view(kind).reshape(shape) if nbytes else np.empty(shape, kind)

    def _take(self, nbytes: int) -> tuple[Segment, int, int]:
        size = max(ALIGNMENT, 1 << (nbytes - 1).bit_length()) if nbytes <= LARGE // 2 else -(-nbytes // 4096) * 4096
        with self._lock:
            if self._free[size]:
                return self._free[size].pop()
            fitting = (s for s in self.segments if s.size == SEGMENT and s.size - s.used >= size)
            segment = next(fitting, None) if size < LARGE else None
            if segment is None:
                segment = Segment(SEGMENT if size < LARGE else size)
                self.segments.append(segment)
                self.segments.sort(key=lambda s: s.base)
                self._bases = [s.base for s in self.segments]
            place = (segment, segment.used, size)
            segment.used += size
            return place

    def release(self, place: tuple[Segment, int, int]) -> None:
        """Take a block back."""
        if os.getpid() == self.process:  # a fork shares the memory, and must not hand it out again
            with self._lock:
                self._live.pop(place[0].base + place[1], None)
                if place[2] < LARGE:
                    self._free[place[2]].append(place)
                else:  # it has a segment of its own, which goes with it
                    self.segments.remove(place[0])
                    self._bases = [s.base for s in self.segments]
                    place[0].close()

    def arrays(self) -> dict[int, tuple[int, np.dtype[Any], tuple[int, ...]]]:
        """The arrays that there are now: bytes, dtype and shape by the address where one begins, in order."""
        with self._lock:
            now = self._live.copy()  # at once: the garbage collector may take one of them back at any time
        return dict(sorted(now.items(), key=lambda each: each[0]))

    def find(self, address: int) -> tuple[Segment, int] | None:
        """The segment that an address lies in, and where in it."""
        with self._lock:
            index = bisect.bisect_right(self._bases, address) - 1
            if index >= 0:
                segment = self.segments[index]
                if address < segment.base + segment.size:
                    return segment, address - segment.base
        return None


_arena = Arena()


def arena() -> Arena:
    """The shared memory of this process."""
    global _arena
    if _arena.process != os.getpid():
        _arena = Arena()
    return _arena


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """A NumPy array in memory that kernels read and write in place. Its content is whatever was there."""
    return arena().empty(shape, dtype)


def zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """A NumPy array of zeros in memory that kernels read and write in place."""
    array = empty(shape, dtype)
    array[...] = 0
    return array


def asarray(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
    """The values as a C-contiguous array in shared memory; itself, if it is one already."""
    array = np.asarray(values, dtype)
    if is_shared(array) and array.flags.c_contiguous:
        return array
    copy = empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def is_shared(array: npt.NDArray[Any]) -> bool:
    """Whether an array lies in shared memory, so that a launch copies nothing."""
    return arena().find(array.__array_interface__["data"][0]) is not None


def _nameless_file(size: int) -> int:
    """A file that nobody else can open, gone when the last who has it is gone."""
    try:
        if hasattr(os, "memfd_create"):
            file = os.memfd_create("teachgrad-emulator")
        else:
            file, path = tempfile.mkstemp(prefix="teachgrad-emulator-")
            os.unlink(path)
        os.ftruncate(file, size)
    except OSError as error:
        raise EmulatorError(f"cannot have {size} bytes of shared memory: {error.strerror}") from error
    return file
