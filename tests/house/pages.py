"""Run a Markdown page, so that no page can promise what does not happen.

- Every fenced block marked `python` runs, in order, in one namespace a page. A block marked `text` that follows it
  directly is what it prints.
- In a block marked `console`, a command `$ teachgrad ...` with its output below it runs, and prints that. Its input is
  empty, or a file: `$ teachgrad ... < FILE`.
- Other blocks, and commands without output, are left alone.

In what a page says is printed, `...` stands for any text and the amount of white space does not matter.
`python tests/house/pages.py PAGE` runs one page in the current folder.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(
    r"^(?P<indent>[ ]*)(?P<fence>```+)[ ]*(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\$ (?P<command>teachgrad .*)\n(?P<output>(?:(?!\$ ).*\n)+)", re.MULTILINE)
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class PageError(AssertionError):
    """A page says that one thing is printed and another is."""


@dataclass(frozen=True)
class Piece:
    """Something of a page that runs: Python or a command, its line, and what the page says it prints, if it does."""

    code: str
    line: int
    printed: str | None
    command: bool = False

    def run(self, page: Path, namespace: dict[str, Any]) -> str:
        """Run it and return what it printed. A traceback points at the page's own lines."""
        if self.command:
            arguments = [sys.executable, "-m", *shlex.split(self.code)]
            given = ""
            if arguments[-2] == "<":
                given = Path(arguments[-1]).read_text(encoding="utf-8")
                del arguments[-2:]
            done = subprocess.run(arguments, input=given, capture_output=True, text=True, check=False)
            if done.returncode > 1 or (done.returncode and done.stderr):  # 1 without a word: it found something
                raise PageError(f"{page}:{self.line}: `{self.code}` fails with {done.returncode}\n\n{done.stderr}")
            return done.stdout
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile("\n" * (self.line - 1) + self.code, str(page), "exec"), namespace)
        return output.getvalue()


def pieces(text: str) -> Iterator[Piece]:
    """What runs of a page, in order."""
    found = list(FENCE.finditer(text))
    for this, following in itertools.zip_longest(found, found[1:]):
        line = text.count("\n", 0, this.start("body")) + 1
        body = _dedent(this)
        if this["language"] == "console":
            for match in COMMAND.finditer(body):
                yield Piece(match["command"], line + body.count("\n", 0, match.start()), match["output"], command=True)
        if this["language"] == "python":
            follows = following and following["language"] == "text" and not text[this.end() : following.start()].strip()
            yield Piece(body, line, _dedent(following) if follows else None)


def run(page: Path) -> int:
    """Run a page and return how many pieces there were."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    found = list(pieces(page.read_text(encoding="utf-8")))
    for piece in found:
        printed = piece.run(page, namespace)
        if piece.printed is not None and not doctest.OutputChecker().check_output(piece.printed, printed, LENIENT):
            raise PageError(f"{page}:{piece.line} prints\n\n{printed}\nbut the page says\n\n{piece.printed}")
    return len(found)


def _dedent(match: re.Match[str]) -> str:
    indent = len(match["indent"])
    return "".join(line[indent:] or "\n" for line in match["body"].splitlines(keepends=True))


if __name__ == "__main__":
    print(f"{run(Path(sys.argv[1]))} pieces ran")
