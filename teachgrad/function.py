"""A function of your own: any code on arrays for the forward computation, and your rule for its gradient.

    class Erf(tg.Function):
        @staticmethod
        def forward(ctx, x):                                 # plain NumPy arrays: SciPy, C, anything may happen here
            ctx.save(x)
            return scipy.special.erf(x)

        @staticmethod
        def backward(ctx, g):                                # tensors: g is dL/dz, the answer dL/dx
            (x,) = ctx.saved
            return g * (2 / math.sqrt(math.pi)) * tg.exp(-x * x)

    z = Erf.apply(x)

A call is one vertex, in both modes. What `forward` saves becomes part of the graph: an input or a result comes back in
`backward` as that very tensor, so a rule made of teachgrad's ops can be differentiated again. Where it cannot (a saved
intermediate value, NumPy in `backward`), a second derivative is an error that says so, never a number without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import dtypes
from .devices import KINDS
from .errors import (
    DTypeError,
    GradientError,
    InplaceError,
    ShapeError,
    Site,
    TeachgradError,
    TraceError,
    place,
    user_site,
)
from .op import Array, Op, Spec, Vertex, apply, beside, state
from .ops.once import not_again, once
from .ops.shape import astype, broadcast_to
from .ops.tuples import item, unpack
from .sizes import broadcast_shapes


class Context:
    """What `forward` leaves for `backward`. Attributes may be set on it too: sizes, flags, other small facts."""

    saved: tuple[Any, ...]
    """In `backward`: the values that `forward` saved, as tensors, in the same order."""
    needs_grad: tuple[bool, ...]
    """In `backward`: for each argument of `apply`, whether its gradient is asked for."""

    def __init__(self) -> None:
        self._saving: tuple[Any, ...] = ()

    def save(self, *arrays: Any) -> None:
        """In `forward`: keep arrays for `backward`. Inputs and results are best: they can be differentiated again."""
        self._saving += arrays

    def _facts(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_saving", "saved", "needs_grad")}


class Function:
    """Base of functions with a forward computation on arrays and a gradient rule on tensors. See the module's text.

    `forward(ctx, *arguments, **settings)` gets the arguments of `apply` with every tensor replaced by its array, for
    reading only (code that wants to write takes a copy), and returns an array or a tuple of arrays. Arrays of another
    device than the CPU are those of its library; results belong there, too.
    `backward(ctx, *g)` gets one gradient for each result, zeros for one that is not used, and returns one gradient for
    each argument: None where there is none to give (a number, a string, an input of integers).
    """

    op: CallOp

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.op = CallOp(cls)

    def __init__(self) -> None:
        raise TeachgradError(f"a tg.Function is not instantiated; call {type(self).__name__}.apply(...)")

    @staticmethod
    def forward(ctx: Any, *arguments: Any, **settings: Any) -> Any:
        """Compute the result from arrays."""
        raise NotImplementedError("a tg.Function needs a forward(ctx, *arrays)")

    @staticmethod
    def backward(ctx: Any, *g: Any) -> Any:
        """The gradient of every argument, in tensors, from the gradient of every result."""
        raise GradientError("a tg.Function without backward(ctx, g) has no gradient")

    @classmethod
    def apply(cls, *arguments: Any, **settings: Any) -> Any:
        """Call the function; the result is a tensor, or a tuple of them where `forward` returns a tuple."""
        tensors = tuple(x for x in arguments if isinstance(x, Vertex))
        if not tensors:
            raise DTypeError(f"{cls.__name__}.apply() needs at least one tensor among its arguments")
        call = Call(cls, arguments, settings, checked=state.now.tracer is not None)
        return call.results(apply(cls.op, tensors, {"call": call}))


class Call:
    """One call of a Function: its arguments that are not tensors, and what running it showed.

    What a first run shows (how many results, what was saved and where that comes from, attributes of the context) is
    kept here. In a static graph the first run is a trial on made-up numbers, and every later run must show the same.
    """

    __slots__ = ("arguments", "checked", "facts", "function", "plural", "results_count", "saved", "settings", "specs")

    def __init__(self, function: type[Function], arguments: Sequence[Any], settings: dict[str, Any], checked: bool):
        self.function = function
        self.arguments = tuple(HERE if isinstance(x, Vertex) else x for x in arguments)
        self.settings = settings
        self.checked = checked
        self.specs: tuple[Spec, ...] | None = None
        """Shape and dtype of each result and each hidden one (a saved array that is neither input nor result)."""
        self.saved: tuple[tuple[str, int], ...] = ()
        """For each saved value: "input", "result" or "hidden", and its number there; ("none", 0) for None."""
        self.facts: dict[str, Any] = {}
        self.results_count = 0
        self.plural = False

    def __repr__(self) -> str:
        shown = [repr(x) for x in self.arguments] + [f"{key}={value!r}" for key, value in self.settings.items()]
        return f"{self.function.__name__}({', '.join(shown)})"

    @property
    def single(self) -> bool:
        """Whether the vertex holds one array rather than a tuple."""
        assert self.specs is not None
        return not self.plural and len(self.specs) == 1 and self.specs[0].dtype.kind == "f"

    def run(self, arrays: Sequence[Array]) -> Any:
        """Run `forward` and make sure that nothing of the caller's memory is in its results."""
        name = self.function.__name__
        views = []
        for array in arrays:
            view = array.view()
            if type(view) is np.ndarray:  # other libraries cannot protect an array
                view.flags.writeable = False
            views.append(view)
        ctx, fill = Context(), iter(views)
        arguments = [next(fill) if x is HERE else x for x in self.arguments]
        try:
            given = self.function.forward(ctx, *arguments, **self.settings)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise InplaceError(f"{name}.forward writes to an array that it was given; these are for reading only, "
                               "since gradients may need them.\nWay out: work on a copy, x = x.copy()") from error
        plural = isinstance(given, (tuple, list))
        results = list(given) if plural else [given]
        for x in results:
            if x is None or isinstance(x, Vertex):
                raise DTypeError(f"{name}.forward returns arrays, not {'None' if x is None else 'a tensor'}")
        count = len(results)
        saved = tuple([_origin(name, x, views, results, count) for x in ctx._saving])
        taken = list(views)
        for number, x in enumerate(results):
            try:
                dtype = dtypes.as_dtype(x.dtype if type(x) in KINDS else np.asarray(x).dtype)
            except DTypeError as error:
                raise DTypeError(f"{name}.forward returned something else than numbers: {error}") from None
            if type(x) is np.ndarray or type(x) not in KINDS:
                x = np.asarray(x, dtype)
                shared = not x.flags.writeable or any(np.may_share_memory(x, other) for other in taken)
            else:  # an array of another device
                shared = x.base is not None or any(x is other for other in taken)
            results[number] = x.copy() if shared else x
            taken.append(results[number])
        self._learn(tuple(Spec(x.shape, x.dtype) for x in results), saved, ctx._facts(), count, plural)
        return results[0] if self.single else tuple(results)

    def _learn(self, specs: tuple[Spec, ...], saved: tuple[tuple[str, int], ...], facts: dict[str, Any], count: int,
               plural: bool) -> None:
        """Keep what a run showed; in a static graph, insist that it is what the trial showed."""
        if self.specs is not None and self.checked:
            name = self.function.__name__
            if (specs, saved, count, plural) != (self.specs, self.saved, self.results_count, self.plural):
                raise TraceError.at(
                    "TG-S11", f"{name}.forward gave {_shown(specs)}, but {_shown(self.specs)} when the graph was made",
                    _definition(self.function.forward),
                    "In a static graph every shape is known before the values are.",
                    "let the shapes of results and saved arrays depend on shapes alone",
                    "call it outside the static function")
            if different := [key for key in facts | self.facts if not _same(facts.get(key), self.facts.get(key))]:
                raise TraceError.at(
                    "TG-S11", f"{name}.forward set ctx.{different[0]} to another value than when the graph was made",
                    _definition(self.function.forward), "In a static graph it is a constant.",
                    "pass values from forward to backward with ctx.save(...)")
            return
        self.specs, self.saved, self.facts, self.results_count, self.plural = specs, saved, facts, count, plural

    def results(self, z: Vertex) -> Any:
        """The results of the vertex, without hidden ones."""
        if self.single:
            return z
        values = unpack(z)[:self.results_count]
        return values if self.plural else values[0]

    def context(self, z: Vertex, inputs: Sequence[Vertex]) -> Context:
        """The context for `backward`: saved values as vertices."""
        ctx = Context()
        vars(ctx).update(self.facts)
        fill = iter(inputs)
        ctx.needs_grad = tuple(next(fill).requires_grad if x is HERE else False for x in self.arguments)
        kept: list[Any] = []
        for origin, number in self.saved:
            if origin == "input":
                kept.append(inputs[number])
            elif origin == "none":
                kept.append(None)
            else:
                kept.append(z if self.single else item(z, number))
        ctx.saved = tuple(kept)
        return ctx


