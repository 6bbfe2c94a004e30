"""Compilations stop by stop: graphs against those of the compiler, costs against its own, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from teachgrad.executors.c import compiler
from teachgrad.passes.report import costs
from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad.recording.accounts import encode
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.rewrites import Rewrites, applied
from teachgrad_inspector.screens import frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.passes import group_stop, moved, view_passes, went_to
from tests.recording.test_programs import training

from .accounts import FINAL, LOWERED, RECORDED, account, add

Open = Callable[..., Session]
LEVELS = ["O1", "O2", pytest.param("O3", marks=pytest.mark.skipif(compiler() is None, reason="no C compiler"))]


def compiled(level: str, path: Path) -> tuple[Rewrites, object]:
    step, call, _ = training(level=level)
    with Recorder(path / "r.tgr", level="meta"):
        call()
    with Reader(path / "r.tgr") as run:
        return Rewrites(run.program(0)), step.trace


@pytest.mark.parametrize("level", LEVELS)
def test_the_rewrites_of_a_pass_lead_from_its_graph_to_the_next(level: str, tmp_path: Path) -> None:
    rewrites, _ = compiled(level, tmp_path)
    told = rewrites.account
    assert told.rewrites
    for number, (before, after) in enumerate(zip(told.moments, told.moments[1:], strict=False)):
        done = [r for r in told.rewrites if r.moment == number]
        assert set(applied(before.order, done)) == set(after.order)


@pytest.mark.parametrize("level", LEVELS)
def test_every_stop_is_a_graph_that_could_run(level: str, tmp_path: Path) -> None:
    """Every input of an op stands before it, and costs change as the compiler said."""
    rewrites, trace = compiled(level, tmp_path)
    by_id = rewrites.account.by_id
    for stop in range(rewrites.last + 1):
        state = rewrites.state(stop)
        known = {node.id for node in rewrites.account.nodes if node.kind != "op"}
        for number in state.order:
            assert known.issuperset(x.id for x in state.inputs(by_id[number]))
            known.add(number)
        assert rewrites.find(rewrites.address(stop)) == stop
        done = rewrites.rewriting(stop)
        if done is not None:
            before = rewrites.state(stop - 1).costs
            assert state.costs.vertices - before.vertices == done.vertices
            assert state.costs.kernels - before.kernels == done.kernels
            assert state.costs.bytes - before.bytes == done.bytes
    table = costs(trace.moments)  # type: ignore[attr-defined]
    for stop, cost in ((0, table[0]), (rewrites.last, table[-1])):
        now = rewrites.state(stop).costs
        assert (now.vertices, now.kernels, now.bytes) == (cost.vertices, cost.kernels, cost.bytes)


def test_a_compilation_by_hand() -> None:
    rewrites = Rewrites(account())
    orders = [set(rewrites.state(stop).order) for stop in range(4)]
    assert orders == [set(RECORDED), set(LOWERED), {*FINAL, 25}, set(FINAL)]
    assert [node.id for node in rewrites.state(3).inputs(rewrites.account.by_id[12])] == [10, 5]
    assert [rewrites.address(stop) for stop in range(4)] == ["pass:recorded", "pass:lower/1", "pass:merge/1",
                                                              "pass:merge/2"]  # fmt: skip
    assert [rewrites.find(f"pass:{name}") for name in ("recorded", "merge", "last")] == [0, 2, 3]
    for nowhere in ("merge/3", "prune", "x", "lower/x", "lower/0"):
        assert rewrites.find(f"pass:{nowhere}") is None
    assert [rewrites.neighbour(stop, True) for stop in range(4)] == [1, 2, 3, 3]
    assert [rewrites.neighbour(stop, False) for stop in range(4)] == [0, 0, 1, 2]
    assert [group_stop(rewrites, stop, 1) for stop in range(4)] == [1, 2, 3, 3]
    assert [group_stop(rewrites, stop, -1) for stop in range(4)] == [0, 0, 1, 2]


def test_a_circle_of_replacements_ends() -> None:
    told = account()
    odd = replace(told, rewrites=tuple(replace(r, before=20, after=25) if k % 2 else replace(r, before=25, after=20)
                                       for k, r in enumerate(told.rewrites)))  # fmt: skip
    rewrites = Rewrites(odd)
    for stop in range(rewrites.last + 1):
        assert rewrites.state(stop).costs.vertices >= 0


def test_a_wrong_rewrite_is_said_to_be_wrong(session: Open, tmp_path: Path) -> None:
    run = session("program").run
    add(run.path, account(wrong=True))
    opened = Session(run)
    view = view_passes(opened, opened.first, Options(program=1, stop=3))
    assert view.rule is not None
    assert (view.rule.right, view.rule.verdict) == (False, "wrong: it made 1.0 into 2.0, more than its bound")
    assert (view.program, view.programs) == (1, 2)
    right = view_passes(opened, opened.first, Options(program=0, stop=3))
    assert right.rule is not None
    assert right.rule.verdict == "max |Δ| 1.5e-07 on the recorded inputs, within the bound"


def test_moves_and_addresses(session: Open) -> None:
    opened = session("program")
    for how, count, start, stop in (
        ("step", 1, 0, 1), ("step", -1, 0, 0), ("page", 10, 1, 3), ("page", -10, 3, 0), ("end", 1, 0, 3),
        ("end", -1, 2, 0), ("rule", 1, 2, 3), ("over", 1, 1, 2), ("phase", -1, 3, 2),
    ):  # fmt: skip
        assert moved(opened, opened.first, Options(stop=start), how, count)["stop"] == stop
    assert went_to(opened, opened.first, Options(), "pass:merge/2") == {"program": 0, "stop": 3}
    with pytest.raises(RecordingError, match=r"there is no 'pass:fuse'; rewrites are in lower, merge"):
        went_to(opened, opened.first, Options(), "pass:fuse")
    without = session("net")
    assert moved(without, without.first, Options(), "step", 1) == {}
    with pytest.raises(RecordingError, match="no static program runs in this recording"):
        went_to(without, without.first, Options(), "pass:lower")


def mutated(value: Any, random: Random) -> Any:
    """A JSON value with some of its parts exchanged for others."""
    if isinstance(value, dict):
        return {key: mutated(part, random) for key, part in value.items()}
    if isinstance(value, list):
        parts = [mutated(part, random) for part in value]
        if parts and random.random() < 0.01:
            parts[random.randrange(len(parts))] = random.choice(parts)
        return parts
    if isinstance(value, int) and random.random() < 0.01:
        return random.choice([0, 1, 3, 5, 20, 24, 25, 1 << 40, -1])
    return value


@pytest.mark.parametrize("seed", range(40))
def test_an_account_of_nonsense_is_refused_or_shown(seed: int, session: Open) -> None:
    """Whatever a stranger's file says that fits its form: the screens stand it, and come back soon."""
    random = Random(seed)
    run = session("program").run
    text = json.dumps(mutated(json.loads(encode(account(), lambda site: site)), random))
    with sqlite3.connect(run.path) as connection:
        connection.execute("UPDATE program SET account = ?", (text,))
    connection.close()
    opened = Session(run)
    for screen in ("passes", "kernels"):
        for stop in range(4):
            for moment in (opened.first, run.resolve("t1/fwd/4"), run.resolve("last")):
                lines = frame(opened, moment, screen, Options(stop=stop), 100, 30, UNICODE, ()).text()
                assert len(lines) == 30
