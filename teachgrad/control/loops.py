"""`tg.scan`, `tg.while_loop` and `tg.cond`: loops and branches that both modes can run.

In dynamic mode they are the Python that they look like. While a static function is traced, each is one vertex, whatever
the number of steps; its body is traced once, and runs as often as the values say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from .. import observe, random
from ..errors import ShapeError, TeachgradError, TraceError, place, user_site
from ..op import Spec, Vertex, apply, modes, state
from ..ops.shape import astype, concat, reshape, stop_gradient
from ..ops.steps import boundary, join_rows, rows
from ..ops.tuples import item
from ..sizes import as_length
from ..tensor import Tensor
from ..tracer import Tracer
from .cond_op import cond as cond_op
from .past import refuse_writes
from .recompute import recomputed
from .scan_op import scan as scan_op
from .scan_op import steps
from .structures import Structure, refuse_changes, taken_apart
from .tracing import Traced, active_tracer, aligned, commit, real, trace_body
from .while_op import while_loop as while_op

SCAN = "tg.scan(checkpoint=True)"

# ---- scan ------------------------------------------------------------------------------------------------------------

def scan(body: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, *, length: int | None = None,
         reverse: bool = False, truncate: int | None = None, checkpoint: bool = False) -> tuple[Any, Any]:
    r"""c_t, y_t = body(c_{t-1}, x_t) for t = 1 ... n: the last carry c_n, and all y_t along a new first axis.

    The body may use any tensor from outside; gradients flow to the first carry, to xs and to those. In static mode the
    loop is one vertex: the body is traced once, whatever the length. Last bits of third and higher derivatives may
    then differ from those of dynamic mode.

    Args:
        body: called with the carry and the row x_t; returns the next carry and y_t (None for nothing).
        init: the first carry: a tensor, a number, or tuples, lists and dicts of them. Shapes and dtypes stay as they
            are.
        xs: what is taken apart along its first axis, in any structure; None with `length`, and the body gets None.
        length: the number of steps; needed without xs.
        reverse: begin with the last row. Row t of the results still belongs to row t of xs.
        truncate: the carry loses its history every so many steps, so that gradients flow back at most so far
            (truncated backpropagation through time).
        checkpoint: keep only the carries for the gradient, and compute the other values of each step again.
            Source: T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with sublinear memory cost" (2016).
    """
    carry, structure = taken_apart(init, "init")
    columns, layout = taken_apart(xs, "xs")
    n = length_of(columns, layout, length)
    step = Step(body, structure, layout)
    if truncate is not None:
        if truncate < 1:
            raise TeachgradError(f"truncate is at least 1, not {truncate}")
        if truncate < n:
            return truncated(body, init, xs, n, truncate, reverse, checkpoint)
    tracer = active_tracer([*carry, *columns])
    if n == 0:
        last, ys = no_steps(step, carry, columns, tracer)
    elif n == 1 or tracer is None:
        last, ys = unrolled(step, carry, columns, n, reverse, checkpoint and tracer is None)
    else:
        last, ys = scanned(step, tracer, carry, columns, n, reverse, checkpoint)
    assert step.answer is not None
    return structure.fill(last), step.answer.fill(ys)


def length_of(columns: Sequence[Vertex], layout: Structure, length: int | None) -> int:
    """The number of steps."""
    if not columns:
        if length is None:
            raise ShapeError(f"tg.scan at {place(user_site())} needs xs, or length=, the number of steps")
        if length < 0:
            raise ShapeError(f"tg.scan at {place(user_site())} cannot take {length} steps")
        return as_length(length)
    for x, name in zip(columns, layout.names(), strict=True):
        if not x.ndim:
            raise ShapeError(f"tg.scan at {place(user_site())}: xs{name} has no axis to take apart")
        n = columns[0].shape[0] if length is None else length
        if x.shape[0] != n:
            what = f"the first of xs has {n}" if length is None else f"length is {n}"
            raise ShapeError(f"tg.scan at {place(user_site())}: xs{name} has {x.shape[0]} rows, but {what}")
    return columns[0].shape[0]


class Step:
    """One step of a scan on lists of tensors: first the carry, then the rows."""

    def __init__(self, body: Callable[[Any, Any], Any], structure: Structure, layout: Structure) -> None:
        self.body, self.structure, self.layout = body, structure, layout
        self.count = sum(structure.there)
        self.answer: Structure | None = None
        """The structure of y."""
        self.specs: list[Spec] = []
        """The shapes and dtypes of y."""

    def __call__(self, given: Sequence[Any]) -> list[Any]:
        """The next carry, then y, as lists of tensors in one."""
        inside = [boundary(x) for x in given]
        carry = self.structure.fill(inside[:self.count])
        result = self.body(carry, self.layout.fill(inside[self.count:]))
        if type(result) is not tuple or len(result) != 2:
            raise ShapeError(f"the body of tg.scan at {place(user_site())} must return two things, the next carry and "
                             f"y (None for nothing); it returned {type(result).__name__}")
        new, structure = taken_apart(result[0], "the carry")
        refuse_changes("tg.scan", "the carry", self.body, given[:self.count], new, self.structure, structure)
        y, answer = taken_apart(result[1], "y")
        y = [boundary(v) for v in y]
        if self.answer is None:
            self.answer, self.specs = answer, [Spec(v.shape, v.dtype) for v in y]
        refuse_changes("tg.scan", "y", self.body, [Tensor(spec) for spec in self.specs], y, self.answer, answer)
        return [*new, *y]


def unrolled(step: Step, carry: list[Any], columns: Sequence[Any], n: int, reverse: bool,
             checkpoint: bool) -> tuple[list[Any], list[Any]]:
    """One step after the other."""
    apart = [rows(x) for x in columns]
    answers: list[list[Any]] = [[] for _ in range(n)]
    for t in steps(n, reverse):
        given = [*carry, *[item(x, t) for x in apart]]
        with scope(f"scan[{t}]"):
            found = recomputed(partial(step, given), SCAN) if checkpoint else step(given)
        carry, answers[t] = found[:step.count], found[step.count:]
    return [boundary(c) for c in carry], [join_rows(column) for column in zip(*answers, strict=True)]


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Tell watchers which step is running."""
    if observe.sink is None:
        yield
        return
    outer = state.now.scope
    with modes(scope=f"{outer}.{name}" if outer else name):
        yield


