"""Drawing the Threads screen: source, threads of a warp, memory, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from ..canvas import Canvas
from ..views.threads import Cell, Lane, Memory, ThreadsView, spans
from .frame import draw_keys
from .panes import Part, draw_text, stack

MIN_WIDTH, MIN_HEIGHT = 40, 10
STATES = {"new": " ", "runs": " ", "waits": "w", "done": "x"}
SPOKEN = {"new": "not begun", "runs": "", "waits": "waits", "done": "done"}


def draw_threads(canvas: Canvas, view: ThreadsView, keys: Sequence[tuple[str, str]], message: str = "",
                 zoomed: bool = False) -> None:  # fmt: skip
    """The whole screen; `zoomed`: memory alone."""
    width, height = canvas.width, canvas.height
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        draw_text(canvas, 0, 0, width, height, f"terminal too small (have {width}×{height}, need 40×10)", "warn")
        return
    draw_head(canvas, view)
    body = height - 3
    above = 0 if zoomed else max(body // 2, min(body - 6, 12)) if body >= 14 else body
    left = width // 2 if width >= 70 else width
    if above:
        stack(canvas, 0, 1, left, above, [source_part(view)], -1)
    if above and left < width:
        faults = [faults_part(view)] if view.faults else []
        stack(canvas, left, 1, width - left, above, [lanes_part(view), *faults], -1)
    if above < body:
        now = next((i for i, each in enumerate(view.memory) if each.doing), -1)
        parts = [memory_part(each, width - 4) for each in view.memory] or [nothing()]
        stack(canvas, 0, 1 + above, width, body - above, parts, now)
    draw_sentence(canvas, view, height - 2)
    if message:
        canvas.put(1, height - 1, message, "warn", width - 2)
    else:
        draw_keys(canvas, keys, height - 1)


def draw_head(canvas: Canvas, view: ThreadsView) -> None:
    """Which kernel, block and warp, and how far."""
    canvas.paint(0, "bar")
    x = canvas.put(1, 0, view.kernel, "tab-active bar", canvas.width // 3)
    facts = [f"block {view.block} (of {view.blocks})", f"warp {view.warp} (of {view.warps})",
             f"step {view.step} of {view.steps}"]  # fmt: skip
    order = "side by side" if view.together else "one by one"
    short = f"b{view.block} w{view.warp} step {view.step}/{view.steps}"
    texts = ("   ".join([*facts, order]), "  ".join(facts), short)
    room = canvas.width - x - 4
    canvas.put(x + 3, 0, next((text for text in texts if canvas.measure(text) <= room), short), "bar", room)


def draw_sentence(canvas: Canvas, view: ThreadsView, y: int) -> None:
    """The present step in words; a race stands out by its word."""
    canvas.paint(y, "status")
    here = next((fault for fault in view.faults if fault.here), None)
    end = canvas.width - 1
    if here is not None:
        end = canvas.right(end, y, f"{canvas.glyphs.trouble} race", "err status") - 1
    elif view.dropped:
        end = canvas.right(end, y, f"{view.dropped} events not kept", "warn status") - 1
    canvas.put(1, y, view.sentence, "status", end - 1)


def source_part(view: ThreadsView) -> Part:
    """The source, with the threads that are in a line at its right."""
    at = next((i for i, line in enumerate(view.source) if line.here), None)
    if at is None:
        at = next((i for i, line in enumerate(view.source) if line.lanes), 0)

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        start = max(0, min(at - height // 2, len(view.source) - height))
        digits = len(str(len(view.source)))
        for row, line in enumerate(view.source[start : start + height], y):
            mark = canvas.glyphs.cursor if line.here else canvas.glyphs.trouble if line.racing else " "
            canvas.put(x, row, mark, "err" if line.racing and not line.here else "cursor")
            canvas.put(x + 1, row, f"{line.number:>{digits}}", "dim")
            end = x + width
            if line.lanes:
                end = canvas.right(end, row, "t" + spans(list(line.lanes)), "lane0") - 1
            canvas.put(x + 2 + digits, row, line.text, "code-here" if line.here else "code", end - x - 2 - digits)

    return Part("source", "", 3, len(view.source), draw, greedy=True)


def lanes_part(view: ThreadsView) -> Part:
    """The threads of the warp: the line of each, and what the chosen one does."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        rows = draw_lanes(canvas, x, y, width, max(1, height - 1), view)
        chosen = next((lane for lane in view.lanes if lane.chosen), None)
        if chosen is not None and rows < height:
            canvas.put(x, y + rows, chosen_text(chosen), "text", width)
        rows += 1
        if view.note and rows < height:
            rows = draw_text(canvas, x, y + rows, width, height - rows, view.note, "warn") - y
        if any(each.doing for each in view.memory):
            draw_accesses(canvas, x, y + rows, width, height - rows, view)

    return Part("threads", "> acts  w waits  x done", 5, 8, draw, greedy=True)


