"""What a static function depends on besides its arguments: when it changes, results change as in plain Python."""

from __future__ import annotations

import collections
import contextvars
import copy
import cProfile
import dataclasses
import enum
import functools
import os
import pickle
import threading
import types
import weakref
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from tests.static.outcomes import RUNS, Run, Scenarios, T

WORLD = Scenarios()
RATE = 2.0
x = T(3)


class Plain:
    """An object with attributes."""

    k: float


class Level(enum.Enum):
    LOW = 1


@WORLD.same
def closure_variable(run: Run) -> Any:
    k = 2.0
    f = run(lambda x: x * k)
    yield f(x)
    k = 3.0
    yield f(x)


@WORLD.same
def closure_of_a_helper(run: Run) -> Any:
    k = 2.0

    def helper(x: Any) -> Any:
        return x * k

    f = run(lambda x: helper(x) + 1.0)
    yield f(x)
    k = 3.0
    yield f(x)


@WORLD.same
def global_variable(run: Run) -> Any:
    global RATE
    f = run(lambda x: x * RATE)
    yield f(x)
    RATE = 3.0
    yield f(x)
    RATE = 2.0
    yield f(x)


@WORLD.same
def number_of_another_type(run: Run) -> Any:
    c = {"k": 1}
    f = run(lambda x: x * 2.0 if c["k"] is True else x * 3.0)
    yield f(x)
    c["k"] = True
    yield f(x)


@WORLD.same
def negative_zero(run: Run) -> Any:
    k = 0.0
    f = run(lambda x: x * k)
    yield f(x)
    k = -0.0
    yield f(x)


@WORLD.same
def equal_number_that_is_another_object(run: Run) -> Any:
    k = 0.5
    f = run(lambda x: x * k)
    for n in range(20):
        k = float(str(0.5)) if n < 10 else float(str(0.25))
        yield f(x)


@WORLD.same
def elements_of_a_list(run: Run) -> Any:
    ks = [2.0, 3.0]
    f = run(lambda x: x * sum(ks))
    yield f(x)
    ks[1] = 4.0
    yield f(x)
    ks.append(1.0)
    yield f(x)


@WORLD.same
def order_of_a_dict(run: Run) -> Any:
    d = {"a": 2.0, "b": 3.0}

    def f(x: Any) -> Any:
        for k in d.values():
            x = x * k + 1.0
        return x

    f = run(f)
    yield f(x)
    d["a"] = d.pop("a")
    yield f(x)


@WORLD.same
def elements_of_a_set(run: Run) -> Any:
    s = {"a"}
    table = {"a": 1.0, "b": 2.0}

    def f(x: Any) -> Any:
        for name in sorted(s):
            x = x * table[name] + 1.0
        return x

    f = run(f)
    yield f(x)
    s.add("b")
    yield f(x)


@WORLD.same
def elements_of_a_deque(run: Run) -> Any:
    d = collections.deque([2.0])
    f = run(lambda x: x * d[0])
    yield f(x)
    d[0] = 3.0
    yield f(x)


@WORLD.same
def bytes_of_a_bytearray(run: Run) -> Any:
    b = bytearray([2])
    f = run(lambda x: x * float(b[0]))
    yield f(x)
    b[0] = 3
    yield f(x)


@WORLD.same
def nested_containers(run: Run) -> Any:
    d = {"layers": [({"k": [2.0]},)]}
    f = run(lambda x: x * d["layers"][0][0]["k"][0])
    yield f(x)
    d["layers"][0][0]["k"][0] = 3.0
    yield f(x)


@WORLD.same
def contents_of_an_array(run: Run) -> Any:
    a = np.ones(3, np.float32)
    f = run(lambda x: x * a)
    yield f(x)
    a[0] = 5.0
    yield f(x)


@WORLD.same
def array_through_a_read_only_view(run: Run) -> Any:
    a = np.ones((2, 3), np.float32)
    v = a[0]
    v.flags.writeable = False
    f = run(lambda x: x * v)
    yield f(x)
    a[0] = 2.0
    yield f(x)


@WORLD.same
def layout_of_an_array(run: Run) -> Any:
    a = [np.arange(12.0).reshape(3, 4)]
    f = run(lambda x: (tg.tensor(a[0]) * x).sum(axis=0))
    y = T(3, 4, dtype=np.float64)
    yield f(y)
    a[0] = np.asfortranarray(a[0])
    yield f(y)


@WORLD.same
def attribute_of_an_object(run: Run) -> Any:
    c = Plain()
    c.k = 2.0
    f = run(lambda x: x * c.k)
    yield f(x)
    c.k = 3.0
    yield f(x)


