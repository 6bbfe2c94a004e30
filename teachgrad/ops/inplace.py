"""Overwriting a tensor in place, with its history kept right.

`x += y` is `overwrite(x, x + y)`: the memory of x takes the new values, x becomes the younger vertex that `x + y` was,
and its old self stays behind as `x.past` for those who used it before. A write through a view changes the base: the
base becomes `write_view(old base, new values)`, and the view becomes a view of that.
"""

from __future__ import annotations

from typing import Any

from .. import devices, observe
from ..errors import DTypeError, InplaceError, ShapeError, TeachgradError, TraceError, place, user_site
from ..op import (
    NO_ATTRS,
    Array,
    Op,
    Spec,
    Symbolic,
    Vertex,
    apply,
    device_of,
    mark_written,
    memory_of,
    mixed,
    next_id,
    overwritten,
    refresh,
    remember,
    state,
)
from ..sizes import broadcast_shapes
from .elementwise import divide, multiply
from .elementwise_op import lift
from .indexing import join_index, need_reach, put, set_item, split_index
from .indexing import set_items as set_items_at
from .matmul import matmul
from .shape import astype, broadcast_to, copy_of, reshape

Path = tuple[tuple[Op, Any], ...]


class WriteView(Op):
    r"""z = base, but for the part that a view shows, which is value;   dz/dbase = 1 outside the view, dz/dvalue = 1

    `path` is how the view was taken: ops and their settings, from the base to the view.
    """

    arithmetic = 0

    def infer(self, base: Spec, value: Spec, *, path: Path) -> Spec:
        return base

    def forward(self, xp: Any, base: Array, value: Array, *, path: Path) -> Array:
        z = base.copy()
        part = z
        for op, attrs in path:
            part = op.forward(xp, part, **attrs)
        part[...] = value
        return z

    def vjp(self, g: Vertex, z: Vertex, base: Vertex, value: Vertex) -> Any:
        path = z.attrs["path"]
        nothing = broadcast_to(lift(0.0, g), value.shape)
        gv = g
        for op, attrs in path:
            gv = apply(op, (gv,), attrs)
        return apply(write_view, (g, nothing), {"path": path}), copy_of(gv)


write_view = WriteView()


class Renew(Op):
    r"""z = x, as a leaf that goes on: what a parameter is after an optimizer has overwritten it in a traced step"""

    arithmetic = 0
    differentiable = False

    def infer(self, x: Spec) -> Spec:
        return x

    def forward(self, xp: Any, x: Array) -> Array:
        return x.copy()


renew = Renew()


def is_view(x: Vertex) -> bool:
    """Whether `x` is a view through which a gradient flows to its base."""
    return x.base is not None and x.op is not None and x.op.view and x.op.differentiable


def permit(x: Vertex, value: Vertex) -> None:
    """Refuse overwrites that would lose a gradient, before anything is changed."""
    if not state.now.grad:
        return
    root = x.base if is_view(x) else x
    assert root is not None
    if root.requires_grad and (root.op is None or root.op is renew):
        what = "a view of a leaf" if root is not x else "a leaf"
        raise InplaceError(
            f"{what} that requires a gradient is overwritten at {place(user_site())}; its gradient would be lost.\n"
            "Ways out: `with tg.no_grad(): w -= lr * w.grad`; or `w = w - ...`, which makes a new tensor.")
    if x.base is not None and x.op is None and not x.requires_grad and value.requires_grad and x.base.requires_grad:
        raise InplaceError(
            f"a tensor that shares the memory of another one, without a gradient between them (detach() or no_grad()), "
            f"is overwritten at {place(user_site())} with values that require a gradient.\nWay out: take a copy() "
            "first.")
    if is_view(x) and not x.inputs:
        raise InplaceError(f"the graph behind this view was freed by backward(), so the overwrite at "
                           f"{place(user_site())} cannot reach its base.\nWays out: take the view again; or overwrite "
                           "under tg.no_grad().")


def fit(x: Vertex, value: Any) -> Vertex:
    """`value` as a tensor with the dtype of `x`, which an overwrite does not change; in a trace, what stands for it."""
    value = lift(value, x)
    if (value.dtype.kind == "f" and x.dtype.kind != "f") or x.dtype.kind == "b" != value.dtype.kind:
        raise DTypeError(f"values of {value.dtype} cannot be written into a tensor of {x.dtype}")
    value = astype(value, x.dtype, copy=False)
    tracer = state.now.tracer
    if tracer is not None:
        value = tracer.resolve(value)
        if value.base is not None:
            tracer.refresh(value)
    return value


def current(x: Vertex) -> Vertex:
    """The vertex that `x` stands for now: itself, brought up to date, or its stand-in in a trace."""
    if state.now.tracer is not None:
        return state.now.tracer.resolve(x)
    if type(x.base) is Symbolic:
        raise TraceError.at(
            "TG-S09", "a placeholder, or what was computed from one, is overwritten", user_site(),
            "An expression has no memory.",
            "make a tg.state, and give its new value in tg.function(..., updates={state: value})")
    if x.base is not None:
        refresh(x)
    return x


def overwrite(x: Vertex, value: Any) -> Any:
    """Give `x` the elements of `value`, which is broadcast to its shape."""
    target, value = current(x), fit(x, value)
    permit(target, value)
    if value.shape != x.shape:
        if broadcast_shapes(value.shape, x.shape) != x.shape:
            raise ShapeError(f"values of shape {value.shape} cannot be written into a tensor of shape {x.shape}")
        value = broadcast_to(value, x.shape)
    keep_operand(target, value)
    announce(target, value)
    write(target, (...,), value)
    relink(target, value)
    return x


