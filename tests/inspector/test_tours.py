"""Tours: small text files, read with care, played, recorded, and written down as pages and notebooks."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad.cli import main
from teachgrad.recording import Reader
from teachgrad.recording.text import clean
from teachgrad_inspector.commands import tour as command
from teachgrad_inspector.demos import write_demo
from teachgrad_inspector.learning.tours import (
    FOLDER,
    MAX_BYTES,
    MAX_STOPS,
    Tour,
    TourError,
    TourStop,
    given_away,
    load,
    parse,
    questions_at,
    questions_of,
    written,
)
from teachgrad_inspector.paper.tour import as_html, as_notebook, pages
from teachgrad_inspector.session import Session

from .runs import make

Open = Callable[..., Session]
HEAD = "---\nteachgrad tour: 1\ntitle: A tour\nrecording: run\n---\n"
STOP = "## One\nat: t0/bwd/a.grad\nscreen: chain\nquestion: value\n\nWords.\n"


def test_reading() -> None:
    tour = parse(f"{HEAD}\nBefore.\n\nMore.\n\n## One: two\nat: e\nscreen: chain\nspotlight: element [3, 1]\n"
                 "question: shape\nquestion: value\nask: Why?\nanswer: So.\n\nFirst.\n\nSecond.\n\n"
                 "## Two\nat: last\n")  # fmt: skip
    assert (tour.title, tour.recording, tour.text) == ("A tour", "run", "Before.\n\nMore.")
    assert tour.stops == (
        TourStop("One: two", "e", "First.\n\nSecond.", "chain", "element [3, 1]", ("shape", "value"), "Why?", "So."),
        TourStop("Two", "last"),
    )
    assert (tour.stops[0].element, tour.stops[1].element) == ((3, 1), None)
    assert parse(HEAD).stops == ()


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=40).map(
    lambda text: clean(" ".join(text.split()))  # text is normalized when it is read
)
stops = st.builds(
    TourStop, words.filter(bool), st.sampled_from(["t0/fwd/0", "W1.grad[3,1]", "last"]),
    words.filter(lambda text: not text.startswith("## ")), st.sampled_from(["tape", "chain", "map"]),
    st.sampled_from(["", "pane value", "op h", "element [0,1]"]),
    st.sampled_from([(), ("value",), ("shape", "next")]), words, words,
)  # fmt: skip


@given(st.builds(Tour, words.filter(bool), words, words.filter(lambda text: not text.startswith("##")),
                 st.lists(stops, max_size=4).map(tuple)))  # fmt: skip
def test_what_is_written_is_read(tour: Tour) -> None:
    assert parse(written(tour)) == tour


@pytest.mark.parametrize(("text", "what"), [
    ("", "begins with ---"), ("# Hello", "begins with ---"), ("---\ntitle: x\n", "begins with ---"),
    ("---\ntitle: x\n---\n", "is missing"), ("---\nteachgrad tour: 2\n---\n", "another version"),
    ("---\nteachgrad tour 1\n---\n", "line 2: write key: value"),
    (HEAD + "## One\n\nat: e\n", "does not say where"), (HEAD + "## One\nat: e\nnonsense\n", "line 8"),
    (HEAD + "## One\nat: e\nat: f\n", "said twice"), (HEAD + "## One\nat: e\nscreen: quantum\n", "no screen 'quantum'"),
    (HEAD + "## One\nat: e\nspotlight: everything\n", "a spotlight is on"),
    (HEAD + "## One\nat: e\nquestion: life\n", "there are the questions"),
    (HEAD + "## One\nat: e\ncode: print(1)\n", "there are at"),
    (HEAD + STOP * (MAX_STOPS + 1), "at most"), (HEAD + "## One\nat: e\n\n" + "x" * 9000, "at most"),
    (HEAD + "## " + "x" * 600 + "\nat: e\n", "longer than"),
])  # fmt: skip
def test_what_is_no_tour(text: str, what: str) -> None:
    with pytest.raises(TourError, match=what):
        parse(text)


def test_hostile_files(tmp_path: Path) -> None:
    path = tmp_path / "bad.tgl"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES << 12)
    with pytest.raises(TourError, match="larger than"):
        load(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TourError, match="UTF-8"):
        load(str(path))
    with pytest.raises(TourError, match="cannot be read"):
        load(str(tmp_path / "none.tgl"))
    with pytest.raises(TourError, match="micrograd"):
        load("")
    path.write_text(HEAD + "## \x1b]0;pwned\x07\nat: e\n\n\u202etext\x1b[2J\n", encoding="utf-8")
    (stop,) = load(str(path)).stops
    assert stop.title == "\\x1b]0;pwned\\x07"
    assert stop.text == "\\u202etext\\x1b[2J"


@pytest.mark.parametrize("demo", sorted(path.stem for path in FOLDER.glob("*.tgl")))
def test_the_tours_that_come_along(demo: str, tmp_path: Path) -> None:
    """Every stop is where it says, every question is asked there, and no text is longer than its pane."""
    write_demo(demo, tmp_path / "run.tgr")
    tour = load("", demo)
    with Reader(tmp_path / "run.tgr") as run:
        session = Session(run, demo)
        assert len(questions_of(session, tour)) >= 7
        assert given_away(session, tour) == []
        for page in pages(session, tour):
            assert page.stop.spot("pane") in ("", "chain", "value", "gradient", "ledger")
            assert len(page.stop.text) < 300
            for _, answer in page.questions:
                assert answer
    assert written(parse(written(tour))) == written(tour)


def test_a_question_that_is_not_asked_there(session: Open) -> None:
    with pytest.raises(TourError, match="asks for shape, but at t0/bwd/12 there is value"):
        questions_at(session("micrograd"), TourStop("One", "t0/bwd/12", questions=("shape",)))


# ---- pages and notebooks ---------------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """The text of a page that is visible without a click, and that which is not; the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.summary, self.visible, self.folded = 0, False, "", ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open += tag == "details"
        self.summary = tag == "summary"

    def handle_endtag(self, tag: str) -> None:
        self.open -= tag == "details"
        self.summary = self.summary and tag != "summary"

    def handle_data(self, data: str) -> None:
        if self.open and not self.summary:
            self.folded += data
        else:
            self.visible += data


