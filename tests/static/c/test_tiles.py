"""Products as tiles: every remainder, any strides, on every target, held against the bound of a sum of products."""

from __future__ import annotations

import ctypes
import itertools
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad.executors.c.compiler import Compiler, compiled, compiler
from teachgrad.executors.c.tiles import source_of

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")

TARGETS = {"native": (), "avx2": ("-mno-avx512f",), "any": ("-march=x86-64", "-mtune=generic")}
"""Flags that come last, and take something away."""
KINDS = {"float": np.float32, "double": np.float64}
EXPORTED = """
void call(int64_t m, int64_t n, int64_t k, const float *x, int64_t x_down, int64_t x_right,
          const float *y, int64_t y_down, int64_t y_right, float *z, int64_t z_down, bool add)
{
    product_float(m, n, k, x, x_down, x_right, y, y_down, y_right, z, z_down, add);
}
"""


def available(name: str) -> Compiler:
    """The compiler of this name; skips the test without it."""
    how, path = compiler(), shutil.which(name)
    if how is None or path is None:
        pytest.skip(f"needs {name}")
    return replace(how, command=(path,), simd_math=False)


def whole_source(kind: str) -> str:
    call = EXPORTED.replace("float", kind)
    return "\n".join(["#include <stdbool.h>", "#include <stdint.h>", *source_of(call), call])


def function(kind: str, folder: Path, how: Compiler | None = None, flags: tuple[str, ...] = ()) -> Callable[..., None]:
    """The product of two arrays into a third, or added to it, as a Python function."""
    how = how or compiler()
    assert how is not None
    library = ctypes.CDLL(str(compiled(how, whole_source(kind), folder, ("-Wall", "-Wextra", "-Werror", *flags))))
    length, pointer = ctypes.c_int64, ctypes.c_void_p
    library.call.argtypes = [length] * 3 + [pointer, length, length] * 2 + [pointer, length, ctypes.c_bool]

    def product(x: Any, y: Any, z: Any, add: bool = False) -> None:
        steps = [step // z.itemsize for array in (x, y, z) for step in array.strides]
        library.call(*z.shape, x.shape[1], x.ctypes.data, *steps[:2], y.ctypes.data, *steps[2:4], z.ctypes.data,
                     steps[4], add)

    return product


def within_bound(x: Any, y: Any, z: Any, before: Any = 0) -> bool:
    """|z - xy| <= (k + 2) eps |x||y|: what a sum of k products may be wrong by, in any order (Higham 2002, 3.1)."""
    wide = np.longdouble if z.dtype == np.float64 else np.float64
    x, y, before = x.astype(wide), y.astype(wide), np.asarray(before, wide)
    bound = (x.shape[1] + 2) * np.finfo(z.dtype).eps * (np.abs(x) @ np.abs(y) + np.abs(before))
    return bool((np.abs(z - (x @ y + before)) <= bound).all())


def numbers(rng: np.random.Generator, kind: str, *shape: int) -> Any:
    return rng.normal(size=shape).astype(KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "target"), list(itertools.product(("gcc", "clang"), TARGETS)))
def test_every_remainder(name: str, target: str, kind: str, tmp_path: Path) -> None:
    if target != "native" and platform.machine() != "x86_64":
        pytest.skip("flags of x86-64")
    product, rng = function(kind, tmp_path, available(name), TARGETS[target]), np.random.default_rng(0)
    x, y, z = numbers(rng, kind, 20, 7), numbers(rng, kind, 7, 70), numbers(rng, kind, 20, 73)
    for m, n, turned in itertools.product(range(1, 18), range(1, 67), (False, True)):
        k = 1 + (m + n) % 7
        left, right, before = x[:m, :k], y[:k, :n], z.copy()
        add = bool((m + n) % 2)
        product(left, right.T.copy().T if turned else right, z[:m, :n], add)
        assert within_bound(left, right, z[:m, :n], before[:m, :n] if add else 0), (m, n, k, turned)
        before[:m, :n] = z[:m, :n]
        assert (z == before).all(), "nothing beside z is written"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [255, 256, 257, 258, 512, 771])
