"""Exported pages in a real browser: without JavaScript, by keys alone, on light and dark, and nothing is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teachgrad.cli import main
from teachgrad.recording import Reader
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.keys import footer
from teachgrad_inspector.screens import SCREENS, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options

from .runs import make

pytestmark = pytest.mark.slow
STYLE = "e => getComputedStyle(e)"


@pytest.fixture
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


def shown(page: Any) -> list[str]:
    """The addresses of the steps that can be seen."""
    return [section.locator("desc").text_content() for section in page.locator(".shot").all() if section.is_visible()]


def test_a_page_steps_without_javascript(browser: Any, tmp_path: Path) -> None:
    assert main(["inspect", str(make("net", tmp_path)), "--at", "t0/fwd/4", "--output", str(tmp_path / "a.html")]) == 0
    page = browser.new_context(java_script_enabled=False).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{tmp_path / 'a.html'}")
    assert len(asked) == 1  # the page itself
    (first,) = shown(page)
    assert first.startswith("fc2.weight is used for the first time")
    page.keyboard.press("Tab")  # to the chosen step
    page.keyboard.press("ArrowRight")
    (second,) = shown(page)
    assert "is computed as h @ fc2.weight" in second
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    (third,) = shown(page)
    assert "relu" in third
    page.get_by_text("step ▶").locator("visible=true").click()
    assert shown(page) == [first]
    page.get_by_text("as text").locator("visible=true").click()
    assert "forward: values" in page.locator("pre:visible").inner_text()


def test_light_and_dark(browser: Any, tmp_path: Path) -> None:
    assert main(["inspect", str(make("net", tmp_path)), "--screen", "map", "--output", str(tmp_path / "a.html")]) == 0
    grounds = []
    for scheme in ("light", "dark"):
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto(f"file://{tmp_path / 'a.html'}")
        papers = page.locator(".tg-paper:visible").evaluate_all(f"all => all.map(e => ({STYLE})(e).fill)")
        grounds.append((papers, page.locator("body").evaluate(f"e => ({STYLE})(e).backgroundColor")))
    assert grounds == [(["rgb(255, 255, 255)"], "rgb(255, 255, 255)"), (["rgb(13, 17, 23)"], "rgb(13, 17, 23)")]


@pytest.mark.parametrize("screen", ["tape", "memory", "train"])
def test_text_can_be_selected_and_stands_in_its_cells(screen: str, browser: Any, tmp_path: Path) -> None:
    path = make("net", tmp_path)
    assert main(["inspect", str(path), "--screen", screen, "--output", str(tmp_path / "a.svg")]) == 0
    with Reader(path) as run:
        canvas = frame(Session(run), run.resolve("t0/fwd/0"), screen, Options(), 100, 30, UNICODE,
                       footer(SCREENS[screen].actions))  # fmt: skip
    page = browser.new_page()
    page.goto(f"file://{tmp_path / 'a.svg'}")
    select = "e => { getSelection().selectAllChildren(e); return getSelection().toString() }"
    lines = page.locator("text").evaluate_all(f"all => all.map({select})")
    assert [line.rstrip() for line in lines] == [line for line in canvas.text() if line]
    starts = page.locator("text").evaluate_all(
        "all => all.map(e => [...e.textContent].map((_, i) => e.getStartPositionOfChar(i).x))")  # fmt: skip
    for places, line in zip(starts, (line for line in canvas.text() if line), strict=True):
        assert places == [9 * i for i in range(len(line))]
