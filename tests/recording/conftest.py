from __future__ import annotations

from pathlib import Path

import pytest

from .runs import record


@pytest.fixture
def micrograd(tmp_path: Path) -> Path:
    """A recording of the small graph, at level values."""
    return record(tmp_path / "micrograd.tgr")
