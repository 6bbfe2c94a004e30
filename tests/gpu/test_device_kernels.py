"""The kernels that the device "gpu" puts in place of ops: against PyTorch, to second order; when they are not used; and
that nothing is carried over or waited for in passing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import devices, optim
from teachgrad.nn import functional as F
from teachgrad.op import Vertex, apply
from teachgrad.ops.embedding import embedding_gradient
from teachgrad.ops.online_attention import online_attention, online_attention_gradient
from teachgrad_gpu.device import rows, scatter, windows
from teachgrad_gpu.device.table import WAYS
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.kernels import catalogue
from tests.export import programs
from tests.gpu.standing import StandIn
from tests.gpu.strict import CARRIED, StrictArray
from tests.gpu.test_device import remade

FOLDER = Path(rows.__file__).parent
pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


# ---- values and gradients --------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Case:
    """A function in teachgrad and in PyTorch, the shapes of its inputs, and the kernels that must run for it."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    kernels: tuple[str, ...]
    order: int = 2
    positive: bool = False
    """Whether the inputs are between 0 and 1."""

    def __str__(self) -> str:
        return self.name


def torch() -> Any:
    import torch

    return torch


def TF() -> Any:
    return torch().nn.functional


LABELS, WORDS = np.array([0, 6, 2, -100, 3]), np.array([[1, 4, 1], [0, 4, 4]])
ROWS, LINE = (5, 7), ((5, 7),)


def maps(*names: str) -> Iterator[Case]:
    """Functions of each element by itself, called alike in both."""
    for name in names:
        yield Case(name, getattr(F, name), lambda x, name=name: getattr(TF(), name)(x), ((3, 33),), (f"map_{name}",))


def losses(reduction: str) -> Case:
    return Case(f"cross_entropy {reduction}",
                lambda x: F.cross_entropy(x, tg.tensor(LABELS, device=x.device), reduction=reduction),
                lambda x: TF().cross_entropy(x, torch().tensor(LABELS), reduction=reduction), LINE,
                ("cross_entropy", "cross_entropy_backward"))


def convolution(name: str, x: tuple[int, ...], w: tuple[int, ...], kernels: Sequence[str], **settings: Any) -> Case:
    function = f"conv{len(x) - 2}d"
    return Case(name, lambda x, w, b: getattr(F, function)(x, w, b, **settings),
                lambda x, w, b: getattr(TF(), function)(x, w, b, **settings), (x, w, (w[0],)), tuple(kernels))


def pool(name: str, kernels: Sequence[str], *args: Any, **settings: Any) -> Case:
    return Case(f"{name} {args}", lambda x: getattr(F, name)(x, *args, **settings),
                lambda x: getattr(TF(), name)(x, *args, **settings), ((2, 3, 9, 7),), tuple(kernels))


def attention(causal: bool) -> Case:
    return Case(f"attention {causal}", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal),
                lambda q, k, v: TF().scaled_dot_product_attention(q, k, v, is_causal=causal),
                ((2, 2, 5, 4), (2, 2, 5, 4), (2, 2, 5, 3)), ("softmax_columns", "softmax_columns_backward"))


