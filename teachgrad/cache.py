"""Where teachgrad keeps what it can fetch or build again: downloaded data sets, compiled kernels."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$TEACHGRAD_CACHE`, else `$XDG_CACHE_HOME/teachgrad`, else `~/.cache/teachgrad`; it need not exist."""
    if chosen := os.environ.get("TEACHGRAD_CACHE"):
        return Path(chosen).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "teachgrad"
    return Path.home() / ".cache" / "teachgrad"
