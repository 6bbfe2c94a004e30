"""Graphs built by hand: placeholders, state, and `tg.function`, in the manner of Theano.

A placeholder is a tensor without a value. What is computed from it has none either; it is an expression, and
`tg.grad` of an expression is an expression. `tg.function` makes a program of expressions; what a `tg.state` becomes
is said by `updates`, all of which read the old values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import devices, dtypes, executors, verification
from .conversion import as_array
from .displays import Displayed
from .errors import DeviceError, DTypeError, ShapeError, TeachgradError, TraceError, place, user_site
from .graph import Graph, is_constant
from .op import Op, Spec, Symbolic, Vertex, apply, device_of, modes, state
from .ops.shape import as_shape, astype, broadcast_to
from .passes import optimize
from .passes.plan import Plan, plan_memory
from .passes.report import Cost, costs, near_misses
from .passes.rewriting import NearMiss, Rewrite
from .structure import flatten, unflatten
from .tensor import Tensor
from .tracer import Tracer


class ExpressionTracer(Tracer):
    """Makes expressions wherever an operand has no value, in any thread, at any time. Keeps nothing."""

    lasting = True

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = {}) -> Any:
        z = super().apply(op, inputs, attrs)
        self.recorded.clear()
        self.scopes.clear()
        z.base = SYMBOLIC
        return z

    def resolve(self, x: Any) -> Any:
        if isinstance(x._data, np.ndarray) and x.requires_grad:
            raise TraceError.at(
                "TG-S07", "a tensor that requires a gradient is mixed into an expression", user_site(),
                "Its value would be frozen.", "make it a tg.state, which a function reads anew on every call",
                "detach() it")
        return x


EXPRESSIONS = ExpressionTracer("an expression")
SYMBOLIC = Symbolic(np.empty(0))
SYMBOLIC.tracer = EXPRESSIONS
SYMBOLIC.stamp = 0


class State(Tensor):
    """A value that lives between the calls of functions, and stands in expressions for what it is at the time."""

    __slots__ = ("cell",)

    cell: Any

    def array_for(self, why: str) -> Any:
        """The present value, for `numpy()`, `item()` and the like; an error while a function is traced."""
        if state.now.tracer is not None:
            known = state.now.tracer.leak(self, why)
            if known is not None:
                return known
        return self.value

    def __reduce_ex__(self, protocol: Any) -> Any:
        return state_of, (self.array_for("pickled"), self.dtype, self.name)

    @property
    def value(self) -> Any:
        """The present value, as an array. Assign to change it."""
        return self.cell.copy()

    @value.setter
    def value(self, new: Any) -> None:
        array = np.asarray(new)
        if array.shape != self.shape:
            raise ShapeError(f"the state {self.name or ''} has shape {self.shape}, the new value {array.shape}")
        self.cell[...] = array


def placeholder(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value is given when a function is called.

    Args:
        shape: its lengths.
        dtype: the default float if left out. Of a floating-point type, gradients with respect to it can be taken.
        name: for error messages and for reading graphs.
    """
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(shape, (tuple, list)) and None in shape:
        raise ShapeError(f"a placeholder has lengths that are known, not {tuple(shape)}. Way out: tg.static, which "
                         "makes a program for each shape that it meets")
    x = Tensor(Spec(as_shape(shape), dtype), dtype.kind == "f", name)
    x.base, x.site = SYMBOLIC, user_site()
    return x


def state_of(value: Any, dtype: Any = None, name: str | None = None) -> State:
    """A state with this first value (`tg.state`). The value is copied."""
    array = as_array(value, dtype)
    x = State(Spec(array.shape, array.dtype), array.dtype.kind == "f", name)
    x.cell, x.base, x.site = array, SYMBOLIC, user_site()
    return x


