"""Every code of a refusal, provoked: the message names the line, says why, shows ways out and points at its section.

The table holds what the other tables of static mode leave over. Together they provoke every code at least three times.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from tests.static.outcomes import T, marked_lines, parts_of
from tests.static.test_hard_functions import HARD

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "hard-subjects.md"
PROVOKED: dict[str, tuple[Callable[[], Any], str]] = {}


def provokes(code: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """This ends in a refusal with that code, which names the line marked `# here`."""
    def note(case: Callable[[], Any]) -> Callable[[], Any]:
        PROVOKED[case.__name__] = case, code
        return case
    return note


class Doubled(tg.Function):
    """z = 2 x"""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2.0

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 2.0


# ---- TG-S02: too many paths ------------------------------------------------------------------------------------------

@provokes("TG-S02")
def many_values() -> None:
    f = tg.static(lambda x: x * float(x.sum()), on_python="guard")  # here
    for k in range(18):
        f(tg.tensor([float(k)]))


@provokes("TG-S02")
def many_steps() -> None:
    def f(x: Any) -> Any:
        while x.sum() > 0:  # here
            x = x - 1.0
        return x

    g = tg.static(f, on_python="guard")
    for k in range(18):
        g(tg.tensor([float(k)]))


@provokes("TG-S02")
def many_lengths_of_a_mask() -> None:
    f = tg.static(lambda x: x[x > 0.0] * 2.0, on_python="guard")  # here
    for k in range(18):
        f(tg.tensor((np.arange(20.0) < k).astype(np.float32)))


# ---- TG-S03: too many traces -----------------------------------------------------------------------------------------

@provokes("TG-S03")
def many_lengths() -> None:
    f = tg.static(lambda x: x * 2.0)
    for n in range(1, 12):
        f(T(n))  # here


@provokes("TG-S03")
def many_numbers() -> None:
    f = tg.static(lambda x, k: x * k)
    for k in range(12):
        f(T(3), k)  # here


@provokes("TG-S03")
def many_structures() -> None:
    f = tg.static(lambda xs: sum(xs))
    for n in range(1, 12):
        f([T(3)] * n)  # here


# ---- TG-S07: a tensor of another graph -------------------------------------------------------------------------------

@provokes("TG-S07")
def history_outside() -> None:
    h = T(3, grad=True) * 2.0

    def f(x: Any) -> Any:
        return x * h  # here

    tg.static(f)(T(3))


@provokes("TG-S07")
def backward_to_an_argument_with_a_history() -> None:
    def f(x: Any) -> Any:
        loss = (x * x).sum()
        loss.backward()  # here
        return loss

    tg.static(f)(T(3, grad=True) * 2.0)


@provokes("TG-S07")
def tensor_that_escapes() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x * 2.0)
        return x

    with pytest.raises(tg.TraceError):
        tg.static(f)(T(3))
    kept[0].numpy()  # here


@provokes("TG-S07")
def tensor_of_an_outer_trace() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x * 2.0)
        return x

    with pytest.raises(tg.TraceError):
        tg.static(f)(T(3))
    tg.static(lambda x: x * kept[0])(T(3))  # here


@provokes("TG-S07")
def value_of_an_expression() -> None:
    x = tg.placeholder((3,))
    float(x.sum())  # here


@provokes("TG-S07")
def parameter_in_an_expression() -> None:
    x, w = tg.placeholder((3,)), T(3, grad=True)
    x * w  # here


# ---- TG-S08: not a tensor --------------------------------------------------------------------------------------------

@provokes("TG-S08")
def generator_returned() -> None:
    def f(x: Any) -> Any:
        return (row for row in x)  # here

    tg.static(f)(T(3))


@provokes("TG-S08")
def array_as_argument() -> None:
    tg.static(lambda x: x)(np.ones(3))  # here


@provokes("TG-S08")
def memory_of_an_array() -> None:
    a = np.ones(3, np.float32)

    def f(x: Any) -> Any:
        return x * tg.asarray(a, copy=False)  # here

    tg.static(f)(T(3))


@provokes("TG-S08")
def tensor_returned_with_a_gradient() -> None:
    def f(x: Any) -> Any:
        w = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (w * x).sum().backward()
        return w  # here

    tg.static(f)(T(3))


@provokes("TG-S08")
def number_as_input() -> None:
    x = tg.placeholder((3,))
    tg.function([x, 2.0], x * 2.0)  # here


@provokes("TG-S08")
def input_that_is_missing() -> None:
    x, y = tg.placeholder((3,), name="x"), tg.placeholder((3,), name="y")
    tg.function([x], x * y)  # here


@provokes("TG-S08")
def input_that_is_not_used() -> None:
    x, y = tg.placeholder((3,), name="x"), tg.placeholder((3,), name="y")
    tg.function([x, y], x * 2.0)  # here


@provokes("TG-S08")
def number_as_output() -> None:
    x = tg.placeholder((3,))
    tg.function([x], [x * 2.0, 3.0])  # here


@provokes("TG-S08")
def update_of_a_placeholder() -> None:
    x = tg.placeholder((3,))
    tg.function([x], x * 2.0, updates={x: x * 2.0})  # here


# ---- TG-S09: an overwrite that would lose something ------------------------------------------------------------------

@provokes("TG-S09")
def history_left_in_an_argument() -> None:
    w = T(3, grad=True)

    def f(x: Any) -> Any:
        x += w  # here
        return x * 1.0

    tg.static(f)(T(3))


@provokes("TG-S09")
def gradient_with_a_history() -> None:
    w = T(3, grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        loss = (w * w * x).sum()
        loss.backward(create_graph=True)  # here
        return loss

    tg.static(f)(T(3))


@provokes("TG-S09")
def history_that_is_hidden() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        with tg.no_grad():
            y *= 3.0  # here
        return y

    tg.static(f)(T(3, grad=True))


@provokes("TG-S09")
def overwrite_through_reshape() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        y.reshape(6)[0] = 0.0  # here
        return y

    tg.static(f)(T(2, 3))


@provokes("TG-S09")
def number_read_and_overwritten() -> None:
    def f(x: Any) -> Any:
        y = tg.zeros(3)
        size = y.numpy().size
        y += x  # here
        return y * float(size)

    tg.static(f)(T(3))


@provokes("TG-S09")
def transpose_overwritten_and_read() -> None:
    def f(x: Any) -> Any:
        x += 1.0
        return x * 2.0  # here

    tg.static(f)(T(2, 3).T)


@provokes("TG-S09")
def read_only_memory() -> None:
    a = np.ones(3, np.float32)
    a.flags.writeable = False

    def f(x: Any) -> Any:
        x += 1.0
        return x * 2.0

    tg.static(f)(tg.asarray(a, copy=False))  # here


@provokes("TG-S09")
def placeholder_overwritten() -> None:
    x = tg.placeholder((3,))
    x += 1.0  # here


# ---- TG-S10: shared memory -------------------------------------------------------------------------------------------

@provokes("TG-S10")
def argument_and_its_part() -> None:
    def f(x: Any, y: Any) -> Any:
        x += 1.0
        return x * y.sum()

    x = T(4)
    tg.static(f)(x, x[:2])  # here


@provokes("TG-S10")
def closure_and_argument() -> None:
    w = T(4)

    def f(x: Any) -> Any:
        w.mul_(2.0)
        return x * 1.0

    tg.static(f)(w.reshape(2, 2))  # here


@provokes("TG-S10")
def gradient_as_argument() -> None:
    w = T(3, grad=True)
    (w * w).sum().backward()

    def f(g: Any) -> Any:
        (w * w).sum().backward()  # here
        return g * 2.0

    tg.static(f)(w.grad)


# ---- TG-S11: a tg.Function that is not the same on every call --------------------------------------------------------

@provokes("TG-S11")
def shape_from_values() -> None:
    class Positive(Doubled):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:  # here
            return x[x > 1.0]

    tg.static(lambda x: Positive.apply(x))(tg.tensor([2.0, 3.0, 4.0]))


@provokes("TG-S11")
def setting_from_values() -> None:
    class Scaled(Doubled):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:  # here
            ctx.largest = float(x.max())
            return x / ctx.largest

    tg.static(lambda x: Scaled.apply(x))(tg.tensor([2.0, 3.0]))


@provokes("TG-S11")
def failure_on_made_up_numbers() -> None:
    class Large(Doubled):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:  # here
            if x.min() < 10.0:
                raise OverflowError("too small")
            return x

    tg.static(lambda x: Large.apply(x))(tg.tensor([20.0]))


@provokes("TG-S11")
def call_of_itself() -> None:
    class Again(Doubled):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            if len(calls) < 5:
                calls.append(1)
                f(tg.tensor(x))  # here
            return x

    calls = [1] * 5
    f = tg.static(lambda x: Again.apply(x))
    f(T(3))
    calls.clear()
    f(T(3))


# ---- TG-S12: in a loop or branch, what belongs to the step -----------------------------------------------------------

@provokes("TG-S12")
def backward_in_a_loop() -> None:
    w = tg.Parameter([2.0, 1.0, 3.0])

    def body(h: Any, x: Any) -> Any:
        (w * x).sum().backward()  # here
        return h + x, None

    tg.static(lambda x: tg.scan(body, 0.0, x))(T(3))


@provokes("TG-S12")
def gradient_forgotten_in_a_loop() -> None:
    w = tg.Parameter([2.0])
    optimizer = tg.optim.SGD([w], lr=0.1)

    def body(x: Any) -> Any:
        optimizer.zero_grad()  # here
        return x * 2.0 * w

    tg.static(lambda x: tg.while_loop(lambda x: x.sum() < 10.0, body, x))(T(1))


@provokes("TG-S12")
def parameter_overwritten_in_a_branch() -> None:
    w = tg.Parameter([2.0, 1.0, 3.0])

    def then(x: Any) -> Any:
        with tg.no_grad():
            w.__isub__(x)  # here
        return x * w

    tg.static(lambda x: tg.cond(x.sum() > 0, then, lambda x: x, x))(T(3))


@provokes("TG-S12")
def hook_added_in_a_loop() -> None:
    w = tg.Parameter([2.0, 1.0, 3.0])

    def body(h: Any, x: Any) -> Any:
        w.on_grad(lambda g: g)  # here
        return h + (w * x).sum(), None

    tg.static(lambda x: tg.scan(body, 0.0, x))(T(3))


@provokes("TG-S12")
def condition_that_draws() -> None:
    def loop(x: Any) -> Any:
        return tg.while_loop(lambda x: tg.random.uniform() < 0.5, lambda x: x * 2.0, x)  # here

    tg.static(loop)(T(3))


# ---- TG-S14: the modes differ ----------------------------------------------------------------------------------------

def remembered() -> Any:
    """How often something was remembered: Python's cache is not watched."""
    cached = functools.lru_cache(lambda n: n)
    return lambda: cached(1) and cached.cache_info().hits


