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
    tally: tuple[int, int] = (0, 0)
    """Of answers to what was to be predicted: how many were right, and how many there were."""
    kept: str = ""
    """Which part of the rows is shown, if not all are."""


@dataclass(frozen=True, slots=True)
class Status:
    """The last line but one, which programs read: `t0/bwd/12 a.grad … ok`."""

    moment: str
    name: str
    note: str
    state: str
    why: str
    live: str = ""
    """What the training does that is recorded here: `running`, `paused at t3/fwd/12`."""


def draw_head(canvas: Canvas, head: Head) -> None:
    """Draw the first line: the screens, then as much as there is room for of what is said at the right."""
    canvas.paint(0, "bar")
    x = 1
    whole = sum(canvas.measure(tab.title) + 5 for tab in head.tabs) <= canvas.width
    for tab in head.tabs:  # where there is no room, the others are only their keys
        text = f" {tab.key} {tab.title} " if whole or tab.active else f" {tab.key} "
        start = x
        x = canvas.put(x, 0, text, "tab-active bar" if tab.active else "tab bar", canvas.width - 1 - x)
        canvas.link(start, 0, x - start, f"screen:{tab.name}")
    end = canvas.width - 1
    for text, style in _facts(head):
        width = canvas.measure(text)
        if end - width > x:
            canvas.put(end - width, 0, text, style)
            end -= width + 3
    room = end - x - 3
    if room >= 6:
        canvas.put(x + 2, 0, head.title, "dim bar", room)


def _facts(head: Head) -> list[tuple[str, str]]:
    """What is said at the right, the most important first."""
    facts: list[tuple[str, str]] = []
    if head.trouble:
        facts.append(("ended early", "warn bar"))
    if head.predict:
        facts.append((f"predict {head.tally[0]}/{head.tally[1]}" if head.tally[1] else "predict", "warn bar"))
    if head.steps > 1:
        facts.append((f"t{head.step} of t0…t{head.steps - 1}", "bar"))
    if head.objective and head.loss is not None:
        facts.append((f"{head.objective} = {number(head.loss)}", "bar"))
    if head.kept:
        facts.insert(0, (head.kept, "warn bar"))
    return facts


def draw_status(canvas: Canvas, status: Status, y: int) -> None:
    """Draw the status line. Moment, name and state are always there; the note gives way."""
    canvas.paint(y, "status")
    state = status.state if canvas.width < 60 or not status.why else f"{status.why}  {status.state}"
    style = {"ok": "ok", "warn": "warn", "err": "err"}[status.state]
    end = canvas.right(canvas.width - 1, y, state, f"{style} status")
    if status.live:
        live = status.live if canvas.width >= 80 else status.live.partition(" ")[0]
        end = canvas.right(end - 2, y, live, "status" if status.live == "running" else "warn status")
    x = canvas.put(1, y, status.moment, "moment status", end - 2)
    x = canvas.put(x + 1, y, status.name, "name status", max(0, end - x - 2))
    canvas.put(x + 3, y, status.note, "status", max(0, end - x - 5))


def draw_keys(canvas: Canvas, keys: Sequence[tuple[str, str]], y: int) -> None:
    """Draw as many of the keys, most important first, as fit, and in any case the one that helps."""
    shown = list(keys)
    while len(shown) > 1 and sum(canvas.measure(f"{key} {label}") + 2 for key, label in shown) > canvas.width:
        shown.pop(-2 if shown[-1][1] == "help" else -1)
    x = 1
    for key, label in shown:
        x = canvas.put(x, y, key, "key")
        x = canvas.put(x + 1, y, label, "dim") + 2


def too_small(width: int, height: int) -> str:
    """What a terminal says that is too small for any screen."""
    return f"terminal too small (have {width}×{height}, need 40×10); teachgrad inspect --print text still works"
