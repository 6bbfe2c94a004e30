"""Functions hard for a static graph: each gives the bits of plain Python, or a refusal that says where and why.

A scenario runs its function several times, on inputs that take all paths, and answers with everything that can be told
apart afterwards: results, gradients, state. Functions that give silently different answers must not exist.
"""

from __future__ import annotations

import datetime
import io
import logging
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from tests.static.outcomes import RUNS, Run, Scenarios, T

HARD = Scenarios()
SIGNS = (1.0, -1.0, 0.0)
COUNTED: list[int] = []
TOTAL = 0


def positive(sign: float) -> Any:
    return T(3).numpy() ** 2 * np.float32(sign)


# ---- values that decide ----------------------------------------------------------------------------------------------

@HARD.refused("TG-S01")
def data_dependent_if(run: Run) -> Any:
    def f(x: Any) -> Any:
        if x.sum() > 0:  # here
            return x * 2.0
        return x * 3.0

    g = run(f)
    return [g(tg.tensor(positive(sign))) for sign in SIGNS]


@HARD.refused("TG-S01")
def data_dependent_while(run: Run) -> Any:
    def f(x: Any) -> Any:
        while (x * x).sum() < 50.0:  # here
            x = x * 2.0
        return x

    g = run(f)
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def early_return(run: Run) -> Any:
    def f(x: Any) -> Any:
        for row in x:
            if bool(row > 1.0):  # here
                return row
        return x.sum()

    g = run(f)
    return [g(T(3, seed=seed)) for seed in range(6)]


@HARD.refused("TG-S01")
def boolean_operators(run: Run) -> Any:
    g = run(lambda x: x * 2.0 if x[0] > 0 and x[1] > 0 else x)  # here
    return [g(tg.tensor(positive(sign))) for sign in SIGNS]


@HARD.refused("TG-S01")
def comparison_of_python(run: Run) -> Any:
    g = run(lambda x: max(x[0], x[1]) * 2.0)  # here
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def item(run: Run) -> Any:
    def f(x: Any) -> Any:
        scale = x.sum().item()  # here
        return x * scale

    g = run(f)
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def python_float(run: Run) -> Any:
    g = run(lambda x: x * float(x.max()))  # here
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def value_as_a_size(run: Run) -> Any:
    g = run(lambda n: tg.zeros(int(n)))  # here
    return [g(tg.tensor(n)) for n in (1, 2)]


@HARD.refused("TG-S01")
def value_as_an_index_of_a_list(run: Run) -> Any:
    ks = [1.0, 2.0, 3.0]
    g = run(lambda x, n: x * ks[n])  # here
    return [g(T(3), tg.tensor(n)) for n in (1, 2)]


@HARD.refused("TG-S01")
def numpy_of_a_tensor(run: Run) -> Any:
    g = run(lambda x: x * float(np.linalg.norm(np.asarray(x))))  # here
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def numpy_view(run: Run) -> Any:
    g = run(lambda x: x * float(x.numpy()[0]))  # here
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def f_string_of_a_number(run: Run) -> Any:
    g = run(lambda x: f"{x.sum():.3f}")  # here
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def f_string_of_a_tensor(run: Run) -> Any:
    g = run(lambda x: f"{x}")  # here
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def text_of_a_result(run: Run) -> Any:
    def f(x: Any) -> Any:
        y = x * 2.0
        return repr(y) + str(y)  # here

    g = run(f)
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def membership(run: Run) -> Any:
    g = run(lambda x: x * 2.0 if 0.0 in x else x)  # here
    return [g(tg.tensor(positive(sign))) for sign in SIGNS]


