"""The Compare screen as lines of text."""

from __future__ import annotations

from ..canvas import Canvas
from ..numbers import number
from ..views.compare import CompareView, PairLine
from ..views.options import Options
from .panes import Part, draw_text, stack

PANES = ("compare",)
MARKS = {"same": "=", "differs": "~", "parts": "!", "left": "<", "right": ">", "unknown": "?"}
STYLES = {"same": "ok", "differs": "warn", "parts": "err", "left": "warn", "right": "warn", "unknown": "dim"}
WORDS = {"same": "", "differs": "differs", "parts": "they part here", "left": "only left", "right": "only right",
         "unknown": "not recorded"}  # fmt: skip


def draw_compare(canvas: Canvas, view: CompareView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    if view.note:

        def tell(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
            draw_text(canvas, x, y, width, height, view.note, "dim")

        stack(canvas, 0, y, canvas.width, height, [Part("compare", "", 1, 2, tell)], 0)
        return
    place = f"{view.chosen + 1} of {view.count}"
    parts = [
        Part(f"{view.left}  and  {view.right}", "", 1, 1, _summary(view)),
        Part("row by row", place, 1, len(view.lines), _rows(view), greedy=True),
    ]
    stack(canvas, 0, y, canvas.width, height, parts, 1)


def _summary(view: CompareView):  # type: ignore[no-untyped-def]
    words = [(f"{view.same} the same", "ok")]
    kinds = (
        (view.different, "different", "warn"),
        (view.only_left, "only left", "warn"),
        (view.only_right, "only right", "warn"),
        (view.unknown, "not recorded", "dim"),
    )
    for count, what, style in kinds:
        if count:
            words += [("   ", "text"), (f"{count} {what}", style)]

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        end = canvas.spans(x, y, words, width)
        if view.parting is None:
            canvas.put(end + 3, y, "bit for bit" if not view.unknown else "", "dim", max(0, x + width - end - 3))

    return draw


def _rows(view: CompareView):  # type: ignore[no-untyped-def]
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        at = view.chosen - view.first
        start = max(0, min(at - height // 2, len(view.lines) - height))
        shown = view.lines[start : start + height]
        names = min(max((canvas.measure(line.label) for line in shown), default=0), max(8, width // 4))
        for row, line in enumerate(shown):
            _line(canvas, x, y + row, width, line, names)

    return draw


def _line(canvas: Canvas, x: int, y: int, width: int, line: PairLine, names: int) -> None:
    mark = canvas.glyphs.cursor if line.chosen else " "
    style = STYLES[line.state]
    end = canvas.spans(x, y, [(f"{mark} ", "cursor"), (f"{MARKS[line.state]} ", style)], 4)
    canvas.put(end, y, line.label, "label-gradient" if line.label.endswith(".grad") else "label", names)
    end += names + 2
    said = WORDS[line.state]
    if line.difference is not None and line.state != "same":
        said += f", by {number(line.difference, 3)}" + (f" ({number(line.relative, 2)})" if line.relative else "")
    if line.by_value:
        said = f"= {line.partner}" if line.partner else ""
    elif line.partner:
        said = f"{said}   right: {line.partner}".strip()
    room = x + width - end
    told = min(canvas.measure(said), room * 2 // 3)
    canvas.put(end, y, line.what, "what", max(0, room - told - 2))
    canvas.put(x + width - told, y, said, style if line.state != "same" else "dim", told)
    canvas.link(x, y, width, line.left or line.right)
    if line.chosen:
        canvas.cursor = (x, y)
        canvas.paint(y, "cursor-row", x, width)