COLUMNS = ("im2col", "col2im")
DIRECT = ("convolution", "convolution_backward_input", "convolution_backward_weights")
CASES = (
    Case("softmax", lambda x: F.softmax(x, axis=-1), lambda x: x.softmax(-1), ((3, 5, 33),),
         ("softmax_registers", "softmax_backward")),
    Case("log_softmax", lambda x: F.log_softmax(x, axis=1), lambda x: x.log_softmax(1), LINE,
         ("log_softmax", "log_softmax_backward")),
    Case("softmax down columns", lambda x: F.softmax(x, axis=1), lambda x: x.softmax(1), ((2, 9, 3, 5),),
         ("softmax_columns", "softmax_columns_backward")),
    *map(losses, ("mean", "sum", "none")),
    Case("layer_norm", lambda x, w, b: F.layer_norm(x, (7,), w, b), lambda x, w, b: TF().layer_norm(x, (7,), w, b),
         (ROWS, (7,), (7,)), ("layer_norm_registers", "layer_norm_backward", "layer_norm_backward_weights")),
    Case("rms_norm", lambda x, w: F.rms_norm(x, (7,), w, 1e-3), lambda x, w: TF().rms_norm(x, (7,), w, 1e-3),
         (ROWS, (7,)), ("layer_norm_registers", "layer_norm_backward", "layer_norm_backward_weights")),
    Case("layer_norm over two axes", lambda x: F.layer_norm(x, (5, 7)), lambda x: TF().layer_norm(x, (5, 7)),
         ((3, 5, 7),), ("layer_norm_registers", "layer_norm_backward")),
    Case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
         lambda x, w, b: TF().batch_norm(x, None, None, w, b, training=True), (ROWS, (7,), (7,)),
         ("batch_norm", "batch_norm_backward")),
    *maps("gelu", "silu", "sigmoid", "softplus", "elu", "leaky_relu"),
    Case("gelu tanh", lambda x: F.gelu(x, approximate="tanh"), lambda x: TF().gelu(x, approximate="tanh"), LINE,
         ("map_gelu_tanh", "map_gelu_tanh_gradient")),
    Case("softplus with settings", lambda x: F.softplus(x, beta=3.0, threshold=1.5),
         lambda x: TF().softplus(x, beta=3.0, threshold=1.5), LINE, ("map_softplus",)),
    Case("tanh", tg.tanh, lambda x: x.tanh(), LINE, ("map_tanh_gradient",)),
    Case("relu", F.relu, lambda x: x.relu(), LINE, ("map_relu_gradient",), order=1),
    Case("binary_cross_entropy", F.binary_cross_entropy, lambda x, y: TF().binary_cross_entropy(x, y), (ROWS, ROWS),
         ("map_binary_cross_entropy",), order=1, positive=True),
    Case("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits,
         lambda x, y: TF().binary_cross_entropy_with_logits(x, y), (ROWS, ROWS),
         ("map_binary_cross_entropy_with_logits",)),
    Case("embedding", lambda w: F.embedding(tg.tensor(WORDS, device=w.device), w, padding_idx=4),
         lambda w: TF().embedding(torch().tensor(WORDS), w, padding_idx=4), ((6, 3),), ("scatter_add_ordered",)),
    Case("x[i]", lambda x: x[tg.tensor([[3, -1], [3, 0]], device=x.device)],
         lambda x: x[torch().tensor([[3, -1], [3, 0]])], ((5, 2, 3),), ("scatter_add_ordered",)),
    convolution("conv2d", (3, 2, 8, 7), (4, 2, 3, 3), COLUMNS, stride=(2, 1), padding=1, dilation=(1, 2)),
    convolution("conv2d in groups", (2, 4, 6, 6), (8, 2, 3, 2), COLUMNS, groups=2, padding=(0, 1)),
    convolution("conv2d of depth", (2, 4, 6, 6), (4, 1, 3, 3), DIRECT, groups=4, padding=1),
    convolution("conv2d one by one", (2, 4, 5, 5), (6, 4, 1, 1), ()),
    convolution("conv1d", (2, 3, 11), (4, 3, 3), COLUMNS, stride=2, padding=2),
    Case("conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1),
         lambda x, w: TF().conv_transpose2d(x, w, stride=2, padding=1), ((2, 5, 4, 4), (5, 3, 3, 3)), COLUMNS),
    pool("max_pool2d", ("max_pool", "max_pool_backward_gather"), 3, 2, 1),
    pool("max_pool2d", ("max_pool", "max_pool_backward_gather"), (2, 3)),
    pool("avg_pool2d", ("average_pool", "average_pool_backward"), 3, 2, 1),
    *map(attention, (False, True)),
)


def numbers(case: Case, dtype: str) -> list[Any]:
    rng = np.random.default_rng(len(case.name))
    draw = (lambda s: rng.uniform(0.1, 0.9, s)) if case.positive else rng.standard_normal
    return [draw(shape).astype(dtype) for shape in case.shapes]


def followed(xs: Sequence[Any], z: Any, order: int, grad: Callable[..., Any], weigh: Callable[..., Any]) -> list[Any]:
    """A value, and the gradients of a number that depends on it and on them, to an order; zeros for those missing."""
    found = answers = [z]
    for _ in range(order):
        terms = [(weigh(r) * r).sum() for r in answers if r.requires_grad]
        slopes = grad(sum(terms), xs) if terms else [None] * len(xs)
        answers = [x * 0 if g is None else g for x, g in zip(xs, slopes, strict=True)]
        found = [*found, *answers]
    return found


