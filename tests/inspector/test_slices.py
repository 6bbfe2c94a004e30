"""Slices: what a value comes from and what comes of it, checked by changing a number and looking at what changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.recording import Reader, Recorder, Row
from teachgrad_inspector import navigation
from teachgrad_inspector.levels import runs_of
from teachgrad_inspector.session import Session
from teachgrad_inspector.slicing import Slice, Ways, slice_at, sources_of

Open = Callable[..., Session]


def rows(session: Session, address: str, ways: Ways) -> set[int]:
    moment = session.run.resolve(address)
    step = session.step(moment)
    found = session.kept_rows(moment.step, slice_at(step, session.row(moment), ways))
    assert found is not None
    return set(found)


@pytest.mark.parametrize(("address", "ways", "expected"), [
    # 0 a, 1 b, 2 e = a b, 3 d = e + a, 4 f, 5 L = d f, 6 L.grad, 7 f.grad, 8 d.grad, 9 a.grad, 10 e.grad, 11 b.grad,
    # 12 a.grad
    ("t0/fwd/d", "ancestors", {0, 1, 2, 3}),
    ("t0/fwd/d", "descendants", {3, 5, 7}),
    ("t0/bwd/12", "ancestors", {1, 4, 6, 8, 9, 10, 12}),  # f and b, which the rules read; the loss itself is not needed
    ("t0/bwd/9", "ancestors", {4, 6, 8, 9}),
    ("t0/fwd/0", "descendants", {0, 2, 3, 5, 7, 11}),
    ("t0/bwd/d.grad", "both", {4, 6, 8, 9, 10, 11, 12}),
    ("t0/bwd/6", "ancestors", {6}),
])  # fmt: skip
def test_three_lines_by_hand(address: str, ways: Ways, expected: set[int], session: Open) -> None:
    assert rows(session("micrograd"), address, ways) == expected


def program(seed: int, changed: int | None) -> None:
    """Two training steps of ops drawn at random; parameter number `changed` begins with other numbers."""
    rng = np.random.default_rng(seed)
    starts = [rng.uniform(0.5, 1.5, (2, 2)) + (0.01 if k == changed else 0.0) for k in range(4)]
    parameters = [tg.Parameter(tg.tensor(start, dtype="float64"), name=f"p{k}") for k, start in enumerate(starts)]
    optimizer = tg.optim.SGD(parameters[:3], lr=0.05)
    plan = rng.integers(0, 6, 12)
    for _ in range(2):
        values = list(parameters)
        draw = np.random.default_rng(seed)
        for kind in plan:
            x, y = (values[i] for i in draw.permutation(len(values))[:2])
            op = (lambda x, y: x + y, lambda x, y: x * y, lambda x, y: tg.tanh(x), lambda x, y: x @ y,
                  lambda x, y: tg.exp(-x), lambda x, y: tg.sqrt(x * x + y * y))[kind]  # fmt: skip
            values.append(op(x, y))
        loss = tg.sum(values[-1] * values[-2]) + tg.sum(values[-3])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("seed", range(8))
def test_what_changes_with_a_parameter_is_what_comes_of_it(seed: int, tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.tgr", level="values"):
        program(seed, None)
    with Reader(tmp_path / "a.tgr") as one:
        step = one.step(0)
        for changed in range(4):
            leaf = next((row for row in step.rows if row.kind == "leaf" and row.name == f"p{changed}"), None)
            if leaf is None:  # the loss does not depend on it
                continue
            with Recorder(tmp_path / "b.tgr", level="values"):
                program(seed, changed)
            with Reader(tmp_path / "b.tgr") as other:
                assert Session(one).kept_rows(0, slice_at(step, leaf, "descendants")) == _differing(one, other)


def _differing(one: Reader, other: Reader) -> set[int]:
    def numbers(run: Reader, row: Row) -> list[bytes]:
        arrays = [run.values(number) for number in (row.value, row.delta) if number is not None]
        return [array.tobytes() for array in arrays if array is not None]

    pairs = zip(one.step(0).rows, other.step(0).rows, strict=True)
    return {a.row for a, b in pairs if numbers(one, a) != numbers(other, b)}


def test_ancestors_and_descendants_are_each_other_s_mirror(session: Open) -> None:
    for name in ("net", "attention", "deep", "program"):
        opened = session(name)
        step = opened.run.step(0)
        below = {row.row: opened.kept_rows(0, slice_at(step, row, "descendants")) for row in step.rows}
        for row in step.rows:
            above = opened.kept_rows(0, slice_at(step, row, "ancestors"))
            assert above == {other for other, found in below.items() if found and row.row in found}


def test_a_second_backward_pass_starts_from_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values"):
        w = tg.Parameter([2.0], name="w")
        h = w * w
        (h * 3.0).backward(tg.tensor([1.0]), retain_graph=True)
        (h * 5.0).backward(tg.tensor([1.0]))
    with Reader(tmp_path / "r.tgr") as run:
        step = run.step(0)
        sources = sources_of(step)
        passes = [row.row for row in step.rows if row.kind == "seed"]
        assert len(passes) == 2
        for row in step.rows[passes[1] :]:
            gradients = [at for at in sources[row.row] if step.rows[at].of_gradient]
            if row.kind == "deposit":
                assert min(gradients) < passes[1] < max(gradients)
            else:
                assert all(at >= passes[1] for at in gradients)


def test_an_update_of_a_program_comes_from_the_op_that_computed_it(session: Open) -> None:
    from teachgrad_inspector.demos import write_demo

    opened = session("program")
    path = opened.run.path.parent / "static.tgr"
    write_demo("static_mlp", path)
    with Reader(path) as run:
        static = Session(run)
        found = rows(static, "t1/upd/fc1.weight", "ancestors")
        step = run.step(1)
        names = {step.rows[row].op for row in found if step.rows[row].kind == "op"}
        assert {"subtract", "matmul", "relu_gradient"} <= names


def test_stepping_stays_inside(session: Open) -> None:
    net = session("net")
    step = net.run.step(0)
    h = net.run.resolve("t0/fwd/h")
    keep = slice_at(step, net.row(h), "ancestors")
    inside = [sorted(net.kept_rows(number, keep) or ()) for number in (0, 1)]
    moment, seen = net.run.at(0, inside[0][0]), []
    for _ in range(sum(map(len, inside)) - 1):
        seen.append((moment.step, moment.row))
        moment = navigation.step(net, moment, frozenset(), True, keep)
    seen.append((moment.step, moment.row))
    assert seen == [(number, row) for number in (0, 1) for row in inside[number]]
    assert navigation.step(net, moment, frozenset(), True, keep) == moment
    for place in reversed(seen[:-1]):
        moment = navigation.step(net, moment, frozenset(), False, keep)
        assert (moment.step, moment.row) == place
    assert net.told_kept(0, keep) == f"ancestors of h: {len(inside[0])} of {len(step.rows)}"
    assert net.told_kept(0, Slice("nothing", 0, "both")) == "ancestors of nothing: not in this step".replace(
        "ancestors of", "both ways from")  # fmt: skip


def test_the_map_shows_the_ops_of_a_slice(session: Open) -> None:
    attention = session("attention")
    step = attention.run.step(0)
    q = attention.row(attention.run.resolve("scores"))
    found = attention.kept_rows(0, slice_at(step, q, "ancestors"))
    names = {step.label(row) for _, rows in runs_of(step, "block", found) for row in rows}
    assert names == {"q", "k", "scores"}
    level = attention.level(attention.run.resolve("scores"), "block", slice_at(step, q, "ancestors"))
    drawn = {node.path or step.label(node.rows[0]) for node in level.nodes if node.rows}
    assert drawn == {"block.q", "block.k", "scores"}
