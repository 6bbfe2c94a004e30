"""Tensors and graphs in a notebook: right numbers, safe names, styles that stay where they are, and text otherwise."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from importlib import metadata
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import displays
from teachgrad.drawing import heat, notebook
from teachgrad.drawing.svg import DARK, STYLE
from tests.drawing.test_pages import HOSTILE, Reader


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What a notebook would show: the shell of a kernel, as far as it is asked."""
    shown: list[dict[str, str]] = []
    shell = SimpleNamespace(kernel=None, display_pub=SimpleNamespace(publish=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return shown


def html(thing: Any) -> str:
    return str(thing._repr_mimebundle_()["text/html"])


def test_a_small_tensor_is_a_table_of_its_numbers() -> None:
    values = np.array([[1.5, -2.0, 0.0], [np.nan, 1e-8, 123456.0]], np.float32)
    text = html(tg.tensor(values, name="w", requires_grad=True))
    table = ElementTree.fromstring(re.search("<table.*</table>", text)[0])  # type: ignore[index]
    shown = [[float(cell.text or "") for cell in row] for row in table]
    np.testing.assert_allclose(shown, values, rtol=5e-4)
    assert "tensor w float32[2, 3]" in text
    assert "requires grad" in text
    finite = values[np.isfinite(values)]
    assert f"min -2, max {finite.max():.4g}, mean {finite.mean():.4g}" in text
    assert "1 zeros, 1 nan" in text


def test_the_ground_says_how_large_a_number_is() -> None:
    shares = [re.findall(r"(#\w+) (\d+)%", heat.ground(value, 4.0)) for value in (4.0, 2.0, 0.0, -2.0)]
    assert shares == [[(heat.POSITIVE, "45")], [(heat.POSITIVE, "22")], [(heat.NEGATIVE, "0")], [(heat.NEGATIVE, "22")]]


@pytest.mark.parametrize("shape", [(20, 30), (24, 48), (100, 30), (7, 1000), (500,), (3, 50, 70)])
def test_a_map_has_the_means_of_blocks(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    matrix = values.reshape(-1, shape[-1])
    cells, (down, across) = heat.blocks(matrix)
    assert max(cells.shape[0] / heat.ROWS, cells.shape[1] / heat.COLUMNS) <= 1
    expected = [[matrix[y:y + down, x:x + across].mean() for x in range(0, matrix.shape[1], across)]
                for y in range(0, matrix.shape[0], down)]
    np.testing.assert_allclose(cells, expected, atol=1e-12)
    text = html(tg.tensor(values))
    svg = ElementTree.fromstring(re.search("<svg.*</svg>", text)[0])  # type: ignore[index]
    paths = svg.findall("{http://www.w3.org/2000/svg}path")
    squares = {(path.get("fill"), float(path.get("fill-opacity", ""))): path.get("d", "").count("M") for path in paths}
    assert sum(squares.values()) == cells.size
    assert sum(n for (colour, _), n in squares.items() if colour == heat.POSITIVE) == (cells > 0).sum()
    strongest = sum(n for (_, opacity), n in squares.items() if opacity == 1.0)
    assert strongest == (np.abs(cells) > np.abs(cells).max() * (heat.LEVELS - 1) / heat.LEVELS).sum()
    sizes = {path.get("fill"): set(re.findall(r"h([\d.]+)v", path.get("d", ""))) for path in paths}
    assert sizes[heat.POSITIVE].isdisjoint(sizes[heat.NEGATIVE])  # not by colour alone


def test_nan_and_infinity_are_crossed_out() -> None:
    values = np.ones((10, 20))
    values[2, 3], values[5, 5] = np.nan, np.inf
    assert html(tg.tensor(values)).count("l6 6m0-6l-6 6") == 2


def test_the_gradient_stands_beside() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True, name="x")
    (x * x * x).sum().backward()
    assert re.findall(r"<td[^>]*>([^<]+)</td>", html(x)) == ["1", "2", "3", "12"]
    assert "x.grad float32[2]" in html(x)


@pytest.mark.parametrize("value", [3.5, [], [[]], True, [True, False], np.arange(5), np.zeros((3, 3))])
def test_every_tensor_is_shown(value: Any) -> None:
    text = html(tg.asarray(value))
    assert "tensor " in text
    Reader(text)


def test_of_what_has_no_numbers_there_is_text_alone() -> None:
    assert tg.placeholder(3)._repr_mimebundle_() == {}

    @tg.static
    def f(x: tg.Tensor) -> tg.Tensor:
        y = x * 2.0
        assert y._repr_mimebundle_() == {}
        return y

    assert f._repr_mimebundle_() == {}  # it has not run
    f(tg.ones(3))
    assert "1 op" in html(f)


def test_names_are_only_text() -> None:
    x = tg.tensor(np.ones((9, 9)), name=HOSTILE, requires_grad=True)
    for text in (html(x), html(tg.drawing.picture_of(x * x).nodes[0].vertex), graph_of(x * x)):
        page = Reader(text)
        assert not {"script", "title>"} & {tag for tag, _ in page.tags}
        assert "\x00" not in text


def graph_of(thing: Any) -> str:
    return notebook.graph(thing)["text/html"]


def test_graphs_are_drawn() -> None:
    a, b = tg.tensor(2.0, requires_grad=True, name="a"), tg.tensor(-3.0, requires_grad=True, name="b")
    step = tg.static(lambda x: x.exp().sum())
    step(tg.ones(3))
    program = tg.function([p := tg.placeholder(2)], p * p)
    for thing, ops in ((step, 2), (step.trace.graph, 2), (program, 1)):
        assert f"{ops} op" in html(thing)
        assert html(thing).count('class="vertex') == ops + 1
    assert graph_of(a * b).count('class="vertex') == 3


def test_a_very_large_graph_is_text() -> None:
    y = tg.tensor(1.0, requires_grad=True)
    for _ in range(notebook.DRAWN):
        y = y.tanh()
    text = graph_of(y)
    assert "<pre>" in text
    assert "<svg" not in text
    assert len(text) < 5000  # what repeats is folded


def test_styles_hold_within_the_drawing_alone() -> None:
    rules = notebook.themed(STYLE, STYLE + DARK, ".mine")
    flat = rules.replace("@media (prefers-color-scheme:dark){", "")
    selectors = [one.strip() for group in re.findall(r"([^{}]+)\{", flat) for one in group.split(",")]
    assert selectors
    assert all(re.match(r'(:root|body\S+) \.mine ', one) for one in selectors)
    light, dark = (rules.index(f'data-jp-theme-light="{which}"') for which in ("true", "false"))
    assert "#fff" in rules[light:dark]
    assert ".paper{fill:#0d1117}" in rules[dark:]


# ---- show ------------------------------------------------------------------------------------------------------------


def test_in_a_notebook_show_draws(published: list[dict[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    a = tg.tensor(2.0, requires_grad=True, name="a")
    tg.show(a * a)
    (texts,) = published
    assert "<svg" in texts["text/html"]
    assert "multiply(a, a)" in texts["text/plain"]
    assert capsys.readouterr().out == ""
    tg.show(a * a, order=True)  # steps are text
    tg.show(a * a, file=sys.stdout)
    assert capsys.readouterr().out.count("multiply(a, a)") == 2
    assert len(published) == 1


def test_in_a_terminal_of_ipython_show_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a = tg.tensor(2.0, requires_grad=True, name="a")
    for shell in (None, SimpleNamespace()):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        tg.show(a * a)
        assert "multiply(a, a)" in capsys.readouterr().out


# ---- displays of other packages --------------------------------------------------------------------------------------


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_(*found: EntryPoint) -> None:
        displays.display_of.cache_clear()
        monkeypatch.setattr(metadata, "entry_points", lambda group: [e for e in found if e.group == group])

    yield set_
    displays.display_of.cache_clear()


def test_displays_are_found_by_name(entries: Any) -> None:
    entries(EntryPoint("recording", "collections:OrderedDict", displays.GROUP))
    display = displays.display_of("recording")
    assert display is not None
    assert display.__name__ == "OrderedDict"
    assert displays.display_of("nothing") is None


def test_what_is_not_installed_leaves_the_text(entries: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for found in ([], [EntryPoint("recording", "no_such_package:recording", displays.GROUP)]):
        entries(*found)
        with tg.Recorder(tmp_path / "r.tgr") as recorder:
            tg.ones(3) + 1.0
        assert recorder._repr_mimebundle_() == {}
        tg.show(recorder)
        assert capsys.readouterr().out == f"<recorder of {tmp_path / 'r.tgr'}, level meta>\n"


def test_nobody_takes_a_built_in_name(entries: Any) -> None:
    entries(EntryPoint("tensor", "collections:OrderedDict", displays.GROUP))
    assert displays.display_of("tensor") is notebook.tensor
