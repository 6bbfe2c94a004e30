"""Where everything of a picture goes: boxes of values, frames of modules, and the lines between them.

A module is laid out by itself and is then one box in the module around it; a line that enters or leaves goes through a
port in its frame. Inputs and ops are boxes. Parameters and constants are a line of text in the box that reads them, and
so is a value from more than `REACH` layers away (`↑ tanh`): lines across the whole picture would hide it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .layered import Bend, Edge, Item, layers_of, lowered, ordered, places
from .model import CONSTANT, INPUT, OP, Node, Picture
from .modules import Group, modules

REACH = 12
"""A value that is read more layers away is named where it is read, instead of drawn."""
CHARACTER, LINE = 7.25, 16.0
"""The width of a character and the height of a line, in the font of the drawing."""
SMALL = 6.1
"""The width of a character of small print."""
PAD, GAP, RISE, TITLE = 10.0, 18.0, 34.0, 20.0
MOST_LINES, MOST_CHARACTERS = 7, 34


class Port(NamedTuple):
    """Where the line of a value passes the frame of a module."""

    value: int
    leaves: bool


class Call(NamedTuple):
    """A module as an item of the module around it."""

    number: int


@dataclass
class Box:
    """A value: its lines of text, and its place (middle and top)."""

    node: Node
    lines: list[str]
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0


@dataclass
class Frame:
    """A module: left, top, width and height."""

    name: str
    path: str
    x: float
    y: float
    width: float
    height: float


@dataclass
class Wire:
    """The line of a value: curves (x, y of the start, y where the curve begins, where it ends, x and y of the end)."""

    value: int
    curves: list[tuple[float, float, float, float, float, float]] = field(default_factory=list)
    tips: list[tuple[float, float, str]] = field(default_factory=list)
    """Where it ends, and which operand it is there, if that is not clear from the order from left to right."""


@dataclass
class Drawing:
    """A picture with places."""

    picture: Picture
    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    wires: dict[int, Wire] = field(default_factory=dict)

    def wire(self, value: int) -> Wire:
        return self.wires.setdefault(value, Wire(value))

    def move(self, dx: float, dy: float) -> None:
        """Shift everything."""
        for box in self.boxes:
            box.x, box.y = box.x + dx, box.y + dy
        for frame in self.frames:
            frame.x, frame.y = frame.x + dx, frame.y + dy
        for wire in self.wires.values():
            wire.curves = [(a + dx, b + dy, c + dy, d + dy, e + dx, f + dy) for a, b, c, d, e, f in wire.curves]
            wire.tips = [(x + dx, y + dy, mark) for x, y, mark in wire.tips]

    def take(self, other: Drawing) -> None:
        """Put what another drawing has into this one."""
        self.boxes += other.boxes
        self.frames += other.frames
        for value, wire in other.wires.items():
            self.wire(value).curves += wire.curves
            self.wire(value).tips += wire.tips


class Rows:
    """Where layers lie from top to bottom: each as high as its highest item, with room for lines between."""

    def __init__(self, layers: list[list[Item]], height: dict[Item, float], framed: bool) -> None:
        ports = [any(type(item) is Port for item in items) for items in layers] or [False]
        self.top: list[float] = []
        self.bottom: list[float] = []
        self.level = {item: number for number, items in enumerate(layers) for item in items}
        self.upper: dict[Item, float] = {}
        """The upper edge of each item; a bend goes through the whole layer, others stand in the middle."""
        self.lower: dict[Item, float] = {}
        y = TITLE if framed and not ports[0] else 0.0
        for items in layers:
            tall = max((height.get(item, 0.0) for item in items), default=0.0)
            for item in items:
                slack = 0.0 if type(item) is Bend else (tall - height.get(item, 0.0)) / 2
                self.upper[item], self.lower[item] = y + slack, y + tall - slack
            self.top.append(y)
            self.bottom.append(y + tall)
            y += tall + RISE
        self.end = (self.bottom[-1] if layers else 0.0) + (PAD if framed and not ports[-1] else 0.0)


def bounds(layers: list[list[Item]], x: dict[Item, float], width: dict[Item, float], title: str) -> tuple[float, float]:
    """Left and right of a module, with room for its title; without one, there is no frame."""
    margin = PAD if title else 0.0
    left = min((x[item] - width[item] / 2 for items in layers for item in items), default=0.0) - margin
    right = max((x[item] + width[item] / 2 for items in layers for item in items), default=0.0) + margin
    missing = max(0.0, len(title) * SMALL + 2 * PAD - (right - left)) / 2
    return left - missing, right + missing


def lay_out(picture: Picture) -> Drawing:
    """A drawing of a picture."""
    return Layout(picture).drawing()


class Layout:
    """Lays out a picture, module by module."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.nodes = picture.nodes
        self.root = modules(picture)
        self.drawn = {node.key for node in self.nodes if node.kind in (OP, INPUT)}
        self.drawn |= {key for key in picture.outputs if self.nodes[key].kind == OP}
        self.chain: dict[int, tuple[Group, ...]] = {}
        """The modules around each node, from the outermost in."""
        self.groups: dict[int, Group] = {}
        self.visit()
        self.edges: dict[int, dict[Edge, None]] = {number: {} for number in self.groups}
        self.spans: dict[int, dict[Item, int]] = {}
        self.far: dict[int, list[int]] = {}
        """Values that are named at a node instead of drawn."""
        self.connect()
        self.results: dict[int, list[str]] = {}
        for key in picture.outputs:
            self.results.setdefault(key, []).append("⇒ returned")
        for leaf, new in picture.updates:
            self.results.setdefault(new, []).append(f"⇒ {self.nodes[leaf].name}")

    def visit(self) -> None:
        """Find out which modules are around what."""
        stack: list[tuple[Group, tuple[Group, ...]]] = [(self.root, (self.root,))]
        while stack:
            group, chain = stack.pop()
            self.groups[group.number] = group
            for member in group.members:
                if isinstance(member, Group):
                    stack.append((member, (*chain, member)))
                else:
                    self.chain[member] = chain

    def items(self, group: Group) -> list[Item]:
        """What is to be placed in a module, in a topological order."""
        return [Call(member.number) if isinstance(member, Group) else member for member in group.members
                if isinstance(member, Group) or member in self.drawn]

    def item(self, key: int, depth: int) -> Item:
        """A node as seen from the module at that depth of its chain: itself, or the module that holds it."""
        chain = self.chain[key]
        return Call(chain[depth + 1].number) if depth + 1 < len(chain) else key

    def connect(self) -> None:
        """Decide for each operand whether a line is drawn, and through which ports."""
        pairs = [(source, node.key) for node in self.nodes if node.key in self.drawn
                 for source in dict.fromkeys(node.inputs) if source in self.drawn]
        met = {pair: self.meeting(*pair) for pair in pairs}
        inner: dict[int, list[tuple[Item, Item]]] = {number: [] for number in self.groups}
        for (source, reader), depth in met.items():
            inner[self.chain[source][depth].number].append((self.item(source, depth), self.item(reader, depth)))
        for number, group in self.groups.items():
            self.spans[number] = layers_of(self.items(group), inner[number])
        held: dict[int, set[Item]] = {number: set() for number in self.groups}
        for (source, reader), depth in met.items():
            if self.distance(source, reader, depth) <= REACH:
                for level in range(depth, len(self.chain[reader])):
                    held[self.chain[reader][level].number].add(self.item(reader, level))
        for number, edges in inner.items():  # what only reads from afar stands by its own reader
            self.spans[number] = lowered(self.spans[number], edges, held[number])
        for (source, reader), depth in met.items():
            if self.distance(source, reader, depth) > REACH:
                self.far.setdefault(reader, []).append(source)
            else:
                self.draw_line(source, reader, depth)

    def meeting(self, a: int, b: int) -> int:
        """The depth of the innermost module around both."""
        depth = 0
        for x, y in zip(self.chain[a], self.chain[b], strict=False):
            if x is not y:
                break
            depth += 1
        return depth - 1

    def distance(self, source: int, reader: int, depth: int) -> int:
        """How many layers a line would cross, those of the modules it leaves and enters included."""
        common = self.chain[source][depth].number
        total = self.spans[common][self.item(reader, depth)] - self.spans[common][self.item(source, depth)]
        for level in range(depth + 1, len(self.chain[source])):
            layers = self.spans[self.chain[source][level].number]
            total += max(layers.values()) - layers[self.item(source, level)]
        for level in range(depth + 1, len(self.chain[reader])):
            total += self.spans[self.chain[reader][level].number][self.item(reader, level)]
        return total

    def draw_line(self, source: int, reader: int, depth: int) -> None:
        """Note the pieces of a line: out of modules, across, into modules."""
        for level in range(depth + 1, len(self.chain[source])):
            edges = self.edges[self.chain[source][level].number]
            edges[Edge(source, self.item(source, level), Port(source, True))] = None
        for level in range(depth + 1, len(self.chain[reader])):
            edges = self.edges[self.chain[reader][level].number]
            edges[Edge(source, Port(source, False), self.item(reader, level))] = None
        edges = self.edges[self.chain[source][depth].number]
        edges[Edge(source, self.item(source, depth), self.item(reader, depth))] = None

    # ---- placing -----------------------------------------------------------------------------------------------------

    def drawing(self) -> Drawing:
        """The whole picture."""
        answer = self.arranged(self.root, "")[0]
        answer.move(PAD, PAD)
        answer.width, answer.height = answer.width + 2 * PAD, answer.height + 2 * PAD
        return answer

    def arranged(self, group: Group, path: str) -> tuple[Drawing, dict[Port, float]]:
        """A module with everything in it, its corner at (0, 0), and where its ports are."""
        inner: dict[Item, tuple[Drawing, dict[Port, float]]] = {}
        for member in group.members:
            if isinstance(member, Group):
                inner[Call(member.number)] = self.arranged(member, f"{path}.{member.name}".strip("."))
        boxes = {key: self.box(self.nodes[key]) for key in self.items(group) if isinstance(key, int)}
        edges = [self.fixed(edge, inner) for edge in self.edges[group.number]]
        layer = self.layers_with_ports(group, edges)
        width: dict[Item, float] = dict.fromkeys(layer, 8.0)
        width |= {key: self.room(box) for key, box in boxes.items()}
        width |= {item: drawing.width for item, (drawing, _) in inner.items()}
        answer = ordered(layer, edges, width)
        width |= {item: 8.0 for items in answer.layers for item in items if type(item) is Bend}
        x = places(answer, width, GAP)
        height: dict[Item, float] = {key: box.height for key, box in boxes.items()}
        height |= {item: drawing.height for item, (drawing, _) in inner.items()}
        left, right = bounds(answer.layers, x, width, group.name if path else "")
        x = {item: place - left for item, place in x.items()}
        rows = Rows(answer.layers, height, framed=bool(path))
        whole = Drawing(self.picture, right - left, rows.end)
        if path:
            whole.frames.append(Frame(group.name, path, 0.0, 0.0, whole.width, whole.height))
        for edge, start, stop, mark in spread(answer.edges, x, boxes):
            above, below = rows.level[edge.above], rows.level[edge.below]
            begin = rows.upper[edge.above] if type(edge.above) is Bend else rows.lower[edge.above]
            whole.wire(edge.value).curves.append(
                (start, begin, rows.bottom[above], rows.top[below], stop, rows.upper[edge.below]))
            if isinstance(edge.below, int):
                whole.wire(edge.value).tips.append((stop, rows.upper[edge.below], mark))
        for key, box in boxes.items():
            box.x, box.y = x[key], rows.upper[key]
            whole.boxes.append(box)
        for item, (drawing, _) in inner.items():
            drawing.move(x[item] - drawing.width / 2, rows.upper[item])
            whole.take(drawing)
        return whole, {item: x[item] for items in answer.layers for item in items if type(item) is Port}

    def layers_with_ports(self, group: Group, edges: list[Edge]) -> dict[Item, int]:
        """The layers of a module; ports to enter by are above all others, ports to leave by below."""
        layer = dict(self.spans[group.number])
        last = max(layer.values(), default=0)
        ports = dict.fromkeys(item for edge in edges for item in (edge.above, edge.below) if type(item) is Port)
        for port in ports:
            layer[port] = last + 1 if port.leaves else -1
        if any(not port.leaves for port in ports):
            layer = {item: number + 1 for item, number in layer.items()}
        return layer

    @staticmethod
    def fixed(edge: Edge, inner: dict[Item, tuple[Drawing, dict[Port, float]]]) -> Edge:
        """A line with the places of the ports it goes to."""
        out = into = 0.0
        if edge.above in inner:
            drawing, ports = inner[edge.above]
            out = ports[Port(edge.value, True)] - drawing.width / 2
        if edge.below in inner:
            drawing, ports = inner[edge.below]
            into = ports[Port(edge.value, False)] - drawing.width / 2
        return edge._replace(out=out, into=into)

    # ---- boxes -------------------------------------------------------------------------------------------------------

    def box(self, node: Node) -> Box:
        """The box of a value, with what is written in it."""
        title = node.name if node.kind != OP else f"{node.vertex.name} = {node.op}" if node.vertex.name else node.op
        lines = [title]
        if node.settings:
            lines.append(node.settings)
        lines += self.leaves(node)
        lines += [f"↑ {self.nodes[key].name} {self.nodes[key].shape}" for key in self.far.get(node.key, ())]
        lines += self.results.get(node.key, [])
        if len(lines) > MOST_LINES:
            lines = [*lines[:MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]
        lines = [line if len(line) <= MOST_CHARACTERS else line[:MOST_CHARACTERS - 1] + "…" for line in lines]
        widths = [len(lines[0]) * CHARACTER, *(len(line) * SMALL for line in lines[1:])]
        return Box(node, lines, width=max(44.0, max(widths) + 16.0), height=8.0 + LINE * len(lines))

    def leaves(self, node: Node) -> Iterator[str]:
        """The parameters and constants that are written in the box of their reader: `(1, ·)`, `weight 16×2`."""
        inside = [self.nodes[key] for key in dict.fromkeys(node.inputs) if key not in self.drawn]
        if len(inside) == 1 and len(node.inputs) == 2 and inside[0].kind == CONSTANT and inside[0].vertex.size == 1:
            yield f"({', '.join('·' if key in self.drawn else self.nodes[key].name for key in node.inputs)})"
            return
        for leaf in inside:
            name = leaf.name.removeprefix(f"{node.scope}.")
            yield name if leaf.kind == CONSTANT and leaf.vertex.size == 1 else f"{name} {leaf.shape}"

    @staticmethod
    def room(box: Box) -> float:
        """The width to keep free: the box, and the shape that is written at its line."""
        return max(box.width, 2.0 * (len(box.node.shape) * SMALL + 6.0))


def spread(edges: list[Edge], x: dict[Item, float], boxes: dict[int, Box]) -> Iterator[tuple[Edge, float, float, str]]:
    """Lines with their ends and marks: those into one box arrive side by side, in the order in which they come."""
    coming: dict[Item, list[Edge]] = {}
    for edge in edges:
        coming.setdefault(edge.below, []).append(edge)
    for item, arriving in coming.items():
        arriving.sort(key=lambda edge: x[edge.above] + edge.out)
        if not isinstance(item, int):
            yield from ((edge, x[edge.above] + edge.out, x[item] + edge.into, "") for edge in arriving)
            continue
        room = min(boxes[item].width - 24.0, 26.0 * len(arriving))
        operands = boxes[item].node.inputs
        turned = [edge.value for edge in arriving] != sorted((edge.value for edge in arriving), key=operands.index)
        for number, edge in enumerate(arriving):
            place = x[item] + ((number + 0.5) / len(arriving) - 0.5) * room
            mark = ",".join(str(k) for k, key in enumerate(operands, 1) if key == edge.value) if turned else ""
            yield edge, x[edge.above] + edge.out, place, mark