@WORLD.same
def attribute_deep_in_objects(run: Run) -> Any:
    a = Plain()
    a.b, a.b.c = Plain(), Plain()  # type: ignore[attr-defined]
    a.b.c.k = 2.0  # type: ignore[attr-defined]
    f = run(lambda x: x * a.b.c.k)  # type: ignore[attr-defined]
    yield f(x)
    a.b.c.k = 3.0  # type: ignore[attr-defined]
    yield f(x)
    new = Plain()
    new.k = 5.0
    a.b.c = new  # type: ignore[attr-defined]
    yield f(x)


@WORLD.same
def attribute_that_shadows_the_class(run: Run) -> Any:
    class C:
        k = 2.0

    c = C()
    f = run(lambda x: x * c.k)
    yield f(x)
    c.k = 3.0
    yield f(x)
    del c.k
    yield f(x)


@WORLD.same
def attribute_that_appears(run: Run) -> Any:
    c = Plain()
    f = run(lambda x: x * getattr(c, "k", 2.0))
    yield f(x)
    c.k = 3.0
    yield f(x)


@WORLD.same
def hasattr_of_an_attribute_that_appears(run: Run) -> Any:
    c = Plain()
    f = run(lambda x: x * 3.0 if hasattr(c, "k") else x)
    yield f(x)
    c.k = 3.0
    yield f(x)


@WORLD.same
def global_that_appears(run: Run) -> Any:
    names: dict[str, Any] = {}
    exec("def f(x):\n    try:\n        return x * LATE\n    except NameError:\n        return x", names)
    f = run(names["f"])
    yield f(x)
    names["LATE"] = 3.0
    yield f(x)


@WORLD.same
def global_that_hides_a_builtin(run: Run) -> Any:
    names: dict[str, Any] = {}
    exec("def f(x):\n    return x * max(1.0, 2.0)", names)
    f = run(names["f"])
    yield f(x)
    names["max"] = min
    yield f(x)


@WORLD.same
def key_that_appears(run: Run) -> Any:
    d: dict[str, float] = {}
    f = run(lambda x: x * d.get("k", 2.0))
    yield f(x)
    d["k"] = 3.0
    yield f(x)


@WORLD.same
def attribute_by_a_computed_name(run: Run) -> Any:
    c = Plain()
    c.k1 = 2.0  # type: ignore[attr-defined]
    n = 1
    f = run(lambda x: x * getattr(c, f"k{n}"))
    yield f(x)
    c.k1 = 3.0  # type: ignore[attr-defined]
    yield f(x)


@WORLD.same
def attribute_through_vars(run: Run) -> Any:
    c = Plain()
    c.k = 2.0
    f = run(lambda x: x * next(iter(vars(c).values())))
    yield f(x)
    c.k = 3.0
    yield f(x)


@WORLD.same
def attribute_of_a_class(run: Run) -> Any:
    class C:
        k = 2.0

    f = run(lambda x: x * C.k)
    yield f(x)
    C.k = 3.0
    yield f(x)


@WORLD.same
def attribute_of_a_base_class(run: Run) -> Any:
    class A:
        k = 2.0

    class B(A):
        pass

    b = B()
    f = run(lambda x: x * b.k)
    yield f(x)
    A.k = 3.0
    yield f(x)


@WORLD.same
def attribute_in_a_slot(run: Run) -> Any:
    @dataclasses.dataclass(slots=True)
    class C:
        k: float = 2.0

    c = C()
    f = run(lambda x: x * c.k)
    yield f(x)
    c.k = 3.0
    yield f(x)


@WORLD.same
def attribute_behind_a_property(run: Run) -> Any:
    class C:
        hidden = 2.0

        @property
        def k(self) -> float:
            return self.hidden

    c = C()
    f = run(lambda x: x * c.k)
    yield f(x)
    c.hidden = 3.0
    yield f(x)


@WORLD.same
def namespace(run: Run) -> Any:
    c = types.SimpleNamespace(inner=types.SimpleNamespace(k=2.0))
    f = run(lambda x: x * c.inner.k)
    yield f(x)
    c.inner.k = 3.0
    yield f(x)


@WORLD.same
def attribute_of_a_function(run: Run) -> Any:
    def f(x: Any) -> Any:
        return x * f.k  # type: ignore[attr-defined]

    f.k = 2.0  # type: ignore[attr-defined]
    g = run(f)
    yield g(x)
    f.k = 3.0  # type: ignore[attr-defined]
    yield g(x)


@WORLD.same
def enumeration(run: Run) -> Any:
    c = Plain()
    c.level = Level.LOW  # type: ignore[attr-defined]
    f = run(lambda x: x * float(c.level.value))  # type: ignore[attr-defined]
    yield f(x)


