"""`verify=True`: a static program checks itself on the inputs of the call that traced it.

Four questions, each answered with the name of the culprit:

* Does every op do what it says? It leaves its inputs alone, gives the same answer twice, in any memory and from inputs
  laid out in any way; it writes all of its result; its gradient rule is its derivative.
* Does every rewrite keep the value, within the bound of its rule?
* Does the memory plan keep values as long as they are read?
* Does the compiled program compute what the interpreter computes?

And when a trace is used again: would tracing now give the same graph? In the spirit of Theano's DebugMode.

Values on another device are carried over to the CPU for this: ops, rewrites and the interpreter are looked at there.
The program runs where it belongs, on copies, and its results are carried over to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import devices, observe
from .autodiff import grad
from .control.body import Body
from .errors import TeachgradError, VerificationError
from .executors import Build, Program
from .graph import Graph, describe, is_constant
from .interpreter import evaluate, interpret
from .op import Spec, Vertex, apply, modes
from .ops.elementwise_op import Elementwise
from .passes.accuracy import verified
from .passes.equality import frozen
from .passes.plan import Plan, plan_memory
from .passes.rewriting import Rewrite
from .trace import Recording

POISON = (np.nan, 1e30)
STEP = 1e-6
JITTERS = 8
"""So often all numbers are moved in their last bits, where results are farther apart than rounding explains."""
MARGIN = 8
"""So many times as far as they moved then, results may be apart."""


def verify(moments: Sequence[tuple[str, Graph]], log: Sequence[Rewrite], plan: Plan, program: Program, build: Build,
           arrays: Mapping[int, Any]) -> list[Rewrite]:
    """Check a program on the arrays of its leaves, by id, unwatched; the rewrites with the errors that they make."""
    leaves = {number: devices.CPU.take(array).copy() for number, array in arrays.items()}
    places = {number: devices.of(array) for number, array in arrays.items()}
    with np.errstate(all="ignore"), observe.watching(None):
        check_ops(moments[0][1], leaves)
        checked = verified(log, leaves, moments[0][1])
        check_plan(moments[-1][1], plan)
        check_program(moments[-1][1], program, build, leaves, places)
    return checked


# ---- ops -------------------------------------------------------------------------------------------------------------

def check_ops(graph: Graph, leaves: Mapping[int, Any]) -> None:
    """Check every vertex with the values that its inputs have."""
    values = dict(leaves)
    for v in graph.order:
        arrays = [values.get(x.id, x._data) for x in v.inputs]
        op = OpCheck(v, graph, arrays)
        values[v.id] = op.result
        if v.op is not None and v.op.pure and type(op.result) is not tuple \
                and all(isinstance(a, np.ndarray) for a in arrays):
            op.check_memory()
            op.check_layouts()
            op.check_derivative()


class OpCheck:
    """One vertex, computed again and again in ways that must not matter."""

    def __init__(self, v: Vertex, graph: Graph, arrays: list[Any]) -> None:
        assert v.op is not None
        self.v, self.op, self.graph, self.arrays = v, v.op, graph, arrays
        before = [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]
        result = self.computed(*arrays)
        for k, (a, b) in enumerate(zip(arrays, before, strict=True)):
            if isinstance(a, np.ndarray) and not same(a, b):
                raise self.wrong(f"its forward computation writes into its input {k}")
        if isinstance(result, np.ndarray):
            if not self.op.view and any(isinstance(a, np.ndarray) and np.shares_memory(result, a) for a in arrays):
                raise self.wrong("its result shares memory with an input, and the op does not say `view = True`")
            if result.shape != v._data.shape or result.dtype != v._data.dtype:
                raise self.wrong(f"its result is {describe(result)}; its rule for shapes says {describe(v._data)}")
            result = result if self.op.view or result.flags.c_contiguous else result.copy()
        self.result = result

    def wrong(self, what: str) -> VerificationError:
        return VerificationError(f"the op {self.op} at {self.graph.where(self.v)} is wrong: {what}")

    def computed(self, *arrays: Any, **settings: Any) -> Any:
        result = self.op.forward(np, *arrays, **self.v.attrs, **settings)
        return result if type(result) is tuple else np.asarray(result)

    def check_memory(self) -> None:
        """The same result a second time, into any memory, over inputs that may be overwritten, from any garbage."""
        if not same(self.computed(*self.arrays), self.result):
            raise self.wrong("it gives another result on the same inputs")
        if self.op.writes_out and self.result.ndim:
            for value in POISON:
                out = filled(self.result, value)
                self.computed(*self.arrays, out=out)
                if not close(out, self.result):
                    raise self.wrong(f"of memory that holds {value}, its `out=` leaves some as it was")
        for k in self.op.may_overwrite[:len(self.arrays)] if self.op.writes_out and self.result.ndim else ():
            a = self.arrays[k]
            if a.shape == self.result.shape and a.dtype == self.result.dtype and a.flags.c_contiguous:
                inputs = [b.copy() for b in self.arrays]
                if not close(self.computed(*inputs, out=inputs[k]), self.result):
                    raise self.wrong(f"it may not be written over its input {k}, though it says so in `may_overwrite`")
        answers = [np.asarray(self.op.forward(Poisoned(value), *self.arrays, **self.v.attrs)) for value in POISON]
        if not same(*answers):
            raise self.wrong("its result holds memory that it never wrote")

    def check_layouts(self) -> None:
        """The same result, up to rounding, from inputs that lie otherwise in memory."""
        for how, lay in LAYOUTS.items():
            if not close(self.computed(*[lay(a) for a in self.arrays]), self.result, self.worked_with()):
                raise self.wrong(f"it gives another result where its inputs lie {how}")

    def worked_with(self) -> float:
        """The size of the numbers that a result was added up of: what cancels leaves an error of their size."""
        sizes = [float(np.abs(a[np.isfinite(a)]).max(initial=1.0)) for a in self.arrays if a.dtype.kind == "f"]
        added = max([a.size for a in self.arrays], default=1) / max(1, self.result.size)
        return 0.0 if isinstance(self.op, Elementwise) else float(np.prod(sizes)) * max(1.0, added)

    def check_derivative(self) -> None:
        """The gradient rule against a difference quotient in a random direction, at inputs in float64."""
        floats = [k for k, a in enumerate(self.arrays) if a.dtype.kind == "f"]
        if not self.op.differentiable or not floats or self.result.dtype.kind != "f" or not self.result.size:
            return
        rng = np.random.default_rng(0)
        wide = [a.astype("f8") if k in floats else a for k, a in enumerate(self.arrays)]
        if not all(np.isfinite(wide[k]).all() for k in floats):
            return
        u = rng.standard_normal(self.result.shape)
        directions = {k: rng.standard_normal(wide[k].shape) for k in floats}
        attrs = self.op.settings_of_derivative(self.v.attrs)
        if "dtype" in attrs:
            attrs = {**attrs, "dtype": np.dtype("f8")}

        def along(t: float) -> float:
            moved = [a + t * directions[k] if k in floats else a for k, a in enumerate(wide)]
            return float((np.asarray(self.op.forward(np, *moved, **attrs)) * u).sum())

        here, ahead, behind = along(0.0), along(STEP), along(-STEP)
        measured, bend = (ahead - behind) / (2 * STEP), abs(ahead - 2 * here + behind) / STEP
        claimed, size = self.claimed(wide, floats, directions, u, attrs)
        tolerance = 1e-4 * (1.0 + size + abs(measured)) + 1e-15 * abs(here) / STEP
        if bend < tolerance and abs(claimed - measured) > tolerance + bend:
            raise self.wrong(f"its gradient rule gives {claimed:.6g} along a direction in which its value changes by "
                             f"{measured:.6g}")

    def claimed(self, wide: list[Any], floats: list[int], directions: Mapping[int, Any], u: Any,
                attrs: Mapping[str, Any]) -> tuple[float, float]:
        """What the gradient rule says of the change along the directions; and the size of its terms."""
        kind = self.v.result_type
        xs = tuple(kind(a, k in floats) for k, a in enumerate(wide))
        with modes(tracer=None, grad=True):
            z = apply(self.op, xs, attrs)
            try:
                slopes = grad(z, [xs[k] for k in floats], kind(u), allow_unused=True)
            except TeachgradError:
                return np.nan, 0.0  # it has none, or none here
        for k, g in zip(floats, slopes, strict=True):
            if g is not None and g.shape != wide[k].shape:
                raise self.wrong(f"its gradient for input {k} has shape {g.shape}, the input {wide[k].shape}")
        terms = [float((g._data * directions[k]).sum()) for k, g in zip(floats, slopes, strict=True) if g is not None]
        return sum(terms), sum(map(abs, terms))


class Poisoned:
    """NumPy, but memory that is asked for without a value holds one that would show."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, *args: Any, **settings: Any) -> Any:
        return filled(np.empty(*args, **settings), self.value)

    def empty_like(self, *args: Any, **settings: Any) -> Any:
        return filled(np.empty_like(*args, **settings), self.value)


