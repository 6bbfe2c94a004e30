"""`dims`: one trace for every size. Bits against dynamic mode for many sizes, and how often the function was traced."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import data, nn
from teachgrad.nn import functional as F
from teachgrad.recording import Reader
from tests.passes.models import MODELS, made
from tests.static.outcomes import T, bits

SIZES = (32, 1, 7, 2, 3)


def batch_of(n: int, like: Any) -> Any:
    """Numbers of the kind that a batch has, for another number of samples."""
    rng, shape = np.random.default_rng(n), (n, *like.shape[1:])
    if like.dtype.kind == "i":
        return tg.tensor(rng.integers(1, int(like.numpy().max()) + 1, shape))
    return tg.tensor(rng.normal(size=shape).astype(np.float32))


# ---- whole trainings -------------------------------------------------------------------------------------------------

def trained(name: str, how: dict[str, Any] | None, sizes: tuple[int, ...]) -> tuple[list[Any], int]:
    """The bits of the losses and of everything that a step with each batch size leaves behind; the number of traces."""
    training, batch = made(name)
    step = training.step if how is None else tg.static(training.step, dims={"batch": ("N", ...)}, **how)
    seen = [(step(*[batch_of(n, x) for x in batch]).numpy().tobytes(), training.state()) for n in sizes]
    return seen, getattr(step, "count", 0)


@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("name", MODELS)
def test_a_training_is_traced_once_for_all_batch_sizes(name: str, level: str) -> None:
    expected, _ = trained(name, None, SIZES)
    got, count = trained(name, {"level": level}, SIZES)
    assert got == expected
    assert count == 1


@pytest.mark.parametrize("name", MODELS)
def test_check_mode_and_verification_find_nothing(name: str) -> None:
    training, batch = made(name)
    steps = [tg.static(training.step, dims={"batch": ("N", ...)}),
             tg.static(training.step, dims={"batch": ("N", ...)}, verify=True)]
    for n in (2, 3):
        with tg.mode("check"):
            steps[0](*[batch_of(n, x) for x in batch])
        steps[1](*[batch_of(n, x) for x in batch])
    assert [step.count for step in steps] == [1, 1]


@pytest.mark.parametrize("plan", ["off", "inplace", "reuse", "best"])
def test_each_size_has_a_plan_of_its_own(plan: str) -> None:
    training, batch = made("mlp")
    step, dynamic = tg.static(training.step, dims={"batch": ("N", ...)}, plan=plan), made("mlp")[0]
    arenas = []
    for n in (16, 256, 4, 16):
        inputs = [batch_of(n, x) for x in batch]
        assert step(*inputs).numpy().tobytes() == dynamic.step(*inputs).numpy().tobytes()
        arenas.append(step.plan.bytes)
    assert arenas[1] > arenas[0] >= arenas[2]
    assert arenas[3] == arenas[0]
    assert training.state() == dynamic.state()
    assert step.count == 1


def test_an_epoch_whose_last_batch_is_smaller_is_traced_once() -> None:
    x, t = T(50, 6).numpy(), np.arange(50) % 3
    model = nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 3))
    optimizer = tg.optim.Adam(model.parameters())
    seen = []

    @tg.static(dims={"x": ("N", 6), "t": ("N",)})
    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        for inputs, targets in data.Loader(data.ArrayDataset(x, t), batch=16):
            step(inputs, targets)
            seen.append(inputs.shape[0])
    assert sorted(set(seen)) == [2, 16]
    assert step.count == 1


# ---- what a function can do with a size ------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "mean by hand": lambda x: (x * x).sum() / x.shape[0],
    "mean": lambda x: (x.mean(), x.mean(axis=0), x.mean(axis=1)),
    "spread": lambda x: (tg.var(x, axis=0, correction=0), tg.std(x)),
    "scaled": lambda x: x * (1.0 / x.shape[0]) + x.shape[0],
    "arange": lambda x: x + tg.arange(x.shape[0])[:, None],
    "linspace": lambda x: x * tg.linspace(0.0, 1.0, x.shape[0])[:, None],
    "eye": lambda x: tg.eye(x.shape[0], dtype=tg.float32) @ x,
    "zeros and ones": lambda x: (tg.zeros((x.shape[0], 2)), tg.ones((3, x.shape[0])), tg.full(x.shape, 2.5)),
    "like": lambda x: (tg.zeros_like(x), tg.full_like(x, 3.0)),
    "triangles": lambda x: (tg.tril(x @ x.T), tg.triu(x @ x.T, k=1)),
    "a number as a tensor": lambda x: tg.tensor(x.shape[0]) + tg.tensor(1.5 * x.shape[0]),
    "reshape": lambda x: (x.reshape((-1,)), x.reshape((x.shape[0], 2, -1)), x.reshape((x.shape[0] * 2, 2))),
    "slices": lambda x: (x[1:], x[:-1], x[::2], x[::-1], x[x.shape[0] // 2:], x[:, 1:3]),
    "halves": lambda x: tg.concat([x[: x.shape[0] // 2] * 2.0, x[x.shape[0] // 2:]]),
    "differences": lambda x: x[1:] - x[:-1],
    "last": lambda x: (x[-1], x[x.shape[0] - 1], x[..., -1]),
    "picked": lambda x: x[tg.arange(x.shape[0]), tg.arange(x.shape[0]) % 4],
    "joined": lambda x: (tg.concat([x, x]), tg.stack([x, x], axis=1), tg.repeat(x, 3, axis=0), tg.tile(x, (2, 1))),
    "rolled": lambda x: tg.roll(x, 1, axis=0),
    "sorted": lambda x: (tg.sort(x, axis=0), tg.argsort(x, axis=0), tg.cumulative_sum(x, axis=0)),
    "outer": lambda x: x[:, None, :] * x[None, :, :],
    "einsum": lambda x: tg.einsum("ij,kj->ik", x, x),
    "softmax": lambda x: (F.softmax(x, axis=0), F.log_softmax(x, axis=1)),
    "norm": lambda x: F.layer_norm(x, (4,)),
    "random": lambda x: (tg.random.normal(x.shape), tg.random.integers(0, x.shape[0] + 1, (x.shape[0],)),
                         tg.random.permutation(x.shape[0]), F.dropout(x, 0.5)),
    "padded": lambda x: F.pad(x, (1, 2)),
    "in place": lambda x: overwritten(x),
    "size handed back": lambda x: (x.shape[0], x.shape, 2 * x.shape[0] + 1, x.size, {"half": x.shape[0] / 2}),
    "view handed back": lambda x: (x, x.T, x[1:], x.reshape((-1,))),
    "a tensor of sizes": lambda x: tg.zeros((x.shape[0],)) + tg.arange(x.shape[0] * 2)[::2],
}


def overwritten(x: Any) -> Any:
    y = tg.zeros((x.shape[0], 4))
    y[:, 1] = x[:, 0]
    y[1:] += x[:-1]
    y *= x.shape[0]
    return y


@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_size_gives_the_bits_of_dynamic_mode(name: str, level: str) -> None:
    function = FUNCTIONS[name]
    step = tg.static(function, dims={"x": ("N", 4)}, level=level)
    tg.seed(1)
    expected = [bits(function(T(n, 4, seed=n))) for n in (5, 2, 9, 1, 12)]
    tg.seed(1)
    assert [bits(step(T(n, 4, seed=n))) for n in (5, 2, 9, 1, 12)] == expected
    assert step.count <= 2  # one element may be a case of its own


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("size handed back", "view handed back")])
def test_gradients_of_every_size_are_those_of_dynamic_mode(name: str) -> None:
    function = FUNCTIONS[name]

    def slope(x: Any) -> Any:
        answers = function(x)
        answers = answers if isinstance(answers, tuple) else (answers,)
        parts = [(y * y).sum() for y in answers if y.requires_grad]
        return tg.grad(sum(parts[1:], parts[0]), x) if parts else x

    step = tg.static(slope, dims={"x": ("N", 4)})
    for n in (5, 2, 9, 1, 12):
        tg.seed(n)
        expected = slope(T(n, 4, seed=n, grad=True)).numpy().tobytes()
        tg.seed(n)
        assert step(T(n, 4, seed=n, grad=True)).numpy().tobytes() == expected
    assert step.count <= 2


def test_nothing_at_all_is_a_size() -> None:
    def function(x: Any) -> Any:
        return x.sum(axis=0), x.mean() + 1.0, x * 2.0, tg.zeros((x.shape[0], 2)), x[1:]

    step = tg.static(function, dims={"x": ("N", 4)})
    for n in (3, 0, 5, 0):
        assert bits(step(T(n, 4))) == bits(function(T(n, 4)))


def test_the_mean_of_nothing_is_nan_in_planned_memory_too() -> None:
    step = tg.static(lambda x: x.mean() + 1.0)
    assert np.isnan(step(T(0)).item())


def test_several_sizes() -> None:
    def function(x: Any, y: Any) -> Any:
        return (x @ y.T).reshape((-1,)), x.sum() / y.shape[0], tg.arange(x.shape[0] * y.shape[0])

    step = tg.static(function, dims={"x": ("N", "K"), "y": ("M", "K")})
    for n, m, k in ((3, 4, 5), (4, 3, 2), (7, 7, 7), (2, 9, 2)):
        x, y = T(n, k, seed=n), T(m, k, seed=m)
        assert bits(step(x, y)) == bits(function(x, y))
    assert step.count == 1


def test_a_scan_over_a_length_that_is_open() -> None:
    w = tg.Parameter(np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32))

    def function(x: Any) -> Any:
        _, ys = tg.scan(lambda h, row: (tg.tanh(row + h @ w),) * 2, init=tg.zeros((4,)), xs=x)
        loss = (ys * ys).sum()
        return loss, tg.grad(loss, w)

    step = tg.static(function, dims={"x": ("T", 4)})
    for n in (5, 20, 3, 200):
        assert bits(step(T(n, 4, seed=n))) == bits(function(T(n, 4, seed=n)))
    assert step.count == 1


def test_the_batch_of_a_scan_is_open() -> None:
    model = nn.LSTM(4, 3)
    step = tg.static(lambda x: model(x)[0], dims={"x": (6, "N", 4)})
    for n in (5, 1, 8):
        x = T(6, n, 4, seed=n)
        np.testing.assert_array_equal(step(x).numpy(), model(x)[0].numpy())
    assert step.count == 1


def test_branches_and_loops_with_open_sizes() -> None:
    def function(x: Any) -> Any:
        y = tg.cond(x.sum() > 0, lambda x: x * 2.0, lambda x: x - x.shape[0], x)
        _, z = tg.while_loop(lambda k, z: k < 3, lambda k, z: (k + 1, z * 0.5 + x), (tg.tensor(0), y))
        return z, z.sum()

    step = tg.static(function, dims={"x": ("N", 4)})
    for n in (3, 8, 2):
        for x in (T(n, 4, seed=n), -abs(T(n, 4, seed=n))):
            assert bits(step(x)) == bits(function(x))
    assert step.count == 1


# ---- conditions ------------------------------------------------------------------------------------------------------

def test_a_branch_on_a_size_is_a_condition() -> None:
    def function(x: Any) -> Any:
        return x * 2.0 if x.shape[0] > 10 else x + 1.0

    step = tg.static(function, dims={"x": "N"})
    for n in (12, 11, 50, 3, 10, 4, 40):
        assert bits(step(T(n))) == bits(function(T(n)))
    assert step.count == 2


PINNED: dict[str, Callable[..., Any]] = {
    "range": lambda x: sum([x[i] * i for i in range(x.shape[0])], tg.tensor(0.0)),
    "rows": lambda x: tg.stack([row * 2.0 for row in x]),
    "len": lambda x: x * len(x),
    "float": lambda x: x * float(x.shape[0]),
    "numpy": lambda x: x * np.arange(x.shape[0], dtype=np.float32),
    "text": lambda x: x * len(f"{x.shape[0]}"),
    "dict": lambda x: x * {3: 1.5, 5: 2.5, 9: 0.5}[x.shape[0]],
    "list": lambda x: x * [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][x.shape[0]],
}


@pytest.mark.parametrize("name", PINNED)
def test_who_asks_for_the_very_size_gets_a_trace_for_each(name: str) -> None:
    step = tg.static(PINNED[name], dims={"x": "N"})
    for n in (3, 5, 3, 9, 5):
        assert bits(step(T(n, seed=n))) == bits(PINNED[name](T(n, seed=n)))
    assert step.count == 3


def test_a_size_of_one_that_broadcasts_is_a_case_of_its_own() -> None:
    def function(x: Any, y: Any) -> Any:
        return x * y

    step = tg.static(function, dims={"x": ("N", 4), "y": ("M", 4)})
    for n, m in ((5, 5), (6, 6), (1, 6), (6, 1), (1, 3), (1, 1), (7, 1)):
        x, y = T(n, 4, seed=n), T(m, 4, seed=m + 100)
        assert bits(step(x, y)) == bits(function(x, y))
    assert step.count == 3  # of one size or both, which may be 1; one of them 1; the other
    with pytest.raises(ValueError, match="broadcast"):
        step(T(3, 4), T(2, 4))


def test_an_error_of_one_size_does_not_harm_the_others() -> None:
    def function(x: Any) -> Any:
        return x[:, 3] + x.reshape((x.shape[0], 2, -1)).sum(axis=(1, 2))

    step = tg.static(function, dims={"x": ("N", "K")})
    for k in (4, 6, 5, 2, 8):
        if k in (5, 2):
            with pytest.raises((tg.errors.ShapeError, IndexError)):
                step(T(3, k))
        else:
            assert bits(step(T(3, k))) == bits(function(T(3, k)))


def test_a_condition_that_numpy_needs_names_the_line_that_calls_it() -> None:
    step = tg.static(lambda x: x * np.eye(x.shape[0], dtype=np.float32)[0], dims={"x": ("N",)})
    step(T(4))
    assert "it is good where N == 4 (test_dims.py:" in step.explain(T(2))


def test_explain_says_what_a_call_runs_and_why_it_is_traced_again() -> None:
    scale = [1.0]

    def function(x: Any) -> Any:
        return x * scale[0] if x.shape[0] > 10 else x

    step = tg.static(function, dims={"x": "N"})
    assert step.explain(T(12)).endswith("(float32[12]) is traced: it is the first call")
    step(T(12))
    assert step.explain(T(12)).endswith("runs trace 1 for N = 12")
    assert step.explain(T(30)).endswith("runs trace 1 for N = 30, for which it makes a program")
    assert "is traced again\n  trace 1: it is good where N > 10 (test_dims.py:" in step.explain(T(3))
    assert step.explain(T(3)).endswith("; here N is 3")
    assert "trace 1: argument 0 varies" in step.explain(T(12, dtype=np.float64))
    scale[0] = 2.0
    assert "'scale' of function() is not what it was (test_dims.py:" in step.explain(T(12))
    assert step.count == 1


def test_a_change_of_the_world_is_traced_again_for_every_size() -> None:
    scale = [1.0]
    step = tg.static(lambda x: x * scale[0], dims={"x": "N"})
    step(T(3))
    step(T(4))
    scale[0] = 2.0
    for n in (3, 4, 5):
        np.testing.assert_array_equal(step(T(n)).numpy(), 2 * T(n).numpy())
    assert step.count == 2
    scale[0] = 1.0
    for n in (5, 4, 7):
        np.testing.assert_array_equal(step(T(n)).numpy(), T(n).numpy())
    assert step.count == 2


# ---- calls -----------------------------------------------------------------------------------------------------------

def test_gradients_that_arguments_come_with() -> None:
    def function(x: Any) -> None:
        (x * x).sum().backward()

    step = tg.static(function, dims={"x": ("N", 4)})
    for n in (3, 5, 4):
        x, y = T(n, 4, grad=True), T(n, 4, grad=True)
        for _ in range(3):
            step(x)
            function(y)
            assert bits(x.grad) == bits(y.grad)
    assert step.count == 2  # without and with a gradient to add to


def test_gradients_through_a_call_from_outside() -> None:
    w = tg.Parameter(np.ones((4, 2), np.float32))
    step = tg.static(lambda x: (x @ w).mean(), dims={"x": ("N", 4)})
    for n in (3, 5):
        x, y = T(n, 4, grad=True), T(n, 4, grad=True)
        step(x).backward()
        (y @ w).mean().backward()
        assert x.grad.numpy().tobytes() == y.grad.numpy().tobytes()
    assert step.count == 1


def test_nested_arguments_keywords_and_the_same_tensor_twice() -> None:
    def function(batch: Any, *, scale: Any = None, others: Any = ()) -> Any:
        x, y = batch["x"], batch["y"]
        return (x + y).sum(axis=0) * (1.0 if scale is None else scale) + sum(o.sum() for o in others)

    step = tg.static(function, dims={"batch": ("N", ...), "others": ("M",)})
    for n, m in ((3, 2), (5, 2), (4, 7)):
        x, y = T(n, 4, seed=1), T(n, 4, seed=2)
        for args, kwargs in ((({"x": x, "y": y},), {}), (({"x": x, "y": x},), {"others": [T(m), T(m, seed=3)]})):
            assert bits(step(*args, **kwargs)) == bits(function(*args, **kwargs))
    assert step.count == 2


def test_methods_and_copies_keep_dims() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = T(4, 2)

        @tg.static(dims={"x": ("N", 4)})
        def run(self, x: Any) -> Any:
            return x @ self.w

    model = Model()
    for n in (2, 3):
        np.testing.assert_array_equal(model.run(T(n, 4)).numpy(), (T(n, 4) @ model.w).numpy())
    assert model.run.count == 1
    step = copy.deepcopy(tg.static(halved, dims={"x": ("N",)}))
    for n in (2, 3):
        step(T(n))
    assert step.count == 1
    assert pickle.loads(pickle.dumps(step)).settings == step.settings


def halved(x: Any) -> Any:
    return x * 0.5


def test_arguments_in_another_layout_are_traced_as_they_are() -> None:
    step = tg.static(lambda x: x.sum(axis=0), dims={"x": ("N", 4)})
    for n in (3, 5):
        x = T(4, n).T
        np.testing.assert_array_equal(step(x).numpy(), x.sum(axis=0).numpy())
    assert step.count == 2


def test_only_the_programs_that_were_used_last_are_kept() -> None:
    step = tg.static(halved, dims={"x": "N"})
    for n in range(1, 60):
        np.testing.assert_array_equal(step(T(n)).numpy(), T(n).numpy() / 2)
    assert step.count == 1
    assert sum(map(len, step.programs.values())) == 32
    for n in (28, 1, 2):  # 28 would have been the first to go
        step(T(n))
    assert [n for n in range(60) if step.explain(T(n)).endswith(f"N = {n}")] == [1, 2, 28, *range(31, 60)]
    np.testing.assert_array_equal(step(T(1)).numpy(), T(1).numpy() / 2)


def test_fetch_feed_and_the_graph_are_those_of_the_size_that_ran_last() -> None:
    step = tg.static(lambda x: (x * 2.0).exp(), dims={"x": ("N",)})
    for n in (2, 3):
        step(T(n))
        assert f"float32[{n}]" in str(step.graph)
        np.testing.assert_array_equal(step.fetch("multiply", feed={"x": T(n)}).numpy(), 2 * T(n).numpy())
        assert f"<lambda>[N={n}](" in str(step.graph)
    assert "float32[N]" in str(step.trace.family.moments[-1][1])


@pytest.mark.parametrize("level", ["O1", "O2"])
def test_a_recording_has_a_program_for_each_size(level: str, tmp_path: Path) -> None:
    training, batch = made("bag_of_words")
    step = tg.static(training.step, dims={"batch": ("N", ...)}, level=level)
    with tg.Recorder(tmp_path / "run.tgr"):
        for n in (4, 2, 4):
            step(*[batch_of(n, x) for x in batch])
    with Reader(tmp_path / "run.tgr") as run:
        assert run.programs == 2
        for number, n in enumerate((4, 2)):
            account = run.program(number)
            assert account.name == f"Training.step[N={n}]"
            shapes = {node.shape[0] for node in account.by_id.values() if node.op == "embedding"}
            assert shapes == {n}
            assert all(rewrite.trouble == "" for rewrite in account.rewrites)
    assert step.count == 1


# ---- what has varied -------------------------------------------------------------------------------------------------

def test_a_size_that_has_varied_is_left_open() -> None:
    training, batch = made("mlp")
    step, dynamic = tg.static(training.step, dims="auto"), made("mlp")[0]
    counts = []
    for n in (32, 32, 7, 5, 1, 32, 64):
        inputs = [batch_of(n, x) for x in batch]
        assert step(*inputs).numpy().tobytes() == dynamic.step(*inputs).numpy().tobytes()
        counts.append(step.count)
    assert counts == [1, 1, 2, 2, 2, 2, 2]
    assert training.state() == dynamic.state()
    assert step.graph.name == "Training.step[N=64]"


def test_sizes_are_of_one_name_as_long_as_they_are_equal() -> None:
    def function(x: Any, y: Any) -> Any:
        return x.sum(axis=0) * y.sum(axis=0), x.shape[0] * y.shape[0]

    step = tg.static(function, dims="auto")
    names = []
    for n, m, k in ((3, 3, 2), (4, 4, 2), (9, 9, 2), (4, 5, 2), (6, 2, 2), (6, 2, 5), (5, 8, 7), (3, 3, 2)):
        x, y = T(n, k, seed=n), T(m, k, seed=m)
        assert bits(step(x, y)) == bits(function(x, y))
        names.append(step.graph.name.partition("[")[2])
    assert names == ["", "N=4]", "N=9]", "N=4, N2=5]", "N=6, N2=2]", "N=6, N2=5, N3=2]", "N=5, N2=7, N3=8]", ""]
    assert step.count == 4
    assert "runs trace 4 for N = 1, N2 = 2, N3 = 9" in step.explain(T(1, 2), T(9, 2))


def test_other_structures_and_layouts_are_compared_among_themselves() -> None:
    step = tg.static(lambda x: x.sum(axis=0) if not isinstance(x, list) else x[0] + x[1], dims="auto")
    for x in (T(3, 4), T(3), [T(3), T(3)], T(4, 3).T, T(5, 4), T(7), [T(2), T(2)]):
        step(x)
    assert step.count == 7
    for x in (T(9, 4), T(9), [T(9), T(9)]):
        step(x)
    assert step.count == 7


# ---- mistakes --------------------------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "unknown parameter": (lambda: tg.static(halved, dims={"y": ("N",)}), tg.errors.SettingError,
                          "dims names 'y', which is no parameter of halved; its parameters: x"),
    "no dims": (lambda: tg.static(halved, dims="N"), tg.errors.SettingError, "not 'N'"),
    "no size": (lambda: tg.static(halved, dims={"x": (2.5,)}), tg.errors.SettingError, r"2\.5 is no size"),
    "dots in the middle": (lambda: tg.static(halved, dims={"x": (..., 4)}), tg.errors.SettingError, "at the end"),
    "other axes": (lambda: tg.static(halved, dims={"x": ("N", 4)})(T(3)), tg.errors.ShapeError,
                   r"halved declares x with 2 axes, \('N', 4\); it is given the shape \(3,\)"),
    "other number": (lambda: tg.static(halved, dims={"x": ("N", 4)})(T(3, 5)), tg.errors.ShapeError,
                     r"axis 1 has the size 5 in the shape \(3, 5\), not 4"),
    "two sizes of one name": (lambda: tg.static(lambda x, t: x, dims={"x": ("N", 4), "t": "N"})(T(3, 4), T(2)),
                              tg.errors.ShapeError, "axis 0 has the size 2 .* not N = 3 in an argument before it"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name: str) -> None:
    run, kind, message = MISTAKES[name]
    with pytest.raises(kind, match=message):
        run()


def test_an_argument_that_is_also_reached_in_another_way_is_refused() -> None:
    x = T(3)
    step = tg.static(lambda y: y + x, dims={"y": "N"})
    with pytest.raises(tg.TraceError, match=r"TG-S08.*also reaches"):
        step(x)
    np.testing.assert_array_equal(step(T(3, seed=1)).numpy(), (T(3, seed=1) + x).numpy())
