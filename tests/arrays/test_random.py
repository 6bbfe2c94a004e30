"""Random numbers: whose bits they are, what they depend on, and what they do not."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.runmode import mode
from teachgrad.static import static


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    before = tg.random.get_state()
    tg.seed(1234)
    yield
    tg.random.set_state(before)


def site(label: str) -> tg.random.Site:
    return next(s for s in tg.random.where() if s.label == label)


def philox(seed: int, label: str, step: int) -> np.random.Generator:
    """What an outsider would write."""
    number = int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "little") % 2**63
    return np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, step, 0, 0]))


@pytest.mark.parametrize(("draw", "expected"), [
    (lambda n: tg.random.normal((3, 2), name=n), lambda g: g.standard_normal((3, 2), np.float32)),
    (lambda n: tg.random.normal((5,), dtype=tg.float64, name=n), lambda g: g.standard_normal(5)),
    (lambda n: tg.random.normal((5,), mean=3, std=2, dtype=tg.float64, name=n), lambda g: g.standard_normal(5) * 2 + 3),
    (lambda n: tg.random.normal(4, dtype=tg.float16, name=n), lambda g: g.standard_normal(4, "f4").astype("f2")),
    (lambda n: tg.random.uniform((7,), name=n), lambda g: g.random(7, np.float32)),
    (lambda n: tg.random.uniform((7,), low=-1, high=2, dtype=tg.float64, name=n), lambda g: g.random(7) * 3 - 1),
    (lambda n: tg.random.uniform(name=n), lambda g: np.float32(g.random(dtype=np.float32))),
    (lambda n: tg.random.integers(10, shape=(9,), name=n), lambda g: g.integers(0, 10, 9)),
    (lambda n: tg.random.integers(-5, 6, (2, 3), dtype=tg.int8, name=n), lambda g: g.integers(-5, 6, (2, 3), np.int8)),
    (lambda n: tg.random.permutation(12, name=n), lambda g: g.permutation(12)),
    (lambda n: tg.random.bernoulli(0.3, (20,), name=n), lambda g: g.random(20, np.float32) < np.float32(0.3)),
    (lambda n: tg.random.bernoulli(0.5, 4, dtype=tg.float32, name=n), lambda g: (g.random(4, "f4") < 0.5).astype("f4")),
])
def test_bits_are_those_of_numpy(draw: Any, expected: Any) -> None:
    for step in range(3):
        z = draw("layer").numpy()
        want = expected(philox(1234, "layer", step))
        assert z.dtype == want.dtype
        assert z.tobytes() == np.asarray(want).tobytes()
    assert site("layer").step == 3


def test_the_label_says_where_the_call_stands() -> None:
    def weights() -> Any:
        return tg.random.normal((2,))

    first = weights()
    label = "test_the_label_says_where_the_call_stands.<locals>.weights+1:15"
    assert site(label).where.startswith("test_random.py:")
    assert first.numpy().tobytes() == philox(1234, label, 0).standard_normal(2, np.float32).tobytes()
    assert weights().numpy().tobytes() == philox(1234, label, 1).standard_normal(2, np.float32).tobytes()
    assert label in str(tg.random.where())
    assert f"{site(label).number:016x}" in str(tg.random.where())


def test_other_draws_do_not_matter() -> None:
    def program(unused: bool, swapped: bool) -> tuple[Any, Any]:
        if unused:
            tg.random.normal((100,), name="unused")
        if swapped:
            b = tg.random.uniform((3,), name="b")
            return tg.random.normal((3,), name="a").numpy(), b.numpy()
        return tg.random.normal((3,), name="a").numpy(), tg.random.uniform((3,), name="b").numpy()

    want = program(False, False)
    for variant in ((True, False), (False, True), (True, True)):
        tg.seed(1234)
        got = program(*variant)
        assert all(x.tobytes() == y.tobytes() for x, y in zip(want, got, strict=True))


def test_draws_of_one_site_do_not_overlap() -> None:
    raw = [tg.random.integers(0, 2**63 - 1, (1000,), name="x").numpy() for _ in range(20)]
    everything = np.concatenate(raw)
    assert len(np.unique(everything)) == len(everything)


def test_seeding_begins_anew_and_changes_everything() -> None:
    def draw() -> Any:
        return tg.random.normal((4,), name="w").numpy()

    a, b = draw(), draw()
    tg.seed(1234)
    assert draw().tobytes() == a.tobytes()
    tg.seed(1235)
    assert not np.isin(draw(), np.concatenate([a, b])).any()
    tg.seed(2**63 - 1)
    assert draw().tobytes() == philox(2**63 - 1, "w", 0).standard_normal(4, np.float32).tobytes()
    for wrong in (-1, 2**63):
        with pytest.raises(tg.TeachgradError, match=r"a seed is"):
            tg.seed(wrong)


def test_state_can_be_kept_and_restored_by_another_process() -> None:
    tg.random.normal((3,), name="a")
    kept = json.loads(json.dumps(tg.random.get_state()))
    want = [tg.random.normal((3,), name="a").numpy(), tg.random.normal((3,), name="new").numpy()]
    tg.seed(99)
    tg.random.set_state(kept)
    got = [tg.random.normal((3,), name="a").numpy(), tg.random.normal((3,), name="new").numpy()]
    assert all(x.tobytes() == y.tobytes() for x, y in zip(want, got, strict=True))
    tg.random.set_state({"seed": 5, "steps": {"never seen before": 7}})
    assert tg.random.normal((3,), name="never seen before").numpy().tobytes() == (
        philox(5, "never seen before", 7).standard_normal(3, np.float32).tobytes())


def step(x: tg.Tensor) -> tuple[Any, ...]:
    mask = tg.random.bernoulli(0.5, x.shape, dtype=tg.float32)
    noise = tg.random.normal(x.shape)
    loss = (x * mask + noise).sum()
    return loss, mask, noise, tg.random.permutation(6), tg.random.integers(10, shape=(3,)), tg.random.uniform((2,))


def bits(results: list[tuple[Any, ...]]) -> list[bytes]:
    return [x.numpy().tobytes() for result in results for x in result]


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_the_mode_does_not_matter(level: str) -> None:
    x = tg.ones((5,))
    want = bits([step(x) for _ in range(4)])
    tg.seed(1234)
    compiled = static(step, level=level)
    assert bits([compiled(x) for _ in range(4)]) == want
    tg.seed(1234)
    mixed = [step(x), compiled(x), compiled(x), step(x)]  # the count goes on from one mode to the other
    assert bits(mixed) == want
    tg.seed(1234)
    with mode("check"):
        assert bits([compiled(x) for _ in range(4)]) == want


def test_removing_a_dead_draw_from_a_graph_changes_nothing_else() -> None:
    def with_dead_draw(x: tg.Tensor) -> Any:
        tg.random.normal(x.shape, name="dead")
        return x * tg.random.normal(x.shape, name="alive")

    def without(x: tg.Tensor) -> Any:
        return x * tg.random.normal(x.shape, name="alive")

    x = tg.ones((5,))
    results = []
    for f in (with_dead_draw, static(with_dead_draw), without, static(without)):
        tg.seed(1234)
        results.append([f(x).numpy().tobytes() for _ in range(3)])
    assert all(r == results[0] for r in results)
    assert site("dead").step == 0
    tg.seed(1234)
    static(with_dead_draw)(x)
    assert site("dead").step == 1  # the draw counts, though nobody computes it


def test_a_seed_inside_a_static_function_is_refused() -> None:
    def seeded(x: tg.Tensor) -> Any:
        tg.seed(0)
        return x * tg.random.normal(x.shape)

    with pytest.raises(tg.TraceError, match=r"(?s)TG-S06.*test_random.py"):
        static(seeded)(tg.ones((2,)))


def test_threads_never_get_the_same_draw() -> None:
    found: list[bytes] = []

    def work() -> None:
        found.extend([tg.random.normal((4,), name="shared").numpy().tobytes() for _ in range(300)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    want = {philox(1234, "shared", k).standard_normal(4, np.float32).tobytes() for k in range(1200)}
    assert len(found) == 1200
    assert set(found) == want


def test_permutation_of_a_tensor_moves_rows_and_gradients() -> None:
    x = tg.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    y = tg.random.permutation(x, name="rows")
    order = philox(1234, "rows", 0).permutation(4)
    np.testing.assert_array_equal(y.numpy(), x.numpy()[order])
    weights = tg.tensor(np.arange(4.0)[:, None])
    (y * weights).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[order], np.broadcast_to(np.arange(4.0)[:, None], (4, 3)))


def test_no_gradient_flows_and_leaves_can_be_made() -> None:
    assert not tg.random.normal((3,)).requires_grad
    w = tg.random.uniform((3,), requires_grad=True)
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), 2 * w.numpy())


@pytest.mark.parametrize(("call", "message"), [
    (lambda: tg.random.bernoulli(1.5, (2,)), r"between 0 and 1"),
    (lambda: tg.random.integers(3, 3), r"no integer x with 3 <= x < 3"),
    (lambda: tg.random.normal((2,), dtype=tg.int32), r"floating-point numbers, not int32"),
    (lambda: tg.random.integers(3, dtype=tg.float32), r"integers of float32"),
])
def test_mistakes_are_explained(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call()


def test_numbers_are_spread_as_they_should_be() -> None:
    n = 200_000
    u = tg.random.uniform((n,), dtype=tg.float64, name="u").numpy()
    counts = np.bincount((u * 100).astype(int), minlength=100)
    chi_square = ((counts - n / 100) ** 2 / (n / 100)).sum()
    assert 60 < chi_square < 150  # 99 degrees of freedom: mean 99, standard deviation 14
    z = tg.random.normal((n,), name="z").numpy()
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * n)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(n)
    steps = np.array([tg.random.uniform((), dtype=tg.float64, name="s").item() for _ in range(5000)])
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1]) < 4 / np.sqrt(5000)
    assert abs(tg.random.bernoulli(0.25, (n,), name="b").numpy().mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)
