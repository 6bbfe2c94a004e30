"""Colours for the meanings that renderers draw with, for terminals, pages and pictures alike.

Whatever the colours of a theme are, text that matters has a contrast of at least 4.5 to 1 against its background, and
what only accompanies it 3 to 1, as WCAG 2.1 asks (success criteria 1.4.3 and 1.4.11), or what else is asked for. The
terminal's own colours stay as they are. Nothing here needs a terminal: what draws in one makes its styles of these
looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

_BOLD = {"title", "focus", "tab-active", "moment", "key", "cursor", "node-seed", "node-fold", "code-here", "number-big"}

_COLOURS = {
    "frame": "frame", "title": "foreground", "focus": "accent", "tab": "muted", "tab-active": "accent",
    "dim": "muted", "text": "foreground", "rule": "secondary", "moment": "accent", "name": "foreground",
    "key": "accent", "cursor": "accent", "label": "foreground", "label-gradient": "gradient", "what": "muted",
    "chip": "secondary", "number": "foreground", "place": "muted", "code": "muted", "code-here": "foreground",
    "narration": "secondary", "future": "faint", "hidden": "warning", "ok": "success", "warn": "warning",
    "err": "error", "plus": "plus", "minus": "minus", "histogram": "secondary", "bar-zero": "faint", "rail": "muted",
    "node-leaf": "success", "node-op": "secondary", "node-gradient": "gradient", "node-seed": "gradient",
    "node-update": "accent", "node-fold": "accent", "phase-fwd": "secondary", "phase-bwd": "gradient",
    "phase-upd": "accent", "heat0": "faint",
}  # fmt: skip

_DARK = {"gradient": "#e5a06b", "plus": "#e8837a", "minus": "#7aaee8"}
_LIGHT = {"gradient": "#a35200", "plus": "#b3261e", "minus": "#1f5fa8"}
_LANES = {True: ("#6fb3d2", "#8fbf7f", "#b79ae0", "#5fc2b0", "#c9b36b", "#8ea3d8"),
          False: ("#1f6f94", "#3f7a2f", "#6a45a8", "#177a69", "#7d6a14", "#3d5aa3")}  # fmt: skip
_GRADIENT_LANES = {True: ("#e5a06b", "#e58a9b", "#d9b45f", "#e07f5f", "#d98fc4", "#c9a08a"),
                   False: ("#a35200", "#a63a52", "#8a6200", "#a33c14", "#8f3f7d", "#7a5038")}  # fmt: skip
_TERMINAL = {
    "foreground": "default", "muted": "default", "faint": "default", "frame": "default", "accent": "magenta",
    "secondary": "cyan", "success": "green", "warning": "yellow", "error": "red", "gradient": "yellow", "plus": "red",
    "minus": "blue",
}  # fmt: skip
_TERMINAL_LANES = ("cyan", "green", "blue", "magenta", "bright_cyan", "bright_green")
_TERMINAL_GRADIENT_LANES = ("yellow", "red", "magenta", "bright_yellow", "bright_red", "bright_magenta")
_DIM = ("future", "frame", "dim", "place")
TEXT, GRAPHICS = 4.5, 3.0
"""Contrasts, as ratios of luminance."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a style looks like. None is for what is as it is below; colours are `#rrggbb`, or the terminal's by name."""

    colour: str | None = None
    ground: str | None = None
    bold: bool | None = None
    dim: bool | None = None
    underline: bool | None = None
    reverse: bool | None = None

    def over(self, below: Look) -> Look:
        """This look on top of another one."""
        pairs = zip(astuple(self), astuple(below), strict=True)
        return Look(*(above if above is not None else under for above, under in pairs))


