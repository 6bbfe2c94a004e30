"""Writing in place: which value a tensor had when it was used, and whether that is still there.

Nobody is told when memory is overwritten. Every vertex knows the time of the last write into its memory (`stamp`), and
whoever needs a value compares that with its own id.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import devices
from ..errors import GradientError, InplaceError, Site, place, user_site
from .bases import INFERENCE, Deferred, Symbolic
from .vertex import Array, Op, Shape, Spec, Vertex, ndarray, next_id, state


class Overwritten(Vertex):
    """Stands for a tensor as it was before it was overwritten: it still has a place in the graph, but no value.

    Gradient rules that only need its shape work; one that needs the value gets an error which names both lines.
    """

    __slots__ = ("place", "reader", "spec", "writer")

    place: devices.Device
    """Where it was."""
    spec: Spec
    writer: Site | None
    reader: Vertex | None

    @property
    def _data(self) -> Any:
        reader = self.reader if self.reader is not None else self
        raise InplaceError(
            f"the gradient of {reader.op} at {place(reader.site)} needs a value that was overwritten in place "
            f"at {place(self.writer)}.\n"
            "Ways out: write `a = a + b` instead of `a += b`; keep a copy with `.copy()` before the overwrite; "
            "or overwrite after backward().")

    @property
    def shape(self) -> Shape:
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        return len(self.spec.shape)

    @property
    def size(self) -> int:
        return self.spec.size


NEVER = 1 << 62
"""A stamp that is later than any id: makes the backward pass look closer at a vertex."""


def spec_of(x: Vertex) -> Spec:
    """Shape and dtype of a vertex, also of one whose value is gone."""
    return Spec(x.shape, x.dtype)


def overwritten(x: Vertex, writer: Site | None, reader: Vertex | None = None) -> Overwritten:
    """A stand-in for `x` as it is in the graph now, for a value that is (about to be) gone."""
    old = Overwritten.__new__(Overwritten)
    old.id, old.stamp = x.id, NEVER
    old.op, old.inputs, old.attrs, old.site = x.op, x.inputs, x.attrs, x.site
    old.requires_grad, old.past, old.hooks, old.name = x.requires_grad, x.past, x.hooks, x.name
    old._grad = old.base = old.exposed = None
    old.spec, old.writer, old.reader = spec_of(x), writer, reader
    old.place = x.place if type(x) is Overwritten else devices.of(x._data)
    return old


def note_view(z: Vertex, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> None:
    """Remember whose memory a view shares, and how it was taken, so that writes through either are understood."""
    x = inputs[0]
    if not shares_memory(z._data, x._data):
        return
    z.base = x if x.base is None else x.base
    if z.op is None and state.now.grad and op.differentiable:
        z.op, z.inputs, z.attrs = op, inputs, attrs


def shares_memory(z: Array, x: Array) -> bool:
    """Whether `z`, made by a view op of `x`, lies in the memory of `x` (reshape and the like sometimes copy)."""
    return z is x or z.base is x or (z.base is not None and z.base is x.base)


def sample_of(spec: Spec, strides: tuple[int, ...] | None) -> Any:
    """An array of a layout, whose memory is never touched."""
    if strides is None:
        return np.empty(spec.shape, spec.dtype)
    low = sum(min(0, step * (n - 1)) for n, step in zip(spec.shape, strides, strict=True)) if spec.size else 0
    high = sum(max(0, step * (n - 1)) for n, step in zip(spec.shape, strides, strict=True)) if spec.size else 0
    memory = np.empty(high - low + spec.dtype.itemsize, np.uint8)
    return np.ndarray(spec.shape, spec.dtype, memory, -low, strides)


def refresh(x: Vertex) -> bool:
    """Bring a view up to date after its memory was written through another name; whether it came from inference mode.

    The view's value is right already, it is the same memory. Its history is not: it must now be a view of the
    younger base. A new id is all that takes, since an edge means "the input as it was when I was made".
    """
    base = x.base
    assert base is not None
    if type(base) is Symbolic:
        raise Deferred(base.tracer)
    if base is INFERENCE:
        if state.now.grad and not state.now.inference:
            raise GradientError(
                f"a tensor that was made in inference mode is used at {place(user_site())} where gradients are "
                "recorded.\nWays out: use `tg.no_grad()` instead of `tg.inference` where the result is needed for "
                "training; or make a new tensor of its values with `tg.tensor(x.numpy())`.")
        return True
    if base.stamp <= x.stamp:
        return False
    if base.requires_grad and x.op is not None and x.op.view and base.id > x.id:
        parent = x.inputs[0]
        if parent.base is not None:
            refresh(parent)
        old = x.past = overwritten(x, base.site) if type(x._data) is not Spec else x.earlier_self()
        x.id = next_id()
        old.stamp = next_id()
        x.requires_grad = True
    x.stamp = base.stamp
    return False


def version(x: Vertex, reader: Vertex) -> Vertex:
    """`x` as it was when `reader` was made from it; without its value if that has been overwritten since."""
    while x.id > reader.id:
        past = x.past
        assert past is not None
        x = past
    if type(x) is Overwritten:
        return x if x.reader is not None else overwritten(x, x.writer, reader)
    return overwritten(x, memory_of(x).site, reader) if value_is_gone(x, reader.id) else x


def memory_of(x: Vertex) -> Vertex:
    """The vertex that owns the memory of `x`: itself, or the base of a view."""
    return x if x.base is None else x.base


def value_is_gone(x: Vertex, reader: int) -> bool:
    """Whether the memory of `x` was written after a vertex of the id `reader` was made."""
    root = memory_of(x)
    if root.exposed is not None:
        notice_writes(root)
    return root.stamp > reader and root is not INFERENCE


def checksum(data: Array) -> int:
    """A number that changes, all but surely, when the array does."""
    if type(data) is not ndarray and type(data) in devices.KINDS:
        return checksum_elsewhere(devices.KINDS[type(data)].xp, data)
    return zlib.crc32(np.ascontiguousarray(data).view(np.uint8).data) if data.size else 0


def checksum_elsewhere(xp: Any, data: Array) -> int:
    """The same for an array of another device, computed there: Σ (byte_i + 1) h_i modulo 2^64, with odd h_i."""
    words = xp.ascontiguousarray(data).reshape(-1).view(xp.uint8).astype(xp.uint64) + np.uint64(1)
    weights = xp.arange(words.size, dtype=xp.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
    return int((words * weights).sum())


def notice_writes(x: Vertex) -> None:
    """Look whether memory that was handed out writable was written to without our knowing."""
    now = checksum(x._data)
    if now != x.exposed:
        x.exposed = now
        stamp_written(x)


def mark_written(x: Vertex) -> None:
    """Note that we have just written the memory of `x`, with nothing recorded."""
    root = memory_of(x)
    if state.now.witness is not None:
        state.now.witness.has_written(root)
    stamp_written(x)
    remember(root)


def stamp_written(x: Vertex) -> None:
    """Let the memory of `x` be younger than all that was made of it."""
    root = memory_of(x)
    root.stamp = x.stamp = next_id()
    if root.op is None:
        root.site = user_site()


def remember(root: Vertex) -> None:
    """Take what is in memory that was handed out as known: we have written it ourselves."""
    if root.exposed is not None and type(root._data) is not Spec:
        root.exposed = checksum(root._data)
