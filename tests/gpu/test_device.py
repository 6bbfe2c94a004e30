"""Dynamic mode on another device: the same numbers, nothing carried over in passing, and errors that name who is where.

Without a GPU the device is a stand-in for CuPy that is stricter than CuPy itself (`strict.py`); once alone, and once
with the kernels that the device "gpu" puts in place of some ops, run by the emulator (`standing.py`). With one, the
tests run on CuPy as well.
"""

from __future__ import annotations

import copy
import os
import pickle
import re
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
import tests.arrays.samples  # noqa: F401  (adds its rows to the table)
from teachgrad import devices, nn, optim
from teachgrad.nn import functional as F
from teachgrad_gpu import device as gpu
from tests.export import programs
from tests.gpu.strict import KNOWN, Strict, StrictArray
from tests.op_samples import SAMPLES, Sample
from tests.test_ops import results


def run_on(name: str, sample: Sample) -> list[Any]:
    """The results of a sample and the gradients of a number that depends on them, to second order, on a device."""
    with tg.device(name):
        xs = [tg.tensor(a, requires_grad=sample.order > 0 and a.dtype.kind == "f") for a in sample.inputs]
        answers = results(sample.call(*xs))
        wrt, found = [x for x in xs if x.requires_grad], [*answers]
        for _ in range(sample.order):
            tracked = [r for r in answers if r.requires_grad]
            if not tracked or not wrt:
                break
            loss: Any = 0.0
            for k, r in enumerate(tracked):
                loss = loss + (r * tg.tensor(np.cos(np.arange(r.size, dtype=np.float64) + k).reshape(r.shape))).sum()
            answers = [g for g in tg.grad(loss, wrt, create_graph=True, allow_unused=True) if g is not None]
            found += answers
    return found


@pytest.mark.parametrize("start", range(0, len(SAMPLES), 100))
def test_every_op(start: int, place: Any) -> None:
    for sample in SAMPLES[start:start + 100]:
        for got, want in zip(run_on(place.name, sample), run_on("cpu", sample), strict=True):
            assert got.device == place.name, sample
            value, expected = place.to_host(got._data), want.numpy()
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape), sample
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1.0) if expected.dtype.kind == "f" else 1.0
            near = {4: 1e-5, 2: 1e-2}.get(expected.dtype.itemsize, 1e-9) if place.name == "gpu" else 1e-9
            np.testing.assert_allclose(value, expected, rtol=near, atol=near * float(size), err_msg=str(sample))


OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampened": lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, dampening=0.2),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01, amsgrad=True),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.05, lr_decay=0.1),
    "adadelta": lambda ps: optim.Adadelta(ps, lr=0.5),
}


def trained(name: str, optimizer: Any, steps: int = 4) -> tuple[list[float], Any]:
    """The losses of a small network with dropout and norms on a device, and the network."""
    tg.seed(3)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.LayerNorm(16), nn.Dropout(0.2), nn.Linear(16, 4)).to(name)
    trainer = optimizer(model.parameters())
    rng = np.random.default_rng(1)
    x = tg.tensor(rng.normal(size=(10, 6)).astype(np.float32)).to(name)
    t = tg.tensor(rng.integers(0, 4, 10)).to(name)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(x), t)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        losses.append(loss.item())
    return losses, model


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training(name: str, place: Any) -> None:
    want, on_cpu = trained("cpu", OPTIMIZERS[name])
    got, there = trained(place.name, OPTIMIZERS[name])
    np.testing.assert_allclose(got, want, rtol=1e-5)
    for p, q in zip(there.parameters(), on_cpu.parameters(), strict=True):
        assert p.device == p.grad.device == place.name
        np.testing.assert_allclose(p.to("cpu").numpy(), q.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: programs.lenet(6), programs.gpt], ids=["lenet", "gpt"])
def test_whole_models(make: Any, place: Any) -> None:
    step, _, batch = make()
    want = [step(*programs.tensors(batch)).item() for _ in range(3)]
    step, model, batch = make()
    model.to(place.name)
    with tg.device(place.name):  # positions, such as tg.arange(n), are made in the model
        step, inside = remade(step, model), [tg.tensor(a) for a in batch]
        got = [step(*inside).item() for _ in range(3)]
    np.testing.assert_allclose(got, want, rtol=1e-4)


def remade(step: Any, model: Any) -> Any:
    """The step with an optimizer that was made after the model was carried over."""
    cells = dict(zip(step.__code__.co_freevars, step.__closure__, strict=True))
    old = cells["optimizer"].cell_contents
    cells["optimizer"].cell_contents = type(old)(model.parameters(), lr=0.01)
    return step


