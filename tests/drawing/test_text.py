"""Graphs as text: what is written, that it is the same in every process, and that repetitions are folded."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.drawing.folding import Line, fold
from teachgrad.drawing.model import picture_of
from tests.drawing.graphs import histories, residual, training_step

ROOT = Path(__file__).parents[2]


def shown(thing: Any, *args: Any, **settings: Any) -> str:
    file = io.StringIO()
    tg.show(thing, *args, file=file, **settings)
    return file.getvalue()


def test_a_tree_runs_down_to_the_leaves() -> None:
    a, b = (tg.tensor(2.0, requires_grad=True, name=name) for name in "ab")
    c = a * b
    lines = [line.split("  test_text")[0].rstrip() for line in shown((c + a) * c.tanh()).splitlines()]
    assert lines == [
        "multiply(a: float32[], b: float32[])",
        "return multiply(├, ·): float32[]",
        "  ├─ add(#1, a): float32[]",
        "  tanh(#1): float32[]",
        "#1 = multiply(a, b): float32[]",
    ]


def test_the_users_line_and_the_module_stand_beside() -> None:
    text = shown(training_step())
    assert "graphs.py:" in text
    assert "in fc1" in text


def test_order_has_places_and_what_is_overwritten() -> None:
    step = training_step()
    text = shown(step, order=True)
    slots = step.plan.slots.values()
    number = {v.id: n for n, v in enumerate(step.graph.order, 1)}
    for slot in slots:
        line = next(line for line in text.splitlines() if line.strip().startswith(f"%{number[slot.vertex]} = "))
        assert f"  @{slot.offset}" in line
        if slot.in_place_of is not None:
            assert f" over %{number[slot.in_place_of]}" in line
    assert len([line for line in text.splitlines() if line.lstrip().startswith("%")]) == len(step.graph.order)


def test_moments_by_name_and_number() -> None:
    step = training_step()
    names = [name for name, _ in step.trace.moments]
    assert "linear(" in shown(step, moment="recorded")
    assert "linear(" not in shown(step)
    assert shown(step, moment=0) == shown(step, moment="recorded")
    assert shown(step.trace, moment=0) == shown(step.trace.moments[0]) == shown(step.trace.moments[0][1])
    assert shown(step, moment=0).startswith("training_step.<locals>.step(x: float32[5, 2], t: float32[5, 1])")
    assert shown(step, moment=names.index("lower")) == shown(step, moment="lower")
    with pytest.raises(tg.TeachgradError, match=r"no moment 'fusion'; here are 0 to .*recorded, lower"):
        tg.show(step, moment="fusion")


def test_what_has_no_graph_is_refused_with_a_way_out() -> None:
    with pytest.raises(tg.TeachgradError, match="a Linear has no graph to show"):
        tg.show(nn.Linear(2, 3))


def test_expressions_and_functions_by_hand() -> None:
    x = tg.placeholder((3,), name="x")
    w = tg.state([1.0, 2.0, 3.0], name="w")
    y = (x * w).sum()
    assert "parameter w: float32[3]" in shown(y)
    f = tg.function([x], y, updates={w: w - tg.grad(y, w)})
    assert "w <- subtract(w, " in shown(f)


def test_every_op_is_written_once_in_either_form() -> None:
    checked = 0
    for y in [*histories(60), *(residual(seed, 40) for seed in range(20))]:
        tree, listed = shown(y), shown(y, order=True)
        if "×" in tree + listed:
            continue
        ops = sum(node.kind == "op" for node in picture_of(y).nodes)
        assert sum("): " in line for line in tree.splitlines()[1:]) == ops
        assert sum(line.lstrip().startswith("%") for line in listed.splitlines()) == ops
        checked += 1
    assert checked > 40


def test_the_past_of_an_overwritten_tensor_is_shown() -> None:
    x = tg.tensor([1.0], requires_grad=True, name="x")
    y = x * 2.0
    z = y + 1.0
    y += 3.0
    assert shown((y * z).sum()).count("multiply(x, 2)") == 1


def test_two_processes_write_the_same_bytes() -> None:
    code = ("import teachgrad as tg; from tests.drawing.graphs import training_step; s = training_step();"
            "tg.show(s); tg.show(s, order=True); print(tg.dot(s), tg.draw(s), tg.html(s))")
    answers = []
    for seed in "12":
        before = "import teachgrad; [teachgrad.ones(3) + 1 for _ in range(100)];" if seed == "2" else ""
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        answers.append(subprocess.run([sys.executable, "-c", before + code], cwd=ROOT, env=env, capture_output=True,
                                      check=True).stdout)
    assert answers[0] == answers[1]
    assert len(answers[0]) > 10_000


def test_a_thousand_layers_are_folded() -> None:
    net = nn.Sequential(*[layer for _ in range(1000) for layer in (nn.Linear(4, 4), nn.Tanh())])
    text = shown(net(tg.ones((2, 4))).sum())
    assert "×999" in text
    assert len(text.splitlines()) < 20


def test_training_a_deep_network_is_folded() -> None:
    net = nn.Sequential(*[layer for _ in range(40) for layer in (nn.Linear(4, 4), nn.Tanh())])

    @tg.static
    def step(x: Any) -> Any:
        loss = net(x).sum()
        loss.backward()
        return loss

    step(tg.ones((2, 4)))
    assert len(shown(step, order=True).splitlines()) < len(step.graph.order) / 4


def test_only_what_counts_on_evenly_is_folded() -> None:
    def lines(*numbers: int) -> list[Line]:
        return [Line(f"layer {n}", "layer", (n,)) for n in numbers]

    assert [(len(block.lines), block.times) for block in fold(lines(1, 2, 3, 4))] == [(1, 4)]
    assert [(len(block.lines), block.times) for block in fold(lines(1, 2, 3, 5))] == [(1, 3), (1, 1)]
    assert [block.times for block in fold(lines(1, 2))] == [1, 1]
    pairs = [line for k in range(5) for line in (Line("a", "a", (k,)), Line("b", "b", (7 * k,)))]
    assert [(len(block.lines), block.times) for block in fold(pairs)] == [(2, 5)]


def test_importing_teachgrad_loads_no_drawing() -> None:
    code = "import sys, teachgrad; print(any('drawing' in name or 'profiling' in name for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_bodies_of_loops_stand_below() -> None:
    w = tg.tensor([[1.0]], name="w")

    @tg.static
    def rnn(xs: Any, h: Any) -> Any:
        return tg.scan(lambda h, x: ((x + h @ w).tanh(), None), init=h, xs=xs)[0]

    rnn(tg.ones((4, 1)), tg.zeros(1))
    first, body = shown(rnn).split("\n\n")
    assert "scan(" in first
    assert "matmul(" not in first
    assert body.startswith("the body of tg.scan in ")
    assert "matmul(" in body
    assert "return " in body
    assert shown(next(v for v in rnn.graph.order if v.op.name == "scan").attrs["body"]).strip() == body.strip()
