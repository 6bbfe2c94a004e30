"""Makes the learner's and the solution notebook of every lesson from its one source.

    python -m teachgrad_lessons.build            write them
    python -m teachgrad_lessons.build --check    say which are out of date, and exit with 1 if any is

A lesson is a jupytext percent file. In it, lines between

    # BEGIN SOLUTION: prediction = ...
    # END SOLUTION

belong to the solution alone. The learner sees the text after the colon in their place, or, when there is none,
``raise NotImplementedError`` at the same indentation. The result holds no outputs, times or random ids, so building
twice gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat

LESSONS = Path(__file__).resolve().parents[1]
EDITIONS = ("notebooks", "solutions")

_BEGIN = re.compile(r"^(?P<indent>\s*)# BEGIN SOLUTION(?:: (?P<instead>.*))?$")
_MARK = re.compile(r"(BEGIN|END) SOLUTION")
_END = re.compile(r"^\s*# END SOLUTION$")


def student(source: str) -> str:
    """The learner's text of a lesson: every solution replaced by what they are to write."""
    lines, inside = [], False
    for number, line in enumerate(source.splitlines(), 1):
        if _MARK.search(line) and not (_BEGIN.match(line) or _END.match(line)):
            raise ValueError(f"Line {number}: a mark must stand alone, as '# BEGIN SOLUTION' or '# END SOLUTION'.")
        if begin := _BEGIN.match(line):
            if inside:
                raise ValueError(f"Line {number}: BEGIN SOLUTION inside a solution; END SOLUTION is missing above.")
            inside = True
            instead = begin["instead"] or 'raise NotImplementedError("Replace this line with your own.")'
            lines.append(begin["indent"] + instead)
        elif _END.match(line):
            if not inside:
                raise ValueError(f"Line {number}: END SOLUTION without BEGIN SOLUTION.")
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError("The last BEGIN SOLUTION has no END SOLUTION.")
    return "\n".join(lines) + "\n"


def solution(source: str) -> str:
    """The complete text of a lesson: the solutions stay, the marks around them go."""
    return "\n".join(line for line in source.splitlines() if not (_BEGIN.match(line) or _END.match(line))) + "\n"


def notebook(text: str, ids: list[str]) -> str:
    """The JSON of the notebook that a percent-format text describes, without outputs; ``ids`` names its cells."""
    book = jupytext.reads(text, fmt="py:percent")
    book.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    book.nbformat, book.nbformat_minor = 4, 5
    for cell, id in zip(book.cells, ids, strict=True):
        cell.id = id
    nbformat.validate(book)
    return nbformat.writes(book) + "\n"


def _ids(source: str) -> Iterator[str]:
    """An id for each cell from its source: the same in both editions, and an edit changes no other cell's."""
    seen: dict[str, int] = {}
    for cell in jupytext.reads(source, fmt="py:percent").cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        yield digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def editions(source: Path) -> dict[Path, str]:
    """The files that the lesson ``source`` becomes, with their contents."""
    text = source.read_text(encoding="utf-8")
    ids = list(_ids(text))
    contents = (notebook(student(text), ids), notebook(solution(text), ids))
    return {
        source.parent / folder / f"{source.stem}.ipynb": content
        for folder, content in zip(EDITIONS, contents, strict=True)
    }


def sources(folder: Path = LESSONS) -> list[Path]:
    """Every lesson in ``folder``, in order."""
    return sorted(folder.glob("[0-9][0-9]_*.py"))


def stale(source: Path) -> list[Path]:
    """The committed notebooks that differ from what ``source`` becomes now."""
    return [
        path
        for path, content in editions(source).items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m teachgrad_lessons.build",
        description="Make the learner's and the solution notebook of every lesson.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a notebook is out of date")
    parser.add_argument("--folder", type=Path, default=LESSONS, help="where the lessons are (default: %(default)s)")
    options = parser.parse_args(arguments)
    behind = [path for source in sources(options.folder) for path in stale(source)]
    if options.check:
        for path in behind:
            print(f"out of date: {path.relative_to(options.folder)}  (python -m teachgrad_lessons.build)")
        return int(bool(behind))
    for source in sources(options.folder):
        for path, content in editions(source).items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
            print(f"{path.relative_to(options.folder)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
