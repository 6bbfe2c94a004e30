"""The registry of screens, and the frame that shows one of them at a moment.

A screen is a view function, a drawing function and the keys that matter on it. A new one is a file in `views/`, a file
in `render/` and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from teachgrad.errors import RecordingError
from teachgrad.recording import Moment

from .canvas import Canvas
from .glyphs import Glyphs
from .learning.lesson import view_lesson
from .learning.past import as_asked, is_shut, seen
from .matching import GivenUp
from .render.chain import PANES as CHAIN_PANES
from .render.chain import draw_chain
from .render.compare import PANES as COMPARE_PANES
from .render.compare import draw_compare
from .render.doctor import PANES as DOCTOR_PANES
from .render.doctor import draw_doctor
from .render.explain import PANES as EXPLAIN_PANES
from .render.explain import draw_explain
from .render.frame import Head, Status, Tab, draw_head, draw_keys, draw_status, too_small
from .render.kernels import draw_kernels
from .render.lesson import draw_lesson, lesson_height
from .render.map import PANES as MAP_PANES
from .render.map import draw_map, map_height
from .render.memory import PANES as MEMORY_PANES
from .render.memory import draw_memory
from .render.panes import draw_text
from .render.passes import PANES as PASSES_PANES
from .render.passes import draw_passes
from .render.tape import PANES as TAPE_PANES
from .render.tape import draw_tape, tape_height
from .render.train import PANES as TRAIN_PANES
from .render.train import draw_train
from .render.watches import PANES as STOPS_PANES
from .render.watches import draw_stops
from .render.whatif import PANES as WHAT_IF_PANES
from .render.whatif import draw_what_if
from .session import Session
from .views.chain import view_chain
from .views.compare import comparison, left_to_compare, view_compare
from .views.doctor import left_to_examine, look_for_troubles, view_doctor
from .views.explain import left_to_explain, view_explain
from .views.kernels import PANES as KERNELS_PANES
from .views.kernels import view_kernels
from .views.map import view_map
from .views.memory import hold, left_to_hold, view_memory
from .views.narrate import short_note
from .views.options import Options
from .views.passes import view_passes
from .views.plain import plain
from .views.tape import view_tape
from .views.telling import tell
from .views.train import view_train
from .views.watches import view_stops
from .views.whatif import left_to_run, view_what_if

MIN_WIDTH, MIN_HEIGHT = 40, 10
CLOSED = ("hidden as long as you predict: this screen is about the whole run, and would give away what is still to "
          "come. p ends predicting.")  # fmt: skip


Going = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen: what it says (`view`, of session, moment, options and height) and how it is drawn."""

    name: str
    key: str
    title: str
    panes: tuple[str, ...]
    actions: tuple[str, ...]
    """The actions worth a place in the last line, most important first; see `teachgrad_inspector.keys`."""
    view: Callable[[Session, Moment, Options, int], Any]
    draw: Callable[[Canvas, Any, Options, int, int], None]
    stride: str = "step"
    """What a step forward is on this screen: a function of `navigation`."""
    reads: Callable[[Session, Moment, Options], int] = lambda session, moment, options: 0
    """About how many rows are to be read besides those of the training step, before there is anything to see."""
    read: Callable[[Session, Moment, Options, Going], None] = lambda session, moment, options, going: None
    """Reads them, as long as `going` says so."""
    tab: bool = True
    """Whether it has a place in the first line."""


def _read_history(session: Session, moment: Moment, options: Options, going: Going) -> None:
    for _ in session.history.facts():
        if not going():
            return


def _beforehand(view: Callable[[Session, Moment, Options], Any]) -> Callable[[Session, Moment, Options, Going], None]:
    """Reads by having something made that the session then keeps."""

    def read(session: Session, moment: Moment, options: Options, going: Going) -> None:
        view(session, moment, options)

    return read


def _compare(session: Session, moment: Moment, options: Options, going: Going) -> None:
    with suppress(GivenUp):
        comparison(session, moment, options, going)


