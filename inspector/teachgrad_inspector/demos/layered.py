"""A made-up graph of any size, written straight into a recording: for looking at what size does to the inspector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from teachgrad.recording.writer import STATEMENTS, create

OPS = ("multiply", "add", "tanh", "matmul", "exp", "maximum")
BLOCK = 12
"""Ops in one module."""


def write_layered(path: Path, ops: int) -> None:
    """A recording of level meta with one training step of `ops` ops: `op_0`, `op_1`, ...

    Blocks of a dozen ops stand one after the other. Within one, a value is used again a few ops later; around each
    leads a shortcut. A little arithmetic on the number of the op replaces chance, so every file is the same.
    """
    connection = create(path, {"level": "meta", "command": f"layered:{ops}", "created": "0", "finished": "yes"})
    connection.execute("BEGIN")
    connection.execute(STATEMENTS["description"], (1, "float32", "8,8"))
    connection.execute(STATEMENTS["leaf"], (0, 0, 0, 1, "x", 0, 1))
    connection.executemany(STATEMENTS["op"], _rows(ops))
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    for number in range(count):
        vertex, previous = number + 2, number + 1
        within = number % BLOCK
        inputs = [previous]
        if within in (3, 7):
            inputs.append(vertex - 3)
        elif within == BLOCK - 1:
            inputs.append(vertex - BLOCK)
        op = OPS[2] if len(inputs) == 1 else OPS[number % 2]
        names = f"op_{number}", f"block_{number // BLOCK}", ",".join(map(str, inputs))
        yield (0, number + 1, 0, vertex, op, *names, "", None, 0, 1)
