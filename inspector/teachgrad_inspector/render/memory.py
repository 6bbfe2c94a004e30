"""The Memory screen as lines of text."""

from __future__ import annotations

from ..canvas import Canvas, cell_width, clip
from ..numbers import nbytes, percent, si
from ..views.memory import Block, Candidate, Held, MemoryView, Total
from ..views.options import Options
from ..views.train import Curve
from .panes import Part, draw_text, source_part, stack
from .plots import draw_curve
from .rails import COLOURS

PANES = ("arena", "bytes", "held", "what if", "source")
SIDE_BY_SIDE = 72
GUTTER = 8
"""Cells at the left for offsets."""
MODES = {"plan": "plan", "dynamic": "dynamic mode"}


def draw_memory(canvas: Canvas, view: MemoryView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    left = {"arena": _arena_part(view), "bytes": _bytes_part(view)}
    right = {"held": _held_part(view), "what if": _what_if_part(view)}
    if view.source is not None:
        right["source"] = source_part(view.source)
    focus = PANES[options.pane % len(PANES)]
    parts = left | right
    if focus not in parts:
        focus = "arena"
    if options.zoom or canvas.width < SIDE_BY_SIDE or height < 9:
        if options.zoom or height < 16:
            stack(canvas, 0, y, canvas.width, height, [parts[focus]], 0)
        else:
            shown = {focus: parts[focus], "arena": parts["arena"], "held": parts["held"]}
            stack(canvas, 0, y, canvas.width, height, list(shown.values()), 0)
        return
    side = max(34, min(72, canvas.width * 2 // 5))
    for x, width, column in ((0, canvas.width - side, left), (canvas.width - side, side, right)):
        at = list(column).index(focus) if focus in column else -1
        stack(canvas, x, y, width, height, list(column.values()), at)


# ---- the map ---------------------------------------------------------------------------------------------------------


def _arena_part(view: MemoryView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        _draw_arena(canvas, x, y, width, height, view)

    if view.mode == "plan":
        title = f"arena {nbytes(view.arena)}, by the plan"
    else:
        title = "memory in dynamic mode"
    note = f"{view.left_out} small ones left out" if view.left_out else ""
    return Part(title, note, 4, 200, draw, greedy=True)


def _draw_arena(canvas: Canvas, x: int, y: int, width: int, height: int, view: MemoryView) -> None:
    """Offsets from the bottom up, rows of the training step from left to right."""
    if not view.blocks:
        draw_text(canvas, x, y, width, height, view.note or "this training step takes no memory", "dim")
        return
    grid = Grid(canvas, x + GUTTER, y, width - GUTTER, height - 1, view)
    canvas.right(grid.x - 1, y, nbytes(view.extent), "dim")
    canvas.right(grid.x - 1, y + grid.height - 1, "0", "dim")
    if 0 < view.arena < view.extent:
        canvas.right(grid.x - 1, grid.line(view.arena), nbytes(view.arena), "dim")
    for number, block in sorted(enumerate(view.blocks), key=lambda item: -item[1].bytes):
        grid.fill(block, number)
    grid.rule()
    for number, block in enumerate(view.blocks):
        grid.name(block, number)
    _draw_axis(canvas, grid, view)


class Grid:
    """Cells for offsets and rows."""

    def __init__(self, canvas: Canvas, x: int, y: int, width: int, height: int, view: MemoryView) -> None:
        self.canvas, self.view = canvas, view
        self.x, self.y, self.width, self.height = x, y, max(1, width), max(1, height)
        self.owner = [[-1] * (x + self.width) for _ in range(self.y + self.height)]
        """The number of the block that is to be seen in a cell, line by line."""

    def column(self, row: int) -> int:
        """Where a row begins."""
        return row * self.width // max(1, self.view.rows)

    def level(self, offset: int) -> int:
        """How many lines from the bottom an offset lies."""
        return offset * self.height // max(1, self.view.extent)

    def line(self, offset: int) -> int:
        """The line of the screen above which what begins at an offset is drawn."""
        return self.y + self.height - 1 - min(self.height - 1, self.level(offset))

    def rectangle(self, block: Block) -> tuple[int, int, int, int]:
        """The first and the last column and line of a block."""
        left, right = self.column(block.first), max(self.column(block.first), self.column(block.last + 1) - 1)
        low = min(self.height - 1, self.level(block.offset))
        high = max(low, min(self.height, self.level(block.offset + block.bytes)) - 1)
        return self.x + left, self.x + right, self.y + self.height - 1 - high, self.y + self.height - 1 - low

    def fill(self, block: Block, number: int) -> None:
        left, right, top, bottom = self.rectangle(block)
        mark = self.canvas.glyphs.heat[1 + number % 3]
        style = f"{'glane' if block.own else 'lane'}{number % COLOURS}" if block.alive else "future"
        for line in range(top, bottom + 1):
            self.canvas.put(left, line, mark * (right - left + 1), "cursor" if block.cursor else style)
            self.owner[line][left : right + 1] = [number] * (right + 1 - left)
            self.canvas.link(left, line, right - left + 1, block.moment)

    def name(self, block: Block, number: int) -> None:
        """The name of a block inside it, where there is room and no other block lies."""
        left, right, top, bottom = self.rectangle(block)
        line = (top + bottom) // 2
        cells = self.owner[line]
        while right > left and cells[right] != number:
            right -= 1
        while left < right and cells[left] != number:
            left += 1
        room = right - left - 1
        if any(cell != number for cell in cells[left : right + 1]):
            return
        text = block.name if cell_width(self.canvas.text_of(block.name)) <= room else block.name.rpartition(".")[2]
        if room >= min(4, cell_width(text)):
            text = clip(self.canvas.text_of(text), room, self.canvas.glyphs.ellipsis)
            style = "cursor" if block.cursor else "label" if block.alive else "future"
            self.canvas.put(left + 1, line, text, style, room)

    def rule(self) -> None:
        """The present row, as a line where nothing is written."""
        column = self.x + self.column(self.view.row)
        for line in range(self.y, self.y + self.height):
            self.canvas.put(column, line, self.canvas.glyphs.now, "cursor")


def _draw_axis(canvas: Canvas, grid: Grid, view: MemoryView) -> None:
    """The rows below the map: the present one and that of the peak, which both lead there."""
    y = grid.y + grid.height
    total = next(total for total in view.totals if total.mode == view.mode)
    row = int(total.moment.rpartition("/")[2] or 0)
    peak, here = grid.x + grid.column(row), grid.x + grid.column(view.row)
    canvas.right(grid.x - 1, y, "row", "dim")
    at = max(grid.x, min(peak, grid.x + grid.width - 10))
    canvas.put(at, y, f"{canvas.glyphs.peak} peak {row}", "warn")
    canvas.link(at, y, 10, total.moment)
    text = f"{canvas.glyphs.peak} {view.row}"
    place = max(grid.x, min(here, grid.x + grid.width - cell_width(text)))
    if place + cell_width(text) < at or place > at + 8 + len(str(row)):
        canvas.put(place, y, text, "cursor")
    canvas.cursor = (min(here, canvas.width - 1), grid.y + grid.height - 1)


# ---- the other panes -------------------------------------------------------------------------------------------------


def _bytes_part(view: MemoryView) -> Part:
    plan = next((total for total in view.totals if total.mode == "plan"), None)
    other = next(total for total in view.totals if total.mode == "dynamic")
    main = plan if plan is not None and view.mode == "plan" else other
    lines = len(view.totals)

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        for row, total in enumerate(view.totals):
            _draw_total(canvas, x, y + row, width, total, total is main)
        if height > lines:
            points = tuple([(row, float(value)) for row, value in main.live])
            curve = Curve(points, float(main.now))
            draw_curve(canvas, x, y + lines, width, height - lines, curve, (0, max(0, view.rows - 1)), view.row)

    saved = ""
    if plan is not None and other.peak:
        change = 1 - plan.peak / other.peak
        saved = f"the plan saves {percent(change)}" if change >= 0 else f"the plan takes {percent(-change)} more"
    return Part("bytes held", saved or "m changes the map", lines, lines + 4, draw)


def _draw_total(canvas: Canvas, x: int, y: int, width: int, total: Total, main: bool) -> None:
    name = "dynamic" if total.mode == "dynamic" else "plan"
    end = canvas.spans(x, y, [
        (canvas.glyphs.cursor if main else " ", "cursor"), (f" {name:<8}", "label" if main else "dim"),
        (f"{nbytes(total.now):>9}", "number"), (f"  peak {nbytes(total.peak)}", "warn" if main else "dim"),
    ], width)  # fmt: skip
    where = " ".join(part for part in (f"at {total.moment}", total.name, total.place) if part)
    if total.moment:
        canvas.put(end + 1, y, where, "place", x + width - end - 1)
        canvas.link(x, y, width, total.moment)


def _held_part(view: MemoryView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if not view.held:
            draw_text(canvas, x, y, width, height, "nothing is held at this moment", "dim")
        shown = view.held[: height if len(view.held) <= height else height - 1]
        for row, held in enumerate(shown):
            _draw_held(canvas, x, y + row, width, held)
        if len(shown) < view.held_count and height:
            canvas.put(x + 2, y + len(shown), f"and {view.held_count - len(shown)} more", "dim", width - 2)

    return Part(f"held now: {view.held_count}", "", 2, max(1, len(view.held)), draw)


def _draw_held(canvas: Canvas, x: int, y: int, width: int, held: Held) -> None:
    canvas.put(x, y, canvas.glyphs.cursor if held.cursor else " ", "cursor")
    names = max(8, min(18, width // 3))
    canvas.put(x + 2, y, held.name, "label", names)
    canvas.right(x + 2 + names + 9, y, nbytes(held.bytes), "number")
    place = f"@{held.offset}  " if held.offset is not None and width >= 48 else ""
    why = f"{place}{held.why}" if width >= 48 else f"to {held.last}"
    canvas.put(x + names + 13, y, why, "dim", width - names - 13)
    canvas.link(x, y, width, held.moment)


def _what_if_part(view: MemoryView) -> Part:
    what_if = view.what_if
    chosen = any(candidate.chosen for candidate in what_if.candidates)

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if not what_if.candidates:
            draw_text(canvas, x, y, width, height, "nothing lies idle here that could be computed again", "dim")
            return
        share = f" ({percent(what_if.flops / what_if.step_flops)} of the step)" if what_if.step_flops else ""
        total = (f"peak {nbytes(what_if.before)} {canvas.glyphs.arrow} {nbytes(what_if.peak)}, "
                 f"{si(what_if.flops)}flop more{share}")  # fmt: skip
        canvas.put(x, y, total if chosen else "x: compute again, not keep",
                   "number" if chosen else "dim", width)  # fmt: skip
        _draw_candidates(canvas, x, y + 1, width, height - 1, what_if.candidates)

    return Part("what if recomputed", "j k x", 3, len(what_if.candidates) + 2, draw)


def _draw_candidates(
    canvas: Canvas, x: int, y: int, width: int, height: int, candidates: tuple[Candidate, ...]
) -> None:
    """A line for each candidate: its bytes, the peak without it, the flops that it costs."""
    wide = width >= 44
    names = width - 4 - 9 - 10 - (10 if wide else 0)
    canvas.put(x + 4, y, "value", "dim", names)
    canvas.right(x + 4 + names + 9, y, "bytes", "dim")
    canvas.right(x + 4 + names + 19, y, "new peak", "dim")
    if wide:
        canvas.right(x + width, y, "flops", "dim")
    at = next((i for i, candidate in enumerate(candidates) if candidate.cursor), 0)
    shown = max(0, height - 1)
    top = max(0, min(at - shown // 2, len(candidates) - shown))
    for row, candidate in enumerate(candidates[top : top + shown], y + 1):
        mark = canvas.glyphs.update if candidate.chosen else " "
        canvas.spans(x, row, [(canvas.glyphs.cursor if candidate.cursor else " ", "cursor"), (f" {mark}", "warn")])
        canvas.put(x + 4, row, candidate.name, "label", names)
        canvas.right(x + 4 + names + 9, row, nbytes(candidate.bytes), "number")
        canvas.right(x + 4 + names + 19, row, nbytes(candidate.peak), "number")
        if wide:
            canvas.right(x + width, row, si(candidate.flops), "number")
        if candidate.cursor:
            canvas.paint(row, "cursor-row", x, width)
