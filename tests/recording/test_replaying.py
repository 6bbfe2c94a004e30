"""Level `replay`: what it did not keep is computed again, bit for bit, or said to be out of reach."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.recording import Reader, Recorder

X = np.random.default_rng(5).normal(size=(24, 1, 8, 8)).astype(np.float32)
Y = np.random.default_rng(6).integers(0, 4, 24)


def _train(net: nn.Module, optimizer: optim.Optimizer, x: tg.Tensor, steps: int = 3) -> None:
    y = tg.tensor(Y)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def convolution() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Dropout(0.25), nn.Linear(36, 4))  # fmt: skip
    _train(net, optim.Adam(net.parameters(), lr=0.01), tg.tensor(X))


def attention() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(8, 2)
            self.norm = nn.LayerNorm(8)
            self.out = nn.Linear(64, 4)

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            z = self.attend(x, x, x)
            z = self.norm(x + (z[0] if isinstance(z, tuple) else z))
            z = z + nn.functional.scaled_dot_product_attention(z, z, z, is_causal=True)  # an op with several results
            answer: tg.Tensor = self.out(z.reshape(24, 64))
            return answer

    net = Net()
    _train(net, optim.SGD(net.parameters(), lr=0.1, momentum=0.9), tg.tensor(X.reshape(24, 8, 8)))


def by_hand() -> None:
    """Broadcasting, indices, views, a gradient that flows twice, second derivatives, and an update by hand."""
    w = tg.Parameter(tg.tensor(X[0, 0]), name="w")
    for _ in range(2):
        h = tg.tanh(w @ w.T + w[0]) * w[:, tg.tensor([3, 1, 0, 2, 7, 6, 5, 4])]
        loss = (h * h).sum() + h[2:5].mean() + (w.reshape(64)[::3] ** 2).sum()
        (g,) = tg.grad(loss, [w], create_graph=True)
        (loss + (g * g).sum()).backward()
        w.grad = None
        (w * 2.0).sum().backward(retain_graph=True)
        with tg.no_grad():
            w -= 0.01 * w.grad


def looping() -> None:
    w = tg.Parameter(tg.tensor(X[1, 0] * 0.1), name="w")
    _, hs = tg.scan(lambda h, x: (tg.tanh(h @ w + x),) * 2, tg.zeros(8), tg.tensor(X[2, 0]))
    hs.sum().backward()


def compiled() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 4))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @tg.static(level="O2")
    def step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step(tg.tensor(X), tg.tensor(Y))


RUNS = {run.__name__: run for run in (convolution, attention, by_hand, looping, compiled)}
SHARE = {"convolution": 0.5, "attention": 0.7, "by_hand": 0.5, "looping": 0.0, "compiled": 0.5}
"""Of all arrays, at least this part is computed again."""


def record(run: Callable[[], None], path: Path, level: str) -> Path:
    tg.seed(3)
    with Recorder(path, level=level):  # type: ignore[arg-type]
        run()
    return path


@pytest.mark.parametrize("name", RUNS)
def test_every_number_is_what_it_was(name: str, tmp_path: Path) -> None:
    whole, small = (record(RUNS[name], tmp_path / f"{level}.tgr", level) for level in ("values", "replay"))
    seen = again = 0
    with Reader(whole) as expected, Reader(small) as found:
        assert expected.steps == found.steps
        for step in reversed(range(found.steps)):  # whatever the order in which they are asked for
            for one, other in zip(reversed(expected.step(step).rows), reversed(found.step(step).rows), strict=True):
                for a, b in ((one.value, other.value), (one.delta, other.delta), (one.incoming, other.incoming)):
                    if a is None or b is None:
                        assert a is b
                        continue
                    x, y = expected.values(a), found.values(b)
                    assert x is not None
                    assert y is not None, (other, found.why_not(b))
                    assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
                    assert not y.flags.writeable
                    assert found.statistics(b) == expected.statistics(a)
                    seen += 1
                    again += found.array(b).marked
    assert again >= SHARE[name] * seen


def test_a_recording_is_smaller_by_what_can_be_computed_again(tmp_path: Path) -> None:
    def wide() -> None:
        x, w = tg.tensor(np.ones((512, 64), np.float32)), tg.Parameter(tg.tensor(np.ones((64, 256), np.float32)))
        tg.tanh(x @ w).sum().backward()

    whole, small = (record(wide, tmp_path / f"{level}.tgr", level) for level in ("values", "replay"))
    assert os.path.getsize(small) < os.path.getsize(whole) / 4


def test_what_is_not_the_same_is_not_shown(tmp_path: Path) -> None:
    path = record(by_hand, tmp_path / "r.tgr", "replay")
    connection = sqlite3.connect(path)
    (first,) = connection.execute(
        "SELECT value FROM event WHERE kind = 1 AND value IN (SELECT id FROM array WHERE data IS NULL) "
        "ORDER BY step, row").fetchone()  # fmt: skip
    connection.execute("UPDATE array SET fingerprint = fingerprint + 1 WHERE id = ?", (first,))
    connection.commit()
    connection.close()
    with Reader(path) as run:
        assert run.array(first).has_values
        assert run.values(first) is None
        assert "not what it was bit for bit" in run.why_not(first)
        assert run.statistics(first) is None
        later = [row.value for row in run.step(0).rows if row.kind == "op" and run.array(row.value or 0).marked]
        assert any(run.values(number) is None and run.why_not(number) for number in later if number and number != first)


@pytest.mark.parametrize("statement", [
    "UPDATE event SET op = 'no_such_op' WHERE kind = 1", "UPDATE event SET op = 'made' WHERE kind = 1",
    "UPDATE event SET inputs = '999' WHERE kind = 1", "UPDATE event SET attrs = '{\"axis\": 77}' WHERE kind = 1",
    "UPDATE event SET attrs = '{\"shape\": {\"tuple\": [100000, 100000]}}', op = 'broadcast_to' WHERE kind = 1",
    "UPDATE event SET value = 1 WHERE kind = 1", "UPDATE event SET incoming = value WHERE kind = 3",
    "UPDATE event SET edge = 9 WHERE kind = 3", "UPDATE event SET source = vertex WHERE kind = 3",
    "UPDATE array SET shape = '1000000,1000000' WHERE data IS NULL", "UPDATE array SET dtype = 'bool'",
    "UPDATE event SET inputs = vertex WHERE kind = 1", "DELETE FROM event WHERE kind = 0",
])  # fmt: skip
def test_files_that_lie(statement: str, tmp_path: Path) -> None:
    """Nothing but a `RecordingError`, or no values and a reason."""
    path = record(by_hand, tmp_path / "r.tgr", "replay")
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with Reader(path) as run:
        numbers = [number for (number,) in run._store.rows("SELECT id FROM array")]
        for number in numbers:
            try:
                values = run.values(number)
                assert values is not None or run.why_not(number)
            except tg.errors.RecordingError:
                pass


def test_a_long_chain_needs_no_recursion(tmp_path: Path) -> None:
    def chain() -> None:
        x = tg.tensor(1.0, requires_grad=True)
        y = x
        for _ in range(3 * sys.getrecursionlimit()):
            y = y * 1.0001
        y.backward()

    path = record(chain, tmp_path / "r.tgr", "replay")
    with Reader(path) as run:
        last = run.step(0).rows[-1]
        assert last.value is not None
        values = run.values(last.value)
        assert values is not None
        assert values == pytest.approx(1.0001 ** (3 * sys.getrecursionlimit()), rel=1e-3)


def test_an_array_that_was_changed_without_a_trace(tmp_path: Path) -> None:
    """What was computed before is right; of what was computed after, it is said that it is not what it was."""

    def run() -> None:
        array = np.ones(3, np.float32)
        x = tg.asarray(array, copy=False)
        (x * 2.0).sum()
        array[0] = 7.0
        (x * 3.0).sum()

    path = record(run, tmp_path / "r.tgr", "replay")
    with Reader(path) as found:
        ops = [row.value or 0 for row in found.step(0).rows if row.kind == "op"]
        assert all(found.array(number).marked for number in ops)
        before, total, after, other_total = ((found.values(number), found.why_not(number)) for number in ops)
        assert before[0] is not None
        assert before[0].tolist() == [2.0, 2.0, 2.0]
        assert total == (6.0, "")
        for values, why in (after, other_total):
            assert values is None
            assert "not what it was bit for bit" in why