@WORLD.same
def class_of_an_object(run: Run) -> Any:
    class A:
        def scale(self, x: Any) -> Any:
            return x * 2.0

    class B:
        def scale(self, x: Any) -> Any:
            return x * 3.0

    c: Any = A()
    f = run(lambda x: c.scale(x))
    yield f(x)
    c.__class__ = B
    yield f(x)


@WORLD.same
def method_of_a_class(run: Run) -> Any:
    class A:
        def __call__(self, x: Any) -> Any:
            return x * 2.0

        def scale(self, x: Any) -> Any:
            return x * 2.0

    a = A()
    f = run(lambda x: a(x) + a.scale(x))
    yield f(x)
    A.__call__ = lambda self, x: x * 3.0  # type: ignore[method-assign]
    yield f(x)
    A.scale = lambda self, x: x * 5.0  # type: ignore[method-assign]
    yield f(x)


@WORLD.same
def callable_object(run: Run) -> Any:
    class A:
        k = 2.0

        def __call__(self, x: Any) -> Any:
            return x * self.k

    a = A()
    f = run(a)
    yield f(x)
    a.k = 3.0
    yield f(x)


@WORLD.same
def function_of_a_module(run: Run) -> Any:
    names: dict[str, Any] = {}
    exec("def g(x): return x * 2.0\ndef f(x): return g(x)", names)
    f = run(names["f"])
    yield f(x)
    exec("def g(x): return x * 3.0", names)
    yield f(x)


@WORLD.same
def code_of_a_function(run: Run) -> Any:
    def g(x: Any) -> Any:
        return x * 2.0

    f = run(lambda x: g(x))
    yield f(x)
    g.__code__ = (lambda x: x * 3.0).__code__
    yield f(x)


@WORLD.same
def default_arguments(run: Run) -> Any:
    def g(x: Any, k: float = 2.0, *, b: float = 1.0) -> Any:
        return x * k + b

    f = run(lambda x: g(x))
    yield f(x)
    g.__defaults__ = (3.0,)
    yield f(x)
    g.__kwdefaults__["b"] = 5.0
    yield f(x)


@WORLD.same
def list_as_default_argument(run: Run) -> Any:
    ks = [2.0]

    def f(x: Any, ks: list[float] = ks) -> Any:
        return x * ks[0]

    g = run(f)
    yield g(x)
    ks[0] = 3.0
    yield g(x)


@WORLD.same
def partial(run: Run) -> Any:
    k, d = 2.0, {"b": 1.0}

    def inner(x: Any, d: dict[str, float]) -> Any:
        return x * k + d["b"]

    p = functools.partial(inner, d=d)
    f, g = run(lambda x: p(x)), run(p)
    yield f(x), g(x)
    k = 3.0
    yield f(x), g(x)
    d["b"] = 5.0
    yield f(x), g(x)


@WORLD.same
def module_of_settings(run: Run) -> Any:
    settings = types.ModuleType("settings")
    settings.alpha, settings.beta = 2.0, 1.0  # type: ignore[attr-defined]
    names = {"settings": settings}
    exec("def g(x): return x + settings.beta\ndef f(x): return g(x * settings.alpha)", names)
    f = run(names["f"])
    yield f(x)
    settings.beta = 5.0  # type: ignore[attr-defined]
    yield f(x)
    settings.alpha = 7.0  # type: ignore[attr-defined]
    yield f(x)


@WORLD.same
def default_dict(run: Run) -> Any:
    d = collections.defaultdict(lambda: 2.0, k=3.0)
    f = run(lambda x: x * d["k"])
    yield f(x)
    d["k"] = 4.0
    yield f(x)


@WORLD.same
def thread_local(run: Run) -> Any:
    here = threading.local()
    here.k = 2.0
    f = run(lambda x: x * here.k)
    yield f(x)
    here.k = 3.0
    yield f(x)


@WORLD.same
def context_variable(run: Run) -> Any:
    k: contextvars.ContextVar[float] = contextvars.ContextVar("k", default=2.0)
    f = run(lambda x: x * k.get())
    yield f(x)
    k.set(3.0)
    yield f(x)


@WORLD.same
def weak_reference(run: Run) -> Any:
    c = Plain()
    c.k = 2.0
    r = weakref.ref(c)
    f = run(lambda x: x * r().k)  # type: ignore[union-attr]
    yield f(x)
    c.k = 3.0
    yield f(x)


