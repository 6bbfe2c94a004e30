"""Modules as boxes: which values stand together because one module made them.

A module is a run of the order of computation: neighbours with a common path are in one box. While a module runs nothing
else does, so this is the call as it happened; and since a run of a topological order never leaves and comes back, boxes
can be drawn as single vertices of a graph that is again acyclic. What an optimizer does to a parameter is drawn in the
module of that parameter, right after the gradient that it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .model import OP, UPDATE, Node, Picture


@dataclass
class Group:
    """A module that ran, or (with no name) everything: keys of nodes, and groups."""

    name: str
    number: int = 0
    members: list[int | Group] = field(default_factory=list)


def modules(picture: Picture) -> Group:
    """All nodes of a picture, in the modules that made them. Leaves stand outside, but for constants read in one."""
    root = Group("")
    open_groups: list[tuple[str, Group]] = []
    count = 0
    inside: dict[int, Group] = {}
    for node, scope in with_updates_at_home(picture):
        path = scope.split(".") if scope else []
        depth = 0
        while depth < min(len(path), len(open_groups)) and open_groups[depth][0] == path[depth]:
            depth += 1
        del open_groups[depth:]
        for part in path[depth:]:
            count += 1
            group = Group(part, count)
            (open_groups[-1][1] if open_groups else root).members.append(group)
            open_groups.append((part, group))
        home = open_groups[-1][1] if open_groups else root
        home.members.append(node.key)
        inside[node.key] = home
    readers = picture.readers
    for node in reversed(picture.nodes):
        if node.kind != OP:
            homes = {id(inside[key]): inside[key] for key in readers[node.key]}
            home = next(iter(homes.values())) if len(homes) == 1 and node.kind == "constant" else root
            home.members.insert(0, node.key)
    join(root)
    return root


def with_updates_at_home(picture: Picture) -> list[tuple[Node, str]]:
    """The ops with their modules, in a topological order; an update follows what it reads, in its leaf's module."""
    nodes = picture.nodes
    scopes = {node.scope for node in nodes}
    home: dict[int, str] = {}
    for leaf, new in picture.updates:
        stack = [new]
        while stack:
            node = nodes[stack.pop()]
            if node.phase == UPDATE and node.key not in home:
                home[node.key] = module_of(nodes[leaf].name, scopes)
                stack += node.inputs
    reads_leaves = {node.key for node in nodes if node.key in home
                    and not any(nodes[key].kind == OP for key in node.inputs)}
    place: dict[int, int] = {}
    for node in nodes:
        made = [place[key] for key in node.inputs if nodes[key].kind == OP and key not in reads_leaves]
        place[node.key] = max(made) if node.key in home and made else node.key
    for node in nodes:
        for key in reads_leaves.intersection(node.inputs):
            place[key] = min(place[key], place[node.key])
    ops = sorted((node for node in nodes if node.kind == OP), key=lambda node: (place[node.key], node.key))
    return [(node, home.get(node.key, node.scope)) for node in ops]


def module_of(name: str, scopes: set[str]) -> str:
    """The innermost module that a leaf of this name is in: `blocks.0` for `blocks.0.weight.momentum_buffer`."""
    while name and name not in scopes:
        name = name.rpartition(".")[0]
    return name


def join(group: Group) -> None:
    """A module that holds nothing but another one is drawn as one box: `blocks.0`."""
    stack = [group]
    while stack:
        here = stack.pop()
        for number, member in enumerate(here.members):
            while isinstance(member, Group) and len(member.members) == 1 and isinstance(member.members[0], Group):
                inner = member.members[0]
                member = here.members[number] = Group(f"{member.name}.{inner.name}", inner.number, inner.members)
            if isinstance(member, Group):
                stack.append(member)


def groups_of(group: Group) -> Iterator[Group]:
    """A group and all groups in it, inner ones after outer ones."""
    stack = [group]
    while stack:
        here = stack.pop()
        yield here
        stack += [member for member in here.members if isinstance(member, Group)]
