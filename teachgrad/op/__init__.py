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

from .applying import apply, bare, explain, report
from .bases import INFERENCE, Symbolic
from .elsewhere import beside, device_of, mixed
from .overwriting import (
    Overwritten,
    checksum,
    mark_written,
    memory_of,
    overwritten,
    refresh,
    remember,
    sample_of,
    shares_memory,
    spec_of,
    value_is_gone,
    version,
)
from .vertex import (
    NO_ATTRS,
    REGISTRY,
    Array,
    Modes,
    Op,
    Shape,
    Spec,
    Vertex,
    Witness,
    modes,
    next_id,
    shared_id,
    state,
)

__all__ = [
    "INFERENCE", "NO_ATTRS", "REGISTRY", "Array", "Modes", "Op", "Overwritten", "Shape", "Spec", "Symbolic", "Vertex",
    "Witness", "apply", "bare", "beside", "checksum", "device_of", "explain", "mark_written", "memory_of", "mixed",
    "modes", "next_id", "overwritten", "refresh", "remember", "report", "sample_of", "shared_id", "shares_memory",
    "spec_of", "state", "value_is_gone", "version",
]
