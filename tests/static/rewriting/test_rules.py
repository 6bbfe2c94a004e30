"""Every rule by itself: it fires, keeps its bound at 1,000 random points, and leaves alone what only looks alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.passes import RULES, Log
from teachgrad.passes.accuracy import verified
from teachgrad.passes.exact import fold, merge, prune
from teachgrad.passes.rewriting import rewrite
from tests.static.rewriting.cases import CASES, leaves


def rewritten(name: str, inputs: list[Any], expression: Any) -> Log:
    """What one rule alone does to an expression."""
    graph = tg.function(inputs, expression, level="O0").graph
    for step in (merge, fold, prune):
        graph = step(graph, [])
    log = Log(near_misses=True)
    for _ in range(4):
        before = len(log)
        graph = rewrite(graph, "alone", [RULES[name]], log)
        if len(log) == before:
            break
    return log


def test_every_rule_has_a_case() -> None:
    assert sorted(CASES) == sorted(RULES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_fires_and_keeps_its_bound(name: str, dtype: str) -> None:
    inputs, values = leaves(CASES[name], dtype, 7)
    log = rewritten(name, inputs, CASES[name].fires(*inputs))
    assert log, f"{name} did not fire"
    for entry in verified(log, {x.id: value for x, value in zip(inputs, values, strict=True)}):
        assert entry.rule == name
        assert entry.rule_where == RULES[name].where
        assert entry.change.kernels <= RULES[name].grows
        assert np.isfinite(entry.error)


@pytest.mark.parametrize("name", CASES)
def test_leaves_alone_what_looks_alike(name: str) -> None:
    case = CASES[name]
    inputs, _ = leaves(case, "float32", 7)
    log = rewritten(name, inputs, case.misses(*inputs))
    assert not log, str(log[0])
    reasons = [miss.reason for miss in log.near_misses or ()]
    assert any(case.why in reason for reason in reasons) if case.why else True, reasons


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_says_what_it_is(rule: Any) -> None:
    card = rule.card()
    for word in (rule.__name__, rule.statement, "cost:", "bound:", "source:", rule.where):
        assert word in card
    assert rule.where.endswith(f"{rule.phase}.py:{rule.function.__code__.co_firstlineno}")
