"""Results that share memory with arguments, with tensors from outside or with one another (TG-S09).

In dynamic mode a result may be the very tensor that went in, or a view of it, so that writing to one is seen in the
other. Static mode keeps that: each case calls its function, writes through what it got, and looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import teachgrad as tg
from tests.static.outcomes import RUNS, Run, Scenarios, T

CASES = Scenarios()


def seen(x: Any, *ys: Any) -> list[Any]:
    """Everything after x, and then each result, was overwritten."""
    answer = []
    for number, y in enumerate((x, *ys)):
        with tg.no_grad():
            y.mul_(number + 2.0)
            y[..., 0] = -1.0 - number
        answer.append([z.numpy() for z in (x, *ys)])
    return answer


def of_argument(function: Callable[[Any], Any], code: str | None = None) -> None:
    """A case with one argument: its results, called twice, on the same tensor and on another."""
    def scenario(run: Run) -> Any:
        call, answer = run(function), []
        first = T(3, 4, seed=1)
        for x in (first, first, T(3, 4, seed=2)):
            result = call(x)
            results = list(result) if isinstance(result, tuple) else [result]
            answer += [result, *(y is x for y in results), seen(x, *results)]
        return answer

    scenario.__name__ = function.__name__
    CASES[function.__name__] = scenario, code


def argument(x: Any) -> Any:
    return x


def argument_twice(x: Any) -> Any:
    return x, x


def argument_after_use(x: Any) -> Any:
    y = x * 2.0
    return x, y


def view_of_argument(x: Any) -> Any:
    return x[1:]


def view_of_a_view(x: Any) -> Any:
    return x.mT[1:].mT[:2]


def row(x: Any) -> Any:
    return x[0]


def overlapping_views(x: Any) -> Any:
    return x[:2], x[1:], x[::2]


def argument_and_its_view(x: Any) -> Any:
    return x, x[:, 1:]


def reshaped(x: Any) -> Any:
    return x.reshape((4, 3))


def reshaped_after_a_turn(x: Any) -> Any:
    """Which has to copy."""
    return x.mT.reshape((12,))


def turned(x: Any) -> Any:
    return tg.permute_dims(x, (1, 0))


def expanded(x: Any) -> Any:
    return tg.expand_dims(x, axis=0), tg.squeeze(tg.expand_dims(x, axis=1), axis=1)


def detached(x: Any) -> Any:
    return x.detach()


def copy_of_argument(x: Any) -> Any:
    return x.copy()


def chosen_by_an_array(x: Any) -> Any:
    """Which copies."""
    return x[tg.tensor([0, 2])]


def same_dtype(x: Any) -> Any:
    return tg.astype(x, tg.float32, copy=False)


def same_dtype_copied(x: Any) -> Any:
    return tg.astype(x, tg.float32)


def one_result_twice(x: Any) -> Any:
    y = x * 2.0
    return y, y


def result_and_its_view(x: Any) -> Any:
    y = x * 2.0
    return y, y[1:]


def views_of_one_result(x: Any) -> Any:
    y = tg.tanh(x)
    return y[:2], y[1:], y.mT


def equal_results_apart(x: Any) -> Any:
    """Common subexpressions, which must not come to share memory."""
    return x * 2.0, x * 2.0


def copy_of_a_result(x: Any) -> Any:
    y = x * 2.0
    return y, y.copy()


def idle_operations(x: Any) -> Any:
    """+x and the sum over nothing are new tensors."""
    return +x, x.sum(axis=())


def turned_there_and_back(x: Any) -> Any:
    return x.mT.mT, (x * 2.0).mT.mT


def overwritten_argument(x: Any) -> Any:
    x.mul_(3.0)
    return x


def view_of_an_overwritten_argument(x: Any) -> Any:
    v = x[1:]
    x.add_(1.0)
    return v


def overwritten_view_of_argument(x: Any) -> Any:
    v = x[1:]
    v.add_(1.0)
    return v, x


def copy_before_overwriting(x: Any) -> Any:
    old = x.copy()
    x.add_(1.0)
    return old, x


for _function in (argument, argument_twice, argument_after_use, view_of_argument, view_of_a_view, row,
                  overlapping_views, argument_and_its_view, reshaped, reshaped_after_a_turn, turned, expanded,
                  detached, copy_of_argument, chosen_by_an_array, same_dtype, same_dtype_copied, one_result_twice,
                  result_and_its_view, views_of_one_result, equal_results_apart, copy_of_a_result, idle_operations,
                  turned_there_and_back, overwritten_argument, view_of_an_overwritten_argument,
                  overwritten_view_of_argument, copy_before_overwriting):
    of_argument(_function)


def with_cell(use: Callable[[Any, Any], Any]) -> Callable[[Run], Any]:
    """A case with a tensor from outside: its results, called three times."""
    def scenario(run: Run) -> Any:
        w, answer = tg.Parameter(T(3, 4, seed=5).numpy()), []
        call = run(lambda x: use(w, x))
        for number in range(3):
            result = call(T(3, 4, seed=number))
            results = list(result) if isinstance(result, tuple) else [result]
            answer += [result, *(y is w for y in results), w.copy()]
            answer += seen(w, *[y.detach() for y in results])
        return answer

    scenario.__name__ = use.__name__
    return CASES.same(scenario)


@with_cell
def parameter(w: Any, x: Any) -> Any:
    return w


@with_cell
def view_of_parameter(w: Any, x: Any) -> Any:
    return w[1:], w.mT


@with_cell
def parameter_and_value(w: Any, x: Any) -> Any:
    return w.detach(), w * x


@with_cell
def overwritten_parameter(w: Any, x: Any) -> Any:
    with tg.no_grad():
        w.add_(x)
    return w


@with_cell
def view_of_a_parameter_that_is_overwritten(w: Any, x: Any) -> Any:
    v = w.detach()[1:]
    with tg.no_grad():
        w.mul_(0.5)
    return v, w


@with_cell
def value_of_a_parameter_before(w: Any, x: Any) -> Any:
    with tg.no_grad():
        before = w.copy()
        w.sub_(x)
        return before, w.detach()


@with_cell
def parameter_that_takes_an_argument(w: Any, x: Any) -> Any:
    with tg.no_grad():
        w[...] = x
    return w.detach(), x


@CASES.same
def argument_given_twice(run: Run) -> Any:
    call, x = run(lambda a, b: (a, b[1:], a * b)), T(3, 4)
    first, second, product = call(x, x)
    return seen(x, first, second, product)


@CASES.same
def argument_that_is_a_view(run: Run) -> Any:
    call, x = run(lambda v: (v, v[0], v * 2.0)), T(3, 4)
    results = call(x[1:])
    return seen(x, *results)


@CASES.same
def result_that_is_given_again(run: Run) -> Any:
    call, x = run(lambda v: v[:, ::-1] * 1.5), T(3, 4)
    first = call(x)
    second = call(first)
    return seen(x, first, second, call(second[:, ::-1]))


def added(a: Any, b: Any) -> Any:
    a.add_(b)
    return a, b * 2.0


@CASES.same
def overwritten_argument_given_twice(run: Run) -> Any:
    """Also after and before a call with two tensors."""
    call, x, y, answer = run(added), T(3, 4), T(3, 4, seed=3), []
    for a, b in ((x, x), (x, y), (y, y)):
        results = call(a, b)
        answer += [*results, *(z is a for z in results), seen(x, y, *results)]
    return answer


@CASES.refused("TG-S10")
def overwritten_argument_and_a_view_of_it(run: Run) -> Any:
    call, x = run(added), T(4)
    call(x, T(4))
    return call(x, x[::-1])  # here


@CASES.refused("TG-S10")
def overwritten_cell_and_a_view_of_it(run: Run) -> Any:
    w = T(4)

    def step(x: Any) -> Any:
        w.add_(x)
        return x * 2.0

    call = run(step)
    call(T(4, seed=1))
    return call(w[:])  # here


def test_tensors_in_one_memory_are_told_by_their_names() -> None:
    w = T(4)
    w.name, part = "weight", w[1:]
    part.name = "part"

    def step(x: Any) -> Any:
        w.mul_(2.0)
        return part * x

    with pytest.raises(tg.TraceError, match=r"TG-S10.* overwrites weight, which shares memory with part "):
        tg.static(step)(T(3))


def test_there_are_enough() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("way", RUNS)
@pytest.mark.parametrize("name", CASES)
def test_alias(name: str, way: str) -> None:
    if CASES[name][1] and way == "check":
        pytest.skip("check mode is entered around a call")
    CASES.check(name, way)


@pytest.mark.parametrize("take", [lambda b: b, lambda b: b[1:], lambda b: b.detach()])
@pytest.mark.parametrize("level", ["O0", "O1", "O2"])
def test_what_is_written_may_be_a_tensor_from_outside_that_changes(take: Callable[[Any], Any], level: str) -> None:
    """Its value was once that of before the call, as a constant of the graph."""
    answers = []
    for wrap in (lambda f: f, tg.static(level=level)):
        b = tg.tensor([[3.0, 4.0], [5.0, 6.0]])
        a = tg.zeros(take(b).shape)

        def f(x: Any, a: Any = a, b: Any = b) -> Any:
            part = take(b)
            b.mul_(x)
            a.copy_(part)
            b.add_(1.0)
            return a + part

        call = wrap(f)
        answers.append([z.numpy().tolist() for _ in range(3) for z in (call(tg.tensor(2.0)), a.copy(), b.copy())])
    assert answers[0] == answers[1]