def waves(shape: Sequence[int]) -> Any:
    return np.cos(np.arange(int(np.prod(shape)))).reshape(shape)


@pytest.fixture(params=["standing", pytest.param("gpu", marks=pytest.mark.gpu)])
def place(request: Any) -> Any:
    """The device "gpu", on the stand-in or itself."""
    return request.getfixturevalue("standing") if request.param == "standing" else devices.find("gpu")


@pytest.mark.oracles
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_pytorch(case: Case, dtype: str, place: Any) -> None:
    arrays = numbers(case, dtype)
    xs = [tg.tensor(a, requires_grad=True, device="gpu") for a in arrays]
    got = followed(xs, case.ours(*xs), case.order,
                   lambda loss, xs: tg.grad(loss, xs, create_graph=True, allow_unused=True),
                   lambda r: tg.tensor(waves(r.shape).astype(dtype), device="gpu"))
    ys = [torch().tensor(a.astype("f8"), requires_grad=True) for a in arrays]
    want = followed(ys, case.theirs(*ys), case.order,
                    lambda loss, ys: torch().autograd.grad(loss, ys, create_graph=True, allow_unused=True),
                    lambda r: torch().tensor(waves(r.shape)))
    bound = 1e-9 if dtype == "float64" else 2e-4
    for a, b in zip(got, want, strict=True):
        expected = b.detach().numpy()
        assert (a.device, a.dtype, a.shape) == ("gpu", np.dtype(dtype), expected.shape)
        np.testing.assert_allclose(a.to("cpu").numpy(), expected, rtol=bound, atol=bound * np.abs(expected).max())
    if isinstance(place, StandIn):
        assert set(case.kernels) <= set(place.launched), place.launched


def test_attention_without_weights(standing: StandIn) -> None:
    """The ops that level O3 puts in place of attention."""
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal((2, 3, 17, 8)) for _ in range(4)]
    for causal in (False, True):
        answers = []
        for place in ("cpu", "gpu"):
            u, q, k, v = (tg.tensor(a, device=place) for a in arrays)
            both = apply(online_attention, (q, k, v), {"causal": causal})
            z, log_sums = (Vertex(part) for part in both._data)
            pulled = apply(online_attention_gradient, (u, q, k, v, z, log_sums), {"causal": causal})
            answers.append([devices.CPU.take(part) for part in (*both._data, *pulled._data)])
        for a, b in zip(*answers, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)
    assert {"attention_backward_keys", "attention_backward_queries"} <= set(standing.launched)
    assert {"attention_vectorised", "attention_tiled"} & set(standing.launched)


# ---- when they are not used ------------------------------------------------------------------------------------------

def turned(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    """A tensor on the GPU that does not lie in C order."""
    x = tg.tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype), device="gpu")
    return x.mT


FALLS: dict[str, Callable[[], Any]] = {
    "softmax of what is turned": lambda: F.softmax(turned((5, 7)), axis=-1),
    "softmax down columns of what is turned": lambda: F.softmax(turned((5, 7)), axis=0),
    "gelu of what is turned": lambda: F.gelu(turned((5, 7))),
    "gelu of float16": lambda: F.gelu(turned((5, 7), "float16").mT),
    "layer norm of what is turned": lambda: F.layer_norm(turned((5, 7)), (5,)),
    "softmax of float16": lambda: F.softmax(turned((5, 7), "float16").mT, axis=1),
    "softmax of nothing": lambda: F.softmax(tg.zeros((0, 3), device="gpu"), axis=1),
    "gelu of nothing": lambda: F.gelu(tg.zeros((3, 0), device="gpu")),
    "a row that is too long": lambda: F.softmax(tg.zeros((2, 40000), device="gpu"), axis=1),
    "attention with a mask": lambda: F.scaled_dot_product_attention(
        *[turned((2, 4, 4)).mT for _ in range(3)], attn_mask=tg.zeros((4, 4), device="gpu")),
    "convolution in three dimensions": lambda: F.conv3d(
        tg.ones((1, 1, 3, 3, 3), device="gpu"), tg.ones((4, 1, 2, 2, 2), device="gpu")),
    "a pool that reaches over the end": lambda: F.max_pool2d(
        tg.ones((1, 1, 5, 5), device="gpu"), 2, ceil_mode=True),
    "cross-entropy of images": lambda: F.cross_entropy(
        tg.ones((2, 3, 4), device="gpu"), tg.zeros((2, 4), dtype="int64", device="gpu")),
}


