"""A graph in the DOT language, for Graphviz and everything that reads it. Needs no binary: this is the writer.

One node for each value, one edge for each operand, one cluster for each module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .model import CONSTANT, INPUT, OP, PARAMETER, UPDATE, Node, Picture
from .modules import Group, modules

SHAPES = {INPUT: "ellipse", PARAMETER: "cylinder", CONSTANT: "plaintext", OP: "box"}


def dot(picture: Picture, more: Iterable[str] = ()) -> str:
    """The picture as the text of a DOT file. `more` are further statements, about nodes `n0`, `n1`, ... ."""
    lines = [f"digraph {quoted(picture.name)} {{", "  rankdir=TB;", '  node [fontname="Helvetica", fontsize=11];',
             '  edge [fontname="Helvetica", fontsize=9, color="#555555"];']
    lines += members(picture, modules(picture), "  ")
    for node in picture.nodes:
        lines += [f"  n{key} -> n{node.key} [label={quoted(picture.nodes[key].shape)}];" for key in node.inputs]
    for number, key in enumerate(picture.outputs):
        lines += [f'  out{number} [label="return", shape=plaintext];', f"  n{key} -> out{number} [style=bold];"]
    lines += [f"  n{new} -> n{leaf} [style=dashed, constraint=false, label={quoted('becomes')}];"
              for leaf, new in picture.updates]
    return "\n".join([*lines, *more, "}", ""])


def members(picture: Picture, group: Group, indent: str) -> Iterator[str]:
    """The nodes of a module, and the modules in it as clusters."""
    for member in group.members:
        if isinstance(member, Group):
            yield f"{indent}subgraph cluster_{member.number} {{"
            yield f"{indent}  label={quoted(member.name)}; style=rounded; color=\"#999999\";"
            yield from members(picture, member, indent + "  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}{statement(picture.nodes[member])}"


def statement(node: Node) -> str:
    """The statement that makes a node."""
    label = node.name if node.kind != OP else node.op if not node.vertex.name else f"{node.vertex.name} = {node.op}"
    lines = [part for part in (label, node.settings, node.where) if part]
    style = ", style=dashed" if node.phase == UPDATE else ""
    return (f"n{node.key} [label={quoted(chr(10).join(lines))}, shape={SHAPES[node.kind]}{style}, "
            f"tooltip={quoted(node.spec)}];")


def quoted(text: str) -> str:
    r"""A string of the DOT language: quotes and backslashes escaped, line ends as `\n`, no control characters."""
    clean = "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
