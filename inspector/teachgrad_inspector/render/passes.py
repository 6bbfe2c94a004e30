"""The Passes screen as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from ..canvas import Canvas, cell_width
from ..numbers import nbytes
from ..views.options import Options
from ..views.passes import Costs, Fragment, GraphLine, GroupLine, MissView, PassesView, RuleView
from .map import grid_of
from .panes import Draw, Part, draw_text, source_part, stack

PANES = ("passes", "before", "after", "rule", "graph", "near misses", "source")
SIDE_BY_SIDE = 72
MARKS = {"+": "ok", "-": "err", " ": "what"}


def draw_passes(canvas: Canvas, view: PassesView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    if not view.programs:
        canvas.box(0, y, canvas.width, height, "passes")
        draw_text(canvas, 2, y + 1, canvas.width - 4, height - 2, view.note, "dim")
        return
    parts = _parts(view)
    focus = PANES[options.pane % len(PANES)]
    if focus not in parts:
        focus = "passes"
    if options.zoom or canvas.width < SIDE_BY_SIDE or height < 12:
        shown = [focus] if options.zoom or height < 16 else list(dict.fromkeys([focus, "rule", "graph"]))
        stack(canvas, 0, y, canvas.width, height, [parts[name] for name in shown if name in parts], 0)
        return
    side = max(24, min(44, canvas.width * 3 // 10))
    left = [name for name in ("passes", "near misses", "source") if name in parts]
    _column(canvas, 0, y, side, height, parts, left, focus)
    room, x = canvas.width - side, side
    drawn = view.before is not None and view.after is not None
    below = [name for name in ("rule", "graph") if name in parts]
    top = min(height - 11, max(5, _tallest(view) + 2)) if drawn else 0
    if top >= 5:
        half = room // 2
        _column(canvas, x, y, half, top, parts, ["before"], focus)
        _column(canvas, x + half, y, room - half, top, parts, ["after"], focus)
    else:
        top = 0
    _column(canvas, x, y + top, room, height - top, parts, below, focus)


def _column(
    canvas: Canvas, x: int, y: int, width: int, height: int, parts: dict[str, Part], names: Sequence[str], focus: str
) -> None:
    at = names.index(focus) if focus in names else -1
    stack(canvas, x, y, width, height, [parts[name] for name in names], at)


def _tallest(view: PassesView) -> int:
    sides = [side for side in (view.before, view.after) if side is not None]
    return max((side.height or len(side.listed) for side in sides), default=0)


def _parts(view: PassesView) -> dict[str, Part]:
    """The panes by name."""
    parts = {"passes": _groups_part(view), "graph": _graph_part(view), "near misses": _misses_part(view)}
    if view.before is not None and view.after is not None and view.rule is not None:
        parts["before"] = Part("before", "", 3, 40, _side(view.before))
        parts["after"] = Part("after", "", 3, 40, _side(view.after))
        parts["rule"] = _rule_part(view, view.rule)
    if view.source is not None:
        parts["source"] = source_part(view.source)
    return parts


# ---- passes ----------------------------------------------------------------------------------------------------------


def _groups_part(view: PassesView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        at = next((i for i, line in enumerate(view.groups) if line.cursor), 0)
        top = max(0, min(at - height // 2, len(view.groups) - height))
        for row, line in enumerate(view.groups[top : top + height], y):
            _draw_group(canvas, x, row, width, line)

    which = f"{view.program + 1} of {view.programs}  " if view.programs > 1 else ""
    return Part(f"{which}{view.function}", f"{view.level} {view.executor}", 4, len(view.groups), draw, greedy=True)


def _draw_group(canvas: Canvas, x: int, y: int, width: int, line: GroupLine) -> None:
    indent = 2 if line.kind == "pass" else 4
    style = ("name" if line.kind == "pass" else "label") if line.done else "future"
    canvas.put(x, y, canvas.glyphs.cursor if line.cursor else " ", "cursor")
    count = str(line.count) if line.count else ""
    canvas.put(x + indent, y, line.name, style, width - indent - len(count) - 1)
    canvas.right(x + width, y, count, "number" if line.done else "future")
    if line.stop is not None:
        canvas.link(x, y, width, f"stop:{line.stop}")
    if line.cursor:
        canvas.paint(y, "cursor-row", x, width)
        canvas.cursor = (x, y)


# ---- before, after, the graph ----------------------------------------------------------------------------------------


def _side(side: Fragment) -> Draw:
    """One side of a rewrite: boxes, if there is room for all of them, else lines."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if side.boxes and side.width <= width and side.height <= height:
            left = x + (width - side.width) // 2
            for (column, row), (mark, style) in grid_of(canvas, side).items():
                if left + column + max(1, cell_width(mark)) <= x + width:
                    canvas.put(left + column, y + row, mark, style)
            return
        row = y
        for number, text in enumerate(side.listed):
            if row >= y + height - 1 and number + 1 < len(side.listed):
                canvas.put(x, row, f"and {len(side.listed) - number} more", "dim", width)
                break
            row = draw_text(canvas, x, row, width, y + height - row, text, "label")

    return draw


