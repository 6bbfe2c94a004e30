"""A screen as one page of HTML that needs nothing else, not even JavaScript: with the steps before and after it.

Which step is shown is a choice among radio buttons, so the arrow keys step, and a screen reader knows what they are.
Each step is a drawing, and the same as text. A policy in the page's head forbids it to load anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from .film import Shot
from .svg import css, figure, styles_of


def page(shots: Sequence[Shot], at: int, title: str) -> str:
    """The page of these shots, at first showing number `at`."""
    heading = title if len(shots) > 1 else f"{title} at {shots[at].address}"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f"<title>{_clean(heading)}</title>",
        f"<style>{_resource('page.css')}{css(styles_of(shot.canvas for shot in shots))}{_choosing(len(shots))}</style>",
        f"</head>\n<body>\n<h1>{_clean(heading)}</h1>",
        *(_chooser(shots, at) if len(shots) > 1 else ()),
        '<main class="shots">',
        *(_section(shots, number, title) for number in range(len(shots))),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _clean(text: str) -> str:
    """Text as it may stand in a page, which has no place for control characters."""
    return escape("".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _choosing(count: int) -> str:
    """The style that shows the chosen step alone."""
    if count == 1:
        return ".shot{display:block}"
    chosen = ",".join(f"#at{n}:checked~.shots .shot{n}" for n in range(count))
    marked = ",".join(f"#at{n}:checked~nav label[for=at{n}]" for n in range(count))
    focused = ",".join(f"#at{n}:focus-visible~nav label[for=at{n}]" for n in range(count))
    return (f"{chosen}{{display:block}}{marked}{{background:var(--ink);color:var(--paper)}}"
            f"{focused}{{outline:2px solid var(--accent);outline-offset:1px}}")  # fmt: skip


def _chooser(shots: Sequence[Shot], at: int) -> Iterator[str]:
    """A radio button for each step, and what stands for it on the page."""
    for number, shot in enumerate(shots):
        checked = " checked" if number == at else ""
        label = _clean(f"{shot.address}: {shot.sentence}")
        yield f'<input type="radio" name="step" id="at{number}"{checked} aria-label="{label}">'
    yield "<nav>"
    for number, shot in enumerate(shots):
        name = _clean(f"{shot.address} {shot.name}")
        yield f'<label for="at{number}" title="{name}">{"▶ " * (number == at)}{_clean(shot.address)}</label>'
    yield "</nav>"
    yield '<p class="hint">Choose a step, then ← and → go through them. ▶ is where this page was made.</p>'


def _section(shots: Sequence[Shot], number: int, title: str) -> str:
    shot = shots[number]
    text = _clean("\n".join(shot.canvas.text()))
    back = f'<label for="at{number - 1}">◀ back</label>' if number > 0 else ""
    on = f'<label for="at{number + 1}">step ▶</label>' if number + 1 < len(shots) else ""
    return (
        f'<section class="shot shot{number}">\n<p class="says">{back}{on} {_clean(shot.sentence)}</p>\n'
        f'<div class="sheet">{figure(shot.canvas, f"{title} at {shot.address}", shot.sentence)}</div>\n'
        f"<details><summary>as text</summary>\n<pre>{text}</pre></details>\n</section>"
    )
