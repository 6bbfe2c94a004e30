"""Recordings to try the inspector on, made on the spot."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from teachgrad.errors import RecordingError
from teachgrad.recording import Recorder
from teachgrad.recording.command import run_script

from .layered import write_layered

MAX_OPS = 10_000_000
FOLDER = Path(__file__).parent
DEMOS = {
    "micrograd": "a = 2, b = -3, f = -2, e = a·b, d = e + a, L = d·f",
    "mlp": "a few training steps of a network 64-32-10 on the optical digits",
    "static_mlp": "the same network as a static program: its passes, its memory, its kernels in C",
    "layered:N": "a made-up graph of N ops",
}


def write_demo(name: str, path: Path) -> None:
    """Record the demo `name` into a file. Raises `RecordingError` if there is none of that name."""
    stem, _, size = name.partition(":")
    if stem == "layered" and size:
        if not (size.isascii() and size.isdecimal() and len(size) < 20 and 1 <= int(size) <= MAX_OPS):
            raise RecordingError(f"layered:N needs a number of ops N from 1 to {MAX_OPS:,}, not {size!r}")
        write_layered(path, int(size))
    elif name == "micrograd":
        with Recorder(path, level="values"):
            _run("micrograd", [])
    elif name in ("mlp", "static_mlp"):
        _run(name, [str(path)])
    else:
        raise RecordingError(f"there is no demo {name!r}; there are {', '.join(DEMOS)}")


def _run(name: str, arguments: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        status = run_script(str(FOLDER / f"{name}.py"), arguments)
    if status:
        raise RecordingError(f"the demo {name} failed with status {status}")
