"""Screens on paper: SVG and HTML say what the terminal says, and stand alone; DOT is the graph of the moment."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachgrad import observe
from teachgrad.cli import main
from teachgrad.errors import TeachgradError
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.canvas import Canvas, cell_width
from teachgrad_inspector.glyphs import ASCII, UNICODE
from teachgrad_inspector.paper import images, strokes
from teachgrad_inspector.paper.film import film, shot
from teachgrad_inspector.paper.graph import graph_of
from teachgrad_inspector.paper.page import page
from teachgrad_inspector.paper.svg import css, styles_of, svg
from teachgrad_inspector.screens import SCREENS
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options
from tests.drawing.test_dot import STATEMENT
from tests.recording.runs import send

from .runs import make

SVG = "{http://www.w3.org/2000/svg}"
SIZE = (100, 30)
HOSTILE = "[bold]x[/] \x1b]0;pwned\x07\u202e</text><script>alert(1)</script>\"'&]]>-->\\"
Open = Callable[..., Session]


def hostile(folder: Path) -> Path:
    path = folder / "hostile.tgr"
    with Recorder(path, level="values"):
        send(observe.Leaf(1, HOSTILE, np.ones(3), True, True))
        send(observe.Forward(2, HOSTILE, (1,), {}, np.ones(3), HOSTILE, None, f"{HOSTILE}.{HOSTILE}", True))
        send(observe.Seed(2, np.ones(3)))
        send(observe.Backward(2, HOSTILE, np.ones(3)))
        send(observe.Accumulate(2, 1, 0, np.ones(3), np.ones(3)))
        send(observe.Update(1, HOSTILE, np.zeros(3)))
    return path


@pytest.mark.parametrize("kind", ["svg", "html", "dot", "json"])
def test_no_terminal_library_is_needed(kind: str, tmp_path: Path) -> None:
    code = ("import sys; sys.modules.update(textual=None, rich=None)\nimport teachgrad.cli as cli\n"
            f"sys.exit(cli.main(['inspect', {str(make('micrograd', tmp_path))!r}, '--print', {kind!r}]))")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment,
                          encoding="utf-8", timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert {"svg": "<svg", "html": "<svg", "dot": "digraph", "json": '"screen"'}[kind] in done.stdout


def rows_of(text: str) -> dict[int, str]:
    """The lines of text in an SVG, by row."""
    root = ElementTree.fromstring(text)
    found = {}
    for line in root.iter(f"{SVG}text"):
        row, rest = divmod(int(line.get("y", "")) - 14, strokes.HEIGHT)
        assert rest == 0
        found[row] = "".join(line.itertext())
        cell = 0
        for piece in line.iter(f"{SVG}tspan"):  # each character has the place of its cell
            places = []
            for character in piece.text or "":
                places.append(strokes.WIDTH * cell)
                cell += cell_width(character)
            assert [int(x) for x in piece.get("x", "").split()] == places
    return found


# ---- SVG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(("name", "address"), [
    ("micrograd", "t0/bwd/a.grad"), ("net", "t1/bwd/fc1.weight.grad"), ("program", "t1/fwd/6"), ("trouble", "t0/fwd/2"),
])  # fmt: skip
def test_svg_says_what_the_terminal_says(name: str, address: str, screen: str, session: Open) -> None:
    opened = session(name)
    one = shot(opened, opened.run.resolve(address), screen, Options(), SIZE, UNICODE)
    text = svg(one.canvas, "title", one.sentence)
    lines = one.canvas.text()
    assert rows_of(text) == {row: line for row, line in enumerate(lines) if line}
    root = ElementTree.fromstring(text)
    assert [element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")] == ["title", one.sentence]
    assert not re.search(r"href|url\(|@import|<script|on\w+=", text)
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    used = {name for element in root.iter() for name in (element.get("class") or "").split()}
    assert all(f".{name}{{" in text for name in used - {"tg-screen"})


def test_light_dark_or_what_the_reader_prefers(session: Open) -> None:
    opened = session("net")
    canvas = shot(opened, opened.first, "tape", Options(), SIZE, UNICODE).canvas
    styles = styles_of([canvas])
    assert "prefers-color-scheme" not in css(styles, "light") + css(styles, "dark")
    light, _, dark = css(styles).partition("@media (prefers-color-scheme:dark)")
    assert css(styles, "light") == light
    assert dark[1:-1] in css(styles, "dark")


def luminance(colour: str) -> float:
    """Relative luminance by the Web Content Accessibility Guidelines 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("paper", ["light", "dark"])
