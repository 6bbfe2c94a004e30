"""All paths from a value to what is differentiated: on a small graph of scalars, the gradient is the sum over them."""

from __future__ import annotations

from dataclasses import dataclass

from teachgrad.recording import Moment, Row

from ..calculus import local_column
from ..formulas import op_named
from ..session import Session

MAX_OPS = 200
MAX_PATHS = 12


@dataclass(frozen=True, slots=True)
class Path:
    """One path: the values along it, and the local derivative of each step."""

    names: tuple[str, ...]
    factors: tuple[float, ...]
    product: float


@dataclass(frozen=True, slots=True)
class Paths:
    """All of them, and the sum of their products."""

    paths: tuple[Path, ...]
    total: float


def view_paths(session: Session, moment: Moment, vertex: int) -> Paths | None:
    """The paths from a vertex to the seed, or None if the graph is not small, scalar and recorded."""
    step = session.step(moment)
    ops = [row for row in step.rows if row.kind == "op"]
    if len(step.seeds) != 1 or len(ops) > MAX_OPS:
        return None
    (goal,) = step.seeds
    readers: dict[int, list[tuple[Row, int]]] = {}
    for row in ops:
        for edge, source in enumerate(row.inputs):
            readers.setdefault(source, []).append((row, edge))
    found: list[list[tuple[Row, int]]] = []
    stack: list[tuple[int, list[tuple[Row, int]]]] = [(vertex, [])]
    steps = 0
    while stack:
        at, trail = stack.pop()
        steps += 1
        if len(found) > MAX_PATHS or steps > 20_000:
            return None
        if at == goal:
            found.append(trail)
            continue
        stack += [(row.vertex, [*trail, (row, edge)]) for row, edge in readers.get(at, ()) if row.requires_grad]
    if not found or found == [[]]:
        return None
    paths = []
    for trail in found:
        factors = [_local(session, row, edge) for row, edge in trail]
        if any(factor is None for factor in factors):
            return None
        product = 1.0
        for factor in factors:
            product *= factor or 0.0
        names = (session.name(vertex, moment.step), *(session.name(row.vertex, moment.step) for row, _ in trail))
        paths.append(Path(names, tuple(factor or 0.0 for factor in factors), product))
    return Paths(tuple(paths), sum(path.product for path in paths))


def _local(session: Session, row: Row, edge: int) -> float | None:
    """∂z/∂x for an op on scalars."""
    op = op_named(row.op)
    result = session.info(row.value)
    here = row.moment
    arrays = [session.array(session.value_of(vertex, here)) for vertex in row.inputs]
    if op is None or result is None or result.size != 1 or any(x is None or x.size != 1 for x in arrays):
        return None
    inputs = [x for x in arrays if x is not None]
    column = local_column(op, inputs, session.attrs(row), edge, (0,) * inputs[edge].ndim)
    return None if column is None or column.size != 1 else float(column.reshape(-1)[0])