def draw_lanes(canvas: Canvas, x: int, y: int, width: int, height: int, view: ThreadsView) -> int:
    """The threads in rows, those that act in sight; the rows that it takes."""
    columns = max(1, width // 9)
    rows = -(-len(view.lanes) // columns)
    eye = next((i for i, lane in enumerate(view.lanes) if lane.acts), 0) // columns
    start = max(0, min(eye - height // 2, rows - height))
    for i, lane in enumerate(view.lanes[start * columns : (start + height) * columns]):
        draw_lane(canvas, x + 9 * (i % columns), y + i // columns, lane)
    return min(rows, height)


def draw_accesses(canvas: Canvas, x: int, y: int, width: int, height: int, view: ThreadsView) -> None:
    """What each thread touches in this step, in columns, as many as there is room for."""
    acting = [lane for lane in view.lanes if lane.acts and not lane.chosen]
    columns = max(1, width // 28)
    for i, lane in enumerate(acting[: max(0, height) * columns]):
        left = x + i % columns * (width // columns)
        canvas.put(left, y + i // columns, f"{lane.thread} {lane.did}", "dim", width // columns - 1)


def draw_lane(canvas: Canvas, x: int, y: int, lane: Lane) -> None:
    """`>12:8w!`: a thread, its line, its state, and whether it races."""
    mark = canvas.glyphs.cursor if lane.acts else " "
    style = "dim" if lane.state in ("new", "done") else "text"
    line = str(lane.line) if lane.line and lane.state != "done" else ""
    text = f"{lane.thread}:{line}{STATES[lane.state]}".rstrip() + ("!" if lane.racing else "")
    canvas.put(x, y, mark, "cursor")
    canvas.put(x + 1, y, text, "err" if lane.racing else "title" if lane.acts else style, 7)
    if lane.chosen:
        canvas.cursor = (x, y)
        canvas.paint(y, "cursor-row", x, 8)
    canvas.link(x, y, 8, f"lane:{lane.thread % 32}")


def chosen_text(lane: Lane) -> str:
    """The chosen thread in words."""
    where = f"line {lane.line}" if lane.line and lane.state != "done" else ""
    parts = [f"thread {lane.thread}", where, SPOKEN[lane.state], lane.did, "in a race" if lane.racing else ""]
    return ", ".join(part for part in parts if part)


def faults_part(view: ThreadsView) -> Part:
    """What is wrong, that of the present step first."""
    ordered = sorted(view.faults, key=lambda fault: (not fault.here, not fault.in_block))

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        mark = canvas.glyphs.cursor if ordered[0].here else canvas.glyphs.trouble
        draw_text(canvas, x, y, width, height, f"{mark} {ordered[0].text}", "err")

    more = f"and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    return Part("wrong", more, 2, 5, draw)


def memory_part(memory: Memory, room: int) -> Part:
    """An array: values where there is room, else a cell for each element, the darker the oftener it was touched."""
    wide = max([3, *(len(cell.value) for cell in memory.cells)]) + 3

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        per_row = row_length(memory, (width - 6) // wide)
        if -(-len(memory.cells) // per_row) <= height and (not memory.width or memory.width <= (width - 6) // wide):
            draw_values(canvas, x, y, width, memory, per_row, wide)
        else:
            draw_heat(canvas, x, y, width, height, memory)

    doing = {"read": "read now", "write": "written now", "atomic": "changed now"}.get(memory.doing, "")
    shown = f"{memory.space} {memory.name}"
    more = f", {memory.left_out} more" if memory.left_out else ""
    note = "  ".join(part for part in (doing, memory.cost, f"{memory.filled} of {memory.size} known{more}") if part)
    wanted = -(-len(memory.cells) // row_length(memory, (room - 6) // wide))
    return Part(shown, note, 1, max(2, wanted), draw, greedy=bool(memory.doing))


def row_length(memory: Memory, room: int) -> int:
    """Elements in a row: those of a row of the matrix, else as many eights as there is room for, or four."""
    if memory.width and memory.width <= room:
        return memory.width
    return max(1, room - room % 8 if room >= 8 else min(room, 4))


def draw_values(canvas: Canvas, x: int, y: int, width: int, memory: Memory, per_row: int, wide: int) -> None:
    """Values, with `r`, `w` or `a` behind what is touched in this step, and `!` behind what is raced for."""
    for i, cell in enumerate(memory.cells):
        column, row = i % per_row, y + i // per_row
        if column == 0:
            canvas.put(x, row, f"{cell.element:>5}", "dim")
        left = x + 6 + column * wide
        canvas.right(left + wide - 3, row, cell.value or canvas.glyphs.heat[0], value_style(cell))
        mark = (memory.doing[0] if cell.threads else "") + ("!" if cell.racing else "")
        canvas.put(left + wide - 3, row, mark, "err" if cell.racing else "cursor")


def value_style(cell: Cell) -> str:
    return "err" if cell.racing else "title" if cell.threads else "number" if cell.value else "future"


def draw_heat(canvas: Canvas, x: int, y: int, width: int, height: int, memory: Memory) -> None:
    """A character for each element; those touched now have the letter of what is done, a capital in a race."""
    room = width - 6
    per_row = memory.width if 0 < memory.width <= room else max(room // 32 * 32, min(room, 32))
    most = max((cell.touches for cell in memory.cells), default=0)
    now = next((i for i, cell in enumerate(memory.cells) if cell.threads), 0) // per_row
    rows = -(-len(memory.cells) // per_row)
    start = max(0, min(now - height // 2, rows - height))
    heat = canvas.glyphs.heat
    for row in range(start, min(rows, start + height)):
        line = memory.cells[row * per_row : (row + 1) * per_row]
        canvas.put(x, y + row - start, f"{line[0].element:>5}", "dim")
        for column, cell in enumerate(line):
            level = 0 if not cell.touches else 1 + (cell.touches * (len(heat) - 2)) // max(1, most)
            sign = memory.doing[0] if cell.threads else "!" if cell.racing else heat[min(level, len(heat) - 1)]
            sign = sign.upper() if cell.racing else sign
            style = "err" if cell.racing else "cursor" if cell.threads else "number" if cell.touches else "future"
            canvas.put(x + 6 + column, y + row - start, sign, style)


def nothing() -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        draw_text(canvas, x, y, width, height, "This block touches no memory.", "dim")

    return Part("memory", "", 1, 1, draw)
