"""Run the Python of a Markdown page, so that no page can promise what does not happen.

Every fenced block marked `python` runs, in order, in one namespace a page. A block marked `text` that follows
a Python block directly is what that block prints; there `...` stands for any text and the amount of white space
does not matter. Blocks of other languages are left alone. `python tests/house/pages.py PAGE` runs one page.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import re
import sys
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<indent>[ ]*)(?P<fence>```+)[ ]*(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class PageError(AssertionError):
    """A page says that one thing is printed and another is."""


@dataclass(frozen=True)
class Block:
    """One piece of Python: its code, the line it begins on, and what it prints if the page says so."""

    code: str
    line: int
    printed: str | None


def blocks(text: str) -> list[Block]:
    """The Python blocks of a page, in order."""
    found = list(FENCE.finditer(text))
    result = []
    for this, following in itertools.zip_longest(found, found[1:]):
        if this["language"] not in ("python", "py"):
            continue
        printed = None
        if following and following["language"] == "text" and not text[this.end() : following.start()].strip():
            printed = _dedent(following)
        result.append(Block(_dedent(this), text.count("\n", 0, this.start("body")) + 1, printed))
    return result


def run(page: Path) -> int:
    """Run a page's blocks and return how many there were. Tracebacks point at the page's own lines."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    found = blocks(page.read_text(encoding="utf-8"))
    for block in found:
        code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(code, namespace)
        if block.printed is None:
            continue
        if not doctest.OutputChecker().check_output(block.printed, output.getvalue(), LENIENT):
            raise PageError(
                f"{page}:{block.line} prints\n\n{output.getvalue()}\nbut the page says\n\n{block.printed}"
            )
    return len(found)


def _dedent(match: re.Match[str]) -> str:
    indent = len(match["indent"])
    return "".join(line[indent:] or "\n" for line in match["body"].splitlines(keepends=True))


if __name__ == "__main__":
    print(f"{run(Path(sys.argv[1]))} blocks ran")
