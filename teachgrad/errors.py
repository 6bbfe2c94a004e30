"""Every error that teachgrad raises, and the user's source lines that errors point at.

An error says three things: what happened, where in the user's code, and how to go on. The place is found by walking
out of the package's own frames; it is kept as a cheap pair (code object, instruction offset) and turned into a file,
a line and a column only when somebody asks.
"""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

import numpy as np

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep

Site = tuple[CodeType, int]
"""A place in the user's code, not yet looked up: the code object and the offset of the instruction that runs."""


class TeachgradError(Exception):
    """The root of all errors of teachgrad."""


class ShapeError(TeachgradError, ValueError):
    """Shapes, axes or sizes that do not fit together."""


class MatrixError(TeachgradError, ValueError):
    """A matrix that has no inverse, or not the decomposition that is asked for."""


class DTypeError(TeachgradError, TypeError):
    """A data type that an operation does not take, or types that do not mix."""


class SettingError(TeachgradError, ValueError):
    """A setting of a layer, an optimizer or a schedule that makes no sense."""


class GradientError(TeachgradError, RuntimeError):
    """A gradient that cannot be computed: no graph, a freed graph, an input that is not reached."""


class InplaceError(GradientError):
    """A value that a gradient needs was overwritten, or an overwrite would lose a gradient."""


class TraceError(TeachgradError, RuntimeError):
    """Something that cannot be part of a static graph. `code` is its stable name, such as `TG-S01`.

    [Hard subjects](hard-subjects.md) has a section for each code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"[{code}] {message}\nMore: docs/reference/hard-subjects.md#{code.lower()}")
        self.code = code

    @classmethod
    def at(cls, code: str, what: str, site: Site | None, why: str, *ways: str) -> TraceError:
        """A refusal in four parts: what happened, where, why it cannot be in a graph, and what can be done instead."""
        where = locate(site)
        shown = where.show() if where else "  (somewhere outside any file)"
        out = "Way out: " + ways[0] if len(ways) == 1 else "Ways out: " + "; ".join([*ways[:-1], "or " + ways[-1]])
        return cls(code, f"{what}\n{shown}\n{why}\n{out}.")


class DeviceError(TeachgradError, RuntimeError):
    """A device that is not there, or tensors on different devices that meet."""


class ExecutorError(TeachgradError, RuntimeError):
    """An executor that is not there, or that lacks an operation."""


class VerificationError(TeachgradError, AssertionError):
    """`verify=True` has found that a rewrite, an op, a memory plan or a program is wrong."""


class StateError(TeachgradError, RuntimeError):
    """A state_dict that does not fit the module, the optimizer or the schedule it is loaded into."""


class RecordingError(TeachgradError, ValueError):
    """A recording that cannot be read: foreign, damaged, from a newer version, or claiming impossible sizes."""


class DataError(TeachgradError, ValueError):
    """A data set that cannot be had or does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's source. Lines count from 1, columns from 0."""

    file: str
    line: int
    function: str
    column: int
    end_column: int
    text: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"

    def show(self) -> str:
        """The line with the expression underlined, as Python's own tracebacks show it; without a file, the place."""
        text = self.text.rstrip()
        if not text:
            return f"  {self}"
        indent = len(text) - len(text.lstrip())
        width = max(1, min(self.end_column, len(text)) - self.column)
        return f"  {self}   {text.lstrip()}\n" + " " * (len(f"  {self}   ") + self.column - indent) + "^" * width


class _InternalFiles(dict[str, bool]):
    """Whether a file belongs to this package or to NumPy, which may ask a tensor or an open size for its number, or is
    a program that an executor wrote; remembered for each file name."""

    def __missing__(self, filename: str) -> bool:
        answer = self[filename] = filename.startswith((PACKAGE, NUMPY, "<frozen")) or filename.endswith(" executor>")
        return answer


_internal = _InternalFiles()


def user_site() -> Site | None:
    """The innermost place outside this package and NumPy that is running now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _internal[frame.f_code.co_filename]:
            return frame.f_code, frame.f_lasti
        frame = frame.f_back
    return None


@lru_cache(maxsize=4096)
def locate(site: Site | None) -> Where | None:
    """Look a site up: file, line, column and text."""
    if site is None:
        return None
    code, offset = site
    line = end_line = column = end_column = None
    for index, position in enumerate(code.co_positions()):
        if index == offset // 2:
            line, end_line, column, end_column = position
            break
    line = line or code.co_firstlineno
    text = linecache.getline(code.co_filename, line).rstrip("\n")
    if offset == 0:  # the function as a whole: its `def`, below its decorators
        while text.lstrip().startswith("@"):
            line += 1
            text = linecache.getline(code.co_filename, line).rstrip("\n")
        column = end_column = None
    if column is None:
        column = len(text) - len(text.lstrip())
    if end_column is None or end_line != line:
        end_column = len(text)
    return Where(code.co_filename, line, code.co_name, column, end_column, text)


def counted(number: int, what: str) -> str:
    """A number of things: 1 kernel, 2 kernels."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def place(site: Site | None) -> str:
    """A site for the middle of a sentence: `lesson.py:12`."""
    where = locate(site)
    return str(where) if where else "an unknown place"
