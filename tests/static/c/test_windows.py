"""Convolution and pooling as generated C, of all shapes: values, gradients, and gradients of gradients.

Held against dynamic mode, and against PyTorch where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad import nn
from teachgrad.executors.c import compiler
from teachgrad.executors.c.compiler import cache_dir, has_openmp
from teachgrad.nn import functional as F

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
FEW, MANY = settings(max_examples=4), settings(max_examples=120)
BOUNDS = {"float32": 1e-5, "float64": 1e-12}
"""Of an op, relative to the largest number. Here sums of up to some thousand terms follow one another."""
SLACK = 20

Program = Callable[..., Any]
Case = tuple[Program, tuple[Any, ...], str]
"""A function of tensors whose result is pulled back, its inputs, and how torch.nn.functional is called for the same."""


@st.composite
def sizes(draw: Any, axes: int, least: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(draw(st.integers(n, n + 7)) for n in least[:axes])


@st.composite
def convolutions(draw: Any) -> Case:
    axes, dtype = draw(st.sampled_from([1, 2])), draw(st.sampled_from(["float32", "float64"]))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups, kernel, stride, dilation = draw(st.sampled_from([1, 1, 2, 3])), each(1, 5), each(1, 3), each(1, 2)
    padding = each(0, 4)
    images, channels, out = (draw(st.integers(1, n)) for n in (20, 4, 5))
    size = draw(sizes(axes, tuple(max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in
                                  zip(dilation, kernel, padding, strict=True))))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(images, channels * groups, *size))
    bias = [rng.normal(size=out * groups)] if draw(st.booleans()) else []
    choices = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if draw(st.booleans()):
        weight, name = rng.normal(size=(out * groups, channels, *kernel)), f"conv{axes}d"
    else:
        weight, name = rng.normal(size=(channels * groups, out, *kernel)), f"conv_transpose{axes}d"
        choices["padding"] = tuple(min(p, d * (k - 1) // 2) for p, d, k in zip(padding, dilation, kernel, strict=True))
        choices["output_padding"] = tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True))
    return choices_of(name, choices), tuple(a.astype(dtype) for a in (x, weight, *bias)), name


@st.composite
def pools(draw: Any) -> Case:
    axes, dtype = draw(st.sampled_from([1, 2])), draw(st.sampled_from(["float32", "float64"]))
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(axes))
    stride = kernel if draw(st.booleans()) else tuple(draw(st.integers(1, 4)) for _ in range(axes))
    choices: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "ceil_mode": draw(st.booleans()),
                               "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel)}
    name = draw(st.sampled_from(["max_pool", "avg_pool"]))
    reach = kernel
    if name == "max_pool":
        dilation = tuple(draw(st.integers(1, 2)) for _ in range(axes))
        choices["dilation"], reach = dilation, tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    else:
        choices["count_include_pad"] = draw(st.booleans())
        if axes == 2:
            choices["divisor_override"] = draw(st.sampled_from([None, 3]))
    size = draw(sizes(axes, reach))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-2, 3, (draw(st.integers(1, 20)), draw(st.integers(1, 3)), *size))  # with many equal ones
    return choices_of(f"{name}{axes}d", choices), (x.astype(dtype),), f"{name}{axes}d"


def choices_of(name: str, choices: dict[str, Any]) -> Program:
    def call(*inputs: Any, library: Any = F) -> Any:
        return getattr(library, name)(*inputs, **choices)

    call.__name__ = f"{name}_{choices}"
    return call


def pulled(call: Program) -> Program:
    """The result, its gradients along a vector, and theirs along another."""
    def run(*inputs: Any) -> Any:
        z = call(*inputs)
        first = tg.grad((z * z * waves(z)).sum(), inputs, create_graph=True)
        second = tg.grad(sum((g * g * waves(g)).sum() for g in first), inputs)
        return z, *first, *second

    return run


def waves(z: Any) -> Any:
    return tg.tensor(np.cos(np.arange(z.size)).reshape(z.shape).astype(z.dtype))


def close(got: Any, want: Any, name: str) -> None:
    bound = SLACK * BOUNDS[str(want.dtype)]
    np.testing.assert_allclose(got, want, rtol=bound, atol=bound * np.abs(want).max(initial=0), err_msg=name)


def compare(case: Case) -> None:
    call, arrays, _ = case
    inputs = [tg.tensor(a, requires_grad=True) for a in arrays]
    step = tg.static(pulled(call), level="O3")
    for got, want in zip(step(*inputs), pulled(call)(*inputs), strict=True):
        close(got.numpy(), want.numpy(), call.__name__)
    assert "numpy: conv" not in tg.source(step)
    assert "pool" not in tg.source(step).partition("/* A call:")[2]


def compare_with_torch(case: Case) -> None:
    import torch

    call, arrays, _ = case
    step = tg.static(lambda *xs: (z := call(*xs), *tg.grad((z * z * waves(z)).sum(), xs)), level="O3")
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    z = call(*inputs, library=torch.nn.functional)
    (z * z * torch.tensor(np.cos(np.arange(z.numel())).reshape(z.shape).astype(arrays[0].dtype))).sum().backward()
    wanted = [z.detach(), *(x.grad for x in inputs)]
    for got, want in zip(step(*[tg.tensor(a, requires_grad=True) for a in arrays]), wanted, strict=True):
        close(got.numpy(), want.numpy(), call.__name__)


@FEW
@given(convolutions())
def test_convolution(case: Case) -> None:
    compare(case)


@FEW
@given(pools())
def test_pooling(case: Case) -> None:
    compare(case)


@pytest.mark.slow
@MANY
@given(st.one_of(convolutions(), pools()))
def test_many(case: Case) -> None:
    compare(case)


@pytest.mark.slow
@pytest.mark.oracles("torch")
@MANY
@given(st.one_of(convolutions(), pools()))
def test_many_beside_torch(case: Case) -> None:
    compare_with_torch(case)


@pytest.mark.oracles("torch")
def test_padding_never_wins_a_window() -> None:
    import torch

    x = np.full((1, 1, 3, 3), -np.inf, np.float32)
    theirs = torch.tensor(x, requires_grad=True)
    torch.nn.functional.max_pool2d(theirs, 2, 2, 1).sum().backward()
    for level in ("O1", "O3"):
        step = tg.static(lambda x: tg.grad(F.max_pool2d(x, 2, 2, 1).sum(), x), level=level)
        np.testing.assert_array_equal(step(tg.tensor(x, requires_grad=True)).numpy(), theirs.grad.numpy())


@pytest.mark.parametrize("images", [1, 3, 2050])
def test_special_values_and_ties(images: int) -> None:
    """nan wins a window, and gets no gradient; of equal elements the first one gets it."""
    rng = np.random.default_rng(0)
    values = np.array([0.0, 1.0, -np.inf, np.inf, np.nan], np.float32)
    x = rng.choice(values, (images, 2, 7, 5), p=[.4, .4, .1, .05, .05])

    def run(x: Any) -> Any:
        z = F.max_pool2d(x, 3, 2, 1)
        return z, tg.grad(tg.where(tg.isfinite(z), 2.0 * z, 1.0).sum(), x)

    step = tg.static(run, level="O3")
    given = tg.tensor(x, requires_grad=True)
    for got, want in zip(step(given), run(given), strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_a_network_is_one_function() -> None:
    """Nothing of the training step of a convolutional network is left to NumPy."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2),
                          nn.AvgPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(24, 5))

    def train(x: Any, labels: Any) -> Any:
        loss = F.cross_entropy(model(x), labels)
        model.zero_grad()
        loss.backward()
        return loss, [p.grad for p in model.parameters()]

    rng = np.random.default_rng(0)
    x, labels = tg.tensor(rng.normal(size=(9, 2, 14, 14)).astype(np.float32)), tg.tensor(rng.integers(0, 5, 9))
    wanted_loss, wanted = train(x, labels)
    step = tg.static(train, level="O3")
    loss, gradients = step(x, labels)
    assert "numpy:" not in tg.source(step)
    np.testing.assert_allclose(loss.numpy(), wanted_loss.numpy(), rtol=1e-5)
    for got, want in zip(gradients, wanted, strict=True):
        close(got.numpy(), want.numpy(), "gradient")


