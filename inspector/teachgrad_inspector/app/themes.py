"""The themes: dark, light, high contrast, and the sixteen colours that the terminal has itself."""

from __future__ import annotations

import os
from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

from teachgrad.errors import TeachgradError

LOUD = "high-contrast"
"""The theme in which nothing is faint."""

THEMES: dict[str, Theme] = {
    theme.name: theme
    for theme in (
        Theme(
            "dark", primary="#bb9af7", secondary="#7aa2f7", accent="#ff9e64", foreground="#a9b1d6",
            background="#1a1b26", surface="#24283b", panel="#414868", success="#9ece6a", warning="#e0af68",
            error="#f7768e", dark=True,
        ),
        Theme(
            "light", primary="#5a3fb0", secondary="#2a5db0", accent="#9c4a00", foreground="#2c2f3a",
            background="#fafafa", surface="#efeff3", panel="#dfe0e8", success="#2f6f1f", warning="#7a5800",
            error="#b3261e", dark=False,
        ),
        Theme(
            LOUD, primary="#ffff00", secondary="#80d8ff", accent="#ffff00", foreground="#ffffff", background="#000000",
            surface="#000000", panel="#202020", success="#80ff80", warning="#ffd75f", error="#ff9c9c", dark=True,
        ),
        replace(BUILTIN_THEMES["ansi-dark"], name="ansi"),
    )
}  # fmt: skip
"""The themes of the inspector by name. Those of Textual are in the palette, too."""


def chosen(wish: str | None) -> str:
    """The theme to begin with: the one asked for, else that of TEACHGRAD_THEME, else the dark one."""
    theme = wish or os.environ.get("TEACHGRAD_THEME") or "dark"
    if theme not in THEMES:
        raise TeachgradError(f"TEACHGRAD_THEME is {theme!r}; there are {', '.join(THEMES)}")
    return theme
