"""A learner's folder: the file of each puzzle, and which of them have been solved."""

from __future__ import annotations

import hashlib
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

from .puzzle import Puzzle

SCORE = "puzzles.score.json"
LARGEST = 1 << 20
WIDTH = 78


@dataclass(frozen=True)
class State:
    """How far a puzzle has come."""

    word: str
    """"solved", "changed" (since it was solved), "tried", "begun" (its file is there) or "new"."""
    file: Path


def file_of(number: int, folder: Path) -> Path:
    """Where the learner works."""
    return folder / f"puzzle_{number}.cu"


def task_lines(puzzle: Puzzle, width: int = WIDTH) -> list[str]:
    """The task, wrapped; what is indented stays as it is."""
    lines: list[str] = []
    for paragraph in puzzle.task.split("\n\n"):
        kept = paragraph.startswith(" ")
        lines += [*(paragraph.split("\n") if kept else textwrap.wrap(paragraph, width)), ""]
    return lines[:-1]


def handed_out(number: int, puzzle: Puzzle) -> str:
    """The text of a fresh file: the task as a comment, then the beginning."""
    head = [f"Puzzle {number}: {puzzle.title}", "", *task_lines(puzzle, WIDTH - 3), "",
            f"Check it with: teachgrad cuda puzzle {number} --check"]  # fmt: skip
    return "".join(f"// {line}".rstrip() + "\n" for line in head) + "\n" + puzzle.start


def hand_out(number: int, puzzle: Puzzle, folder: Path) -> bool:
    """Write the file, unless it is there; whether it was written."""
    try:
        with file_of(number, folder).open("x", encoding="utf-8") as file:
            file.write(handed_out(number, puzzle))
    except FileExistsError:
        return False
    return True


def state(number: int, puzzle: Puzzle, folder: Path) -> State:
    """How far a puzzle has come in a folder."""
    file = file_of(number, folder)
    entry = scores(folder).get(puzzle.name)
    if not file.is_file():
        return State("new" if entry is None else "solved" if entry.get("solved") else "tried", file)
    if entry is None:
        return State("begun", file)
    if not entry.get("solved"):
        return State("tried", file)
    return State("solved" if entry.get("digest") == digest(file) else "changed", file)


def note(puzzle: Puzzle, file: Path, solved: bool, folder: Path) -> None:
    """Remember what checking a file has said; what was solved once stays so."""
    known = scores(folder)
    if solved or not known.get(puzzle.name, {}).get("solved"):
        known[puzzle.name] = {"solved": solved, "digest": digest(file)}
        (folder / SCORE).write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def scores(folder: Path) -> dict[str, dict[str, object]]:
    """What is remembered; a file that is no such thing counts as empty."""
    path = folder / SCORE
    try:
        if path.stat().st_size > LARGEST:
            return {}
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: entry for name, entry in known.items() if isinstance(entry, dict)}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
