"""Recomputing (card M3): memory for operations, in the graph by `recompute=` and by `tg.checkpoint`, bit for bit."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.errors import SettingError
from teachgrad.nn import functional as F
from tests.passes.models import MODELS
from tests.passes.test_models import trained
from tests.static.test_random_programs import bits
from tests.static.test_random_programs import trained as program_trained

LAYERS, MIB = 100, 1 << 20


def chain(dropout: float = 0.0) -> Any:
    """The gradient through 100 layers, whose values take 1 MiB each."""
    x = tg.tensor(np.random.default_rng(0).normal(size=MIB // 4).astype(np.float32), requires_grad=True)

    def gradient() -> Any:
        h = x
        for _ in range(LAYERS):
            h = F.dropout(tg.tanh(h), dropout) if dropout else tg.tanh(h)
        return tg.grad(h.sum(), x)

    return gradient


def measured(f: Any, *args: Any) -> tuple[float, bytes]:
    """The most MiB of memory in a call, the arena of a static function included; and the bits."""
    f(*args)
    tracemalloc.start()
    answer = f(*args).numpy().tobytes()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    arena = f.plan.bytes if f.last is not None else 0
    return (peak + arena) / MIB, answer


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_a_chain_needs_the_memory_of_twice_the_square_root_of_its_length(level: str) -> None:
    tg.seed(0)
    f = tg.static(chain(), level=level, recompute="sqrt")
    peak, answer = measured(f)
    assert peak <= 24
    assert sum(v.op.name == "tanh" for v in f.graph.order) <= 2 * LAYERS
    assert answer == chain()().numpy().tobytes()
    assert measured(tg.static(chain(), level=level))[0] >= 100


def test_the_masks_of_dropout_are_the_same_when_they_are_made_again() -> None:
    tg.seed(0)
    plain = chain(0.1)
    wanted = [plain().numpy().tobytes() for _ in range(2)]
    tg.seed(0)
    f = tg.static(plain, recompute="sqrt")
    assert [f().numpy().tobytes() for _ in range(2)] == wanted
    assert any(v.op.name == "random_bernoulli" for v in f.graph.order)
    assert f.recompute.peak_after <= 0.4 * f.recompute.peak_before


@pytest.mark.parametrize("budget", ["22 MiB", 40 * MIB, "60MiB", "0.09 GB"])
def test_a_budget_is_kept_with_the_least_work_that_it_takes(budget: Any) -> None:
    most = {"22 MiB": 22.0, "60MiB": 60.0, "0.09 GB": 90e6 / MIB}.get(budget, 40.0)
    f = tg.static(chain(), recompute=budget)
    peak, answer = measured(f)
    assert peak <= 1.01 * most
    assert answer == chain()().numpy().tobytes()
    assert f.recompute.peak_after <= most * MIB
    recomputed = len(f.recompute.values)
    assert recomputed <= 1.3 * (LAYERS - most + 8), "a larger budget computes less again"


def test_an_impossible_budget_is_refused_with_the_least_that_is_possible() -> None:
    with pytest.raises(SettingError, match=r"the least that recomputing reaches is (\d+) bytes") as refused:
        tg.static(chain(), recompute="2 MiB")()
    least = int(str(refused.value).split("reaches is ")[1].split()[0])
    assert tg.static(chain(), recompute=least)().numpy().tobytes() == chain()().numpy().tobytes()


def test_a_budget_that_is_kept_anyway_changes_nothing() -> None:
    f = tg.static(chain(), recompute="1 GB")
    f()
    assert f.recompute.values == ()
    assert f.recompute.extra_flops == 0


def test_a_function_chooses_what_is_computed_again() -> None:
    x, w = tg.tensor(np.ones((64, 64), np.float32), requires_grad=True), tg.ones((64, 64)) * 0.01

    def step() -> Any:
        h = x
        for _ in range(8):
            h = tg.tanh(tg.exp(h @ w))
        return tg.grad(h.sum(), x)

    f = tg.static(step, recompute=lambda v: v.op.name in ("exp", "tanh"))
    assert f().numpy().tobytes() == step().numpy().tobytes()
    assert {value.name.split("_")[0] for value in f.recompute.values} == {"exp", "tanh"}
    assert f.recompute.peak_after < f.recompute.peak_before


def test_the_table_says_what_is_computed_again_and_what_it_costs() -> None:
    f = tg.static(chain(), recompute="sqrt")
    f()
    *rows, last = f.recompute.table().splitlines()
    assert rows[0].split() == ["value", "what", "bytes", "flops", "line"]
    assert rows[1].split()[1:4] == ["float32[262144]", str(MIB), str(MIB // 4)]
    assert rows[1].split()[4].startswith("test_recompute.py:")
    assert f.recompute.extra_flops == sum(value.flops for value in f.recompute.values)
    assert last == (f"peak {f.recompute.peak_after} bytes, {f.recompute.peak_before} without; "
                    f"{f.recompute.extra_flops} flops more (+20%)")
    assert "recompute" in [name for name, _ in f.trace.moments]


@pytest.mark.parametrize("setting", ["root", 0, -5, 1.5, True, "5 parsecs", int])
def test_settings_that_mean_nothing_are_refused(setting: Any) -> None:
    with pytest.raises(SettingError, match="neither"):
        tg.static(chain(), recompute=setting)


def test_without_recomputing_there_is_no_table() -> None:
    f = tg.static(lambda x: x * 2.0)
    f(tg.ones(3))
    with pytest.raises(tg.TeachgradError, match="computes nothing twice"):
        print(f.recompute)


# ---- whole models and random programs --------------------------------------------------------------------------------

@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("name", MODELS)
def test_models_keep_their_bits(name: str, level: str) -> None:
    assert trained(name, {"level": level, "recompute": "sqrt"}) == trained(name, None)


@pytest.mark.parametrize("name", ["mlp", "transformer"])
def test_everything_that_can_be_is_computed_again_without_a_bit_changing(name: str) -> None:
    assert trained(name, {"recompute": lambda v: True, "verify": True}) == trained(name, None)


def test_random_programs_keep_their_bits() -> None:
    again = 0
    for seed in range(60):
        expected = bits(program_trained(seed, None))
        for setting in ("sqrt", lambda v: True):
            try:
                assert bits(program_trained(seed, {"recompute": setting})) == expected, seed
                again += 1
            except tg.TraceError:
                break
    assert again >= 80


def test_generated_c_computes_again() -> None:
    x, w = tg.tensor(np.ones((64, 64), np.float32), requires_grad=True), tg.ones((64, 64)) * 0.01

    def step() -> Any:
        h = x
        for _ in range(16):
            h = tg.tanh(h @ w)
        return tg.grad(h.sum(), x)

    f, g = tg.static(step, level="O3", recompute="sqrt"), tg.static(step, level="O3")
    assert f().numpy().tobytes() == g().numpy().tobytes()
    assert f.recompute.values
    assert f.plan.bytes < 0.7 * g.plan.bytes


# ---- tg.checkpoint ---------------------------------------------------------------------------------------------------

MODES = ["dynamic", "static", "check"]


class Net(nn.Module):
    """Blocks with everything that remembers: dropout draws, batch norm counts. `deep` checkpoints inside, too."""

    def __init__(self, wrap: bool, deep: bool = False) -> None:
        super().__init__()
        self.wrap, self.deep = wrap, deep
        self.first = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.5))
        self.second = nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.2), nn.GELU())

    def inner(self, h: Any) -> Any:
        return self.second(h)

    def both(self, x: Any) -> Any:
        h = self.first(x)
        return h, tg.checkpoint(self.inner, h) if self.deep else self.inner(h)

    def forward(self, x: Any) -> Any:
        h, z = tg.checkpoint(self.both, x) if self.wrap else self.both(x)
        return (h * z).sum() + tg.tanh(z).mean()


def run(net: Any, how: str) -> list[bytes]:
    """The bits of two steps of training."""
    tg.seed(1)
    model = net()
    x = tg.tensor(np.random.default_rng(5).normal(size=(32, 8)).astype(np.float32), requires_grad=True)

    @tg.static
    def step() -> Any:
        for p in (x, *model.parameters()):
            p.grad = None
        loss = model(x)
        loss.backward()
        with tg.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
        return loss

    seen = []
    with tg.mode(how):
        for _ in range(2):
            seen.append(step().numpy().tobytes())
            seen += [p.grad.numpy().tobytes() for p in (x, *model.parameters())]
            seen += [b.numpy().tobytes() for b in model.state_dict().values()]
    return seen


@pytest.mark.parametrize("how", MODES)
@pytest.mark.parametrize("deep", [False, True], ids=["flat", "nested"])
def test_same_bits_and_updates_once(how: str, deep: bool) -> None:
    assert run(lambda: Net(True, deep), how) == run(lambda: Net(False), "dynamic")


@pytest.mark.parametrize("how", ["dynamic", "static"])
def test_values_inside_are_given_back(how: str) -> None:
    x = tg.tensor(np.random.default_rng(0).normal(size=MIB // 4).astype(np.float32), requires_grad=True)

    def ten(h: Any) -> Any:
        for _ in range(10):
            h = tg.tanh(h)
        return h

    def gradient(checkpoint: bool) -> Any:
        h = x
        for _ in range(10):
            h = tg.checkpoint(ten, h) if checkpoint else ten(h)
        return tg.grad(h.sum(), x)

    f = tg.static(gradient)
    with tg.mode(how):
        (much, plain), (little, again) = measured(f, False), measured(f, True)
    assert plain == again
    assert much >= 100
    assert little <= 25


@pytest.mark.parametrize("how", MODES)
def test_gradients_of_gradients(how: str) -> None:
    x = tg.tensor([0.3, -0.4, 2.0], requires_grad=True, dtype=tg.float64)

    def f(wrap: bool) -> Any:
        def inner(x: Any) -> Any:
            return tg.tanh(x * x) * tg.exp(x)

        y = tg.checkpoint(inner, x) if wrap else inner(x)
        g = tg.grad(y.sum(), x, create_graph=True)
        return tg.grad((g * g).sum(), x)

    with tg.mode(how):
        assert tg.static(f)(True).numpy().tobytes() == f(False).numpy().tobytes()


def test_structures_numbers_and_keywords() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any, *, scale: float) -> Any:
        return {"a": x * scale, "b": (None, 3.0, tg.ones(2))}

    for how in MODES:
        with tg.mode(how):
            made = tg.static(lambda: tg.checkpoint(f, x, scale=2.0))()
            assert made["b"][0] is None
            assert made["b"][1].item() == 3.0
            assert made["a"].numpy().tolist() == [2.0, 4.0]
    y = tg.checkpoint(f, x, scale=2.0)["a"]
    y.sum().backward()
    assert x.grad.numpy().tolist() == [2.0, 2.0]


def test_results_share_memory_with_nothing() -> None:
    x = tg.tensor([1.0, 2.0, 3.0])
    for how in MODES:
        with tg.mode(how):
            a, b, c = tg.static(lambda: tg.checkpoint(lambda x: (x, x[1:], x), x))()
            a += 10.0
            assert x.numpy().tolist() == [1.0, 2.0, 3.0]
            assert b.numpy().tolist() == [2.0, 3.0]
            assert c.numpy().tolist() == [1.0, 2.0, 3.0]


def test_an_input_that_was_overwritten_is_refused_with_both_lines() -> None:
    w, c = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor([3.0, 4.0], name="c")
    for x in (w, c):
        y = tg.checkpoint(lambda: tg.tanh(w * c))
        with tg.no_grad():
            x += 1.0
        with pytest.raises(tg.InplaceError, match=r"tg.checkpoint at test_recompute.py:\d+ runs again.*overwritten in "
                                                  r"place at test_recompute.py:\d+"):
            y.sum().backward()


def test_a_value_that_only_untracked_code_reads_counts_too() -> None:
    w, c = tg.zeros(2, requires_grad=True), tg.tensor([3.0, 4.0])
    y = tg.checkpoint(lambda: w * (c * 2.0))  # w is 0: the results would be the same
    c += 1.0
    with pytest.raises(tg.InplaceError, match="runs again"):
        y.sum().backward()


def test_overwrites_with_a_history_are_refused() -> None:
    w, h = tg.tensor([1.0, 2.0], requires_grad=True), tg.zeros(2)

    def f() -> Any:
        h.__iadd__(w)
        return h * 2.0

    with pytest.raises(tg.InplaceError, match="comes from outside"):
        tg.checkpoint(f)


def test_what_was_overwritten_twice_since_is_put_back_as_it_was() -> None:
    """Two forward passes before the gradient, as siamese networks make them: batch norm counted twice."""
    def losses(wrap: bool) -> list[bytes]:
        tg.seed(0)
        norm = nn.BatchNorm1d(4)
        xs = [tg.tensor(np.random.default_rng(k).normal(size=(8, 4)).astype(np.float32)) for k in range(2)]
        ys = [tg.checkpoint(norm, x) if wrap else norm(x) for x in xs]
        (ys[0] * ys[1]).sum().backward()
        return [*[p.grad.numpy().tobytes() for p in norm.parameters()],
                *[b.numpy().tobytes() for b in norm.state_dict().values()]]

    assert losses(True) == losses(False)


def test_a_static_function_inside_changes_the_world_once() -> None:
    seen, w = tg.zeros(()), tg.tensor([1.0, 2.0], requires_grad=True)

    @tg.static
    def inner(x: Any) -> Any:
        with tg.no_grad():
            seen.__iadd__(1.0)
        return tg.tanh(x)

    tg.checkpoint(lambda: inner(w) * 2.0).sum().backward()
    assert seen.item() == 1.0
    want = tg.grad((tg.tanh(w) * 2.0).sum(), w)
    assert w.grad.numpy().tobytes() == want.numpy().tobytes()


@pytest.mark.oracles("torch")
def test_the_gradients_are_those_of_pytorch_checkpoint() -> None:
    import torch
    from torch.utils.checkpoint import checkpoint

    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=shape) for shape in ((16, 8), (8, 8), (8, 8))]

    def block(library: Any, h: Any, w: Any) -> Any:
        return library.tanh(h @ w) + h

    ours = [tg.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    h, t = ours[0], theirs[0]
    for k in (1, 2, 1):
        h = tg.checkpoint(lambda h, w: tg.checkpoint(block, tg, h, w), h, ours[k])
        t = checkpoint(lambda h, w: checkpoint(block, torch, h, w, use_reentrant=False), t, theirs[k],
                       use_reentrant=False)
    (h * h).sum().backward()
    (t * t).sum().backward()
    np.testing.assert_allclose(h.numpy(), t.detach().numpy(), rtol=1e-13)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)