def test_text_can_be_read_on_its_paper(paper: Any) -> None:
    styles = ["number", "label", "label-gradient", "what", "chip", "moment", "key", "ok", "warn", "err", "dim",
              "place", "number cursor-row", "what cursor-row", "name status", "tab bar", "tab-active bar"]  # fmt: skip
    rules = css(styles, paper)
    ground = re.search(r"\.tg-paper\{fill:(#\w+)", rules)
    assert ground
    for name in styles:
        kind = "tg-" + name.replace(" ", "-")
        ink = re.search(rf"\.{kind}\{{color:(#\w+)", rules)
        under = re.search(rf"\.{kind}-g\{{fill:(#\w+)", rules) or ground
        assert ink
        bright, dark = sorted((luminance(ink[1]), luminance(under[1])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.0, name


def test_what_boxes_are_drawn_with_is_drawn_and_joins() -> None:
    canvas = Canvas(6, 4, UNICODE)
    canvas.box(0, 0, 6, 4)
    text = svg(canvas, "", "")
    (lines,) = re.findall(r'<path class="l tg-frame"[^>]* d="(M[^Q"]+)"', text)
    # the upper edge is one line from corner to corner, and so are the sides
    assert lines.split("M")[1:] == ["4.5 18V54", "49.5 18V54", "9 9.5H45", "9 63.5H45"]
    (arcs,) = re.findall(r'd="(M[^"]*Q[^"]*)"', text)
    assert arcs.split("M")[1:] == ["4.5 18Q4.5 9.5 9 9.5", "49.5 18Q49.5 9.5 45 9.5", "4.5 54Q4.5 63.5 9 63.5",
                                   "49.5 54Q49.5 63.5 45 63.5"]  # fmt: skip


SIDES = {"│": "ud", "─": "lr", "┼": "udlr", "┤": "udl", "├": "udr", "┴": "ulr", "┬": "dlr", "╵": "u", "╶": "r",
         "╷": "d", "╴": "l", "┏": "dr", "┓": "dl", "┗": "ur", "┛": "ul", "━": "lr", "┃": "ud", "║": "ud", "╟": "udr",
         "╙": "ur", "┄": "lr", "┆": "ud", "┊": "ud", "╌": "lr", "┝": "udr"}  # fmt: skip


@pytest.mark.parametrize("character", SIDES)
def test_lines_reach_the_sides_that_they_should(character: str) -> None:
    ink = strokes.ink(character)
    assert ink
    dashed = character in "┄┆┊╌"
    sides = set()
    for line in ink.lines:
        near = 3 if dashed else 0
        if line.start <= near:
            sides.add("l" if line.across else "u")
        if line.stop >= (strokes.WIDTH if line.across else strokes.HEIGHT) - near:
            sides.add("r" if line.across else "d")
    assert sides == set(SIDES[character])
    assert any(line.heavy for line in ink.lines) == (character in "┏┓┗┛━┃┝")


def test_every_line_and_block_of_the_glyphs_is_drawn() -> None:
    for text in (getattr(UNICODE, field) for field in UNICODE.__dataclass_fields__):
        for character in text if isinstance(text, str) else "":
            drawn = strokes.ink(character) is not None
            assert drawn == ("─" <= character <= "▕"), character


def test_blocks_and_dots_cover_what_they_should() -> None:
    area = {c: sum(w * h for _, _, w, h in strokes.ink(c).areas) / 162 for c in "▁▄█▌▐▀░"}  # type: ignore[union-attr]
    assert area == {"▁": 1 / 8, "▄": 1 / 2, "█": 1, "▌": 1 / 2, "▐": 1 / 2, "▀": 1 / 2, "░": 1}
    dots = strokes.ink("⡠")  # dots 6 and 7
    assert dots
    assert {(left > 4, top // 4.5) for left, top, _, _ in dots.areas} == {(True, 2), (False, 3)}


def test_wide_characters_take_two_cells() -> None:
    canvas = Canvas(12, 1, UNICODE)
    canvas.put(0, 0, "数a😀b│c")
    text = svg(canvas, "", "")
    assert rows_of(text) == {0: "数a😀b│c"}
    assert re.findall(r'x="([\d ]+)">([^<]+)<', text) == [
        ("0 18", "数a"), ("27", "😀"), ("45", "b"), ("54", "│"), ("63", "c")]  # fmt: skip


def test_in_ascii_all_text_is_written() -> None:
    canvas = Canvas(10, 3, ASCII)
    canvas.box(0, 0, 10, 3, "x")
    text = svg(canvas, "", "")
    assert "<path" not in text
    assert rows_of(text) == dict(enumerate(canvas.text()))


# ---- HTML ------------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The elements of a page, and the text of some."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"pre": [], "h1": [], "title": [], "script": []}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self._open.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data


@pytest.mark.parametrize(("screen", "before", "after"), [
    ("tape", 6, 6), ("map", 6, 6), ("passes", 0, 3), ("train", 1, 0), ("chain", 6, 6), ("doctor", 0, 0),
    ("what-if", 0, 0),
])  # fmt: skip
def test_a_page_has_the_steps_around(screen: str, before: int, after: int, session: Open) -> None:
    opened = session("program" if screen == "passes" else "net")
    moment = opened.run.resolve("t1/fwd/6")
    shots, at = film(opened, moment, screen, Options(), SIZE, UNICODE, 6)
    assert (at, len(shots)) == (before, before + 1 + after)
    text = page(shots, at, "net")
    found = Tags(text)
    assert found.texts["pre"] == ["\n".join(one.canvas.text()) for one in shots]
    svgs = re.findall(r"<svg.*?</svg>", text, re.S)
    for drawing, one in zip(svgs, shots, strict=True):
        rows = rows_of(drawing.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))
        assert rows == {row: line for row, line in enumerate(one.canvas.text()) if line}
    inputs = [attrs for tag, attrs in found.tags if tag == "input"]
    assert len(inputs) == (len(shots) if len(shots) > 1 else 0)
    assert [i for i, attrs in enumerate(inputs) if "checked" in attrs] == [at][: len(inputs)]
    ids = {attrs["id"] for attrs in inputs}
    assert all(attrs["for"] in ids for tag, attrs in found.tags if tag == "label")
    assert not re.search(r"href|src=|url\(|@import|<script|https?://", text)
    assert "default-src 'none'" in text


def test_a_page_of_one_moment_shows_it(session: Open) -> None:
    opened = session("net")
    text = page(*film(opened, opened.first, "doctor", Options(), SIZE, UNICODE, 6), "Doctor of net")
    assert ".shot{display:block}" in text
    assert Tags(text).texts["h1"] == ["Doctor of net at t0/fwd/0"]


def test_predicted_gradients_are_in_no_step_of_a_page(session: Open) -> None:
    opened = session("micrograd")
    moment = opened.run.resolve("t0/bwd/9")
    shots, at = film(opened, moment, "tape", Options(predict=True, narration=True), SIZE, UNICODE, 6)
    assert (len(shots), at) == (1, 0)  # the next step would show what is hidden in this one
    assert "predict it: a answers" in "\n".join(shots[0].canvas.text())
    assert "-2" not in shots[0].sentence


# ---- DOT -------------------------------------------------------------------------------------------------------------


def nodes_and_edges(text: str) -> tuple[int, int, int]:
    """Nodes, operands and lines of gradient in a DOT text, of which each line is a statement."""
    inside = [line for line in text.splitlines() if not re.fullmatch(r"\s*n\d+ \[(penwidth|style)=.*\];", line)]
    assert all(STATEMENT.fullmatch(line) for line in text.splitlines() if "constraint=false" not in line)
    gradient = [line for line in inside if "constraint=false" in line]
    edges = [line for line in inside if " -> n" in line and line not in gradient]
    return sum(re.match(r"\s*n\d+ \[label", line) is not None for line in inside), len(edges), len(gradient)


def test_the_graph_of_a_training_step(session: Open) -> None:
    opened = session("net")
    rows = opened.run.step(1).rows
    values = [row for row in rows if row.kind in ("leaf", "op")]
    operands = sum(len(row.inputs) for row in rows)
    for row in rows:
        text = graph_of(opened, row.moment, "tape", Options())
        flowed = sum(one.kind == "edge" for one in rows[: row.row + 1])
        assert nodes_and_edges(text) == (9, operands, flowed)  # both parameters are from the step before
        assert text.count("style=dotted") == sum(one.row > row.row for one in values)
        assert text.count(f"▶ {row.moment} ") == 1
        assert text.count("[penwidth=3]") == 1
        assert {'label="fc1"', 'label="fc2"'} <= set(re.findall(r'label="\w+"', text))


def test_the_graph_of_a_module(session: Open) -> None:
    opened = session("net")
    text = graph_of(opened, opened.run.resolve("t0/fwd/2"), "map", Options(level="fc1"))
    assert nodes_and_edges(text) == (3, 2, 0)


def test_the_graph_between_rewrites(session: Open) -> None:
    opened = session("program")
    for stop in range(3):
        text = graph_of(opened, opened.first, "passes", Options(stop=stop))
        assert nodes_and_edges(text)[2] == 0
        assert ("penwidth=3" in text) == (stop > 0)


def test_values_that_are_to_be_predicted_are_not_in_the_graph(session: Open) -> None:
    opened = session("micrograd")
    moment = opened.run.resolve("t0/bwd/a.grad")
    assert "+6 from e" in graph_of(opened, moment, "tape", Options())
    assert "6 from e" not in graph_of(opened, moment, "tape", Options(predict=True))


@pytest.mark.parametrize("name", ["micrograd", "net", "attention", "deep", "trouble", "program"])
def test_graphviz_draws_it(name: str, session: Open) -> None:
    if shutil.which("dot") is None:
        pytest.importorskip("pygraphviz")
    opened = session(name)
    moment = opened.run.resolve("last")
    for screen in ("tape", "passes"):
        text = graph_of(opened, moment, screen, Options())
        root = ElementTree.fromstring(images.laid_out(text, "svg"))
        drawn = [g.findtext(f"{SVG}title") or "" for g in root.iter(f"{SVG}g") if g.get("class") == "node"]
        assert sum(title.startswith("n") for title in drawn) == nodes_and_edges(text)[0]
    assert images.laid_out(text, "png").startswith(b"\x89PNG")
    assert images.laid_out(text, "pdf").startswith(b"%PDF")


# ---- PNG -------------------------------------------------------------------------------------------------------------


def test_png_is_the_svg_in_pixels(session: Open) -> None:
    pytest.importorskip("resvg_py")
    opened = session("net")
    moments = opened.first, opened.run.resolve("last")
    pictures = [images.png(svg(shot(opened, at, "tape", Options(), SIZE, UNICODE).canvas, "", "", "light"))
                for at in moments]  # fmt: skip
    assert pictures[0] != pictures[1]
    for picture in pictures:
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack(">II", picture[16:24]) == (2 * (100 * 9 + 18), 2 * (30 * 18 + 18))


def test_without_a_font_there_is_no_picture_without_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(images, "FAMILIES", ("No Such Font",))
    images._font.cache_clear()
    with pytest.raises(TeachgradError, match="no monospace font"):
        images.png('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    images._font.cache_clear()


@pytest.mark.parametrize(("arguments", "hidden", "remedy"), [
    (["--output", "x.png"], "resvg_py", r'pip install "teachgrad\[images\]"'),
    (["--print", "dot", "-o", "x.png"], "pygraphviz", r'pip install "teachgrad\[images\]"'),
])  # fmt: skip
def test_what_is_missing_is_said(
    arguments: list[str], hidden: str, remedy: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, hidden, None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "--demo", "micrograd", *arguments]) == 2
    assert re.search(remedy, capsys.readouterr().err)
    assert not (tmp_path / "x.png").exists()


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["svg", "html", "dot"])
@pytest.mark.parametrize("screen", SCREENS)
def test_hostile_names_are_only_text(
    screen: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hostile(tmp_path)
    for at in ("t0/1", "last"):
        assert main(["inspect", str(path), "--screen", screen, "--print", kind, "--at", at, "--size", "160x48"]) == 0
        out = capsys.readouterr().out
        assert not {"\x1b", "\x07", "\u202e"} & {*out}
        if kind == "dot":
            nodes_and_edges(out)
            continue
        assert "<script" not in out
        if kind == "svg":
            ElementTree.fromstring(out)
        else:
            assert {tag for tag, _ in Tags(out).tags} <= {
                "html", "head", "meta", "title", "style", "body", "h1", "input", "nav", "label", "p", "main", "section",
                "div", "svg", "desc", "rect", "g", "path", "text", "tspan", "details", "summary", "pre"}  # fmt: skip


@pytest.mark.parametrize(("file", "beginning"), [
    ("a.svg", b"<svg xmlns"), ("a.html", b"<!doctype html>"), ("a.dot", b"digraph"), ("a.gv", b"digraph"),
    ("a.json", b"{"), ("a.txt", b"  1 Tape"),
])  # fmt: skip
def test_the_name_of_a_file_says_what_to_write(file: str, beginning: bytes, tmp_path: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(["inspect", "--demo", "micrograd", "--output", str(tmp_path / file)]) == 0
    assert (tmp_path / file).read_bytes().startswith(beginning)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("file", "message"), [
    ("a.jpeg", "does not say what to write"), ("a", "does not say what to write"), ("no/a.svg", "cannot be written"),
])  # fmt: skip
def test_files_that_cannot_be_written(file: str, message: str, tmp_path: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(["inspect", "--demo", "micrograd", "--output", str(tmp_path / file)]) == 2
    assert message in capsys.readouterr().err


def test_a_recording_is_not_changed_by_printing_it(tmp_path: Path) -> None:
    path = hostile(tmp_path)
    before = path.read_bytes()
    for kind in ("svg", "html", "dot"):
        assert main(["inspect", str(path), "-o", str(tmp_path / f"a.{kind}")]) == 0
    assert path.read_bytes() == before
    with Reader(path) as run:
        assert run.trouble is None


def test_the_doctor_reports_into_a_file_as_text_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(make("trouble", tmp_path))
    for file, beginning in (("a.txt", "t0/fwd"), ("a.json", "{")):
        assert main(["inspect", path, "--doctor", "-o", str(tmp_path / file)]) == 1
        assert (tmp_path / file).read_text(encoding="utf-8").startswith(beginning)
    assert main(["inspect", path, "--doctor", "-o", str(tmp_path / "a.svg")]) == 2
    assert "--screen doctor can be drawn as svg" in capsys.readouterr().err


@pytest.mark.parametrize("ways", [("--plain", "--serve"), ("--plain", "--print=svg"), ("--serve", "--print=text")])
def test_ways_to_look_exclude_each_other(ways: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", "--demo", "micrograd", *ways])
    assert "not allowed with" in capsys.readouterr().err
