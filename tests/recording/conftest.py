from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from teachgrad.recording import Recorder
from teachgrad.recording.live import endpoint

from .attaching import Run
from .runs import record


@pytest.fixture
def micrograd(tmp_path: Path) -> Path:
    """A recording of the small graph, at level values."""
    return record(tmp_path / "micrograd.tgr")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets in a folder of the test's own. Its name is short: that of a socket has about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="tg-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.delenv(endpoint.TOKEN_VARIABLE, raising=False)
        yield Path(runtime) / "teachgrad"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Recorder, Run]]:
    with Recorder(tmp_path / "r.tgr", level="values", live=True) as recorder:
        run = Run()
        run.start()
        yield recorder, run
        run.stop()