class Palette:
    """From a style name, or several, to a look. `variables` are colours by name, as `#rrggbb`; with none, they are
    those of the terminal. `text` and `graphics` are the contrasts that they are given."""

    def __init__(self, variables: Mapping[str, str], dark: bool, colour: bool = True, text: float = TEXT,
                 graphics: float = GRAPHICS) -> None:  # fmt: skip
        self._colour = colour
        self._terminal = not variables
        self._cache: dict[str, Look] = {}
        self._dark = dark
        self._text = text
        if self._terminal:
            self._colours = _TERMINAL
            return
        self._background = variables["background"]
        foreground = variables["foreground"]
        self._band = blend(foreground, self._background, 0.90)
        self._row = blend(variables["accent"], self._background, 0.80)
        under = max((self._background, self._band, self._row), key=lambda colour: -contrast(foreground, colour))
        """Of what text stands on, that from which it is hardest to tell."""
        names = ("foreground", "accent", "secondary", "success", "warning", "error")
        full = legible(foreground, under, text)
        plain = {name: variables[name] for name in names} | (_DARK if self._dark else _LIGHT)
        self._under = under
        self._colours = {name: legible(colour, under, self._text) for name, colour in plain.items()} | {
            "muted": faded(full, under, text), "faint": faded(full, self._background, graphics),
            "frame": faded(full, self._background, graphics),
        }  # fmt: skip

    def look(self, names: str) -> Look:
        """The look of one name, or of several that lie on top of each other."""
        found = self._cache.get(names)
        if found is None:
            found = self._cache[names] = self._make(names.split())
        return found

    def _make(self, names: list[str]) -> Look:
        base = self._colour and not self._terminal
        result = Look(self._colours["foreground"], self._background) if base else Look()
        for name in names:
            result = self._one(name).over(result)
        if self._terminal and self._colour and result.reverse:  # a colour would become a block
            return Look(reverse=True, bold=result.bold)
        return result

    def _one(self, name: str) -> Look:
        if not self._colour:
            if name == "cursor-row":
                return Look(reverse=True)
            return Look(bold=name in _BOLD or name in ("err", "warn"), dim=name in _DIM)
        if self._terminal:
            return self._of_terminal(name)
        if name in ("bar", "status"):
            return Look(ground=self._band)
        if name == "cursor-row":
            return Look(ground=self._row)
        if name.startswith(("lane", "glane")):
            lanes = _GRADIENT_LANES if name.startswith("g") else _LANES
            return Look(legible(lanes[self._dark][int(name[-1])], self._under, self._text))
        if name.startswith("heat") and name != "heat0":
            part = 0.75 - 0.25 * (int(name[-1]) - 1)
            return Look(blend(self._colours["plus" if name[4] == "+" else "minus"], self._background, part))
        colour = self._colours.get(_COLOURS.get(name, "foreground"))
        return Look(colour, bold=name in _BOLD, underline=name == "code-here")

    def _of_terminal(self, name: str) -> Look:
        """A look in the colours of the terminal, whose background may be dark or light: bars are said by reversing."""
        if name in ("bar", "status", "cursor-row"):
            return Look(reverse=True)
        if name.startswith(("lane", "glane")):
            lanes = _TERMINAL_GRADIENT_LANES if name.startswith("g") else _TERMINAL_LANES
            return Look(lanes[int(name[-1])])
        if name.startswith("heat") and name != "heat0":
            return Look(self._colours["plus" if name[4] == "+" else "minus"], bold=name[-1] in "34")
        role = _COLOURS.get(name, "foreground")
        faint = role in ("muted", "faint", "frame")
        return Look(self._colours[role], bold=name in _BOLD, dim=faint or None, underline=name == "code-here")


# ---- colours ---------------------------------------------------------------------------------------------------------


def blend(colour: str, other: str, part: float) -> str:
    """`colour` mixed with this part of another one; a colour that is not `#rrggbb` stays as it is."""
    if not (_is_hex(colour) and _is_hex(other)):
        return colour
    channels = (round(int(colour[i : i + 2], 16) * (1 - part) + int(other[i : i + 2], 16) * part) for i in (1, 3, 5))
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def contrast(one: str, other: str) -> float:
    """(L1 + 0.05) / (L2 + 0.05) for the relative luminances L1 ≥ L2 of two colours, as WCAG 2.1 defines it."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] if _is_hex(colour) else [1.0, 1.0, 1.0]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def legible(colour: str, background: str, wanted: float) -> str:
    """The colour, made lighter or darker as far as it must be for a contrast."""
    far = max(("#ffffff", "#000000"), key=lambda end: contrast(end, background))
    return next((mixed for part in range(21) if contrast(mixed := blend(colour, far, part / 20), background) >= wanted),
                far)  # fmt: skip


def faded(colour: str, background: str, wanted: float) -> str:
    """The colour, mixed with the background as far as a contrast allows."""
    mixes = (blend(colour, background, part / 50) for part in range(40, 0, -1))
    return next((mixed for mixed in mixes if contrast(mixed, background) >= wanted), colour)


def _is_hex(colour: str) -> bool:
    return colour.startswith("#") and len(colour) >= 7
