"""`tg.checkpoint`: a function whose values are not kept for the gradient, but computed again when it comes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..op import Vertex, next_id, state
from ..ops.steps import boundary
from ..structure import flatten
from ..trace import FunctionTracer
from .recompute import recomputed
from .structures import Structure, taken_apart
from .tracing import active_tracer


def checkpoint(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    r"""z = function(*args, **kwargs), of whose values the gradient keeps none but z: it computes the others again.

    The bits, those of gradients of any order included, are the same as without it; memory for the values in between is
    given back at the end of the call, and taken again when the gradient comes by (for good, if that gradient is to be
    differentiated in turn). Random numbers are drawn as they were, and what the function overwrites under
    `tg.no_grad()`, such as running statistics, is overwritten once. Calls may be nested. In static mode the values
    between are computed again in the graph (`step.recompute` lists them). Source: T. Chen, B. Xu, C. Zhang,
    C. Guestrin, "Training deep nets with sublinear memory cost" (2016).

    Args:
        function: called now, and again for each gradient. It may use tensors from outside, and depends on nothing else
            that changes. Returns tensors, numbers, or tuples, lists and dicts of them, which share no memory with
            anything. If it takes other steps when it is called again, since it keeps something of the first call, it
            is called once more, and gradients of gradients may differ in their last bits.
        *args: handed over, as are keyword arguments.

    Raises:
        InplaceError: when the gradient comes by, and a tensor that the function used was overwritten since; or when
            the function overwrites one with values that have a history.
        GradientError: when the gradient comes by, and the function uses a tensor that requires a gradient and that it
            did not use before.

    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> y = tg.checkpoint(lambda x: tg.tanh(tg.tanh(x) * 3.0), w)
    >>> y.sum().backward()
    >>> w.grad
    tensor([0.051158, 0.002592], dtype=float32)
    """
    call = Call(function, args, kwargs)
    tracer = active_tracer([x for x in flatten((args, kwargs))[0] if isinstance(x, Vertex)])
    if tracer is None:
        answers: Sequence[Any] = recomputed(call, "tg.checkpoint", writes_once=True)
    elif isinstance(tracer, FunctionTracer):
        start = len(tracer.recorded)
        answers = call()
        tracer.segment(start, answers)
    else:
        answers = call()
    assert call.answer is not None
    return call.answer.fill(answers)


class Call:
    """A call of a function, that can be made again: the tensors of its result, in memory that nothing else has."""

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.answer: Structure | None = None

    def __call__(self) -> list[Any]:
        begun, tracer = next_id(), state.now.tracer
        tensors, self.answer = taken_apart(self.function(*self.args, **self.kwargs), "the result")
        results: list[Any] = []
        for x in tensors:
            v = x if tracer is None else tracer.resolve(x)
            own = v.op is not None and v.base is None and v.id > begun and not any(v is other for other in results)
            results.append(v if own else boundary(v))
        return results


__all__ = ["checkpoint"]