def _graph_part(view: PassesView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        at = next((i for i, line in enumerate(view.graph) if line.cursor), 0)
        top = max(0, min(at - height // 2, len(view.graph) - height))
        names = max((canvas.measure(line.name) for line in view.graph), default=4)
        names = max(6, min(names, 22, width // 3))
        for row, line in enumerate(view.graph[top : top + height], y):
            _draw_graph_line(canvas, x, row, width, names, line)

    now = view.now
    note = f"{now.vertices} ops, {now.kernels} kernels, peak {nbytes(now.peak)}" if now is not None else ""
    title = "graph as recorded" if view.stop == 0 else f"graph after rewrite {view.stop} of {view.stops}"
    if view.stop == view.stops:
        title = "graph as compiled"
    return Part(title, note, 3, len(view.graph), draw, greedy=True)


def _draw_graph_line(canvas: Canvas, x: int, y: int, width: int, names: int, line: GraphLine) -> None:
    style = MARKS[line.mark]
    canvas.put(x, y, canvas.glyphs.cursor if line.cursor else " ", "cursor")
    canvas.put(x + 1, y, line.mark, style)
    canvas.put(x + 3, y, line.name, "label" if line.mark == " " else style, names)
    end = x + width
    if width >= 56 and line.place:
        end = canvas.right(end, y, line.place, "place") - 1
    if width >= 44:
        end = canvas.right(end, y, line.shape, "dim") - 1
    canvas.put(x + 4 + names, y, line.text, style, end - x - 4 - names)
    if line.cursor:
        canvas.paint(y, "cursor-row", x, width)


# ---- the rule --------------------------------------------------------------------------------------------------------


def _rule_part(view: PassesView, rule: RuleView) -> Part:
    lines = rule_lines(view, rule)

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        row = y
        for text, style in lines:
            if row >= y + height:
                return
            row = draw_text(canvas, x, row, width, y + height - row, text, style)

    return Part(f"{view.address}  {rule.rule}", rule.where, 5, len(lines) + 1, draw)


def rule_lines(view: PassesView, rule: RuleView) -> list[tuple[str, str]]:
    """What is said of a rewrite, the most important first."""
    change = rule.change
    costs = (f"Δ ops {_signed(change.vertices)}, kernels {_signed(change.kernels)}, moved {_bytes(change.bytes)}, "
             f"peak {_bytes(change.peak)}")  # fmt: skip
    sign = {True: "ok ", False: "wrong: ", None: "? "}[rule.right]
    verdict = rule.verdict.removeprefix("wrong: ")
    lines = [(costs, "number"), (f"{sign} {verdict}", {True: "ok", False: "err", None: "warn"}[rule.right])]
    if rule.statement:
        lines.append((rule.statement, "text"))
    if rule.place:
        lines.append((f"of the line {rule.place}", "text"))
    if rule.cost:
        lines.append((f"wins: {rule.cost}", "dim"))
    lines.append((f"bound: {rule.bound}" + (f"; domain: {rule.domain}" if rule.domain else ""), "dim"))
    if view.recorded is not None and view.compiled is not None:
        lines.append((f"recorded {_costs(view.recorded)}; compiled {_costs(view.compiled)}", "dim"))
    return lines


def _costs(costs: Costs) -> str:
    return f"{costs.vertices} ops, {costs.kernels} kernels, {nbytes(costs.bytes)} moved, peak {nbytes(costs.peak)}"


def _signed(count: int) -> str:
    return f"{count:+d}" if count else "0"


def _bytes(count: int) -> str:
    return f"{'-' if count < 0 else '+'}{nbytes(abs(count))}" if count else "0"


def _misses_part(view: PassesView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if not view.misses:
            draw_text(canvas, x, y, width, height, "no rule was close to applying and did not", "dim")
        row = y
        for miss in view.misses:
            if row >= y + height:
                break
            row = _draw_miss(canvas, x, row, width, y + height, miss)

    here = sum(miss.here for miss in view.misses)
    note = f"{here} in this pass" if here else ""
    return Part(f"near misses: {len(view.misses)}", note, 2, max(1, 3 * len(view.misses)), draw)


def _draw_miss(canvas: Canvas, x: int, y: int, width: int, end: int, miss: MissView) -> int:
    """A near miss, the rule first; the row after it."""
    canvas.put(x, y, f"{miss.pass_name}: {miss.rule}", "label" if miss.here else "dim", width)
    at = f"at {miss.at}" + (f", {miss.place}" if miss.place else "")
    if y + 1 < end:
        canvas.put(x + 2, y + 1, at, "place", width - 2)
    return draw_text(canvas, x + 2, y + 2, width - 2, end - y - 2, miss.reason, "warn") if y + 2 < end else end
