"""The Map screen: the modules as a tree, and what the module that is opened is made of, as boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from teachgrad.recording import Moment, Row

from ..boxes import Layout
from ..canvas import cell_width
from ..channel import Stretch
from ..glyphs import spelled
from ..lanes import enclosing
from ..levels import MODULE, OUTSIDE, Level, Module, Node, prefixes
from ..navigation import within
from ..numbers import shape
from ..session import Keep, Session
from .options import Options
from .tape import Pane, view_value

MAX_TEXT = 28


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A module: what it holds, and what its output is like at the moment."""

    path: str
    name: str
    depth: int
    moment: str
    fold: str
    """`folded`, `open`, or nothing where there are no modules inside."""
    ops: int
    parameters: int
    """How many numbers it learns."""
    shape: tuple[int, ...] | None
    state: str
    """`to come`, `running` or `done`, in the forward pass."""
    mean: float | None
    std: float | None
    gradient_norm: float | None
    """Of the gradients of its parameters, as far as they have come."""
    hidden: bool
    cursor: bool
    opened: bool
    """Whether this is the level that the boxes show."""


@dataclass(frozen=True, slots=True)
class BoxView:
    """A box: an op, a module, an input, or a value from outside, with its place in cells."""

    kind: str
    name: str
    what: str
    path: str
    moment: str
    """Where it begins; empty for values from outside."""
    shapes: tuple[tuple[int, str], ...]
    """The columns in which its values leave it, and their shapes."""
    ins: tuple[int, ...]
    x: int
    y: int
    width: int
    layer: int
    future: bool
    cursor: bool


@dataclass(frozen=True, slots=True)
class WireView:
    """A value that goes from one box to another, by their numbers."""

    name: str
    shape: str
    above: int
    below: int


@dataclass(frozen=True, slots=True)
class MapView:
    """The Map screen at a moment."""

    moment: str
    level: str
    section: int
    sections: int
    tree: tuple[TreeLine, ...]
    boxes: tuple[BoxView, ...]
    wires: tuple[WireView, ...]
    lines: tuple[Stretch, ...]
    width: int
    height: int
    value: Pane
    note: str
    kept: str = ""
    """Which part of the rows is shown, if not all are."""


def view_map(session: Session, moment: Moment, options: Options, lines: int) -> MapView:
    """The Map screen at a moment, with so many lines of the tree."""
    path = level_at(session, moment, options)
    level, layout = laid_out(session, moment, path, options.keep)
    cursor = level.box_at(session.row(moment))
    note = f"{level.hidden} more values from outside" if level.hidden else ""
    return MapView(
        moment=str(moment),
        level=path,
        section=level.section,
        sections=level.sections,
        tree=_tree(session, moment, options, path, lines),
        boxes=tuple(_box(session, moment, level, layout, node, node.number == cursor) for node in level.nodes),
        wires=tuple(
            WireView(session.name(wire.vertex, moment.step), _shape(session, moment, wire.vertex), *wire.ends)
            for wire in level.wires
        ),
        lines=tuple(layout.stretches),
        width=layout.width,
        height=layout.height,
        value=view_value(session, moment, options),
        note=note,
        kept=session.told_kept(moment.step, options.keep),
    )  # fmt: skip


def level_at(session: Session, moment: Moment, options: Options) -> str:
    """The module whose inside is shown: the one that was opened, or around it the first that the moment is in."""
    scope = session.lanes(moment.step, options.folded, options.keep).scopes[moment.row]
    path = options.level
    while path and not within(scope, path):
        path = path.rpartition(".")[0]
    return path


def laid_out(session: Session, moment: Moment, path: str, keep: Keep | None = None) -> tuple[Level, Layout]:
    """A level and its layout, which depend on the training step alone, and on what is kept of it."""
    level = session.level(moment, path, keep)
    step = session.step(moment)

    def lay_out() -> Layout:
        labels = {
            vertex: cell_width(_shape(session, moment, vertex)) + 1 for node in level.nodes for vertex in node.makes
        }
        return Layout([_width(session, moment, node, path) for node in level.nodes], level.wires,
                      [node.makes for node in level.nodes], labels)  # fmt: skip

    layout: Layout = session.kept(lay_out, "layout", step.number, len(step.rows), path, level.section, keep)
    return level, layout


