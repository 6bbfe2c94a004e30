"""Which trace a call needs: the signature of its arguments, and whether a trace is still true of the world.

The signature is the key under which traces are kept: structure, shapes, types and layouts of tensors, and all other
arguments by value or identity. A `Fit` knows one trace and looks at everything else it depends on: the gradients that
tensors come with, which of them are one and the same, and the guards. Nearly every call is like the one before it, so
a `Fit` first asks one function, generated for its trace, that compares what a call has with what the last one had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from .devices import KINDS, of
from .errors import TraceError, user_site
from .guards import Counting, Guard, Terms, alike
from .op import Modes, Shape, Vertex, state
from .stand_ins import Source, kind_of_gradient
from .structure import Tree

PLAIN = (int, float, complex, str, bytes, bool, type(None), np.dtype, type, slice)


def signature(leaves: Sequence[Any], tree: Tree, shapes: Mapping[int, Shape] = MappingProxyType({})) -> Any:
    """What a trace depends on in the arguments and the modes of the thread.

    `shapes` has those, by the number of the argument, of which sizes are left open: names stand there.
    """
    seen: dict[int, int] = {}
    now = state.now
    return tree, now.grad, now.inference, tuple([part(leaf, seen, shapes.get(k)) for k, leaf in enumerate(leaves)])


def part(leaf: Any, seen: dict[int, int], shape: Shape | None) -> Any:
    """What a trace depends on in one argument."""
    if isinstance(leaf, Vertex):
        data = leaf._data
        layout = None if data.flags.c_contiguous else data.strides
        return (type(leaf), data.shape if shape is None else shape, data.dtype, type(data), layout, leaf.requires_grad,
                leaf.hooks, seen.setdefault(id(leaf), len(seen)))
    if isinstance(leaf, np.generic):
        return type(leaf), leaf.tobytes()
    if isinstance(leaf, PLAIN):
        return type(leaf), repr(leaf) if isinstance(leaf, (float, complex, slice)) else leaf
    return "object", id(leaf)


def difference(keys: Sequence[Any]) -> str:
    """What varies between signatures."""
    if len({key[0] for key in keys}) > 1:
        return "the structure of the arguments varies"
    for number in range(len(keys[0][3])):
        column = list(dict.fromkeys(key[3][number] for key in keys))
        if len(column) == 1:
            continue
        shapes = [c[1] for c in column if isinstance(c[1], tuple)]
        if len(shapes) > 1 and len({len(s) for s in shapes}) == 1:
            varying = [axis for axis in range(len(shapes[0])) if len({s[axis] for s in shapes}) > 1]
            if varying:
                return f"argument {number} has many shapes, axis {', '.join(map(str, varying))} varies"
        return f"argument {number} varies"
    return "the Python state that it depends on keeps changing"


class Fit:
    """Whether a call is one that a trace was made for."""

    def __init__(self, leaves: Sequence[Any], tree: Tree, guards: Iterable[Guard], entries: list[tuple[Source, Any]],
                 sources: Iterable[Source], fixed: set[int], cells: list[Any], written: list[Source]) -> None:
        guards = [guard for guard in guards if guard.lasting]
        self.tree = tree
        self.flat = tree[2][0] == (tuple, None, (None,) * len(leaves)) and not tree[2][1][1]
        """Whether the positional arguments are the leaves, all of them."""
        self.modes = state.now.grad, state.now.inference
        self.counted = Counting([guard for guard in guards if guard.counted])
        self.guards = [guard for guard in guards if not guard.counted]
        self.entries = entries
        """Tensors from whose gradient the call starts, and what that is like."""
        self.foreign = [source.tensor for source in sources if source.tensor is not None and not source.gradient]
        """Tensors from outside that the call uses, arguments left out."""
        self.fixed = {number: leaf for number, leaf in enumerate(leaves)
                      if isinstance(leaf, Vertex) and id(leaf) in fixed}
        """Arguments that the function also reaches in another way, by their number."""
        self.objects = [leaf for leaf in leaves if not isinstance(leaf, Vertex)]  # kept, so that no other gets their id
        self.cells = cells
        """The tensors behind the cells of the graph."""
        self.arrays: list[Any] = []
        """Their arrays."""
        self.written = written
        """What the call overwrites."""
        self.text = ""
        self.quick: Callable[[Sequence[Any], Modes], bool]
        self.renew(leaves)

    # ---- one question ------------------------------------------------------------------------------------------------

    def renew(self, leaves: Sequence[Any]) -> None:
        """Take what is there now, which is as good as what was, for the quick question."""
        self.arrays = [x._data for x in self.cells]
        for guard in self.guards:
            guard.renew()
        terms = Terms()
        conditions = [f"now.grad is {self.modes[0]} and now.inference is {self.modes[1]}",
                      *self.about_arguments(leaves, terms), *self.about_gradients(leaves, terms),
                      *[guard.quick(terms.bind) for guard in self.guards]]
        if self.counted.guards:
            conditions.append(f"{terms.bind(self.counted)}.hold()")
        names = "".join(f"x{number}, " for number in range(len(leaves)))
        lines = ["def quick(leaves, now):", f"    if len(leaves) != {len(leaves)}: return False",
                 *([f"    {names}= leaves"] if leaves else []), "    try:", f"        return "
                 f"{' and '.join(conditions)}",
                 "    except Exception:", "        return False  # another kind of argument, or a name that is gone"]
        text = "\n".join(lines)
        if text == self.text:
            self.quick.__globals__.update(terms.namespace)
        else:
            exec(compile(text, "<fit>", "exec"), terms.namespace)
            self.text, self.quick = text, terms.namespace["quick"]

    def about_arguments(self, leaves: Sequence[Any], terms: Terms) -> list[str]:
        """The arguments are like those of the signature, and are the tensors that they have to be."""
        found = []
        tensors = [number for number, leaf in enumerate(leaves) if isinstance(leaf, Vertex)]
        foreign = terms.bind({id(x) for x in self.foreign})
        memory = self.memory() if self.written else set()
        held = terms.bind(memory)
        others = [source for source in self.written if source.argument is not None or source.gradient]
        if memory is None or (others and len(tensors) + len(self.entries) > 1):
            found.append("False")  # memory that may be shared is looked at in every call
        for position, number in enumerate(tensors):
            x, name = leaves[number], f"x{number}"
            data = x._data
            found.append(f"type({name}) is {terms.bind(type(x))} and (d := {name}._data).shape == {data.shape} "
                         f"and type(d) is {terms.bind(type(data))} "
                         f"and d.dtype is {terms.bind(data.dtype)} and d.strides == {data.strides} "
                         f"and {name}.requires_grad is {x.requires_grad} and {name}.hooks is {terms.bind(x.hooks)}")
            found += [f"{name} is{'' if leaves[other] is x else ' not'} x{other}" for other in tensors[:position]]
            if number in self.fixed:
                found.append(f"{name} is {terms.bind(x)}")
            elif self.foreign:
                found.append(f"id({name}) not in {foreign}")
            if self.written:  # neither the array nor what it is a view of may be overwritten under another name
                found.append(f"((b := d.base) is None and id(d) not in {held} or type(b) is {terms.bind(np.ndarray)} "
                             f"and b.base is None and id(b) not in {held})")
        for number, leaf in enumerate(leaves):
            if not isinstance(leaf, Vertex):
                value = terms.bind(leaf)
                found.append(f"(x{number} is {value} or {terms.bind(alike)}(x{number}, {value}))")
        return found

    def about_gradients(self, leaves: Sequence[Any], terms: Terms) -> list[str]:
        """The gradients that the call starts from are there, or not, as they were."""
        found = []
        for source, like in self.entries:
            owner = f"x{source.argument}" if source.argument is not None else terms.bind(source.tensor)
            if like is None:
                found.append(f"{owner}._grad is None")
                continue
            shape, dtype, strides, requires_grad, hooks = like
            found.append(f"(g := {owner}._grad) is not None and (d := g._data).shape == {shape} "
                         f"and d.dtype is {terms.bind(dtype)} and d.strides == {strides} "
                         f"and g.requires_grad is {requires_grad} and g.hooks == {terms.bind(hooks)}")
            found += [f"g is not x{number}" for number, leaf in enumerate(leaves) if isinstance(leaf, Vertex)]
        return found

    def memory(self) -> set[int] | None:
        """The identities of the arrays in which the cells lie; None if some lie in memory of another library."""
        found = set()
        for array in self.arrays:
            while type(array) in KINDS or isinstance(array, np.ndarray):
                found.add(id(array))
                array = array.base
            if array is not None:
                return None
        return found

    # ---- one by one --------------------------------------------------------------------------------------------------

    def holds(self, leaves: Sequence[Any], entries: Sequence[tuple[Source, Any]] | None = None) -> bool:
        """Whether the trace is true of the world, for arguments of the right signature.

        `entries` are the gradients that it starts from, if not those that it was made for.
        """
        entries = self.entries if entries is None else entries
        foreign = {id(x) for x in self.foreign}
        gradients = [source.owner(leaves)._grad for source, _ in self.entries]
        taken = {id(g) for g in gradients if g is not None}
        for number, leaf in enumerate(leaves):
            wrong = leaf is not self.fixed[number] if number in self.fixed else id(leaf) in foreign
            if isinstance(leaf, Vertex) and (id(leaf) in taken or wrong):
                return False
        alike = [kind_of_gradient(g) == like for g, (_, like) in zip(gradients, entries, strict=True)]
        return all(alike) and self.lasts()

    def still(self, leaves: Sequence[Any]) -> bool:
        """Whether the trace is true of the world, asked in the quick way first."""
        if self.quick(leaves, state.now):
            return True
        found = self.holds(leaves)
        if found:
            self.renew(leaves)
        return found

    def lasts(self) -> bool:
        """Whether all guards hold."""
        return all(guard.holds() for guard in self.guards) and self.counted.hold()


def may_share_memory(x: Any, y: Any) -> bool:
    """Whether two arrays may lie in the same memory; on different devices they do not."""
    device = of(x)
    return device is of(y) and bool(device.xp.may_share_memory(x, y))


def refuse_shared_memory(name: str, written: Iterable[Source], sources: Iterable[Source],
                         leaves: Sequence[Any]) -> None:
    """Two leaves in one memory, one of them overwritten: what the other reads would depend on the order."""
    tensors = list({id(x): x for x in (source.find(leaves) for source in sources)}.values())
    for target in [source.find(leaves) for source in written]:
        for x in tensors:
            if x is not target and may_share_memory(target._data, x._data):
                raise TraceError.at(
                    "TG-S10", f"{name} overwrites {target.name or 'a tensor'}, which shares memory with "
                    f"{x.name or 'another tensor'} that it also uses", user_site(),
                    "What the other one reads would depend on when it is read.",
                    "use one of the two throughout", "give one its own memory with copy()")
