"""A sum written out: its largest terms, the rest, the total, in columns that fit all of them."""

from __future__ import annotations

from teachgrad.errors import counted

from ..canvas import Canvas
from ..numbers import bracketed, number, signed
from ..views.terms import Sum, Term


def sum_lines(result: Sum) -> int:
    """How many lines it takes."""
    return len(result.terms) + (result.count > len(result.terms)) + 1


def draw_sum_line(canvas: Canvas, x: int, y: int, width: int, result: Sum, line: int) -> None:
    """Draw one of the lines: `h[1,3] · z.grad[1,2]  = (0.9) · (-0.1)   -0.09`."""
    pairs = [_words(term) for term in result.terms]
    names = max((canvas.measure(pair[0]) for pair in pairs), default=0)
    factors = max((canvas.measure(pair[1]) for pair in pairs), default=0)
    names = max(0, min(max(names, 24), width - factors - 17))  # the numbers matter more than what they are called
    end = min(x + width, x + names + factors + 17)
    if line < len(pairs):
        canvas.put(x + 1, y, pairs[line][0], "text", names)
        canvas.spans(x + names + 2, y, [("= ", "dim"), (pairs[line][1], "number")], end - x - names - 2)
        product = result.terms[line].product
        canvas.right(end, y, signed(product), "plus" if product >= 0 else "minus")
    elif line == len(pairs) and result.count > len(pairs):
        canvas.put(x + 1, y, f"and {result.count - len(pairs)} smaller terms", "dim", names + factors)
        canvas.right(end, y, signed(result.total - sum(term.product for term in result.terms)), "dim")
    else:
        canvas.put(x + 1, y, f"sum of {counted(result.count, 'term')}", "text", names + factors)
        canvas.right(end, y, signed(result.total), "number")
        if result.recorded is not None:
            canvas.put(end + 2, y, f"recorded {number(result.recorded)}", "dim", x + width - end - 2)


def _words(term: Term) -> tuple[str, str]:
    """A term in names and in numbers."""
    if term.local_name == "1":
        return term.gradient_name, bracketed(term.gradient)
    return f"{term.local_name} · {term.gradient_name}", f"{bracketed(term.local)} · {bracketed(term.gradient)}"
