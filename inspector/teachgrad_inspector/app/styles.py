"""Palettes for the themes of the application, and their looks as what Textual draws with."""

from __future__ import annotations

from functools import cache

from rich.style import Style
from textual.theme import Theme

from ..palette import GRAPHICS, TEXT, Look, Palette
from .themes import LOUD


def palette_of(theme: Theme, colour: bool = True) -> Palette:
    """The palette of a theme. In the theme of high contrast all of it has a contrast of 7 to 1."""
    variables = {} if theme.ansi else theme.to_color_system().generate()
    return Palette(variables, theme.dark, colour, *((7.0, 7.0) if theme.name == LOUD else (TEXT, GRAPHICS)))


@cache
def style_of(look: Look) -> Style:
    """A look as a style of Rich."""
    return Style(color=look.colour, bgcolor=look.ground, bold=look.bold, dim=look.dim, underline=look.underline,
                 reverse=look.reverse)  # fmt: skip
