"""Functions of one's own: any code forward, a rule in tensors backward, one vertex in both modes."""

from __future__ import annotations

import copy
import ctypes
import math
import pickle
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.static import static


class Sinc(tg.Function):
    """sin(x) / x, with its derivative in tensors."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        z = np.sin(x) / x
        ctx.save(x, z)
        return z

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, z = ctx.saved
        return g * (tg.cos(x) - z) / x


class SincInNumpy(Sinc):
    """The same, with NumPy in backward."""

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x = ctx.saved[0].numpy()
        return g * tg.tensor((np.cos(x) - np.sin(x) / x) / x)


class SincSlope(tg.Function):
    """The same, with the derivative computed forward and kept."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save((np.cos(x) - np.sin(x) / x) / x)
        return np.sin(x) / x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved[0]


class DivMod(tg.Function):
    """Quotient and remainder by a number: two results, a plain argument and a setting."""

    @staticmethod
    def forward(ctx: Any, x: Any, n: float, *, scale: float = 1.0) -> Any:
        ctx.n, ctx.scale = n, scale
        return np.floor(x / n) * scale, np.mod(x, n) * scale, np.floor(x / n).astype(np.int32)

    @staticmethod
    def backward(ctx: Any, gq: Any, gr: Any, gi: Any) -> Any:
        return gr * ctx.scale, None


def leaf(*values: float) -> tg.Tensor:
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


@pytest.mark.parametrize("function", [Sinc, SincInNumpy, SincSlope])
def test_first_gradient(function: type[tg.Function]) -> None:
    x = leaf(0.5, 1.0, 3.0)
    z = function.apply(x)
    np.testing.assert_array_equal(z.numpy(), np.sin(x.numpy()) / x.numpy())
    assert z.op.name == "item" if function is SincSlope else z.op.name == function.__name__
    z.backward(tg.tensor([1.0, 2.0, 3.0], dtype=tg.float64))
    v = x.numpy()
    np.testing.assert_allclose(x.grad.numpy(), [1, 2, 3] * (np.cos(v) / v - np.sin(v) / v**2), rtol=1e-14)
    assert tg.gradcheck(function.apply, x).ok


def test_second_gradient_where_backward_is_made_of_ops() -> None:
    assert tg.gradcheck(Sinc.apply, leaf(0.5, 1.0, 3.0), order=3).ok
    value = tg.hessian(lambda x: Sinc.apply(x).sum())(leaf(2.0))
    expected = (-math.sin(2) / 2) - 2 * math.cos(2) / 4 + 2 * math.sin(2) / 8
    assert value.item() == pytest.approx(expected, rel=1e-14)


def test_second_gradient_refused_where_backward_leaves_the_graph() -> None:
    x = leaf(0.5)
    g = tg.grad(SincInNumpy.apply(x).sum(), x, create_graph=True)
    with pytest.raises(tg.GradientError, match=r"SincInNumpy cannot .*NumPy array at test_function.py:\d+"):
        tg.grad(g.sum(), x)
    g = tg.grad(SincSlope.apply(x).sum(), x, create_graph=True)
    with pytest.raises(tg.GradientError, match=r"SincSlope cannot .*neither an argument nor a result"):
        tg.grad(g.sum(), x)
    assert not tg.gradcheck(SincInNumpy.apply, x).forward_mode
    assert tg.gradcheck(SincSlope.apply, x).forward_mode


def test_what_does_not_matter_may_leave_the_graph() -> None:
    class Scaled(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save(np.array(3.0), None)
            return 3 * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            scale, nothing = ctx.saved
            assert nothing is None
            return g * float(scale.detach())

    assert tg.gradcheck(Scaled.apply, leaf(1.0, 2.0), order=2).ok


def test_several_results_and_other_arguments() -> None:
    x = leaf(5.5, -3.0)
    quotient, remainder, integers = DivMod.apply(x, 2.0, scale=10.0)
    np.testing.assert_array_equal(quotient.numpy(), [20.0, -20.0])
    np.testing.assert_array_equal(remainder.numpy(), [15.0, 10.0])
    assert integers.dtype == tg.int32
    assert not integers.requires_grad
    remainder.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [10.0, 10.0])


