"""The vertex and the op: a value and how it came about, and what is known of a way to make values.

Beside them stands what both need: the spec of a value that is not there yet, and the modes of a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from ..devices import KINDS, Device
from ..errors import GradientError, Site, TeachgradError, place
from ..spelling import own_keywords, takes_axis

Array = Any
Shape = tuple[int, ...]
ndarray = np.ndarray
shared_id = count(1).__next__


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
    device: str

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> Vertex: ...
    def resolve(self, x: Any) -> Any: ...
    def refresh(self, x: Vertex) -> None: ...
    def leak(self, x: Vertex, why: str) -> Array | None: ...
    def free(self, z: Vertex) -> None: ...
    def is_freed(self, z: Vertex) -> bool: ...
    def is_leaf(self, z: Vertex) -> bool: ...
    def pull(self, z: Vertex) -> None: ...


class Meter(Protocol):
    """What a profile puts in place of computing; `teachgrad.profiling` has the real one."""

    def compute(self, op: Op, arrays: Sequence[Array], attrs: Mapping[str, Any], there: Device | None = None) -> Any:
        """Compute an op, on a device if not on the CPU, and note how long it took."""

    def run(self, compiled: Any, inputs: Sequence[Array], cells: list[Array]) -> list[Array]:
        """Run the program of a compiled function, and note how long its kernels took."""


class Witness(Protocol):
    """Who notes what code that will run again reads and overwrites; `teachgrad.control.past` has the real one."""

    def reads(self, tensors: Sequence[Vertex]) -> None:
        """These tensors are read."""

    def writes(self, x: Vertex, tracked: bool = False) -> None:
        """The memory of a tensor is about to be overwritten; `tracked`: as a part of its history."""

    def has_written(self, x: Vertex) -> None:
        """The memory of a tensor was overwritten, perhaps unannounced."""


class Modes:
    """The modes of one thread."""

    __slots__ = ("candid", "device", "grad", "inference", "leak", "meter", "next_id", "quiet", "scope", "tracer",
                 "witness")

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
        self.device: Device | None = None
        """Where new tensors are made, if not on the CPU."""
        self.meter: Meter | None = None
        """What runs and measures the computations of this thread, while a profile is taken."""
        self.witness: Witness | None = None
        """Who notes which tensors are read and overwritten, while code runs that will be run again, else None."""
        self.scope = ""
        """The path of the module that is running, such as `blocks.0.attn`; kept only while observed or traced."""
        self.next_id: Callable[[], int] = shared_id
        """Where ids come from: from one count for all threads; code that runs again has those of its first run."""


class State(threading.local):
    """Each thread has modes of its own. One look-up brings them all: the hot path needs several."""

    def __init__(self) -> None:
        self.now = Modes()


state = State()


def next_id() -> int:
    """An id that is larger than those of all that this one may depend on."""
    return state.now.next_id()


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
        if type(data) is not ndarray and not isinstance(data, (ndarray, Spec, tuple)) and type(data) not in KINDS:
            raise TypeError(f"tg.Tensor is the class of tensors; make one of a {type(data).__name__} with "
                            "tg.tensor(data), or one of a given shape with tg.zeros(shape)")
        self.id = self.stamp = state.now.next_id()
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
    may_copy: bool = False
    """Of a view: whether it is a copy where the memory of the input does not allow for a view."""
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
    """Whether the op adds to the gradients of its inputs itself, with `gather`, instead of answering `vjp`."""
    may_overwrite: tuple[int, ...] = ()
    """The inputs whose memory may be given as `out`."""
    writes_out: bool = False
    """Whether `forward` takes `out=`, an array of the right shape and dtype to write the result into."""
    out_anywhere: bool = False
    """Whether writing into `out` gives the same bits also for transposed inputs, where NumPy would lay out its own
    result otherwise."""

    result_type: type[Vertex] = Vertex
    """The class of what the op makes where it has no inputs."""
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

    def told(self, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> str:
        """How an error names a call of the op."""
        what = ", ".join(f"{x.name or 'a tensor'} {x.dtype}{list(x.shape)}" for x in inputs)
        return f"{self.name}({what}{''.join(f', {key}={value!r}' for key, value in attrs.items())})"

    def parts(self, z: Any, *inputs: Any) -> Any:
        """The result `z` made of simpler ops, for executors that put many ops into one loop; None if it has no parts.

        The value is the same but for last bits. An op with several results answers with something to take each from by
        its number.
        """
        return None

    def c_body(self, z: Any, *inputs: Any) -> str | None:
        """The body of a C function for this call, if the op has loops of its own that fit no other op's.

        Its arrays are `z` and the parameters of `forward` (x0, x1, ... for `*inputs`), all in C order without gaps. It
        returns 1 where `forward` would raise, with nothing but z written, and otherwise 0.
        """
        return None

    def vjp(self, g: Any, z: Any, *inputs: Any) -> Sequence[Vertex | None]:
        """Pull the gradient `g` of the result `z` back to each input: (dz/dx)^T g, in teachgrad's own ops.

        The shape of an answer may still be the broadcast one; the backward pass undoes broadcasting. None means
        that nothing flows to that input. Inputs that do not require a gradient may be answered with None.
        """
        raise GradientError(f"{self.name} at {place(z.site)} has no derivative")

    def settings_of_derivative(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The settings with which the gradient rule holds nothing back on purpose; `verify=True` takes these."""
        return attrs

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
