"""What cannot be exported is refused before anything is written, and the refusal says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.errors import DTypeError, ExecutorError, TraceError
from tests.export.programs import moons, tensors

X = np.arange(6, dtype=np.float32).reshape(2, 3)
WEIGHT = tg.tensor([1.0, 2.0, 3.0], requires_grad=True, name="weight")


def sorts(x: Any) -> Any:
    return tg.sort(x * 2.0)


def looks(x: Any) -> Any:
    return x * 2.0 if x.sum().item() > 0 else x


def accumulates(x: Any) -> Any:
    loss = (x * WEIGHT).sum()
    loss.backward()
    return loss


def overwrites(x: Any) -> Any:
    with tg.no_grad():
        WEIGHT.sub_(0.1)
    return x * WEIGHT


@pytest.mark.parametrize(("fn", "example", "train", "error", "words"), [
    (sorts, tg.tensor(X), False, ExecutorError, ("no C for", "sort   test_refusals.py:22", "Way out")),
    (looks, tg.tensor(X), False, TraceError, ("TG-S",)),
    (accumulates, tg.tensor(X), True, ExecutorError, ("gradient that weight comes with", "zero_grad()")),
    (overwrites, tg.tensor(X), False, ExecutorError, ("overwrites weight", "train=True")),
    (lambda x: (x * 2.0, 7), tg.tensor(X), False, ExecutorError, ("a plain number", "leave it out", "tg.tensor(")),
    (lambda x: x, tg.tensor(X), False, ExecutorError, ("a tensor that it is given", "copy()")),
    (lambda x: x.T, tg.tensor(X), False, ExecutorError, ("a view of a tensor that it is given", "copy()")),
    (lambda x: x.reshape((-1,))[1:], tg.tensor(X), False, ExecutorError, ("a view", "copy()")),
    (lambda x: x * 2.0, tg.tensor(X.astype(np.float16)), False, DTypeError, ("float16", "astype(tg.float32)")),
    (lambda x: x * 2.0, tg.zeros((0, 3)), False, DTypeError, ("no elements",)),
    (nn.Sequential(nn.Linear(3, 3)), tg.tensor(X.T), False, TypeError, ("3",)),
])
def test_refusals(fn: Callable[..., Any], example: Any, train: bool, error: type[Exception], words: tuple[str, ...],
                  tmp_path: Path) -> None:
    WEIGHT.grad = None
    with pytest.raises((error, ValueError) if error is TypeError else error) as caught:
        tg.export_c(fn, tmp_path / "f", example=example, train=train)
    for word in words:
        assert word in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_gradient_from_before_is_refused(tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    tg.export_c(step, tmp_path / "clean", example=tg.tensor(X), train=True)
    model(tg.tensor(X)).sum().backward()
    with pytest.raises(ExecutorError, match="once before the export"):
        tg.export_c(step, tmp_path / "f", example=tg.tensor(X), train=True)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="cannot write"):
        tg.export_c(lambda x: x + 1.0, tmp_path / "missing" / "f", example=tg.tensor(X))
    with pytest.raises(ExecutorError, match="no name"):
        tg.export_c(lambda x: x + 1.0, tmp_path / "**", example=tg.tensor(X))


@pytest.mark.parametrize(("name", "stem"), [("my-net 2", "my_net_2"), ("2nd", "c2nd"), ("__init", "init"),
                                            ("naïve.c", "na_ve_c")])
def test_names_of_files_become_identifiers(name: str, stem: str, tmp_path: Path) -> None:
    paths = tg.export_c(lambda x: x + 1.0, tmp_path / name, example=tg.tensor(X))
    assert [path.name for path in paths] == [f"{stem}.h", f"{stem}.c"]
    assert f"{stem}_run(" in paths[1].read_text()


def test_an_export_neither_changes_anything_nor_depends_on_chance(tmp_path: Path) -> None:
    step, model, arrays = moons()
    before = [p.numpy().copy() for p in model.parameters()]
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = tg.export_c(step, tmp_path / name / "f", example=tensors(arrays), train=True)
        texts.append([path.read_text() for path in paths])
    assert texts[0] == texts[1]
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), old)
        assert p.grad is None