@provokes("TG-S14")
def another_value() -> None:
    class Drifting(Doubled):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            seen.append(1)
            return x + len(seen)

    seen: list[int] = []
    f = tg.static(lambda x: Drifting.apply(x))  # here
    with tg.mode("check"):
        f(T(3))


@provokes("TG-S14")
def another_result() -> None:
    hits = remembered()
    f = tg.static(lambda x: (x * 2.0, hits()))
    with tg.mode("check"):
        f(T(3))  # here


@provokes("TG-S14")
def another_op() -> None:
    hits = remembered()
    f = tg.static(lambda x: tg.sin(x) if hits() % 2 else tg.cos(x))  # here
    with tg.mode("check"):
        f(T(3))


@provokes("TG-S14")
def another_number_of_ops() -> None:
    hits = remembered()
    f = tg.static(lambda x: tg.sin(x) * 2.0 if hits() % 2 else tg.sin(x))
    with tg.mode("check"):
        f(T(3))  # here


@pytest.mark.parametrize("name", PROVOKED)
def test_a_refusal_names_the_line(name: str) -> None:
    case, code = PROVOKED[name]
    with pytest.raises(tg.TraceError) as caught:
        case()
    found = parts_of(caught.value)
    assert found["code"] == code, caught.value
    assert found["file"] == Path(__file__).name, caught.value
    assert [int(found["line"])] == marked_lines(case), caught.value


def codes_in_the_source() -> set[str]:
    files = [*(ROOT / "teachgrad").rglob("*.py"), *(ROOT / "gpu").rglob("*.py")]
    return {code for file in files for code in re.findall(r"\"(TG-S\d\d)\"", file.read_text(encoding="utf-8"))}


def test_every_code_is_provoked_three_times_with_its_line() -> None:
    cases = Counter(code for case, code in [*PROVOKED.values(), *HARD.values()] if code and marked_lines(case))
    assert {code for code in codes_in_the_source() if cases[code] < 3} == set()


def test_every_code_has_a_section_with_an_example() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (TG-S\d\d).*?\{#(?:tg-s\d\d)\}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    assert sections.keys() == codes_in_the_source()
    for code, section in sections.items():
        assert "```python" in section, code
        assert f"[{code}]" in section, code
        assert f"{{#{code.lower()}}}" in page
