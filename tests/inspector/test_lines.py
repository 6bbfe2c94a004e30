"""Lines of the tape where there is little room."""

from __future__ import annotations

import pytest

from teachgrad_inspector.canvas import Canvas
from teachgrad_inspector.glyphs import ASCII, UNICODE, Glyphs
from teachgrad_inspector.render.lines import draw_lines
from teachgrad_inspector.views.tape import Strip, TapeLine


@pytest.mark.parametrize(("value", "glyphs", "width", "seen"), [
    ("0.12 ± 0.34", UNICODE, 76, "(64,32) 0.12 ± 0.34"),
    ("-2.3e-5 ± 0.00047", UNICODE, 76, "(64,32) -2.3e-5±0.00047"),
    ("-0.00023 ± 0.00047", UNICODE, 76, "(64,32) -0.00023 ± …"),
    ("-2.3e-5 ± 0.00047", ASCII, 76, "(64,32) -2.3e-5 +- ~"),
    ("-0.00023 ± 0.00047", UNICODE, 44, "(64,32)"),
    ("-0.01234 → -0.05678", UNICODE, 76, "(64,32) -0.05678"),
])  # fmt: skip
def test_a_value_that_does_not_fit(value: str, glyphs: Glyphs, width: int, seen: str) -> None:
    """A shape is said once: in its own column, or instead of a value where there is none."""
    line = TapeLine("fwd", "t0/fwd/1", 1, "op", "h", "relu(x)", (64, 32), value)
    canvas = Canvas(width, 1, glyphs)
    draw_lines(canvas, 0, 0, width, (line,), Strip((line,), 1, ()))
    assert " ".join(canvas.text()[0].split()).endswith(f"relu(x) {seen}")
