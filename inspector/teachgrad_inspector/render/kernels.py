"""The Kernels screen as lines of text."""

from __future__ import annotations

from ..canvas import Canvas
from ..numbers import nbytes, number, percent, si
from ..views.kernels import PANES, CodeLine, KernelLine, KernelsView, OpLine
from ..views.options import Options
from .panes import Part, draw_text, source_part, stack

SIDE_BY_SIDE = 72


def draw_kernels(canvas: Canvas, view: KernelsView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    parts = {"kernels": _table_part(view), "code": _code_part(view), "ops": _ops_part(view)}
    if view.source is not None:
        parts["source"] = source_part(view.source)
    focus = PANES[options.pane % len(PANES)]
    if focus not in parts:
        focus = "kernels"
    if options.zoom or canvas.width < SIDE_BY_SIDE or height < 12:
        shown = [focus] if options.zoom or height < 16 else list(dict.fromkeys([focus, "kernels", "code"]))
        stack(canvas, 0, y, canvas.width, height, [parts[name] for name in shown], 0)
        return
    top = max(6, min(len(view.kernels) + 4, height * 2 // 5))
    stack(canvas, 0, y, canvas.width, top, [parts["kernels"]], 0 if focus == "kernels" else -1)
    side = max(28, min(64, canvas.width * 2 // 5))
    code = canvas.width - side
    stack(canvas, 0, y + top, code, height - top, [parts["code"]], 0 if focus == "code" else -1)
    names = [name for name in ("ops", "source") if name in parts]
    at = names.index(focus) if focus in names else -1
    stack(canvas, code, y + top, side, height - top, [parts[name] for name in names], at)


# ---- the table -------------------------------------------------------------------------------------------------------


def _table_part(view: KernelsView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        _draw_table(canvas, x, y, width, height, view)

    what = f"{view.count} kernels of {view.function}" if view.function else f"{view.count} calls of NumPy"
    return Part(what, view.executor, 4, len(view.kernels) + 3, draw)


def _draw_table(canvas: Canvas, x: int, y: int, width: int, height: int, view: KernelsView) -> None:
    """A line for each kernel, below it all together and where the numbers come from."""
    columns = [("bytes", 9), ("flop", 8), ("flop/B", 8)] if width >= 44 else [("bytes", 9)]
    if view.total is not None and view.total.seconds is not None:
        columns.append(("time", 9))
    if view.machine and width >= 70:
        columns.append(("of roofline", 13))
    if width >= 60:
        columns = [("runs", 7), ("ops", 5), *columns]
    names = width - 2 - sum(size for _, size in columns)
    canvas.put(x + 2, y, "kernel", "dim", names)
    end = x + 2 + names
    for title, size in columns:
        end += size
        canvas.right(end, y, title, "dim")
    said = [text for text in (view.timed, view.machine or view.note) if text]
    footer = min(len(said), max(0, height - 7))
    total = int(view.total is not None and height >= 4)
    room = max(0, height - 1 - total - footer)
    at = next((i for i, line in enumerate(view.kernels) if line.cursor), 0)
    top = max(0, min(at - room // 2, len(view.kernels) - room))
    shown = view.kernels[top : top + room]
    for row, line in enumerate(shown, y + 1):
        _draw_kernel(canvas, x, row, width, names, columns, line)
    row = y + 1 + len(shown)
    if total and view.total is not None:
        _draw_kernel(canvas, x, row, width, names, columns, view.total)
    for k, text in enumerate(said[:footer]):
        canvas.put(x + 2, row + total + k, text, "dim", width - 2)


def _draw_kernel(
    canvas: Canvas, x: int, y: int, width: int, names: int, columns: list[tuple[str, int]], line: KernelLine
) -> None:
    style = "label" if line.runs else "dim"
    canvas.put(x, y, canvas.glyphs.cursor if line.cursor else " ", "cursor")
    canvas.put(x + 2, y, line.name, style, names)
    end = x + 2 + names
    for title, size in columns:
        end += size
        canvas.right(end, y, _cell(title, line), style if title in ("runs", "ops") else "number")
    if line.moment:
        canvas.link(x, y, width, line.moment)
    if line.cursor:
        canvas.paint(y, "cursor-row", x, width)
        canvas.cursor = (x, y)


def _cell(title: str, line: KernelLine) -> str:
    """What stands in a column."""
    if title == "runs":
        return line.runs
    if title == "ops":
        return str(line.ops)
    if title == "bytes":
        return nbytes(line.moved) if line.moved else "view" if line.runs else ""
    if title == "flop":
        return si(line.flops).strip() if line.flops else ""
    if title == "flop/B":
        return number(line.intensity, 2) if line.intensity else ""
    if title == "time":
        return seconds(line.seconds) if line.seconds is not None else ""
    if line.least is None or not line.seconds:
        return ""
    return f"{percent(line.least / line.seconds)} {line.bound[:6]}".strip()


def seconds(time: float) -> str:
    """A time: `2.6 µs`, `1.4 ms`."""
    for factor, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if time * factor < 1000:
            return f"{time * factor:.3g} {unit}"
    return f"{time:.3g} s"


# ---- the code --------------------------------------------------------------------------------------------------------


def _code_part(view: KernelsView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if not view.code:
            draw_text(canvas, x, y, width, height, "there is no code of this to show", "dim")
            return
        at = next((i for i, line in enumerate(view.code) if line.cursor), 0)
        top = max(0, min(at - height // 3, len(view.code) - height))
        shown = view.code[top : top + height]
        digits = len(str(shown[-1].number))
        for row, line in enumerate(shown, y):
            _draw_code(canvas, x, row, width, digits, line)

    return Part(view.title, "", 4, len(view.code), draw, greedy=True)


def _draw_code(canvas: Canvas, x: int, y: int, width: int, digits: int, line: CodeLine) -> None:
    """A line of the program; what is about the present op has a mark besides its style."""
    mark = canvas.glyphs.cursor if line.cursor else canvas.glyphs.dash if line.mark == "op" else " "
    style = {"op": "code-here", "kernel": "code", "": "future"}[line.mark]
    canvas.put(x, y, mark, "cursor")
    canvas.put(x + 1, y, f"{line.number:>{digits}}", "dim")
    canvas.put(x + 2 + digits, y, line.text, style, width - 2 - digits)
    if line.moment:
        canvas.link(x, y, width, line.moment)
    if line.cursor:
        canvas.paint(y, "cursor-row", x, width)


def _ops_part(view: KernelsView) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        at = next((i for i, line in enumerate(view.ops) if line.cursor), 0)
        top = max(0, min(at - height // 2, len(view.ops) - height))
        names = max((canvas.measure(line.name) for line in view.ops), default=4)
        names = min(names, width // 3)
        for row, line in enumerate(view.ops[top : top + height], y):
            _draw_op(canvas, x, row, width, names, line)

    return Part("ops of this kernel" if view.function else "op", "", 3, max(2, len(view.ops)), draw)


def _draw_op(canvas: Canvas, x: int, y: int, width: int, names: int, line: OpLine) -> None:
    canvas.put(x, y, canvas.glyphs.cursor if line.cursor else " ", "cursor")
    canvas.put(x + 2, y, line.name, "label", names)
    end = x + width
    if width >= 40 and line.place:
        end = canvas.right(end, y, line.place, "place") - 1
    canvas.put(x + 3 + names, y, line.text, "what", end - x - 3 - names)
    if line.moment:
        canvas.link(x, y, width, line.moment)
    if line.cursor:
        canvas.paint(y, "cursor-row", x, width)
