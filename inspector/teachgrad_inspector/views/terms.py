"""One element of a gradient as the sum that it is: which numbers are multiplied and added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teachgrad.recording import Row

from ..calculus import local_column
from ..formulas import op_named
from ..numbers import index
from ..session import Session

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Term:
    """One product: an element of the incoming gradient times a local derivative."""

    gradient_name: str
    gradient: float
    local_name: str
    local: float
    product: float
    spot: tuple[int, ...]
    """Which element of the incoming gradient it is."""


@dataclass(frozen=True, slots=True)
class Sum:
    """An element of a contribution: the formula with indices, the largest terms, and what all of them add up to."""

    target: str
    element: tuple[int, ...]
    formula: str
    terms: tuple[Term, ...]
    """The largest, at most five."""
    count: int
    """How many terms there are that are not zero."""
    total: float
    gross: float
    """What the terms add up to without their signs."""
    recorded: float | None


def view_sum(session: Session, edge_row: Row, op_row: Row, element: tuple[int, ...], most: int = SHOWN) -> Sum | None:
    """The sum behind one element of what flows along an edge, or None if the recording does not hold the numbers."""
    here = op_row.moment
    arrays = [session.array(session.value_of(vertex, here)) for vertex in op_row.inputs]
    incoming = session.array(edge_row.incoming)
    op = op_named(op_row.op)
    edge = edge_row.edge or 0
    if op is None or incoming is None or any(x is None for x in arrays) or edge >= len(arrays):
        return None
    inputs = [x for x in arrays if x is not None]
    names = session.names(op_row)
    result = session.name(op_row.vertex, op_row.step)
    contribution = session.array(edge_row.delta)
    recorded = float(contribution[element]) if contribution is not None else None
    gradient = incoming.astype(np.float64)
    spots: list[tuple[int, ...]]
    product = _matrix_product(op_row.op or "", edge, inputs, gradient, element, names, result)
    if product is not None:
        formula, locals_, gradients, places, spots = product
    else:
        column = local_column(op, inputs, session.attrs(op_row), edge, element)
        if column is None or column.shape != gradient.shape:
            return None
        where = np.flatnonzero(column)
        locals_, gradients = column.reshape(-1)[where], gradient.reshape(-1)[where]
        spots = [()] * len(where)
        if gradient.ndim:
            spots = [tuple(map(int, spot)) for spot in zip(*np.unravel_index(where, gradient.shape), strict=True)]
        x = f"{names[edge]}{index(element)}"
        places = [(f"{result}.grad{index(spot)}", f"∂{result}{index(spot)}/∂{x}") for spot in spots]
        formula = _general_formula(x, result, spots)
    return _gather(names[edge], element, formula, gradients, locals_, places, spots, recorded, most)


def _gather(
    name: str,
    element: tuple[int, ...],
    formula: str,
    gradients: np.ndarray,
    locals_: np.ndarray,
    places: list[tuple[str, str]],
    spots: list[tuple[int, ...]],
    recorded: float | None,
    most: int,
) -> Sum:
    products = gradients * locals_
    order = [i for i in np.argsort(-np.abs(products), kind="stable")[:most] if products[i]]
    terms = tuple(
        Term(places[i][0], float(gradients[i]), places[i][1], float(locals_[i]), float(products[i]), spots[i])
        for i in map(int, order)
    )
    total, count = float(products.sum()), int(np.count_nonzero(products))
    gross = float(np.abs(products).sum())
    return Sum(f"{name}.grad", element, formula, terms, count, total, gross, recorded)


def _general_formula(x: str, result: str, spots: list[tuple[int, ...]]) -> str:
    name, _, rest = x.partition("[")
    left = f"{name}.grad[{rest}" if rest else f"{name}.grad"
    if not spots:
        return f"{left} = 0: no element of {result} depends on {x}"
    if len(spots) == 1:
        spot = index(spots[0])
        return f"{left} = {result}.grad{spot} · ∂{result}{spot}/∂{x}"
    return f"{left} = Σ {result}.grad[…] · ∂{result}[…]/∂{x}   over {len(spots)} elements"


Product = tuple[str, np.ndarray, np.ndarray, list[tuple[str, str]], list[tuple[int, ...]]]


def _matrix_product(
    op: str, edge: int, inputs: list[np.ndarray], g: np.ndarray, element: tuple[int, ...], names: list[str], result: str
) -> Product | None:
    """The contracted sum of a product of matrices, with the elements that it runs over named as such."""
    if g.ndim != 2 or any(x.ndim != 2 for x in inputs[:2]) or op not in ("matmul", "linear"):
        return None
    target = f"{names[edge]}.grad{index(element)}"
    if edge == 2:
        (j,) = element
        n = g.shape[0]
        return (
            f"{target} = Σᵢ {result}.grad[i,{j}]",
            np.ones(n),
            g[:, j],
            [(f"{result}.grad[{i},{j}]", "1") for i in range(n)],
            [(i, j) for i in range(n)],
        )
    r, c = element
    other = inputs[1 - edge].astype(np.float64)
    name = names[1 - edge]
    if op == "matmul" and edge == 1:  # z = x y:  dL/dy[r,c] = Σ x[i,r] g[i,c]
        return _contracted(target, name, "i,{r}", other[:, r], result, "i,{c}", g[:, c], r, c)
    if op == "matmul":  # dL/dx[r,c] = Σ y[c,j] g[r,j]
        return _contracted(target, name, "{c},i", other[c, :], result, "{r},i", g[r, :], r, c)
    if edge == 1:  # z = x Wᵀ:  dL/dW[r,c] = Σ x[i,c] g[i,r]
        return _contracted(target, name, "i,{c}", other[:, c], result, "i,{r}", g[:, r], r, c)
    return _contracted(target, name, "i,{c}", other[:, c], result, "{r},i", g[r, :], r, c)  # dL/dx = g W


def _contracted(
    target: str,
    name: str,
    spot: str,
    locals_: np.ndarray,
    result: str,
    gradient_spot: str,
    gradients: np.ndarray,
    r: int,
    c: int,
) -> Product:
    def at(template: str, i: object) -> str:
        return "[" + template.format(r=r, c=c).replace("i", str(i)) + "]"

    def spot_of(i: int) -> tuple[int, ...]:
        first, second = gradient_spot.format(r=r, c=c).replace("i", str(i)).split(",")
        return int(first), int(second)

    formula = f"{target} = Σᵢ {name}{at(spot, 'i')} · {result}.grad{at(gradient_spot, 'i')}"
    places = [(f"{result}.grad{at(gradient_spot, i)}", f"{name}{at(spot, i)}") for i in range(len(gradients))]
    return formula, locals_, gradients, places, [spot_of(i) for i in range(len(gradients))]
