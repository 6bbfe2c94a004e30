"""The Map screen as lines of text."""

from __future__ import annotations

from typing import Protocol

from ..canvas import Canvas, cell_width
from ..channel import DOWN, LEFT, RIGHT, UP, Stretch, sides
from ..levels import MODULE, OUTSIDE
from ..numbers import number, shape, spoken
from ..views.map import BoxView, MapView, TreeLine
from ..views.options import Options
from .panes import Part, array_part, stack

PANES = ("boxes", "modules", "value")
SIDE_BY_SIDE = 72
Grid = dict[tuple[int, int], tuple[str, str]]


class Boxes(Protocol):
    """What can be drawn as boxes with lines between them."""

    @property
    def boxes(self) -> tuple[BoxView, ...]: ...

    @property
    def lines(self) -> tuple[Stretch, ...]: ...


def map_height(height: int) -> int:
    """How many lines of the tree a body of this height shows."""
    return max(1, height - 3)


def draw_map(canvas: Canvas, view: MapView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    focus = PANES[options.pane % len(PANES)]
    parts = {"modules": _tree_part(view, focus == "modules"), "value": array_part(view.value, canvas.width)}
    if options.zoom or canvas.width < SIDE_BY_SIDE or height < 9:
        if focus == "boxes":
            _draw_boxes(canvas, view, 0, y, canvas.width, height, True)
        else:
            stack(canvas, 0, y, canvas.width, height, [parts[focus]], 0)
        return
    side = min(70, max(30, canvas.width * 3 // 8))
    _draw_boxes(canvas, view, 0, y, canvas.width - side, height, focus == "boxes")
    shown = list(parts.values()) if height >= 14 else [parts["modules"]]
    at = list(parts).index(focus) if focus in parts else -1
    stack(canvas, canvas.width - side, y, side, height, shown, min(at, len(shown) - 1))


# ---- boxes -----------------------------------------------------------------------------------------------------------


def _draw_boxes(canvas: Canvas, view: MapView, x: int, y: int, width: int, height: int, focus: bool) -> None:
    """The part of the map around the cursor, in a frame."""
    inner_width, inner_height = width - 4, height - 2
    here = next((box for box in view.boxes if box.cursor), None)
    left = _window(here.x + here.width // 2 if here else 0, inner_width, view.width)
    top = _window(here.y + 1 if here else 0, inner_height, view.height)
    more = "".join(
        sign for sign, there in (
            ("←", left > 0), ("→", left + inner_width < view.width),
            ("↑", top > 0), ("↓", top + inner_height < view.height),
        ) if there
    )  # fmt: skip
    notes = [f"section {view.section + 1} of {view.sections}"] if view.sections > 1 else []
    notes += [view.kept] if view.kept else []
    notes += [view.note] if view.note else []
    notes += [f"more {more}"] if more else []
    title = f"inside {view.level}" if view.level else "map"
    canvas.box(x, y, width, height, title, ", ".join(notes))
    if focus:
        canvas.put(x + 2, y, f" {title} ", "focus", width - 4)
    grid = grid_of(canvas, view)
    dx, dy = x + 2 - left, y + 1 - top
    for (column, row), (mark, style) in grid.items():
        end = column + max(1, cell_width(mark))
        if left <= column and end <= left + inner_width and top <= row < top + inner_height:
            canvas.put(column + dx, row + dy, mark, style)
    for box in view.boxes:
        for row in range(max(top, box.y), min(top + inner_height, box.y + 3)):
            if box.moment and left <= box.x and box.x + box.width <= left + inner_width:
                canvas.link(box.x + dx, row + dy, box.width, box.moment)
    if here is not None and top <= here.y + 1 < top + inner_height and here.x + dx + 2 < x + width:
        canvas.cursor = (max(x + 2, here.x + dx + 2), here.y + 1 + dy)


def _window(middle: int, size: int, whole: int) -> int:
    """Where to begin so that `middle` is in the middle, as far as the ends allow; what is smaller stands centred."""
    if whole <= size:
        return -((size - whole) // 2)
    return max(0, min(middle - size // 2, whole - size))


def grid_of(canvas: Canvas, view: Boxes) -> Grid:
    """All cells of the map: lines, the names of values beside them, boxes."""
    g = canvas.glyphs
    grid: Grid = {}
    bits: dict[tuple[int, int], dict[int, int]] = {}
    for stretch in view.lines:
        for column, row, to in sides(stretch):
            cell = bits.setdefault((column, row), {})
            cell[stretch.value] = cell.get(stretch.value, 0) | to
    for place, values in bits.items():
        # Where the lines of two values cross, the one that runs across is broken: what is joined is one value.
        to = next(iter(values.values())) if len(values) == 1 else UP | DOWN
        grid[place] = g.wires[to], "rule"
    for box in view.boxes:
        for column, text in box.shapes:
            _write(canvas, grid, column + 2, box.y + 3, text)
    for box in view.boxes:
        _draw_box(canvas, grid, box)
    return grid


def _write(canvas: Canvas, grid: Grid, column: int, row: int, text: str) -> None:
    """Text where nothing is yet, or not at all."""
    if all((column + i, row) not in grid for i in range(-1, len(text) + 1)):
        grid.update({(column + i, row): (mark, "dim") for i, mark in enumerate(text)})


def _draw_box(canvas: Canvas, grid: Grid, box: BoxView) -> None:
    """A box. One that is still to come has a dotted frame, the one with the cursor a heavy one and a mark."""
    g = canvas.glyphs
    right, bottom = box.x + box.width - 1, box.y + 2
    look = "cursor" if box.cursor else "future" if box.future else "frame"
    text = canvas.text_of("  ".join(part for part in (box.name, box.what) if part))
    mark = g.cursor if box.cursor else g.fold if box.kind == MODULE else g.leaf if box.kind == "input" else " "
    if box.kind == OUTSIDE:
        mark = "↑"
    else:
        corners, across, down = _frame(canvas, box)
        for column in range(box.x + 1, right):
            grid[column, box.y] = across, look
            grid[column, bottom] = across, look
        grid |= {(box.x, box.y + 1): (down, look), (right, box.y + 1): (down, look)}
        ends = ((box.x, box.y), (right, box.y), (box.x, bottom), (right, bottom))
        grid |= {place: (corner, look) for place, corner in zip(ends, corners, strict=True)}
        grid |= {(column, box.y): (g.wires[LEFT | RIGHT | UP], look) for column in box.ins}
        grid |= {(column, bottom): (g.wires[LEFT | RIGHT | DOWN], look) for column, _ in box.shapes}
    style = "future" if box.future else "label"
    column = box.x + 2
    grid[column, box.y + 1] = mark, "cursor" if box.cursor else "node-fold" if box.kind == MODULE else style
    column += 2
    for character in text:
        size = cell_width(character)
        if column + size > right - 1 + (box.kind == OUTSIDE):
            grid[right - 2, box.y + 1] = g.ellipsis, style
            break
        grid[column, box.y + 1] = character, style
        column += size
    if box.cursor:
        for column in range(box.x + 1, right):
            mark, style = grid.get((column, box.y + 1), (" ", ""))
            grid[column, box.y + 1] = mark, f"{style} cursor-row".strip()


def _frame(canvas: Canvas, box: BoxView) -> tuple[str, str, str]:
    """The corners of a frame, its horizontal and its vertical."""
    start = 12 if box.cursor else 6 if box.future else 0
    signs = canvas.glyphs.frames[start : start + 6]
    return signs[:4], signs[4], signs[5]


# ---- the tree --------------------------------------------------------------------------------------------------------


def _tree_part(view: MapView, focus: bool) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        _draw_tree(canvas, x, y, width, height, view, focus)

    return Part("modules", "- folds", 4, len(view.tree) + 1, draw, greedy=False)


def _draw_tree(canvas: Canvas, x: int, y: int, width: int, height: int, view: MapView, focus: bool) -> None:
    """A line for each module, with the columns for which there is room."""
    columns = [("value", 15, _value), ("‖∂‖", 8, _gradient)] if width >= 40 else [("value", 13, _value)]
    if width >= 60:
        columns = [("parameters", 11, _parameters), ("shape", 12, _shape), *columns]
    elif width >= 48:
        columns = [("parameters", 11, _parameters), *columns]
    elif width < 40 and any(line.gradient_norm is not None or line.hidden for line in view.tree):
        columns = [("‖∂‖", 8, _gradient)]
    names = width - sum(size for _, size, _ in columns)
    canvas.put(x + 2, y, "module", "dim", names - 2)
    end = x + names
    for title, size, _ in columns:
        end += size
        canvas.right(end, y, title, "dim")
    at = next((i for i, line in enumerate(view.tree) if line.cursor), 0)
    shown = height - 1
    top = max(0, min(at - shown // 2, len(view.tree) - shown))
    for row, line in enumerate(view.tree[top : top + max(0, shown)], y + 1):
        g = canvas.glyphs
        style = "future" if line.state == "to come" else "label"
        fold = g.fold if line.fold == "folded" else "▾" if line.fold == "open" else " "
        indent = min((2 if names >= 20 else 1) * line.depth, max(0, names - 8))
        canvas.put(x, row, g.cursor if line.cursor else " ", "cursor")
        name = line.name or "all"
        canvas.put(x + 2 + indent, row, f"{fold} {name}", style, names - 2 - indent)
        canvas.link(x, row, width, line.moment)
        end = x + names
        for _, size, text in columns:
            end += size
            canvas.right(end, row, *text(canvas, line))
        if line.cursor:
            canvas.paint(row, "cursor-row", x, width)
            if focus:
                canvas.cursor = (x, row)


def _value(canvas: Canvas, line: TreeLine) -> tuple[str, str]:
    if line.state != "done":
        return line.state, "future" if line.state == "to come" else "dim"
    if line.mean is None or line.std is None:
        return shape(line.shape) if line.shape is not None else "", "dim"
    return f"{number(line.mean, 2)} ± {number(line.std, 2)}", "number"


def _gradient(canvas: Canvas, line: TreeLine) -> tuple[str, str]:
    if line.hidden and line.parameters:
        return "?", "hidden"
    return (number(line.gradient_norm, 3), "number") if line.gradient_norm is not None else ("", "dim")


def _parameters(canvas: Canvas, line: TreeLine) -> tuple[str, str]:
    return spoken(line.parameters) if line.parameters else "", "number"


def _shape(canvas: Canvas, line: TreeLine) -> tuple[str, str]:
    return shape(line.shape) if line.shape is not None else "", "dim"