def test_a_step_carries_over_its_batch_and_nothing_else() -> None:
    place = Strict()
    before = devices.beyond, dict(devices.KINDS), dict(devices.OPEN)
    devices.add(place)
    try:
        tg.seed(0)
        model = programs.LeNet().to("strict")
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        x, t = programs.digits(flatten=False)

        def step(k: int) -> Any:
            batch, labels = tg.tensor(x[k:k + 8]).to("strict"), tg.tensor(t[k:k + 8]).to("strict")
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step(0)  # the first step makes the state of the optimizer, and numbers such as 1.0
        place.moves.clear()
        loss = step(8)
        assert [(way, size) for way, size in place.moves if size > 8] == [("in", x[:8].nbytes), ("in", t[:8].nbytes)]
        assert sum(way == "out" for way, _ in place.moves) == 0
        loss.item()
        assert not any(way == "out" and size > 8 for way, size in place.moves)
    finally:
        devices.beyond = before[0]
        for kept, known in zip(before[1:], (devices.KINDS, devices.OPEN), strict=True):
            known.clear()
            known.update(kept)


def test_mixing_is_an_error_that_names_both(place: Any) -> None:
    weight = tg.tensor([1.0, 2.0], requires_grad=True, name="weight")
    x = tg.tensor([3.0, 4.0], name="x", device=place.name)
    y = weight * 2.0
    with pytest.raises(tg.DeviceError) as caught:
        x * y
    text = str(caught.value)
    assert f'x, float32[2]: on "{place.name}"' in text
    assert 'float32[2]: on "cpu", made at test_device.py:' in text
    assert "x * y" in text
    assert '.to("' in text
    with pytest.raises(tg.DeviceError, match="weight"):
        tg.concat([x, weight])
    with pytest.raises(tg.DeviceError, match="different devices"):
        x[0:1] = tg.tensor([1.0])


def test_gradients_flow_back_to_where_they_came_from(place: Any) -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.to(place.name)
    assert (x.device, y.device, x.to("cpu") is x, y.to(place.name) is y) == ("cpu", place.name, True, True)
    (y * y).sum().backward()
    assert x.grad.device == "cpu"
    assert x.grad.numpy().tolist() == [2.0, 4.0]


def test_ways_in_and_out(place: Any) -> None:
    x = tg.tensor([[1.0, 2.0]], device=place.name)
    with pytest.raises(tg.DeviceError, match=r'x.to\("cpu"\).numpy\(\)'):
        x.numpy()
    with pytest.raises(tg.DeviceError):
        np.asarray(x)
    assert x.sum().item() == 3.0
    assert float(x[0, 1]) == 2.0
    assert repr(x) == f"tensor([[1., 2.]], dtype=float32, device='{place.name}')"
    assert x.to("cpu", tg.float64).numpy().dtype == x.to("float64").dtype == np.float64
    for wrong in (x.to, nn.Linear(1, 1).to):
        with pytest.raises(tg.DeviceError, match="there is no device 'tpu'"):
            wrong("tpu")
    assert tg.zeros_like(x).device == (x + 1).device == x.T.device == x[0].device == place.name
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.device == place.name
        assert y.to("cpu").numpy().tolist() == [[1.0, 2.0]]
    parameter = tg.Parameter([1.0])
    with tg.device(place.name):
        assert copy.deepcopy(parameter).device == pickle.loads(pickle.dumps(parameter)).device == "cpu"


def test_astype_carries_and_what_shares_memory_stays(place: Any) -> None:
    x = tg.tensor([1.0, 2.0])
    for carried in (tg.astype(x, tg.float64, device=place.name), tg.astype(x, x.dtype, copy=False, device=place.name)):
        assert carried.device == place.name
        assert carried.to("cpu").numpy().tolist() == [1.0, 2.0]
    array = np.array([1.0, 2.0])
    for share in (tg.asarray, tg.from_dlpack):
        assert share(array, device=place.name).device == place.name
        for there in (x, array):
            with pytest.raises(tg.InplaceError, match="without a copy"):
                share(there, device=place.name, copy=False)
        with tg.device(place.name):
            y = share(array, copy=False)
        y.requires_grad = True
        assert y.device == share(array, device="cpu", copy=False).device == "cpu"
        loss = (y * y).sum()
        assert tg.grad(loss, y).numpy().tolist() == [2.0, 4.0]


def test_a_block_makes_tensors_on_its_device(place: Any) -> None:
    device = tg.device(place.name)
    assert device == place.name
    assert repr(device) == f"tg.device('{place.name}')"
    with device:
        made = [tg.zeros(2), tg.arange(3), tg.tensor([1.0]), tg.eye(2), nn.Linear(2, 3).weight]
        with tg.device("cpu"):
            assert tg.ones(1).device == "cpu"
    assert {x.device for x in made} == {place.name}
    assert tg.zeros(2).device == "cpu"
    with pytest.raises(tg.DeviceError, match="there is no device 'tpu'; here are"):
        tg.device("tpu")


