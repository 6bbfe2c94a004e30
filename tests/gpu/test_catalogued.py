"""Kernels of the catalogue in static programs: chosen where they should be, right, and without a mistake of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F
from teachgrad.ops.attention import attention
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.emulated import Emulated
from tests.export import programs
from tests.gpu.catalogued import gradients, normal, of_one_projection

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


def launched(step: Any) -> list[str]:
    """The kernels of the catalogue that a program launches, in order."""
    return [launch.name for launch in step.trace.program.building.launches if launch.source is not None]


def agrees(function: Callable[..., Any], arrays: Sequence[Any], *names: str) -> Any:
    """Whether a function and its gradients are the same on the emulated device and in dynamic mode, by these kernels of
    the catalogue; the program."""
    xs = [tg.tensor(a, requires_grad=True) for a in arrays]
    want = gradients(function, *xs)
    step = tg.static(lambda *given: gradients(function, *given), level="O3", executor="emulated")
    step(*xs)
    tolerance = 2e-5 if arrays[0].dtype == np.float32 else 1e-12
    for got, expected in zip(step(*xs), want, strict=True):
        largest = np.abs(expected.numpy()).max()
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance * largest)
    assert launched(step) == list(names)
    assert step.trace.program.launcher.findings == []
    return step


# ---- attention -------------------------------------------------------------------------------------------------------

BACKWARD = ("attention_backward_dots", "attention_backward_keys", "attention_backward_queries")


@pytest.mark.parametrize(("dtype", "lead", "queries", "keys", "width", "causal", "name"), [
    ("float32", (2,), 33, 40, 16, False, "attention_tiled"),
    ("float32", (1, 2), 33, 33, 64, True, "attention_vectorised"),
    pytest.param("float64", (1, 2), 70, 37, 17, True, "attention_tiled", marks=pytest.mark.slow),
    pytest.param("float32", (), 40, 100, 96, False, "attention_vectorised", marks=pytest.mark.slow),
    pytest.param("float64", (1,), 65, 33, 80, False, "attention_tiled", marks=pytest.mark.slow),
])
def test_attention(dtype: str, lead: tuple[int, ...], queries: int, keys: int, width: int, causal: bool, name: str,
                   monkeypatch: Any) -> None:
    monkeypatch.setattr(Emulated, "check", width != 64)  # that one takes its time
    arrays = normal(dtype, (*lead, queries, width), (*lead, keys, width), (*lead, keys, width))
    step = agrees(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), arrays, name,
                  *BACKWARD)
    assert f"{name}<<<" in step.source
    assert "of attention.cu" in step.source
    assert "// Attention:  z = softmax(scale q kᵀ) v" in step.source, "the file is there to be read"


@pytest.mark.parametrize(("dtype", "case", "check"), [
    ("float32", "causal", False), ("float64", "mask", False),
    pytest.param("float32", "hidden", True, marks=pytest.mark.slow)])
def test_attention_whose_weights_are_read(dtype: str, case: str, check: bool, monkeypatch: Any) -> None:
    """Products, and a softmax between them: with masks of numbers and of truth values, and queries that see no key."""
    monkeypatch.setattr(Emulated, "check", check)
    lead, queries, keys, width, other = (1, 1) if check else (2, 3), 70, 80, 48, 50
    arrays = normal(dtype, (*lead, queries, width), (*lead, keys, width), (*lead, keys, other))
    masks = {"causal": (), "mask": normal(dtype, (3, 1, keys)),
             "hidden": [np.random.default_rng(1).random((queries, keys)) < np.arange(queries)[:, None] / 60]}

    def both(q: Any, k: Any, v: Any) -> Any:
        z, w = attention(q * 0.2, k, v, *map(tg.tensor, masks[case]), causal=case == "causal", weights=True)
        return z + (w * w).sum(axis=-2)[..., None]

    step = agrees(both, arrays, *["matmul_registers"] * 8)
    assert step.source.count("_softmax<<<") == step.source.count("_slopes<<<") == 1


@pytest.mark.parametrize("case", ["mask", "hidden", "causal"])
def test_attention_by_a_table(case: str, monkeypatch: Any) -> None:
    """A mask, and values wider than keys: where the tiles are not for that, and there is memory for a table."""
    queries, keys = 70, 80
    masks = {"causal": (), "mask": normal("float32", (3, 1, keys)),
             "hidden": [np.random.default_rng(1).random((queries, keys)) < np.arange(queries)[:, None] / 60]}
    arrays = normal("float32", (2, 3, queries, 48), (2, 3, keys, 48), (2, 3, keys, 50))

    def attend(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, *map(tg.tensor, masks[case]), is_causal=case == "causal")

    step = agrees(attend, arrays, *["matmul_registers"] * 7)
    assert step.source.count("_softmax<<<") == step.source.count("_weights<<<") == step.source.count("_slopes<<<") == 1
    monkeypatch.setattr("teachgrad_gpu.generating.weights.MOST", 1 << 16)
    agrees(attend, arrays)


def test_attention_of_one_projection() -> None:
    """Keys and values lie among each other, and are put in order first; what nobody asks for still has a place."""
    step = agrees(of_one_projection, normal("float32", (2, 40, 48)), "attention_tiled", *BACKWARD)
    assert step.source.count("_k_in_rows<<<") == 2, "once forward, once backward, by the same kernel"

    arrays = normal("float32", (2, 40, 8), (2, 50, 8), (2, 50, 8))
    q, k, v = (tg.tensor(a, requires_grad=True) for a in arrays)
    forward = tg.static(F.scaled_dot_product_attention, level="O3", executor="emulated")
    want = F.scaled_dot_product_attention(q, k, v)
    np.testing.assert_allclose(forward(q, k, v).numpy(), want.numpy(), rtol=1e-5, atol=1e-6)
    assert launched(forward) == ["attention_tiled"]

    def for_values(q: Any, k: Any, v: Any) -> Any:
        return tg.grad((F.scaled_dot_product_attention(q, k, v) ** 2.0).sum(), v)

    step = tg.static(for_values, level="O3", executor="emulated")
    np.testing.assert_allclose(step(q, k, v).numpy(), for_values(q, k, v).numpy(), rtol=1e-4, atol=1e-5)
    assert launched(step) == ["attention_tiled", "attention_backward_dots", "attention_backward_keys"]


def test_a_profile_counts_each_launch_for_itself() -> None:
    """A copy is not taken for the whole attention that it is made for."""
    x = tg.tensor(normal("float32", (2, 40, 3, 8))[0])

    def heads(x: Any) -> Any:
        return F.scaled_dot_product_attention(x[:, :, 0], x[:, :, 1], x[:, :, 2])

    step = tg.static(heads, level="O3", executor="emulated")
    step(x)
    with tg.profile() as profile:
        step(x)
    rows = {run.op: (run.read, run.written, run.flops) for run in profile.runs}
    size = 2 * 40 * 8 * 4
    (copied, *_) = [counts for name, counts in rows.items() if name.endswith("_k_in_rows")]
    assert copied == (size, size, 0)
    assert rows["attention_tiled"] == (3 * size, size + 2 * 40 * 4, 2 * 2 * 2 * 40 * 40 * 8)


def test_attention_that_the_tiles_do_not_fit() -> None:
    """A mask, heads that are not equally wide, few queries, and more features than shared memory holds."""
    q, k, v, mask = (tg.tensor(a) for a in normal("float32", (2, 40, 8), (2, 40, 8), (2, 40, 6), (40, 40)))
    wide = tg.tensor(normal("float32", (1, 32, 300))[0])

    def several(q: Any, k: Any, v: Any, mask: Any, wide: Any) -> list[Any]:
        attention = F.scaled_dot_product_attention
        return [attention(q, k, k, mask), attention(q, k, v), attention(q[:, :9], k, k), attention(wide, wide, wide)]

    step = tg.static(several, level="O3", executor="emulated")
    for got, want in zip(step(q, k, v, mask, wide), several(q, k, v, mask, wide), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)
    assert launched(step) == ["matmul_registers"] * 2, "products, of the heads of many features"


# ---- products --------------------------------------------------------------------------------------------------------

def test_products() -> None:
    """Turned, in a batch, with one factor for all, seen through slices: forward and backward."""
    a, b, c = normal("float32", (70, 80), (80, 90), (3, 70, 80))
    agrees(lambda a, b: a @ b, (a, b), "matmul_vectorised", "matmul_registers", "matmul_registers")
    agrees(lambda c, b: c @ b, (c, b), "matmul_vectorised", "matmul_registers", "matmul_registers")


@pytest.mark.parametrize(("dtype", "check"), [
    ("float64", False), pytest.param("float32", True, marks=pytest.mark.slow)])
def test_products_of_all_kinds(dtype: str, check: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(Emulated, "check", check)
    fast = "matmul_vectorised" if dtype == "float32" else "matmul_registers"
    cases: list[tuple[Callable[..., Any], str]] = [
        (lambda a, c, v: a @ a, fast),
        (lambda a, c, v: a.T @ a, "matmul_registers"),
        (lambda a, c, v: a @ a.T, "matmul_registers"),
        (lambda a, c, v: a @ c, fast),
        (lambda a, c, v: c @ c.mT, "matmul_registers"),
        (lambda a, c, v: c.reshape((2, 2, 66, 66)) @ a, fast),
        (lambda a, c, v: c[1:] @ c[0], fast),
        (lambda a, c, v: a[1:] @ c[1, :, 1:], "matmul_registers"),
        (lambda a, c, v: tg.permute_dims(c, (1, 0, 2)) @ tg.permute_dims(c, (1, 2, 0)), ""),  # too small
        (lambda a, c, v: c[:, ::-1] @ c[:, :, ::-1], fast),
        (lambda a, c, v: a @ v, ""),
        (lambda a, c, v: a.astype(tg.int32) @ a.astype(tg.int32), ""),
    ]
    arrays = normal(dtype, (66, 66), (4, 66, 66), (66,))
    xs = [tg.tensor(a) for a in arrays]
    step = tg.static(lambda *given: [f(*given) for f, _ in cases], level="O3", executor="emulated")
    for (f, _), got in zip(cases, step(*xs), strict=True):
        np.testing.assert_allclose(got.numpy(), f(*xs).numpy(), rtol=2e-5, atol=2e-5)
    building = step.trace.program.building
    assert launched(step) == [name for _, name in cases if name]
    assert step.trace.program.launcher.findings == []
    assert len(building.workspaces) == 3, "a slice whose rows have gaps, and two that run backwards"


CONTRACTIONS = {
    "ij,jk->ik": ((70, 80), (80, 90), "matmul_vectorised", 0),
    "ij,kj->ki": ((70, 80), (90, 80), "matmul_registers", 0),
    "bthd,bshd->bhts": ((2, 66, 3, 64), (2, 67, 3, 64), "matmul_vectorised", 2),
    "fhts,fshd->fthd": ((2, 3, 66, 65), (2, 65, 3, 67), "matmul_vectorised", 2),
    "abc,dcb->ad": ((40, 10, 20), (50, 20, 10), "matmul_registers", 1),
    "aij,akj->aik": ((2, 70, 80), (2, 90, 80), "matmul_registers", 0),
}
"""Subscripts, shapes, the kernel, and how many arrays have to be put in another order for it."""


@pytest.mark.parametrize("subscripts", CONTRACTIONS)
def test_einsum(subscripts: str) -> None:
    first, second, name, copies = CONTRACTIONS[subscripts]
    x, y = normal("float32", first, second)
    step = tg.static(lambda x, y: tg.einsum(subscripts, x, y), level="O3", executor="emulated")
    got = step(tg.tensor(x), tg.tensor(y))
    want = np.einsum(subscripts, x.astype(np.float64), y)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-4)
    assert launched(step) == [name]
    assert step.source.count("_in_rows<<<") + step.source.count("_in_order<<<") == copies


def test_einsums_that_are_no_products() -> None:
    x = normal("float32", (70, 70))[0]
    texts = ["ii,ij->j", "fj,fj->jf", "ij,kl->ij", "ij,ij->", "i...,j...->..."]
    step = tg.static(lambda x: [tg.einsum(text, x, x) for text in texts], level="O3", executor="emulated")
    for text, got in zip(texts, step(tg.tensor(x)), strict=True):
        np.testing.assert_allclose(got.numpy(), np.einsum(text, x, x), rtol=1e-4, atol=2e-3)
    assert launched(step) == []


# ---- convolution -----------------------------------------------------------------------------------------------------

CONVOLUTIONS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], int]] = {
    "3 x 3": (lambda x, w, b: F.conv2d(x, w, b, padding=1), ((6, 5, 13, 14), (32, 5, 3, 3), (32,)), 2),
    "groups": (lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=(0, 2), dilation=(1, 2), groups=2),
               ((9, 16, 29, 31), (48, 8, 3, 3), (48,)), 2),
    "1 x 1": (lambda x, w: F.conv2d(x, w), ((5, 40, 16, 16), (40, 40, 1, 1)), 0),
    "a line": (lambda x, w, b: F.conv1d(x, w, b, stride=3), ((8, 12, 407), (32, 12, 5), (32,)), 2),
    "a volume": (lambda x, w: F.conv3d(x, w, padding=1), ((2, 3, 5, 4, 6), (20, 3, 2, 3, 3)), 2),
    "transposed": (lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
                   ((4, 32, 16, 17), (32, 6, 3, 3)), 2),
}
"""A convolution, the shapes of its arguments, and how many times columns are made of x."""
FAST = {"3 x 3"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in CONVOLUTIONS])
def test_convolution(name: str, monkeypatch: Any) -> None:
    function, shapes, copies = CONVOLUTIONS[name]
    dtype = "float32" if name in ("3 x 3", "transposed") else "float64"
    if name == "a volume":
        monkeypatch.setattr("teachgrad_gpu.generating.columns.LEAST", 1 << 18)
        monkeypatch.setattr(Emulated, "check", True)
    step = agrees(function, normal(dtype, *shapes), *["matmul_registers"] * 3)
    assert step.source.count("_im2col<<<") == copies
    assert step.source.count("_col2im<<<") == copies // 2


def test_convolutions_that_are_better_done_directly(monkeypatch: Any) -> None:
    """Few outputs, few channels, few places, each channel by itself; and columns that would fill the memory."""
    x, few, many, wide = normal("float32", (2, 16, 20, 20), (8, 16, 3, 3), (32, 1, 3, 3), (32, 16, 3, 3))
    convolutions = [lambda x: F.conv2d(x, tg.tensor(few)), lambda x: F.conv2d(x[:, :1], tg.tensor(many)),
                    lambda x: F.conv2d(x[:, :, :5, :5], tg.tensor(wide)),
                    lambda x: F.conv2d(x, tg.tensor(many[:16]), groups=16)]
    for convolution in convolutions:
        agrees(convolution, [x])
    assert "_im2col<<<" in agrees(lambda x: F.conv2d(x, tg.tensor(wide)), [x], "matmul_registers").source
    monkeypatch.setattr("teachgrad_gpu.generating.columns.MOST", 1 << 18)
    agrees(lambda x: F.conv2d(x, tg.tensor(wide)), [x])


# ---- whole steps -----------------------------------------------------------------------------------------------------

class Pictures(nn.Module):
    """Two convolutions with enough channels for columns, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, stride=2)
        self.last = nn.Linear(32 * 5 * 5, 10)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.second(F.relu(self.first(x))))
        return self.last(x.reshape((x.shape[0], 32 * 5 * 5)))


