"""What is returned when a hook is registered."""

from __future__ import annotations

from typing import Any, Self

from ..revision import changed


class Handle:
    """Takes a hook away again: call it, or its `remove()`, or leave its `with` block."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)
        changed()

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks[:] = [hook for hook in self._hooks if hook is not self._hook]
        changed()

    __call__ = remove

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
