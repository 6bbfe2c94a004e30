"""Tensors and graphs in a notebook, as HTML that needs nothing else, on light and on dark pages."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..errors import counted
from ..op import Vertex, state
from .heat import heat_map
from .layout import lay_out
from .model import OP, picture_of
from .svg import DARK, STYLE, as_svg, escape
from .text import text

DRAWN = 1200
"""Graphs of more nodes are shown as text, where repetitions are folded."""


def tensor(x: Vertex) -> dict[str, str]:
    """What a tensor is, its values in a few numbers and as a map, and those of its gradient."""
    tracing = state.now.tracer is not None
    if tracing or not isinstance(x._data, np.ndarray) or x._data.dtype.kind not in "biuf":
        return {}
    gradient = x._grad
    head = f"tensor {x.name}" if x.name else "tensor"
    how = f"made by {x.op}" if x.op is not None else "requires grad" if x.requires_grad else ""
    parts = [heat_map(x._data, head, how)]
    if gradient is not None and isinstance(gradient._data, np.ndarray):
        parts.append(heat_map(gradient._data, f"{x.name}.grad" if x.name else "its gradient", ""))
    return {"text/html": f'<div class="teachgrad-tensor" style="{_ROW}">{"".join(parts)}</div>'}


_ROW = "display:flex;flex-wrap:wrap;gap:12px 28px;align-items:flex-start"


def graph(thing: Any) -> dict[str, str]:
    """A graph as a drawing, or of very many nodes as text; folded in, since it may be long."""
    picture = picture_of(thing)
    ops = sum(node.kind == OP for node in picture.nodes)
    if len(picture.nodes) > DRAWN:
        inside = f"<pre>{escape(text(picture))}</pre>"
    else:
        inside = as_svg(lay_out(picture), f"<style>{themed(STYLE, STYLE + DARK, '.teachgrad-graph')}</style>",
                        ' class="teachgrad-graph"')
        inside = f'<div style="overflow:auto;max-height:75vh">{inside}</div>'
    summary = f"{picture.name}: {counted(ops, 'op')}"
    return {"text/html": f"<details open><summary>{escape(summary)}</summary>{inside}</details>"}


def themed(light: str, dark: str, scope: str) -> str:
    """Two styles as one: which of them holds is for the notebook to say, or else for the reader's system.

    JupyterLab and VS Code mark the body of a page that is light or dark.
    """
    marks = {":root": light, 'body[data-jp-theme-light="true"]': light, "body.vscode-light": light,
             'body[data-jp-theme-light="false"]': dark, "body.vscode-dark": dark}
    within = [scoped(rules, f"{mark} {scope}") for mark, rules in marks.items()]
    return "".join([within[0], f"@media (prefers-color-scheme:dark){{{scoped(dark, f':root {scope}')}}}", *within[1:]])


def scoped(rules: str, scope: str) -> str:
    """A style that holds within something alone: a notebook is one page, and other cells have styles, too."""

    def within(rule: re.Match[str]) -> str:
        return ",".join(f"{scope} {selector.strip()}" for selector in rule[1].split(",")) + f"{{{rule[2]}}}"

    return re.sub(r"([^{}]+)\{([^{}]*)\}", within, rules)
