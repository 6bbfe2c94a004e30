"""Parts of a graph by name: only what is needed runs, anything can be fed, and the bits are those of the whole run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import fetching, nn, optim


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
        self.head = nn.Linear(4, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(x))


KINDS = (lambda p, q: p + q, lambda p, q: p * q, lambda p, q: p @ q, lambda p, _: p.tanh(),
         lambda _, q: tg.exp(q * 0.1))


def random_function(seed: int) -> Any:
    """A static function of two arguments and a parameter that returns all the values it computes."""
    rng = np.random.default_rng(seed)
    plan = [(int(rng.integers(5)), int(rng.integers(3 + k)), int(rng.integers(3 + k))) for k in range(12)]
    w = tg.tensor(rng.normal(size=(3, 3)).astype(np.float32), name="w")

    def f(x: Any, y: Any) -> Any:
        values = [x, y, w]
        for kind, a, b in plan:
            p, q = values[a], values[b]
            values.append(KINDS[kind](p, q))
        return values[3:]

    return tg.static(f)


def behind(targets: list[Any], cut: set[int]) -> set[int]:
    """The ids of ops that the targets depend on, up to those that are cut: an independent walk."""
    found, todo = set(), [v for v in targets if v.id not in cut]
    while todo:
        v = todo.pop()
        if v.op is not None:
            found.add(v.id)
            todo.extend(x for x in v.inputs if x.id not in cut)
    return found


def test_a_hundred_random_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    evaluate = fetching.evaluate

    def counted(v: Any, values: Any) -> Any:
        ran.append(v.id)
        return evaluate(v, values)

    monkeypatch.setattr(fetching, "evaluate", counted)
    pruned = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        f = random_function(seed)
        with np.errstate(all="ignore"):
            x, y = (tg.tensor(rng.normal(size=(3, 3)).astype(np.float32)) for _ in "xy")
            whole = f(x, y)
            names = f.values
            graph = names.graph
            everything = {}
            for v in graph.order:
                everything[names.of[v.id]] = f.fetch(names.of[v.id], feed={"x": x, "y": y})
            for number, result in enumerate(whole):
                assert f.fetch(f"return/{number}", feed={"x": x, "y": y}).numpy().tobytes() == result.numpy().tobytes()
            choices = list(everything)
            wanted = [choices[k] for k in rng.integers(len(choices), size=2)]
            cut = [choices[k] for k in rng.integers(len(choices), size=2)]
            feed = {"x": x, "y": y} | {name: everything[name] for name in cut}
            ran.clear()
            answers = f.fetch(*wanted, feed=feed)
        expected = behind([names[name] for name in wanted], {names[name].id for name in cut})
        assert sorted(ran) == sorted(expected)
        assert set(f.needs(*wanted, feed=cut)) == {names.of[i] for i in expected}
        assert [a.numpy().tobytes() for a in answers] == [everything[name].numpy().tobytes() for name in wanted]
        pruned += len(graph.order) - len(expected)
    assert pruned > 300


def test_values_are_called_by_their_module() -> None:
    net = Net()
    f = tg.static(lambda x: net(x).sum())
    x = tg.ones((2, 3))
    loss = f(x)
    hidden = f.fetch("encoder/1/tanh", feed={"x": x})
    assert hidden.numpy().tobytes() == net.encoder(x).numpy().tobytes()
    assert f.fetch("return", feed={"encoder/1/tanh": hidden}).numpy() == loss.numpy()
    assert f.needs("return", feed=["encoder/1/tanh"]) == ["head/linear", "sum"]
    assert f.fetch("head.weight").numpy().tobytes() == net.head.weight.numpy().tobytes()


def test_a_training_step_is_not_taken() -> None:
    tg.seed(0)
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.01)

    @tg.static
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    x = tg.ones((2, 3))
    step(x)
    before = net.head.weight.numpy(copy=True)
    loss = step.fetch("mean", feed={"x": x})
    assert (net.head.weight.numpy() == before).all()
    assert loss.numpy() == (net(x) ** 2).mean().numpy()
    assert step(x).numpy() == loss.numpy()
    assert (net.head.weight.numpy() != before).any()
    loss_now = step.fetch("mean", feed={"x": x})  # parameters have the values that they have now
    assert loss_now.numpy() == (net(x) ** 2).mean().numpy() < loss.numpy()


def test_what_is_fetched_has_memory_of_its_own() -> None:
    net = Net()
    f = tg.static(lambda x: net(x))
    x = tg.ones((2, 3))
    f(x)
    weight = f.fetch("head.weight")
    weight.data[...] = 7.0
    assert (net.head.weight.numpy() != 7.0).all()


def test_mistakes_are_named() -> None:
    net = Net()
    f = tg.static(lambda x: net(x).sum())
    with pytest.raises(tg.TeachgradError, match="has not run yet"):
        f.fetch("return")
    f(tg.ones((2, 3)))
    with pytest.raises(tg.TeachgradError, match=r"no value 'encoder/1/tan'; the closest names are encoder/1/tanh, "):
        f.fetch("encoder/1/tan")
    with pytest.raises(tg.TeachgradError, match=r"needs the input x\.\nWay out: feed=\{'x'"):
        f.fetch("return")
    with pytest.raises(tg.ShapeError, match=r"x has shape \(2, 3\), what is fed has \(3,\)"):
        f.fetch("return", feed={"x": [1.0, 2.0, 3.0]})
    with pytest.raises(tg.DTypeError, match="what is fed is complex128"):
        f.fetch("return", feed={"x": np.ones((2, 3), complex)})


def test_what_is_no_static_function_has_no_source() -> None:
    def plain(x: Any) -> Any:
        return x

    with pytest.raises(tg.TeachgradError, match=r"plain has no program of its own.*tg\.static\(plain\)"):
        tg.source(plain)
