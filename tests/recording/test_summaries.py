"""Statistics of small arrays are computed later than the arrays are seen, and are those of that moment."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import observe, optim
from teachgrad.recording import Reader, Recorder
from teachgrad.recording.summaries import MOST, SMALL

from .runs import leaf


def test_the_run_may_overwrite_its_arrays(tmp_path: Path) -> None:
    size = SMALL // 4
    array = np.empty(size, np.float32)
    count = 2 * MOST // SMALL + 3  # more than wait at once
    with Recorder(tmp_path / "r.tgr", level="stats"):
        for id in range(count):
            array[:] = np.linspace(0, id, size)
            leaf(id, array, "x")
            array[:] = -1.0
    with Reader(tmp_path / "r.tgr") as run:
        found = [run.statistics(row.value) for row in run.rows(0)]  # type: ignore[arg-type]
    assert len(found) == count
    for id, told in enumerate(found):
        assert told is not None
        assert (told.minimum, told.maximum, told.counted) == (0.0, id, size)
        assert told.mean == pytest.approx(id / 2, rel=1e-5)
        assert told.zeros == (size if id == 0 else 1)


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "float32", "float64", ">f4", ">f8", "complex64"])
def test_any_dtype_and_order(tmp_path: Path, dtype: str) -> None:
    array = (np.random.default_rng(0).normal(size=(6, 10)) * 3).astype(dtype)
    views = [array, array.T, array[::2, ::3], array[:, :0], np.broadcast_to(array[0], (4, 10)), array[1, 2]]
    with Recorder(tmp_path / "r.tgr", level="stats"):
        for id, view in enumerate(views):
            leaf(id, np.asarray(view), f"x{id}")
    with Reader(tmp_path / "r.tgr") as run:
        for row, view in zip(run.rows(0), views, strict=True):
            told = run.statistics(row.value)  # type: ignore[arg-type]
            assert told is not None
            wide = (np.abs(view) if dtype == "complex64" else view).astype(np.float64)
            assert told.counted == wide.size
            if wide.size:
                assert (told.minimum, told.maximum) == (wide.min(), wide.max())
                assert told.mean == pytest.approx(wide.mean(), abs=1e-6)
                assert told.std == pytest.approx(wide.std(), abs=1e-6)
                assert told.zeros == (wide == 0).sum()


def test_gradients_of_a_step_are_let_go_in_the_next(tmp_path: Path) -> None:
    """A recorder that holds them would keep memory from the run."""
    seen: list[weakref.ref[np.ndarray]] = []
    with Recorder(tmp_path / "r.tgr", level="stats") as recorder:
        sink = recorder._sink

        def watch(event: observe.Event) -> None:
            sink(event)
            if type(event) is observe.Accumulate and isinstance(event.total, np.ndarray):
                seen.append(weakref.ref(event.total))

        observe.sink = watch
        for step in range(4):
            w = tg.tensor([1.0, 2.0], requires_grad=True)  # new ones each time
            (w * float(step)).sum().backward()
            optim.SGD([w], lr=0.1).step()
        observe.sink = sink
        del w
        gc.collect()
        assert len(seen) >= 8
        alive = [reference for reference in seen[: len(seen) // 2] if reference() is not None]
    assert alive == []
