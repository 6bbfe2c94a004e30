"""The one seam through which the outside watches teachgrad run.

Code that does something worth seeing says `if observe.sink is not None: observe.sink(event)`. With no sink the cost
is one comparison. Events carry ids, names and plain arrays, never tensors, so that a watcher can keep them as long
as it likes without keeping a graph alive. The arrays are the live ones: a watcher that wants to keep a value copies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from .errors import Where


class Leaf(NamedTuple):
    """A vertex that no operation made (an input, a constant, a parameter) is used for the first time."""

    id: int
    name: str | None
    array: Any
    requires_grad: bool
    is_parameter: bool


class Forward(NamedTuple):
    """An operation ran and made vertex `id`. `scope` is the path of the module that ran it, such as `blocks.0.attn`."""

    id: int
    op: str
    inputs: tuple[int, ...]
    attrs: Mapping[str, Any]
    array: Any
    name: str | None
    where: Where | None
    scope: str
    requires_grad: bool


class Seed(NamedTuple):
    """A backward pass starts at vertex `id` with this gradient."""

    id: int
    gradient: Any


class Backward(NamedTuple):
    """The vector-Jacobian product of vertex `id` is about to run with this incoming gradient."""

    id: int
    op: str
    gradient: Any


class Accumulate(NamedTuple):
    """Gradient flowed from vertex `source` into its input number `edge`, vertex `target`.

    `total` is the running sum at the target after this contribution. The edges of one operation are reported from the
    last input to the first: the mirror image of the forward order.
    """

    source: int
    target: int
    edge: int
    contribution: Any
    total: Any


class Deposit(NamedTuple):
    """A backward pass has ended at a leaf that had a gradient already: `total` is the sum, its new `.grad`.

    Where `.grad` was None, the last `Accumulate` into the leaf has told it, and nothing more is said.
    """

    id: int
    before: Any
    total: Any


class Update(NamedTuple):
    """A leaf was overwritten: by an optimizer, by `w.data = ...`, or in place under `no_grad`.

    What it was before is not told: a copy of every parameter would cost more than the update. Whoever wants to know it
    has seen it in the `Leaf` or `Update` before.
    """

    id: int
    name: str | None
    after: Any


class Rewrite(NamedTuple):
    """A pass replaced vertex `before` by vertex `after` in a static graph."""

    pass_name: str
    rule: str
    before: int
    after: int
    where: Where | None


class Compiled(NamedTuple):
    """A static function that is about to run, for the first time since somebody watches, was compiled in this way.

    `trace` is the live one (`teachgrad.compiled.Trace`): a watcher looks at it during the event and lets it go.
    `arrays` has the values of the leaves of its graph, by id.
    """

    trace: Any
    arrays: Mapping[int, Any]


class Alloc(NamedTuple):
    """A static program takes memory for the value of `vertex`: at `offset` of its arena, or, where that is None, memory
    of its own. A value that is written over an input has the offset of that input, which is freed afterwards."""

    vertex: int
    bytes: int
    offset: int | None


class Free(NamedTuple):
    """Nothing in a static program reads the value of `vertex` any more; its memory may be used for another."""

    vertex: int


class Kernel(NamedTuple):
    """A statement of a static program ran, in so many seconds, and computed these vertices.

    A program has one for each op, but for views that it could take in advance; at the end `own` copies results out of
    its memory, and `copyto` writes new values into their leaves.
    """

    name: str
    vertices: tuple[int, ...]
    seconds: float


Event = (
    Leaf | Forward | Seed | Backward | Accumulate | Deposit | Update | Rewrite | Compiled | Alloc | Free | Kernel
)

sink: Callable[[Event], None] | None = None
"""Where events go, or None. Set it with `watching`."""


@contextmanager
def watching(new_sink: Callable[[Event], None] | None) -> Iterator[None]:
    """Send the events of this block to `new_sink`; afterwards to whom they went before."""
    global sink
    before = sink
    sink = new_sink
    try:
        yield
    finally:
        sink = before
