"""Worker processes for the Loader.

Worker w of W loads batches w, w + W, w + 2W, ... and writes them into a pipe of its own; the loop reads the pipes in
turn. So the order needs no queue, no numbering and no waiting room: a worker that is ahead blocks on its full
pipe, which also bounds how much is loaded in advance (one batch a worker, and what fits into the pipe).

No process is left behind. The loop's end, a `break`, an error or Ctrl-C ends the generator, and with it the workers;
and a worker whose parent has died, however it died, ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

import teachgrad as tg

from ..errors import DataError
from .plan import Plan

GRACE = 1.0  # seconds that a worker gets to obey SIGTERM

Team = list[tuple[BaseProcess, Connection]]


def load(plan: Plan, numbers: range, workers: int) -> Iterator[Any]:
    """The batches `numbers` of a plan, in order, each loaded by one of at most `workers` processes."""
    team: Team = []
    try:
        for w in range(min(workers, len(numbers))):
            team.append(_start(plan, numbers[w::workers], w))
        for turn, number in enumerate(numbers):
            yield _receive(plan, number, *team[turn % len(team)])
    finally:
        _stop(team)


def _start(plan: Plan, numbers: range, w: int) -> tuple[BaseProcess, Connection]:
    context: Any = multiprocessing.get_context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=work,
        args=(plan, numbers, sender, str(tg.get_default_dtype())),
        name=f"loader worker {w}",
        daemon=True,
    )
    try:
        with _interrupts_held_back():
            process.start()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        receiver.close()
        raise DataError(
            f"the dataset cannot be sent to a worker process ({error}); define its class and functions at the top "
            "level of a module, or use workers=0"
        ) from error
    finally:
        sender.close()  # the worker holds its own: when that closes, we read the end of the pipe
    return process, receiver


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back in this thread, and in a process that starts meanwhile: it inherits the mask.

    A worker would otherwise meet it while it still imports, before it can say that it leaves Ctrl-C to the loop.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(plan: Plan, number: int, process: BaseProcess, receiver: Connection) -> Any:
    try:
        message = receiver.recv_bytes()
    except (EOFError, OSError):
        process.join(GRACE)
        code = process.exitcode or 0
        cause = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise DataError(
            f"{process.name} {cause} before it delivered batch {number}; workers=0 shows what the dataset does, "
            "and a script that uses workers must start its own work under `if __name__ == '__main__':`"
        ) from None
    failed, result = pickle.loads(message)
    if not failed:
        return result
    error, report = result
    items = np.array2string(plan.indices(number), separator=", ", threshold=8, edgeitems=3)
    error.add_note(f"\nIn {process.name}, batch {number}, items {items}:\n{report}")
    raise error


def _stop(team: Team) -> None:
    for process, receiver in team:
        receiver.close()
        process.terminate()
    for process, _ in team:
        process.join(GRACE)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def work(plan: Plan, numbers: range, sender: Connection, default_dtype: str) -> None:
    """The life of a worker: load, send, and at the first error send that and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the loop decides what it means
    if hasattr(signal, "pthread_sigmask"):  # ignored from here on, so what the dataset starts need not inherit the mask
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tg.set_default_dtype(default_dtype)
    for number in numbers:
        try:
            message = pickle.dumps((False, plan.load(number)), pickle.HIGHEST_PROTOCOL)
            failed = False
        except Exception as error:
            message = pickle.dumps((True, (_portable(error), "".join(traceback.format_exception(error)))))
            failed = True
        try:
            sender.send_bytes(message)
        except BrokenPipeError:  # nobody listens any more
            return
        if failed:
            return


def _portable(error: Exception) -> Exception:
    """The error itself if it survives pickling, which not every exception class does; else its message."""
    try:
        copy = pickle.loads(pickle.dumps(error))
        return error if type(copy) is type(error) else DataError(f"{type(error).__name__}: {error}")
    except Exception:
        return DataError(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
