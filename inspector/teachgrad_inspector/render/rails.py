"""The drawing of lanes: one line of the tape, two cells a lane."""

from __future__ import annotations

from ..canvas import Canvas
from ..lanes import Picture

COLOURS = 6


def rails_width(rails: int, lanes: int, limit: int) -> int:
    """How many cells the lanes of a tape take, if no more than `limit` lanes are drawn."""
    return 2 * (rails + min(lanes, limit) + (lanes > limit))


def draw_rails(
    canvas: Canvas, x: int, y: int, picture: Picture, rails: int, limit: int, node: str, style: str, future: bool
) -> None:
    """Draw one line. `rails` cells at the left belong to parked values; lanes from `limit` on are drawn as one."""
    g = canvas.glyphs

    def column(lane: int) -> int:
        return x + 2 * (rails + min(lane, limit))

    def colour(lane: int) -> str:
        return "future" if future else f"{'glane' if lane in picture.gradients else 'lane'}{lane % COLOURS}"

    for lane in picture.passing:
        canvas.put(column(lane), y, g.vertical if lane < limit else g.more, colour(lane))
    for rail in picture.rails:
        canvas.put(x + 2 * rail, y, g.rail, "future" if future else "rail")
    touched = [use.lane for use in picture.uses] + list(picture.born)
    columns = [column(lane) for lane in (*touched, picture.node)] + [x + 2 * use.rail for use in picture.rail_uses]
    low, high = min(columns), max(columns)
    passed = {column(lane) for lane in picture.passing} | {x + 2 * rail for rail in picture.rails}
    line = "future" if future else colour(picture.node)
    for cell in range(low, high + 1):
        if cell not in passed:
            canvas.put(cell, y, g.horizontal, line)
    for use in picture.uses:
        place = column(use.lane)
        signs = g.ends if use.ends else g.taps
        canvas.put(place, y, signs[0 if low < place < high else 1 if place == high else 2], colour(use.lane))
    for rail, ends in picture.rail_uses:
        canvas.put(x + 2 * rail, y, g.rail_taps[ends], "future" if future else "rail")
    for lane in picture.born:
        canvas.put(column(lane), y, g.born[0 if lane > picture.node else 1], colour(lane))
    canvas.put(column(picture.node), y, node, style)
