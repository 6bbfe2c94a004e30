"""What the host knows about new values without asking the device: how far random bits have gone on."""

from __future__ import annotations

from teachgrad.control.scan_op import Scan
from teachgrad.op import Vertex
from teachgrad.ops.random import next_step
from teachgrad.ops.tuples import Item
from teachgrad.passes.exact import IDENTITIES


def steps_between(leaf: Vertex, new: Vertex) -> int | None:
    """How many steps the place of random bits goes on from a leaf to its new value; None where values decide that.

    A scan goes on by as many in each of its steps, and has a known number of them.
    """
    if new is leaf:
        return 0
    if new.op is next_step or str(new.op) in IDENTITIES:
        return added(steps_between(leaf, new.inputs[0]), int(new.op is next_step))
    if isinstance(new.op, Item) and isinstance(new.inputs[0].op, Scan):
        z, k = new.inputs[0], new.attrs["index"]
        graph = z.attrs["body"].graph
        if k < z.attrs["carries"]:
            each = steps_between(graph.inputs[k], graph.outputs[k])
            return added(steps_between(leaf, z.inputs[k]), None if each is None else z.attrs["length"] * each)
    return None


def added(first: int | None, second: int | None) -> int | None:
    """Their sum, if both are known."""
    return None if first is None or second is None else first + second