class _Here:
    def __repr__(self) -> str:
        return "#"


HERE = _Here()
"""Stands in `Call.arguments` where a tensor was given."""


def _origin(name: str, x: Any, inputs: list[Array], results: list[Any], count: int) -> tuple[str, int]:
    """Where a saved value comes from; an array that is neither input nor result is added to the results."""
    if x is None:
        return "none", 0
    for number, other in enumerate(inputs):
        if x is other:
            return "input", number
    for number, other in enumerate(results):
        if x is other:
            return ("result" if number < count else "hidden"), number
    if not isinstance(x, (np.ndarray, np.generic)) and type(x) not in KINDS:
        raise DTypeError(f"{name}: ctx.save takes arrays, not a {type(x).__name__}; other things can be set as "
                         "attributes, as in ctx.axis = axis")
    results.append(x)
    return "hidden", len(results) - 1


def _definition(function: Any) -> Site | None:
    """Where a function is written."""
    code = getattr(function, "__code__", None)
    return (code, 0) if code is not None else user_site()


def _shown(specs: Sequence[Spec]) -> str:
    return ", ".join(f"{spec.dtype}{list(spec.shape)}" for spec in specs) or "nothing"


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.dtype == second.dtype and (
            np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))
    return type(first) is type(second) and bool(first == second)