class Function(Displayed):
    """Expressions as a program. Made by `tg.function`."""

    displayed_as = "graph"

    def __init__(self, inputs: Any, outputs: Any, updates: Mapping[State, Any], givens: Mapping[Vertex, Any],
                 level: str, executor: str | None, plan: str, name: str,
                 verify: bool) -> None:
        self.name, self.level = name, level
        self.parameters = list(inputs)
        self.output_leaves, self.output_tree = flatten(outputs)
        for x in self.parameters:
            if not isinstance(x, Vertex) or type(x.base) is not Symbolic or x.op is not None or isinstance(x, State):
                raise TraceError.at(
                    "TG-S08", f"an input of {name} is no placeholder: {x!r}", user_site(),
                    "The inputs are what its arguments take the place of.", "make it with tg.placeholder(...)")
        roots = [as_expression(v, name) for v in self.output_leaves]
        news = [(leaf, fitted(leaf, new, name)) for leaf, new in updates.items()]
        replaced = substituted([*roots, *(new for _, new in news)], dict(givens))
        roots, new_values = replaced[:len(roots)], replaced[len(roots):]
        order = ordered([*roots, *new_values])
        leaves = {x.id: x for v in [*order, *roots, *new_values] for x in (v, *v.inputs)
                  if x.op is None and not is_constant(x)}
        self.states = [x for x in leaves.values() if isinstance(x, State)]
        self.states += [leaf for leaf, _ in news if leaf.id not in leaves]
        self.refuse(leaves)
        graph = Graph(name, tuple(self.parameters), tuple(self.states), tuple(roots),
                      tuple((leaf, new) for (leaf, _), new in zip(news, new_values, strict=True)), tuple(order))
        self.moments, self.rewrites = optimize(graph, level)
        self.graph: Graph = self.moments[-1][1]
        self.plan: Plan = plan_memory(self.graph, plan) if level != "O0" else Plan()
        self.build = executors.find(executor or executors.default(level), exact=level != "O3")
        self.program = self.build(self.graph, self.plan)
        self.unverified = verify
        self.states = [x for x in self.graph.cells if isinstance(x, State)]

    rewrites: list[Rewrite]

    @property
    def costs(self) -> list[Cost]:
        """What the graph costs as it was built and after each pass."""
        return costs(self.moments)

    @property
    def near_misses(self) -> list[NearMiss]:
        """Where a rule of the level was close to applying, and why it did not. Found by running the passes again."""
        return near_misses(self.moments[0][1], self.level)

    def refuse(self, leaves: dict[int, Vertex]) -> None:
        """Refuse inputs that are missing, unused or there twice."""
        given = {x.id for x in self.parameters}
        for x in leaves.values():
            if not isinstance(x, State) and x.id not in given:
                raise TraceError.at(
                    "TG-S08", f"{self.name} needs the placeholder {x.name or 'without a name'}, made at "
                    f"{place(x.site)}", user_site(), "It is not among the inputs.", "add it to the inputs",
                    "replace it with givens")
        for number, x in enumerate(self.parameters):
            if any(x is y for y in self.parameters[:number]):
                raise TraceError.at(
                    "TG-S08", f"{self.name} has the input {x.name or 'without a name'}, made at {place(x.site)}, twice",
                    user_site(), "Its two arguments could differ.", "a placeholder for each argument")
            if x.id not in leaves:
                raise TraceError.at(
                    "TG-S08", f"{self.name} does not need its input {x.name or 'without a name'}, made at "
                    f"{place(x.site)}", user_site(), "No output and no update depends on it.",
                    "leave it out of the inputs")

    @property
    def source(self) -> str:
        """The program as text; it is written in the first call."""
        return self.program.source

    def arrays(self, args: Sequence[Any]) -> list[Any]:
        """The arguments as arrays, checked against their placeholders."""
        if len(args) != len(self.parameters):
            wanted = ", ".join(x.name or "?" for x in self.parameters)
            raise TeachgradError(f"{self.name} takes {len(self.parameters)} arguments ({wanted}), got {len(args)}")
        arrays = []
        for x, value in zip(self.parameters, args, strict=True):
            if isinstance(value, Vertex) and device_of(value) is not devices.CPU:
                raise DeviceError(f"the argument {x.name or '?'} of {self.name} is on \"{device_of(value).name}\", and "
                                  "graphs built by hand compute on \"cpu\".\nWays out: x.to(\"cpu\"); or tg.static, "
                                  "which runs where its tensors are, if its executor does.")
            array = np.asarray(value._data if isinstance(value, Vertex) else value)
            if array.shape != x.shape:
                raise ShapeError(f"the argument {x.name or '?'} of {self.name} has shape {array.shape}; its "
                                 f"placeholder, made at {place(x.site)}, has {x.shape}")
            if array.dtype != x.dtype:
                if array.dtype.kind == "f" and x.dtype.kind != "f":
                    raise DTypeError(f"the argument {x.name or '?'} of {self.name} is {array.dtype}; its placeholder "
                                     f"is {x.dtype}")
                array = array.astype(x.dtype)
            arrays.append(array)
        return arrays

    def __call__(self, *args: Any) -> Any:
        """Run: the outputs as tensors. Updates are committed together, if nothing fails."""
        arrays, cells, meter = self.arrays(args), [x.cell for x in self.states], state.now.meter
        if self.unverified:
            self.verify(arrays)
        outputs = self.program(arrays, cells) if meter is None else meter.run(self, arrays, cells)
        return unflatten(self.output_tree, [Tensor(array) for array in outputs])

    def verify(self, arrays: Sequence[Any]) -> None:
        """Check the program on these arguments, once."""
        leaves = {x.id: array for x, array in zip(self.parameters, arrays, strict=True)}
        leaves.update({x.id: x.cell for x in self.moments[0][1].cells if isinstance(x, State)})
        self.rewrites = verification.verify(self.moments, self.rewrites, self.plan, self.program, self.build, leaves)
        self.unverified = False

    def trial(self, *args: Any) -> tuple[Any, dict[str, Any]]:
        """Run and commit nothing: the outputs, and what each updated state would become, by name."""
        outputs, new = self.program.trial(self.arrays(args), [x.cell for x in self.states])
        names = [leaf.name or f"state{number}" for number, (leaf, _) in enumerate(self.graph.updates)]
        return unflatten(self.output_tree, [Tensor(array) for array in outputs]), dict(zip(names, new, strict=True))

    def __repr__(self) -> str:
        return f"<function {self.name}, level {self.level}, {len(self.graph.order)} ops>"