def keep_operand(x: Vertex, value: Vertex) -> None:
    """For `x *= y`: keep a copy of the old x where the gradient of y needs it. Others who used x get no such favour."""
    op = value.op
    if op is None or not op.needs_values or not value.requires_grad or not any(i is x for i in value.inputs):
        return
    others = [i for i in value.inputs if i is not x]
    if op in (multiply, divide, matmul) and others and not others[0].requires_grad:
        return  # the gradient of x needs the other factor alone
    old = x.earlier_self()
    if not isinstance(x._data, Spec):
        old._data = x._data.copy()
    old.base, old.stamp = None, value.id
    value.inputs = tuple([old if i is x else i for i in value.inputs])


def set_items(x: Vertex, index: Any, value: Any) -> None:
    """x[index] = value."""
    target, value = current(x), fit(x, value)
    permit(target, value)
    pattern, tensors = split_index(x, index)
    if state.now.tracer is not None or (state.now.grad and (target.requires_grad or value.requires_grad)):
        result = apply(set_items_at if tensors else set_item, (target, value, *tensors), {"index": pattern})
        announce(target, value)
        write(target, (...,), result)
    else:
        result = value
        announce(target, value)
        arrays = [t._data for t in tensors]
        if devices.beyond and tensors:
            try:
                need_reach(device_of(target).xp, target.shape, pattern, arrays)
            except IndexError as error:
                raise refused(target, error) from error
        write(target, join_index(pattern, arrays), value)
    relink(target, result)


def announce(x: Vertex, value: Vertex) -> None:
    """Tell who watches for it that `x` is about to be overwritten."""
    if state.now.witness is not None and state.now.tracer is None:
        state.now.witness.writes(memory_of(x), state.now.grad and (x.requires_grad or value.requires_grad))


def write(x: Vertex, index: Any, value: Vertex) -> None:
    """Put values into the memory of `x`."""
    if isinstance(x._data, Spec):
        return
    data = value._data
    if devices.beyond and device_of(x) is not device_of(value):
        if data.ndim or device_of(value) is not devices.CPU:
            raise mixed(set_item, (x, value), NO_ATTRS, 1)
        data = data[()]
    try:
        if devices.beyond:
            put(device_of(x).xp, x._data, index, data)
        else:
            x._data[index] = data
    except (ValueError, IndexError) as error:
        raise refused(x, error) from error


def refused(x: Vertex, error: Exception) -> TeachgradError:
    """The error for a tensor that the array library does not let be overwritten so."""
    kind = ShapeError if getattr(x._data.flags, "writeable", True) else InplaceError
    return kind(f"overwriting a tensor of shape {x.shape} at {place(user_site())}: {error}")


def relink(x: Vertex, value: Vertex) -> None:
    """Make the history of `x` say that it is now `value`."""
    if state.now.tracer is not None:
        relink_traced(x, value)
        return
    if not (state.now.grad and (x.requires_grad or value.requires_grad)):
        mark_written(x)
        if observe.sink is not None and not isinstance(x._data, Spec):
            observe.sink(observe.Update(x.id, x.name, x._data))
        return
    writer = user_site()
    old = overwritten(x, writer)
    if not is_view(x):
        if value.op is None or value.op.view or not value.inputs:
            value = copy_of(value)
        memory = x if x.base is None else x.base
        x.op, x.attrs = value.op, value.attrs
        x.inputs = tuple([old if i is x else i for i in value.inputs])
        x.requires_grad = value.requires_grad
        x.past, x.site = old, writer
        x.id = x.stamp = memory.stamp = next_id()
        remember(memory)
        return
    root = x.base
    assert root is not None
    old_root = overwritten(root, writer)
    root.op, root.inputs, root.attrs = write_view, (old_root, value), {"path": path_from(root, x)}
    root.past, root.site, root.requires_grad = old_root, writer, root.requires_grad or value.requires_grad
    root.id = root.stamp = next_id()
    remember(root)
    x.past, x.requires_grad = old, root.requires_grad
    x.id, x.stamp = next_id(), root.stamp


def relink_traced(x: Vertex, value: Vertex) -> None:
    """The same while a function is traced: there is no memory yet, so the base itself becomes the new value.

    Gradient rules may not use the old value all the same (its `stamp` says so): both modes give the same verdict.
    """
    writer = user_site()
    root = x if x.base is None else x.base
    path = path_from(root, x)
    flows = state.now.grad and all(op.differentiable for op, _ in path)
    if any(op is reshape for op, _ in path):
        raise TraceError.at(
            "TG-S09", "an overwrite goes through reshape()", writer,
            "That is a view of the memory or a copy, depending on its layout.", "overwrite the tensor itself",
            "overwrite an indexed part of it")
    leaf = root.op is None or root.op is renew
    if not flows and root.requires_grad and not leaf:
        raise TraceError.at(
            "TG-S09", "a tensor with a history is overwritten, and its history is not told", writer,
            "Under no_grad, or through .data or detach(), a gradient would go on as if nothing had happened.",
            "compute a new tensor instead")
    new = value if x is root else apply(write_view, (root, value), {"path": path})
    old = root.earlier_self()
    root.op, root.inputs, root.attrs = (copy_of if flows else renew), (new,), NO_ATTRS
    root.requires_grad = new.requires_grad if flows else root.requires_grad
    root.past, root.site = old, writer
    root.id = root.stamp = next_id()
    old.stamp = next_id()
    if x is not root:
        old = x.earlier_self()
        x.past, x.requires_grad = old, root.requires_grad and flows
        x.id, x.stamp = next_id(), root.stamp
        old.stamp = next_id()


def path_from(root: Vertex, x: Vertex) -> Path:
    """How the view `x` was taken from `root`."""
    steps = []
    while x is not root:
        assert x.op is not None
        steps.append((x.op, x.attrs))
        x = x.inputs[0]
    return tuple(reversed(steps))
