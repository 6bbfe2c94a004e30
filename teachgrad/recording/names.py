"""Names for values that were given none: what the user's source calls them."""

from __future__ import annotations

import ast
import warnings
from typing import NamedTuple

Span = tuple[int, int, int]
"""Line (from 1), first column and end column of an expression that starts there. Columns count bytes."""

MAX_PARSED = 1 << 20


class Names(NamedTuple):
    """What an expression is called, and what its operands are: `e` and (`a`, `b`) for `e = a * b`."""

    result: str | None
    operands: tuple[str | None, ...]


NAMELESS = Names(None, ())


def names_in(source: str) -> dict[Span, Names]:
    """The names around each expression that has some: `e = a * b` names `a * b` "e", its operands "a" and "b"."""
    if len(source) > MAX_PARSED:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    lines = source.split("\n")
    found: dict[Span, Names] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and (operands := _operands(node)):
            span = _span(node, lines)
            found[span] = Names(found.get(span, NAMELESS).result, operands)
        name, value = _assignment(node)
        if name is not None and value is not None:
            span = _span(value, lines)
            found[span] = Names(name, found.get(span, NAMELESS).operands or _operands(value))
    return found


def _assignment(node: ast.AST) -> tuple[str | None, ast.expr | ast.stmt | None]:
    """The name that a statement gives, and the expression that it gives it to."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return _name(node.targets[0]), node.value
    if isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        return _name(node.target), node.value
    if isinstance(node, ast.AugAssign):
        return _name(node.target), node
    return None, None


def _operands(node: ast.expr | ast.stmt) -> tuple[str | None, ...]:
    """What the operands of an expression are called: of `a @ b`, of `f(a, b)`, of `a.relu()`."""
    if isinstance(node, ast.BinOp):
        return _name(node.left), _name(node.right)
    if isinstance(node, ast.AugAssign):
        return _name(node.target), _name(node.value)
    if isinstance(node, ast.Call) and not any(isinstance(arg, ast.Starred) for arg in node.args):
        return tuple(_name(arg) for arg in node.args if not isinstance(arg, ast.Constant))
    return ()


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _span(node: ast.expr | ast.stmt, lines: list[str]) -> Span:
    """Where a node stands. Of one that goes on over several lines, the first line counts: as in `errors.Where`."""
    end = node.end_col_offset
    if end is None or node.end_lineno != node.lineno:
        end = len(lines[node.lineno - 1].rstrip()) if node.lineno <= len(lines) else 0
    return node.lineno, node.col_offset, end