def no_steps(step: Step, carry: Sequence[Any], columns: Sequence[Any],
             tracer: Tracer | None) -> tuple[list[Any], list[Any]]:
    """A loop over nothing: its results have shapes all the same, which a trace finds out."""
    trace_body("tg.scan", tracer, [*carry, *[Tensor(Spec(x.shape[1:], x.dtype)) for x in columns]],
               [False] * (len(carry) + len(columns)), step)
    return [boundary(c) for c in carry], [Tensor(np.zeros((0, *y.shape), y.dtype)) for y in step.specs]


def scanned(step: Step, tracer: Tracer, carry: list[Any], columns: list[Any], n: int, reverse: bool,
            checkpoint: bool) -> tuple[list[Any], list[Any]]:
    """The whole loop as one vertex."""
    samples = [*carry, *[Tensor(Spec(x.shape[1:], x.dtype)) for x in columns]]
    traced = settled(step, "tg.scan", tracer, samples, carry, columns)
    count, rows_count = len(carry), len(columns)
    hidden = [traced.captured[k] for k in traced.written]
    others = [k for k in range(len(traced.captured)) if k not in traced.written]
    graph = traced.body.graph
    captured = graph.inputs[count + rows_count:]
    inputs = (*graph.inputs[:count], *[captured[k] for k in traced.written], *graph.inputs[count:count + rows_count],
              *[captured[k] for k in others])
    outputs = (*traced.returned[:count], *traced.overwriting, *traced.returned[count:])
    body = traced.body.with_(inputs, outputs)
    z = apply(scan_op, (*carry, *hidden, *columns, *[traced.captured[k] for k in others]), {
        "body": body, "length": n, "carries": count + len(hidden), "sequences": rows_count, "reverse": reverse,
        "recompute": checkpoint})
    if checkpoint and z.requires_grad:
        for x in hidden:
            if not random.is_site(real(x)):
                refuse_writes(SCAN, x)
    answers = [taken(z, k, v.requires_grad) for k, v in enumerate(outputs)]
    commit("tg.scan", hidden, answers[count:count + len(hidden)])
    return [boundary(c) for c in answers[:count]], answers[count + len(hidden):]


def settled(run: Callable[[Sequence[Any]], list[Any]], what: str, tracer: Tracer, samples: Sequence[Any],
            carry: Sequence[Any], columns: Sequence[Any] = ()) -> Traced:
    """The body of a loop, traced with a carry that requires a gradient if it does after some step."""
    flags = [state.now.grad and tracer.resolve(x).requires_grad for x in (*carry, *columns)]
    while True:
        traced = trace_body(what, tracer, samples, flags, run)
        more = [flag or (k < len(carry) and traced.returned[k].requires_grad) for k, flag in enumerate(flags)]
        if more == flags:
            return traced
        flags = more


