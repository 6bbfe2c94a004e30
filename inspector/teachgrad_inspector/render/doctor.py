"""The Doctor screen as lines of text."""

from __future__ import annotations

from teachgrad.errors import counted

from ..canvas import Canvas
from ..doctor import Finding
from ..views.doctor import DoctorView
from ..views.options import Options
from .panes import Part, draw_text, source_part, stack

PANES = ("findings", "finding", "source")


def draw_doctor(canvas: Canvas, view: DoctorView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    looked = f"{view.looked} of {view.steps} steps looked at" if view.looked < view.steps else f"{view.steps} steps"
    names = ["findings"]
    parts = [Part(_title(view), looked if view.steps > 1 else "", 1, max(1, len(view.findings)), _list(view))]
    if view.chosen is not None:
        finding = view.findings[view.chosen]
        names.append("finding")
        parts.append(Part(f"{finding.kind}  {finding.moment}", finding.place, 3, 8, _detail(finding)))
    if view.source is not None:
        names.append("source")
        parts.append(source_part(view.source))
    parts.append(Part("not looked for", "", 1, len(view.skipped), _skipped(view)))
    names.append("skipped")
    focus = PANES[options.pane % len(PANES)]
    at = names.index(focus) if focus in names else 0
    if options.zoom:
        parts, at = [parts[at]], 0
    stack(canvas, 0, y, canvas.width, height, parts, at)


def _title(view: DoctorView) -> str:
    count = len(view.findings)
    return counted(count, "finding") if count else "nothing found"


def _list(view: DoctorView):  # type: ignore[no-untyped-def]
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if not view.findings:
            draw_text(canvas, x, y, width, height, "No trouble was found in what was looked at.", "ok")
            return
        chosen = view.chosen or 0
        start = max(0, min(chosen - height // 2, len(view.findings) - height))
        kinds = max(len(finding.kind) for finding in view.findings)
        for row, finding in enumerate(view.findings[start : start + height]):
            _line(canvas, x, y + row, width, finding, kinds, start + row == chosen)

    return draw


def _line(canvas: Canvas, x: int, y: int, width: int, finding: Finding, kinds: int, chosen: bool) -> None:
    mark = canvas.glyphs.cursor if chosen else " "
    glyph = canvas.glyphs.trouble if finding.severity == "err" else "!"
    place = finding.place.replace("\\", "/").rpartition("/")[2]
    spans = [
        (f"{mark} ", "cursor"),
        (f"{glyph} ", finding.severity),
        (f"{finding.kind:<{kinds}}  ", finding.severity),
        (f"{finding.name} ", "label"),
        (f"{finding.op}, {finding.phase}  " if finding.op != finding.kind else f"{finding.phase}  ", "what"),
    ]
    end = canvas.spans(x, y, spans, width)
    if end + canvas.measure(place) <= x + width:
        canvas.right(x + width, y, place, "place")
    canvas.link(x, y, width, finding.moment)
    if chosen:
        canvas.cursor = (x, y)
        canvas.paint(y, "cursor-row", x, width)


def _detail(finding: Finding):  # type: ignore[no-untyped-def]
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        end = y + height
        y = draw_text(canvas, x, y, width, height, f"{finding.what}.")
        if finding.code and y < end:
            canvas.spans(x, y, [(f"born {finding.phase}: ", "dim"), (finding.code, "code")], width)
            y += 1
        if finding.advice and y < end:
            draw_text(canvas, x, y, width, end - y, f"What helps: {finding.advice}.", "narration")

    return draw


def _skipped(view: DoctorView):  # type: ignore[no-untyped-def]
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        for row, text in enumerate(view.skipped[:height]):
            canvas.put(x, y + row, text, "dim", width)

    return draw


def report_lines(view: DoctorView) -> list[str]:
    """The report as plain lines, of any width."""
    lines = []
    for finding in view.findings:
        what = f"{finding.name} ({finding.op}, {finding.phase}, {finding.moment})"
        lines += [f"{finding.place or finding.moment}: {finding.kind}: {what}", f"    {finding.what}"]
        if finding.code:
            lines.append(f"    code: {finding.code}")
        lines.append(f"    what helps: {finding.advice}")
    lines.append(f"{_title(view)}; looked at {view.looked} of {view.steps} training steps")
    lines += [f"not looked for: {text}" for text in view.skipped]
    return lines
