"""Worker processes: the same bits, errors that can be found, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.data import Loader, Windows, moons
from teachgrad.data.dataset import ArrayDataset
from teachgrad.errors import DataError, TraceError

ROOT = str(Path(tg.__file__).parents[1])
METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every way in which the platforms start processes."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(request.param, force=True)
    yield request.param
    multiprocessing.set_start_method(before, force=True)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


class Crops:
    """Random crops of random pictures: user code, random numbers from both global generators, several fields."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, index: int) -> tuple[np.ndarray, float, int]:
        picture = np.random.standard_normal((8, 8)) + index  # noqa: NPY002
        top = np.random.randint(0, 4)  # noqa: NPY002
        return picture[top : top + 4], float(np.random.rand()), index  # noqa: NPY002


DATASETS = {"arrays": ArrayDataset(*moons(50)), "windows": Windows(np.arange(40), 5), "crops": Crops()}


def bits(loader: Loader) -> list[list[bytes]]:
    return [[field.numpy().tobytes() for field in batch] for _ in range(2) for batch in loader]


@pytest.mark.parametrize("name", DATASETS)
def test_bits_do_not_depend_on_the_number_of_workers(name: str) -> None:
    reference = bits(Loader(DATASETS[name], 4, shuffle=True, seed=9))
    for workers in (1, 3, 50):
        assert bits(Loader(DATASETS[name], 4, shuffle=True, seed=9, workers=workers)) == reference


@pytest.mark.parametrize("start", METHODS, indirect=True)
def test_bits_do_not_depend_on_how_workers_start(start: str) -> None:
    tg.set_default_dtype("float64")  # has to reach fresh interpreters too
    try:
        loaders = [Loader(Crops(), 6, shuffle=True, seed=2, workers=workers) for workers in (0, 2)]
        first, second = ([[field.numpy() for field in batch] for batch in loader] for loader in loaders)
    finally:
        tg.set_default_dtype("float32")
    assert first[0][1].dtype == np.float64
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes()


class Large:
    """Batches far larger than a pipe's buffer."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> np.ndarray:
        return np.full(500_000, index, dtype=np.int32)


def test_large_batches_pass_and_a_break_leaves_no_process() -> None:
    loader = Loader(Large(), 1, workers=3)
    assert [int(batch.numpy()[0, -1]) for batch in loader] == list(range(8))
    for _ in loader:
        assert len(multiprocessing.active_children()) == 3
        break
    assert multiprocessing.active_children() == []


def test_an_unfinished_pass_is_no_burden_on_the_next() -> None:
    loader = Loader(Large(), 1, workers=2)
    abandoned = iter(loader)
    next(abandoned)
    assert [int(batch.numpy()[0, 0]) for batch in loader] == list(range(8))
    assert int(next(abandoned).numpy()[0, 0]) == 1
    del abandoned


class Sleepy:
    """Tells who loaded an item, and from when to when by the clock that all processes share."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> np.ndarray:
        begin = time.monotonic()
        time.sleep(0.01)
        return np.array([os.getpid(), begin, time.monotonic()])


def test_workers_load_at_the_same_time() -> None:
    items = np.concatenate([batch.numpy() for batch in Loader(Sleepy(), 4, workers=2)])
    first, second = (items[items[:, 0] == pid] for pid in np.unique(items[:, 0]))
    together = (first[:, None, 1] < second[None, :, 2]) & (second[None, :, 1] < first[:, None, 2])
    assert together.sum() >= 5


class Stubborn(Exception):
    """Cannot be made from its message alone, so unpickling fails."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")


class Faulty:
    def __init__(self, fault: Callable[[], object]) -> None:
        self.fault = fault

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> int:
        if index == 7:
            self.fault()  # the faulty line
        return index


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ZeroDivisionError("seven"), ZeroDivisionError),
        (StopIteration("seven"), RuntimeError),
        (TraceError("TG-S01", "seven"), DataError),
        (Stubborn(3, "seven"), DataError),
    ],
)
def test_an_error_shows_the_line_of_the_dataset(error: Exception, kind: type[Exception]) -> None:
    loader = Loader(Faulty(lambda: raise_(error)), 3, workers=2)
    seen: list[int] = []
    with pytest.raises(kind) as caught:
        seen.extend(int(item) for batch in loader for item in batch.numpy())
    assert seen == [0, 1, 2, 3, 4, 5]
    root = caught.value.__cause__ if kind is RuntimeError else caught.value
    assert root is not None
    assert "seven" in str(root)
    note = "".join(root.__notes__)
    assert "loader worker 0, batch 2, items [6, 7, 8]" in note
    assert "self.fault()  # the faulty line" in note
    assert f'File "{__file__}", line {line_of("# the faulty line")}, in __getitem__' in note


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (lambda: os._exit(3), "ended with exit code 3"),
        (lambda: sys.exit(4), "ended with exit code 4"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was ended by signal 9"),
    ],
)
def test_a_worker_that_dies_is_an_error(fault: Callable[[], object], cause: str) -> None:
    with pytest.raises(DataError, match=f"worker 0 {cause} before it delivered batch 2"):
        list(Loader(Faulty(fault), 3, workers=2))


def test_a_batch_that_cannot_be_pickled_is_an_error() -> None:
    class Functions(Faulty):
        def __getitem__(self, index: int) -> object:  # type: ignore[override]
            return lambda: index

    with pytest.raises(Exception, match=r"[Pp]ickle"):
        list(Loader(Functions(print), 3, workers=1))


@pytest.mark.parametrize("start", ["spawn"], indirect=True)
def test_a_dataset_that_cannot_be_sent_is_an_error(start: str) -> None:
    with pytest.raises(DataError, match=r"cannot be sent to a worker process .* top level of a module"):
        list(Loader(Faulty(lambda: None), 3, workers=2))


SCRIPT = """
    import os, time, sys
    from teachgrad.data import Loader

    class Slow:
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            if index >= 20:
                time.sleep(1000)
            return index

    if __name__ == "__main__":
        import multiprocessing
        multiprocessing.set_start_method(sys.argv[1])
        for number, batch in enumerate(Loader(Slow(), 10, workers=3)):
            pids = [process.pid for process in multiprocessing.active_children()]
            print(*pids, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sent", ["Ctrl-C", "SIGKILL"])
def test_no_orphans(tmp_path: Path, method: str, sent: str) -> None:
    """Ctrl-C goes to the whole process group, a kill to the main process alone, with workers asleep and blocked."""
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    main = subprocess.Popen(
        [sys.executable, str(script), method],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": ROOT},
    )
    assert main.stdout is not None
    main.stdout.readline()
    pids = [int(pid) for pid in main.stdout.readline().split()]
    assert len(pids) == 3
    if sent == "Ctrl-C":
        os.killpg(main.pid, signal.SIGINT)
    else:
        main.kill()
    _, err = main.communicate(timeout=10)  # ends only when no worker holds the pipe
    assert main.returncode == (-signal.SIGINT if sent == "Ctrl-C" else -signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.02)
    if sent == "Ctrl-C":
        assert err.count("KeyboardInterrupt") == 1, err  # the workers kept quiet


def alive(pid: int) -> bool:
    """Running; an ended process that nobody has waited for yet is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