@WORLD.same
def environment(run: Run) -> Any:
    os.environ["TEACHGRAD_TEST_K"] = "2"
    f = run(lambda x: x * float(os.environ["TEACHGRAD_TEST_K"]) + float(os.getenv("TEACHGRAD_TEST_B", "1")))
    yield f(x)
    os.environ["TEACHGRAD_TEST_K"] = "3"
    yield f(x)
    os.environ["TEACHGRAD_TEST_B"] = "5"
    yield f(x)
    del os.environ["TEACHGRAD_TEST_K"], os.environ["TEACHGRAD_TEST_B"]


@WORLD.same
def default_dtype(run: Run) -> Any:
    f = run(lambda: tg.ones(3) * 2.5)
    yield f()
    tg.set_default_dtype(tg.float64)
    try:
        yield f()
    finally:
        tg.set_default_dtype(tg.float32)


# ---- arguments that are not tensors ----------------------------------------------------------------------------------

@WORLD.same
def number_as_argument(run: Run) -> Any:
    f = run(lambda x, k: x * k)
    for k in (2.0, 3.0, 3, True, -0.0, 0.0, np.float32(0.0), np.float32(-0.0)):
        yield f(x, k)


@WORLD.same
def function_as_argument(run: Run) -> Any:
    f = run(lambda x, g: g(x))
    yield f(x, lambda v: v * 2.0)
    yield f(x, lambda v: v * 3.0)  # the first one is gone, and this one may well lie where it lay


@WORLD.same
def object_as_argument(run: Run) -> Any:
    c = Plain()
    c.k = 2.0
    f = run(lambda x, c: x * c.k)
    yield f(x, c)
    c.k = 3.0
    yield f(x, c)


@WORLD.same
def set_as_argument(run: Run) -> Any:
    s = {2.0}
    f = run(lambda x, s: x * sum(s))
    yield f(x, s)
    s.add(3.0)
    yield f(x, s)


@WORLD.same
def trees_as_arguments(run: Run) -> Any:
    Pair = collections.namedtuple("Pair", "a b")
    f = run(lambda p, **k: {"sum": p.a + k["y"][0], "pair": Pair(p.b, k["z"])})
    yield f(Pair(x, T(3, seed=1)), y=[x], z=2)
    yield f(Pair(x, T(3, seed=1)), z=2, y=[x])


@WORLD.same
def keyword_arguments_in_any_order(run: Run) -> Any:
    f = run(lambda **k: k["a"] * 2.0 + k["b"])
    yield f(a=x, b=T(3, seed=1))
    yield f(b=T(3, seed=1), a=x)


# ---- copies of a static function -------------------------------------------------------------------------------------

@WORLD.same
def method(run: Run) -> Any:
    class Trainer:
        def __init__(self, k: float) -> None:
            self.k = k

        step = run(lambda self, x: x * self.k)

    if not isinstance(Trainer.__dict__["step"], types.FunctionType | tg.static(lambda: 0).__class__):
        return  # a wrapper of check mode
    a, b = Trainer(2.0), Trainer(3.0)
    yield a.step(x), b.step(x), a.step(x)
    a.k = 5.0
    yield a.step(x), b.step(x)


@pytest.mark.parametrize("way", RUNS)
@pytest.mark.parametrize("name", WORLD)
def test_world(name: str, way: str) -> None:
    if name == "method" and way == "check":
        pytest.skip("check mode is entered around a call")
    WORLD.check(name, way)


@tg.static(level="O0")
def at_the_top(x: Any) -> Any:
    return x * 2.0


class Model:
    def __init__(self) -> None:
        self.k = 2.0

    @tg.static(level="O0")
    def step(self, x: Any) -> Any:
        return x * self.k


def test_copies_have_no_programs() -> None:
    k = 2.0
    step = tg.static(lambda x: x * k, level="O0", plan="off")
    step(x)
    twin = copy.deepcopy(step)
    assert (twin.level, twin.plan_mode, twin.count) == ("O0", "off", 0)
    assert twin(x).numpy().tolist() == step(x).numpy().tolist()
    at_the_top(x)
    found = pickle.loads(pickle.dumps(at_the_top))
    assert found is at_the_top  # as a plain function of a module, it is found by its name
    model = Model()
    model.step(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.k = 3.0
        assert other.step(x).numpy().tolist() == (x * 3.0).numpy().tolist()
        assert other.step.level == "O0"
        assert model.step(x).numpy().tolist() == (x * 2.0).numpy().tolist()


def test_a_profiler_goes_on_after_a_trace() -> None:
    profiler = cProfile.Profile()
    step = tg.static(lambda x: x * 2.0)
    with profiler:
        step(x)
        at_the_bottom()
    assert "at_the_bottom" in {getattr(entry.code, "co_name", entry.code) for entry in profiler.getstats()}


def at_the_bottom() -> None:
    pass
