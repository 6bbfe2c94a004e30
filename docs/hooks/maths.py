r"""Turn `$...$` and `$$...$$` into MathML while the site is built.

Browsers draw MathML themselves, so pages with formulas need no script, no font and no network, and screen
readers read them. `pymdownx.arithmatex` finds the formulas and leaves `\(...\)` and `\[...\]` for this hook.
"""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">'
    r"(?:\\\((?P<inline>.*?)\\\)|\\\[(?P<block>.*?)\\\])"
    r"</(?P=tag)>",
    re.DOTALL,
)


def mathml(match: re.Match[str]) -> str:
    kind = "inline" if match["inline"] is not None else "block"
    return convert(html.unescape(match[kind]).strip(), display=kind)


def on_page_content(text: str, **_: Any) -> str:
    """Replace every formula of a page."""
    return FORMULA.sub(mathml, text)
