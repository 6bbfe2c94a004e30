"""A tour as a page or a notebook: the screen of every stop as text, its words, its questions with folded answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from teachgrad.errors import RecordingError
from teachgrad.recording import Moment

from ..canvas import Canvas
from ..glyphs import UNICODE
from ..learning.order import choices
from ..learning.past import is_shut, seen
from ..learning.questions import KINDS, NEXT, asked, said
from ..learning.tours import Tour, TourStop, questions_at
from ..render.frame import draw_status
from ..screens import CLOSED, SCREENS, status_of
from ..session import Session
from ..stops import resolve
from ..views.options import Options

WIDTH, HEIGHT = 100, 26


@dataclass(frozen=True, slots=True)
class Page:
    """A stop, ready to be written down: what is on the screen before and after its questions are answered."""

    stop: TourStop
    moment: Moment
    screen: str
    revealed: str
    questions: tuple[tuple[str, str], ...]
    """Questions and answers."""


def pages(session: Session, tour: Tour) -> Iterator[Page]:
    """The stops of a tour. Raises `TeachgradError` if one of them leads nowhere."""
    for stop in tour.stops:
        moment = resolve(session, stop.at)
        here = Moment(moment.step, moment.row, moment.phase)
        panes = SCREENS[stop.screen].panes
        options = Options(
            element=stop.element if stop.element is not None else moment.element, spotlight=stop.spot("op"),
            pane=panes.index(stop.spot("pane")) if stop.spot("pane") in panes else 0,
            predict=bool(stop.questions),
        )  # fmt: skip
        found = []
        for question in questions_at(session, stop):
            text = asked(session, question)
            if question.kind == NEXT:
                listed = ", ".join(f"{letter}: {one.name}" for letter, one in choices(session, here).items())
                text = f"{text} {listed}"
            found.append((text, said(session, question)))
        if stop.ask:
            found.append((stop.ask, stop.answer))
        before = screen_text(session, here, stop.screen, options)
        after = before
        if stop.questions:
            after = screen_text(session, here, stop.screen, options.but(revealed=frozenset(KINDS)))
        yield Page(stop, here, before, after, tuple(found))


def screen_text(session: Session, moment: Moment, screen: str, options: Options) -> str:
    """The body of a screen and its status line, as text."""
    canvas = Canvas(WIDTH, HEIGHT, UNICODE)
    past, shown = seen(session, moment, options), SCREENS[screen]
    try:
        if is_shut(screen, moment, options):
            canvas.put(1, 1, CLOSED)
        else:
            shown.draw(canvas, shown.view(past, moment, options, HEIGHT - 1), options, 0, HEIGHT - 1)
    except RecordingError as error:
        canvas.put(1, 1, str(error))
    draw_status(canvas, status_of(past, moment, options), HEIGHT - 1)
    return "\n".join(canvas.text())


# ---- as a page -------------------------------------------------------------------------------------------------------

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif; }}
pre {{ overflow-x: auto; padding: 0.8rem; border: 1px solid #8886; border-radius: 6px; line-height: 1.2;
      font: 0.82rem/1.2 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
details {{ margin: 0.4rem 0 1rem; padding: 0.3rem 0.8rem; border-left: 3px solid #5a7fd0; }}
summary {{ cursor: pointer; }}
.question {{ font-weight: 600; margin-bottom: 0.2rem; }}
nav ol {{ padding-left: 1.4rem; }}
section {{ border-top: 1px solid #8884; margin-top: 2.2rem; }}
</style>
</head>
<body>
"""


def as_html(session: Session, tour: Tour) -> str:
    """One page that needs nothing else: no scripts, no fonts, no network. Answers are folded."""
    parts = [_HEAD.format(title=escape(tour.title)), f"<h1>{escape(tour.title)}</h1>", _paragraphs(tour.text)]
    written = list(pages(session, tour))
    links = (f'<li><a href="#stop-{at}">{escape(page.stop.title)}</a></li>' for at, page in enumerate(written, 1))
    parts.append(f"<nav><ol>{''.join(links)}</ol></nav>")
    for at, page in enumerate(written, 1):
        parts.append(f'<section id="stop-{at}"><h2>{at}. {escape(page.stop.title)}</h2>')
        parts.append(_paragraphs(page.stop.text))
        parts.append(f"<pre>{escape(page.screen)}</pre>")
        for question, answer in page.questions:
            parts.append(f'<p class="question">{escape(question)}</p>')
            if answer:
                parts.append(f"<details><summary>answer</summary><p>{escape(answer)}</p></details>")
        if page.revealed != page.screen:
            parts.append(f"<details><summary>the screen with its numbers</summary><pre>{escape(page.revealed)}</pre>"
                         "</details>")  # fmt: skip
        parts.append("</section>")
    return "\n".join(part for part in parts if part) + "\n</body>\n</html>\n"


def _paragraphs(text: str) -> str:
    """Paragraphs of Markdown: `code`, **strong**, and indented blocks; everything else as it stands."""
    parts = []
    for paragraph in text.split("\n\n"):
        if not paragraph.strip():
            continue
        if paragraph.startswith("    "):
            parts.append(f"<pre>{escape(paragraph)}</pre>")
            continue
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(paragraph, quote=False))
        words = re.sub(r"[*][*]([^*]+)[*][*]", r"<strong>\1</strong>", words)
        parts.append(f"<p>{words}</p>")
    return "\n".join(parts)


# ---- as a notebook ---------------------------------------------------------------------------------------------------


def as_notebook(session: Session, tour: Tour, source: str) -> str:
    """A notebook (nbformat 4.5). `source` names the recording for `teachgrad inspect`: `run.tgr`, or `--demo mlp`. The
    screens stand in the notebook; running a cell makes them anew."""
    cells = [_markdown(f"# {tour.title}\n\n{tour.text}".rstrip())]
    for at, page in enumerate(pages(session, tour), 1):
        cells.append(_markdown(f"## {at}. {page.stop.title}\n\n{page.stop.text}".rstrip()))
        hidden = " --predict" if page.stop.questions else ""
        element = f"[{','.join(map(str, page.stop.element))}]" if page.stop.element else ""
        command = (f"!teachgrad inspect {source} --at {shlex.quote(f'{page.moment}{element}')} "
                   f"--screen {page.stop.screen}{hidden} --print text --size {WIDTH}x{HEIGHT + 4}")  # fmt: skip
        cells.append(_code(command, page.screen))
        for question, answer in page.questions:
            folded = f"\n\n<details><summary>answer</summary>\n\n{escape(answer)}\n\n</details>" if answer else ""
            cells.append(_markdown(f"**{escape(question, quote=False)}**{folded}"))
    content = {
        "cells": [{"id": f"stop-{at}", **cell} for at, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str, output: str) -> dict[str, Any]:
    stream = {"output_type": "stream", "name": "stdout", "text": f"{output}\n".splitlines(keepends=True)}
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "source": [text], "outputs": [stream]}