@HARD.refused("TG-S01")
def refusal_that_is_caught(run: Run) -> Any:
    def f(x: Any) -> Any:
        try:
            scale = float(x.sum())  # here
        except Exception:
            scale = 1.0
        return x * scale

    g = run(f)
    return [g(T(3, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S01")
def value_of_a_parameter(run: Run) -> Any:
    w = T(3, grad=True)

    def f(x: Any) -> Any:
        return x * w.detach().sum().item()  # here

    g = run(f)
    yield g(T(3))
    w.data = np.ones(3, np.float32)
    yield g(T(3))


@HARD.refused("TG-S01")
def learning_rate_as_a_number(run: Run) -> Any:
    w = tg.Parameter(np.ones(3))
    opt = optim.SGD([w], lr=0.1)

    def f(x: Any) -> Any:
        return x * opt.lr  # here

    g = run(f)
    yield g(T(3))
    opt.lr = 0.5
    yield g(T(3))


@HARD.same
def import_inside(run: Run) -> Any:
    def f(x: Any) -> Any:
        import colorsys  # a module that nothing else here needs, looked for on the disk

        return x * colorsys.rgb_to_hsv(0.5, 0.25, 0.0)[1]

    sys.modules.pop("colorsys", None)
    return run(f)(T(3))


@HARD.refused("TG-S04")
def boolean_mask(run: Run) -> Any:
    g = run(lambda x: x[x > 0].sum())  # here
    return [g(T(5, seed=seed)) for seed in range(4)]


@HARD.refused("TG-S04")
def nonzero(run: Run) -> Any:
    g = run(lambda x: tg.nonzero(x)[0])  # here
    return [g(tg.tensor([0, 1, 1])), g(tg.tensor([1, 1, 1]))]


@HARD.refused("TG-S04")
def unique_values(run: Run) -> Any:
    g = run(lambda x: tg.unique_values(x))  # here
    return [g(tg.tensor([0, 1, 1])), g(tg.tensor([3, 4, 5]))]


@HARD.same
def both_sides_in_the_graph(run: Run) -> Any:
    g = run(lambda x: tg.where(x.sum() > 0, x * 2.0, x * 3.0))
    return [g(tg.tensor(positive(sign))) for sign in SIGNS]


# ---- Python that runs once -------------------------------------------------------------------------------------------

@HARD.refused("TG-S05")
def append_to_a_list(run: Run) -> Any:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append(len(seen))
        return x * 2.0

    g = run(f)
    g(T(3)), g(T(3))
    return seen


@HARD.refused("TG-S05")
def append_through_a_bound_method(run: Run) -> Any:
    seen: list[Any] = []
    note = seen.append

    def f(x: Any) -> Any:
        note(1)
        return x * float(len(seen))

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def append_to_an_argument(run: Run) -> Any:
    seen: list[float] = []

    def f(x: Any, seen: list[float]) -> Any:
        seen.append(1.0)
        return x * 2.0

    run(f)(T(3), seen)
    return seen


@HARD.refused("TG-S05")
def key_of_an_argument(run: Run) -> Any:
    batch = {"x": T(3)}

    def f(batch: dict[str, Any]) -> Any:
        batch["y"] = batch["x"] * 2.0

    run(f)(batch)
    return batch


@HARD.refused("TG-S05")
def mutable_default_argument(run: Run) -> Any:
    def f(x: Any, seen: list[int] = []) -> Any:  # noqa: B006
        seen.append(1)
        return x * float(len(seen))

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def counter_in_a_closure(run: Run) -> Any:
    n = 0

    def f(x: Any) -> Any:
        nonlocal n
        n += 1
        return x * float(n)

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def counter_in_a_global(run: Run) -> Any:
    global TOTAL
    TOTAL = 0

    def f(x: Any) -> Any:
        global TOTAL
        TOTAL += 1
        return x * float(TOTAL)

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def counter_in_an_object(run: Run) -> Any:
    class C:
        n = 0

    c = C()

    def f(x: Any) -> Any:
        c.n += 1
        return x * float(c.n)

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def counter_in_a_class(run: Run) -> Any:
    class C:
        n = 0

    def f(x: Any) -> Any:
        C.n += 1
        return x * float(C.n)

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def counter_in_a_module(run: Run) -> Any:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n = 0

        def forward(self, x: Any) -> Any:
            self.n += 1
            return x * float(self.n)

    g = run(Net())
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def tensor_kept_in_an_object(run: Run) -> Any:
    class C:
        last: Any = None

    c = C()

    def f(x: Any) -> Any:
        c.last = x * 2.0
        return x

    g = run(f)
    g(T(3)), g(T(3, seed=1))
    return c.last


@HARD.refused("TG-S05")
def tensor_kept_by_setattr(run: Run) -> Any:
    class C:
        pass

    c = C()

    def f(x: Any) -> Any:
        setattr(c, "la" + "st", x * 2.0)
        return x

    g = run(f)
    g(T(3)), g(T(3, seed=1))
    return c.last  # type: ignore[attr-defined]


@HARD.refused("TG-S05")
def memo(run: Run) -> Any:
    known: dict[int, Any] = {}

    def f(x: Any) -> Any:
        if 1 not in known:
            known[1] = x * 2.0
        return known[1] + x

    g = run(f)
    return g(T(3)), g(T(3, seed=1))


@HARD.refused("TG-S05")
def element_of_an_array(run: Run) -> Any:
    a = np.zeros(3, np.float32)

    def f(x: Any) -> Any:
        a[0] += 1.0
        return x * a

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def iterator(run: Run) -> Any:
    ks = iter([1.0, 2.0, 3.0])
    g = run(lambda x: x * next(ks))
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def generator_from_outside(run: Run) -> Any:
    ks = (float(k) for k in range(1, 9))
    g = run(lambda x: x * next(ks))
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def zip_from_outside(run: Run) -> Any:
    ks = zip([1.0, 2.0], [3.0, 4.0], strict=True)
    g = run(lambda x: x * sum(next(ks)))
    return g(T(3)), g(T(3))


@HARD.refused("TG-S05")
def printing(run: Run) -> Any:
    def f(x: Any) -> Any:
        print("step")  # here
        return x * 2.0

    return run(f)(T(3))


@HARD.refused("TG-S05")
def writing(run: Run) -> Any:
    out = io.StringIO()

    def f(x: Any) -> Any:
        out.write("step")  # here
        return x * 2.0

    g = run(f)
    g(T(3)), g(T(3))
    return out.getvalue()


@HARD.refused("TG-S05")
def logging_a_line(run: Run) -> Any:
    logger = logging.getLogger("teachgrad.tests")

    def f(x: Any) -> Any:
        logger.debug("step")  # here
        return x * 2.0

    return run(f)(T(3))


@HARD.refused("TG-S05")
def reading_a_file(run: Run) -> Any:
    def f(x: Any) -> Any:
        with open(__file__) as file:  # here
            return x * float(len(file.readline()))

    return run(f)(T(3))


@HARD.refused("TG-S05")
def asking_for_a_file(run: Run) -> Any:
    g = run(lambda x: -x if Path(__file__).exists() else x)  # here
    return g(T(3))


@HARD.refused("TG-S05")
def listing_a_folder(run: Run) -> Any:
    def f(x: Any) -> Any:
        return x * float(len(os.listdir(Path(__file__).parent)))  # here

    return run(f)(T(3))


@HARD.refused("TG-S05")
def loading_an_array(run: Run) -> Any:
    stored = io.BytesIO()
    np.save(stored, np.ones(3, np.float32))

    def f(x: Any) -> Any:
        stored.seek(0)  # here
        return x * np.load(stored)

    return run(f)(T(3))


@HARD.refused("TG-S05")
def another_thread(run: Run) -> Any:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:  # here
            y = pool.submit(lambda: x * 2.0).result()
        return y + 1.0

    g = run(f)
    return g(T(3)), g(T(3, seed=1))


@HARD.refused("TG-S05")
def thread_of_ones_own(run: Run) -> Any:
    def f(x: Any) -> Any:
        found: list[Any] = []
        worker = threading.Thread(target=lambda: found.append(x * 2.0))
        worker.start()  # here
        worker.join()
        return found[0]

    g = run(f)
    return g(T(3)), g(T(3, seed=1))


@HARD.refused("TG-S05")
def error_handling_of_numpy(run: Run) -> Any:
    def f(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return 1.0 / x  # here

    return run(f)(tg.tensor(np.zeros(3, np.float32)))


@HARD.refused("TG-S05")
def gradient_mode_that_stays(run: Run) -> Any:
    def f(x: Any) -> Any:
        tg.no_grad().__enter__()
        return x * 2.0

    try:
        return run(f)(T(3))
    finally:
        if not tg.is_grad_enabled():
            tg.no_grad().__exit__(None, None, None)


@HARD.refused("TG-S05")
def requires_grad_set_inside(run: Run) -> Any:
    def f(x: Any) -> Any:
        x.requires_grad = True
        (x * x).sum().backward()
        return x.grad

    return run(f)(T(3))


@HARD.refused("TG-S05")
def hook_added_inside(run: Run) -> Any:
    w = T(3, grad=True)

    def f(x: Any) -> Any:
        w.on_grad(lambda g: g * 2.0)
        w.grad = None
        (x * w).sum().backward()
        return w.grad

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.same
def lists_of_its_own(run: Run) -> Any:
    def f(x: Any) -> Any:
        found: list[Any] = []

        def note(y: Any) -> None:
            found.append(y)

        note(x * 2.0)
        note(x * 3.0)
        known = {"a": found[0]}
        known["b"] = found.pop()
        return [*found, *known.values()]

    return run(f)(T(3))


# ---- foreign randomness and the clock --------------------------------------------------------------------------------

@HARD.refused("TG-S06")
def numpy_random(run: Run) -> Any:
    g = run(lambda x: x * np.random.rand())  # noqa: NPY002
    g(T(3))


@HARD.refused("TG-S06")
def python_random(run: Run) -> Any:
    g = run(lambda x: x * random.random())
    g(T(3))


@HARD.refused("TG-S06")
def random_object(run: Run) -> Any:
    r = random.Random(0)
    g = run(lambda x: x * r.random())
    return g(T(3)), g(T(3))


@HARD.refused("TG-S06")
def numpy_generator(run: Run) -> Any:
    r = np.random.default_rng(0)
    g = run(lambda x: x * r.normal())
    return g(T(3)), g(T(3))


@HARD.refused("TG-S06")
def numpy_generator_in_an_object(run: Run) -> Any:
    class C:
        rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        return x * C.rng.random()

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.refused("TG-S06")
def numpy_generator_as_argument(run: Run) -> Any:
    r = np.random.default_rng(0)
    g = run(lambda x, r: x * r.random())
    return g(T(3), r), g(T(3), r)


@HARD.refused("TG-S06")
def old_numpy_generator(run: Run) -> Any:
    r = np.random.RandomState(0)
    g = run(lambda x: x * r.rand())
    return g(T(3)), g(T(3))


@HARD.refused("TG-S06")
def generator_without_a_seed(run: Run) -> Any:
    def f(x: Any) -> Any:
        return x * 0.0 * np.random.default_rng().normal()  # here

    return run(f)(T(3))


@HARD.refused("TG-S06")
def clock(run: Run) -> Any:
    def f(x: Any) -> Any:
        return x * (time.perf_counter() * 0.0)  # here

    return run(f)(T(3))


@HARD.refused("TG-S06")
def date(run: Run) -> Any:
    def f(x: Any) -> Any:
        return x * (datetime.datetime.now().timestamp() * 0.0)  # here

    return run(f)(T(3))


@HARD.refused("TG-S06")
def seeding(run: Run) -> Any:
    def f(x: Any) -> Any:
        tg.seed(3)  # here
        return x + tg.random.normal((3,))

    g = run(f)
    return g(T(3)), g(T(3))


@HARD.same
def seeded_generator_of_its_own(run: Run) -> Any:
    g = run(lambda x: x * tg.tensor(np.random.default_rng(3).normal(size=3)))
    return g(T(3)), g(T(3))


@HARD.same
def random_numbers_of_teachgrad(run: Run) -> Any:
    def f(x: Any) -> Any:
        mask = tg.random.bernoulli(0.5, (3,))
        return x * tg.random.normal((3,)) + tg.random.uniform((3,), name="u"), tg.where(mask, x, 0.0)

    g = run(f)
    yield g(T(3))
    yield g(T(3))
    tg.seed(11)
    yield g(T(3))
    kept = tg.random.get_state()
    yield g(T(3))
    tg.random.set_state(kept)
    yield g(T(3))


@HARD.same
def random_leaf(run: Run) -> Any:
    def f() -> Any:
        z = tg.random.normal((3,), requires_grad=True)
        (z * z).sum().backward()
        return z.grad

    g = run(f)
    return g(), g()


@HARD.same
def dropout(run: Run) -> Any:
    layer = nn.Dropout(0.5)
    g = run(lambda x: layer(x))
    yield g(T(3, 4)), g(T(3, 4))
    layer.eval()
    yield g(T(3, 4))


# ---- the structure of Python -----------------------------------------------------------------------------------------

@HARD.same
def recursion_on_shapes(run: Run) -> Any:
    def f(x: Any) -> Any:
        n = x.shape[0]
        return x if n == 1 else f(x[: n // 2]) + f(x[n // 2 :])

    g = run(f)
    return [g(T(n)) for n in (1, 2, 4, 8)]


@HARD.same
def comprehensions_and_generators(run: Run) -> Any:
    def f(x: Any) -> Any:
        rows = [row * float(k) for k, row in enumerate(x)]
        total = sum(row.sum() for row in x)
        return dict(zip("ab", rows, strict=False)), total, [row + 1.0 for row in rows]

    return run(f)(T(3, 2))


@HARD.same
def exception_that_is_caught(run: Run) -> Any:
    def f(x: Any) -> Any:
        try:
            return x.reshape(7, 7)
        except tg.ShapeError:
            return x * 2.0

    return run(f)(T(3))


@HARD.same
def exception_that_is_raised(run: Run) -> Any:
    def f(x: Any) -> Any:
        if x.shape[0] > 3:
            raise KeyError("too long")
        return x

    g = run(f)
    yield g(T(3))
    try:
        g(T(4))
    except KeyError as error:
        yield str(error)
    yield g(T(3))


@HARD.same
def decisions_on_shapes_types_and_flags(run: Run) -> Any:
    def f(x: Any, flip: bool = False) -> Any:
        y = -x if flip else x
        if x.ndim == 2 and x.dtype == np.float64:
            y = y * 2.0
        return y * 3.0 if x.requires_grad else y

    g = run(f)
    for args in ((T(3),), (T(2, 3),), (T(2, 3, dtype=np.float64),), (T(3, grad=True),), (T(3), True), (T(3), 1)):
        yield g(*args)


@HARD.same
def nested_static(run: Run) -> Any:
    inner = run(lambda x: x * 2.0)
    outer = run(lambda x: inner(x) + inner(x * 3.0))
    yield inner(T(3)), outer(T(3)), inner(T(4)), outer(T(3))


@HARD.same
def loops_over_layers(run: Run) -> Any:
    layers = [nn.Linear(3, 3) for _ in range(3)]

    def f(x: Any) -> Any:
        for layer in layers:
            x = tg.tanh(layer(x))
        return x

    g = run(f)
    yield g(T(2, 3))
    layers[1] = nn.Linear(3, 3, bias=False)
    yield g(T(2, 3))
    layers.pop()
    yield g(T(2, 3))


@HARD.same
def submodule_that_is_swapped(run: Run) -> Any:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    g = run(lambda x: net(x))
    yield g(T(2, 3))
    net[0] = nn.Linear(3, 4)
    yield g(T(2, 3))


@HARD.same
def weights_that_are_replaced(run: Run) -> Any:
    w = T(3, grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return loss

    g = run(f)
    for k in range(5):
        yield g(T(3, seed=k)), w.grad
        w.data = w.data - 0.1 * w.grad.numpy()
    w.data = np.ones((2, 3), np.float32)
    w.grad = None
    yield g(T(3)), w.grad
    w.data = np.asfortranarray(np.ones((2, 3), np.float32))
    yield g(T(3)), w.grad


@HARD.same
def parameter_that_is_frozen(run: Run) -> Any:
    a, b = T(3, grad=True), T(3, seed=1, grad=True)

    def f(x: Any) -> Any:
        a.grad = b.grad = None
        (a * b * x).sum().backward()
        return x * 1.0

    g = run(f)
    yield g(T(3)), a.grad, b.grad
    a.requires_grad = False
    yield g(T(3)), a.grad, b.grad
    a.requires_grad = True
    yield g(T(3)), a.grad, b.grad


@HARD.same
def argument_that_requires_a_gradient(run: Run) -> Any:
    def f(x: Any) -> Any:
        y = (x * x).sum()
        if x.requires_grad:
            x.grad = None
            y.backward()
        return y

    g = run(f)
    for grad in (False, True, False, True):
        x = T(3, grad=grad)
        yield g(x), x.grad


@HARD.same
def shape_of_a_tensor_from_outside(run: Run) -> Any:
    w = T(3)
    g = run(lambda x: x * float(w.shape[0]) * (2.0 if w.dtype == np.float32 else 5.0))
    yield g(T(2))
    w.data = np.ones(5, np.float32)
    yield g(T(2))


@HARD.same
def gradient_modes_around_the_call(run: Run) -> Any:
    w = T(3, grad=True)
    g = run(lambda x: (x * w).sum())
    yield g(T(3))
    with tg.no_grad():
        yield g(T(3))
    yield g(T(3))
    with tg.inference:
        marked = g(T(3))
    try:
        yield marked * w
    except tg.GradientError:
        yield "marked"


@HARD.same
def inference_inside(run: Run) -> Any:
    w = T(3, grad=True)

    def f(x: Any) -> Any:
        with tg.inference:
            return w * x

    y = run(f)(T(3))
    try:
        yield y * w
    except tg.GradientError:
        yield "marked"


@HARD.same
def tensor_from_inference_mode(run: Run) -> Any:
    w = T(3, grad=True)
    with tg.inference:
        y = w * 2.0
    try:
        yield run(lambda x: x * y)(T(3))
    except tg.GradientError:
        yield "marked"


@HARD.same
def static_method_of_a_network(run: Run) -> Any:
    class Trainer:
        def __init__(self) -> None:
            self.net = nn.Linear(3, 1)
            self.opt = optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
            self.scale = 2.0

        def step(self, x: Any) -> Any:
            self.opt.zero_grad()
            loss = (self.net(x) ** 2).mean() * self.scale
            loss.backward()
            self.opt.step()
            return loss

    trainer = Trainer()
    g = run(trainer.step)
    yield [g(T(4, 3, seed=k)) for k in range(3)]
    trainer.scale = 3.0
    trainer.opt.lr = 0.01
    yield [g(T(4, 3, seed=k)) for k in range(3)], [*trainer.net.parameters()]


@pytest.mark.parametrize("way", RUNS)
@pytest.mark.parametrize("name", HARD)
def test_hard_function(name: str, way: str) -> None:
    HARD.check(name, way)
