"""What the applications share: the themes, and the palette of the present one."""

from __future__ import annotations

import os

from textual.app import App

from ..palette import Palette
from .styles import palette_of
from .themes import THEMES


class Themed(App[int]):
    """An application with the themes of the inspector; with NO_COLOR set, it has no colours."""

    def __init__(self, theme: str) -> None:
        no_colour = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if no_colour else None)
        for known in THEMES.values():
            self.register_theme(known)
        self.theme = "ansi" if no_colour else theme
        self._palettes: dict[str, Palette] = {}

    def _palette(self) -> Palette:
        if self.theme not in self._palettes:
            self._palettes[self.theme] = palette_of(self.current_theme, not self.no_color)
        return self._palettes[self.theme]

    def _next_theme(self) -> str:
        """Take the next theme of the inspector, and say which it is."""
        names = list(THEMES)
        at = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[at % len(names)]
        return f"theme {self.theme}"