def test_depths(k: int, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    product, rng = cached(kind, tmp_path_factory), np.random.default_rng(k)
    for turned in (False, True):
        x, y = numbers(rng, kind, 70, k), numbers(rng, kind, *((45, k) if turned else (k, 45)))
        y, z = (y.T if turned else y), np.full((70, 45), np.nan, x.dtype)
        product(x, y, z)
        assert within_bound(x, y, z)


CACHE: dict[str, Callable[..., None]] = {}


def cached(kind: str, factory: pytest.TempPathFactory) -> Callable[..., None]:
    if kind not in CACHE:
        CACHE[kind] = function(kind, factory.mktemp(kind))
    return CACHE[kind]


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[..., None]]:
    return {kind: cached(kind, tmp_path_factory) for kind in KINDS}


lengths = st.integers(1, 150)
ways = st.tuples(*[st.sampled_from(["as it is", "backwards", "with gaps", "all the same"])] * 2, st.booleans())


def view(rng: np.random.Generator, kind: str, shape: tuple[int, ...], way: tuple[str, str, bool]) -> Any:
    """A matrix that lies in memory in one way along its rows, in another along its columns, transposed or not."""
    *along, turned = way
    base = numbers(rng, kind, *(shape[::-1] if turned else shape), 2)
    x = base[..., 0] if "with gaps" in along else base[..., 0].copy()
    x = x.T if turned else x
    for axis, how in enumerate(along):
        x = np.flip(x, axis) if how == "backwards" else x
        x = np.broadcast_to(x.take([0], axis), shape) if how == "all the same" else x
    return x


@given(m=lengths, n=lengths, k=st.integers(1, 300), kind=st.sampled_from(list(KINDS)), first=ways, second=ways,
       gap=st.integers(0, 5), add=st.booleans())
def test_any_strides(products: dict[str, Callable[..., None]], m: int, n: int, k: int, kind: str,
                     first: tuple[str, str, bool], second: tuple[str, str, bool], gap: int, add: bool) -> None:
    rng = np.random.default_rng(m + n + k)
    x, y, z = view(rng, kind, (m, k), first), view(rng, kind, (k, n), second), numbers(rng, kind, m, n + gap)[:, :n]
    before = z.copy()
    products[kind](x, y, z, add)
    assert within_bound(x, y, z, before if add else 0)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_a_special_value_stays_in_its_row_and_column(special: float, products: dict[str, Callable[..., None]]) -> None:
    """The zeros that a panel is filled up with touch nothing: 0 inf would be nan."""
    x, y = np.ones((9, 40)), np.ones((40, 35))
    z = np.empty((9, 35))
    x[3, 5] = special
    products["double"](x, y, z)
    assert np.isfinite(np.delete(z, 3, axis=0)).all()
    np.testing.assert_array_equal(z[3], np.full(35, special))


@pytest.mark.parametrize(("left", "right", "dtype"), [
    ((40, 50), (50, 60), "float64"), ((3, 40, 50), (50, 60), "float32"), ((3, 40, 50), (3, 50, 60), "float64"),
    ((2, 1, 40, 50), (3, 50, 60), "float32"), ((40, 50), (3, 50, 60), "float64"), ((1, 40, 50), (3, 50, 60), "float32"),
    ((2, 3, 40, 50), (1, 1, 50, 60), "float32"), ((5, 1, 300), (300, 60), "float32")])
