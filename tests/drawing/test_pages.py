"""SVG and HTML: well formed, complete in themselves, and safe whatever names a program uses."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

import teachgrad as tg
from tests.drawing.graphs import residual, training_step

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert(1)</script>"\'&]]>-->\x00{{ data }}</title>'


class Reader(HTMLParser):
    """The elements of a page, and the text of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self.tags[-1][0] if self.tags else "", []).append(data)


def facts(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_svg_is_well_formed_and_complete(tmp_path: Path) -> None:
    for thing in (residual(0, 30), training_step()):
        text = tg.draw(thing, tmp_path / "g.svg")
        assert (tmp_path / "g.svg").read_text(encoding="utf-8") == text
        root = ElementTree.fromstring(text)
        vertices = [g for g in root.iter(f"{SVG}g") if "vertex" in g.get("class", "")]
        assert len({g.get("data-key") for g in vertices}) == len(vertices) > 10
        assert "prefers-color-scheme:dark" in text
        assert not re.search(r"href|url\(|@import|<script", text)
        assert re.findall(r"https?://\S+", text) == ['http://www.w3.org/2000/svg"']


def test_svg_shows_shapes_modules_and_updates() -> None:
    text = tg.draw(training_step())
    words = ["".join(element.itertext()) for element in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert {"fc1", "fc2", "5×16", "⇒ fc1.weight", "⇒ returned", "matmul", "x"} <= set(words)


def test_html_has_every_moment(tmp_path: Path) -> None:
    step = training_step()
    page = tg.html(step, tmp_path / "g.html")
    data = facts(page)
    assert [moment["name"] for moment in data["moments"]] == [name for name, _ in step.trace.moments]
    for moment, (_, graph) in zip(data["moments"], step.trace.moments, strict=True):
        assert sum(node["kind"] == "op" for node in moment["nodes"]) == len(graph.order)
        assert moment["drawing"] < page.count('<div class="drawing"')
    lowered = data["moments"][1]
    made = [lowered["nodes"][key] for key in lowered["new"]]
    assert any("linear_is_matmul_and_add" in line for node in made for line in node.get("rewrites", []))
    last = data["moments"][-1]["nodes"]
    assert any(" bytes at " in node.get("memory", "") and ", over " in node["memory"] for node in last)
    assert all(node["op"] in data["cards"] for node in last if node["kind"] == "op")


def test_html_has_numbers_where_values_are() -> None:
    x = tg.tensor(np.array([1.0, 3.0], np.float32), requires_grad=True, name="x")
    nodes = facts(tg.html((x * x).sum()))["moments"][0]["nodes"]
    assert nodes[0]["statistics"] == "min 1, max 3, mean 2, std 1"
    assert nodes[-1]["statistics"] == "10"


def test_html_loads_nothing_and_says_so() -> None:
    page = tg.html(training_step())
    reader = Reader(page)
    assert not any({"src", "href", "action", "onclick", "onload"} & attrs.keys() for _, attrs in reader.tags)
    assert not {tag for tag, _ in reader.tags} & {"link", "img", "iframe", "object", "embed", "base"}
    assert any(attrs.get("content", "").startswith("default-src 'none'") for tag, attrs in reader.tags if tag == "meta")
    assert "innerHTML" not in page


def test_hostile_names_stay_text() -> None:
    x = tg.tensor([1.0], requires_grad=True, name=HOSTILE)
    y = x * 2.0
    y.name = HOSTILE
    plain = Reader(tg.html((tg.tensor([1.0], requires_grad=True, name="x") * 2.0).sum()))
    page = tg.html((y * y).sum())
    reader = Reader(page)
    assert [tag for tag, _ in reader.tags if tag == "script"] == ["script", "script"]
    assert {tag for tag, _ in reader.tags} == {tag for tag, _ in plain.tags}
    assert any(node["name"] == HOSTILE for node in facts(page)["moments"][0]["nodes"])
    ElementTree.fromstring(tg.draw(y * y))
    tg.show(y * y)
