"""The learner's tape as a table of text."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad_lessons.lesson04.graphs import reachable


def table(rows: list[list[str]]) -> str:
    """Left-aligned columns, two spaces apart; the first row is the heading."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    rule = ["-" * width for width in widths]
    lines = [rows[0], rule, *rows[1:]]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def show_tape(root: Any) -> None:
    """Print every node that ``root`` depends on, oldest first: what it is, its inputs, its slopes, its gradient."""
    nodes = sorted(reachable(root), key=lambda node: node.id)
    number = {id(node): str(k) for k, node in enumerate(nodes)}
    heading = ["row", "name", "op", "inputs", "value", "slopes", "grad"]
    print(table([heading, *(_row(node, number) for node in nodes)]))


def _row(node: Any, number: dict[int, str]) -> list[str]:
    inputs = ", ".join(f"{x.name or '.'} ({number[id(x)]})" for x in node.inputs)
    slopes = ", ".join(_cell(slope) for slope in node.slopes)
    return [number[id(node)], node.name or ".", node.op, inputs, _cell(node.value), slopes, _cell(node.grad)]


def _cell(value: Any) -> str:
    if callable(value):
        return "function"
    if np.ndim(value):
        return f"array {np.shape(value)}"
    return f"{float(value):.6g}"