class CallOp(Op):
    """The op of one Function: opaque, with the Function's own rule."""

    pure = False
    may_fail = True

    def __init__(self, function: type[Function]) -> None:
        self.function = function  # not in the registry: two Functions of the same name may live side by side
        self.name = function.__name__

    def __reduce__(self) -> tuple[Any, ...]:
        return _op_of, (self.function,)

    def card(self) -> str:
        return "\n".join([self.name, "=" * len(self.name), (self.function.__doc__ or "a tg.Function").strip()])

    def infer(self, *inputs: Spec, call: Call) -> Any:
        if call.specs is None:
            try:
                call.run([trial_array(spec) for spec in inputs])
            except TeachgradError:
                raise
            except Exception as error:
                raise TraceError.at(
                    "TG-S11", f"{self.name}.forward fails on made-up numbers between 0.5 and 1.5 "
                    f"({type(error).__name__}: {error})", _definition(self.function.forward),
                    "A static graph tries it on them to learn the shapes of its results.",
                    "let forward accept such numbers", "call it outside the static function") from error
        assert call.specs is not None
        return call.specs[0] if call.single else call.specs

    def forward(self, xp: Any, *inputs: Array, call: Call) -> Any:
        return call.run(inputs)

    def vjp(self, g: Any, z: Vertex, *inputs: Vertex) -> Sequence[Vertex | None]:
        call: Call = z.attrs["call"]
        name = self.function.__name__
        assert call.specs is not None
        gradients = [g] if call.single else list(g)
        for number, hidden in enumerate(gradients[call.results_count:]):
            if hidden is not None:
                raise GradientError(
                    f"{not_again(name)} backward used an array that forward saved, but which is neither an argument "
                    f"nor a result (number {number} of these).\nWays out: save arguments or results, and compute the "
                    "array from them in backward; or return it as a result too.")
        used = [_zeros(spec, inputs[0]) if given is None else given
                for given, spec in zip(gradients, call.specs[:call.results_count], strict=False)]
        ctx = call.context(z, inputs)
        with _leaks() as leaks:
            answers = self.function.backward(ctx, *used)
        answers = tuple(answers) if isinstance(answers, (tuple, list)) else (answers,)
        if len(answers) != len(call.arguments):
            raise GradientError(
                f"{name}.backward returned {len(answers)} gradients, but {name}.apply() at {place(z.site)} was given "
                f"{len(call.arguments)} arguments.\nWay out: return one gradient for each argument, None for those "
                "that have none.")
        checked = []
        fill = iter(inputs)
        for number, (argument, answer) in enumerate(zip(call.arguments, answers, strict=True)):
            if argument is HERE:
                checked.append(_fitting(name, number, answer, next(fill)))
            elif answer is not None:
                raise GradientError(f"{name}.backward returned a gradient for argument {number}, which is no "
                                    "tensor; return None for it")
        if leaks:
            what = f"{leaks[0][1]} at {place(leaks[0][0])}"
            others = tuple(x for x in (*used, *inputs) if x.requires_grad)
            return [None if a is None else apply(once, (a, *others), {"function": name, "leak": what}) for a in checked]
        return checked