def filled(like: Any, value: float) -> Any:
    """An array full of a number; of a large one where the dtype knows no nan."""
    a = np.empty_like(like)
    a.fill(value if a.dtype.kind == "f" else 77 if value == value else 33)
    return a


def with_gaps(a: Any) -> Any:
    """The values of an array in every second place of a larger one."""
    wide = np.repeat(a, 2, axis=-1) if a.ndim else a
    if a.ndim and a.dtype.kind == "f":
        wide[..., 1::2] = np.nan
    return wide[..., ::2] if a.ndim else a


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "transposed": lambda a: np.array(a, order="F") if a.ndim > 1 else a,
    "with gaps": with_gaps,
    "backwards": lambda a: np.flip(np.flip(a).copy()) if a.ndim else a,
}


def same(a: Any, b: Any) -> bool:
    """Whether two arrays are equal to the last bit, nans being equal."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())


def close(a: Any, b: Any, size: float = 0.0, spread: Any = 0.0) -> bool:
    """Whether two arrays of one shape and dtype are equal up to the order in which sums of numbers of some size are
    taken, and up to what becomes of that order: `spread`, from `spreads`. A whole number that rounding changes, such as
    the place of the larger of two equal ones, may be any.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(((a == b) | (spread > 0)).all())
    there = np.isfinite(a) & np.isfinite(b)
    if not (there | (a == b) | ((a != a) & (b != b))).all():
        return False
    scale = float(np.abs(b[there]).max(initial=size))
    allowed = 1e3 * float(np.finfo(a.dtype).eps) * (scale + float(np.finfo(a.dtype).tiny))
    return bool((np.abs(a.astype("f8") - b) <= allowed + MARGIN * spread)[there].all())


