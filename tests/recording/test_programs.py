"""What a recording says of static programs: where values lay, what ran, and that watching changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, observe, optim
from teachgrad.nn import functional as F
from teachgrad.recording import LEVELS, Held, Reader, Recorder

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1])


def training(**settings: Any) -> tuple[Any, Callable[[], tg.Tensor], nn.Module]:
    """A static training step, a call of it, and the model that it trains."""
    tg.seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train(x: tg.Tensor, labels: tg.Tensor) -> tg.Tensor:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = tg.static(train, **settings)
    return step, lambda: step(tg.tensor(X), tg.tensor(LABELS)), model


def weights(model: nn.Module) -> list[bytes]:
    return [p.numpy().tobytes() for p in model.parameters()]


@pytest.mark.parametrize("settings", [{"level": "O0"}, {"level": "O1"}, {"plan": "off"}, {"plan": "best"}])
def test_watching_changes_no_bit(tmp_path: Path, settings: dict[str, str]) -> None:
    _, call, model = training(**settings)
    losses = [call().item() for _ in range(5)]
    _, watched, other = training(**settings)
    watched()
    with Recorder(tmp_path / "r.tgr", level="values"):
        found = [watched().item() for _ in range(3)]
    assert [losses[0], *found, watched().item()] == losses
    assert weights(other) == weights(model)


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_values_are_those_of_the_arena_before_others_take_their_place(tmp_path: Path, level: str) -> None:
    """Each recorded result follows from the recorded inputs, by NumPy."""
    rules: dict[str, Callable[..., np.ndarray]] = {
        "matmul": np.matmul, "add": np.add, "multiply": np.multiply, "subtract": np.subtract,
        "relu": lambda x: np.maximum(x, 0), "relu_gradient": lambda g, z: np.where(z > 0, g, 0),
    }  # fmt: skip
    step, call, _ = training(level=level)
    call()
    with Recorder(tmp_path / "r.tgr", level="values"):
        call()
    checked = set()
    with Reader(tmp_path / "r.tgr") as run:
        rows = list(run.rows(0))
        number = {row.vertex: row.value for row in rows if row.kind in ("leaf", "op")}
        for row in rows:
            if row.kind == "op" and row.op in rules:
                inputs = [run.values(number[v]) for v in row.inputs]  # type: ignore[arg-type]
                assert np.allclose(run.values(row.value), rules[row.op](*inputs), rtol=1e-6, atol=1e-7)  # type: ignore[arg-type]
                checked.add(row.op)
        assert checked >= {"matmul", "relu", "relu_gradient"}
        assert sum(row.kind == "op" for row in rows) == len(step.graph.order)
        assert [row.kind for row in rows if row.phase == "upd"] == ["update"] * len(step.graph.updates)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("plan", ["off", "reuse"])
def test_memory_is_that_of_the_plan(tmp_path: Path, level: Any, plan: str) -> None:
    step, call, _ = training(plan=plan)
    call()
    with Recorder(tmp_path / "r.tgr", level=level):
        call()
        call()
    with Reader(tmp_path / "r.tgr") as run:
        assert run.steps == 2
        for number in range(2):
            row_of = {row.vertex: row.row for row in run.rows(number) if row.kind == "op"}
            order = [v.id for v in step.graph.order]
            taken = {held.vertex: held for held in run.memory(number) if held.bytes is not None}
            freed = {held.vertex: held.row for held in run.memory(number) if held.bytes is None}
            planned = {vertex for vertex, held in taken.items() if held.place is not None}
            assert planned == step.plan.slots.keys()
            for vertex, slot in step.plan.slots.items():
                held = taken[vertex]
                assert (held.place, held.bytes, held.row) == (slot.offset, slot.bytes, row_of[vertex])
                assert freed[vertex] == row_of[order[slot.dies]] + 1
            assert taken.keys() - freed.keys() == {v.id for v in step.graph.outputs}


def test_no_two_values_lie_in_the_same_place_at_the_same_time(tmp_path: Path) -> None:
    step, call, _ = training()
    call()
    with Recorder(tmp_path / "r.tgr"):
        call()
    written_over = {slot.vertex: slot.in_place_of for slot in step.plan.slots.values()}
    shared = 0
    with Reader(tmp_path / "r.tgr") as run:
        live: dict[int, Held] = {}
        places = set()
        for held in run.memory(0):
            if held.bytes is None:
                live.pop(held.vertex)
                continue
            if held.place is None:
                live[held.vertex] = held
                continue
            for other in live.values():
                if other.place is not None and other.vertex != written_over[held.vertex]:
                    assert other.bytes is not None
                    assert held.place >= other.place + other.bytes or other.place >= held.place + held.bytes
            shared += held.place in places
            places.add(held.place)
            live[held.vertex] = held
    assert shared > 3


@pytest.mark.parametrize("level", LEVELS)
def test_one_kernel_for_each_statement(tmp_path: Path, level: Any) -> None:
    step, call, _ = training()
    call()
    statements = [line for line in step.source.splitlines()[2:-1] if not line.strip().startswith(("if ", "del "))]
    with Recorder(tmp_path / "r.tgr", level=level):
        call()
    with Reader(tmp_path / "r.tgr") as run:
        kernels = list(run.kernels(0))
        rows = {row.row: row for row in run.rows(0)}
    assert len(kernels) == len(statements)
    for kernel, statement in zip(kernels, statements, strict=True):
        assert f"{kernel.name}_" in statement
        assert 0 < kernel.seconds < 10
        assert (rows[kernel.row].op, (rows[kernel.row].vertex,)) == (kernel.name, kernel.vertices)


def test_copies_at_the_end_are_kernels(tmp_path: Path) -> None:
    """What is returned from the arena is copied, and so is a new value that another update still reads."""
    a, b = tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0])

    @tg.static
    def swap(x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        total, old = a + x, a.copy()
        a.data, b.data = b, old
        return total, total.reshape(2, 1)

    swap(tg.tensor([1.0, 1.0]))
    with Recorder(tmp_path / "r.tgr", level="values"):
        swap(tg.tensor([1.0, 1.0]))
    assert a.numpy().tolist() == [1.0, 2.0]
    with Reader(tmp_path / "r.tgr") as run:
        kernels = [kernel for kernel in run.kernels(0) if kernel.name in ("own", "copyto")]
        assert [kernel.name for kernel in kernels][-1] == "copyto"
        updated = {row.vertex for row in run.rows(0) if row.kind == "update"}
        assert set(kernels[-1].vertices) == updated


def test_a_constant_is_told_once_and_before_it_is_used() -> None:
    @tg.static
    def f(x: tg.Tensor) -> tg.Tensor:
        return x * tg.tensor([1.0, 2.0]) + tg.tensor([1.0, 2.0])

    f(tg.tensor([3.0, 4.0]))
    events: list[Any] = []
    with observe.watching(events.append):
        assert f(tg.tensor([3.0, 4.0])).numpy().tolist() == [4.0, 10.0]
    known: set[int] = set()
    for event in events:
        if isinstance(event, observe.Leaf):
            assert event.id not in known
        if isinstance(event, observe.Forward):
            assert known.issuperset(event.inputs)
        if isinstance(event, (observe.Leaf, observe.Forward)):
            known.add(event.id)


def test_two_programs_and_plain_ops_in_one_step(tmp_path: Path) -> None:
    """A static model with a dynamic loss: the programs of its forward and backward pass run in the same step."""
    w = tg.tensor([[2.0, 1.0]], requires_grad=True, name="w")
    model = tg.static(lambda x: (x @ w.T).tanh())
    x = tg.tensor([[0.5, 0.25], [1.0, -1.0]])
    for _ in range(2):
        (model(x) ** 2).sum().backward()
    expected = w.grad.numpy() / 2  # type: ignore[union-attr]
    w.grad = None
    with Recorder(tmp_path / "r.tgr", level="values"):
        (model(x) ** 2).sum().backward()
    assert np.allclose(w.grad.numpy(), expected)  # type: ignore[union-attr]
    with Reader(tmp_path / "r.tgr") as run:
        rows = {row.row: row for row in run.rows(0)}
        for kernel in run.kernels(0):
            assert rows[kernel.row].vertex in kernel.vertices or kernel.name in ("own", "copyto")
        assert {"tanh", "matmul"} <= {kernel.name for kernel in run.kernels(0)}