def test_axes_are_turned_once_on_the_way_in() -> None:
    """What stands between convolutions keeps their order of axes, batch normalization and its gradient included."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3))
    step = tg.static(lambda x, *w: tg.grad((model(x) ** 2.0).sum(), w), level="O3")
    x = tg.tensor(np.random.default_rng(0).normal(size=(17, 2, 9, 9)), dtype="float32")
    for got, want in zip(step(x, *model.parameters()), tg.grad((model(x) ** 2.0).sum(), list(model.parameters())),
                         strict=True):
        close(got.numpy(), want.numpy(), "gradient")
    kernels = [line for line in tg.source(step).splitlines() if line.startswith("KERNEL")]
    assert [line for line in kernels if "copy" in line.partition("(")[0]] == kernels[:1]


@pytest.mark.parametrize(("x", "weight"), [((40, 3, 20, 20), (5, 3, 3, 3)), ((33, 1, 4000), (1, 1, 5)),
                                           ((2, 1, 200, 90), (1, 1, 1, 2))])
def test_threads_share_windows_and_the_bits_stay(x: tuple[int, ...], weight: tuple[int, ...]) -> None:
    """Also where there is but one channel, and no loop that may be divided."""
    how = compiler()
    if how is None or not has_openmp(how, str(cache_dir())):
        pytest.skip("needs OpenMP")
    rng = np.random.default_rng(0)
    inputs = [tg.tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True) for shape in (x, weight)]
    name = f"{len(x) - 2}d"

    def run(x: Any, w: Any) -> Any:
        z = getattr(F, f"max_pool{name}")(getattr(F, f"conv{name}")(x, w, padding=1), 2)
        z = getattr(F, f"avg_pool{name}")(z, 3, 1)
        return z, *tg.grad((z * z).sum(), [x, w])

    one, two = (tg.static(run, level="O3", threads=n) for n in (1, 2))
    first = [a.numpy().tobytes() for a in one(*inputs)]
    for _ in range(5):
        assert [a.numpy().tobytes() for a in two(*inputs)] == first
    forward = next(k for k in tg.source(two).split("KERNEL") if k.partition("(")[0].endswith("_convolution"))
    assert ("#pragma omp parallel for" in forward) == (len(x) == 4)


def test_long_sums_keep_their_digits() -> None:
    """The gradient of a weight sums over all places of all images: half a million terms here, all positive."""
    x = np.random.default_rng(0).uniform(size=(32, 1, 130, 130)).astype(np.float32)
    weight = tg.tensor(np.ones((1, 1, 3, 3), np.float32), requires_grad=True)
    step = tg.static(lambda x, w: tg.grad(F.conv2d(x, w).sum(), w), level="O3")
    exact = [[x[:, 0, k:k + 128, m:m + 128].sum(dtype=np.float64) for m in range(3)] for k in range(3)]
    np.testing.assert_allclose(step(tg.tensor(x), weight).numpy()[0, 0], exact, rtol=1e-6)
