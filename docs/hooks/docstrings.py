"""Show the `>>>` examples of docstrings as code, which Markdown alone would take for quotations."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^[ ]*>>> .*\n?(?:^[ ]*\S.*\n?)*\n?)+", re.MULTILINE)


class Examples(griffe.Extension):
    """Fence each run of examples."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(fenced, obj.docstring.value)


def fenced(match: re.Match[str]) -> str:
    return f"```pycon\n{dedent(match[0]).rstrip()}\n```\n\n"
