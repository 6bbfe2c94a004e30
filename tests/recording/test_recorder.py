"""What a recorder writes is what a reader reads."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import observe, optim
from teachgrad.recording import Moment, Reader, Recorder, RecordingError

from .runs import edge, leaf, micrograd, op, record, scalar, send, training

ROWS = [
    "t0/fwd/0 a", "t0/fwd/1 b", "t0/fwd/2 e", "t0/fwd/3 d", "t0/fwd/4 f", "t0/fwd/5 L",
    "t0/bwd/6 L.grad", "t0/bwd/7 f.grad", "t0/bwd/8 d.grad", "t0/bwd/9 a.grad", "t0/bwd/10 e.grad",
    "t0/bwd/11 b.grad", "t0/bwd/12 a.grad",
]  # fmt: skip


def test_rows_are_numbered_and_named_through_forward_and_backward(micrograd: Path) -> None:
    with Reader(micrograd) as run:
        assert [f"{row.moment} {run.label(row)}" for row in run.rows(0)] == ROWS
        assert run.trouble is None
        assert run.level == "values"


def test_the_ledger_of_a_reused_value(micrograd: Path) -> None:
    with Reader(micrograd) as run:
        step = run.step(0)
        rows = [step.rows[i] for i in step.into[1]]
        numbers = [[float(run.values(n)) for n in (row.incoming, row.delta, row.value)] for row in rows]  # type: ignore[arg-type]
        assert numbers == [[-2.0, -2.0, -2.0], [-2.0, 6.0, 4.0]]
        assert [(row.source, row.edge) for row in rows] == [(4, 1), (3, 0)]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "float64", "complex128", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_arrays_come_back_bit_for_bit(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape)).reshape(shape) - 3).astype(dtype)
    with Recorder(tmp_path / "r.tgr", level="values"):
        leaf(1, array, "x")
        leaf(2, array.T, "transposed")
    with Reader(tmp_path / "r.tgr") as run:
        x, transposed = (run.values(row.value) for row in run.rows(0))  # type: ignore[arg-type]
        assert x is not None
        assert transposed is not None
        assert x.dtype == array.dtype.newbyteorder("=")
        assert x.shape == array.shape
        assert x.tobytes() == array.astype(x.dtype).tobytes()
        assert np.array_equal(transposed, array.T)
        assert not x.flags.writeable


def test_equal_arrays_are_stored_once(tmp_path: Path) -> None:
    same = np.arange(100_000, dtype=np.float32)
    other = same.copy()
    other[50_001] = -1  # where a fingerprint of blocks does not look
    with Recorder(tmp_path / "r.tgr", level="values"):
        for id, array in enumerate([same, same.copy(), other, same.reshape(1000, 100), other.copy()]):
            leaf(id, array, f"x{id}")
    with Reader(tmp_path / "r.tgr") as run:
        numbers = [row.value for row in run.rows(0)]
        assert numbers[0] == numbers[1]
        assert numbers[2] == numbers[4]
        assert len(set(numbers)) == 3
        assert np.array_equal(run.values(numbers[2]), other)  # type: ignore[arg-type]
    assert (tmp_path / "r.tgr").stat().st_size < 4 * same.nbytes


def test_a_recording_keeps_what_was_there_not_what_comes_after(tmp_path: Path) -> None:
    w = np.ones(3, np.float32)
    with Recorder(tmp_path / "r.tgr", level="values"):
        leaf(1, w, "w", parameter=True)
        op(2, "sum", (1,), 3.0)
        send(observe.Seed(2, scalar(1.0)))
        w -= 1
        send(observe.Update(1, "w", w))
        w[:] = 77
    with Reader(tmp_path / "r.tgr") as run:
        rows = list(run.rows(0))
        assert [run.values(row.value).tolist() for row in (rows[0], rows[3])] == [[1, 1, 1], [0, 0, 0]]  # type: ignore[union-attr, arg-type]
        assert run.value_at(1, Moment(0, 2, "bwd")) == rows[0].value
        assert run.value_at(1, Moment(0, 3, "upd")) == rows[3].value


def test_levels_keep_less_and_less(tmp_path: Path) -> None:
    array = np.array([[0.0, 1.0, -3.0], [np.nan, np.inf, 4.0]])
    seen = {}
    for level in ("meta", "stats", "values"):
        with Recorder(tmp_path / "r.tgr", level=level):  # type: ignore[arg-type]
            leaf(1, array, "x")
        with Reader(tmp_path / "r.tgr") as run:
            number = next(run.rows(0)).value
            assert number is not None
            assert run.array(number).shape == (2, 3)
            seen[level] = (run.statistics(number), run.values(number) is not None)
    assert seen["meta"] == (None, False)
    assert seen["stats"] == (seen["values"][0], False)
    assert seen["values"][1]
    statistics = seen["stats"][0]
    assert statistics is not None
    assert (statistics.minimum, statistics.maximum, statistics.mean) == (-3.0, 4.0, 0.5)
    assert (statistics.zeros, statistics.nans, statistics.infs) == (1, 1, 1)
    assert statistics.std == pytest.approx(float(np.std([0, 1, -3, 4])))


def test_training_steps_end_with_updates(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values"):
        training(4)
    with Reader(tmp_path / "r.tgr") as run:
        assert run.steps == 4
        kinds = [[(row.phase, row.kind) for row in run.rows(step)] for step in range(4)]
        whole = [("fwd", "leaf"), ("fwd", "op"), ("bwd", "seed"), ("bwd", "edge"), ("upd", "update")]
        assert kinds[0] == [("fwd", "leaf"), *whole]
        assert kinds[1:] == [whole] * 3  # w has a row where it is first used, the new input in every step
        assert float(run.values(run.value_at(1, Moment(3, 0, "fwd")))) == 4.0  # type: ignore[arg-type]
        assert run.name(1, 3) == "w"


def test_arithmetic_of_an_update_belongs_to_the_update(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        for first in (1, 10):
            for i in (first, first + 1):
                leaf(i, 1.0, f"w{i}")
            op(first + 2, "multiply", (first, first + 1), 1.0)
            send(observe.Seed(first + 2, scalar(1.0)))
            for i in (first, first + 1):
                op(first + 3 + i, "multiply", (i,), 0.1, grad=False)
                send(observe.Update(i, f"w{i}", scalar(0.9)))
            op(first + 6, "divide", (first,), 1.0, grad=False)  # of the next batch: an op without gradient
    with Reader(tmp_path / "r.tgr") as run:
        assert [[row.phase for row in run.rows(step)] for step in range(run.steps)] == [
            ["fwd"] * 3 + ["bwd"] + ["upd"] * 4,
            ["fwd"] * 4 + ["bwd"] + ["upd"] * 4,
            ["fwd"],
        ]


def test_initialising_and_running_averages_do_not_end_a_step(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        leaf(1, 1.0, "w")
        send(observe.Update(1, "w", scalar(2.0)))
        op(2, "exp", (1,), 7.0)
        send(observe.Update(1, "w", scalar(3.0)))
        op(3, "exp", (2,), 7.0)
        send(observe.Seed(3, scalar(1.0)))
    with Reader(tmp_path / "r.tgr") as run:
        assert run.steps == 1
        assert [row.phase for row in run.rows(0)] == ["fwd"] * 5 + ["bwd"]


def test_settings_come_back(tmp_path: Path) -> None:
    index = (slice(1, None, 2), None, ..., np.array([2, 0]))
    attrs = {
        "axis": (0, -1),
        "keepdims": True,
        "scale": 0.5,
        "low": float("-inf"),
        "index": index,
        "dtype": np.dtype("f8"),
        "names": ["a", None],
        "table": {1: "x"},
    }
    with Recorder(tmp_path / "r.tgr", level="values"):
        op(1, "getitem", (), 1.0, **attrs)
    with Reader(tmp_path / "r.tgr") as run:
        found = run.attrs(next(run.rows(0)))
    place = found.pop("index")
    assert place[:3] == index[:3]
    assert np.array_equal(place[3], index[3])
    attrs.pop("index")
    assert found == attrs


def test_an_array_among_settings_keeps_its_number_though_an_equal_one_is_stored(tmp_path: Path) -> None:
    index = np.arange(5)
    with Recorder(tmp_path / "r.tgr", level="values"):
        leaf(1, index.copy(), "i", grad=False)
        op(2, "getitem", (1,), 1.0, index=index)
    with Reader(tmp_path / "r.tgr") as run:
        assert run.attrs(list(run.rows(0))[1])["index"].tolist() == [0, 1, 2, 3, 4]


def test_what_the_source_calls_a_value(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("h = x @ w + b\ny: int = (\n    h * 2)\nself.z = h.f()\nh += 1\nq = print(r := 3)\n")
    from teachgrad.errors import Where

    spans = [(1, 4, 9, ""), (1, 4, 13, "h"), (3, 4, 9, "y"), (4, 9, 14, "z"), (5, 0, 6, "h"), (6, 15, 16, "r")]
    with Recorder(tmp_path / "r.tgr"):
        for id, (line, first, last, _) in enumerate(spans, 1):
            text = script.read_text().splitlines()[line - 1]
            where = Where(str(script), line, "f", first, last, text)
            send(observe.Forward(id, "add", (), {}, scalar(0.0), None, where, "", True))
    with Reader(tmp_path / "r.tgr") as run:
        names = [run.label(row) for row in run.rows(0)]
        assert names == ["add_1", "h", "y", "z", "h", "r"]
        assert run.source(str(script))[3] == "self.z = h.f()"


def test_of_a_line_with_several_ops_the_last_gets_the_name(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        op(1, "matmul", (), 1.0, line=3)
        op(2, "add", (1,), 1.0, line=3)
        op(3, "exp", (2,), 1.0, line=4)
    with Reader(tmp_path / "r.tgr") as run:
        assert [run.label(row) for row in run.rows(0)] == ["matmul_1", "e", "d"]


def test_recorders_nest_and_restore(tmp_path: Path) -> None:
    seen: list[object] = []
    with observe.watching(seen.append):
        with Recorder(tmp_path / "outer.tgr"):
            leaf(1, 1.0, "x")
            with Recorder(tmp_path / "inner.tgr"):
                leaf(2, 1.0, "y")
            leaf(3, 1.0, "z")
        leaf(4, 1.0, "w")
    assert len(seen) == 1
    for name, labels in (("outer", ["x", "z"]), ("inner", ["y"])):
        with Reader(tmp_path / f"{name}.tgr") as run:
            assert [run.label(row) for row in run.rows(0)] == labels


def test_a_recording_is_closed_when_the_block_raises(tmp_path: Path) -> None:
    def fail() -> None:
        with Recorder(tmp_path / "r.tgr"):
            leaf(1, 1.0, "x")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert observe.sink is None
    with Reader(tmp_path / "r.tgr") as run:
        assert run.trouble is None
        assert run.length(0) == 1


def test_a_finished_recording_is_one_file(micrograd: Path) -> None:
    assert [path.name for path in micrograd.parent.iterdir()] == ["micrograd.tgr"]


def test_it_can_be_read_while_it_grows(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        training(2)
        _wait_until_written(recorder.path)
        with Reader(tmp_path / "r.tgr") as run:
            first = run.steps
            assert first >= 1
            assert "still being written" in (run.trouble or "")
            training(3)
            for _ in range(200):
                run.refresh()
                if run.steps > first:
                    break
                threading.Event().wait(0.02)
            assert run.steps > first


def _wait_until_written(path: Path) -> None:
    for _ in range(200):
        with sqlite3.connect(path) as connection:
            (count,) = connection.execute("SELECT count(*) FROM event").fetchone()
        connection.close()
        if count:
            return
        threading.Event().wait(0.02)
    raise AssertionError("nothing was written within four seconds")


def test_events_from_several_threads(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        sink = observe.sink
        assert sink is not None

        def work(first: int) -> None:
            for i in range(first, first + 500):
                sink(observe.Leaf(i, f"x{i}", np.full(3, i), False, False))  # type: ignore[misc]

        threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Reader(recorder.path) as run:
        rows = list(run.rows(0))
        assert len(rows) == 2000
        assert all(run.values(row.value).tolist() == [row.vertex] * 3 for row in rows)  # type: ignore[union-attr, arg-type]


def test_a_full_disk_ends_the_recording_not_the_run(tmp_path: Path) -> None:
    def run() -> None:
        with Recorder(tmp_path / "r.tgr", level="values") as recorder:
            leaf(1, 1.0, "x")
            recorder._writer.error = sqlite3.OperationalError("database or disk is full")  # type: ignore[union-attr]
            leaf(2, 1.0, "y")

    with pytest.warns(UserWarning, match="recording ended early, the run goes on: database or disk is full"):
        run()
    assert observe.sink is None


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("three years of work" * 20)
    with pytest.raises(RecordingError, match="not a recording"), Recorder(thesis):
        pass
    assert thesis.read_text().startswith("three years")
    record(tmp_path / "r.tgr")
    with Recorder(tmp_path / "r.tgr"):
        leaf(1, 1.0, "new")
    with Reader(tmp_path / "r.tgr") as run:
        assert run.length(0) == 1


@pytest.mark.parametrize("path", ["missing/r.tgr", "."])
def test_a_path_that_cannot_be_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(RecordingError, match="cannot record to"), Recorder(tmp_path / path):
        pass


def test_an_unknown_level(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no level 'everything'"):
        Recorder(tmp_path / "r.tgr", level="everything")  # type: ignore[arg-type]


def test_static_programs_are_written_down(tmp_path: Path) -> None:
    from teachgrad.errors import Where

    with Recorder(tmp_path / "r.tgr"):
        send(observe.Rewrite("fold", "constant", 3, 4, Where("f.py", 1, "g", 0, 3, "a+b")))
        send(observe.Alloc(3, 4096, 64))
        send(observe.Kernel("fused", (3, 4), 0.5))
        send(observe.Free(3))
        micrograd()
    with Reader(tmp_path / "r.tgr") as run:
        assert list(run.rewrites()) == [(0, 0, "fold", "constant", 3, 4, 1)]
        assert list(run.memory(0)) == [(0, 0, 3, None, None), (0, 0, 3, 4096, 64)]
        assert list(run.kernels(0)) == [(0, 0, "fused", (3, 4), 0.5)]
        assert not list(run.memory(1))


def test_gradients_that_arrive_from_elsewhere(tmp_path: Path) -> None:
    """A hook may put another gradient in place of the running sum: then that is what arrives."""
    with Recorder(tmp_path / "r.tgr", level="values"):
        edge(5, 4, 0, 1.0, 1.0)
        send(observe.Backward(4, "exp", scalar(10.0)))
        edge(4, 3, 0, 20.0, 20.0)
    with Reader(tmp_path / "r.tgr") as run:
        last = list(run.rows(0))[-1]
        assert float(run.values(last.incoming)) == 10.0  # type: ignore[arg-type]


def test_each_run_of_a_static_program_is_a_training_step(tmp_path: Path) -> None:
    w, count = np.zeros(2), np.array(0.0)
    with Recorder(tmp_path / "r.tgr", level="values"):
        for run in range(3):
            send(observe.Leaf(1, "w", w, True, True))
            send(observe.Leaf(2, "count", count, False, False))  # the state of an optimizer
            send(observe.Leaf(3, None, np.full(2, run + 1.0), False, False))
            op(4, "multiply", (1, 3), w * (run + 1))
            op(5, "add", (1, 4), w * (run + 2), grad=False)
            for leaf_id, name, array in ((1, "w", w), (2, "count", count)):
                array += 1
                send(observe.Update(leaf_id, name, array))
    with Reader(tmp_path / "r.tgr") as run_:
        rows = [[(row.phase, row.kind, row.vertex) for row in run_.rows(step)] for step in range(run_.steps)]
        body = [("fwd", "leaf", 3), ("fwd", "op", 4), ("fwd", "op", 5), ("upd", "update", 1), ("upd", "update", 2)]
        assert rows == [[("fwd", "leaf", 1), ("fwd", "leaf", 2), *body], body, body]
        assert [run_.values(run_.value_at(1, Moment(step, 0, "fwd"))).tolist() for step in range(3)] == [  # type: ignore[arg-type, union-attr]
            [0, 0], [1, 1], [2, 2]]  # fmt: skip
        assert [float(run_.values(next(run_.rows(step)).value)[0]) for step in (1, 2)] == [2.0, 3.0]  # type: ignore[index, arg-type]


def test_the_learning_rate_of_each_step(tmp_path: Path) -> None:
    w = tg.Parameter([1.0, 2.0], name="w")
    optimizer = optim.SGD([w], lr=0.5)
    with Recorder(tmp_path / "r.tgr", level="values"):
        for rate in (0.5, 0.5, 0.25):
            if optimizer.lr != rate:
                optimizer.lr = rate
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
    with Reader(tmp_path / "r.tgr") as run:
        rates = [row for row in run.rows(0) if row.name == "lr"]
        assert [(row.phase, row.kind) for row in rates] == [("upd", "leaf")]
        assert run.leaf(rates[0].vertex) == rates[0]
        updates = [next(row for row in run.rows(step) if row.kind == "update" and row.name == "w") for step in range(3)]
        found = [run.value_at(rates[0].vertex, Moment(row.step, row.row, "upd")) for row in updates]
        assert [float(run.values(number)) for number in found] == [0.5, 0.5, 0.25]  # type: ignore[arg-type]
        parameter = run.leaf(updates[0].vertex)
        assert parameter is not None
        assert (parameter.name, parameter.parameter, parameter.step) == ("w", True, 0)
        assert run.leaf(next(row.vertex for row in run.rows(0) if row.kind == "op")) is None


def test_a_gradient_that_was_not_cleared_is_added_to(tmp_path: Path) -> None:
    """What is shown as the gradient of a leaf is what `.grad` holds, also where earlier passes have left something."""
    w = tg.tensor([1.0, 2.0], requires_grad=True, dtype="float64")
    held = []
    with Recorder(tmp_path / "run.tgr", level="values"):
        for _ in range(3):
            ((w * 2).sum() + (w * w).sum()).backward()
            assert w.grad is not None
            held.append(w.grad.numpy().copy())
    with Reader(tmp_path / "run.tgr") as run:
        rows = [row for row in run.rows(0) if run.label(row) == "w.grad"]
        assert [row.kind for row in rows] == [*["edge"] * 3, *([*["edge"] * 3, "deposit"] * 2)]
        deposits = [row for row in rows if row.kind == "deposit"]
        for row, before, after in zip(deposits, held, held[1:], strict=False):
            assert np.array_equal(run.values(row.delta or 0), before)
            assert np.array_equal(run.values(row.value or 0), after)
            assert row.of_gradient
            assert row.part == row.delta
