"""The Chain screen as lines of text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..canvas import Canvas
from ..numbers import bracketed, index, number, shape, signed
from ..views.chain import ChainView, Product
from ..views.check import Check
from ..views.options import Options
from ..views.paths import Paths
from ..views.tape import PREDICT, Strip, TapeLine
from ..views.terms import Sum
from .arrays import draw_array, wanted_height
from .lines import draw_lines
from .panes import Part, draw_entry, edge_column, share, source_part, stack
from .sums import draw_sum_line, sum_lines

PANES = ("chain", "contribution", "incoming", "source")
SIDE_BY_SIDE = 104
Row = Callable[[Canvas, int, int, int], None]


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the screen: its lines, each a function that draws it."""

    title: str
    note: str
    rows: list[Row]
    least: int


def draw_chain(canvas: Canvas, view: ChainView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    focus = PANES[options.pane % len(PANES)]
    parts = _parts(view, canvas.width)
    alone = options.zoom or canvas.width < SIDE_BY_SIDE
    if alone and focus in parts:
        stack(canvas, 0, y, canvas.width, height, [parts[focus]], 0)
        return
    side = min(56, canvas.width // 3) if not alone and parts else 0
    _draw_sections(canvas, view, 0, y, canvas.width - side, height, focus == "chain")
    if side:
        stack(
            canvas,
            canvas.width - side,
            y,
            side,
            height,
            list(parts.values()),
            list(parts).index(focus) if focus in parts else -1,
        )


def _parts(view: ChainView, width: int) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    arrays = (
        ("contribution", view.contribution, "contribution" if view.kind == "edge" else "value"),
        ("incoming", view.arriving, "incoming gradient"),
    )
    for name, array, title in arrays:
        if array is None:
            continue

        def draw(canvas: Canvas, x: int, y: int, width: int, height: int, array=array) -> None:  # type: ignore[no-untyped-def]
            draw_array(canvas, x, y, width, height, array)

        parts[name] = Part(title, shape(array.shape), 2, wanted_height(array, width), draw)
    if view.source is not None:
        parts["source"] = source_part(view.source)
    return parts


def _draw_sections(canvas: Canvas, view: ChainView, x: int, y: int, width: int, height: int, focus: bool) -> None:
    sections = [_rule_section(view, width - 4), *_sum_section(view), *_ledger_section(view), *_check_section(view)]
    room = height - 1 - len(sections)
    while len(sections) > 1 and room < sum(section.least for section in sections):
        sections.pop()
        room = height - 1 - len(sections)
    heights = share([(section.least, len(section.rows)) for section in sections], room)
    canvas.box(x, y, width, height, sections[0].title, sections[0].note)
    if focus:
        canvas.put(x + 2, y, f" {sections[0].title} ", "focus", width - 4)
    top = y
    for number_, (section, lines) in enumerate(zip(sections, heights, strict=True)):
        if number_:
            canvas.shelf(x, top, width, section.title, section.note)
        for row, draw in enumerate(section.rows[:lines]):
            draw(canvas, x + 2, top + 1 + row, width - 4)
        top += lines + 1
    left = y + height - 1 - top
    if left >= 4:
        canvas.shelf(x, top, width, "tape")
        draw_lines(canvas, x + 1, top + 1, width - 2, _around(view.strip, left - 1), view.strip)


def _around(strip: Strip, height: int) -> tuple[TapeLine, ...]:
    """So many lines of a strip around the cursor."""
    cursor = next(i for i, line in enumerate(strip.lines) if line.cursor)
    start = max(0, min(cursor - height // 2, len(strip.lines) - height))
    return strip.lines[start : start + height]


def _text(text: str, style: str = "text", head: str = "") -> Row:
    def draw(canvas: Canvas, x: int, y: int, width: int) -> None:
        end = canvas.put(x, y, f"{head:<11}", "dim", width) if head else x
        canvas.put(end, y, text, style, x + width - end)

    return draw


def _blank(canvas: Canvas, x: int, y: int, width: int) -> None:
    pass


def _rule_section(view: ChainView, width: int) -> Section:
    """Forward, rule, incoming gradient, and the products."""
    rows: list[Row] = []
    if view.forward:
        rows.append(_text(view.forward, "text", "forward"))
    if view.shapes:
        rows.append(_text(view.shapes, "text", "shapes"))
    if view.rules:
        rules = [f"{rule.left} = {rule.right}" for rule in view.rules]
        joined = "     ".join(rules)
        lines = [joined] if len(joined) + 11 <= width else rules
        rows += [_text(line, "rule", " " if number_ else "rule") for number_, line in enumerate(lines)]
    elif view.headline:
        rows.append(_text(view.headline, "rule", "rule"))
    if view.incoming is not None:
        incoming = view.incoming
        value = "?" if incoming.known and view.hidden and incoming.value is None and incoming.shape == () else ""
        if incoming.value is not None:
            value = number(incoming.value)
        elif incoming.shape and incoming.known:
            value = f"array {shape(incoming.shape)}"
        text = f"{incoming.symbol} = {value}" if value else incoming.symbol
        rows.append(_text(f"{text:<16}  {incoming.origin}", "text", "incoming"))
    if view.broadcast:
        rows.append(_text(view.broadcast, "rule", "broadcast"))
    if view.products:
        rows += [_blank, *[_product(product, view) for product in view.products]]
    rows += [_text(fact, "text") for fact in view.facts]
    if not rows:
        rows.append(_text(view.subject, "dim"))
    least = max(1, len([row for row in rows if row is not _blank]))
    return Section(view.title, view.place, rows, min(least, 7))


def _product(product: Product, view: ChainView) -> Row:
    """`∂L/∂a ⟵ ∂L/∂e · ∂e/∂a = (-2) · (-3) = +6`"""

    def draw(canvas: Canvas, x: int, y: int, width: int) -> None:
        style = "future" if product.future else "text"
        mark = canvas.glyphs.cursor if product.current else " "
        spans = [
            (f"{mark} ", "cursor"),
            (product.left, "label-gradient" if not product.future else style),
            ("  ⟵  ", "dim"),
            (" · ".join(product.symbols), style),
        ]
        if product.future:
            spans.append((f"   comes at {product.moment}", "future"))
        elif product.result is None and product.current and view.hidden:
            spans.append(("  =  ?", "hidden"))
        elif product.incoming is not None and product.local is not None and product.result is not None:
            sign = "plus" if product.result >= 0 else "minus"
            spans += [
                ("  =  ", "dim"),
                (f"{bracketed(product.incoming)} · {bracketed(product.local)}", "number"),
                ("  =  ", "dim"),
                (signed(product.result), sign),
            ]
        elif product.result is not None:
            spans += [("  =  ", "dim"), (signed(product.result), "number")]
        elif product.formula:
            spans += [("  =  ", "dim"), (product.formula, "number"), (f"   {shape(product.shape)}", "dim")]
        canvas.spans(x + 1, y, spans, width - 1)

    return draw


def _sum_section(view: ChainView) -> list[Section]:
    """One element written out, for tensors."""
    if view.sum is None:
        if view.kind != "edge" or view.element == () or view.products == ():
            return []
        text = (
            PREDICT if view.hidden else "the numbers were not recorded: use level values"
        )
        return [Section("one element", "", [_text(text, "dim")], 1)]
    result = view.sum
    rows: list[Row] = [_text(result.formula, "rule")]
    rows += [_sum_line(result, line) for line in range(sum_lines(result))]
    return [Section(f"{result.target}{index(result.element)}", "j k h l another element", rows, min(4, len(rows)))]


def _sum_line(result: Sum, line: int) -> Row:
    return lambda canvas, x, y, width: draw_sum_line(canvas, x, y, width, result, line)


def _ledger_section(view: ChainView) -> list[Section]:
    ledger = view.ledger
    if ledger is None:
        return []

    columns: dict[int, int] = {}

    def row_of(at: int) -> Row:
        def draw(canvas: Canvas, x: int, y: int, width: int) -> None:
            if width not in columns:
                columns[width] = edge_column(canvas, ledger, width)
            draw_entry(canvas, x, y, width, ledger, at, columns[width])

        return draw

    rows = [row_of(at) for at in range(len(ledger.entries))]
    total = f"total {number(ledger.total)}" if ledger.total is not None and not ledger.hidden else ""
    return [Section(f"accumulator  {ledger.name}.grad{index(ledger.element)}", total, rows, min(2, len(rows)))]


def _check_section(view: ChainView) -> list[Section]:
    rows: list[Row] = []
    if view.check is not None:
        rows += _check_rows(view.check)
    elif view.checkable:
        rows.append(_text("press f for finite differences", "dim"))
    if view.paths is not None:
        rows += _path_rows(view.paths)
    return [Section("check", "", rows, 1)] if rows else []


def _check_rows(check: Check) -> list[Row]:
    if check.note or check.estimate is None or check.h is None or check.error is None:
        return [_text(f"no finite differences: {check.note}", "warn")]
    x, goal = f"{check.name}{index(check.element)}", check.goal
    x, goal = x if len(x) <= 10 else "w", goal if len(goal) <= 6 else "L"
    verdict, style = ("ok", "ok") if check.agrees else ("does not agree", "err")

    def draw(canvas: Canvas, left: int, y: int, width: int) -> None:
        canvas.spans(
            left,
            y,
            [
                ("finite difference  ", "dim"),
                (f"({goal}({x}+h)-{goal}({x}-h))/2h = ", "text"),
                (f"{check.estimate:.7g}", "number"),
                (f"   {verdict}", style),
                (f"   |Δ| {check.error:.1e}".replace("e-0", "e-"), "dim"),
                (f"   h={check.h:.0e}".replace("e-0", "e-"), "dim"),
            ],
            width,
        )

    return [draw, _curve(check)]


def _curve(check: Check) -> Row:
    """The error over the step size: too large a step truncates, too small a one rounds; in between is a valley."""
    errors = [abs(item.value - (check.gradient or 0.0)) for item in check.differences]
    heights = [max(-17.0, math.log10(error)) if error > 0 else -17.0 for error in errors]
    low, high = min(heights), max(heights)

    def draw(canvas: Canvas, x: int, y: int, width: int) -> None:
        bars = canvas.glyphs.bars
        scale = [1 + round((height - low) / (high - low or 1.0) * (len(bars) - 2)) for height in heights]
        first, last = (f"{check.differences[i].h:.0e}".replace("e-0", "e-") for i in (0, -1))
        end = canvas.put(x, y, f"|Δ| by step    h={first} ", "dim", width)
        end = canvas.put(end, y, "".join(bars[level] * 2 for level in scale), "histogram", x + width - end)
        end = canvas.put(end, y, f" {last}", "dim", x + width - end)
        text = "   ".join(f"{error:.0e}" for error in errors)
        if end + canvas.measure(text) + 3 <= x + width:
            canvas.put(end + 3, y, text, "dim")

    return draw


def _path_rows(paths: Paths) -> list[Row]:
    rows = []
    names = ["→".join(path.names) for path in paths.paths]
    width = max(map(len, names))
    for at, path in enumerate(paths.paths):
        factors = " · ".join(bracketed(factor) for factor in path.factors)
        head = "all paths" if at == 0 else " "
        rows.append(_text(f"{names[at]:<{width}}   {factors} = {number(path.product)}", "text", head))
    rows.append(_text(f"Σ = {number(paths.total)}", "number", " "))
    return rows
