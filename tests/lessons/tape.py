"""What the tests of lesson 04 share: its texts, and a quick run of it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from teachgrad_lessons.check import Lesson
from teachgrad_lessons.run import code_cells, percent_cells, run

LESSONS = Path(__file__).parents[2] / "lessons"
SOURCE = LESSONS / "04_the_tape.py"
STUDENT = LESSONS / "notebooks" / "04_the_tape.ipynb"
SOLUTION = LESSONS / "solutions" / "04_the_tape.ipynb"


@cache
def solution_text() -> str:
    """The source without the marks, in which a mutant replaces a piece."""
    lines = SOURCE.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\s*# (BEGIN|END) SOLUTION", line))


def quick_run(cells: list[str], until: str | None = None) -> Lesson:
    """Run a lesson without the cells that only start the inspector in another process, and train in one test only."""
    slow = r"^\s*inspect\(" if until in (None, "accuracy") else r"^\s*inspect\(|^for epoch in range"
    return run([cell for cell in cells if not re.search(slow, cell, flags=re.MULTILINE)], until)


__all__ = ["LESSONS", "SOLUTION", "SOURCE", "STUDENT", "code_cells", "percent_cells", "quick_run", "solution_text"]