def test_batches(left: tuple[int, ...], right: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(1)
    x, y = (tg.tensor(rng.normal(size=shape).astype(dtype)) for shape in (left, right))
    step = tg.static(lambda x, y: (x @ y, x[..., ::-1] @ y[..., ::-1, :], x @ (y * 1.0).mT.mT), level="O3")
    bound = (left[-1] + 2) * np.finfo(dtype).eps * (np.abs(x.numpy()) @ np.abs(y.numpy()))
    for z in step(x, y):
        assert (np.abs(z.numpy() - x.numpy().astype("f8") @ y.numpy().astype("f8")) <= bound).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors(dtype: str) -> None:
    """A row, a column or both, along a matrix as it lies or across it, in batches, with gaps and backwards."""
    rng = np.random.default_rng(2)
    a, b, c, x, y, z = (tg.tensor(rng.normal(size=shape).astype(dtype)) for shape in (
        (123, 611), (3, 611, 50), (9000, 5), (611,), (123,), (9000,)))

    def pairs(a: Any, b: Any, c: Any, x: Any, y: Any, z: Any) -> list[tuple[Any, Any]]:
        return [(a, x), (y, a), (a.mT, y), (x, a.mT), (x, x), (x, b), (b.mT, x), (b.mT[:, :2], x), (x[None], a.mT),
                (a[::-1, ::2], x[::-2]), (y[::-1], a[:, 5:300]), (a, x[:, None]), (y[:, None], x[None]),
                (b[..., :1], x[None]), (c.mT, z), (z, c), (z, z), (x[:1], a[:1]), (a[:, :1], x[:1]),
                (b.mT[:, 1:2], b), (b.mT, b[..., 7:8])]

    step = tg.static(lambda *xs: tuple(p @ q for p, q in pairs(*xs)), level="O3")
    got = step(a, b, c, x, y, z)
    assert "numpy:" not in tg.source(step)
    arrays = (t.numpy().astype(np.longdouble) for t in (a, b, c, x, y, z))
    for (p, q), r in zip(pairs(*(Wide(array) for array in arrays)), got, strict=True):
        bound = (p.array.shape[-1] + 2) * np.finfo(dtype).eps * (np.abs(p.array) @ np.abs(q.array))
        assert r.shape == bound.shape
        assert (np.abs(r.numpy() - p.array @ q.array) <= bound).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_products(dtype: str) -> None:
    """Those that are loops: sums in registers, along rows or columns, and rows with either matrix transposed."""
    rng = np.random.default_rng(3)
    shapes = [(16, 2, 100), (32, 3, 40), (2, 16, 100), (7, 7, 7), (5, 60, 9), (100, 16, 16), (3, 2, 2), (33, 2, 33)]
    pairs = [(rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)) for m, n, k in shapes]
    x, y = zip(*pairs, strict=True)

    def run(xs: Any, ys: Any, turned_xs: Any, turned_ys: Any) -> Any:
        return [[a @ b, c.mT @ b, a @ d.mT, c.mT @ d.mT]
                for a, b, c, d in zip(xs, ys, turned_xs, turned_ys, strict=True)]

    step = tg.static(run, level="O3")
    lists = [[tg.tensor(array.copy()) for array in arrays] for arrays in (x, y, [a.T for a in x], [b.T for b in y])]
    for (a, b), results in zip(pairs, step(*lists), strict=True):
        assert all(within_bound(a, b, z.numpy()) for z in results), (a.shape, b.shape)
    assert "product_" not in tg.source(step)


class Wide:
    """An array of long doubles that is indexed and transposed as a tensor is."""

    def __init__(self, array: Any) -> None:
        self.array = array

    @property
    def mT(self) -> Wide:
        return Wide(np.swapaxes(self.array, -1, -2))

    def __getitem__(self, index: Any) -> Wide:
        return Wide(self.array[index])


DRIVER = """
#include <stdlib.h>
int main(void)
{
    const int64_t lengths[] = {1, 3, 8, 9, 33, 70};
    for (int shape = 0; shape < 6 * 6 * 6 * 4; shape++) {
        const int64_t m = lengths[shape % 6], n = lengths[shape / 6 % 6], k = 4 * lengths[shape / 36 % 6] - 1;
        const bool x_turned = shape / 216 % 2, y_turned = shape / 432;
        float *x = malloc(m * k * sizeof *x), *y = malloc(k * n * sizeof *y), *z = malloc(m * n * sizeof *z);
        for (int64_t i = 0; i < m * k; i++) x[i] = i % 7;
        for (int64_t i = 0; i < k * n; i++) y[i] = i % 5;
        call(m, n, k, x, x_turned ? 1 : k, x_turned ? m : 1, y, y_turned ? 1 : n, y_turned ? k : 1, z, n, false);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                float sum = 0;
                for (int64_t l = 0; l < k; l++)
                    sum += x[x_turned ? m * l + i : k * i + l] * y[y_turned ? k * j + l : n * l + j];
                if (sum != z[n * i + j]) return 1;
            }
        free(x); free(y); free(z);
    }
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_under_the_sanitizers(name: str, kind: str, tmp_path: Path) -> None:
    """Arrays that are just as long as they are said to be, and whole numbers, of which every sum is exact."""
    how = available(name)
    (tmp_path / "tiles.c").write_text(whole_source(kind) + DRIVER.replace("float", kind))
    build = subprocess.run([*how.command, *how.flags, "-g", "-O1", "-fsanitize=address,undefined",
                            "-fno-sanitize-recover=all", "tiles.c", "-o", "tiles", "-lm"],
                           cwd=tmp_path, capture_output=True, text=True, check=False)
    if "cannot find" in build.stderr:
        pytest.skip("no sanitizers here")
    assert build.returncode == 0, build.stderr
    done = subprocess.run([str(tmp_path / "tiles")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
