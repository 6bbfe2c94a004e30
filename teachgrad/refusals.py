"""Refusals: what a traced function may have done to tensors from outside that a graph cannot do.

Asked after the function has returned, when all that it did is known. Each `TraceError` names the line that did it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .errors import Site, TraceError, place
from .op import Vertex
from .ops.inplace import renew
from .stand_ins import StandIn, called, is_entry_gradient
from .versions import Versions, as_of

LineOf = Callable[..., Site | None]
"""Where the code that ran mentions one of some names."""


def refuse_new_flags(name: str, leaves: Sequence[StandIn], line_of: LineOf, error: Exception | None = None) -> None:
    """Refuse a changed requires_grad, also where it is why something else went wrong."""
    for s in leaves:
        if s.real.requires_grad != s.facts.requires_grad:
            raise TraceError.at(
                "TG-S05", f"{name} changes requires_grad of {called(s)}", line_of("requires_grad"),
                "In static mode that would happen once, while it is traced.", "set it before the call",
                "use detach()") from error


def refuse_what_remains(name: str, leaves: Sequence[StandIn], line_of: LineOf) -> None:
    """Refuse new flags and hooks, and histories that would end with the call."""
    refuse_new_flags(name, leaves, line_of)
    for s in leaves:
        if s.hooks != s.facts.hooks:
            raise TraceError.at(
                "TG-S05", f"{name} adds or removes a hook of {called(s)}", line_of("on_grad"),
                "In static mode that would happen once, while it is traced.",
                "do it outside; hooks that are there are traced")
        if s.past is not None and s.requires_grad and s.op is not renew:
            raise TraceError.at(
                "TG-S09", f"{name} overwrites {called(s)}, which comes from outside, with values that have a history",
                s.site, "The history would end with the call.", "return the new value", "overwrite under tg.no_grad()")
        if s.touched and s.kept is not None:
            refuse_lost_history(name, s, line_of)


def refuse_lost_history(name: str, s: StandIn, line_of: LineOf) -> None:
    """Refuse a gradient that has a history, or that would have to go on to what lies before the call."""
    if s.kept.requires_grad:
        raise TraceError.at(
            "TG-S09", f"{name} leaves a gradient with a history in {called(s)} (create_graph=True)",
            line_of("create_graph", "backward"), "The history would end with the call.",
            "use the gradient inside the static function", "take it with tg.grad and return it")
    x = s.real
    if x.requires_grad and x.op is not None and not is_entry_gradient(s):
        raise TraceError.at(
            "TG-S07", f"backward() inside {name} reaches an argument that was computed outside "
            f"({x.op} at {place(x.site)})", line_of("backward"),
            "The gradient could not go on to what it was made from.", "return the loss and call backward() outside",
            "pass x.detach()")


def refuse_outdated_reads(name: str, constants: Sequence[StandIn]) -> None:
    """Refuse to overwrite a tensor that the function has made from numbers and has read as NumPy."""
    for s in constants:
        if s.past is not None:
            raise TraceError.at(
                "TG-S09", f"{name} reads a tensor that it has made as NumPy, and then overwrites it", s.site,
                "What was read would not change with it.", "read it afterwards", "make a second tensor")


def refuse_strided_overwrites(name: str, leaves: Sequence[StandIn], versions: Versions) -> None:
    """A transposed tensor from outside is overwritten and then read: the last bits would depend on its layout."""
    strided: dict[int, Vertex] = {id(s): s for s in leaves if s.past is not None and not s.facts.contiguous}
    for v in versions.recorded if strided else ():
        for x in v.inputs:
            s = strided.get(id(x))
            if s is not None and as_of(s, v.id).past is not None:
                raise TraceError.at(
                    "TG-S09", f"{name} overwrites {called(s)} and reads it again", v.site,
                    "Its memory is not in C order (it is a transpose or a slice); last bits may depend on that.",
                    "pass a copy()")


__all__ = ["refuse_new_flags", "refuse_outdated_reads", "refuse_strided_overwrites", "refuse_what_remains"]
