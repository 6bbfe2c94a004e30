"""What can go wrong with a kernel, each with the line it went wrong in."""

from __future__ import annotations

from teachgrad.errors import TeachgradError


class EmulatorError(TeachgradError, RuntimeError):
    """The emulator cannot be had: no compiler, no shared memory, a worker that does not start."""


class UnsupportedError(EmulatorError):
    """CUDA C++ that the emulator does not have, refused before it is compiled."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class CompileError(EmulatorError):
    """A C++ compiler refuses the kernel. The message names lines of the user's source."""


class ArgumentError(TeachgradError, TypeError):
    """Arguments of a launch that do not fit the kernel."""


class LaunchError(EmulatorError):
    """A launch that could not be completed: an illegal address, a deadlock, an assertion, no end in time.

    `kind` says which, `line` where (None if unknown), `block` and `thread` who.
    """

    def __init__(self, kind: str, message: str, line: int | None, block: tuple[int, int, int],
                 thread: tuple[int, int, int]) -> None:  # fmt: skip
        super().__init__(message)
        self.kind = kind
        self.line = line
        self.block = block
        self.thread = thread
