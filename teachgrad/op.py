"""The vertex, the op, and the one function that brings them together.

A `Vertex` is a value and how it came about: the op that made it, the input vertices, the settings of that call. An
`Op` is what is known about an operation, in one class and at one place: its maths, the rule for shapes and types, the
forward computation and the vector-Jacobian product. `apply` runs an op on vertices and makes the next vertex.

Three ideas carry the whole design:

* **Ids are a topological order.** Every vertex gets the next number, so an input is always older than what is made
  from it, and walking ids downwards is a valid order for the backward pass: no recursion, no sorting of graphs.
* **Ids are versions.** When a tensor is overwritten in place it becomes a younger vertex, and leaves a `past` one
  behind. An edge from consumer `c` to tensor `x` means "x as it was when c was made": the youngest past of x that is
  older than c. Nothing else has to be stored to keep gradients right, or to notice that a needed value is gone.
* **A static graph is a dynamic graph whose values are not there yet.** `data` is an array or, while a function is
  traced, a `Spec`. Everything else is the same.

And one rule of memory: what an op computes lies in C order, unless it is a view. The last bits of a sum or a matrix
product depend on how its input is laid out, so the layout of every value follows from the program alone, whoever runs
it and into whatever memory.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from . import observe
from .errors import (
    DTypeError,
    GradientError,
    InplaceError,
    MatrixError,
    ShapeError,
    Site,
    TeachgradError,
    Where,
    locate,
    place,
    user_site,
)
from .spelling import own_keywords, takes_axis

Array = Any
Shape = tuple[int, ...]
ndarray = np.ndarray
next_id = count(1).__next__


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of an array before its values are there."""

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


class Tracer(Protocol):
    """What `apply` needs of a tracer; `teachgrad.graph` has the real one."""

    lasting: bool

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> Vertex: ...
    def resolve(self, x: Any) -> Any: ...
    def leak(self, x: Vertex, why: str) -> None: ...
    def free(self, z: Vertex) -> None: ...
    def is_freed(self, z: Vertex) -> bool: ...
    def is_leaf(self, z: Vertex) -> bool: ...
    def pull(self, z: Vertex) -> None: ...


class Meter(Protocol):
    """What a profile puts in place of computing; `teachgrad.profiling` has the real one."""

    def compute(self, op: Op, arrays: list[Array], attrs: Mapping[str, Any]) -> Any:
        """Compute an op, and note how long it took."""

    def run(self, compiled: Any, inputs: Sequence[Array], cells: list[Array]) -> list[Array]:
        """Run the program of a compiled function, and note how long its kernels took."""


class Modes:
    """The modes of one thread."""

    __slots__ = ("candid", "grad", "inference", "leak", "meter", "quiet", "scope", "tracer", "written")

    def __init__(self) -> None:
        self.grad = True
        """Whether ops on tensors that require a gradient are remembered for the backward pass."""
        self.inference = False
        """Whether results are marked as unfit for training."""
        self.quiet = False
        """Whether ops go unreported: those of gradient rules, unless they are to be differentiated in turn."""
        self.candid = False
        """Whether even those are reported: "check" mode compares every op."""
        self.tracer: Tracer | None = None
        """The tracer that ops report to while a function is traced, else None."""
        self.leak: Callable[[Vertex, str], None] | None = None
        """Called when a value is taken out of the graph (read as NumPy or a Python number); set by `tg.Function`."""
        self.meter: Meter | None = None
        """What runs and measures the computations of this thread, while a profile is taken."""
        self.written: list[Vertex] | None = None
        """Where tensors are noted that are overwritten, or None: steps that run again must not do it again."""
        self.scope = ""
        """The path of the module that is running, such as `blocks.0.attn`; kept only while observed or traced."""


class State(threading.local):
    """Each thread has modes of its own. One look-up brings them all: the hot path needs several."""

    def __init__(self) -> None:
        self.now = Modes()


state = State()
NO_ATTRS: Mapping[str, Any] = {}