def test_of_half_precision_nothing_is_computed_in_vain(standing: StandIn, monkeypatch: Any) -> None:
    products = []
    monkeypatch.setattr(standing.xp, "matmul", lambda *arrays, **settings: products.append(arrays) or
                        standing.cupy.matmul(*arrays, **settings))
    for dtype in ("float32", "float16"):
        F.scaled_dot_product_attention(*[turned((2, 4, 4), dtype).mT for _ in range(3)])
    assert [q.dtype for q, _ in products] == ["float32"] * 2 + ["float16"] * 2


@pytest.mark.parametrize("name", FALLS)
def test_what_no_kernel_takes_is_left_to_cupy(name: str, standing: StandIn) -> None:
    z = FALLS[name]()
    assert standing.launched == []
    devices.OPEN["gpu"] = devices.CPU  # the same tensors, made on the CPU
    want = FALLS[name]()
    devices.OPEN["gpu"] = standing
    assert z.device == "gpu"
    assert want.device == "cpu"
    np.testing.assert_allclose(z.to("cpu").numpy(), want.numpy(), rtol=1e-5, atol=1e-6)


def test_few_long_rows_are_left_to_cupy(standing: StandIn, monkeypatch: Any) -> None:
    x = tg.tensor(np.random.default_rng(0).standard_normal((3, 40)), device="gpu", requires_grad=True)
    monkeypatch.setattr(rows, "SHORT", 39)
    weights = tg.tensor(waves(x.shape), device="gpu")
    (F.log_softmax(x, axis=1) * weights).sum().backward()
    assert standing.launched == []
    monkeypatch.setattr(rows, "MANY", 3)
    (F.log_softmax(x, axis=1) * weights).sum().backward()
    assert standing.launched == ["log_softmax", "log_softmax_backward"]


def test_columns_that_are_too_many_are_made_in_pieces(standing: StandIn, monkeypatch: Any) -> None:
    x, w = tg.ones((2, 3, 6, 6), device="gpu"), tg.ones((5, 3, 3, 3), device="gpu")
    want = F.conv2d(x, w)
    assert standing.launched == ["im2col"]
    monkeypatch.setattr(windows, "COLUMNS", 1000)
    assert (F.conv2d(x, w) == want).all()
    assert standing.launched == ["im2col"]


def test_the_cpu_is_never_asked(standing: StandIn, monkeypatch: Any) -> None:
    def asked(*arguments: Any) -> None:
        raise AssertionError("the CPU computes with NumPy")

    monkeypatch.setattr(devices.Device, "computed", asked)
    monkeypatch.setattr(standing, "computed", asked)
    x = tg.ones((3, 4), requires_grad=True)
    F.softmax(F.gelu(x), axis=1).sum().backward()
    assert standing.launched == []


def test_targets_out_of_range_are_refused(standing: StandIn) -> None:
    x, t = tg.zeros((2, 3), device="gpu"), tg.tensor([0, 5], device="gpu")
    with pytest.raises(IndexError, match="target 5 is not one of the 3"):
        F.cross_entropy(x, t)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_mean_of_nothing_is_no_number_on_a_device_either(reduction: str, standing: StandIn) -> None:
    found = []
    for place in ("cpu", "gpu"):
        x = tg.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], device=place, requires_grad=True)
        with np.errstate(all="ignore"):
            loss = F.cross_entropy(x, tg.tensor([-100, -100], device=place), reduction=reduction)
            (slope,) = tg.grad(loss, [x])
        found.append([loss.item(), *slope.to("cpu").numpy().ravel()])
    assert set(standing.launched) == {"cross_entropy", "cross_entropy_backward"}
    np.testing.assert_array_equal(*found)
    assert np.isnan(found[0]).all() == (reduction == "mean")


