"""`apply`: run an op on vertices and make the next vertex. Every computation of dynamic mode comes by here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .. import devices, observe
from ..errors import DTypeError, MatrixError, ShapeError, TeachgradError, Where, locate, user_site
from .bases import INFERENCE, Deferred
from .elsewhere import HERE, compute_elsewhere, settled
from .overwriting import note_view, notice_writes, refresh
from .vertex import NO_ATTRS, Op, Vertex, ndarray, state


def apply(op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
    """Run `op` on `inputs` and return the vertex of the result. The hot path of dynamic mode."""
    current = state.now
    if current.tracer is not None:
        return current.tracer.apply(op, inputs, attrs)
    arrays = []
    tracked = marked = False
    kernel = op.kernel
    strided = kernel is None  # whether the result may be laid out otherwise than in C order
    try:
        for x in inputs:
            if x.requires_grad:
                tracked = True
            if x.base is not None:
                strided = True
                if refresh(x):
                    marked = True
                elif x.base.exposed is not None:
                    notice_writes(x.base)
                    refresh(x)
            if x.exposed is not None:
                strided = True
                notice_writes(x)
            arrays.append(x._data)
        if current.witness is not None:
            current.witness.reads(inputs)
        if devices.beyond and (data := compute_elsewhere(op, inputs, arrays, attrs)) is not HERE:
            pass
        elif current.meter is not None:
            data = current.meter.compute(op, arrays, attrs)
        else:
            data = kernel(*arrays) if kernel is not None else op.forward(np, *arrays, **attrs)
    except Deferred as deferred:
        return deferred.tracer.apply(op, inputs, attrs)
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise explain(op, inputs, attrs, error) from error
    if type(data) is ndarray:
        if strided and not data.flags.c_contiguous and not op.view:
            data = data.copy()
    elif type(data) is not tuple:
        data = settled(op, data) if devices.beyond else np.asarray(data)
    cls = inputs[0].result_type
    z = cls.__new__(cls)
    z.id = z.stamp = current.next_id()
    z._data = data
    z._grad = z.base = z.past = z.exposed = z.name = None
    z.hooks = ()
    if tracked and current.grad and op.differentiable:
        z.op, z.inputs, z.attrs = op, inputs, attrs
        z.requires_grad = True
        z.site = user_site()
    else:
        z.op = z.site = None
        z.inputs, z.attrs = (), NO_ATTRS
        z.requires_grad = False
        if marked or (tracked and current.inference):
            z.base = INFERENCE
    if op.view and z.base is None:
        note_view(z, op, inputs, attrs)
    if observe.sink is not None and not current.quiet:
        report(z, op, inputs, attrs)
    return z


def bare(kind: type[Vertex], data: Any, number: int) -> Any:
    """A vertex of an array without a history: what its constructor makes, without its questions."""
    z = kind.__new__(kind)
    z.id = z.stamp = number
    z._data = data
    z.op = z._grad = z.base = z.past = z.exposed = z.site = z.name = None
    z.inputs = z.hooks = ()
    z.attrs = NO_ATTRS
    z.requires_grad = False
    return z


def report(z: Vertex, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> None:
    """Tell the watcher that an op ran, and which leaves it used."""
    sink = observe.sink
    assert sink is not None
    for x in inputs:
        if x.op is None:
            sink(observe.Leaf(x.id, x.name, x._data, x.requires_grad, x.result_type is not type(x)))
    where = locate(z.site if z.site is not None else user_site())
    sink(observe.Forward(z.id, op.name, tuple([x.id for x in inputs]), attrs, z._data, z.name, where, state.now.scope,
                         z.requires_grad))


def explain(op: Op, inputs: Sequence[Vertex], attrs: Mapping[str, Any], error: Exception,
            where: Where | None = None) -> Exception:
    """Turn an error of the array library into one that names the op, the shapes and the user's line."""
    if isinstance(error, TeachgradError):
        return error
    where = where or locate(user_site())
    reason: Exception = error
    with suppress(Exception):  # the op's own shape rule often says better what is wrong, and how to go on
        try:
            op.infer(*[x._data for x in inputs], **attrs)
        except TeachgradError as rule:
            reason = rule
    text = f"{op.told(inputs, attrs)}: {reason}" + (f"\n{where.show()}" if where else "")
    kinds = {TypeError: DTypeError, ValueError: ShapeError, np.linalg.LinAlgError: MatrixError}
    return kinds.get(type(error), type(error))(text)
