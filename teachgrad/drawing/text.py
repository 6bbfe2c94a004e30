"""A graph as text: a tree from the results back to the inputs, or numbered steps in the order of computation.

In the tree, the main path runs straight down: of the operands of an op, the one with the most behind it continues on
the next line, written `·`; the others branch off before it, written `├`. So no tree is indented deeper than the
logarithm of its size. A value that is read more than once has a number, `#3`, and a paragraph of its own. Leaves stand
in the line of the op that reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .folding import Line, fold, split_numbers
from .model import CONSTANT, INPUT, OP, PARAMETER, Node, Picture

NOTES = 84
"""Notes stand in this column at most."""


def text(picture: Picture, order: bool = False) -> str:
    """The picture as lines, and below it the bodies of its loops and branches."""
    lines = [*header(picture), *(steps(picture) if order else Tree(picture).lines())]
    return "\n\n".join(["\n".join(folded(lines)), *(text(body, order) for body in picture.bodies)])


def folded(lines: list[Line]) -> Iterator[str]:
    """The lines with their notes, and with repetitions marked at the side."""
    blocks = list(fold(lines))
    margin = "  " if any(block.times > 1 for block in blocks) else ""
    column = min(NOTES, max((len(line.text) for block in blocks for line in block.lines if line.note), default=0))

    def whole(line: Line) -> str:
        return f"{line.text:<{column}}  {line.note}" if line.note else line.text

    for block in blocks:
        if block.times == 1:
            yield from (margin + whole(line) for line in block.lines)
        elif len(block.lines) == 1:
            yield f"× {whole(block.lines[0])}  ×{block.times}"
        else:
            yield f"╭ ×{block.times}"
            yield from (f"│ {whole(line)}" for line in block.lines)
            yield "╰"


def header(picture: Picture) -> Iterator[Line]:
    """The name with the inputs, and the parameters."""
    inputs = ", ".join(f"{node.name}: {node.spec}" for node in picture.nodes if node.kind == INPUT)
    title = f"{picture.name}({inputs})"
    yield Line(title, title, ())
    for node in picture.nodes:
        if node.kind == PARAMETER or (node.kind == CONSTANT and node.vertex.size != 1):
            form, numbers = split_numbers(node.name)
            yield Line(f"  {node.kind} {node.name}: {node.spec}", (node.kind, form, node.spec), numbers)


def note(node: Node) -> str:
    """The user's line and the module, to stand at the right."""
    return "  ".join(part for part in (node.where, node.scope and f"in {node.scope}") if part)


def call(node: Node, operands: list[str]) -> str:
    """`matmul(·, fc1.weight): float32[5, 16]`."""
    if node.kind != OP:
        return f"{node.name}: {node.spec}"
    inside = ", ".join([*operands, *([node.settings] if node.settings else [])])
    freed = "" if node.inputs or node.vertex.inputs or not node.vertex.requires_grad else "  (history freed)"
    return f"{node.op}({inside}): {node.spec}{freed}"


def compared(operand: str, node: Node) -> tuple[str, tuple[int, ...]]:
    """What of an operand must be equal in a repetition, and what may count on. A number that was written may not."""
    number = node.kind == CONSTANT and node.vertex.size == 1
    return (operand, ()) if number else split_numbers(operand)