# ---- in every run the same, nothing carried over, nobody waits -------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_added_to_the_same_bits_in_both_ways(dtype: str, standing: StandIn, monkeypatch: Any) -> None:
    rng = np.random.default_rng(1)
    u, where = rng.standard_normal((40, 5)).astype(dtype), rng.integers(0, 7, 40)
    found = []
    for few in (scatter.FEW, 0):
        monkeypatch.setattr(scatter, "FEW", few)
        given, indices = tg.tensor(u, device="gpu"), tg.tensor(where, device="gpu")
        found.append(apply(embedding_gradient, (given, indices), {"rows": 9, "padding_index": 3}).to("cpu").numpy())
    assert standing.launched == ["scatter_add_ordered", "scatter_add_sorted"]
    assert found[0].tobytes() == found[1].tobytes()
    want = np.zeros((9, 5), dtype)
    np.add.at(want, where, u)
    want[3] = 0
    np.testing.assert_allclose(found[0], want, rtol=1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("make", [lambda: programs.lenet(6), programs.gpt], ids=["lenet", "gpt"])
def test_a_step_carries_nothing_over(make: Any, standing: StandIn) -> None:
    step, model, batch = make()
    model.to("gpu")
    with tg.device("gpu"):
        step, inside = remade(step, model), [tg.tensor(a) for a in batch]
        step(*inside)  # makes the state of the optimizer, and numbers such as 1.0
        standing.moves.clear()
        CARRIED.clear()
        step(*inside)
    assert max(CARRIED, default=0) <= batch[0].shape[-1] * 8, "numbers, and the positions that the model makes"
    assert not any(way == "out" for way, _ in standing.moves)


OPTIMIZERS = {
    "sgd": (lambda ps: optim.SGD(ps, lr=0.1), {"map_sgd_update"}),
    "nesterov": (lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True), {"map_nesterov_update"}),
    "dampened": (lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.3), {"map_momentum_update"}),
    "adam": (lambda ps: optim.AdamW(ps), {"map_adam_update", "map_average_update", "map_square_update"}),
    "rmsprop": (lambda ps: optim.RMSprop(ps, centered=True), {"map_rms_scaled", "map_square_update"}),
    "adagrad": (lambda ps: optim.Adagrad(ps, lr_decay=0.1), {"map_adagrad_update", "map_add_square_update"}),
    "adadelta": (lambda ps: optim.Adadelta(ps), {"map_adadelta_scaled"}),
}


@pytest.mark.oracles
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_neither_wait_nor_carry_over(name: str, standing: StandIn, monkeypatch: Any) -> None:
    def waits(*arguments: Any) -> None:
        raise AssertionError("somebody waits for the device")

    make, kernels = OPTIMIZERS[name]
    start, slope = np.arange(1.0, 8.0), np.cos(np.arange(7.0))
    p = tg.Parameter(tg.tensor(start, device="gpu"))
    trainer = make([p])
    for _ in range(3):
        p.grad = tg.tensor(slope, device="gpu")
        with monkeypatch.context() as watched:
            for method in ("__float__", "__bool__", "__int__", "item", "tolist", "get"):
                watched.setattr(StrictArray, method, waits)
            trainer.step()
    assert kernels <= set(standing.launched)
    q = torch().tensor(start, requires_grad=True)
    kind = getattr(torch().optim, type(trainer).__name__)
    group = trainer.param_groups[0]
    known = {"lr", "momentum", "dampening", "nesterov", "betas", "eps", "weight_decay", "centered", "alpha", "lr_decay",
             "rho"}
    other = kind([q], **{key: group[key] for key in group if key in known})
    for _ in range(3):
        q.grad = torch().tensor(slope)
        other.step()
    np.testing.assert_allclose(p.to("cpu").numpy(), q.detach().numpy(), rtol=1e-9)


def test_the_page_says_which_ops_have_kernels() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/devices.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)`", page.partition("| ops |")[2]))
    assert {op.name for op in WAYS} <= named
    launched = set(re.findall(r'"(\w+)"', "".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.py")))))
    assert {name for name in launched & set(catalogue) if not name.startswith("attention_backward_")} <= named