def as_expression(v: Any, name: str) -> Vertex:
    if not isinstance(v, Vertex):
        raise TraceError.at(
            "TG-S08", f"an output of {name} is no tensor but a {type(v).__name__}", user_site(),
            "A function of expressions gives tensors, and tuples, lists and dicts of them.", "leave it out")
    return v


def fitted(leaf: Any, new: Any, name: str) -> Vertex:
    """The new value of a state, in its dtype and shape."""
    if not isinstance(leaf, State):
        raise TraceError.at(
            "TG-S08", f"{name} updates what is no state: {leaf!r}", user_site(),
            "Only a state keeps a value from call to call.", "make it with tg.state(...)")
    if not isinstance(new, Vertex):
        new = leaf.result_type(np.asarray(new, leaf.dtype))
    if new.dtype != leaf.dtype:
        if new.dtype.kind == "f" and leaf.dtype.kind != "f":
            raise DTypeError(f"the update of {leaf.name or 'a state'} is {new.dtype}, the state {leaf.dtype}")
        new = astype(new, leaf.dtype)
    if new.shape != leaf.shape:
        if np.broadcast_shapes(new.shape, leaf.shape) != leaf.shape:
            raise ShapeError(f"the update of {leaf.name or 'a state'} has shape {new.shape}, the state {leaf.shape}")
        new = broadcast_to(new, leaf.shape)
    return new


def ordered(roots: Sequence[Vertex]) -> list[Vertex]:
    """All vertices with an op that the roots depend on, by id: a topological order."""
    found: dict[int, Vertex] = {}
    stack = list(roots)
    while stack:
        v = stack.pop()
        if v.op is not None and v.id not in found:
            found[v.id] = v
            stack += v.inputs
    return [found[i] for i in sorted(found)]


def substituted(roots: list[Vertex], givens: dict[Vertex, Any]) -> list[Vertex]:
    """The roots with some vertices replaced by other expressions. What is put in is not itself searched."""
    if not givens:
        return roots
    new: dict[int, Vertex] = {}
    for old, value in givens.items():
        if not isinstance(old, Vertex):
            raise DTypeError(f"givens maps tensors to what takes their place; {old!r} is no tensor. Way out: name the "
                             "placeholder itself, as in givens={x: value}")
        if not isinstance(value, Vertex):
            array = np.asarray(value, old.dtype)
            value = old.result_type(array if array.ndim else np.full(old.shape, array))
        if value.shape != old.shape or value.dtype != old.dtype:
            raise ShapeError(f"givens replaces {old.name or 'a tensor'} of {old.dtype}{list(old.shape)} by "
                             f"{value.dtype}{list(value.shape)}")
        new[old.id] = value
    with modes(grad=True):
        for v in ordered(roots):
            if v.id in new:
                continue
            inputs = tuple(new.get(x.id, x) for x in v.inputs)
            if any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
                assert v.op is not None
                new[v.id] = apply(v.op, inputs, v.attrs)
    return [new.get(v.id, v) for v in roots]


def function(inputs: Sequence[Vertex], outputs: Any, *, updates: Mapping[Any, Any] | None = None,
             givens: Mapping[Any, Any] | None = None, level: str = "O1", executor: str | None = None,
             plan: str = "reuse", name: str = "function", verify: bool = False) -> Function:
    """Make a program that computes `outputs` from `inputs`.

    Args:
        inputs: placeholders, in the order of the arguments. Each must be used.
        outputs: an expression, or tuples, lists and dicts of them.
        updates: {state: its new value}. All of them read the old values, and are committed together at the end.
        givens: {tensor: what stands in its place}, applied before anything is compiled; a number fills its shape.
        level, executor, plan: as in `tg.static`.
        name: for error messages.
        verify: as in `tg.static`, on the arguments of the first call.
    """
    return Function(inputs, outputs, updates or {}, givens or {}, level, executor, plan, name, verify)


