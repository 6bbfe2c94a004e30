"""Starting measuring processes: one at a time, on one core, with a time limit, watched from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from .peers import CACHES, ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent


class ChildFailed(Exception):
    """A measuring process ended badly or ran out of time; the message says how."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a process printed, and the most memory it ever had resident, in bytes, as the kernel counted it."""

    stdout: str
    peak_bytes: int


def run(arguments: list[str], core: int | str, limit_s: float) -> Finished:
    """Run `python ARGUMENTS` on one core to its end, or on several ("0,1").

    It has a process group of its own, so that the helpers a library starts end with it, and finds all compile caches
    empty, so that compiling costs the same in the first run and in the tenth.
    """
    with (
        tempfile.TemporaryDirectory() as caches,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        process = subprocess.Popen(
            [*_on_core(core), sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | ENVIRONMENT | {variable: prefix + caches for variable, prefix in CACHES.items()},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        status, peak = _wait(process.pid, limit_s)
        process.returncode = os.waitstatus_to_exitcode(status)
        with suppress(ProcessLookupError):  # helpers that outlived it
            os.killpg(process.pid, signal.SIGKILL)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            lines = err.read().strip().splitlines()
            raise ChildFailed(lines[-1] if lines else f"ended with status {process.returncode}")
        return Finished(out.read(), peak)


def _on_core(core: int | str) -> list[str]:
    """The prefix that pins a command to one core from its first instruction, where there is such a program."""
    return ["taskset", "--cpu-list", str(core)] if shutil.which("taskset") else []


def _wait(pid: int, limit_s: float) -> tuple[int, int]:
    """Wait for the process, watching its peak memory; end its whole group when the limit is over."""
    deadline = monotonic() + limit_s
    peak = 0
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, peak or usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        peak = max(peak, _resident_at_most(pid))
        if monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.wait4(pid, 0)
            raise ChildFailed(f"not done after {limit_s:.0f} s")
        sleep(0.02)


def _resident_at_most(pid: int) -> int:
    """The high-water mark of a running process in bytes, or 0 where the system does not show it.

    Linux carries `ru_maxrss` over from the process that started this one; the mark in /proc begins anew.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
