"""Colours for the meanings that renderers draw with, taken from the theme of the application."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style

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


class Palette:
    """From a style name, or several, to a Rich style. `variables` are the theme's, by name, as CSS colours."""

    def __init__(self, variables: Mapping[str, str], dark: bool, colour: bool) -> None:
        self._colour = colour
        self._cache: dict[str, Style] = {}
        base = _DARK if dark else _LIGHT
        self._colours = {
            **base,
            "foreground": variables["foreground"], "accent": variables["accent"], "secondary": variables["secondary"],
            "success": variables["success"], "warning": variables["warning"], "error": variables["error"],
            "muted": _blend(variables["foreground"], variables["background"], 0.38),
            "faint": _blend(variables["foreground"], variables["background"], 0.68),
            "frame": _blend(variables["foreground"], variables["background"], 0.72),
        }  # fmt: skip
        self._background = variables["background"]
        self._band = _blend(variables["foreground"], variables["background"], 0.90)
        self._row = _blend(variables["accent"], variables["background"], 0.80)
        self._dark = dark

    def style(self, names: str) -> Style:
        """The style for one name, or for several that lie on top of each other."""
        found = self._cache.get(names)
        if found is None:
            found = self._cache[names] = self._make(names.split())
        return found

    def _make(self, names: list[str]) -> Style:
        result = Style(color=self._colours["foreground"], bgcolor=self._background) if self._colour else Style.null()
        for name in names:
            result += self._one(name)
        return result

    def _one(self, name: str) -> Style:
        if not self._colour:
            if name == "cursor-row":
                return Style(reverse=True)
            return Style(bold=name in _BOLD or name in ("err", "warn"), dim=name in ("future", "frame", "dim", "place"))
        if name in ("bar", "status"):
            return Style(bgcolor=self._band)
        if name == "cursor-row":
            return Style(bgcolor=self._row)
        if name.startswith(("lane", "glane")):
            lanes = _GRADIENT_LANES if name.startswith("g") else _LANES
            return Style(color=lanes[self._dark][int(name[-1])])
        if name.startswith("heat") and name != "heat0":
            part = 0.75 - 0.25 * (int(name[-1]) - 1)
            return Style(color=_blend(self._colours["plus" if name[4] == "+" else "minus"], self._background, part))
        colour = self._colours.get(_COLOURS.get(name, "foreground"))
        return Style(color=colour, bold=name in _BOLD, underline=name == "code-here")


def _blend(colour: str, other: str, part: float) -> str:
    """`colour` mixed with this part of another one; a colour that is not `#rrggbb` stays as it is."""
    if not (colour.startswith("#") and other.startswith("#") and len(colour) >= 7 and len(other) >= 7):
        return colour
    channels = (round(int(colour[i : i + 2], 16) * (1 - part) + int(other[i : i + 2], 16) * part) for i in (1, 3, 5))
    return "#" + "".join(f"{channel:02x}" for channel in channels)
