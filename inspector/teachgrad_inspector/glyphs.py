"""The characters that screens are drawn with: one set for Unicode terminals, one for those that only have ASCII.

Box drawing characters and dots are of *ambiguous* width in East Asian fonts; where they come out two cells wide,
`--ascii` (or `TEACHGRAD_GLYPHS=ascii`) is the answer.
"""

from __future__ import annotations

import locale
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """A set of characters. Strings of several characters are scales or corners, in the order that is said."""

    name: str
    leaf: str
    op: str
    gradient: str
    seed: str
    update: str
    fold: str
    trouble: str
    vertical: str
    horizontal: str
    taps: str
    """A lane that is read and lives on: between others, at the right end, at the left end."""
    ends: str
    """A lane that is read for the last time: between others, at the right end, at the left end."""
    born: str
    """A lane that begins beside the node: at the right, at the left."""
    rail: str
    rail_taps: str
    """A rail of saved values that is read and goes on, or is read for the last time."""
    more: str
    stop: str
    """A breakpoint."""
    cursor: str
    corners: str
    """Of a box: top left, top right, bottom left, bottom right, tee left, tee right."""
    chip: str
    heat: str
    bars: str
    ellipsis: str
    arrow: str
    dash: str
    """Of a line that marks a height in a plot."""
    now: str
    """Of a line that marks a moment in a plot."""
    peak: str
    """Points up at a moment in a plot."""
    frames: str
    """Boxes on the map: corners, horizontal, vertical; first those that were computed, then those that were not yet,
    then the one with the cursor."""
    wires: str
    """Lines between boxes, by the sides that they go to: 1 up, 2 right, 4 down, 8 left, together."""
    ascii: bool


UNICODE = Glyphs(
    name="unicode", leaf="○", op="●", gradient="●", seed="◉", update="◆", fold="▸", trouble="✗", vertical="│",
    horizontal="─", taps="┼┤├", ends="┴╯╰", born="╮╭", rail="║", rail_taps="╟╙", more="»", stop="■", cursor="▶",
    corners="╭╮╰╯├┤", chip="‹›", heat="·░▒▓█", bars=" ▁▂▃▄▅▆▇█", ellipsis="…", arrow="→",
    dash="╌", now="┊", peak="▲", frames="╭╮╰╯─│╭╮╰╯┄┆┏┓┗┛━┃", wires=" ╵╶╰╷│╭├╴╯─┴╮┤┬┼", ascii=False,
)  # fmt: skip

ASCII = Glyphs(
    name="ascii", leaf="o", op="*", gradient="@", seed="$", update="#", fold="+", trouble="X", vertical="|",
    horizontal="-", taps="+++", ends="^''", born=",,", rail="H", rail_taps="HH", more=">", stop="B", cursor=">",
    corners="++++++", chip="<>", heat=".:+%@", bars=" .:-=+*%@", ellipsis="~", arrow=">",
    dash="-", now="|", peak="^", frames="++++-|.....:######", wires=" |-+||++-+-+++++", ascii=True,
)  # fmt: skip

_SPELLED = str.maketrans({
    "∂": "d", "Σ": "sum", "·": "*", "×": "x", "→": "->", "⟵": "<-", "←": "<-", "↑": "^", "↓": "v", "−": "-", "ᵀ": "^T",
    "²": "^2", "³": "^3", "√": "sqrt ", "⟨": "<", "⟩": ">", "…": "...", "≈": "~", "≤": "<=", "≥": ">=", "≠": "!=",
    "±": "+-", "‖": "|", "Δ": "D", "∞": "inf", "∈": "in", "▶": ">", "◀": "<", "✓": "ok", "✗": "X", "▸": "+", "▾": "-",
    "│": "|", "─": "-", "ᵢ": "_i", "ⱼ": "_j", "ₖ": "_k", "′": "'", "Π": "prod", "⊙": "*", "‹": "<", "›": ">", "║": "H",
    "é": "e", "■": "B", "↵": "enter", "⌫": "bksp", "⇥": "tab",
})  # fmt: skip


def spelled(text: str) -> str:
    """`text` in ASCII: symbols of mathematics spelled out, other characters as `?`."""
    if text.isascii():
        return text
    return text.translate(_SPELLED).encode("ascii", "replace").decode()


def choose(ascii_only: bool = False) -> Glyphs:
    """The set to use: ASCII if asked for, by flag or by TEACHGRAD_GLYPHS, or if the locale cannot write more."""
    wish = os.environ.get("TEACHGRAD_GLYPHS", "").lower()
    if ascii_only or wish == "ascii":
        return ASCII
    if wish == "unicode":
        return UNICODE
    return UNICODE if "utf" in locale.getpreferredencoding(False).lower() else ASCII
