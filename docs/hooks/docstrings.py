"""Show the `>>>` examples of docstrings as code and their arguments as a list; Markdown would run them together."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^[ ]*>>> .*\n?(?:^[ ]*\S.*\n?)*\n?)+", re.MULTILINE)


ARGUMENTS = re.compile(r"^Args:\n(?P<list>(?:[ ]+\S.*\n?)+)", re.MULTILINE)
ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)


class Markdown(griffe.Extension):
    """Make Markdown of what is not: fence each run of examples, list the arguments."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ARGUMENTS.sub(listed, EXAMPLE.sub(fenced, obj.docstring.value))


def listed(match: re.Match[str]) -> str:
    return ARGUMENT.sub(r"- `\1`: ", dedent(match["list"])) + "\n"


def fenced(match: re.Match[str]) -> str:
    return f"```pycon\n{dedent(match[0]).rstrip()}\n```\n\n"
