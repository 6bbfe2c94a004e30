"""What surrounds every screen: a head line, the status line, the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..canvas import Canvas
from ..numbers import number


@dataclass(frozen=True, slots=True)
class Tab:
    """A screen to choose."""

    name: str
    key: str
    title: str
    active: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: which recording, which screens there are, where in the training it stands."""

    title: str
    tabs: tuple[Tab, ...]
    step: int
    steps: int
    objective: str
    loss: float | None
    trouble: str
    predict: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The last line but one, which programs read: `t0/bwd/12 a.grad … ok`."""

    moment: str
    name: str
    note: str
    state: str
    why: str


def draw_head(canvas: Canvas, head: Head) -> None:
    """Draw the first line."""
    canvas.paint(0, "bar")
    right: list[tuple[str, str]] = []
    if head.predict:
        right.append(("predict", "warn bar"))
    if head.objective and head.loss is not None:
        right.append((f"{head.objective} = {number(head.loss)}", "bar"))
    if head.steps > 1:
        right.append((f"t{head.step} of t0…t{head.steps - 1}", "bar"))
    if head.trouble:
        right.append(("ended early", "warn bar"))
    end = canvas.width - 1
    for text, style in reversed(right):
        width = canvas.measure(text)
        if end - width < 30:
            break
        canvas.put(end - width, 0, text, style)
        end -= width + 3
    x = 1
    for tab in head.tabs:
        start = x
        x = canvas.put(x, 0, f" {tab.key} {tab.title} ", "tab-active bar" if tab.active else "tab bar", end - x)
        canvas.link(start, 0, x - start, f"screen:{tab.name}")
    room = end - x - 3
    if room >= 6:
        canvas.put(x + 2, 0, head.title, "dim bar", room)


def draw_status(canvas: Canvas, status: Status, y: int) -> None:
    """Draw the status line. Moment, name and state are always there; the note gives way."""
    canvas.paint(y, "status")
    state = status.state if canvas.width < 60 or not status.why else f"{status.why}  {status.state}"
    style = {"ok": "ok", "warn": "warn", "err": "err"}[status.state]
    end = canvas.right(canvas.width - 1, y, state, f"{style} status")
    x = canvas.put(1, y, status.moment, "moment status", end - 2)
    x = canvas.put(x + 1, y, status.name, "name status", max(0, end - x - 2))
    canvas.put(x + 3, y, status.note, "status", max(0, end - x - 5))


def draw_keys(canvas: Canvas, keys: Sequence[tuple[str, str]], y: int) -> None:
    """Draw as many of the keys, most important first, as fit."""
    x = 1
    for key, label in keys:
        if x + canvas.measure(key) + canvas.measure(label) + 1 > canvas.width:
            break
        x = canvas.put(x, y, key, "key")
        x = canvas.put(x + 1, y, label, "dim") + 2


def too_small(width: int, height: int) -> str:
    """What a terminal says that is too small for any screen."""
    return f"terminal too small (have {width}×{height}, need 40×10); teachgrad inspect --print text still works"
