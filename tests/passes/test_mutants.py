"""Passes broken on purpose: each must be caught by comparing bits, and by check mode (card X1).

A comparison that never fails proves nothing. Every mutant here is a mistake that somebody could make in a pass, in
the plan or in the executor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import passes
from teachgrad.executors import numpy as executor
from teachgrad.graph import Graph
from teachgrad.ops.elementwise import multiply, subtract, tanh
from teachgrad.ops.updates import sgd_update
from teachgrad.passes import equality, exact, plan
from tests.passes.models import made
from tests.static.outcomes import Run, T, checked, outcome, plainly, statically

# ---- what is compared ------------------------------------------------------------------------------------------------

def training(name: str) -> Callable[[Run], Any]:
    def steps(run: Run) -> Any:
        model, batch = made(name)
        step = run(model.step)
        return [(step(*batch), model.state()) for _ in range(3)]
    return steps


def old_value(run: Run) -> Any:
    """One tensor is overwritten, another with what the first was."""
    a, b = T(6, seed=1), T(6, seed=2)

    def step() -> None:
        old = a.copy()
        a.mul_(2.0)
        b.add_(old)

    call = run(step)
    for _ in range(2):
        call()
    return a, b


def exchange(run: Run) -> Any:
    """Two states become each other."""
    values = T(6, seed=1).numpy(), T(6, seed=2).numpy()
    if run is plainly:
        return values[::-1]
    x, y = (tg.state(value) for value in values)
    tg.function([], [], updates={x: y, y: x})()
    return x.value, y.value


def settings(run: Run) -> Any:
    """The same op on the same input, with other settings."""
    return run(lambda x: x.max(axis=0) * x.max(axis=1))(T(4, 4))


def constants(run: Run) -> Any:
    """What can be computed ahead of time."""
    table = T(5, seed=3)
    return run(lambda x: x * tg.exp(tg.tensor([0.1, 0.7, 1.3, 1.9, 2.5])) + table)(T(5))


def layouts(run: Run) -> Any:
    """The last bits of a sum depend on how the axes lie in memory."""
    return run(lambda x: (x.mT.copy().sum(axis=0), (x.mT.copy() * 1.5).sum(axis=1)))(T(70, 90))


def turns(run: Run) -> Any:
    """Axes that are put in another order twice, and are not what they were."""
    return run(lambda x: tg.permute_dims(tg.permute_dims(x, (1, 2, 0)), (1, 2, 0)) * 2.0)(T(3, 3, 3))


def many_readers(run: Run) -> Any:
    """Values that are read again after others have been made."""
    def f(x: Any) -> Any:
        a, b = tg.tanh(x), tg.sin(x)
        c = a * b
        d = (c + a) * (c - b)
        return (d * a + b).sum(), (d * c).sum()
    return run(f)(T(64))


PROBES = {"mlp": training("mlp"), "convnet": training("convnet"), "transformer": training("transformer"),
          "old_value": old_value, "exchange": exchange, "settings": settings, "constants": constants,
          "layouts": layouts, "turns": turns, "many_readers": many_readers}


def failing(run: Run) -> list[str]:
    """The probes that do not give the bits of plain Python when they are run in some way."""
    answer = []
    for name, probe in PROBES.items():
        want = outcome(probe, plainly)
        try:
            if outcome(probe, run) != want:
                answer.append(name)
        except tg.TeachgradError:  # from check mode; or from the driver, which refuses another shape or dtype
            answer.append(name)
    return answer


# ---- the mutants -----------------------------------------------------------------------------------------------------

Patch = pytest.MonkeyPatch
MUTANTS: dict[str, tuple[Callable[[Patch], None], set[str]]] = {}
"""How each mutant is made, and probes that catch it."""


def caught_by(*probes: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def note(make: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS[make.__name__] = make, set(probes)
        return make
    return note


def swap_pass(patch: Patch, old: Any, new: Any) -> None:
    patch.setitem(passes.LEVELS, "O1", tuple(new if step is old else step for step in exact.O1))


@caught_by("constants")
def folding_in_lower_precision(patch: Patch) -> None:
    right = exact.evaluate
    patch.setattr(exact, "evaluate", lambda v, values: right(v, values) * np.float32(1 + 2**-22))


@caught_by("settings")
def merging_calls_with_other_settings(patch: Patch) -> None:
    patch.setattr(equality, "frozen", lambda value: None)


@caught_by("mlp", "transformer")
def merging_calls_on_other_inputs(patch: Patch) -> None:
    patch.setattr(equality, "identity", lambda x: x.op)


@caught_by("mlp", "old_value", "exchange")
def pruning_an_update(patch: Patch) -> None:
    def prune(graph: Graph, log: Any) -> Graph:
        return exact.prune(replace(graph, updates=graph.updates[1:]), log)
    swap_pass(patch, exact.prune, prune)


@caught_by("layouts")
def dropping_a_copy_of_another_layout(patch: Patch) -> None:
    patch.setattr(exact, "is_dense", lambda x, strides: True)


@caught_by("turns")
def undoing_turns_that_are_none(patch: Patch) -> None:
    right = exact.undo_turns

    def undo_turns(v: Any) -> Any:
        if v.op.name == "permute_dims" and v.op is v.inputs[0].op and v.shape == v.inputs[0].inputs[0].shape:
            return v.inputs[0].inputs[0]
        return right(v)
    patch.setattr(exact, "undo_turns", undo_turns)


@caught_by("mlp")
def lowering_with_operands_swapped(patch: Patch) -> None:
    def sgd_in_steps(v: Any) -> Any:
        if v.op is not sgd_update or v.inputs[0].size > 1000:
            return None
        p, d, lr = v.inputs
        return subtract(multiply(d, lr), p)
    patch.setattr(exact, "RULES", (sgd_in_steps,))


@caught_by("many_readers", "mlp", "transformer")
def reusing_memory_after_the_first_reader(patch: Patch) -> None:
    right = plan.lifetimes

    def lifetimes(graph: Graph) -> dict[int, int]:
        first: dict[int, int] = {}
        roots = plan.storage(graph)
        for position, v in enumerate(graph.order):
            for x in v.inputs:
                first.setdefault(roots.get(x.id, x).id, position)
        return {**right(graph), **first}
    patch.setattr(plan, "lifetimes", lifetimes)


@caught_by("many_readers")
def writing_over_a_living_input(patch: Patch) -> None:
    right = plan.dying_input

    def dying_input(v: Any, position: int, last: dict[int, int], *rest: Any) -> Any:
        return right(v, position, {**last, **{x.id: position for x in v.inputs}}, *rest)
    patch.setattr(plan, "dying_input", dying_input)


@caught_by("mlp")
def placing_blocks_over_each_other(patch: Patch) -> None:
    right = plan.place

    def place(blocks: Any) -> Any:
        total, offsets = right(blocks)
        return total, {block: offset // 2 // 64 * 64 for block, offset in offsets.items()}
    patch.setattr(plan, "place", place)


@caught_by("old_value")
def committing_an_update_too_early(patch: Patch) -> None:
    right = executor.lifetimes
    patch.setattr(executor, "lifetimes", lambda graph: {**right(graph), **{leaf.id: -1 for leaf in graph.leaves}})


@caught_by("exchange")
def committing_without_saving_what_is_read(patch: Patch) -> None:
    right = executor.Writer.commit

    def commit(self: Any) -> None:
        right(self)
        self.lines = [line.replace(".copy()", "") if "_new = " in line else line for line in self.lines]
    patch.setattr(executor.Writer, "commit", commit)


def test_every_probe_agrees_as_things_are() -> None:
    assert failing(statically()) == []
    assert failing(checked) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, probes = MUTANTS[name]
    make(monkeypatch)
    assert probes <= set(failing(statically()))


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught_by_check_mode(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, probes = MUTANTS[name]
    make(monkeypatch)
    assert probes <= set(failing(checked))


def test_check_mode_names_the_op_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain calls use the kernel of an op; its `forward` runs in the graph."""
    right = type(tanh).forward
    monkeypatch.setattr(type(tanh), "forward", lambda self, xp, x, out=None: right(self, xp, x * 1.0000001, out=out))

    def f(x: Any) -> Any:
        y = tg.sin(x) + 1.0
        return tg.tanh(y) * tg.cos(x)

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(tg.TraceError, match=rf"(?s)TG-S14.* first difference .* is tanh.*test_mutants.py:{line}"):
        checked(f)(T(5))
