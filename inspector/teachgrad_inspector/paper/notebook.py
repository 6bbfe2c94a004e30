"""A recording in a notebook: the tape at its first and at its last moment, and how to look further."""

from __future__ import annotations

import shlex

from teachgrad.drawing.notebook import themed
from teachgrad.drawing.svg import escape
from teachgrad.errors import RecordingError, counted
from teachgrad.recording import Reader, Recorder

from ..glyphs import UNICODE
from ..navigation import end
from ..session import Session
from ..views.options import Options
from .film import Shot, shot
from .svg import css, figure, styles_of

SIZE = (100, 26)
MOST_ROWS = 20_000
"""Longer training steps take a while to lay out, for which a notebook should not wait."""


def recording(thing: Recorder | Reader) -> dict[str, str]:
    """A recording as HTML, and as text for notebooks that show no more than that."""
    with Reader(thing.path) as run:
        session = Session(run)
        count = f"{counted(run.steps, 'training step')}, level {run.level}"
        head = f"recording {run.path.name}: {count}{'; it is not finished' if run.trouble else ''}"
        command = f"teachgrad inspect {shlex.quote(str(run.path))}"
        how = f"To look inside: {command} in a terminal, or {command} --serve in a browser."
        shots, note = _ends(session)
    pages = [(what, one) for what, one in zip(("first moment", "last moment"), shots, strict=False)]
    text = "\n\n".join([head, *("\n".join(one.canvas.text()) for _, one in pages), *filter(None, (note,)), how])
    styles = styles_of(one.canvas for _, one in pages)
    style = themed(css(styles, "light"), css(styles, "dark"), ".teachgrad-recording") if pages else ""
    folded = "".join(_folded(f"{what}, {one.address}", one, opened=at == 0) for at, (what, one) in enumerate(pages))
    html = (
        f'<div class="teachgrad-recording"><style>{style}</style><div><b>{escape(head)}</b></div>'
        f"{folded}<div>{escape(note)}</div><div>To look inside: <code>{escape(command)}</code> in a terminal, or "
        f"<code>{escape(command)} --serve</code> in a browser.</div></div>"
    )
    return {"text/html": html, "text/plain": text}


def _ends(session: Session) -> tuple[list[Shot], str]:
    """The tape at the first and at the last moment, as far as they can be drawn soon; and why there is no more."""
    run = session.run
    try:
        moments = [session.first, end(session, session.first, frozenset(), True)]
    except RecordingError as error:
        return [], str(error)
    if max(run.length(moment.step) for moment in moments) > MOST_ROWS:
        return [], f"A training step has {run.length(0)} rows, too many to show here."
    return [shot(session, moment, "tape", Options(), SIZE, UNICODE) for moment in dict.fromkeys(moments)], ""


def _folded(summary: str, one: Shot, opened: bool) -> str:
    """A shot that can be folded away."""
    drawing = figure(one.canvas, f"tape at {one.address}", one.sentence)
    return (f'<details{" open" * opened}><summary>{escape(summary)}: {escape(one.sentence)}</summary>'
            f'<div style="overflow:auto">{drawing}</div></details>')  # fmt: skip