# ---- the plan and the program ----------------------------------------------------------------------------------------

def check_plan(graph: Graph, plan: Plan) -> None:
    """No value lies where another one is still read, unless it is computed over that one, which dies with it."""
    end = len(graph.order)
    position = {v.id: i for i, v in enumerate(graph.order)}
    base: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, v in enumerate(graph.order):
        assert v.op is not None
        base[v.id] = base.get(v.inputs[0].id, v.inputs[0].id) if v.op.view else v.id
        for x in v.inputs:
            last[base.get(x.id, x.id)] = i
    for v in graph.results:
        last[base.get(v.id, v.id)] = end
    slots = [plan.slots[v.id] for v in graph.order if v.id in plan.slots]
    for k, later in enumerate(slots):
        for earlier in slots[:k]:
            apart = later.offset >= earlier.offset + earlier.bytes or earlier.offset >= later.offset + later.bytes
            read_until = last.get(earlier.vertex, position[earlier.vertex])
            born = position[later.vertex]
            over = later.in_place_of == earlier.vertex and read_until == born
            if not apart and read_until >= born and not over:
                old, new = (graph.order[position[s.vertex]] for s in (earlier, later))
                raise VerificationError(
                    f"the memory plan is wrong: {new.op} at {graph.where(new)} is written over {old.op} at "
                    f"{graph.where(old)}, which is read until step {read_until} (the write is step {born})")


def check_program(graph: Graph, program: Program, build: Build, leaves: Mapping[int, Any],
                  places: Mapping[int, devices.Device]) -> None:
    """The program computes what the interpreter does. If not, the first op with another value is to blame."""
    values = interpret(graph, leaves)
    split, take = len(graph.inputs), devices.CPU.take
    arrays = [places[v.id].from_host(leaves[v.id].copy()) for v in graph.leaves]
    outputs, new = program.trial(arrays[:split], arrays[split:])
    results = [(v, take(a), np.asarray(values[v.id])) for v, a in zip(graph.results, [*outputs, *new], strict=True)]
    if all(close(a, b) for _, a, b in results):
        return
    spread = spreads(graph, leaves, values)
    if all(close(a, b, spread=spread.get(v.id, 0.0)) for v, a, b in results):
        return
    steps = tuple(v for v in graph.order if type(v._data) is Spec)
    whole = replace(graph, outputs=steps, updates=(), families=())
    alone = build(whole, plan_memory(whole, "off"))
    for v, a in zip(steps, alone(arrays[:split], arrays[split:]), strict=True):
        if not close(take(a), np.asarray(values[v.id]), spread=spread[v.id]):
            raise VerificationError(f"the program is wrong: its {v.op} at {graph.where(v)} has another value than the "
                                    "op has in the interpreter")
    raise VerificationError(f"the program of {graph.name} is wrong: every op by itself is right, so values must be "
                            "overwritten while they are still read")


