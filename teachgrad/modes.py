"""The gradient modes: blocks and functions in which no graph is kept.

Each mode belongs to the thread that entered it. It is written the way people try first, and all of these work:

    with tg.no_grad(): ...          @tg.no_grad
    with tg.no_grad: ...            @tg.no_grad()
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar, overload

from . import devices
from .op import state

F = TypeVar("F", bound=Callable[..., Any])


class GradientMode:
    """A context manager and decorator that changes how ops are remembered in this thread."""

    def __init__(self, name: str, doc: str, **changes: bool) -> None:
        self.__name__ = name
        self.__doc__ = doc
        self._changes = changes
        self._entered = threading.local()

    def __repr__(self) -> str:
        return f"tg.{self.__name__}"

    @overload
    def __call__(self) -> GradientMode: ...
    @overload
    def __call__(self, function: F) -> F: ...
    def __call__(self, function: Any = None) -> Any:
        if function is None:
            return self
        if not callable(function):
            raise TypeError(f"{self!r} is used as `with {self!r}():` or as a decorator of a function, "
                            f"not with a {type(function).__name__}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{self!r} cannot decorate {function.__name__}: other code runs in the middle of an async "
                            f"function; write `with {self!r}():` around the parts between two awaits")
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)
        return in_mode

    def _around_generator(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        """The generator runs in the mode, the code that loops over it does not."""
        @functools.wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            running = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, running)
            while True:
                try:
                    with self:
                        value = step()
                except StopIteration as end:
                    return end.value
                try:
                    step = functools.partial(running.send, (yield value))
                except GeneratorExit:
                    with self:
                        running.close()
                    raise
                except BaseException as error:
                    step = functools.partial(running.throw, error)
        return in_mode

    def __enter__(self) -> GradientMode:
        stack = self._entered.__dict__.setdefault("stack", [])
        stack.append({key: getattr(state.now, key) for key in self._changes})
        for key, value in self._changes.items():
            setattr(state.now, key, value)
        return self

    def __exit__(self, *exception: object) -> None:
        for key, value in self._entered.stack.pop().items():
            setattr(state.now, key, value)


no_grad = GradientMode("no_grad", """Results do not require a gradient and no graph is kept; leaves may be overwritten.

    For the update step of an optimizer written by hand, and for evaluation: `with tg.no_grad(): w -= lr * w.grad`.
    """, grad=False)

enable_grad = GradientMode("enable_grad", """Gradients are recorded again, inside a `no_grad` block.""", grad=True)

inference = GradientMode("inference", """As `no_grad`, and what is made from tensors that require a gradient is marked.

    Using a marked tensor later where gradients are recorded is an error instead of a gradient that silently stops.
    """, grad=False, inference=True)


class device:
    """A device by its name, as an object and as a block in which new tensors are made there.

        with tg.device("gpu"):
            x = tg.zeros((3, 4))

    A device that is not there is a `DeviceError`, which says what is missing.
    """

    def __init__(self, name: Any) -> None:
        self.place = devices.find(name)
        self.name = self.place.name
        self._before: list[devices.Device | None] = []

    def __repr__(self) -> str:
        return f"tg.device({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return self.name == (other if isinstance(other, str) else getattr(other, "name", None))

    def __hash__(self) -> int:
        return hash(self.name)

    @staticmethod
    def is_one(x: Any) -> bool:
        """Whether this is meant as a device, as opposed to a data type."""
        return devices.is_device(x)

    def __enter__(self) -> device:
        self._before.append(state.now.device)
        state.now.device = None if self.place is devices.CPU else self.place
        return self

    def __exit__(self, *exception: object) -> None:
        state.now.device = self._before.pop()


def is_grad_enabled() -> bool:
    """Whether ops on tensors that require a gradient are remembered in this thread."""
    return state.now.grad


__all__ = ["GradientMode", "device", "enable_grad", "inference", "is_grad_enabled", "no_grad"]
