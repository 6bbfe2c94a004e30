r"""Puzzles in CUDA C, from one thread to a tiled matrix product. No GPU is needed.

    teachgrad cuda puzzle                 what there is, and what is solved
    teachgrad cuda puzzle 4               the task; puzzle_4.cu is written, unless it is there
    teachgrad cuda puzzle 4 --check       is puzzle_4.cu right? what is wrong, a hint, and a picture
    teachgrad cuda puzzle 4 --picture     only the picture: which thread of yours touches which element, and when

A kernel is run on the emulator at several sizes, compared with NumPy, and watched: races, accesses out of bounds,
missed barriers and the like are mistakes even where the result happens to be right. Some puzzles limit what it may
cost. The exit status of --check is 0 if the puzzle is solved, 1 if it is not, and 2 if there is nothing to check.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from math import prod
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..puzzles import Picture, Puzzle, Verdict

BLOCKS = 2
"""That are drawn at most."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("puzzle", metavar="N", nargs="?", help="a number or name (default: list them)")
    parser.add_argument("--check", metavar="FILE.cu", nargs="?", const="", help="check it (default: puzzle_N.cu)")
    parser.add_argument("--picture", metavar="FILE.cu", nargs="?", const="", help="draw what it does")
    parser.add_argument("--svg", metavar="FILE.svg", type=Path, help="write the picture as SVG, too")
    parser.add_argument("--trace", metavar="FILE", type=Path, help="write the launch for `teachgrad inspect FILE`")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: Namespace) -> int:
    from teachgrad.errors import TeachgradError

    try:
        runs = any(given is not None for given in (args.check, args.picture, args.svg, args.trace))
        if args.puzzle is None:
            if runs:
                raise TeachgradError("say which puzzle, as in `teachgrad cuda puzzle 4 --check`")
            return listing(args)
        number, puzzle = chosen(args.puzzle)
        return checked(args, number, puzzle) if runs else task(args, number, puzzle)
    except TeachgradError as error:
        print(f"teachgrad cuda puzzle: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"teachgrad cuda puzzle: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def chosen(text: str) -> tuple[int, Puzzle]:
    """A puzzle by its number or name."""
    from teachgrad.errors import TeachgradError

    from ..puzzles import PUZZLES

    for number, puzzle in enumerate(PUZZLES, 1):
        if text in (str(number), puzzle.name):
            return number, puzzle
    raise TeachgradError(f"there is no puzzle {text!r}; they are numbered from 1 to {len(PUZZLES)}, and "
                         "`teachgrad cuda puzzle` lists them")


def listing(args: Namespace) -> int:
    from ..puzzles import PUZZLES
    from ..puzzles.folder import state

    states = [(number, puzzle, state(number, puzzle, Path())) for number, puzzle in enumerate(PUZZLES, 1)]
    if args.json:
        print(json.dumps([{"number": number, "name": puzzle.name, "title": puzzle.title, "state": now.word}
                          for number, puzzle, now in states], indent=1))  # fmt: skip
        return 0
    for number, puzzle, now in states:
        print(f"{number:>3}  {'' if now.word == 'new' else now.word:<8} {puzzle.title}")
    solved = sum(now.word == "solved" for _, _, now in states)
    following = next((number for number, _, now in states if now.word != "solved"), None)
    print(f"\n{solved} of {len(states)} solved." + (f" Next: teachgrad cuda puzzle {following}" if following else ""))
    return 0


def task(args: Namespace, number: int, puzzle: Puzzle) -> int:
    from ..puzzles.folder import file_of, hand_out, task_lines

    written = hand_out(number, puzzle, Path())
    file = file_of(number, Path())
    if args.json:
        print(json.dumps({"number": number, "name": puzzle.name, "title": puzzle.title, "task": puzzle.task,
                          "start": puzzle.start, "file": str(file), "written": written}, indent=1))  # fmt: skip
        return 0
    print("\n".join([f"Puzzle {number}: {puzzle.title}", "", *task_lines(puzzle), ""]))
    print(fill("It is launched with " + "; ".join(case.told for case in puzzle.cases()) + ".", 78) + "\n")
    print(f"{file} {'is ready' if written else 'was there already'}. When you have filled it in:\n\n"
          f"    teachgrad cuda puzzle {number} --check")
    return 0


def checked(args: Namespace, number: int, puzzle: Puzzle) -> int:
    from teachgrad.errors import TeachgradError
    from teachgrad.recording.kernel_trace import write_trace

    from ..puzzles import check
    from ..puzzles.folder import file_of, note
    from ..puzzles.picture import as_svg
    from ..tracing import traced
    from .check import by_name, read

    if args.check and args.picture and args.check != args.picture:
        raise TeachgradError(f"--check {args.check} and --picture {args.picture}: one file at a time; `--check FILE.cu "
                             "--picture` checks a file and draws it")
    named = args.check or args.picture
    file = Path(named) if named else file_of(number, Path())
    if not named and not file.exists():
        raise TeachgradError(f"{file} is not there; `teachgrad cuda puzzle {number}` writes it")
    try:
        source = read(file)
    except TeachgradError as error:
        raise TeachgradError(f"{file}: {error}") from error
    verdict = check(puzzle, source)
    verdict = replace(verdict, messages=tuple(by_name(message, file) for message in verdict.messages))
    if args.check is not None:
        note(puzzle, file, verdict.passed, Path())
    pictures = drawn(verdict)
    if args.svg is not None and pictures:
        args.svg.write_text(as_svg(pictures[0]), encoding="utf-8")
    if args.trace is not None and verdict.events is not None and verdict.case is not None:
        trace = traced(puzzle.kernel, source, verdict.case.grid, verdict.case.block, verdict.events, verdict.findings)
        write_trace(args.trace, trace)
    if args.json:
        print(json.dumps(as_data(number, puzzle, verdict, pictures), indent=1))
    elif args.check is None:
        print("\n".join(picture_lines(verdict, pictures)) or "\n".join(verdict.messages))
    else:
        print("\n".join(verdict_lines(number, puzzle, verdict, pictures)))
    return 0 if verdict.passed or (args.check is None and pictures) else 1


def drawn(verdict: Verdict) -> list[Picture]:
    """The blocks that are worth a look: those of the first finding; else the first two."""
    from ..puzzles import picture
    from ..puzzles.picture import counted_through

    case = verdict.case
    if verdict.events is None or case is None:
        return []
    blocks = range(min(BLOCKS, prod(case.grid)))
    if verdict.findings:
        first = verdict.findings[0]
        named = {counted_through(index, case.grid) for index in (first.block, first.other_block) if index is not None}
        return [picture(verdict.events, case, verdict.findings, block) for block in sorted(named)]
    return [picture(verdict.events, case, (), block) for block in blocks]


def picture_lines(verdict: Verdict, pictures: list[Picture]) -> list[str]:
    from ..puzzles.picture import as_lines, legend

    if not pictures or verdict.case is None:
        return []
    lines = [f"Your launch with {verdict.case.told}:"]
    for each in pictures:
        lines += as_lines(each)
    return [*lines, *legend(pictures)]


def verdict_lines(number: int, puzzle: Puzzle, verdict: Verdict, pictures: list[Picture]) -> list[str]:
    """What is wrong, a hint, the picture."""
    where = f" ({verdict.case.told})" if verdict.case and not verdict.passed else ""
    lines = [f"Puzzle {number}, {puzzle.title}: {'solved' if verdict.passed else 'not yet'}{where}"]
    for message in verdict.messages:
        first, *rest = message.split("\n")
        lines += [fill(first, 78, initial_indent="  ", subsequent_indent="    "), *("  " + line for line in rest)]
    if verdict.passed:
        lines += [f"  {what}: {cost:.5g}" for what, cost in verdict.costs.items()]
    elif verdict.hint is not None:
        lines += ["", fill("Hint: " + verdict.hint.text, 78)]
    return [*lines, "", *picture_lines(verdict, pictures)] if pictures else lines


def as_data(number: int, puzzle: Puzzle, verdict: Verdict, pictures: list[Picture]) -> dict[str, Any]:
    """The verdict for machines."""
    hint = verdict.hint
    return {"number": number, "name": puzzle.name, "solved": verdict.passed, "messages": verdict.messages,
            "hint": {"key": hint.key, "text": hint.text} if hint and not verdict.passed else None,
            "launch": verdict.case.told if verdict.case else None,
            "findings": [asdict(finding) for finding in verdict.findings], "costs": dict(verdict.costs),
            "pictures": [asdict(each) for each in pictures]}  # fmt: skip
