"""A graph as one page of HTML that needs nothing else: every moment of compilation, and what is known of each vertex.

The page is a frame (`page.html`, `page.css`, `page.js` beside this file), the drawings, and facts as JSON. Names,
source lines and settings come from the user's program; they enter the page as escaped text or as JSON only, and the
script puts them in place as text. A policy in the page's head forbids it to load anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from ..errors import locate
from ..op import Overwritten
from ..statistics import statistics_of
from .layout import lay_out
from .model import OP, Node, Picture, compiled, moments_of
from .svg import DARK, STYLE, as_svg


def page(thing: Any) -> str:
    """The page of a thing to show."""
    pictures = moments_of(thing)
    source = compiled(thing)
    rewrites: dict[int, list[str]] = {}
    for entry in source.rewrites if source is not None else ():
        rewrites.setdefault(entry.after.id, []).append(f"{entry.pass_name}: {entry.rule}, from {entry.before.op}")
    numbers: dict[int, int] = {}
    moments, drawings, before = [], [], None
    for name, picture in pictures:
        if before is not None and before.nodes == picture.nodes and before.slots == picture.slots:
            moments.append({**moments[-1], "name": name, "new": [], "gone": 0})
            continue
        drawings.append(as_svg(lay_out(picture), ""))
        moments.append({"name": name, "drawing": len(drawings) - 1, **changes(before, picture),
                        "nodes": [facts(picture, node, numbers, rewrites) for node in picture.nodes]})
        before = picture
    cards = {node.op: node.vertex.op.card() for _, picture in pictures for node in picture.nodes
             if node.vertex.op is not None}
    data = {"moments": moments, "cards": cards}
    parts = {"title": escape(pictures[-1][1].name), "style": styles(), "script": resource("page.js"),
             "drawings": "\n".join(f'<div class="drawing" hidden>{drawing}</div>' for drawing in drawings),
             "data": json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")}
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: parts[found[1]], resource("page.html"))


def resource(name: str) -> str:
    """A file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def styles() -> str:
    """The style of the page and of the drawings in it, on light and on dark paper."""
    return f"{STYLE}{resource('page.css')}@media (prefers-color-scheme:dark){{{DARK}}}"


def changes(before: Picture | None, picture: Picture) -> dict[str, Any]:
    """Which nodes a pass has made, and how many it has removed."""
    if before is None:
        return {"new": [], "gone": 0}
    return {"new": [node.key for node in picture.nodes if node.kind == OP and node.vertex.id not in before.keys],
            "gone": sum(node.kind == OP and node.vertex.id not in picture.keys for node in before.nodes)}


def facts(picture: Picture, node: Node, numbers: dict[int, int], rewrites: Mapping[int, list[str]]) -> dict[str, Any]:
    """What the page can tell about a node."""
    where = locate(node.vertex.site)
    slot = picture.slots.get(node.key)
    memory = "" if slot is None else f"{slot.bytes} bytes at {slot.offset}" + (
        "" if slot.in_place_of is None else f", over {picture.nodes[picture.keys[slot.in_place_of]].name}")
    answer = {
        "id": numbers.setdefault(node.vertex.id, len(numbers)), "name": node.name, "kind": node.kind, "op": node.op,
        "spec": node.spec, "settings": node.settings, "phase": node.phase if node.kind == OP else "",
        "module": node.scope, "where": node.where, "line": where.text.strip() if where else "",
        "inputs": list(node.inputs), "memory": memory, "rewrites": rewrites.get(node.vertex.id, []),
        "statistics": statistics(node),
    }
    return {key: value for key, value in answer.items() if value != "" and value != []}


def statistics(node: Node) -> str:
    """The value in a few numbers, if it is there."""
    value = None if type(node.vertex) is Overwritten else node.vertex._data
    if not isinstance(value, np.ndarray) or not value.size:
        return ""
    if value.size == 1:
        return f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())
    s = statistics_of(value)
    known = [(label, x) for label, x in (("min", s.minimum), ("max", s.maximum), ("mean", s.mean), ("std", s.std))
             if x is not None]
    counts = [(label, n) for label, n in (("zeros", s.zeros), ("nan", s.nans), ("inf", s.infs)) if n]
    return ", ".join([*(f"{label} {x:.4g}" for label, x in known), *(f"{n} {label}" for label, n in counts)])
