"""What a compiler knows of the parameters of a kernel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel, as its compiler knows it."""

    name: str
    pointer: bool
    constant: bool
    """Whether it is a pointer through which the kernel only reads."""
    kind: str
    """"integer", "float" or "other"."""
    size: int
    type: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}".strip()