SCREENS: dict[str, Screen] = {
    screen.name: screen
    for screen in (
        Screen("tape", "1", "Tape", TAPE_PANES,
               ("step", "back", "open", "over", "phase", "go", "search", "pane", "help", "quit"),
               lambda session, moment, options, height: view_tape(session, moment, options, tape_height(height)),
               draw_tape),
        Screen("chain", "2", "Chain", CHAIN_PANES,
               ("step", "back", "up", "element", "check", "predict", "reveal", "go", "help", "quit"),
               lambda session, moment, options, height: view_chain(session, moment, options),
               draw_chain),
        Screen("map", "3", "Map", MAP_PANES,
               ("boxes", "open", "up", "step", "back", "pane", "fold", "phase", "go", "help", "quit"),
               lambda session, moment, options, height: view_map(session, moment, options, map_height(height)),
               draw_map),
        Screen("passes", "4", "Passes", PASSES_PANES,
               ("step", "back", "rule", "over", "pane", "zoom", "first", "last", "go", "up", "help", "quit"),
               lambda session, moment, options, height: view_passes(session, moment, options),
               draw_passes),
        Screen("memory", "5", "Memory", MEMORY_PANES,
               ("step", "back", "candidate", "what_if", "mode", "pane", "zoom", "phase", "go", "help", "quit"),
               lambda session, moment, options, height: view_memory(session, moment, options),
               draw_memory, reads=lambda session, moment, options: left_to_hold(session, moment),
               read=lambda session, moment, options, going: hold(session, moment, going)),
        Screen("train", "6", "Train", TRAIN_PANES,
               ("train", "train_back", "line", "pane", "zoom", "first", "last", "go", "up", "help", "quit"),
               lambda session, moment, options, height: view_train(session, moment, options),
               draw_train, "training_step", lambda session, moment, options: session.history.left(),
               _read_history),
        Screen("kernels", "7", "Kernels", KERNELS_PANES,
               ("step", "back", "linked", "pane", "zoom", "phase", "go", "search", "up", "help", "quit"),
               lambda session, moment, options, height: view_kernels(session, moment, options),
               draw_kernels),
        Screen("doctor", "!", "Doctor", DOCTOR_PANES,
               ("line", "open", "up", "pane", "go", "help", "quit"),
               lambda session, moment, options, height: view_doctor(session, options),
               draw_doctor, reads=lambda session, moment, options: left_to_examine(session),
               read=lambda session, moment, options, going: look_for_troubles(session, going), tab=False),
        Screen("explain", "e", "Explain", EXPLAIN_PANES,
               ("line", "open", "explain", "up", "go", "help", "quit"),
               lambda session, moment, options, height: view_explain(session, moment, options),
               draw_explain, reads=left_to_explain,
               read=_beforehand(view_explain), tab=False),
        Screen("compare", "d", "Compare", COMPARE_PANES,
               ("line", "open", "compare", "train", "train_back", "up", "help", "quit"),
               lambda session, moment, options, height: view_compare(session, moment, options),
               draw_compare, reads=left_to_compare,
               read=_compare, tab=False),
        Screen("what-if", "x", "What if", WHAT_IF_PANES,
               ("what_if", "pane", "zoom", "train", "train_back", "help", "quit"),
               lambda session, moment, options, height: view_what_if(session, moment, options),
               draw_what_if, reads=left_to_run,
               read=_beforehand(view_what_if), tab=False),
        Screen("stops", "B", "Stops", STOPS_PANES,
               ("line", "open", "breakpoint", "watch", "next_stop", "stop_before", "up", "help", "quit"),
               lambda session, moment, options, height: view_stops(session, moment, options),
               draw_stops, tab=False),
    )
}  # fmt: skip


def left_to_read(screen: str, session: Session, moment: Moment, options: Options) -> int:
    """How many rows a screen has still to read before there is something to see."""
    return 0 if is_shut(screen, moment, options) else SCREENS[screen].reads(session, moment, options)


def head_of(session: Session, moment: Moment, screen: str, options: Options) -> Head:
    """The first line of a screen."""
    objective = session.objective(moment.step)
    tabs = tuple(
        Tab(item.name, item.key, item.title, item.name == screen)
        for item in SCREENS.values()
        if item.tab or item.name == screen
    )
    return Head(
        session.title,
        tabs,
        moment.step,
        session.run.steps,
        objective[0] if objective else "",
        objective[1] if objective else None,
        session.trouble or "",
        options.predict,
        options.tally,
        session.told_kept(moment.step, options.keep),
    )


def status_of(session: Session, moment: Moment, options: Options) -> Status:
    """The status line at a moment."""
    row = session.row(moment)
    state, why = session.state(moment)
    if session.hides(row) or (options.hiding and row.of_gradient):
        state, why = "ok", ""
    label = session.name(row.vertex, row.step) + (".grad" if row.of_gradient else "")
    return Status(str(moment), label, short_note(session, moment, options), state, why, session.live)


def body_height(height: int) -> int:
    """The rows of a screen that are neither head, status nor keys."""
    return height - 3


def frame(
    session: Session,
    moment: Moment,
    screen: str,
    options: Options,
    width: int,
    height: int,
    glyphs: Glyphs,
    keys: tuple[tuple[str, str], ...],
) -> Canvas:
    """A whole screen, drawn."""
    canvas = Canvas(width, height, glyphs)
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        draw_text(canvas, 0, 0, width, height, too_small(width, height), "warn")
        return canvas
    shown = SCREENS[screen]
    body = body_height(height)
    speaks = options.narration and body > 8
    body -= speaks
    lesson = view_lesson(session, moment, options, screen)
    if lesson is not None:
        below = lesson_height(canvas, lesson, body)
        body -= below
        draw_lesson(canvas, lesson, 1 + body, below, options.turned)
    session, options = seen(session, moment, options), as_asked(session, moment, options)
    draw_head(canvas, head_of(session, moment, screen, options))
    try:
        if is_shut(screen, moment, options):
            canvas.box(0, 1, width, body, shown.title)
            draw_text(canvas, 2, 2, width - 4, body - 2, CLOSED, "hidden")
            view = None
        else:
            view = shown.view(session, moment, options, body)
            shown.draw(canvas, view, options, 1, body)
        if speaks:
            canvas.put(2, height - 3, tell(session, moment, options, view), "narration", width - 4)
    except RecordingError as error:
        canvas.put(2, 2, str(error), "err", width - 4)
    draw_status(canvas, status_of(session, moment, options), height - 2)
    draw_keys(canvas, keys, height - 1)
    return canvas


def document(session: Session, moment: Moment, screen: str, options: Options, height: int) -> dict[str, Any]:
    """The same screen as data, for JSON."""
    shown = SCREENS[screen]
    lesson = view_lesson(session, moment, options, screen)
    session, options = seen(session, moment, options), as_asked(session, moment, options)
    shut = is_shut(screen, moment, options)
    view = None if shut else shown.view(session, moment, options, body_height(height))
    return {
        "screen": screen,
        "moment": str(moment),
        "status": plain(status_of(session, moment, options)),
        "head": plain(head_of(session, moment, screen, options)),
        "view": {"note": CLOSED} if shut else plain(view),
        **({"narration": tell(session, moment, options, view)} if options.narration else {}),
        **({"lesson": plain(lesson)} if lesson is not None else {}),
    }
