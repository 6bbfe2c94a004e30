"""Expressions as people write them: simplified by the rules of level O2, and as text or LaTeX.

    x = tg.placeholder((), name="x")
    tg.pretty(tg.simplify(tg.grad(tg.sin(x) ** 2 * tg.exp(-x), x)))        # exp(-x)*sin(x)*(2*cos(x) - sin(x))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import TraceError
from .graph import Graph, is_constant
from .op import Op, Symbolic, Vertex
from .passes import optimize, prune
from .passes.patterns import number
from .symbolic import SYMBOLIC, ordered

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
"""How tightly parts of an expression hold together; a looser part in a tighter place takes parentheses."""


@dataclass(frozen=True)
class Text:
    """A piece of an expression and how tightly it holds together."""

    text: str
    hold: int = ATOM

    def at(self, place: int) -> str:
        """The text for a place of this tightness."""
        return self.text if self.hold >= place else f"({self.text})"

    def within(self, place: int) -> str:
        """The same in LaTeX."""
        return self.text if self.hold >= place else rf"\left({self.text}\right)"


def simplify(expression: Any) -> Any:
    """The expression after the rules of level O2, which hold for real numbers; never with more vertices than before.

    It may be defined where the old one was not: x*y/x is y, also at x = 0.
    """
    root = as_expression(expression)
    order = [v for v in ordered([root]) if not (root.requires_grad and is_blocked(v))]
    inside = {v.id for v in order}
    leaves = {x.id: x for v in [*order, root] for x in (v, *v.inputs) if x.id not in inside and not is_constant(x)}
    graph = Graph("simplify", tuple(leaves.values()), (), (root,), (), tuple(order))
    moments, _ = optimize(prune(graph, []), "O2")
    (answer,) = moments[-1][1].outputs
    if len(moments[-1][1].order) > len(moments[0][1].order):
        return root
    for v in moments[-1][1].order:
        v.base = SYMBOLIC
        if v.id not in inside:
            v.requires_grad = root.requires_grad and v.op is not None and v.op.differentiable \
                              and any(x.requires_grad for x in v.inputs)
    return answer


def is_blocked(v: Vertex) -> bool:
    """Whether gradients stop at a vertex: `simplify` leaves it, and what is behind it, as it is."""
    return not v.requires_grad and any(x.requires_grad for x in v.inputs)


def as_expression(x: Any) -> Vertex:
    if not isinstance(x, Vertex) or not (type(x.base) is Symbolic or is_constant(x)):
        raise TraceError("TG-S08", f"this takes an expression of tg.placeholder tensors, not {type(x).__name__}.\n"
                         "Way out: build it of placeholders instead of tensors with values.")
    return x


# ---- text ------------------------------------------------------------------------------------------------------------

def pretty(expression: Any) -> str:
    """The expression in infix, with no more parentheses than needed. In Python it means the same again."""
    return folded(as_expression(expression), infix).text


def latex(expression: Any) -> str:
    """The expression in LaTeX."""
    return folded(as_expression(expression), in_latex).text


def folded(root: Vertex, write: Callable[[Vertex, Sequence[Text]], Text]) -> Text:
    """An expression written from the inside out, without recursion."""
    done: dict[int, Text] = {}
    for v in ordered([root]) or [root]:
        parts = [done[x.id] if x.id in done else write(x, []) for x in v.inputs]
        done[v.id] = write(v, parts)
    return done[root.id]


SIGNS = {"add": " + ", "subtract": " - ", "multiply": "*", "divide": "/", "matmul": " @ ", "greater": " > ",
         "less": " < ", "greater_equal": " >= ", "less_equal": " <= ", "equal": " == ", "not_equal": " != "}


def leaf(v: Vertex) -> Text:
    """A placeholder by its name, a constant by its number."""
    value = number(v) if is_constant(v) else None
    if value is not None:
        text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
        return Text(text, SIGN if value < 0 else ATOM)
    return Text(v.name or f"x{v.id}")


def infix(v: Vertex, parts: Sequence[Text]) -> Text:
    """One vertex as Python would have it."""
    if v.op is None:
        return leaf(v)
    name = v.op.name
    if name == "negative":
        return Text("-" + parts[0].at(PRODUCT), SUM if parts[0].hold == PRODUCT else SIGN)
    if name == "square":
        return Text(f"{parts[0].at(ATOM)}**2", POWER)
    if name == "reciprocal":
        return Text(f"1/{parts[0].at(POWER)}", PRODUCT)
    if name == "power":
        return Text(f"{parts[0].at(ATOM)}**{parts[1].at(POWER)}", POWER)
    if name in ("add", "subtract"):
        x, y = parts
        if name == "add" and y.text.startswith("-"):
            return Text(x.text + " - " + y.text[1:], SUM)
        place = SUM if name == "add" else POWER if y.text.startswith("-") else PRODUCT
        return Text(x.text + SIGNS[name] + y.at(place), SUM)
    if name == "multiply":
        x, y = number_first(v, parts)
        return Text(f"{x.at(PRODUCT)}*{y.at(POWER)}", PRODUCT)
    if name in ("divide", "matmul"):
        return Text(f"{parts[0].at(PRODUCT)}{SIGNS[name]}{parts[1].at(POWER)}", PRODUCT)
    if name in SIGNS:
        return Text(f"({parts[0].text}{SIGNS[name]}{parts[1].text})")
    if name == "permute_dims" and v.ndim == 2:
        return Text(f"{parts[0].at(ATOM)}.T")
    return Text(f"{name}({', '.join([p.text for p in parts] + settings_of(v))})")


def number_first(v: Vertex, parts: Sequence[Text]) -> Sequence[Text]:
    """The parts of a product with a number in front."""
    return parts[::-1] if number(v.inputs[1]) is not None and number(v.inputs[0]) is None else parts


def settings_of(v: Vertex) -> list[str]:
    """The settings of a call that are not what is usual."""
    usual = {"keepdims": False, "axis": tuple(range(v.inputs[0].ndim)) if v.inputs else ()}
    return [f"{key}={short(value)}" for key, value in v.attrs.items() if usual.get(key, ...) != value]


def short(value: Any) -> str:
    """A setting as text: an axis in a tuple of its own as a number."""
    return repr(value[0] if isinstance(value, tuple) and len(value) == 1 else value)


# ---- LaTeX -----------------------------------------------------------------------------------------------------------

NAMED = {"sin", "cos", "tan", "sinh", "cosh", "tanh", "log", "exp", "max", "min"}
SPECIAL = {"sigmoid": r"\sigma", "log1p": r"\operatorname{log1p}", "asin": r"\arcsin", "acos": r"\arccos",
           "atan": r"\arctan", "sum": r"\sum"}
RELATIONS = {"greater": ">", "less": "<", "greater_equal": r"\ge", "less_equal": r"\le", "equal": "=",
             "not_equal": r"\ne"}


def in_latex(v: Vertex, parts: Sequence[Text]) -> Text:
    """One vertex as LaTeX."""
    if v.op is None:
        return latex_leaf(v)
    name = v.op.name
    if name == "negative":
        return Text("-" + parts[0].within(PRODUCT), SUM if parts[0].hold == PRODUCT else SIGN)
    if name in ("square", "power"):
        exponent = "2" if name == "square" else parts[1].text
        return Text(f"{parts[0].within(ATOM)}^{{{exponent}}}", POWER)
    if name == "exp":
        return Text(f"e^{{{parts[0].text}}}", POWER)
    if name == "sqrt":
        return Text(rf"\sqrt{{{parts[0].text}}}")
    if name == "abs":
        return Text(rf"\left|{parts[0].text}\right|")
    if name in ("divide", "reciprocal"):
        above, below = ("1", parts[0].text) if name == "reciprocal" else (parts[0].text, parts[1].text)
        return Text(rf"\frac{{{above}}}{{{below}}}", PRODUCT)
    if name in ("add", "subtract"):
        x, y = parts
        if name == "add" and y.text.startswith("-"):
            return Text(f"{x.text} - {y.text[1:]}", SUM)
        place = SUM if name == "add" else POWER if y.text.startswith("-") else PRODUCT
        return Text(x.text + SIGNS[name] + y.within(place), SUM)
    if name in ("multiply", "matmul"):
        x, y = number_first(v, parts)
        second = y.within(POWER)
        dot = r" \cdot " if second[:1].isdigit() or name == "matmul" else r" \, "
        return Text(f"{x.within(PRODUCT)}{dot}{second}", PRODUCT)
    if name in RELATIONS:
        return Text(rf"\left({parts[0].text} {RELATIONS[name]} {parts[1].text}\right)")
    if name == "permute_dims" and v.ndim == 2:
        return Text(f"{parts[0].within(ATOM)}^{{T}}", POWER)
    return Text(rf"{function_name(v.op)}\left({', '.join(p.text for p in parts)}\right)")


def function_name(op: Op) -> str:
    """How a function is called in LaTeX."""
    if op.name in SPECIAL:
        return SPECIAL[op.name]
    return f"\\{op.name}" if op.name in NAMED else rf"\operatorname{{{op.name.replace('_', chr(92) + '_')}}}"


def latex_leaf(v: Vertex) -> Text:
    """A name: one letter in italics, with a number behind it as an index; a word upright."""
    plain = leaf(v)
    if is_constant(v):
        mantissa, mark, power = plain.text.partition("e")
        return Text(rf"{mantissa} \cdot 10^{{{int(power)}}}", PRODUCT) if mark else plain
    name = plain.text
    letters = name.rstrip("0123456789")
    index = f"_{{{name[len(letters):]}}}" if len(letters) < len(name) else ""
    word = letters.replace("_", r"\_")
    return Text((word if len(letters) == 1 else rf"\mathrm{{{word}}}") + index)
