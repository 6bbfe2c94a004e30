"""What the executors `emulated` and `cupy` differ in: whose memory it is, and who runs the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..generating.gemm import Gemm
from ..generating.launches import Source


@dataclass(frozen=True)
class Call:
    """A launch with its arrays, or a copy."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    """Arrays and numbers."""
    product: Gemm | None = None
    """The product of matrices that it is, if not a kernel."""
    source: Source | None = None
    """The file of the catalogue that the kernel comes from; None if it was written for this program."""
    shared: int = 0
    """Bytes of dynamic shared memory."""
    copies: bool = False
    """Whether the first argument becomes what the second one is: no kernel is launched."""

    @property
    def is_kernel(self) -> bool:
        return self.product is None and not self.copies


class Launcher(Protocol):
    """A device, emulated or real, as programs use it."""

    name: str
    """The name of the executor."""
    xp: Any
    """The array library that computes what there is no kernel for: numpy or cupy."""
    library: str
    """What an answer of it is called in messages."""

    def memory(self, size: int) -> Any:
        """So many bytes of the device, as an array of uint8."""

    def adopts(self, array: Any) -> bool:
        """Whether kernels can use an array where it is. All others are copied in, and back."""

    def copy_in(self, place: Any, array: Any) -> None:
        """Copy an argument to its place in the memory of the device."""

    def copy_out(self, array: Any, place: Any) -> None:
        """Copy a value from its place to the array of a tensor."""

    def agrees(self, place: Any, array: Any) -> None:
        """Note that a place and an array of the host, which have both changed, hold the same."""

    def forget(self) -> None:
        """Rely on nothing that was copied before: a call has come to an end before its time."""

    def prepare(self, source: str, calls: Sequence[Sequence[Call]]) -> Sequence[Any]:
        """Compile a source, and those of the catalogue that calls name; for each batch of calls a function that makes
        them, one after the other."""

    def synchronize(self) -> None:
        """Wait until all that was launched has ended."""

    def refuse(self, arrays: Sequence[Any], name: str) -> None:
        """Refuse arguments that are not where this executor takes them from."""
