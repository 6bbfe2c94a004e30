"""What a static function tells about itself: its traces, graphs, plans and programs, and single values of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .compiled import Family, Trace
from .dims import Dims
from .errors import TeachgradError
from .explaining import explain
from .fetching import Names, fetch, needed
from .graph import Graph
from .op import Vertex
from .passes.plan import Plan
from .passes.recompute import Recomputation
from .signature import signature
from .structure import flatten
from .summary import summary, which_way
from .tensor import Tensor


class Introspection:
    """The questions that a static function answers."""

    fn: Callable[..., Any]
    on_python: str
    dims: Dims
    programs: dict[Any, list[Trace]]
    families: dict[Any, list[Family]]
    last: Trace | None

    @property
    def name(self) -> str:
        """The name of the function."""
        fn = self.fn.func if isinstance(self.fn, functools.partial) else self.fn
        return getattr(fn, "__qualname__", type(fn).__name__)

    @property
    def count(self) -> int:
        """How many times the function was traced. A trace with open sizes counts once, for however many sizes."""
        return sum(map(len, self.families.values()))

    @property
    def trace(self) -> Trace:
        """The trace that ran last."""
        if self.last is None:
            raise TeachgradError(f"{self.name} has not run yet; call it once")
        return self.last

    @property
    def graph(self) -> Graph:
        """The optimised graph that ran last."""
        return self.trace.graph

    @property
    def plan(self) -> Plan:
        """The memory plan of the graph that ran last."""
        return self.trace.plan

    @property
    def recompute(self) -> Recomputation:
        """What the graph that ran last computes again to save memory, and what that costs; `.table()` is text."""
        found = self.trace.recomputation
        if found is None:
            raise TeachgradError(f"{self.name} computes nothing twice: neither tg.static(recompute=) nor tg.checkpoint "
                                 "asks for it")
        return found

    def summary(self) -> str:
        """What was traced, as text: for which arguments, what it depends on, how often it ran, and in guard mode the
        questions that Python asked, line by line, with the calls that each answer has led."""
        return summary(self.name, self.programs)

    @property
    def source(self) -> str:
        """The program that ran last, as text."""
        return self.trace.program.source

    # ---- parts of the graph ------------------------------------------------------------------------------------------

    @property
    def input_names(self) -> list[str]:
        """What the inputs of the graph that ran last are called: as the parameters of the function, where they are."""
        trace = self.trace
        parameters = list(inspect.signature(self.fn).parameters) if trace.fit.flat else []
        sources = [trace.sources[v.id] for v in trace.recording.graph.inputs]
        return [parameters[s.argument] if s.argument is not None and s.argument < len(parameters) and not s.gradient
                else f"input{number}" for number, s in enumerate(sources)]

    @property
    def values(self) -> Names:
        """The values of the graph that ran last, as recorded, by name."""
        return Names(self.trace.recording.graph, self.input_names)

    def fetch(self, *names: str, feed: Mapping[str, Any] | None = None) -> Any:
        """Values of the graph that ran last, by name; only what they need is run, and nothing is written.

        Any value can be fed by its name, so the graph can be cut anywhere: `f.fetch("return", feed={"fc1/linear": h})`.
        Inputs must be fed where they are needed; everything else has the value that it has now. The bits are those of
        the whole run, at O0 and O1. A tensor, or a tuple of them for several names.

        >>> f = tg.static(lambda x: (x * 2.0).exp())
        >>> y = f(tg.tensor([0.0, 1.0]))
        >>> f.fetch("multiply", feed={"x": [3.0, 4.0]})
        tensor([6., 8.], dtype=float32)
        >>> f.fetch("return", feed={"multiply": [0.0, 0.0]})
        tensor([1., 1.], dtype=float32)
        """
        trace = self.trace
        kept = {v.id for v in trace.recording.graph.inputs if trace.sources[v.id].argument is not None}

        def present(v: Vertex) -> Any:
            tensor = None if v.id in kept else trace.sources[v.id].find(())
            return None if tensor is None else tensor._data

        answers = [Tensor(array) for array in fetch(self.values, names, feed or {}, present)]
        return answers[0] if len(answers) == 1 else tuple(answers)

    def needs(self, *names: str, feed: Iterable[str] = ()) -> list[str]:
        """The values that would be computed to fetch these, in order, when those in `feed` are given."""
        values = self.values
        steps = needed(values.graph, [values[name] for name in names], [values[name].id for name in feed])
        return [values.of[v.id] for v in steps]

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """What a call with these arguments would run, without running it: a trace that there is, or why none fits.

        >>> f = tg.static(lambda x: x * 2.0 if x.shape[0] > 2 else x, dims={"x": "N"})
        >>> y = f(tg.ones(3))
        >>> print(f.explain(tg.ones(9)))
        <lambda>(float32[9]) runs trace 1 for N = 9, for which it makes a program
        >>> print(f.explain(tg.ones(2)))
        <lambda>(float32[2]) is traced again
          trace 1: it is good where N > 2 (...:1); here N is 2
        """
        leaves, tree = flatten((args, kwargs))
        known = self.programs.get(signature(leaves, tree), ()) if self.on_python == "guard" else ()
        if known:
            return which_way(self.name, [trace for trace in known if trace.fit.still(leaves)], leaves)
        return explain(self.families, self.name, leaves, tree, self.dims.opened(leaves, tree))