def spreads(graph: Graph, leaves: Mapping[int, Any], values: Mapping[int, Any]) -> dict[int, Any]:
    """How far each element of each value moves, by id, if all numbers are moved in their last bits: the farthest in a
    few runs of the interpreter, in which the leaves and then the result of each op are moved at random.

    Mostly that is little, and a wrong op moves its result by more. But a gradient of which nothing is left but rounding
    moves by all of itself, and Adam, which divides it by its own size, makes a step of any size and direction of it: no
    two orders of sums agree there.
    """
    rng = np.random.default_rng(0)
    farthest: dict[int, Any] = {}
    for _ in range(JITTERS):
        moved = {number: jittered(rng, array) for number, array in leaves.items()}
        for v in graph.order:
            assert v.op is not None
            value = evaluate(v, moved)
            moved[v.id] = value if type(value) is tuple or v.op.view else jittered(rng, value)
            if type(value) is not tuple:
                apart = np.abs(moved[v.id].astype("f8") - values[v.id])
                farthest[v.id] = np.fmax(farthest.get(v.id, 0.0), np.where(np.isfinite(apart), apart, 0.0))
    return farthest


def jittered(rng: np.random.Generator, array: Any) -> Any:
    """Floating-point numbers, each moved by a few units in its last place at most."""
    if array.dtype.kind != "f":
        return array
    by = 4 * np.finfo(array.dtype).eps * rng.uniform(-1.0, 1.0, array.shape)
    return np.asarray(array * (1 + by.astype(array.dtype)))


# ---- traces ----------------------------------------------------------------------------------------------------------

def check_fresh(name: str, kept: Recording, now: Recording) -> None:
    """A trace that is used again is what tracing would give now; if not, its key has missed something."""
    known = {leaf.id: number for number, leaf in enumerate(kept.graph.leaves)}
    fresh = {leaf.id: number for number, leaf in enumerate(now.graph.leaves)}
    for a, b in zip(kept.graph.order, now.graph.order, strict=False):
        if described(a, known) != described(b, fresh):
            raise VerificationError(f"a trace of {name} is stale: it has {a.op} at {kept.graph.where(a)} where the "
                                    f"function now computes {b.op} at {now.graph.where(b)}, with other inputs or "
                                    "settings; what changed is not part of the key of the trace")
        known[a.id], fresh[b.id] = len(known), len(fresh)
    if len(kept.graph.order) != len(now.graph.order):
        raise VerificationError(f"a trace of {name} is stale: it has {len(kept.graph.order)} ops, and the function now "
                                f"makes {len(now.graph.order)}; what changed is not part of the key of the trace")


def described(v: Vertex, numbers: Mapping[int, int]) -> Any:
    """A vertex, so that it can be compared with one of another trace."""
    inputs = [numbered(x, numbers) for x in v.inputs]
    return v.op, inputs, describe(v._data), sorted((k, setting(a)) for k, a in v.attrs.items())


def numbered(x: Vertex, numbers: Mapping[int, int]) -> Any:
    """A constant by its elements, all else by its number."""
    return x._data.tobytes() if is_constant(x) else numbers.get(x.id)


def setting(value: Any) -> Any:
    """A setting; the body of a loop or a branch, which each trace makes anew, by what is in it."""
    if isinstance(value, tuple):
        return tuple(setting(item) for item in value)
    if not isinstance(value, Body):
        return frozen(value)
    numbers = {leaf.id: number for number, leaf in enumerate(value.graph.leaves)}
    ops = []
    for v in value.graph.order:
        ops.append(described(v, numbers))
        numbers[v.id] = len(numbers)
    return ops, [numbered(x, numbers) for x in value.graph.outputs]