class Tree:
    """Writes the tree of a picture."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.nodes = picture.nodes
        readers = picture.readers
        results = Counter([*picture.outputs, *(new for _, new in picture.updates)])
        shared = [node.key for node in self.nodes
                  if node.kind == OP and len(readers[node.key]) + results[node.key] > 1]
        self.number = {key: number for number, key in enumerate(shared, 1)}
        self.weight: dict[int, int] = {}
        for node in self.nodes:
            self.weight[node.key] = 1 + sum(self.weight[k] for k in self.branches(node))

    def branches(self, node: Node) -> list[int]:
        """The operands that are written below the op: ops that nothing else reads."""
        return [k for k in node.inputs if self.nodes[k].kind == OP and k not in self.number]

    def lines(self) -> Iterator[Line]:
        """All paragraphs: the results, the updates, then the shared values, the youngest first."""
        for key in self.picture.outputs:
            yield from self.paragraph("return ", "return", (), key)
        for leaf, new in self.picture.updates:
            form, numbers = split_numbers(self.nodes[leaf].name)
            yield from self.paragraph(f"{self.nodes[leaf].name} <- ", ("update", form), numbers, new)
        for key, number in reversed(self.number.items()):
            yield from self.expanded(f"#{number} = ", "shared", (number,), key)

    def paragraph(self, label: str, form: object, numbers: tuple[int, ...], key: int) -> Iterator[Line]:
        """A result: what computes it, or the number or name under which that stands elsewhere."""
        node = self.nodes[key]
        if key in self.number:
            yield Line(f"{label}#{self.number[key]}", (form, "shared"), (*numbers, self.number[key]))
        elif node.kind != OP:
            name, more = split_numbers(node.name)
            yield Line(f"{label}{node.name}", (form, name), (*numbers, *more))
        else:
            yield from self.expanded(label, form, numbers, key)

    def expanded(self, label: str, form: object, numbers: tuple[int, ...], key: int) -> Iterator[Line]:
        """An op with all that is only there for it."""
        stack: list[tuple[int, str, str]] = [(key, label, "  ")]
        while stack:
            key, first, rest = stack.pop()
            node = self.nodes[key]
            branches = self.branches(node)
            straight = max(branches, key=lambda k: (self.weight[k], k), default=None)
            operands, facts, counts = [], [], list(numbers)
            for k in node.inputs:
                operand = "·" if k == straight else "├" if k in branches else self.reference(k)
                operands.append(operand)
                fact, more = compared(operand, self.nodes[k])
                facts.append(fact)
                counts += more
            own = f"{node.vertex.name} = " if node.vertex.name and not first.endswith(("= ", "<- ")) else ""
            scope, more = split_numbers(node.scope)
            yield Line(first + own + call(node, operands),
                       (form, rest, node.op, tuple(facts), node.settings, node.spec, node.where, scope),
                       (*counts, *more), note(node))
            form, numbers = "", ()
            if straight is not None:
                stack.append((straight, rest, rest))
            stack += [(k, rest + "├─ ", rest + "│  ") for k in reversed(branches) if k != straight]

    def reference(self, key: int) -> str:
        """How a value that does not stand below is written."""
        return f"#{self.number[key]}" if key in self.number else self.nodes[key].name


def steps(picture: Picture) -> Iterator[Line]:
    """The ops in the order of computation, each with its place in the arena and what it is written over."""
    number = {node.key: n for n, node in enumerate((node for node in picture.nodes if node.kind == OP), 1)}
    width = len(str(len(number)))
    by_vertex = {slot.vertex: key for key, slot in picture.slots.items()}

    def reference(key: int) -> str:
        return f"%{number[key]}" if key in number else picture.nodes[key].name

    for key, n in number.items():
        node = picture.nodes[key]
        operands = [reference(k) for k in node.inputs]
        slot = picture.slots.get(key)
        place = "" if slot is None else f"  @{slot.offset}" + (
            f" over %{number[by_vertex[slot.in_place_of]]}" if slot.in_place_of is not None else "")
        own = f" {node.vertex.name}" if node.vertex.name else ""
        facts, counts = [], [n]
        for operand, k in zip(operands, node.inputs, strict=True):
            fact, more = compared(operand, picture.nodes[k])
            facts.append(fact)
            counts += more
        scope, more = split_numbers(node.scope)
        line = f"{'%' + str(n):>{width + 1}}{own} = {call(node, operands)}{place}"
        in_place = slot is not None and slot.in_place_of is not None
        yield Line(line, (node.op, tuple(facts), node.settings, node.spec, node.where, scope, slot is None, in_place),
                   (*counts, *more), note(node))
    for leaf, new in picture.updates:
        form, numbers = split_numbers(picture.nodes[leaf].name)
        to, more = split_numbers(reference(new))
        yield Line(f"{picture.nodes[leaf].name} <- {reference(new)}", (form, to), (*numbers, *more))
    yield Line(f"return {', '.join(reference(key) for key in picture.outputs)}", "return", ())
