"""Names for values that were given none: what the user's source calls them."""

from __future__ import annotations

import ast
import warnings

Span = tuple[int, int, int]
"""Line (from 1), first column and end column of an expression that starts there. Columns count bytes."""

MAX_PARSED = 1 << 20


def assigned_names(source: str) -> dict[Span, str]:
    """For each expression whose value a statement gives a name, that name: `e = a * b` names `a * b` "e"."""
    if len(source) > MAX_PARSED:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    lines = source.split("\n")
    found: dict[Span, str] = {}
    for node in ast.walk(tree):
        target: ast.expr | None = None
        value: ast.AST | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            target, value = node.target, node.value
        elif isinstance(node, ast.AugAssign):
            target, value = node.target, node
        if isinstance(target, (ast.Name, ast.Attribute)) and isinstance(value, (ast.expr, ast.stmt)):
            found[_span(value, lines)] = target.id if isinstance(target, ast.Name) else target.attr
    return found


def _span(node: ast.expr | ast.stmt, lines: list[str]) -> Span:
    """Where a node stands. Of one that goes on over several lines, the first line counts: as in
    `errors.Where`."""
    end = node.end_col_offset
    if end is None or node.end_lineno != node.lineno:
        end = len(lines[node.lineno - 1].rstrip()) if node.lineno <= len(lines) else 0
    return node.lineno, node.col_offset, end
