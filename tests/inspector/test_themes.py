"""The themes: every meaning is legible in each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.color import ColorType
from textual.theme import BUILTIN_THEMES, Theme

from teachgrad_inspector.app.sheet import Sheet
from teachgrad_inspector.app.styles import palette_of, style_of
from teachgrad_inspector.app.themes import THEMES
from teachgrad_inspector.palette import _COLOURS, contrast
from teachgrad_inspector.session import Session
from tests.inspector.test_keys import app_of, running, shown

Open = Callable[..., Session]
FAINT = {"frame", "future", "bar-zero", "heat0"}
RGB = [theme for theme in (*THEMES.values(), *BUILTIN_THEMES.values()) if not theme.ansi]


@pytest.mark.parametrize("theme", RGB, ids=lambda theme: theme.name)
def test_every_meaning_can_be_told_from_its_background(theme: Theme) -> None:
    palette = palette_of(theme)
    for name in (*_COLOURS, *(f"{kind}{n}" for kind in ("lane", "glane") for n in range(6))):
        for under in ("", "bar", "cursor-row") if name not in FAINT else ("",):
            style = style_of(palette.look(f"{name} {under}".strip()))
            assert style.color is not None
            assert style.bgcolor is not None
            found = contrast(style.color.name, style.bgcolor.name)
            wanted = 7.0 if theme.name == "high-contrast" else 3.0 if name in FAINT else 4.5
            assert found >= wanted, (name, under, style, found)


def test_contrast_is_that_of_the_standard() -> None:
    """Pairs whose ratios are published with the standard's own examples and tools."""
    for one, other, ratio in (("#ffffff", "#000000", 21.0), ("#777777", "#ffffff", 4.48), ("#767676", "#ffffff", 4.54),
                              ("#ff0000", "#ffffff", 4.0), ("#0000ff", "#ffffff", 8.59)):  # fmt: skip
        assert contrast(one, other) == pytest.approx(ratio, abs=0.01)


def test_the_terminal_s_own_theme_asks_for_no_other_colours() -> None:
    palette = palette_of(THEMES["ansi"])
    for name in (*_COLOURS, "bar", "cursor-row", "lane3", "glane5", "heat+3", "heat-1"):
        style = style_of(palette.look(name))
        for colour in (style.color, style.bgcolor):
            assert colour is None or colour.type in (ColorType.DEFAULT, ColorType.STANDARD)
    assert palette.look("cursor-row").reverse


async def test_the_key_goes_through_the_themes(session: Open) -> None:
    async with running(session("micrograd")) as pilot:
        before = shown(pilot)
        seen = [app_of(pilot).theme]
        for _ in range(len(THEMES)):
            await pilot.press("D")
            await pilot.pause()
            seen.append(app_of(pilot).theme)
            assert f"theme {seen[-1]}" in shown(pilot)[-1]
            assert shown(pilot)[:-1] == before[:-1]
            strip = app_of(pilot).query_one(Sheet).render_line(6).crop(2, 3)
            styles = [segment.style for segment in strip]
            if seen[-1] != "ansi":
                assert all(style and style.bgcolor and style.bgcolor.name == app_of(pilot).current_theme.background
                           for style in styles)  # fmt: skip
        assert seen == [*THEMES, "dark"]
