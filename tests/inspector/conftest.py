from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teachgrad.recording import Reader
from teachgrad_inspector.session import Session

from .runs import make


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Score files and tours are written into the present folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Opens a recording by name: `session("micrograd")`."""
    opened: list[Reader] = []

    def open_(name: str, level: str = "values") -> Session:
        opened.append(Reader(make(name, tmp_path, level)))
        return Session(opened[-1], name)

    yield open_
    for run in opened:
        run.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are coroutines: those that drive the application."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
