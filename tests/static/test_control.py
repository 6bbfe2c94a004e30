"""Loops and branches: the bits of dynamic mode in every way, the numbers of PyTorch, and the refusals."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.op import Op
from tests.core.test_random_programs import Teachgrad, inputs
from tests.core.test_random_programs import run as random_program
from tests.static.outcomes import RUNS, Run, Scenarios, T

CONTROL = Scenarios()
LENGTH = 5


@dataclass(frozen=True)
class World:
    """Parameters, a sequence and a first carry."""

    w: Any
    v: Any
    x: Any
    h: Any

    @property
    def all(self) -> list[Any]:
        return [self.w, self.v, self.x, self.h]


def world_of(n: int = LENGTH) -> World:
    """Always the same one, of this length."""
    numbers = functools.partial(T, grad=True, dtype=np.float64)
    return World(numbers(4, 4, seed=1), numbers(4, 4, seed=2), numbers(n, 3, 4, seed=3), numbers(3, 4, seed=4))


def differentiated(order: int = 1, n: int = LENGTH) -> Callable[[Callable[[World], Any]], Callable[[World], Any]]:
    """Make a scenario of a loss: its value, what else it returns, and its gradients; with order 2, those of these."""
    def note(loss: Callable[[World], Any]) -> Callable[[World], Any]:
        def scenario(run: Run) -> Any:
            first = world_of(n)

            def step(x: Any, h: Any) -> Any:
                world = World(first.w, first.v, x, h)
                value, *others = loss(world)
                wrt = [t for t in world.all if t.requires_grad]
                slopes = tg.grad(value, wrt, create_graph=order > 1, allow_unused=True)
                results = [value, *others, *slopes]
                if order > 1:
                    total = sum((g * g).sum() for g in slopes if g is not None)
                    results += tg.grad(total, wrt, allow_unused=True)
                return [r for r in results if r is not None]

            f = run(step)
            yield f(first.x, first.h)
            yield f(tg.tensor(first.x * 0.5, requires_grad=True), tg.tensor(first.h * 2.0, requires_grad=True))
            if order == 2:
                yield f(first.x.detach(), first.h.detach())

        scenario.__name__ = f"{loss.__name__} order {order} length {n}"
        CONTROL.same(scenario)
        return loss
    return note


def rnn(world: World, **settings: Any) -> Any:
    return tg.scan(lambda h, x: (tg.tanh(x + h @ world.w), h * h @ world.v), init=world.h, xs=world.x, **settings)


# ---- scan ------------------------------------------------------------------------------------------------------------

@differentiated(n=0)
@differentiated(n=1)
@differentiated(n=2)
@differentiated(order=2, n=1)
@differentiated(order=2)
@differentiated()
def both_results(world: World) -> Any:
    h, ys = rnn(world)
    return (h * h).sum() + ys.sum() + (world.w * world.w).sum() + (world.x * world.x).sum(), h, ys


@differentiated(order=2)
@differentiated()
def rows_alone(world: World) -> Any:
    _, ys = tg.scan(lambda h, x: (tg.tanh(x + h @ world.w),) * 2, init=world.h, xs=world.x)
    return (ys * ys).sum(), ys


@differentiated(order=2)
@differentiated()
def last_carry_alone(world: World) -> Any:
    h, _ = tg.scan(lambda h, x: (tg.tanh(x @ world.w.T + h @ (2 * world.v).T), h), init=world.h, xs=world.x)
    return (h * h).sum(), h


@differentiated(order=2)
@differentiated()
def backwards(world: World) -> Any:
    h, ys = rnn(world, reverse=True)
    return (h * h).sum() + ys.mean(), h, ys


@differentiated(order=2)
@differentiated()
def recomputed(world: World) -> Any:
    h, ys = rnn(world, checkpoint=True)
    return (h * h).sum() + ys.sum(), h, ys


@differentiated()
def structures(world: World) -> Any:
    def body(carry: Any, x: Any) -> Any:
        h, (n, c) = carry["h"], carry["rest"]
        c = tg.tanh(x["a"] @ world.w) * c + h
        return {"h": tg.tanh(c @ world.v), "rest": (n + 1, c)}, [x["b"][0] * n, None, (c.sum(),)]

    carry, ys = tg.scan(body, {"h": world.h, "rest": (0, world.h * 0.5)}, {"a": world.x, "b": (world.x, world.x * 2)})
    assert ys[1] is None
    return (carry["h"] ** 2).sum() + ys[2][0].sum(), carry, ys


@differentiated()
def carries_that_change_places(world: World) -> Any:
    (a, _), _ = tg.scan(lambda c, x: ((c[1] * x, c[0] @ world.w), None), (world.h, world.h * 2), world.x)
    return (a * a).sum(), a


@differentiated()
def length_alone(world: World) -> Any:
    h, ys = tg.scan(lambda h, _: (tg.tanh(h @ world.w), h.sum()), world.h, length=7)
    return (h * h).sum() + ys.sum(), h, ys


@differentiated()
def carry_without_rows(world: World) -> Any:
    h, ys = tg.scan(lambda h, x: (h * 0.5, x @ world.w), world.h, world.x)
    return h.sum() + (ys * ys).sum(), h, ys


@differentiated()
def carry_that_loses_its_history(world: World) -> Any:
    h, ys = tg.scan(lambda h, x: (tg.tanh(h @ world.w).detach(), h * x), world.h, world.x)
    return ys.sum(), h, ys


@differentiated()
def results_without_a_gradient(world: World) -> Any:
    (h, n), (ys, count) = tg.scan(lambda c, x: ((c[0] * x, c[1] + 2), (c[0] > 0, c[1])), (world.h, 1), world.x)
    return h.sum(), n, ys, count


@differentiated()
def overwriting_what_is_given(world: World) -> Any:
    def body(h: Any, x: Any) -> Any:
        h += 1
        x *= 2
        buffer = tg.zeros((3, 4), dtype=tg.float64)
        buffer[0] = h[1]
        buffer += x @ world.w
        h[1] = buffer[0]
        return tg.tanh(buffer) * h, buffer

    h, ys = tg.scan(body, world.h, world.x)
    return (h * h).sum() + ys.sum(), world.x, world.h


@differentiated()
def dropout(world: World) -> Any:
    h, ys = tg.scan(lambda h, x: (nn.functional.dropout(tg.tanh(x + h @ world.w), 0.5), h), world.h, world.x)
    return (h * h).sum() + ys.sum(), tg.random.normal((2,), name="after")


@differentiated()
def dropout_recomputed(world: World) -> Any:
    h, ys = tg.scan(lambda h, x: (nn.functional.dropout(tg.tanh(x + h @ world.w), 0.5), h), world.h, world.x,
                    checkpoint=True)
    return (h * h).sum() + ys.sum(), h


@differentiated()
def hooks_inside(world: World) -> Any:
    def body(h: Any, x: Any) -> Any:
        h = tg.tanh(h @ world.w)
        h.on_grad(lambda g: g * 2.0)
        h = h + x
        return h, h * h

    h, ys = tg.scan(body, world.h, world.x)
    return h.sum() + ys.sum(), h


@differentiated()
def gradient_steps_inside(world: World) -> Any:
    def body(w: Any, x: Any) -> Any:
        return w - 0.1 * tg.grad(((x @ w) ** 2).sum(), w), None

    w, _ = tg.scan(body, world.w, world.x)
    return (w * w).sum(), w


@differentiated(order=2)
@differentiated()
def gradient_steps_inside_with_history(world: World) -> Any:
    def body(w: Any, x: Any) -> Any:
        loss = ((x @ w) ** 2).sum()
        return w - 0.1 * tg.grad(loss, w, create_graph=True), loss

    w, losses = tg.scan(body, world.w, world.x * 0.1)
    return (w * w).sum() + losses.sum(), w


@differentiated()
def captured_as_carry_and_as_row(world: World) -> Any:
    h, ys = tg.scan(lambda h, x: (world.h + h * x[0], world.x[0] + world.h), world.h, world.x)
    return (h * h).sum() + ys.sum(), h


@differentiated(order=2)
@differentiated()
def scan_in_scan(world: World) -> Any:
    def outer(h: Any, x: Any) -> Any:
        h, ys = tg.scan(lambda a, row: (tg.tanh(a + row @ world.w), a), h, tg.broadcast_to(x, (3, 3, 4)))
        return h, ys.sum(axis=0) @ world.v

    h, ys = tg.scan(outer, world.h, world.x)
    return (h * h).sum() + ys.sum(), h


for k, back, again in ((1, False, False), (2, False, False), (2, True, True), (3, True, False), (5, False, True)):
    def truncated(world: World, k: int = k, back: bool = back, again: bool = again) -> Any:
        h, ys = rnn(world, truncate=k, reverse=back, checkpoint=again)
        return (h * h).sum() + ys.sum(), h, ys

    truncated.__name__ = f"truncated {k} {back} {again}"
    differentiated()(truncated)


# ---- branches and while loops ----------------------------------------------------------------------------------------

for sign in (1.0, -1.0):
    def branch(world: World, sign: float = sign) -> Any:
        y = tg.cond((world.h * world.h).sum() * sign > 0, lambda h: tg.tanh(h @ world.w),
                    lambda h: (h - 1) @ world.v @ world.w, world.h)
        return (y * y).sum() + (world.w * world.w).sum() + (world.v * world.v).sum(), y

    branch.__name__ = f"branch {sign}"
    differentiated()(branch)
    differentiated(order=2)(branch)


@differentiated()
def branch_in_scan(world: World) -> Any:
    h, ys = tg.scan(lambda h, x: (tg.cond(x.sum() > 0, lambda a: tg.tanh(a @ world.w + x), lambda a: a @ world.v * x,
                                          h), h), world.h, world.x)
    return (h * h).sum() + ys.sum() + (world.w * world.w).sum() + (world.v * world.v).sum(), h


@differentiated()
def random_branch(world: World) -> Any:
    y = tg.cond(world.h.sum() > -1e9, lambda h: h * tg.random.normal((3, 4), name="a", dtype=tg.float64),
                lambda h: h + tg.random.uniform((3, 4), name="b", dtype=tg.float64), world.h)
    return y.sum(), y, tg.random.normal((2,), name="a"), tg.random.normal((2,), name="b")


@differentiated()
def branch_on_a_python_value(world: World) -> Any:
    y = tg.cond(LENGTH > 3, lambda h: h @ world.w, lambda h: h, world.h)
    return (y * y).sum(), y


for limit in (-1.0, 30.0, 1e4):
    def growth(world: World, limit: float = limit) -> Any:
        n, h = tg.while_loop(lambda n, h: (h * h).sum() < limit, lambda n, h: (n + 1, h @ world.w.T + h * 2),
                             (0, world.h), max_steps=40)
        return (h * h).sum() + (world.w * world.w).sum(), n, h

    growth.__name__ = f"growth {limit}"
    differentiated()(growth)


@differentiated()
def while_with_an_unused_carry(world: World) -> Any:
    _, h, _ = tg.while_loop(lambda n, h, v: n < 4, lambda n, h, v: (n + 1, h @ world.w + v, v * h),
                            (0, world.h, world.h * 2), max_steps=6)
    return (h * h).sum(), h


@differentiated()
def while_that_draws(world: World) -> Any:
    n, h = tg.while_loop(lambda n, h: n < 4, lambda n, h: (n + 1, h * tg.random.normal((4,), dtype=tg.float64)),
                         (0, world.h), max_steps=10)
    return h.sum(), n


@differentiated()
def while_in_scan(world: World) -> Any:
    def body(h: Any, x: Any) -> Any:
        h = tg.while_loop(lambda h: (h * h).sum() > 10, lambda h: h * 0.5, h @ world.w + x, max_steps=20)
        return h, h.sum()

    h, ys = tg.scan(body, world.h, world.x)
    return (h * h).sum() + ys.sum(), h


@differentiated()
def while_that_stops_at_max_steps(world: World) -> Any:
    n, h = tg.while_loop(lambda n, h: n < 100, lambda n, h: (n + 1, tg.tanh(h @ world.w)), (0, world.h), max_steps=3)
    return h.sum(), n


# ---- in training -----------------------------------------------------------------------------------------------------

class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm, self.drop, self.cell = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.GRUCell(4, 4)

    def forward(self, x: Any) -> Any:
        return tg.scan(lambda h, x: (self.drop(self.norm(tg.tanh(self.fc(x) + self.cell(x, h)))), h),
                       tg.zeros((3, 4)), x)


@CONTROL.same
def training(run: Run) -> Any:
    net = Net()
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any) -> Any:
        h, ys = net(x)
        loss = (h * h).sum() + ys.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    f = run(step)
    for seed in range(3):
        yield f(T(LENGTH, 3, 4, seed=seed))
    yield [p.numpy() for p in net.parameters()]
    yield net.norm.running_mean.numpy(), net.norm.running_var.numpy()


@CONTROL.same
def backward_outside(run: Run) -> Any:
    world = world_of()
    f = run(lambda x, h: both_results(World(world.w, world.v, x, h)))
    loss, *_ = f(world.x, world.h)
    loss.backward()
    yield [t.grad.numpy() for t in (world.w, world.v, world.x, world.h)]


@CONTROL.same
def a_captured_number_changes(run: Run) -> Any:
    world, k = world_of(), 2.0
    f = run(lambda x, h: tg.scan(lambda h, x: (h * k, x * k), h, x))
    yield f(world.x, world.h)
    k = 3.0
    yield f(world.x, world.h)


@CONTROL.same
def without_gradients(run: Run) -> Any:
    world = world_of()
    f = run(lambda x, h: rnn(World(world.w, world.v, x, h)))
    for context in (tg.no_grad(), tg.inference()):
        with context:
            yield f(world.x, world.h)


WAYS_OF = {name: list(RUNS) if name.startswith(("both", "training", "branch", "growth")) else ["O0", "check"]
           for name in CONTROL}
"""Check mode is O1 and more; the memory plans matter to few."""


@pytest.mark.parametrize(("name", "way"), [(name, way) for name, ways in WAYS_OF.items() for way in ways])
def test_same_bits(name: str, way: str) -> None:
    CONTROL.check(name, way)


def random_loop(seed: int) -> tuple[Callable[..., Any], list[Any]]:
    """A scan whose body is a random program: with overwriting, joining, indexing and reuse, in four of five within a
    branch or another loop. Every fourth is differentiated twice, but for while loops."""
    dtype, library, kind = (np.float32 if seed % 2 else np.float64), Teachgrad(), seed % 5
    twice = seed % 4 == 0 and kind != 4
    leaves = [tg.Parameter(array) for array in inputs(seed, dtype)]
    xs, first = T(4, seed=seed, grad=seed % 7 > 0, dtype=dtype), T(seed=seed + 1, grad=seed % 6 > 0, dtype=dtype)

    def inner(c: Any, x: Any, program: Callable[[Any], Any]) -> Any:
        if kind == 1:
            return tg.cond(x > 0, lambda c: program(x) * c, lambda c: program(c) + x, c)
        if kind == 2:
            return tg.scan(lambda a, row: (a * 0.5 + program(row), a * row), c, tg.stack([x, c]))[1].sum()
        if kind == 3:
            return tg.cond(c > x, lambda c: tg.scan(lambda a, _: (tg.tanh(a + program(x)), None), c, length=3)[0],
                           lambda c: c - x, c)
        if kind == 4:
            return tg.while_loop(lambda n, a: n < 3, lambda n, a: (n + 1, tg.tanh(a * x + program(a))), (0, c),
                                 max_steps=5)[1]
        return program(x)

    def step(xs: Any, first: Any) -> list[Any]:
        pool = [leaf * 1.5 if k == 1 else leaf for k, leaf in enumerate(leaves)]

        def program(x: Any) -> Any:
            return random_program(library, seed, [leaf * x if k == 0 else leaf for k, leaf in enumerate(pool)])

        def body(c: Any, x: Any) -> Any:
            s = inner(c, x, program)
            return tg.tanh(c * x + s * 0.1), (s * c, c)

        c, (ys, cs) = tg.scan(body, first, xs, reverse=seed % 3 == 0, checkpoint=seed % 11 == 0,
                              truncate=2 if seed % 13 == 0 else None)
        loss = (c + ys.sum() if seed % 2 else (ys * cs).sum()) + sum((p * p).sum() for p in pool)
        wrt = [t for t in [*leaves, xs, first] if t.requires_grad]
        slopes = [g for g in tg.grad(loss, wrt, allow_unused=True, create_graph=twice) if g is not None]
        if twice:
            slopes += tg.grad(sum((g * g).sum() for g in slopes), wrt, allow_unused=True)
        return [loss, c, ys, cs, *[g for g in slopes if g is not None]]

    return step, [xs, first]


def compare_random_loop(seed: int) -> None:
    step, arguments = random_loop(seed)

    def seen(f: Any) -> list[bytes]:
        return [r.numpy().tobytes() for r in f(*arguments)]

    want = seen(step)
    assert seen(tg.static(step, level="O0")) == want
    assert seen(tg.static(step, level="O1")) == want
    with tg.mode("check"):
        assert seen(tg.static(step)) == want


@pytest.mark.parametrize("seed", range(10))
def test_random_loops_keep_every_bit(seed: int) -> None:
    compare_random_loop(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_random_loops_keep_every_bit(block: int) -> None:
    for seed in range(10 + 20 * block, 30 + 20 * block):
        compare_random_loop(seed)


# ---- against PyTorch -------------------------------------------------------------------------------------------------

@pytest.mark.oracles
@pytest.mark.parametrize("mode", ["dynamic", "static"])
@pytest.mark.parametrize("truncate", [None, 20, 6])
def test_backpropagation_through_time_against_torch(mode: str, truncate: int | None) -> None:
    torch = pytest.importorskip("torch")
    world = world_of(20)

    @tg.static
    def step(x: Any, h: Any) -> Any:
        h, ys = tg.scan(lambda h, x: (tg.tanh(x + h @ world.w),) * 2, h, x, truncate=truncate)
        loss = (ys * ys).sum() + h.sum()
        return loss, *tg.grad(loss, [world.w, x, world.h])

    with tg.mode(mode):
        ours = step(world.x, world.h)
    w, x, first = [torch.tensor(t.numpy(copy=True), requires_grad=True) for t in (world.w, world.x, world.h)]
    h, loss = first, 0.0
    for t in range(20):
        if truncate and t and t % truncate == 0:
            h = h.detach()
        h = torch.tanh(x[t] + h @ w)
        loss = loss + (h * h).sum()
    loss = loss + h.sum()
    for got, want in zip(ours, (loss, *torch.autograd.grad(loss, [w, x, first])), strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.oracles
@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_while_loop_against_torch(mode: str) -> None:
    torch = pytest.importorskip("torch")
    world = world_of()

    @tg.static
    def step(h: Any, limit: Any) -> Any:
        n, y = tg.while_loop(lambda n, y: (y * y).sum() < limit, lambda n, y: (n + 1, y @ world.w + 2 * y), (0, h),
                             max_steps=100)
        return n, *tg.grad((y * y).mean(), [h, world.w])

    counts = []
    with tg.mode(mode):
        for limit in (1e2, 1e4, 1e6):
            n, *ours = step(world.h, tg.tensor(limit, dtype=tg.float64))
            h, w = [torch.tensor(t.numpy(copy=True), requires_grad=True) for t in (world.h, world.w)]
            y, count = h, 0
            while (y * y).sum() < limit:
                y, count = y @ w + 2 * y, count + 1
            assert n.item() == count
            counts.append(count)
            for got, want in zip(ours, torch.autograd.grad((y * y).mean(), [h, w]), strict=True):
                np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)
    assert len(set(counts)) == 3
    assert step.count == (mode == "static")  # the number of steps depends on the values: one trace serves all


def test_gradients_by_finite_differences() -> None:
    world = world_of(3)
    assert tg.gradcheck(lambda w, x, h: tg.scan(lambda h, x: (tg.tanh(x + h @ w), h * h), h, x), world.w, world.x,
                        world.h, order=2).ok
    assert tg.gradcheck(tg.static(lambda w, x, h: tg.scan(lambda h, x: (tg.tanh(x + h @ w), h * h), h, x)), world.w,
                        world.x, world.h).ok


# ---- what a loop is in a graph ---------------------------------------------------------------------------------------

def traced_scan(n: int) -> Any:
    world = world_of(n)
    step = tg.static(lambda x, h: tg.grad((rnn(World(world.w, world.v, x, h))[1] ** 2).sum(), [world.w, x]))
    step(world.x, world.h)
    return step


def test_the_graph_does_not_grow_with_the_length() -> None:
    assert len({len(traced_scan(n).trace.moments[0][1].order) for n in (5, 20, 200)}) == 1


def test_the_text_of_a_graph_shows_bodies() -> None:
    text = str(traced_scan(3).graph)
    body = text[text.index("body: the body of tg.scan"):]
    assert "\n      tanh" in body
    assert "body: gradient of the body of tg.scan" in text


class Counting(tg.Function):
    runs = 0

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        Counting.runs += 1
        return x * 1.0

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_one_branch_runs(mode: str) -> None:
    step = tg.static(lambda x: tg.cond(x.sum() > 0, lambda x: x * 2, Counting.apply, x))
    with tg.mode(mode):
        step(T(3) * 0 + 1)  # while a graph is made, a tg.Function is tried once, to learn the shape of its result
        Counting.runs = 0
        step(T(3) * 0 + 1)
        assert Counting.runs == 0
        step(T(3) * 0 - 1)
        assert Counting.runs == 1


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_checkpoint_takes_less_memory(mode: str) -> None:
    def peak(checkpoint: bool) -> tuple[int, bytes]:
        rng = np.random.default_rng(0)
        w = tg.tensor(rng.normal(size=(32, 32)) * 0.1, requires_grad=True)
        x = tg.tensor(rng.normal(size=(50, 64, 32)))

        def body(h: Any, x: Any) -> Any:
            for _ in range(6):
                h = tg.tanh(h @ w + x)
            return h, None

        def loss(x: Any) -> Any:
            h, _ = tg.scan(body, tg.zeros((64, 32), dtype=tg.float64), x, checkpoint=checkpoint)
            return tg.grad(h.sum(), w)

        step = tg.static(loss)
        with tg.mode(mode):
            step(x)
            tracemalloc.start()
            g = step(x)
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return size, g.numpy().tobytes()

    (full, want), (small, got) = peak(False), peak(True)
    assert got == want
    assert small < full / 2


def test_truncation_stops_the_gradient() -> None:
    world = world_of(6)
    last, _ = tg.scan(lambda h, x: (h + x, None), world.h, world.x, truncate=2)
    g = tg.grad(last.sum(), world.x)
    assert g.numpy().sum(axis=(1, 2)).tolist() == [0, 0, 0, 0, 12, 12]


def test_expressions() -> None:
    world = world_of()
    x, w = tg.placeholder((LENGTH, 3, 4), "float64", name="x"), tg.state(world.w.numpy(), name="w")
    h, ys = tg.scan(lambda h, x: (tg.tanh(x + h @ w), h), np.zeros((3, 4)), x)
    slope = tg.grad((h * h).sum() + ys.sum(), w)
    f = tg.function([x], [h, slope], updates={w: w - 0.1 * slope})
    now, slope_now = f(world.x)
    h, ys = tg.scan(lambda h, x: (tg.tanh(x + h @ world.w), h), tg.zeros((3, 4), dtype=tg.float64), world.x)
    assert now.numpy().tobytes() == h.numpy().tobytes()
    assert slope_now.numpy().tobytes() == tg.grad((h * h).sum() + ys.sum(), world.w).numpy().tobytes()
    assert not np.array_equal(w.value, world.w.numpy())


def test_recordings_name_steps() -> None:
    from teachgrad import observe

    scopes: dict[str, None] = {}
    world = world_of(2)

    def watch(event: observe.Event) -> None:
        if isinstance(event, observe.Forward):
            scopes[event.scope] = None

    with observe.watching(watch):
        rnn(world)
        tg.while_loop(lambda n: n < 2, lambda n: n + 1, 0)
    assert [name for name in scopes if name] == ["scan[0]", "scan[1]", "while[0]", "while[1]"]
    with observe.watching(watch):
        traced_scan(3)
    assert isinstance(tg.op.REGISTRY["scan"], Op)


# ---- refusals --------------------------------------------------------------------------------------------------------

REFUSED = Scenarios()
PARAMETER = tg.Parameter(np.ones((3, 4)))
OPTIMIZER = tg.optim.SGD([PARAMETER], lr=0.1)


def in_scan(body: Callable[[Any, Any], Any]) -> Callable[[Run], Any]:
    def scenario(run: Run) -> Any:
        PARAMETER.grad = tg.ones((3, 4), dtype=tg.float64)
        world = world_of()
        return run(lambda x, h: tg.scan(body, h, x))(world.x, world.h)

    scenario.__name__ = body.__name__
    return scenario


def backward_inside(h: Any, x: Any) -> Any:
    (h.detach() * PARAMETER).sum().backward()
    return h * x, None


def optimizer_step_inside(h: Any, x: Any) -> Any:
    OPTIMIZER.step()
    return h * PARAMETER, None


def zero_grad_inside(h: Any, x: Any) -> Any:
    OPTIMIZER.zero_grad()
    return h * PARAMETER, None


def parameter_overwritten_inside(h: Any, x: Any) -> Any:
    with tg.no_grad():
        PARAMETER.__isub__(0.1)
    return h * PARAMETER, None


for body in (backward_inside, optimizer_step_inside, zero_grad_inside, parameter_overwritten_inside):
    REFUSED.refused("TG-S12")(in_scan(body))


@REFUSED.refused("TG-S12")
def condition_that_draws(run: Run) -> Any:
    return run(lambda x: tg.while_loop(lambda x: tg.random.uniform(()) < 0.5, lambda x: x * 2, x))(T(3))


@REFUSED.refused("TG-S07")
def value_of_a_step_used_outside(run: Run) -> Any:
    def f(x: Any, h: Any) -> Any:
        kept: list[Any] = []
        last, _ = tg.scan(lambda h, x: (kept.append(h * 2) or h * x, None), h, x)
        return last + kept[0]  # here

    return run(f)(world_of().x, world_of().h)


@REFUSED.refused("TG-S01")
def a_number_taken_out_of_a_step(run: Run) -> Any:
    return run(lambda x, h: tg.scan(lambda h, x: (h * x.sum().item(), None), h, x))(world_of().x, world_of().h)


@pytest.mark.parametrize("way", ["O0", "O1 reuse", "check"])
@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, way: str) -> None:
    REFUSED.check(name, way)


def test_a_value_asked_for_in_a_trace_names_the_ways_out() -> None:
    with pytest.raises(tg.TraceError, match=r"tg\.where.*tg\.cond.*tg\.while_loop"):
        tg.static(lambda x: x if x.sum() > 0 else -x)(T(3))


MISTAKES: dict[str, tuple[Callable[[Any, Any], Any], type[Exception], str]] = {
    "shape": (lambda x, h: tg.scan(lambda c, x: ({"h": c["h"].sum(axis=0)}, None), {"h": h}, x), tg.ShapeError,
              r"tg.scan at test_control.py:\d+.*carry\['h'\] changes from float64\[3, 4\] to float64\[4\]"),
    "dtype": (lambda x, h: tg.scan(lambda c, x: ((c[0], c[1] * 1.5), None), (h, 1), x), tg.DTypeError,
              r"test_control.py:\d+.*carry\[1\] changes from int64\[\] to float32\[\]"),
    "structure": (lambda x, h: tg.scan(lambda h, x: ((h, h), None), h, x), tg.ShapeError,
                  r"structure of the carry changes from a single tensor to \[0\], \[1\]"),
    "one result": (lambda x, h: tg.scan(lambda h, x: h, h, x), tg.ShapeError, "must return two things"),
    "lengths": (lambda x, h: tg.scan(lambda h, x: (h, None), h, (x, h)), tg.ShapeError, r"xs\[1\] has 3 rows"),
    "no length": (lambda x, h: tg.scan(lambda h, x: (h, None), h), tg.ShapeError, "length="),
    "truncate": (lambda x, h: tg.scan(lambda h, x: (h, None), h, x, truncate=0), tg.TeachgradError, "at least 1"),
    "string": (lambda x, h: tg.scan(lambda h, x: (h, "a"), h, x), tg.DTypeError, "y is a str"),
    "while": (lambda x, h: tg.while_loop(lambda h: h > 0, lambda h: h - 1, h), tg.ShapeError, "one truth value"),
    "while carry": (lambda x, h: tg.while_loop(lambda h: h.sum() < 1e3, lambda h: abs(h).sum() + 1e3, h), tg.ShapeError,
                    r"the carry changes from float64\[3, 4\] to float64\[\]"),
    "cond": (lambda x, h: tg.cond(h > 0, lambda h: h, lambda h: h, h), tg.ShapeError, "one truth value"),
}


@pytest.mark.parametrize("mode", ["dynamic", "static"])
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name: str, mode: str) -> None:
    call, error, text = MISTAKES[name]
    with pytest.raises(error, match=text), tg.mode(mode):
        tg.static(call)(world_of().x, world_of().h)


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_steps_that_run_again_must_not_overwrite(mode: str) -> None:
    w, seen = tg.Parameter(np.ones(3)), tg.zeros(3, dtype=tg.float64)

    def body(h: Any, x: Any) -> Any:
        with tg.no_grad():
            seen.__iadd__(x)
        return h * w, None

    with pytest.raises(tg.InplaceError, match="checkpoint=True"), tg.mode(mode):
        tg.static(lambda x: tg.scan(body, x[0], x, checkpoint=True)[0])(T(4, 3, dtype=np.float64))


def test_branches_must_agree() -> None:
    with pytest.raises(tg.ShapeError, match=r"first function is float64\[3, 4\], that of the second float64\[\]"):
        tg.static(lambda h: tg.cond(h.sum() > 0, lambda h: h, lambda h: h.sum(), h))(world_of().h)


def test_a_gradient_of_a_while_loop_needs_max_steps() -> None:
    def slope(h: Any) -> Any:
        return tg.grad(tg.while_loop(lambda h: (h * h).sum() < 1e3, lambda h: h * 2, h).sum(), h)

    with pytest.raises(tg.GradientError, match="max_steps"):
        tg.static(slope)(world_of().h)
    assert slope(world_of().h).shape == (3, 4)


def test_a_while_loop_is_differentiated_once() -> None:
    def curvature(h: Any) -> Any:
        y = tg.while_loop(lambda h: (h * h).sum() < 1e3, lambda h: h * h + 1, h, max_steps=9)
        return tg.grad(tg.grad(y.sum(), h, create_graph=True).sum(), h)

    with pytest.raises(tg.GradientError, match="differentiated again"):
        tg.static(curvature)(world_of().h)


def test_arithmetic_is_that_of_all_steps() -> None:
    scans = {n: [v for v in traced_scan(n).graph.order if v.op.name == "scan"] for n in (10, 20)}
    body = 2 * (2 * 3 * 4 * 4) + 3 * 12  # two products of (3, 4) and (4, 4); an addition, a product, and tanh
    for n, (forward, *_) in scans.items():
        flops = forward.op.flops(forward._data, *[x._data for x in forward.inputs], **forward.attrs)
        assert flops >= n * body
        assert flops % n == 0


def test_third_derivatives_of_a_scan_agree_but_for_last_bits_and_those_of_a_plain_loop_in_every_bit() -> None:
    rng = np.random.default_rng(0)
    w = tg.tensor(rng.normal(size=(3, 3)) / 3, requires_grad=True)
    x, h0 = tg.tensor(rng.normal(size=(6, 3))), tg.zeros(3, dtype=tg.float64)

    def scan(x: Any) -> Any:
        h, ys = tg.scan(lambda h, x: (tg.tanh(x + h @ w), h * h), h0, x)
        return (h * h).sum() + ys.mean()

    def loop(x: Any) -> Any:
        h, ys = h0, []
        for t in range(6):
            h, y = tg.tanh(x[t] + h @ w), h * h
            ys.append(y)
        return (h * h).sum() + tg.stack(ys).mean()

    def derivatives(loss: Any) -> Any:
        found = []
        for _ in range(4):
            found.append(tg.grad(loss, w, create_graph=True))
            loss = (found[-1] * found[-1]).sum()
        return found

    for f, same in ((scan, 2), (loop, 4)):
        dynamic = derivatives(f(x))
        static = tg.static(lambda x, f=f: derivatives(f(x)), level="O1")(x)
        for k, (a, b) in enumerate(zip(dynamic, static, strict=True)):
            assert k >= same or a.numpy().tobytes() == b.numpy().tobytes()
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12, atol=1e-12 * np.abs(a.numpy()).max())
