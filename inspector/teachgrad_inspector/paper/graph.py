"""The graph of a moment as DOT: of a training step, with what has happened so far; on Passes, of the program at a stop.

It is a picture as `teachgrad.drawing` draws it, one node for each value and one cluster for each module, and besides:
the node of the moment has a thick border and its address beside it, what is still to come is dotted, and gradient that
has flowed is a line of its own, backwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from teachgrad.drawing.dotfile import dot, quoted
from teachgrad.drawing.model import BACKWARD, CONSTANT, FORWARD, INPUT, OP, PARAMETER, UPDATE, Node, Picture
from teachgrad.op import Spec, Vertex
from teachgrad.recording import Moment, Row
from teachgrad.recording.accounts import Node as Recorded

from ..navigation import within
from ..numbers import number
from ..rewrites import Rewrites, State
from ..session import Session
from ..views.narrate import short_note
from ..views.options import Options
from ..views.passes import place_of, program_of, stop_of

_PHASES = {"fwd": FORWARD, "bwd": BACKWARD, "upd": UPDATE}
_GRADIENT = "#a35200"
_KINDS = {"input": INPUT, "cell": PARAMETER, "constant": CONSTANT, "op": OP}


def graph_of(session: Session, moment: Moment, screen: str, options: Options) -> str:
    """The graph at a moment in the DOT language; inside of `options.level`, that of a module alone."""
    if screen == "passes" and (found := program_of(session, moment, options)) is not None:
        return _program(session, found[1], stop_of(found[1], options))
    return _training_step(session, moment, options)


# ---- a training step -------------------------------------------------------------------------------------------------


def _training_step(session: Session, moment: Moment, options: Options) -> str:
    rows = list(_values(session, moment, options.level))
    keys = {row.vertex: key for key, row in enumerate(rows)}
    nodes = tuple(_node(session, moment, row, keys) for row in rows)
    picture = Picture(f"{session.title} t{moment.step}", nodes, (), (), {}, keys)
    return dot(picture, _marks(session, moment, options, rows, keys))


def _values(session: Session, moment: Moment, level: str) -> Iterator[Row]:
    """The rows in which the values of a training step come about, parameters from before it first."""
    step = session.step(moment)
    ops = [row for row in step.rows if row.kind == "op" and (not level or within(row.scope, level))]
    made = {row.vertex for row in ops}
    wanted = {vertex: None for row in ops for vertex in row.inputs if vertex not in made}
    if not level:
        wanted |= {row.vertex: None for row in step.rows if row.kind == "leaf" and row.vertex not in made}
    for vertex in wanted:
        leaf = session.run.leaf(vertex) if vertex not in step.made else step.rows[step.made[vertex]]
        if leaf is not None:
            yield leaf
    seen: set[int] = set()
    for row in ops:
        if row.vertex not in seen:
            seen.add(row.vertex)
            yield row


def _node(session: Session, moment: Moment, row: Row, keys: dict[int, int]) -> Node:
    key, info = keys[row.vertex], session.info(row.value)
    name = session.name(row.vertex, moment.step)
    kind = OP
    if row.kind != "op" or any(vertex not in keys or keys[vertex] >= key for vertex in row.inputs):
        bare = info is not None and not info.shape and not row.name and not row.requires_grad
        kind = PARAMETER if row.parameter else CONSTANT if bare else INPUT
    value = session.scalar(row.value) if not _to_come(row, moment) else None
    site = session.site(row, row.moment)
    place = f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site is not None else ""
    lines = [f"= {number(value)}"] if value is not None and number(value) != name else []
    here = session.row(moment)
    if here.vertex == row.vertex:
        lines.append(f"▶ {moment} {name}{'.grad' * here.of_gradient}")
    return Node(
        key, kind, name, row.op or "", tuple(keys[vertex] for vertex in row.inputs) if kind == OP else (),
        f"{info.dtype}{list(info.shape)}" if info is not None else "", "\n".join(lines), place,
        row.scope if kind == OP else "", _PHASES[row.phase] if kind == OP else FORWARD,
        _stand_in(info.shape if info is not None else (), info.dtype if info is not None else "float32", name),
    )  # fmt: skip


def _stand_in(shape: Sequence[int], dtype: str, name: str) -> Vertex:
    """A vertex that has a shape and a name alone: what is drawn asks for no more."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype("float32")
    return Vertex(Spec(tuple(shape), kind), name=name)


def _to_come(row: Row, moment: Moment) -> bool:
    return row.step == moment.step and row.row > moment.row


def _marks(session: Session, moment: Moment, options: Options, rows: Sequence[Row],
           keys: dict[int, int]) -> Iterator[str]:  # fmt: skip
    """What of the graph is still to come, where gradient has flowed, and what happens now."""
    here = session.row(moment)
    for row in rows:
        if _to_come(row, moment):
            yield f'  n{keys[row.vertex]} [style=dotted, fontcolor="#6e7781"];'
    for row in session.step(moment).rows[: moment.row + 1]:
        if row.kind == "edge" and row.vertex in keys and row.source in keys:
            now = row.row == moment.row
            text = f'label={quoted(short_note(session, moment, options))}, penwidth=3, ' if now else ""
            yield (f'  n{keys[row.source]} -> n{keys[row.vertex]} [{text}color="{_GRADIENT}", '
                   f'fontcolor="{_GRADIENT}", style=dashed, constraint=false];')  # fmt: skip
    if here.vertex in keys:
        yield f"  n{keys[here.vertex]} [penwidth=3];"


# ---- a program -------------------------------------------------------------------------------------------------------


def _program(session: Session, rewrites: Rewrites, stop: int) -> str:
    """The graph between two rewrites; what the last one made is marked."""
    state, account = rewrites.state(stop), rewrites.account
    recorded: dict[int, Recorded] = {}
    for node in (account.by_id[at] for at in state.order):
        recorded |= {x.id: x for x in state.inputs(node)}
        recorded[node.id] = node
    recorded |= {at: account.by_id[at] for at in state.results if at not in recorded}
    keys = {at: key for key, at in enumerate(recorded)}
    done = rewrites.rewriting(stop)
    fresh = dict.fromkeys((*done.fresh, done.after), f"+ {done.rule}") if done is not None else {}
    nodes = tuple(_recorded(session, rewrites, state, node, keys, fresh.get(node.id, "")) for node in recorded.values())
    results = tuple(keys[at] for at in state.results)
    picture = Picture(f"{account.name} {rewrites.address(stop)}", nodes, results, (), {}, keys)
    return dot(picture, (f"  n{keys[at]} [penwidth=3];" for at in recorded if at in fresh))


def _recorded(session: Session, rewrites: Rewrites, state: State, node: Recorded, keys: dict[int, int],
              mark: str) -> Node:  # fmt: skip
    key, inputs = keys[node.id], [keys[x.id] for x in state.inputs(node)]
    kind = _KINDS.get(node.kind, OP) if all(at < key for at in inputs) else INPUT
    name = rewrites.names[node.id]
    return Node(
        key, kind, name, node.op, tuple(inputs) if kind == OP else (), f"{node.dtype}{list(node.shape)}",
        "\n".join(filter(None, (node.settings, mark))), place_of(session, rewrites.account, node.site),
        node.scope if kind == OP else "", FORWARD, _stand_in(node.shape, node.dtype, name if name != node.op else ""),
    )  # fmt: skip