def gpt() -> Any:
    tg.seed(4)
    model = programs.GPT(letters=11, width=32, length=40)
    rng = np.random.default_rng(1)
    return programs.of_letters, model, (rng.integers(0, 11, (4, 40)), rng.integers(0, 11, (4, 40)))


def pictures() -> Any:
    tg.seed(4)
    model = Pictures()
    rng = np.random.default_rng(1)
    return F.cross_entropy, model, (
        rng.normal(size=(12, 3, 11, 11)).astype(np.float32), rng.integers(0, 10, 12))


@pytest.mark.parametrize(("make", "names"), [
    (gpt, {"attention_tiled", *BACKWARD, "matmul_registers", "matmul_vectorised"}),
    (pictures, {"matmul_registers"}),
])
def test_training(make: Any, names: set[str]) -> None:
    def trained(**how: Any) -> Any:
        loss_of, model, batch = make()
        step = programs.step_of(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), loss_of)
        if how:
            step = tg.static(step, **how)
        return [step(*programs.tensors(batch)).item() for _ in range(4)], model.state_dict(), step

    losses, state, _ = trained()
    got, after, step = trained(level="O3", executor="emulated")
    np.testing.assert_allclose(got, losses, rtol=1e-5)
    for key, value in state.items():
        np.testing.assert_allclose(after[key].numpy(), value.numpy(), rtol=1e-3, atol=1e-5, err_msg=key)
    assert set(launched(step)) == names
