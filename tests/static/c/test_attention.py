"""Attention as C that never has a table of weights: values, gradients, masks, special numbers, and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad.executors.c.compiler import cache_dir, compiled, compiler, has_openmp
from teachgrad.nn import functional as F

HOW = compiler()
pytestmark = pytest.mark.skipif(HOW is None, reason="needs a C compiler")


def numbers(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    return tg.tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype), requires_grad=True)


def both(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, threads: int | None = None) -> Any:
    """Values and gradients of a function of attention in dynamic mode, by generated C, and the static function."""
    def step(q: Any, k: Any, v: Any, *mask: Any) -> Any:
        for x in (q, k, v):
            x.grad = None
        z = F.scaled_dot_product_attention(q, k, v, mask[0] if mask else None, is_causal=causal)
        (z * z * 0.5 + z).sum().backward()
        return z, q.grad, k.grad, v.grad

    given = (q, k, v) if mask is None else (q, k, v, mask)
    plain = [x.numpy() for x in step(*given)]
    f = tg.static(step, level="O3", threads=threads)
    return plain, [x.numpy() for x in f(*given)], f


def close(a: Any, b: Any, dtype: Any) -> None:
    """Equal but for last bits of the largest number."""
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=np.abs(x).max(initial=1) * 200 * np.finfo(dtype).eps)


def in_one_piece(f: Any) -> bool:
    return "numpy:" not in tg.source(f) and "add_blocks" in tg.source(f)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", [
    ((2, 4, 64, 32), (2, 4, 64, 32), (2, 4, 64, 32)), ((1, 3, 5), (1, 9, 5), (1, 9, 4)), ((70, 8), (3, 8), (3, 17)),
    ((2, 1, 1), (2, 1, 1), (2, 1, 1)), ((3, 33, 7), (3, 130, 7), (3, 130, 9))])
def test_attention(shapes: Any, dtype: Any, causal: bool) -> None:
    q, k, v = (numbers(*shape, dtype=dtype, seed=number) for number, shape in enumerate(shapes))
    plain, fast, f = both(q, k, v, causal=causal)
    assert in_one_piece(f)
    close(plain, fast, dtype)


MASKS: dict[str, Any] = {
    "added": lambda T, S: np.random.default_rng(7).normal(size=(T, S)),
    "added for each head": lambda T, S: np.random.default_rng(7).normal(size=(3, 1, S)),
    "a choice": lambda T, S: np.random.default_rng(7).random((T, S)) < 0.6,
    "a choice of keys": lambda T, S: np.random.default_rng(7).random(S) < 0.6,
    "nothing to be seen by some": lambda T, S: np.arange(T)[:, None] % 3 + 0 * np.arange(S) > 0,
    "minus infinity": lambda T, S: np.where(np.random.default_rng(7).random((T, S)) < 0.5, -np.inf, 0.0),
}


@pytest.mark.parametrize("which", MASKS)
def test_masks(which: str) -> None:
    q, k, v = numbers(2, 3, 37, 6), numbers(2, 3, 70, 6, seed=1), numbers(2, 3, 70, 5, seed=2)
    plain, fast, f = both(q, k, v, tg.tensor(MASKS[which](37, 70)))
    assert in_one_piece(f)
    close(plain, fast, np.float64)


@given(data=st.data())
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_any_shape(data: Any) -> None:
    size = st.integers(1, 75)
    lead = tuple(data.draw(st.lists(st.integers(1, 3), max_size=3)))
    queries, keys, d, e = data.draw(size), data.draw(size), data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    q, k, v = numbers(*lead, queries, d, dtype=dtype), numbers(*lead, keys, d, dtype=dtype, seed=1), \
        numbers(*lead, keys, e, dtype=dtype, seed=2)
    plain, fast, f = both(q, k, v, causal=data.draw(st.booleans()))
    assert in_one_piece(f)
    close(plain, fast, dtype)


def test_heads_that_are_views_of_one_array() -> None:
    """As a transformer makes them: nothing is copied on the way in."""
    x = numbers(2, 50, 3 * 4 * 8, dtype=np.float32)

    def step(x: Any) -> Any:
        x.grad = None
        q, k, v = x.reshape(2, 50, 3, 4, 8).permute_dims(2, 0, 3, 1, 4)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        (z * z).sum().backward()
        return z, x.grad

    plain = [z.numpy() for z in step(x)]
    f = tg.static(step, level="O3")
    close(plain, [z.numpy() for z in f(x)], np.float32)
    assert "get_item" not in tg.source(f).partition("A call:")[2]


def test_the_log_says_so_and_no_table_is_kept() -> None:
    q, k, v = (numbers(1, 300, 8, dtype=np.float32, seed=n) for n in range(3))
    _, _, f = both(q, k, v)
    entries = [entry for entry in f.trace.rewrites if entry.pass_name == "attend"]
    assert len(entries) == 4
    assert all(entry.rule == "attention_without_weights" for entry in entries)
    assert sum(entry.change.bytes for entry in entries) < -3 * 300 * 300 * 4  # tables that are not made
    assert f.trace.program.building.arena < 300 * 300 * 4


def test_weights_that_are_looked_at_are_kept() -> None:
    from teachgrad.ops.attention import attention

    def step(q: Any, k: Any, v: Any) -> Any:
        q.grad = None
        z, w = attention(q, k, v, weights=True)
        (z * z).sum().backward()
        return z, w, q.grad

    given = [numbers(2, 9, 4, seed=n) for n in range(3)]
    plain = [x.numpy() for x in step(*given)]
    f = tg.static(step, level="O3")
    for x, y in zip(f(*given), plain, strict=True):
        np.testing.assert_allclose(x.numpy(), y, rtol=1e-12, atol=1e-12)
    assert not [entry for entry in f.trace.rewrites if entry.pass_name == "attend"]
    assert "the weights are used elsewhere too" in {miss.reason for miss in f.trace.near_misses}


@pytest.mark.parametrize("place", ["q", "k", "v"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_special_numbers_forward(place: str, number: float) -> None:
    rng = np.random.default_rng(0)
    arrays = {"q": rng.normal(size=(20, 4)), "k": rng.normal(size=(30, 4)), "v": rng.normal(size=(30, 4))}
    arrays[place][3, 1] = number
    q, k, v = map(tg.tensor, arrays.values())

    def value(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v)

    with np.errstate(invalid="ignore"), tg.no_grad():
        np.testing.assert_allclose(tg.static(value, level="O3")(q, k, v).numpy(), value(q, k, v).numpy(), rtol=1e-12)


@pytest.mark.skipif(HOW is None or not has_openmp(HOW, str(cache_dir())), reason="needs OpenMP")
def test_what_a_key_that_is_hidden_holds_makes_no_difference() -> None:
    """In dynamic mode its weight of 0 makes nan of an infinity; that difference is documented."""
    with np.errstate(all="ignore"):
        answers = []
        for number in (1.0, np.inf, np.nan):
            q, k, v = numbers(40, 8), numbers(40, 8, seed=1), numbers(40, 8, seed=2)
            k.data[-1, 0] = number
            plain, fast, _ = both(q, k, v, causal=True)
            answers.append(fast[0][:-1])
        assert np.isnan(plain[0][:-1]).any()
    assert answers[0].tobytes() == answers[1].tobytes() == answers[2].tobytes()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    q, k, v = (numbers(2, 4, 100, 16, dtype=np.float32, seed=n) for n in range(3))
    runs = [both(q, k, v, causal=True, threads=count)[1:] for count in (None, 3)]
    assert "omp parallel" in tg.source(runs[1][1])
    for fast, _ in runs[1:]:
        for x, y in zip(runs[0][0], fast, strict=True):
            assert x.tobytes() == y.tobytes()


def test_no_warnings(tmp_path: Path) -> None:
    assert HOW is not None
    q, k, v = (numbers(2, 40, 6, seed=n) for n in range(3))
    _, _, f = both(q, k, v, tg.tensor(np.ones((40, 40), bool)))
    compiled(HOW, tg.source(f), tmp_path, ("-Wall", "-Wextra", "-Werror"))


@pytest.mark.oracles("torch")
def test_against_pytorch() -> None:
    import torch

    given = [numbers(2, 4, 90, 24, dtype=np.float32, seed=n) for n in range(3)]
    _, fast, _ = both(given[0], given[1], given[2], causal=True)
    theirs = [torch.tensor(x.numpy(), requires_grad=True) for x in given]
    z = torch.nn.functional.scaled_dot_product_attention(*theirs, is_causal=True)
    (z * z * 0.5 + z).sum().backward()
    close([z.detach().numpy(), *(x.grad.numpy() for x in theirs)], fast, np.float32)