class Vertex:
    """A value in a graph. `teachgrad.tensor.Tensor` adds the operators and methods that people use."""

    __slots__ = ("_data", "_grad", "attrs", "base", "exposed", "hooks", "id", "inputs", "name", "op", "past",
                 "requires_grad", "site", "stamp")

    id: int
    """Grows with time; see the module's text."""
    op: Op | None
    """The op that made this vertex, or None for a leaf."""
    inputs: tuple[Vertex, ...]
    attrs: Mapping[str, Any]
    _data: Any
    """An array, a `Spec` during a trace, or a tuple of either for an op with several results."""
    requires_grad: bool
    _grad: Vertex | None
    base: Vertex | None
    """The tensor whose memory this one is a view of."""
    stamp: int
    """The id-time of the last write into this vertex's memory (for a view: up to which write its history is known)."""
    past: Vertex | None
    """This tensor as it was before the last recorded overwrite."""
    exposed: int | None
    """A checksum of the memory from when it was handed out writable through `.data`, else None."""
    site: Site | None
    """The user's code that made the vertex; kept for vertices that take part in a gradient."""
    name: str | None
    hooks: tuple[Callable[[Any], Any], ...]

    result_type: type[Vertex]
    """The class of what ops make of vertices of this class."""

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        self.id = self.stamp = next_id()
        self.op = None
        self.inputs = ()
        self.attrs = NO_ATTRS
        self._data = data
        self.requires_grad = requires_grad
        self._grad = self.base = self.past = self.exposed = self.site = None
        self.name = name
        self.hooks = ()

    def earlier_self(self) -> Vertex:
        """A vertex that stands for this one as it is now, made before it is overwritten in a trace."""
        old = self.result_type.__new__(self.result_type)
        for slot in Vertex.__slots__:
            if slot != "_grad":
                setattr(old, slot, getattr(self, slot))
        old._grad = None
        return old

    @property
    def shape(self) -> Shape:
        """The lengths of the axes."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    if TYPE_CHECKING:  # gradient rules are written with operators; Tensor defines them
        def __and__(self, other: Any) -> Self: ...
        def __or__(self, other: Any) -> Self: ...
        def __add__(self, other: Any) -> Self: ...
        def __radd__(self, other: Any) -> Self: ...
        def __sub__(self, other: Any) -> Self: ...
        def __rsub__(self, other: Any) -> Self: ...
        def __mul__(self, other: Any) -> Self: ...
        def __rmul__(self, other: Any) -> Self: ...
        def __truediv__(self, other: Any) -> Self: ...
        def __rtruediv__(self, other: Any) -> Self: ...
        def __pow__(self, other: Any) -> Self: ...
        def __matmul__(self, other: Any) -> Self: ...
        def __neg__(self) -> Self: ...
        def __lt__(self, other: Any) -> Self: ...
        def __le__(self, other: Any) -> Self: ...
        def __gt__(self, other: Any) -> Self: ...
        def __ge__(self, other: Any) -> Self: ...
        def __getitem__(self, index: Any) -> Self: ...


Vertex.result_type = Vertex


class Overwritten(Vertex):
    """Stands for a tensor as it was before it was overwritten: it still has a place in the graph, but no value.

    Gradient rules that only need its shape work; one that needs the value gets an error which names both lines.
    """

    __slots__ = ("reader", "spec", "writer")

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
    return old


REGISTRY: dict[str, Op] = {}
"""Every op by name."""


class Op:
    """One operation: all that is known about it. Ops are stateless; each class has one instance, in `REGISTRY`.

    A subclass has a docstring with its maths, `infer` (shape and dtype rule), `forward` (on arrays of the namespace
    `xp`, numpy or cupy) and, if it has a derivative, `vjp`. Settings of a call, such as an axis, are keyword
    arguments of `infer` and `forward`, and `z.attrs` in `vjp`.
    """

    name: str = ""
    differentiable: bool = True
    """False for ops whose result is constant almost everywhere or not a number (comparisons, argmax, ...)."""
    view: bool = False
    """Whether the result shares memory with the first input."""
    derivatives: tuple[str, ...] = ()
    """The local derivative for each input, as text: ("y", "x") for z = x*y."""
    kernel: Callable[..., Array] | None = None
    """A NumPy function that is the whole forward computation, called without detour on the hot path."""
    needs_values: bool = True
    """Whether `vjp` looks at the values of inputs, not only at their shapes."""
    pure: bool = True
    """Whether equal inputs always give equal results and nothing else happens; then equal calls may be merged."""
    may_fail: bool = False
    """Whether the forward computation can raise for some values (a singular matrix, a user's own code)."""
    gathers: bool = False
    """Whether the op itself adds to the gradients of its inputs, with `gather`, instead of answering `vjp`: loops do,
    whose every step adds something."""
    may_overwrite: tuple[int, ...] = ()
    """The inputs whose memory may be given as `out`."""
    writes_out: bool = False
    """Whether `forward` takes `out=`, an array of the right shape and dtype to write the result into."""
    out_anywhere: bool = False
    """Whether writing into `out` gives the same bits also for transposed inputs, where NumPy would lay out its own
    result otherwise."""

    arithmetic: int = 1
    """Arithmetic operations for each element; 0 for ops that only move values."""

    def __init_subclass__(cls) -> None:
        if not cls.__dict__.get("name"):
            cls.name = "".join("_" + c.lower() if c.isupper() else c for c in cls.__name__).lstrip("_")
        call: Any = cls.__dict__.get("__call__")
        if takes_axis(call):
            cls.__call__ = own_keywords(call)  # type: ignore[method-assign]

    def __init__(self) -> None:
        if REGISTRY.setdefault(self.name, self) is not self:
            raise TeachgradError(f"there is already an op named {self.name!r}: {type(REGISTRY[self.name])}")

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[Any, ...]:
        return _op_named, (self.name,)

    def infer(self, *inputs: Any, **attrs: Any) -> Any:
        """The `Spec` of the result for inputs of these specs: the op's rule for shapes and types."""
        raise NotImplementedError(f"{self.name} has no shape rule")

    def forward(self, xp: Any, *inputs: Array, **attrs: Any) -> Any:
        """Compute the result from arrays of the namespace `xp`."""
        raise NotImplementedError(f"{self.name} has no forward computation")

    def parts(self, z: Any, *inputs: Any) -> Any:
        """The result `z` made of simpler ops, for executors that put many ops into one loop; None if it has no parts.

        The value is the same but for last bits. An op with several results answers with a tuple.
        """
        return None

    def c_body(self, z: Any, *inputs: Any) -> str | None:
        """The body of a C function for this call, if the op has loops of its own that fit no other op's.

        Its arrays are `z` and the parameters of `forward`, all in C order without gaps. It returns 1 where `forward`
        would raise, with nothing but z written, and otherwise 0.
        """
        return None

    def vjp(self, g: Any, z: Any, *inputs: Any) -> Sequence[Vertex | None]:
        """Pull the gradient `g` of the result `z` back to each input: (dz/dx)^T g, in teachgrad's own ops.

        The shape of an answer may still be the broadcast one; the backward pass undoes broadcasting. None means
        that nothing flows to that input. Inputs that do not require a gradient may be answered with None.
        """
        raise GradientError(f"{self.name} at {place(z.site)} has no derivative")

    def flops(self, z: Any, *inputs: Any, **attrs: Any) -> int:
        """How many arithmetic operations the op takes for inputs and a result of these shapes.

        By default `arithmetic` for each element of the largest among them.
        """
        return 0 if self.view else self.arithmetic * max(size_of(z), max(map(size_of, inputs), default=0))

    def gather(self, g: Any, z: Any, inputs: Sequence[Any], found: Mapping[int, Any],
               gradients: dict[int, Any]) -> None:
        """Pull the gradient `g` of `z` back and add it to `gradients`, for those inputs whose id is in `found`."""
        raise NotImplementedError(f"{self.name} gathers nothing")

    def card(self) -> str:
        """All that is known about the op, as text."""
        lines = [self.name, "=" * len(self.name), (type(self).__doc__ or "").strip()]
        if self.derivatives:
            lines += [f"local derivative {number}: {text}" for number, text in enumerate(self.derivatives, 1)]
        if not self.differentiable:
            lines.append("no gradient flows through it")
        expression = getattr(self, "c", "")
        if expression:
            lines.append(f"C: {expression}")
        return "\n".join(lines)


def size_of(x: Any) -> int:
    """The number of elements of an array, a spec, or several."""
    return sum(map(size_of, x)) if type(x) is tuple else x.size


def _op_named(name: str) -> Op:
    return REGISTRY[name]


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
            if x.exposed is not None:
                strided = True
                notice_writes(x)
            arrays.append(x._data)
        if current.meter is not None:
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
        data = np.asarray(data)
    cls = inputs[0].result_type
    z = cls.__new__(cls)
    z.id = z.stamp = next_id()
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


def report(z: Vertex, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> None:
    """Tell the watcher that an op ran, and which leaves it used."""
    sink = observe.sink
    assert sink is not None
    for x in inputs:
        if x.op is None:
            sink(observe.Leaf(x.id, x.name, x._data, x.requires_grad, x.result_type is not type(x)))
    where = locate(z.site if z.site is not None else user_site())
    sink(observe.Forward(z.id, op.name, tuple(x.id for x in inputs), attrs, z._data, z.name, where, state.now.scope,
                         z.requires_grad))


def explain(op: Op, inputs: Sequence[Vertex], attrs: Mapping[str, Any], error: Exception,
            where: Where | None = None) -> Exception:
    """Turn an error of the array library into one that names the op, the shapes and the user's line."""
    if isinstance(error, TeachgradError):
        return error
    what = ", ".join(f"{x.name or 'a tensor'} {x.dtype}{list(x.shape)}" for x in inputs)
    settings = "".join(f", {key}={value!r}" for key, value in attrs.items())
    where = where or locate(user_site())
    reason: Exception = error
    with suppress(Exception):  # the op's own shape rule often says better what is wrong, and how to go on
        try:
            op.infer(*[x._data for x in inputs], **attrs)
        except TeachgradError as rule:
            reason = rule
    text = f"{op.name}({what}{settings}): {reason}" + (f"\n{where.show()}" if where else "")
    kinds = {TypeError: DTypeError, ValueError: ShapeError, np.linalg.LinAlgError: MatrixError}
    return kinds.get(type(error), type(error))(text)


# ---- writing in place ------------------------------------------------------------------------------------------------

class _Inference(Vertex):
    __slots__ = ()


INFERENCE = _Inference(np.empty(0))
"""The `base` of results that were made in inference mode."""


class Symbolic(Vertex):
    """The `base` of tensors whose values come later (placeholders and what is made of them)."""

    __slots__ = ("tracer",)

    tracer: Tracer


class Deferred(Exception):
    """An operand has no value yet."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer


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
        old = x.past = overwritten(x, base.site) if type(x._data) is ndarray else x.earlier_self()
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
    return overwritten(x, memory_of(x).site, reader) if value_is_gone(x, reader) else x


def memory_of(x: Vertex) -> Vertex:
    """The vertex that owns the memory of `x`: itself, or the base of a view."""
    return x if x.base is None else x.base


def value_is_gone(x: Vertex, reader: Vertex) -> bool:
    """Whether the memory of `x` was written after `reader` was made."""
    root = memory_of(x)
    if root.exposed is not None:
        notice_writes(root)
    return root.stamp > reader.id and root is not INFERENCE


def checksum(data: Array) -> int:
    """A number that changes, all but surely, when the array does."""
    return zlib.crc32(np.ascontiguousarray(data).view(np.uint8).data) if data.size else 0


def notice_writes(x: Vertex) -> None:
    """Look whether memory that was handed out writable was written to without our knowing."""
    now = checksum(x._data)
    if now != x.exposed:
        x.exposed = now
        mark_written(x)


def mark_written(x: Vertex) -> None:
    """Note that the memory of `x` has just been written, with nothing recorded."""
    root = memory_of(x)
    if state.now.written is not None:
        state.now.written.append(root)
    root.stamp = x.stamp = next_id()
    if root.op is None:
        root.site = user_site()


@contextmanager
def modes(**changes: Any) -> Iterator[None]:
    """Change modes of this thread for a block."""
    current = state.now
    before = {key: getattr(current, key) for key in changes}
    for key, value in changes.items():
        setattr(current, key, value)
    try:
        yield
    finally:
        for key, value in before.items():
            setattr(current, key, value)
