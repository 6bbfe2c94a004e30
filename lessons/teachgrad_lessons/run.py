"""Runs a lesson cell by cell in this process, past cells that fail, and returns its marks.

    python -m teachgrad_lessons.run notebooks/04_the_tape.ipynb

A cell that raises ends that cell only, as in a notebook, so an unfinished exercise costs its own points. The code runs
with the rights of whoever calls this: it is for one's own work. Work of others is marked in a sandbox.
"""

from __future__ import annotations

import argparse
import json
import linecache
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from teachgrad_lessons.check import Lesson


class NeverOpened(RuntimeError):
    """A lesson whose first code cell, the one that makes ``lesson``, did not run."""


def code_cells(path: Path) -> list[str]:
    """The code cells of a notebook or of a percent-format source, in order."""
    text = path.read_text(encoding="utf-8")
    return notebook_cells(text) if path.suffix == ".ipynb" else percent_cells(text)


def notebook_cells(text: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]


def percent_cells(text: str) -> list[str]:
    """The code cells of a text in jupytext's percent format: those whose ``# %%`` line names no other cell type."""
    _, *cells = re.split(r"^# %%", text, flags=re.MULTILINE)
    return [body for heading, _, body in (cell.partition("\n") for cell in cells) if "[" not in heading]


def run(cells: list[str], until: str | None = None, report: bool = False) -> Lesson:
    """The record of a lesson after running its code cells.

    ``until`` stops after the cell that checks that exercise. ``report`` prints the error of every cell that raised.
    """
    stop = re.compile(rf'lesson\.check\(\s*"{re.escape(until)}"') if until else None
    scope: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        name = f"<code cell {number}>"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        try:
            exec(compile(cell, name, "exec"), scope)
        except Exception as error:
            if report:
                print(f"Code cell {number} stopped.", *traceback.format_exception_only(error), end="")
        if stop and stop.search(cell):
            break
    lesson = scope.get("lesson")
    if not isinstance(lesson, Lesson):
        raise NeverOpened("The lesson's first code cell, which makes `lesson`, did not run.")
    return lesson


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m teachgrad_lessons.run", description="Run a lesson's notebook or source and print its marks."
    )
    parser.add_argument("lesson", type=Path, help="a notebook (.ipynb) or a percent-format source (.py)")
    lesson = run(code_cells(parser.parse_args(arguments).lesson), report=True)
    lesson.score()
    return 0 if lesson.points == lesson.out_of else 1


if __name__ == "__main__":
    sys.exit(main())