# ---- boxes -----------------------------------------------------------------------------------------------------------


def words(session: Session, moment: Moment, node: Node, path: str) -> tuple[str, str]:
    """What is written in a box: a name, and what it is."""
    if node.kind == MODULE:
        ops = list(dict.fromkeys(row.op or "" for row in node.rows))
        return node.path.removeprefix(f"{path}.") if path else node.path, ops[0] if len(node.rows) == 1 else (
            f"{len(node.rows)} ops")  # fmt: skip
    name = session.name(node.rows[0].vertex if node.rows else node.makes[0], moment.step)
    if node.kind != "op":
        return name, ""
    op = node.rows[0].op or ""
    local = name.removeprefix(f"{path}.") if path else name
    return local, "" if local.rstrip("0123456789_") == op else op


def _width(session: Session, moment: Moment, node: Node, path: str) -> int:
    """The cells of a box: its text in either set of characters, a mark, and the frame."""
    text = "  ".join(part for part in words(session, moment, node, path) if part)
    return min(MAX_TEXT, max(cell_width(text), cell_width(spelled(text)))) + 6


def _box(session: Session, moment: Moment, level: Level, layout: Layout, node: Node, cursor: bool) -> BoxView:
    place = layout.places[node.number]
    name, what = words(session, moment, node, level.path)
    first = node.rows[0] if node.rows else None
    return BoxView(
        kind=node.kind,
        name=name,
        what=what,
        path=node.path,
        moment=str(Moment(moment.step, first.row, first.phase)) if first is not None else "",
        shapes=tuple((x, _shape(session, moment, vertex)) for vertex, x in place.outs.items()),
        ins=tuple(place.ins),
        x=place.x,
        y=place.y,
        width=place.width,
        layer=place.layer,
        future=node.kind != OUTSIDE and first is not None and first.row > moment.row,
        cursor=cursor,
    )


def _shape(session: Session, moment: Moment, vertex: int) -> str:
    step = session.step(moment)
    made = step.made.get(vertex)
    row = step.rows[made] if made is not None else session.run.leaf(vertex)
    info = session.info(row.value) if row is not None else None
    return shape(info.shape) if info is not None else ""


def beside(session: Session, moment: Moment, options: Options, right: int, down: int) -> Moment:
    """Where the cursor is after a move to the next box in a direction; where it was, if there is none."""
    path = level_at(session, moment, options)
    level, layout = laid_out(session, moment, path, options.keep)
    here = level.box_at(session.row(moment))
    boxes = [node for node in level.nodes if node.rows]
    if here is None or not boxes:
        return _enter(session, moment, boxes[0]) if boxes else moment
    place = layout.places[here]

    def distance(node: Node) -> tuple[int, int]:
        other = layout.places[node.number]
        return abs(other.layer - place.layer), abs(other.middle - place.middle)

    ahead = [
        node for node in boxes
        if (down and (layout.places[node.number].layer - place.layer) * down > 0)
        or (right and layout.places[node.number].layer == place.layer
            and (layout.places[node.number].middle - place.middle) * right > 0)
    ]  # fmt: skip
    return _enter(session, moment, min(ahead, key=distance)) if ahead else moment


def _enter(session: Session, moment: Moment, node: Node) -> Moment:
    """The first row of a box in the phase of a moment, or its first row of all."""
    vertices = {row.vertex for row in node.rows}
    rows: list[Row] = session.step(moment).rows
    same = (row for row in rows if row.phase == moment.phase and _about(row) in vertices)
    row = next(same, None) if moment.phase == "bwd" else None
    row = row or node.rows[0]
    return Moment(moment.step, row.row, row.phase)


def _about(row: Row) -> int:
    return row.source if row.kind == "edge" and row.source is not None else row.vertex


