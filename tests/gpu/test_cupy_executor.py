"""The executor `cupy` without a GPU: its own code, on a stand-in for CuPy whose kernels the emulator runs.

The stand-in has CuPy's arrays, its modules, streams and graphs, and a cuBLAS of NumPy's products that is called by
addresses. What this cannot show is how a real GPU behaves; the tests marked `gpu` do that where there is one.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.calls import say_once
from teachgrad_gpu.executors.cupy import Batch, OnGpu
from tests.export import programs
from tests.gpu.catalogued import CASES, gradients, normal
from tests.gpu.fake import FakeBlas, FakeGpu, FakeStream
from tests.gpu.strict import CARRIED, StrictArray

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


def stopped(*arguments: Any) -> None:
    """What is done where there is no memory left."""
    raise MemoryError


def trained(make: Any, place: str, **how: Any) -> tuple[list[float], Any, Any]:
    """The losses of five steps, the model, and the step."""
    tg.seed(2)
    model, optimizer, batch = make(place)
    step = programs.step_of(model, optimizer)
    if how:
        step = tg.static(step, **how)
    xs = [tg.tensor(a).to(place) for a in batch]
    return [step(*xs).item() for _ in range(5)], model, step


def perceptron(place: str) -> Any:
    model = nn.Sequential(nn.Linear(40, 64), nn.Tanh(), nn.LayerNorm(64), nn.Dropout(0.2), nn.Linear(64, 10)).to(place)
    rng = np.random.default_rng(5)
    return model, optim.Adam(model.parameters(), lr=0.01), (rng.normal(size=(32, 40)).astype(np.float32),
                                                            rng.integers(0, 10, 32))


def pictures(place: str) -> Any:
    model = programs.LeNet().to(place)
    x, t = programs.digits(flatten=False)
    return model, optim.SGD(model.parameters(), lr=0.05, momentum=0.9), (x[:8], t[:8])


@pytest.mark.parametrize("make", [perceptron, pytest.param(pictures, marks=pytest.mark.slow)])
def test_a_training_step_is_captured_and_replayed(make: Any, gpu: FakeGpu) -> None:
    want, on_cpu, _ = trained(make, "cpu")
    FakeBlas.calls = 0
    got, there, step = trained(make, "gpu", level="O3", executor="cupy")
    np.testing.assert_allclose(got, want, rtol=1e-5)
    for p, q in zip(there.parameters(), on_cpu.parameters(), strict=True):
        assert p.device == "gpu"
        np.testing.assert_allclose(p.to("cpu").numpy(), q.numpy(), rtol=1e-3, atol=1e-4)
    (batch,) = step.trace.program.batches
    assert isinstance(batch, Batch)
    assert batch.runs == 5, "the first call launches, the second captures, all others replay"
    assert batch.graph.count == len(batch.calls)
    assert not step.trace.program.commits, "and new values over the old ones, too"
    if make is perceptron:
        assert FakeBlas.calls == 2 * sum(call.product is not None for call in batch.calls) > 0
        assert "by cuBLAS" in step.source
    program = step.trace.program
    assert all(program.arrays[v.id] is array for v, array in zip(program.graph.cells, program.adopted, strict=True)
               if array is not None), "parameters are used where they are"


def test_products_of_all_kinds(gpu: FakeGpu) -> None:
    """Transposed, batched, broadcast, with vectors, seen through slices."""
    rng = np.random.default_rng(1)

    def products(a: Any, b: Any, c: Any, v: Any) -> Any:
        return [a @ b, a @ b.T.T, b.T @ a.T, a @ v, v @ b, c @ b, c.mT @ a, c[1:] @ b, a[5:40] @ b[:, 3:40],
                c.reshape((2, 3, 40, 40)) @ c.reshape((2, 3, 40, 40)).mT, c[:, ::-1] @ b[::-1]]

    arrays = [rng.normal(size=shape) for shape in ((40, 40), (40, 50), (6, 40, 40), (40,))]
    want = products(*[tg.tensor(a) for a in arrays])
    for dtype in (np.float64, np.float32):
        step = tg.static(products, level="O3", executor="cupy")
        FakeBlas.calls = 0
        got = step(*[tg.tensor(a.astype(dtype), device="gpu") for a in arrays])
        assert FakeBlas.calls > 4
        assert step.source.count("_in_rows<<<") == 2, "cuBLAS takes no rows that run backwards"
        for z, expected in zip(got, want, strict=True):
            np.testing.assert_allclose(z.to("cpu").numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("first", "second", "calls"), [
    ((2, 3, 40, 50), (2, 3, 50, 30), 1),
    ((2, 1, 3, 40, 50), (1, 1, 50, 30), 1),
    ((5, 1, 40, 50), (5, 3, 50, 30), 5),
    ((1, 3, 40, 50), (5, 3, 50, 30), 5),
])
def test_a_batch_whose_matrices_follow_each_other_is_one_call(first: Any, second: Any, calls: int,
                                                              gpu: FakeGpu) -> None:
    x, y = normal("float64", first, second)
    step = tg.static(lambda x, y: x @ y, level="O3", executor="cupy")
    FakeBlas.calls = 0
    z = step(tg.tensor(x, device="gpu"), tg.tensor(y, device="gpu"))
    np.testing.assert_allclose(z.to("cpu").numpy(), x @ y, rtol=1e-12, atol=1e-12)
    assert FakeBlas.calls == calls


def test_kernels_of_the_catalogue_are_captured_too(gpu: FakeGpu) -> None:
    def attend(x: Any, w: Any) -> Any:
        q, k, v = tg.unstack(tg.permute_dims((x @ w).reshape((2, 40, 3, 2, 16)), (2, 0, 3, 1, 4)))
        return tg.grad((F.scaled_dot_product_attention(q, k, v, is_causal=True) ** 2.0).sum(), w)

    rng = np.random.default_rng(6)
    x, w = (tg.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((2, 40, 32), (32, 96)))
    want = attend(x, w).numpy()
    x, w = (tg.tensor(a.numpy(), requires_grad=True, device="gpu") for a in (x, w))
    step = tg.static(attend, level="O3", executor="cupy")
    for _ in range(3):
        np.testing.assert_allclose(step(x, w).to("cpu").numpy(), want, rtol=1e-9, atol=1e-9)
    (batch,) = step.trace.program.batches
    assert batch.graph.count == len(batch.calls), "kernels, copies and products, all in one graph"
    assert [call.name for call in batch.calls if call.source is not None] == [
        "attention_tiled", "attention_backward_dots", "attention_backward_keys", "attention_backward_queries"]


@pytest.mark.parametrize("name", CASES)
def test_what_the_library_and_the_catalogue_compute(name: str, gpu: FakeGpu) -> None:
    function, shapes = CASES[name]
    xs = [tg.tensor(a, requires_grad=True) for a in normal("float64", *shapes)]
    want = gradients(function, *xs)
    step = tg.static(lambda *given: gradients(function, *given), level="O3", executor="cupy")
    got = step(*[tg.tensor(x.numpy(), requires_grad=True, device="gpu") for x in xs])
    for z, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(z.to("cpu").numpy(), expected.numpy(), rtol=1e-9, atol=1e-9)
    by_catalogue = any(launch.source is not None for launch in step.trace.program.building.launches)
    assert by_catalogue == (name in ("attention", "attention of one projection"))
    assert by_catalogue or step.source.count(" by cuBLAS") >= 2


def test_convolutions_are_products_of_cublas(gpu: FakeGpu) -> None:
    def gradients(x: Any, w: Any, b: Any) -> Any:
        return tg.grad((F.conv2d(x, w, b, padding=1, groups=2) ** 2.0).sum(), [x, w, b])

    rng = np.random.default_rng(8)
    xs = [tg.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((6, 8, 16, 17), (40, 4, 3, 3), (40,))]
    want = gradients(*xs)
    step = tg.static(gradients, level="O3", executor="cupy")
    FakeBlas.calls = 0
    got = step(*[tg.tensor(x.numpy(), requires_grad=True, device="gpu") for x in xs])
    for z, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(z.to("cpu").numpy(), expected.numpy(), rtol=1e-10, atol=1e-10)
    assert FakeBlas.calls == step.source.count(" by cuBLAS") == 3
    assert "2 products of 20 x 36 and 36 x 1632 numbers by cuBLAS for convolution" in step.source


def test_tensors_must_be_where_the_executor_is(gpu: FakeGpu) -> None:
    step = tg.static(lambda x: x * 2.0, level="O3", executor="cupy")
    with pytest.raises(tg.DeviceError, match='computes on "gpu"'):
        step(tg.ones((3, 4)))
    assert step(tg.ones((3, 4), device="gpu")).device == "gpu"

    def tells(x: Any) -> Any:
        y = F.dropout(x * 2.0, 0.5) + tg.zeros_like(x)
        return y, x.device, y.device

    y, first, second = tg.static(tells, level="O3", executor="cupy")(tg.ones((3, 4), device="gpu"))
    assert (first, second, y.device) == ("gpu", "gpu", "gpu"), "also while there are no values"


def test_moving_parameters_makes_the_launches_anew(gpu: FakeGpu) -> None:
    w = tg.tensor([1.0, 2.0], device="gpu")
    step = tg.static(lambda x: x * w, level="O3", executor="cupy")
    x = tg.tensor([3.0, 4.0], device="gpu")
    for _ in range(3):
        assert step(x).to("cpu").numpy().tolist() == [3.0, 8.0]
    w.data = tg.tensor([5.0, 5.0], device="gpu")._data
    assert step(x).to("cpu").numpy().tolist() == [15.0, 20.0]


def test_launches_that_could_not_be_made_anew_are_made_later(gpu: FakeGpu, monkeypatch: Any) -> None:
    """Else they would go on with the array that was there before."""
    w = tg.tensor([1.0, 2.0], device="gpu")

    def grow(x: Any) -> Any:
        w.__iadd__(1.0)
        return x * w

    step, x = tg.static(grow, level="O3", executor="cupy"), tg.tensor([3.0, 4.0], device="gpu")
    step(x)
    w.data = tg.tensor([5.0, 5.0], device="gpu")._data
    with monkeypatch.context() as context:
        context.setattr(OnGpu, "prepare", stopped)
        with pytest.raises(MemoryError):
            step(x)
    assert step(x).to("cpu").numpy().tolist() == [18.0, 24.0]
    assert w.to("cpu").numpy().tolist() == [6.0, 6.0]


def test_parameters_that_kernels_cannot_use_where_they_are(gpu: FakeGpu, monkeypatch: Any) -> None:
    """They are copied in; and the array that was there before belongs to somebody else by then."""
    monkeypatch.setattr(OnGpu, "adopts", lambda self, array: array.size == array._array.base.size
                        if array._array.base is not None else True)
    w = tg.tensor([1.0, 2.0], device="gpu")
    before = w._data
    step = tg.static(lambda x: x * w, level="O3", executor="cupy")
    x = tg.tensor([3.0, 4.0], device="gpu")
    assert step(x).to("cpu").numpy().tolist() == [3.0, 8.0]
    w.data = tg.tensor([0.0, 5.0, 6.0], device="gpu")._data[1:]
    assert step(x).to("cpu").numpy().tolist() == [15.0, 24.0]
    assert before.get().tolist() == [1.0, 2.0]


def test_a_failed_capture_is_said_and_launched_one_by_one(gpu: FakeGpu, monkeypatch: Any) -> None:
    def broken(self: Any) -> None:
        raise RuntimeError("operation not permitted")

    monkeypatch.setattr(FakeStream, "begin_capture", broken)
    monkeypatch.setattr(FakeStream, "end_capture", lambda self: None)
    step = tg.static(lambda x: x + 1.0, level="O3", executor="cupy")
    x = tg.ones(3, device="gpu")
    step(x)
    with pytest.warns(RuntimeWarning, match="does not capture"):
        step(x)
    assert step(x).to("cpu").numpy().tolist() == [2.0, 2.0, 2.0]


def test_the_gpu_draws_the_bits_of_the_cpu(gpu: FakeGpu) -> None:
    def draw(place: str) -> list[Any]:
        return [tg.random.uniform((5, 3), low=-1.0, high=2.0, device=place),
                tg.random.uniform((7,), dtype=tg.float64, device=place), tg.random.bernoulli(0.3, (9,), device=place),
                tg.random.uniform((4,), high=-1.0, dtype=tg.float16, device=place),
                tg.random.bernoulli(0.6, (5, 2), dtype=tg.int16, device=place),
                F.dropout(tg.ones((6, 7), device=place), 0.4), tg.random.normal((400, 4), device=place),
                tg.random.normal((), mean=-2.0, std=3.0, dtype=tg.float64, device=place),
                tg.random.normal((3000,), std=0.1, dtype=tg.float16, device=place),
                tg.random.integers(-5, 2**40, (7,), device=place), tg.random.integers(3, 4, (2,), device=place),
                tg.random.integers(200, shape=(3, 0), dtype=tg.uint8, device=place),
                tg.random.integers(200, shape=(70,), dtype=tg.uint8, device=place)]

    for _ in range(2):
        tg.seed(11)
        want = draw("cpu")
        tg.seed(11)
        gpu.moves.clear()
        CARRIED.clear()
        for z, expected in zip(draw("gpu"), want, strict=True):
            assert z.device == "gpu"
            assert z.to("cpu").numpy().tobytes() == expected.numpy().tobytes()
    assert [size for way, size in gpu.moves if way == "in"] == [6 * 7 * 4], "ones for the dropout"
    assert [size for size in CARRIED if size != 24] == [], "all numbers are drawn on the GPU"


def test_a_static_step_is_recorded(gpu: FakeGpu, tmp_path: Any) -> None:
    def record(place: str, executor: str) -> Any:
        path = tmp_path / f"{place}.tgr"
        with tg.Recorder(path, level="values"):
            losses, model, _ = trained(perceptron, place, level="O3", executor=executor)
        with sqlite3.connect(path) as database:
            rows = database.execute("select event.op, round(array.mean, 3) from event left join array on "
                                    "array.id = event.value where op != 'to_device' order by step, row").fetchall()
        return losses, rows, [p.to("cpu").numpy() for p in model.parameters()]

    want, got = record("cpu", "numpy"), record("gpu", "cupy")
    np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
    assert got[1] == want[1] != []
    for p, q in zip(got[2], want[2], strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-6, atol=1e-8)


def test_a_static_step_is_profiled_kernel_by_kernel(gpu: FakeGpu) -> None:
    _, _, step = trained(perceptron, "gpu", level="O3", executor="cupy")
    rng = np.random.default_rng(5)
    x = tg.tensor(rng.normal(size=(32, 40)).astype(np.float32), device="gpu")
    t = tg.tensor(rng.integers(0, 10, 32), device="gpu")
    with tg.profile() as profile:
        step(x, t)
    ((_, twin),) = profile.meter.programs.values()
    launches = [call.name for batch in step.trace.program.batches for call in batch.calls]
    assert [kernel.name for kernel in twin.kernels] == [*launches, "copy"]
    assert len(twin.ticks) == len(twin.kernels) + 1
    assert twin.ticks == sorted(twin.ticks)
    assert launches[0] in str(profile)
    assert {run.device for run in profile.runs} == {"gpu"}


def test_what_has_no_kernel_is_left_to_cupy(gpu: FakeGpu) -> None:
    step = tg.static(lambda x: tg.linalg.inv(x + 1.0) * 2.0, level="O3", executor="cupy")
    say_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="no CUDA kernel for inv"):
        z = step(tg.tensor(np.diag([1.0, 3.0]), device="gpu"))
    np.testing.assert_allclose(z.to("cpu").numpy(), 2 * np.linalg.inv(np.diag([1.0, 3.0]) + 1.0))
    assert len(step.trace.program.batches) == 2


def test_a_wrong_class_is_refused(gpu: FakeGpu) -> None:
    model = nn.Linear(3, 4).to("gpu")
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step = tg.static(programs.step_of(model, optimizer), level="O3", executor="cupy")
    x = tg.tensor(np.eye(3, dtype=np.float32), device="gpu")
    step(x, tg.tensor([0, 1, 2], device="gpu"))
    before = model.weight.to("cpu").numpy()
    with pytest.raises(IndexError, match="target 9 is not one of the 4"):
        step(x, tg.tensor([0, 9, 2], device="gpu"))
    assert model.weight.to("cpu").numpy().tobytes() == before.tobytes()


def test_draws_of_a_static_step_ask_the_device_nothing(gpu: FakeGpu, monkeypatch: Any) -> None:
    """The place in the random bits goes on by itself on both sides: no call copies it, unless somebody else draws."""
    model = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 8), nn.Dropout(0.2)).to("gpu")

    def noisy(x: Any) -> Any:
        return model(x) + tg.random.uniform((8,), name="noise", device=x.device)

    step = tg.static(noisy, level="O3", executor="cupy")
    moved: list[str] = []
    for name in ("get", "set"):
        kept = getattr(StrictArray, name)
        monkeypatch.setattr(StrictArray, name, lambda self, *args, name=name, kept=kept: (
            moved.append(name), kept(self, *args))[1])
    x = tg.ones((4, 5), device="gpu")
    tg.seed(3)
    got = [step(x) for _ in range(4)]
    assert moved == ["set"] * len(moved), "the places were copied in before the first call, and that was all"
    program = step.trace.program
    sites = [v for v, array in zip(program.graph.cells, program.adopted, strict=True) if array is None]
    assert len(moved) == len(sites) == 2
    tg.random.uniform((2,), name="noise")
    got.append(step(x))
    assert len(moved) == 3, "the other site has moved on, and nothing has for this one"
    tg.seed(3)
    for k, z in enumerate(got):
        if k == 4:
            tg.random.uniform((2,), name="noise")
        want = noisy(x)
        np.testing.assert_allclose(z.to("cpu").numpy(), want.to("cpu").numpy(), rtol=1e-5, atol=1e-6)
    places = zip(program.graph.cells, program.adopted, strict=True)
    assert [program.arrays[v.id].get().tolist()[2] for v, array in places if array is None] == [10, 6]


@pytest.mark.parametrize("method", ["answers", "hand_back"])
def test_a_call_that_is_cut_off_draws_the_same_bits_again(method: str, gpu: FakeGpu, monkeypatch: Any) -> None:
    """The device has gone on in them by then, the host has not."""
    def noisy(x: Any) -> Any:
        return x + tg.random.uniform((8,), name="cut off", device=x.device)

    step, x = tg.static(noisy, level="O3", executor="cupy"), tg.zeros((8,), device="gpu")
    tg.seed(3)
    want = [noisy(x).to("cpu").numpy() for _ in range(4)]
    tg.seed(3)
    got = [step(x), step(x)]
    with monkeypatch.context() as context:
        context.setattr(type(step.trace.program), method, stopped)
        with pytest.raises(MemoryError):
            step(x)
    got += [step(x), step(x)]
    for z, expected in zip(got, want, strict=True):
        assert z.to("cpu").numpy().tolist() == expected.tolist()


def test_numbers_of_the_cpu_are_in_place_in_every_call(gpu: FakeGpu) -> None:
    """Those of the last call are not copied again, so nothing else may be put where they are."""
    def f(x: Any, scale: Any) -> Any:
        rows = (x * scale).sum(axis=1)
        square = (rows * rows).sum()
        return tg.cumulative_sum(rows / square) + square

    step = tg.static(f, level="O3", executor="cupy")
    x = tg.tensor(np.arange(12.0).reshape(3, 4))
    for number in (3.0, 3.0, 2.0, 2.0):
        scale = tg.tensor(number, dtype=tg.float64)
        got = step(x.to("gpu"), scale).to("cpu").numpy()
        np.testing.assert_allclose(got, f(x, scale).numpy(), rtol=1e-12)


def test_numbers_of_the_cpu_are_copied_to_new_memory(gpu: FakeGpu) -> None:
    launcher = OnGpu(gpu)
    memory = launcher.memory(64)
    place = memory[:8].view(np.float64).reshape(())
    launcher.copy_in(place, np.array(3.0))
    place[...] = 0.0
    launcher.memory(64)  # CuPy may hand out again what was given back
    launcher.copy_in(place, np.array(3.0))
    assert float(place) == 3.0