def test_writing_in_place(place: Any) -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True, device=place.name)
    loss = (w * w).sum()
    loss.backward()
    with tg.no_grad():
        w -= 0.5 * w.grad
    assert w.to("cpu").numpy().tolist() == [0.0, 0.0]
    w.data -= w.grad
    assert w.to("cpu").numpy().tolist() == [-2.0, -4.0]
    with tg.no_grad():
        w[0] = 7.0
    assert w.to("cpu").numpy().tolist() == [7.0, -4.0]
    x = tg.tensor([1.0, 2.0], requires_grad=True, device=place.name)
    y = x.exp()
    loss = (y * y).sum()
    y.data[0] = 3.0
    with pytest.raises(tg.InplaceError, match="overwritten in place"):
        loss.backward()


def test_gradients_can_be_checked_there(place: Any) -> None:
    x = tg.tensor([[0.5, -1.25], [2.0, 0.25]], dtype="float64", requires_grad=True, device=place.name)
    assert tg.gradcheck(lambda x: F.softmax(x @ x, axis=1), x, order=2).ok
    with pytest.raises(tg.GradientError, match="gradcheck"):
        tg.gradcheck(lambda x: x * x.detach(), x)


def test_random_numbers_are_those_of_the_cpu(place: Any) -> None:
    def draw() -> list[Any]:
        return [tg.random.normal((3, 2)), tg.random.uniform((5,)), F.dropout(tg.ones(20), 0.5)]

    tg.seed(4)
    want = [z.numpy() for z in draw()]
    tg.seed(4)
    with tg.device(place.name):
        got = draw()
    for z, expected in zip(got, want, strict=True):
        assert z.device == place.name
        assert z.to("cpu").numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("level", ["stats", "values"])
def test_training_is_recorded(level: str, place: Any, tmp_path: Any) -> None:
    """Whoever records, looks: values are carried over for it, and are those of the device."""
    def record(name: str) -> Any:
        path = tmp_path / f"{name}.tgr"
        with tg.Recorder(path, level=level):  # type: ignore[arg-type]
            trained(name, OPTIMIZERS["sgd"], steps=2)
        with sqlite3.connect(path) as database:
            return database.execute(
                "select event.op, event.phase, array.shape, round(array.mean, 4) from event left join array "
                "on array.id = event.value where event.op != 'to_device' order by step, row").fetchall()

    assert record(place.name) == record("cpu") != []


def test_a_static_function_refuses_what_its_executor_cannot_reach(place: Any) -> None:
    step = tg.static(lambda x: x * 2.0)
    with pytest.raises(tg.DeviceError, match="executor"):
        step(tg.tensor([1.0], device=place.name))


@pytest.mark.slow
def test_tests_of_networks_and_optimizers_pass_there() -> None:
    """The tests of `nn` and `optim`, which know nothing of devices, with all tensors on the stand-in.

    Left out are those of static functions, which run on the CPU, and one that looks at the identity of arrays.
    """
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.gpu.elsewhere", "-p", "no:cacheprovider", "tests/nn",
               "tests/optim", "-m", "not slow", "-k", "not both_modes and not static and not watcher"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 500


def test_the_stand_in_is_no_freer_than_cupy() -> None:
    if find_spec("cupy") is None:
        pytest.skip("compares with CuPy, which is not installed")
    import cupy

    assert set(KNOWN["functions"]) | set(KNOWN["ufuncs"]) <= set(dir(cupy))
    assert set(KNOWN["ndarray"]) <= set(dir(cupy.ndarray))
    x = StrictArray(np.ones(2))
    for refused in (lambda: np.add(x, 1), lambda: x + np.ones(2), lambda: np.asarray(x), lambda: x[np.array([0])]):
        with pytest.raises(TypeError):
            refused()


@pytest.mark.parametrize(("error", "told"), [
    ("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version", "no NVIDIA driver"),
    ("cudaErrorNoDevice: no CUDA-capable device is detected", "no CUDA device"), (None, "no CUDA device")])
def test_what_is_missing_is_said(error: str | None, told: str, monkeypatch: Any) -> None:
    class CUDARuntimeError(RuntimeError):
        pass

    def count() -> int:
        if error is not None:
            raise CUDARuntimeError(error)
        return 0

    runtime = SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    monkeypatch.setattr(gpu, "find_cupy", lambda: SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    with pytest.raises(tg.DeviceError, match=told):
        gpu.open_device()


def test_without_cupy_that_is_said(monkeypatch: Any) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(gpu, "import_module", missing)
    with pytest.raises(tg.DeviceError, match=r"needs CuPy.*\n.*teachgrad\[gpu\]"):
        gpu.open_device()