HOSTILE = HEAD + "\n<script>alert(1)</script> `a<b` **bold**\n\n" + STOP.replace("Words.", "<img src=x onerror=y>")


def test_a_page(session: Open) -> None:
    seen = Seen()
    seen.feed(as_html(session("micrograd"), parse(HOSTILE)))
    assert not seen.tags & {"script", "img", "link", "iframe"}
    assert {"code", "strong", "details", "pre"} <= seen.tags
    assert "<img src=x onerror=y>" in seen.visible
    assert "What is a.grad after this contribution?" in seen.visible
    assert "+6" not in seen.visible
    assert "+6 → 4" in seen.folded


def test_nothing_from_outside(session: Open) -> None:
    page = as_html(session("micrograd"), parse(HOSTILE))
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_a_notebook(session: Open) -> None:
    nbformat = pytest.importorskip("nbformat")
    text = as_notebook(session("micrograd"), parse(HEAD + STOP), "'my run.tgr'")
    nbformat.validate(nbformat.reads(text, 4))
    cells = json.loads(text)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "markdown", "code", "markdown"]
    where = "'my run.tgr' --at t0/bwd/12 --screen chain --predict"
    assert cells[2]["source"] == [f"!teachgrad inspect {where} --print text --size 100x30"]
    assert "+6" not in "".join(cells[2]["outputs"][0]["text"])
    assert "<details>" in "".join(cells[3]["source"])


def run_command(*arguments: str) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(arguments))


def test_the_first_stop_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, tour = make("micrograd", tmp_path), tmp_path / "lesson.tgl"
    tour.write_text(HEAD + STOP)
    assert main(["inspect", str(recording), "--tour", str(tour), "--print", "text"]) == 0
    out = capsys.readouterr().out
    assert "1/1  One" in out
    assert "What is a.grad after this contribution?" in out
    assert "+6" not in out
    assert main(["inspect", str(recording), "--tour", str(tour)]) == 0  # where there is no terminal
    assert capsys.readouterr().out == out
    assert main(["inspect", str(recording), "--tour", str(tour), "-o", str(tmp_path / "stop.txt")]) == 0
    assert (tmp_path / "stop.txt").read_text(encoding="utf-8") == out
    assert main(["inspect", str(recording), "--tour", "--print", "text"]) == 2
    assert "name the file of a tour" in capsys.readouterr().err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, tour = make("micrograd", tmp_path), tmp_path / "lesson.tgl"
    tour.write_text(HEAD + STOP)
    assert run_command(str(tour), "--recording", str(recording)) == 0
    out = capsys.readouterr().out
    assert "A tour: 1 stop" in out
    assert "t0/bwd/12" in out
    assert "(value)" in out
    for kind, suffix in (("html", ".html"), ("notebook", ".ipynb")):
        assert run_command(str(tour), "--recording", str(recording), "--export", kind) == 0
        assert tour.with_suffix(suffix).stat().st_size > 1000
    assert run_command("--demo", "micrograd", "--export", "html", "--out", str(tmp_path / "m.html")) == 0
    assert "Backpropagation by hand" in (tmp_path / "m.html").read_text()
    assert run_command(str(tour), "--recording", str(recording), "--export", "html", "--out", "/none/x.html") == 2
    tour.write_text(HEAD + STOP + STOP.replace("a.grad", "9"))
    assert run_command(str(tour), "--recording", str(recording)) == 0
    assert "stop 2 asks for what stop 1 has shown" in capsys.readouterr().err
    tour.write_text(HEAD + STOP.replace("a.grad", "nothing"))
    assert run_command(str(tour), "--recording", str(recording)) == 2
    assert "nothing" in capsys.readouterr().err
    assert run_command(str(tour)) == 2
    assert run_command("--demo", "layered:10") == 2
