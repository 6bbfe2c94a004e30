"""The account of a compilation in a recording, against the compiled function itself; and what damaged ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import observe
from teachgrad.executors.c import compiler
from teachgrad.passes.plan import plan_memory
from teachgrad.profiling.machine import KNOWN, Machine, machine
from teachgrad.recording import Account, Reader, Recorder, RecordingError
from teachgrad.recording.accounts import decode, encode

from .test_programs import training

LEVELS = ["O0", "O1", "O2", pytest.param("O3", marks=pytest.mark.skipif(compiler() is None, reason="no C compiler"))]


def recorded(call: Callable[[], Any], path: Path, times: int = 1) -> Account:
    with Recorder(path / "r.tgr", level="meta"):
        for _ in range(times):
            call()
    with Reader(path / "r.tgr") as run:
        assert run.programs == 1
        return run.program(0)


@pytest.mark.parametrize("level", LEVELS)
def test_the_account_is_that_of_the_function(level: str, tmp_path: Path) -> None:
    step, call, _ = training(level=level)
    call()  # it was compiled before anybody watched
    account = recorded(call, tmp_path, times=3)
    trace = step.trace
    assert (account.name, account.level) == (trace.graph.name, level)
    assert [moment.name for moment in account.moments] == [name for name, _ in trace.moments]
    for moment, (_, graph) in zip(account.moments, trace.moments, strict=True):
        assert [account.by_id[i].op for i in moment.order] == [str(v.op) for v in graph.order]
        assert [account.by_id[i].shape for i in moment.order] == [v._data.shape for v in graph.order]
    assert [(r.rule, r.vertices, r.kernels, r.bytes) for r in account.rewrites] == [
        (r.rule, r.change.vertices, r.change.kernels, r.change.bytes) for r in trace.rewrites
    ]
    for number in range(len(account.moments) - 1):
        names = {r.pass_name for r, told in zip(trace.rewrites, account.rewrites, strict=True) if told.moment == number}
        assert names <= {account.moments[number + 1].name}
    assert all(r.trouble == "" for r in account.rewrites)
    assert all(r.error == 0.0 for r in account.rewrites if r.bound.startswith("every bit"))
    assert account.node_of.keys() == {v.id for v in (*trace.graph.leaves, *trace.graph.order)}
    computed = {node for piece in account.pieces for node in piece.nodes}
    rest = {account.node_of[v.id] for v in trace.graph.order} - computed
    assert computed
    assert all(account.by_id[node].view for node in rest)  # generated C takes views while it reads


@pytest.mark.parametrize("level", LEVELS)
def test_lines_of_the_source_are_those_of_the_kernels(level: str, tmp_path: Path) -> None:
    step, call, _ = training(level=level)
    account = recorded(call, tmp_path)
    lines = account.source.split("\n")
    found = 0
    for piece in account.pieces:
        text = "\n".join(lines[max(0, piece.first - 1) : piece.last])
        if piece.runs == "C":
            assert f" {piece.name}(" in text
            assert text.endswith("}")
            found += 1
        elif piece.first:
            assert account.by_id[piece.nodes[-1]].label in text
            found += 1
    views = sum(all(account.by_id[node].view for node in piece.nodes) for piece in account.pieces)
    assert found >= len(account.pieces) - views
    if level != "O3":
        call()
        assert account.source == step.source


def test_near_misses_and_errors_are_told(tmp_path: Path) -> None:
    f = tg.static(lambda x: ((1.0 + x).log(), (2.0 + x).log(), (x.exp() + 1.0).log()), level="O2")
    x = tg.tensor(np.linspace(1e-4, 1.0, 50).astype(np.float32))
    account = recorded(lambda: f(x), tmp_path)
    assert "log_of_one_plus" in {r.rule for r in account.rewrites}
    assert any(r.error for r in account.rewrites)
    assert [miss.reason for miss in account.misses] == [miss.reason for miss in f.trace.near_misses]


def test_the_machine_and_seconds_come_from_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, call, _ = training()
    call()
    KNOWN.clear()
    monkeypatch.setitem(KNOWN, "gpu", Machine(1.0, 1.0, 1.0))  # which says nothing of the CPU
    account = recorded(call, tmp_path)
    assert account.machine is None
    assert all(piece.seconds is None for piece in account.pieces)
    measured = machine()
    with tg.profile():
        call()
    account = recorded(call, tmp_path)
    assert account.machine is not None
    assert account.machine.bandwidth == measured.bandwidth
    assert all(piece.seconds is not None and piece.seconds > 0 for piece in account.pieces if piece.first)


def test_a_function_is_told_once_to_each_watcher() -> None:
    _, call, _ = training()
    for _ in range(2):
        events: list[Any] = []
        with observe.watching(events.append):
            call()
            call()
        assert sum(type(event) is observe.Compiled for event in events) == 1


def test_text_and_back(tmp_path: Path) -> None:
    _, call, _ = training(level="O2")
    account = recorded(call, tmp_path)
    assert decode(encode(account, lambda site: site)) == account
    odd = replace(account, name="\x1b[2J\u202e", source="a\x07\nb", pieces=(), rewrites=tuple(
        replace(r, error=float("inf")) for r in account.rewrites))  # fmt: skip
    back = decode(encode(odd, lambda site: site))
    assert (back.name, back.source) == ("\\x1b[2J\\u202e", "a\\x07\nb")
    assert all(r.error == float("inf") for r in back.rewrites)


def damaged(account: dict[str, Any]) -> dict[str, Any]:
    """Some ways in which an account may not fit."""
    return {
        "no source": {k: v for k, v in account.items() if k != "source"},
        "something more": account | {"more": 1},
        "a number for a name": account | {"name": 3},
        "no moments": account | {"moments": []},
        "an unknown node": account | {"moments": [["recorded", [1 << 40], []]]},
        "a rewrite from the last moment on": account | {"rewrites": [[99, *r[1:]] for r in account["rewrites"]]},
        "a short node": account | {"nodes": [account["nodes"][0][:-1]]},
        "a text for a number": account | {"nodes": [["x", *account["nodes"][0][1:]]]},
        "a bool for a number": account | {"nodes": [[True, *account["nodes"][0][1:]]]},
        "a huge number": account | {"nodes": [[*account["nodes"][0][:8], 10**400, *account["nodes"][0][9:]]]},
        "lines beyond the source": account | {"pieces": [[*p[:3], 1, 10**6, *p[5:]] for p in account["pieces"]]},
        "lines that end before they begin": account | {"pieces": [[*p[:3], 3, 2, *p[5:]] for p in account["pieces"]]},
        "pairs of three": account | {"vertices": [[1, 2, 3]]},
        "sites that are none": account | {"sites": "here"},
        "a list": [],
    }


def test_damaged_accounts(tmp_path: Path) -> None:
    _, call, _ = training()
    account = json.loads(encode(recorded(call, tmp_path), lambda site: site))
    decode(json.dumps(account))
    for text in (None, b"", 3, "", "{", "null", "[" * 100_000, '{"source": 1}'):
        with pytest.raises(RecordingError, match="account of a compilation is damaged"):
            decode(text)
    for other in damaged(account).values():
        with pytest.raises(RecordingError, match="account of a compilation is damaged"):
            decode(json.dumps(other))


def test_the_plan_of_the_recording_fits_the_account(tmp_path: Path) -> None:
    """Node sizes are those that the plan counts with."""
    step, call, _ = training()
    account = recorded(call, tmp_path)
    plan = plan_memory(step.graph)
    for vertex, slot in plan.slots.items():
        assert account.by_id[account.node_of[vertex]].bytes == slot.bytes