def taken(z: Any, k: int, tracked: bool) -> Any:
    """A result of a vertex, with a history only if it has one in the body."""
    with modes(grad=state.now.grad and tracked):
        return item(z, k)


def truncated(body: Callable[[Any, Any], Any], init: Any, xs: Any, n: int, k: int, reverse: bool,
              checkpoint: bool) -> tuple[Any, Any]:
    """A scan over chunks of k steps, the carry forgetting its history after each; the last chunk may be shorter."""
    chunks = -(-n // k) - 1
    columns, layout = taken_apart(xs, "xs")
    edge = n - chunks * k if reverse else chunks * k
    first = [x[edge:] if reverse else x[:edge] for x in columns]
    others = [x[:edge] if reverse else x[edge:] for x in columns]

    def chunk(carry: Any, x: Any) -> tuple[Any, Any]:
        last, y = scan(body, carry, x, length=k, reverse=reverse, checkpoint=checkpoint)
        tensors, structure = taken_apart(last, "the carry")
        return structure.fill([stop_gradient(c) for c in tensors]), y

    carry, y_first = scan(chunk, init, layout.fill([reshape(x, (chunks, k, *x.shape[1:])) for x in first]),
                          length=chunks, reverse=reverse)
    last, y_others = scan(body, carry, layout.fill(others), length=n - chunks * k, reverse=reverse,
                          checkpoint=checkpoint)
    parts, structure = taken_apart(y_first, "y")
    halves = [(reshape(a, (chunks * k, *a.shape[2:])), b)
              for a, b in zip(parts, taken_apart(y_others, "y")[0], strict=True)]
    return last, structure.fill([concat(half[::-1] if reverse else half) for half in halves])


# ---- branches --------------------------------------------------------------------------------------------------------

def cond(p: Any, then: Callable[..., Any], otherwise: Callable[..., Any], *operands: Any) -> Any:
    r"""then(*operands) if p, else otherwise(*operands): exactly one of the two runs.

    p is a tensor with one element, or a Python value. Both functions may use tensors from outside. In static mode both
    are traced, so both must return the same structure, shapes and dtypes; one runs. Gradients flow through that one: to
    what only the other one uses comes 0 in static mode, nothing at all in dynamic mode.
    """
    xs, structure = taken_apart(operands, "operand")
    if isinstance(p, Vertex) and p.size != 1:
        raise ShapeError(f"tg.cond at {place(user_site())} needs one truth value, not shape {p.shape}; use tg.any or "
                         "tg.all")
    branches = Branch(then, structure), Branch(otherwise, structure)
    tracer = active_tracer([p, *xs] if isinstance(p, Vertex) else xs)
    if not isinstance(p, Vertex) or tracer is None:
        branch = branches[0 if (p._data.item() if isinstance(p, Vertex) else p) else 1]
        with scope("cond"):
            answers = branch(xs)
        assert branch.answer is not None
        return branch.answer.fill(answers)
    flags = [state.now.grad and tracer.resolve(x).requires_grad for x in xs]
    traces = [trace_body("tg.cond", tracer, xs, flags, branch) for branch in branches]
    first, second = branches
    assert first.answer is not None
    assert second.answer is not None
    refuse_changes("tg.cond", "the result", otherwise, traces[0].returned, traces[1].returned, first.answer,
                   second.answer, "of the first function is {}, that of the second {}")
    bodies, captured = aligned(traces, len(xs))
    written = [x for x in captured if any(x is t.captured[k] for t in traces for k in t.written)]
    for number, traced in enumerate(traces):
        graph = bodies[number].graph
        new = {id(traced.captured[k]): v for k, v in zip(traced.written, traced.overwriting, strict=True)}
        places = {id(x): graph.inputs[len(xs) + k] for k, x in enumerate(captured)}
        bodies[number] = bodies[number].with_(graph.inputs, (*traced.returned, *[new.get(id(x), places[id(x)])
                                                                                 for x in written]))
    z = apply(cond_op, (p, *apart(tracer, xs, captured), *captured), {"then": bodies[0], "otherwise": bodies[1]})
    count = traces[0].count
    flagged = [any(t.returned[k].requires_grad for t in traces) for k in range(count)]
    answers = [taken(z, k, k < count and flagged[k]) for k in range(count + len(written))]
    commit("tg.cond", written, answers[count:])
    return first.answer.fill(answers[:count])


def apart(tracer: Tracer, xs: Sequence[Any], captured: Sequence[Any]) -> list[Any]:
    """The operands; those that are captured too or given twice as copies: a vertex takes one gradient to each input."""
    known = {id(tracer.resolve(x)) for x in captured}
    found = []
    for x in xs:
        mine = id(tracer.resolve(x))
        found.append(boundary(x) if mine in known else x)
        known.add(mine)
    return found


class Branch:
    """One of the functions of a branch, on lists of tensors."""

    def __init__(self, function: Callable[..., Any], structure: Structure) -> None:
        self.function, self.structure = function, structure
        self.answer: Structure | None = None

    def __call__(self, given: Sequence[Any]) -> list[Any]:
        result = self.function(*self.structure.fill([boundary(x) for x in given]))
        answers, self.answer = taken_apart(result, "the result")
        return [boundary(v) for v in answers]


# ---- while -----------------------------------------------------------------------------------------------------------

def while_loop(condition: Callable[..., Any], body: Callable[..., Any], init: Any, *,
               max_steps: int | None = None) -> Any:
    r"""c = body(c) as long as condition(c) holds; the last c.

    The number of steps may depend on the values, in static mode too. With `max_steps` there are at most so many steps,
    after which the loop ends as if the condition no longer held; a gradient in static mode needs it, since it is the
    room for what is kept of each step.

    Args:
        condition: called with the carry; answers with one truth value. It may use tensors from outside.
        body: called with the carry; returns the next one.
        init: the first carry, in any structure; a tuple or list is handed over as separate arguments.
        max_steps: how many steps there are at most.
    """
    carry, structure = taken_apart(init, "init")
    turn = Turn(condition, body, structure)
    tracer = active_tracer(carry)
    if tracer is None:
        count = 0
        while (max_steps is None or count < max_steps) and turn.goes_on(carry)[0]._data.item():
            with scope(f"while[{count}]"):
                carry = turn(carry)
            count += 1
        return structure.fill([boundary(c) for c in carry])
    asked = trace_body("tg.while_loop", tracer, carry, [False] * len(carry), turn.goes_on)
    if asked.written:
        raise TraceError.at("TG-S12", "the condition of tg.while_loop overwrites a tensor or draws random numbers",
                            user_site(), "It only decides whether there is another step.", "do it in the body")
    traced = settled(turn, "tg.while_loop", tracer, carry, carry)
    hidden = [traced.captured[k] for k in traced.written]
    (question, doing), captured = aligned([asked, traced], len(carry))
    others = [k for k, x in enumerate(captured) if not any(x is h for h in hidden)]
    written = [next(k for k, x in enumerate(captured) if x is h) for h in hidden]
    count = len(carry)
    bodies = [b.with_((*b.graph.inputs[:count], *[b.graph.inputs[count + k] for k in (*written, *others)]), outputs)
              for b, outputs in ((question, question.graph.outputs), (doing, (*traced.returned, *traced.overwriting)))]
    z = apply(while_op, (*carry, *hidden, *[captured[k] for k in others]), {
        "condition": bodies[0], "body": bodies[1], "carries": count + len(hidden), "max_steps": max_steps})
    answers = [taken(z, k, v.requires_grad) for k, v in enumerate(bodies[1].graph.outputs)]
    commit("tg.while_loop", hidden, answers[count:])
    return structure.fill([boundary(c) for c in answers[:count]])


class Turn:
    """One turn of a while loop, on lists of tensors."""

    def __init__(self, condition: Callable[..., Any], body: Callable[..., Any], structure: Structure) -> None:
        self.condition, self.body, self.structure = condition, body, structure
        self.spread = self.structure.tree is not None and self.structure.tree[0] in (tuple, list)

    def call(self, function: Callable[..., Any], given: Sequence[Any]) -> Any:
        """Call the condition or the body."""
        carry = self.structure.fill([boundary(x) for x in given])
        return function(*carry) if self.spread else function(carry)

    def goes_on(self, given: Sequence[Any]) -> list[Any]:
        """Whether there is another step, as a list of one truth value."""
        with modes(grad=False):
            answer = self.call(self.condition, given)
            if not isinstance(answer, Vertex):
                answer = Tensor(np.array(bool(answer)))
            if answer.size != 1:
                raise ShapeError(f"the condition of tg.while_loop at {place(user_site())} must answer with one truth "
                                 f"value, not shape {answer.shape}; use tg.any or tg.all")
            return [astype(reshape(answer, ()), np.dtype(bool))]

    def __call__(self, given: Sequence[Any]) -> list[Any]:
        new, found = taken_apart(self.call(self.body, given), "the carry")
        refuse_changes("tg.while_loop", "the carry", self.body, given, new, self.structure, found)
        return new


__all__ = ["cond", "scan", "while_loop"]
