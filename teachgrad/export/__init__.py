"""Leaving Python: a model, or a whole training step, as C that needs nothing but a C compiler.

Read on in this order: `snapshot` (what is exported), `standalone` (its C), `files` (what is written).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ExecutorError
from . import files
from .snapshot import snapshot
from .standalone import Standalone


def export_c(fn: Callable[..., Any], name: str | Path, *, example: Any, train: bool = False) -> list[Path]:
    """Write a model, a function or a training step as C: `name.c`, `name.h` and, for many numbers, `name.weights`.

    The function is traced on `example`, a tensor or a tuple of them, as `tg.static(fn, level="O3")` would trace it;
    what that refuses is refused here. The C is for arguments of these shapes and types: another batch size is another
    export. What the function reads from outside, such as the parameters of a model, is taken as it is now. A model is
    traced in the mode in which it is evaluated.

    With `train=True` the function is a step that may overwrite parameters and the state of an optimizer. These are
    then in a struct that the caller owns, and begin with the values that they have now. A single number that the step
    returns, the loss, is what the C function returns. Gradients are gone when it does.

    The C is C11 and needs libm alone: no BLAS, no allocation, no globals but constants. Its numbers are those of level
    O3 of static functions, but for last bits. Up to 1,024 numbers stand in the source; more are in `name.weights`,
    whose format `teachgrad.export.files` tells. At the end of the source is an example of a `main`.

    >>> import tempfile
    >>> from teachgrad import nn
    >>> folder = tempfile.mkdtemp()
    >>> paths = tg.export_c(nn.Linear(2, 3), f"{folder}/plane", example=tg.ones((5, 2)))
    >>> [path.name for path in paths]
    ['plane.h', 'plane.c']

    Returns the paths of the files. `ExecutorError` for what cannot be exported: an op for which there is no C, a
    function that overwrites something although `train` is not asked for, or that adds to gradients of the call before.
    """
    path = Path(name)
    stem = identifier(path.name)
    program = Standalone(snapshot(fn, example, train), stem, train)
    contents: dict[str, bytes] = {"h": files.header(program).encode(), "c": files.source(program).encode()}
    if program.struct and not program.embedded:
        contents["weights"] = files.weights(program)
    paths = []
    for ending, content in contents.items():
        paths.append(path.with_name(f"{stem}.{ending}"))
        try:
            paths[-1].write_bytes(content)
        except OSError as error:
            raise ExecutorError(f"cannot write {paths[-1]}: {error.strerror}") from error
    return paths


def identifier(name: str) -> str:
    """A name that C takes: letters, digits and underscores, a letter first."""
    text = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_")
    if not text:
        raise ExecutorError(f"{name!r} is no name for functions of C.\nWay out: letters and digits, as in 'lenet'")
    return text if text[0].isalpha() else f"c{text}"


__all__ = ["export_c"]
