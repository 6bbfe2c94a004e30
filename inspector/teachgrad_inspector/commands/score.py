"""Mark a score file, by computing every answer anew from the recording.

    teachgrad score run-1a2b3c4d.score.json --recording run.tgr
    teachgrad score micrograd-1a2b3c4d.score.json --demo micrograd --print json
    teachgrad score FILE --recording run.tgr --tour lesson.tgl --at-least 80

An answer that is right at once counts 1, at the second attempt 1/2, and so on; what was given up or had been seen
before counts 0. With --tour, all questions of the tour count, answered or not. Nothing that the score file says of
itself is trusted. The status is 1 if fewer marks than --at-least were reached, and 2 if the file cannot be used.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from .recordings import add_arguments as add_recording
from .recordings import carry_out, opened


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the score file")
    add_recording(parser, "it is about")
    parser.add_argument("--tour", metavar="TOUR.tgl", nargs="?", const="", help="count all questions of this tour")
    parser.add_argument("--at-least", metavar="PERCENT", type=_percent, default=0.0, dest="least",
                        help="status 1 if fewer marks were reached")  # fmt: skip
    parser.add_argument("--solutions", action="store_true", help="also of questions that are still open")
    parser.add_argument("--print", choices=("text", "json"), default="text", dest="output", help="how to say it")


def main(args: Namespace) -> int:
    return carry_out("score", args, _marked)


def _marked(args: Namespace) -> int:
    import json

    from ..learning.marking import mark
    from ..learning.score import read
    from ..learning.tours import load, questions_of
    from ..views.plain import plain

    score = read(args.file)
    with opened(args) as session:
        wanted = questions_of(session, load(args.tour, args.demo)) if args.tour is not None else ()
        marks = mark(session, score, wanted, args.solutions)
    if args.output == "json":
        print(json.dumps({**plain(marks), "share": marks.share}, indent=2))
    else:
        print("\n".join(_lines(marks)))
    return 1 if 100 * marks.share < args.least else 0


def _lines(marks) -> list[str]:  # type: ignore[no-untyped-def]
    from ..numbers import number

    lines = []
    for item in marks.questions:
        parts = [item.question, item.solution, item.state, number(item.mark, 3)]
        lines.append(f"{item.moment:<14}{'   '.join(part for part in parts if part)}")
        for attempt in item.tries:
            verdict = "given up" if attempt.answer is None else "right" if attempt.right else "wrong"
            answer = "" if attempt.answer is None else f"{attempt.answer}   "
            lines.append(f"{'':<14}  {answer}{verdict}{f'   ({attempt.hint})' if attempt.hint else ''}")
    total = len(marks.questions)
    lines.append(f"answers right  {marks.right}/{marks.answers}")
    lines.append(f"marks          {number(marks.marks, 3)} of {total}   ({100 * marks.share:.0f}%)")
    return lines


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a percentage") from None
    if not 0 <= value <= 100:
        raise ArgumentTypeError("a percentage lies between 0 and 100")
    return value
