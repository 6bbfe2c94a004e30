"""Reverse mode: gradients by walking the graph from young to old.

`pull_back` is the whole algorithm. Ids are a topological order, so the vertices that the outputs depend on are visited
by falling id: when a vertex is reached, everything made from it has been visited and its gradient is complete. Gradient
rules are written in teachgrad's own ops, so under `create_graph` the backward pass is itself an ordinary graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import observe
from .errors import DTypeError, GradientError, ShapeError, place
from .op import (
    Overwritten,
    Spec,
    Symbolic,
    Vertex,
    beside,
    memory_of,
    modes,
    overwritten,
    state,
    value_is_gone,
    version,
)
from .ops.elementwise import add
from .ops.made import array_or_vertex
from .ops.shape import astype, copy_of, sum_to
from .ops.tuples import item, settle

Gradients = dict[int, Any]


def reachable(outputs: Iterable[Vertex], ends: Iterable[Vertex] = ()) -> dict[int, Vertex]:
    """All vertices that require a gradient and that the outputs depend on, by id; what lies behind `ends` is not."""
    found = {v.id: v for v in ends}
    stack = [v for v in outputs if v.requires_grad and v.id not in found]
    found.update((v.id, v) for v in stack)
    while stack:
        z = stack.pop()
        if z.op is item:
            settle(z)
        number = z.id
        for x in z.inputs:
            if x.requires_grad:
                i = x.id
                if i > number:
                    x = version(x, z)
                    i = x.id
                if i not in found:
                    found[i] = x
                    if x.op is not None:
                        stack.append(x)
    return found


def between(found: dict[int, Vertex], targets: Sequence[Vertex]) -> dict[int, Vertex]:
    """Those of the reachable vertices that depend on a target: the only ones a gradient has to pass through.

    Of one whose history was freed nobody knows, so it counts: a gradient that comes to it is refused.
    """
    needed = {t.id for t in targets}
    for i in sorted(found):
        z = found[i]
        if z.op is not None and not z.inputs:
            needed.add(i)
        for x in z.inputs:
            if (x if x.id < z.id else version(x, z)).id in needed:
                needed.add(i)
                break
    return {i: z for i, z in found.items() if i in needed}


def pull_back(outputs: Sequence[Vertex], seeds: Sequence[Vertex], targets: Sequence[Vertex] | None,
              create_graph: bool, retain_graph: bool, totals: Gradients | None = None) -> Gradients:
    """Carry the gradients `seeds` of `outputs` back; the gradients of leaves (or of the targets) by id.

    With targets, only paths to them are walked and nothing is deposited. Without, `.grad` of the leaves is added to.
    With `totals`, gradients that targets have already, the walk begins from these and ends at the targets.
    """
    found = reachable(outputs, targets if totals is not None and targets is not None else ())
    if targets is not None:
        found = between(found, targets)
    kept = {t.id for t in targets} if targets is not None else ()
    gradients: Gradients = dict(totals or {})
    result: Gradients = {}
    owned: set[int] = {id(seed._data) for seed in seeds}
    tracer = outputs[0].base.tracer if type(outputs[0].base) is Symbolic else state.now.tracer
    if tracer is not None and tracer.lasting:
        create_graph = retain_graph = True
    now = state.now
    outside = now.grad, now.quiet, now.scope
    now.grad, now.quiet = create_graph, not (create_graph or now.candid)
    try:
        for output, seed in zip(outputs, seeds, strict=True):
            if output.id in found:
                if observe.sink is not None and tracer is None and totals is None:  # in a trace nothing flows yet
                    observe.sink(observe.Seed(output.id, seed._data))
                before = gradients.get(output.id)
                gradients[output.id] = seed if before is None else add(before, seed)
        for i in sorted(found, reverse=True):
            g = gradients.pop(i, None)
            if g is None:
                continue
            z = found[i]
            if totals is not None and i in kept:
                result[i] = g
                continue
            for hook in z.hooks:
                if hook is retain:
                    z._grad = copy_of(g) if z._grad is None else add(z._grad, g)
                else:
                    g = hooked(hook, g, z)
            if i in kept:
                result[i] = g
                if not any(x.id in found or version(x, z).id in found for x in z.inputs):
                    continue  # no other target lies behind this one
            if z.op is None or (tracer is not None and tracer.is_leaf(z)):
                if targets is None:
                    deposit(z, g, owned)
            elif not z.inputs or (tracer is not None and tracer.is_freed(z)):
                raise freed(z)
            else:
                if tracer is not None:
                    tracer.pull(z)
                send(g, z, found, gradients)
                if not retain_graph:
                    if tracer is None:
                        z.inputs = ()
                    else:
                        tracer.free(z)
    finally:
        now.grad, now.quiet, now.scope = outside
    return result


def send(g: Any, z: Vertex, found: dict[int, Vertex], gradients: Gradients) -> None:
    """Run the rule of one vertex and add what it answers to the gradients of its inputs, the last input first."""
    number, op, inputs = z.id, z.op, z.inputs
    for x in inputs:
        if x.stamp > number or x.base is not None or x.exposed is not None:
            inputs = tuple([version(x, z) for x in inputs])
            break
    if z.stamp > number or z.base is not None or z.exposed is not None:
        z = overwritten(z, memory_of(z).site, z) if type(z) is not Overwritten and value_is_gone(z, number) else z
    if op is item:
        slots = gradients.setdefault(inputs[0].id, [None] * len(inputs[0]._data))
        slot = z.attrs["index"]
        slots[slot] = g if slots[slot] is None else add(slots[slot], g)
        return
    if op.gathers:  # type: ignore[union-attr]
        op.gather(g, z, inputs, found, gradients)  # type: ignore[union-attr]
        return
    sink = observe.sink
    if sink is not None and type(g) is not list and type(g._data) is not Spec:
        sink(observe.Backward(number, op.name, g._data))  # type: ignore[union-attr]
    try:
        contributions = op.vjp(g, z, *inputs)  # type: ignore[union-attr]
    except (TypeError, AttributeError):
        for x in (z, *inputs):
            if type(x) is Overwritten:
                x._data  # noqa: B018  (raises the error that explains)
        raise
    edge = len(inputs)
    while edge:
        edge -= 1
        gx = contributions[edge]
        if gx is not None:
            x = inputs[edge]
            i = x.id
            if i in found:
                if gx._data.shape != x.shape:
                    gx = sum_to(gx, x.shape)
                total = gradients.get(i)
                gradients[i] = gx if total is None else add(total, gx)
                if sink is not None and type(gx._data) is not Spec:  # in a trace nothing flows yet
                    sink(observe.Accumulate(number, i, edge, gx._data, gradients[i]._data))


def deposit(leaf: Vertex, g: Vertex, owned: set[int]) -> None:
    """Add a finished gradient to `leaf.grad`, in memory that nobody else has."""
    if leaf._grad is not None:
        before = leaf._grad
        leaf._grad = add(before, g)
        if observe.sink is not None and type(g._data) is not Spec:
            observe.sink(observe.Deposit(leaf.id, before._data, leaf._grad._data))
        return
    data = g._data
    if type(data) is not Spec:
        if data.base is not None or id(data) in owned or not data.flags.c_contiguous:
            g = copy_of(g)
            data = g._data
        owned.add(id(data))
    else:
        if g.op is None or g.op.view or id(g) in owned:
            g = copy_of(g)
        owned.add(id(g))
    leaf._grad = g


def retain(g: Any) -> None:
    """The hook by which a tensor on the way asks to keep its gradient; the backward pass knows it."""


def hooked(hook: Callable[[Any], Any], g: Any, z: Vertex) -> Any:
    """What a hook makes of a gradient: the answer if there is one, else the gradient as it is."""
    answer = hook(g)
    if answer is None:
        return g
    if not isinstance(answer, Vertex) or answer.shape != z.shape:
        raise GradientError(f"the hook {getattr(hook, '__name__', hook)!r} on a tensor of shape {z.shape} must return "
                            f"None or a tensor of that shape")
    return answer


def freed(z: Vertex) -> GradientError:
    return GradientError(
        f"the graph behind {z.op} at {place(z.site)} was freed by an earlier backward().\n"
        "Ways out: call backward(retain_graph=True) the first time; or run the forward computation again.")


def seed_for(output: Vertex, gradient: Any) -> Vertex:
    """The gradient that a backward pass starts with: the given one, or 1 for a scalar."""
    if output.dtype.kind != "f":
        raise DTypeError(f"gradients flow from floating-point tensors, not from {output.dtype}")
    if not output.requires_grad:
        raise GradientError("this tensor does not depend on anything that requires a gradient.\n"
                            "Ways out: make the inputs with requires_grad=True; look for a detach(), a no_grad() or an "
                            "integer conversion on the way.")
    if gradient is None:
        if output.size != 1:
            raise GradientError(f"backward() without a gradient needs a scalar, and this tensor has shape "
                                f"{output.shape}.\nWays out: reduce it, as in x.sum().backward(); or pass the gradient "
                                "to start with.")
        return filled(1, output)
    if not isinstance(gradient, Vertex):
        gradient = beside(output, np.array(gradient, output.dtype))
    if gradient.shape != output.shape:
        raise ShapeError(f"the gradient has shape {gradient.shape}, the tensor {output.shape}")
    return astype(gradient, output.dtype, copy=False)


def backward(output: Vertex, gradient: Any = None, *, retain_graph: bool | None = None,
             create_graph: bool = False) -> None:
    """Add d(output)/d(leaf), times `gradient`, to `.grad` of every leaf that requires a gradient."""
    pull_back([output], [seed_for(output, gradient)], None, create_graph,
              create_graph if retain_graph is None else retain_graph)


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *, create_graph: bool = False,
         retain_graph: bool | None = None, allow_unused: bool = False) -> Any:
    """Gradients of outputs with respect to inputs; `.grad` is left alone.

    For outputs y_1, ... with gradients v_1, ... (1 for scalars) and inputs x_1, ..., the answer for x_k is
    Σ_j (dy_j/dx_k)^T v_j, in the shape of x_k. Under `create_graph` it can be differentiated again, as expressions of
    placeholders can in any case. An input that does not reach an output raises `GradientError`, or gives None under
    `allow_unused`. The answer is a tensor if `inputs` is a tensor, else a tuple.
    """
    ys, xs = _listed(outputs), _listed(inputs)
    vs = [None] * len(ys) if grad_outputs is None else _listed(grad_outputs)
    if len(vs) != len(ys):
        raise GradientError(f"{len(ys)} outputs need {len(ys)} gradients, got {len(vs)}")
    if state.now.tracer is not None:
        ys, xs = [state.now.tracer.resolve(y) for y in ys], [state.now.tracer.resolve(x) for x in xs]
    for x in xs:
        if not x.requires_grad:
            called = f"the input {x.name}" if x.name else "an input"
            raise GradientError(f"{called} of shape {x.shape} does not require a gradient; "
                                "make it with requires_grad=True")
    result = pull_back(ys, [seed_for(y, v) for y, v in zip(ys, vs, strict=True)], xs, create_graph,
                       create_graph if retain_graph is None else retain_graph)
    answers = []
    for position, x in enumerate(xs):
        g = result.get(x.id)
        if g is None and not allow_unused:
            raise GradientError(f"input {x.name or position} of shape {x.shape} is not reached from the outputs.\n"
                                "Ways out: check that it is used; or pass allow_unused=True to get None for it.")
        answers.append(g)
    return tuple(answers) if isinstance(inputs, (list, tuple)) else answers[0]


def fresh(x: Vertex) -> Any:
    """A leaf with the value of `x` that requires a gradient; under a trace or `create_graph`, still connected to x."""
    y = copy_of(x)
    if not y.requires_grad:
        y.requires_grad = True
    return y


def vjp(f: Callable[..., Any], *xs: Vertex) -> tuple[Any, Callable[[Any], Any]]:
    """The value y = f(*xs) and the function that pulls a gradient v of y back: v -> (dy/dx_k)^T v for each k."""
    with modes(grad=True):
        inputs = [fresh(x) for x in xs]
        y = f(*inputs)

    def pull(v: Any = None) -> Any:
        answers = grad(y, inputs, v, create_graph=state.now.grad, retain_graph=True, allow_unused=True)
        return _plain([g if g is not None else x * 0.0 for g, x in zip(answers, inputs, strict=True)])

    return y, pull


def _plain(answers: list[Any]) -> Any:
    return answers[0] if len(answers) == 1 else tuple(answers)


def jvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The value y = f(*primals) and the derivative of y along the tangents, Σ_k (dy/dx_k) t_k.

    Computed with two reverse passes: the pull-back u -> (dy/dx)^T u is linear in u, so its own pull-back applied to t
    is (dy/dx) t.  Source: J. Townsend, "A new trick for calculating Jacobian vector products" (2017).
    """
    xs, ts = _listed(primals), _listed(tangents)
    with modes(grad=True):
        inputs = [fresh(x) for x in xs]
        y = f(*inputs)
        if not y.requires_grad:
            return y, zeros(y)
        u = beside(y, np.zeros(y.shape, y.dtype))
        u.requires_grad = True
        back = grad(y, inputs, u, create_graph=True, allow_unused=True)
        pairs = [(g, t) for g, t in zip(back, ts, strict=True) if g is not None and g.requires_grad]
        if not pairs:
            return y, zeros(y)
        tangent = grad([g for g, _ in pairs], u, [t for _, t in pairs], create_graph=True, allow_unused=True)
    return y, tangent if tangent is not None else zeros(y)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The value of a scalar f and its Hessian times the tangents, by differentiating (grad f) · t."""
    xs, ts = _listed(primals), _listed(tangents)
    with modes(grad=True):
        inputs = [fresh(x) for x in xs]
        y = f(*inputs)
        first = grad(y, inputs, create_graph=True, allow_unused=True)
        pairs = [(g, t) for g, t in zip(first, ts, strict=True) if g is not None and g.requires_grad]
        second: Any = [None] * len(inputs)
        if pairs:
            second = grad([g for g, _ in pairs], inputs, [t for _, t in pairs], create_graph=True, allow_unused=True)
    answers = [h if h is not None else zeros(x) for h, x in zip(second, inputs, strict=True)]
    return y, _plain(answers) if not isinstance(primals, (list, tuple)) else tuple(answers)


def hessian(f: Callable[..., Any]) -> Callable[[Any], Any]:
    """The function x -> the matrix of second derivatives of the scalar f at x, of shape x.shape + x.shape.

    f runs once, so that random numbers in it are the same in every row; each row is a pull-back of its gradient.
    """
    from .ops.shape import reshape, stack

    def at(x: Vertex) -> Any:
        if not isinstance(x, Vertex):
            raise DTypeError(f"hessian(f) takes a tensor, not {type(x).__name__}. Way out: tg.tensor(x)")
        rows = []
        with modes(grad=True):
            v = fresh(x)
            gradient = grad(f(v), v, create_graph=True, allow_unused=True)
            for k in range(x.size):
                direction = np.zeros(x.size, x.dtype)
                direction[k] = 1
                row = None
                if gradient is not None and gradient.requires_grad:
                    row = grad(gradient, v, beside(v, direction.reshape(x.shape)), create_graph=True,
                               allow_unused=True)
                rows.append(zeros(v) if row is None else row)
        shape = (*x.shape, *x.shape)
        return reshape(stack(rows), shape) if rows else beside(x, np.zeros(shape, x.dtype))
    return at


def zeros(x: Vertex) -> Any:
    """The gradient of what does not depend on x."""
    return filled(0, x)


def filled(value: int, like: Vertex) -> Any:
    """A constant of the shape and dtype of `like`, with one value everywhere."""
    array = array_or_vertex(np.full, (like.shape, value, like.dtype), like.shape)
    return array if isinstance(array, Vertex) else beside(like, array)