def test_unused_results_have_zero_gradients_and_needs_grad_tells() -> None:
    seen = []

    class Both(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y, (x * y).astype(np.float32)

        @staticmethod
        def backward(ctx: Any, gs: Any, gp: Any) -> Any:
            seen.append((gs.numpy(), gp.numpy(), ctx.needs_grad))
            return gs, gs

    x, y = leaf(1.0, 2.0), tg.tensor([3.0, 4.0], dtype=tg.float64)
    Both.apply(x, y)[0].sum().backward()
    assert seen[0][2] == (True, False)
    np.testing.assert_array_equal(seen[0][0], [1, 1])
    np.testing.assert_array_equal(seen[0][1], [0, 0])
    assert seen[0][1].dtype == np.float32


def test_broadcast_gradients_are_summed_as_for_ops() -> None:
    class Add(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, g

    assert tg.gradcheck(Add.apply, leaf(1.0, 2.0), tg.ones((3, 2), dtype=tg.float64), order=2).ok


def make(forward: Any, backward: Any) -> type[tg.Function]:
    return type("Mine", (tg.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


@pytest.mark.parametrize(("forward", "backward", "message"), [
    (lambda ctx, x: 2 * x, lambda ctx, g: (g, g), r"Mine.backward returned 2 gradients, .* given 1 arguments"),
    (lambda ctx, x: 2 * x, lambda ctx, g: (), r"Mine.backward returned 0 gradients"),
    (lambda ctx, x: 2 * x, lambda ctx, g: g.numpy(), r"Mine.backward returned a ndarray for argument 0"),
    (lambda ctx, x: 2 * x, lambda ctx, g: g[:1], r"Mine.backward returned a gradient of shape \(1,\) .* shape \(2,\)"),
    (lambda ctx, x: None, lambda ctx, g: g, r"Mine.forward returns arrays, not None"),
    (lambda ctx, x: "text", lambda ctx, g: g, r"Mine.forward returned something else than numbers"),
    (lambda ctx, x: x * 1j, lambda ctx, g: g, r"complex128.* is not a supported dtype"),
    (lambda ctx, x: ctx.save("text") or x, lambda ctx, g: g, r"Mine: ctx.save takes arrays, not a str"),
    (lambda ctx, x: np.add(x, 1, out=x), lambda ctx, g: g, r"(?s)Mine.forward writes to an array .*x.copy\(\)"),
    (lambda ctx, x: 2 * x, tg.Function.backward, r"without backward"),
])
def test_mistakes_are_explained(forward: Any, backward: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        make(forward, backward).apply(leaf(1.0, 2.0)).sum().backward()


def test_mistakes_in_the_call_are_explained() -> None:
    with pytest.raises(tg.DTypeError, match=r"Sinc.apply.. needs at least one tensor"):
        Sinc.apply(3.0)
    with pytest.raises(tg.TeachgradError, match=r"Sinc.apply"):
        Sinc()
    wrong = make(lambda ctx, x, n: x * n, lambda ctx, g: (g, g))
    with pytest.raises(tg.GradientError, match=r"gradient for argument 1, which is no tensor"):
        wrong.apply(leaf(1.0), 3).backward()


def test_results_have_memory_of_their_own() -> None:
    kept = []

    def forward(ctx: Any, x: Any) -> Any:
        kept.append(x)
        return x, x[1:], np.broadcast_to(x[0], (3,))

    x = leaf(1.0, 2.0)
    same, part, wide = make(forward, lambda ctx, a, b, c: a).apply(x)
    assert not any(np.may_share_memory(y.numpy(), x.numpy()) for y in (same, part, wide))
    assert not kept[0].flags.writeable
    with tg.no_grad():
        same += 1
        wide += 1
    np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])


def test_an_input_overwritten_before_backward_is_an_error() -> None:
    x = leaf(1.0, 2.0) * 1.0
    z = Sinc.apply(x)
    x += 1.0
    with pytest.raises(tg.InplaceError, match=r"Sinc at test_function.py:\d+ .*overwritten .* test_function.py:\d+"):
        z.sum().backward()


def test_any_code_may_run_inside() -> None:
    libm = ctypes.CDLL(None)
    libm.erf.restype, libm.erf.argtypes = ctypes.c_double, [ctypes.c_double]

    class Erf(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save(x)
            return np.array([libm.erf(v) for v in x.ravel()]).reshape(x.shape)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved
            return g * (2 / math.sqrt(math.pi)) * tg.exp(-x * x)

    x = leaf(-1.0, 0.3, 2.0)
    np.testing.assert_allclose(Erf.apply(x).numpy(), [math.erf(v) for v in x.numpy()], rtol=1e-15)
    assert tg.gradcheck(Erf.apply, x, order=2).ok


@pytest.mark.oracles("torch", "scipy")
def test_scipy_convolution_agrees_with_torch() -> None:
    import torch
    from scipy.signal import convolve2d, correlate2d

    class Convolve(tg.Function):
        """Valid cross-correlation of a picture with a filter; the gradient of the second input is one too."""

        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save(x, w)
            return correlate2d(x, w, mode="valid")

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved
            return Spread.apply(g, w), Convolve.apply(x, g)

    class Spread(tg.Function):
        """Full convolution, the adjoint of `Convolve` in its first input."""

        @staticmethod
        def forward(ctx: Any, g: Any, w: Any) -> Any:
            ctx.save(g, w)
            return convolve2d(g, w, mode="full")

        @staticmethod
        def backward(ctx: Any, h: Any) -> Any:
            g, w = ctx.saved
            return Convolve.apply(h, w), Convolve.apply(h, g)

    rng = np.random.default_rng(0)
    x, w = tg.tensor(rng.normal(size=(6, 5))), tg.tensor(rng.normal(size=(3, 2)))
    assert tg.gradcheck(Convolve.apply, x, w, order=2).ok
    x.requires_grad = w.requires_grad = True
    z = Convolve.apply(x, w)
    (z * z).sum().backward()
    tx, tw = (torch.tensor(v.numpy(), requires_grad=True) for v in (x, w))
    tz = torch.nn.functional.conv2d(tx[None, None], tw[None, None])[0, 0]
    (tz * tz).sum().backward()
    for mine, theirs in ((z.detach(), tz.detach()), (x.grad, tx.grad), (w.grad, tw.grad)):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-12)


# ---- in static mode --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function", [Sinc, SincSlope])
def test_same_bits_in_static_mode(function: type[tg.Function]) -> None:
    def step(x: tg.Tensor) -> tg.Tensor:
        loss = (function.apply(x) * x).sum()
        loss.backward()
        return loss

    compiled = static(step)
    for values in ((0.5, 1.5), (0.25, 3.0), (2.0, 4.0)):
        a, b = leaf(*values), leaf(*values)
        assert step(a).numpy().tobytes() == compiled(b).numpy().tobytes()
        assert a.grad.numpy().tobytes() == b.grad.numpy().tobytes()


def test_static_mode_keeps_it_one_vertex_and_passes_plain_arguments() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        return DivMod.apply(x, 2.0, scale=3.0)[1]

    compiled = static(f)
    for values in ((5.5, -3.0), (1.0, 7.25)):
        np.testing.assert_array_equal(compiled(leaf(*values)).numpy(), f(leaf(*values)).numpy())
    assert [str(v.op) for v in compiled.graph.order] == ["DivMod", "item"]


def test_static_mode_refuses_shapes_and_facts_that_depend_on_values() -> None:
    positive = make(lambda ctx, x: x[x > 1], lambda ctx, g: g)
    with pytest.raises(tg.TraceError, match=r"TG-S11.*float64"):
        static(lambda x: positive.apply(x))(leaf(2.0, 3.0))

    def largest(ctx: Any, x: Any) -> Any:
        ctx.largest = float(x.max())
        return x / ctx.largest

    scaled = make(largest, lambda ctx, g: g / ctx.largest)
    with pytest.raises(tg.TraceError, match=r"TG-S11.*ctx.largest"):
        static(lambda x: scaled.apply(x))(leaf(2.0, 3.0))

    def fails(ctx: Any, x: Any) -> Any:
        if x.min() < 1:
            raise OverflowError("too small")
        return x

    with pytest.raises(tg.TraceError, match=r"TG-S11.*made-up numbers.*OverflowError: too small"):
        static(lambda x: make(fails, lambda ctx, g: g).apply(x))(leaf(2.0, 3.0))


def test_ops_of_functions_can_be_copied_and_pickled() -> None:
    assert copy.deepcopy(Sinc.op) is Sinc.op
    assert pickle.loads(pickle.dumps(Sinc.op)) is Sinc.op
    assert "sin(x) / x" in Sinc.op.card()


# ---- results that are overwritten ------------------------------------------------------------------------------------

def _qr(x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
    return tuple(tg.linalg.qr(x))


class Pair(tg.Function):
    """exp(x) and the place of the largest x, both kept for backward."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        z, place = np.exp(x), np.asarray(x.argmax())
        ctx.save(z, place)
        return z, place

    @staticmethod
    def backward(ctx: Any, g: Any, _: Any) -> Any:
        z, place = ctx.saved
        return g * z * (1.0 + tg.astype(place, tg.float64))


@pytest.mark.parametrize(("function", "overwritten"), [(_qr, 0), (_qr, 1), (Pair.apply, 0), (Pair.apply, 1)])
@pytest.mark.parametrize("recorded", [True, False])
def test_overwriting_one_of_several_results_spoils_no_gradient(function: Any, overwritten: int, recorded: bool) -> None:
    def gradient(overwrite: bool) -> Any:
        x = tg.tensor([[1.0, 2.0], [-0.5, 1.5]], dtype=tg.float64, requires_grad=True)
        results = function(x)
        loss = results[0].sum() + (results[1].sum() if results[1].requires_grad else 0.0)
        if overwrite and recorded:
            part = results[overwritten]
            part += 1
        elif overwrite:
            with tg.no_grad():
                results[overwritten].zero_()
        loss.backward()
        return x.grad.numpy()

    np.testing.assert_array_equal(gradient(True), gradient(False))