def module_here(session: Session, moment: Moment, options: Options) -> str:
    """The module whose box has the cursor, or "" if that is an op."""
    level, _ = laid_out(session, moment, level_at(session, moment, options), options.keep)
    here = level.box_at(session.row(moment))
    return level.nodes[here].path if here is not None else ""


# ---- the tree --------------------------------------------------------------------------------------------------------


def tree_paths(session: Session, moment: Moment, options: Options) -> list[str]:
    """The modules that are lines of the tree: all that lie in no folded one."""

    def seen(path: str) -> bool:
        outer = path.rpartition(".")[0]
        return not path or enclosing(outer, options.folded) is None

    modules = session.modules(moment)
    below: dict[str, list[str]] = {}
    for path in modules:
        if path:
            below.setdefault(path.rpartition(".")[0], []).append(path)
    order, waiting = [], [""]
    while waiting:
        path = waiting.pop()
        order.append(path)
        waiting += reversed(below.get(path, []))
    return [path for path in order if seen(path)]


def tree_cursor(session: Session, moment: Moment, options: Options, paths: list[str]) -> int:
    """The line of the tree that a moment is in."""
    scope = session.lanes(moment.step, options.folded, options.keep).scopes[moment.row]
    known = set(paths)
    return paths.index(next(path for path in reversed(prefixes(scope)) if path in known))


def along(session: Session, moment: Moment, options: Options, down: int) -> Moment:
    """Where the cursor is after a move along the tree. A module that begins with another one inside it is passed: its
    first moment is that of the other one."""
    paths = tree_paths(session, moment, options)
    here = tree_cursor(session, moment, options, paths)
    modules, rows = session.modules(moment), session.step(moment).rows
    at = here + down
    while 0 <= at < len(paths):
        first = modules[paths[at]].first
        there = Moment(moment.step, first, rows[first].phase)
        if tree_cursor(session, there, options, paths) != here:
            return there
        at += down
    return moment


def _tree(session: Session, moment: Moment, options: Options, level: str, lines: int) -> tuple[TreeLine, ...]:
    paths = tree_paths(session, moment, options)
    cursor = tree_cursor(session, moment, options, paths)
    top = max(0, min(cursor - lines // 2, len(paths) - lines))
    modules = session.modules(moment)
    return tuple(
        _tree_line(session, moment, options, modules[path], path == paths[cursor], path == level)
        for path in paths[top : top + lines]
    )


def _tree_line(
    session: Session, moment: Moment, options: Options, module: Module, cursor: bool, opened: bool
) -> TreeLine:
    rows = session.step(moment).rows
    last = rows[module.last]
    state = "to come" if moment.row < module.first else "running" if moment.row < module.last else "done"
    statistics = session.statistics(last.value) if state == "done" and last.kind == "op" else None
    info = session.info(last.value) if last.kind == "op" else None
    fold = "" if not module.inner or not module.path else "folded" if module.path in options.folded else "open"
    sizes = [session.info(leaf.value) for v in module.parameters if (leaf := session.run.leaf(v)) is not None]
    first = rows[module.first]
    return TreeLine(
        path=module.path,
        name=module.path.rpartition(".")[2],
        depth=module.path.count(".") + bool(module.path),
        moment=str(Moment(moment.step, first.row, first.phase)),
        fold=fold,
        ops=module.ops,
        parameters=sum(info.size for info in sizes if info is not None),
        shape=info.shape if info is not None else None,
        state=state,
        mean=statistics.mean if statistics is not None else None,
        std=statistics.std if statistics is not None else None,
        gradient_norm=None if options.predict else _gradient_norm(session, moment, module),
        hidden=options.predict,
        cursor=cursor,
        opened=opened,
    )


def _gradient_norm(session: Session, moment: Moment, module: Module) -> float | None:
    """√Σ‖g‖² over the parameters of a module whose gradient is there at a moment."""
    found = [session.gradient_row(vertex, moment) for vertex in module.parameters]
    norms = [norm for row in found if row is not None and (norm := session.history.norm(row.value)) is not None]
    return math.hypot(*norms) if norms else None