def _op_of(function: type[Function]) -> CallOp:
    return function.op


def trial_array(spec: Spec) -> Array:
    """Made-up numbers for a trial run: all different, between 0.5 and 1.5; ones for integers."""
    if spec.dtype.kind != "f":
        return np.ones(spec.shape, spec.dtype)
    return (0.5 + np.arange(1, spec.size + 1) * 0.6180339887498949 % 1.0).reshape(spec.shape).astype(spec.dtype)


def _zeros(spec: Spec, like: Vertex) -> Any:
    return broadcast_to(beside(like, np.zeros((), spec.dtype)), spec.shape)


def _fitting(name: str, number: int, answer: Any, x: Vertex) -> Any:
    """A gradient that backward returned, if it fits the argument `x`."""
    if answer is None:
        return None
    if not isinstance(answer, Vertex):
        raise GradientError(f"{name}.backward returned a {type(answer).__name__} for argument {number}; gradients are "
                            "tensors: compute with g and ctx.saved, or write tg.tensor(...) around an array")
    if answer.shape != x.shape:
        try:
            fits = broadcast_shapes(answer.shape, x.shape) == answer.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"{name}.backward returned a gradient of shape {answer.shape} for argument {number}, "
                             f"which has shape {x.shape}")
    if x.dtype.kind != "f":
        return None
    return astype(answer, x.dtype, copy=False)


# ---- derivatives of derivatives --------------------------------------------------------------------------------------

@contextmanager
def _leaks() -> Iterator[list[tuple[Site | None, str]]]:
    """While gradients are to be differentiated again: where values that matter were taken out of the graph."""
    found: list[tuple[Site | None, str]] = []
    if not state.now.grad or state.now.tracer is not None:
        yield found
        return

    def note(x: Vertex, why: str) -> None:
        if x.requires_grad:
            found.append((user_site(), why))

    before: Callable[[Vertex, str], None] | None = state.now.leak
    state.now.leak = note
    try:
        yield found
    finally:
        state.now.leak = before


__all__ = ["Context", "Function"]
