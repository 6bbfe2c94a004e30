"""DOT: Graphviz reads it, and it has the vertices and edges that walking the graph finds."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from tests.drawing.graphs import histories, residual, training_step, walked

STATEMENT = re.compile(
    r'\s*(?:digraph "(?:[^"\\]|\\.)*" \{|subgraph cluster_\d+ \{|\}|rankdir=TB;'
    r'|(?:node|edge|n\d+|out\d+|n\d+ -> (?:n|out)\d+) \[(?:\w+=(?:"(?:[^"\\]|\\.)*"|[\w-]+)(?:, )?)*\];'
    r'|label="(?:[^"\\]|\\.)*"; style=rounded; color="#\w+";)')


def counted(text: str) -> tuple[int, int]:
    """Vertices and operands of DOT text; every line must be a statement of the language."""
    lines = text.splitlines()
    assert all(STATEMENT.fullmatch(line) for line in lines)
    assert text.count("{") - text.count("}") == 0 or '"' in text
    return (sum(re.match(r"\s*n\d+ \[", line) is not None for line in lines),
            sum(re.match(r"\s*n\d+ -> n\d+ \[label=\"(?!becomes)", line) is not None for line in lines))


def test_fifty_histories() -> None:
    for y in [*histories(50), *(residual(seed, 60) for seed in range(10))]:
        assert counted(tg.dot(y)) == walked(y)


def test_a_training_step_at_every_moment() -> None:
    step = training_step()
    for number, (_, graph) in enumerate(step.trace.moments):
        text = tg.dot(step, moment=number)
        constants = {id(x) for v in graph.order for x in v.inputs if x.op is None} - {id(v) for v in graph.leaves}
        vertices = len(graph.order) + len(graph.leaves) + len(constants)
        assert counted(text) == (vertices, sum(len(v.inputs) for v in graph.order))
        assert 'label="fc1"' in text
        assert text.count('"becomes"') == len(graph.updates)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_graphviz_reads_it(tmp_path: Path) -> None:
    things: list[Any] = [*histories(15), training_step()]
    for thing in things:
        text = tg.dot(thing, tmp_path / "g.dot")
        assert (tmp_path / "g.dot").read_text(encoding="utf-8") == text
        plain = subprocess.run(["dot", "-Tplain", str(tmp_path / "g.dot")], capture_output=True, text=True, check=True)
        vertices, _ = counted(text)
        found = {line.split()[1] for line in plain.stdout.splitlines() if line.startswith("node ")}
        assert sum(name.startswith("n") for name in found) == vertices
        assert sum(line.startswith("edge ") for line in plain.stdout.splitlines()) == text.count(" -> ")


def test_names_are_quoted(tmp_path: Path) -> None:
    x = tg.tensor(1.0, requires_grad=True, name='a"];\n} \\ \x00')
    text = tg.dot(x * x)
    assert counted(text) == (2, 2)
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tplain"], input=text, text=True, capture_output=True, check=True)
