"""A notebook, run by a kernel: what it shows of tensors, graphs and recordings."""

from __future__ import annotations

import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.paper import notebook
from tests.drawing.test_pages import Reader as Page

from .runs import make
from .test_paper import HOSTILE, SVG, hostile

CELLS = [
    "import teachgrad as tg\nx = tg.tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True, name='x')\nx",
    "with tg.Recorder('run.tgr', level='values') as recorder:\n    y = (x * x).sum()\n    y.backward()\nrecorder",
    "tg.show(x * 2)",
    "tg.show(recorder)",
    "step = tg.static(lambda v: v.exp().sum())\nstep(x)\nstep",
    "from teachgrad.recording import Reader\nReader('run.tgr')",
]


@pytest.mark.slow
def test_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    # As if it were installed: an installation from before there were displays does not know of them.
    info = tmp_path / "site" / "here-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: here\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[teachgrad.displays]\nrecording = teachgrad_inspector.paper.notebook:recording\n")  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path, str(tmp_path / "site")]))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown: list[Any] = [cell.outputs[0] for cell in book.cells]
    assert all(len(cell.outputs) == 1 for cell in book.cells)
    kinds = ["execute_result", "execute_result", "display_data", "display_data", "execute_result", "execute_result"]
    assert [output.output_type for output in shown] == kinds
    pages = [output.data["text/html"] for output in shown]
    texts = [output.data["text/plain"] for output in shown]
    assert re.findall(r"<td[^>]*>([^<]+)</td>", pages[0]) == ["1", "-2", "3", "0.5"]
    assert texts[0].startswith("tensor([[")
    assert "multiply" in pages[2]
    assert texts[4].startswith("<static <lambda>, ")
    assert "<svg" in pages[4]
    for place in (1, 3, 5):
        assert pages[place].count("<details") == 2
        assert "teachgrad inspect run.tgr" in pages[place]
        assert "t0/fwd/0 x" in texts[place]
        assert "forward: values" in texts[place]
    with Reader(tmp_path / "run.tgr") as run:
        assert f" t0/bwd/{run.length(0) - 1} x.grad" in texts[1]


def parts(texts: dict[str, str]) -> list[list[str]]:
    """The lines of each drawing."""
    drawings = re.findall(r"<svg.*?</svg>", texts["text/html"], re.S)
    roots = [ElementTree.fromstring(one.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')) for one in drawings]
    return [["".join(line.itertext()) for line in root.iter(f"{SVG}text")] for root in roots]


def test_the_first_and_the_last_moment_are_drawn_as_they_are_printed(tmp_path: Path) -> None:
    with Reader(make("net", tmp_path)) as run:
        texts = notebook.recording(run)
        last = f"t1/upd/{run.length(1) - 1}"
    first, end = parts(texts)
    assert first[-2].startswith(" t0/fwd/0 ")
    assert end[-2].startswith(f" {last} ")
    assert all(line in texts["text/plain"] for line in [*first, *end])
    assert "recording net.tgr: 2 training steps, level values" in texts["text/plain"]
    assert not re.search(r"href|src=|url\(|@import|<script", texts["text/html"])


def test_while_it_is_recorded_it_can_be_shown(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        texts = notebook.recording(recorder)
        assert "it is not finished" in texts["text/plain"]
        assert repr(recorder).endswith("at work>")
        (tg.ones(3) * 2.0).sum()
    assert "it is not finished" not in notebook.recording(recorder)["text/plain"]
    assert repr(recorder) == f"<recorder of {tmp_path / 'r.tgr'}, level values>"
    with Reader(recorder.path) as run:
        assert repr(run) == f"<recording {tmp_path / 'r.tgr'}, 1 training steps, level values>"


def test_a_recorder_that_has_not_begun_is_text(tmp_path: Path) -> None:
    assert Recorder(tmp_path / "r.tgr")._repr_mimebundle_() == {}


def test_long_training_steps_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "MOST_ROWS", 5)
    with Reader(make("net", tmp_path)) as run:
        texts = notebook.recording(run)
    assert "too many to show here" in texts["text/plain"]
    assert "<svg" not in texts["text/html"]


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    path = hostile(tmp_path)
    renamed = path.rename(tmp_path / "<script>alert(1)&.tgr")
    with Reader(renamed) as run:
        texts = notebook.recording(run)
    tags = {tag for tag, _ in Page(texts["text/html"]).tags}
    assert tags <= {"div", "style", "b", "details", "summary", "code", "svg", "title", "desc", "rect", "g", "path",
                    "text", "tspan"}  # fmt: skip
    assert HOSTILE not in texts["text/plain"]
    assert not {"\x1b", "\x07", "\u202e"} & {*texts["text/html"], *texts["text/plain"]}


def test_the_package_registers_the_display() -> None:
    import tomllib
    from importlib.metadata import EntryPoint

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries = project["entry-points"]["teachgrad.displays"]
    loaded = {name: EntryPoint(name, where, "teachgrad.displays").load() for name, where in entries.items()}
    assert loaded == {"recording": notebook.recording}
