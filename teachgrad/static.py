"""`tg.static`: the same function, run as a graph.

A static function is traced once for each signature (shapes, dtypes and Python values of its arguments) and each state
of the Python world it depends on (`guards`). The trace becomes a `Graph`, passes make it better, a plan gives its
values places, an executor makes a program of it. A call looks whether the trace fits, hands the arrays over, and puts
the results into tensors. `tg.mode` decides whether static functions run so, as plain Python, or both ways and compared.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from . import devices, executors, observe
from .calls import pulling_back
from .checking import run_both
from .compiled import Family, Trace
from .dims import Opened, dims_of
from .displays import Displayed
from .errors import Site, TeachgradError, TraceError, user_site
from .introspection import Introspection
from .op import Shape, Symbolic, Vertex, modes, shared_id, state
from .passes import LEVELS
from .passes.plan import MODES as PLANS
from .passes.recompute import parsed
from .paths import MOST_PATHS, GuardedTracer, cut, follow, refuse_paths
from .refusals import refuse_new_flags
from .runmode import current_mode
from .running import run
from .signature import difference, refuse_shared_memory, signature
from .sizes import Sizes
from .structure import Tree, flatten, unflatten
from .threads import checked
from .trace import FunctionTracer, Recording
from .verification import check_fresh, verify
from .watcher import Watcher
from .world import World

ON_PYTHON = ("error", "guard")
"""What a static function does where Python decides by values."""
MOST_PROGRAMS = 8
"""So many traces of one function are kept; beyond them, something varies that should not."""


class StaticFunction(Displayed, Introspection):
    """A function that runs as a graph. Made by `tg.static`."""

    __watched__ = ("fn",)
    displayed_as = "graph"

    def __init__(self, fn: Callable[..., Any], level: str, executor: str, plan: str, verify: bool = False,
                 threads: int | None = None, recompute: Any = None, dims: Any = None,
                 on_python: str = "error") -> None:
        if dims and on_python == "guard":
            raise TeachgradError('dims= and on_python="guard" do not go together: what is looked at has one size')
        if level not in LEVELS:
            raise TeachgradError(f"there is no level {level!r}; here are {', '.join(LEVELS)}")
        if plan not in PLANS:
            raise TeachgradError(f"there is no memory plan {plan!r}; here are {', '.join(PLANS)}")
        if threads is not None and executor == "numpy":
            raise TeachgradError(f"threads={threads} is for generated C; give level=\"O3\" or executor=\"c\" as well")
        if on_python not in ON_PYTHON:
            raise TeachgradError(f"there is no on_python={on_python!r}; here are {', '.join(ON_PYTHON)}")
        if verify and on_python == "guard":
            raise TeachgradError('verify=True and on_python="guard" do not go together: what is verified is one graph')
        self.fn = fn
        self.on_python = on_python
        self.level, self.executor, self.plan_mode, self.verify = level, executor, plan, verify
        self.threads = None if threads is None else checked(threads)
        self.recompute_setting = parsed(recompute)
        self.build = executors.find(executor, exact=level != "O3", threads=threads)
        self.dims = dims_of(fn, dims)
        self.programs: dict[Any, list[Trace]] = {}
        """The traces by the signature of a call."""
        self.families: dict[Any, list[Family]] = {}
        """What was traced, by the signature with names for the sizes that are left open."""
        self.lock = threading.RLock()
        self.last: Trace | None = None
        self.tracer: GuardedTracer | None = None
        """In guard mode, what recorded the last trace, until its graph is cut."""
        functools.update_wrapper(self, fn, updated=())

    def __repr__(self) -> str:
        return f"<static {self.name}, level {self.level}, executor {self.executor}, {self.count} traced>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: bound to the instance, each with programs of its own."""
        if instance is None:
            return self
        bound = StaticFunction(self.fn.__get__(instance, owner), **self.settings)
        space = getattr(instance, "__dict__", None)
        if space is not None:
            space[self.fn.__name__] = bound
        return bound

    def __reduce__(self) -> Any:
        """Programs do not travel; a copy traces again. A decorated function of a module is found by its name."""
        module = sys.modules.get(getattr(self, "__module__", ""))
        if getattr(module, getattr(self, "__qualname__", ""), None) is self:
            return self.__qualname__
        return _made_again, (self.fn, self.settings)

    @property
    def settings(self) -> dict[str, Any]:
        """What `tg.static` was given besides the function."""
        return {"level": self.level, "executor": self.executor, "plan": self.plan_mode, "verify": self.verify,
                "threads": self.threads, "recompute": self.recompute_setting, "dims": self.dims.settings,
                "on_python": self.on_python}

    @property
    def exact(self) -> bool:
        """Whether the bits of dynamic mode are promised."""
        return self.level in ("O0", "O1") and self.executor != "c"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = state.now
        if now.tracer is not None:
            return self.fn(*args, **kwargs)  # inside another static function: part of its graph
        how = current_mode()
        if how == "dynamic":
            return self.fn(*args, **kwargs)
        last = self.last
        if last is not None and last.fit.flat and not kwargs and how == "static" and not self.verify \
                and self.on_python == "error" and last.fit.quick(args, now):
            return run(last, args, self.pull_back_of)
        leaves, tree = flatten((args, kwargs))
        if any(isinstance(leaf, Vertex) and type(leaf.base) is Symbolic for leaf in leaves):
            return self.fn(*args, **kwargs)  # on placeholders: an expression
        if self.on_python == "guard":
            trace, leaves = self.on_its_path(leaves, tree)
            if observe.sink is not None and trace.path:
                trace = self.whole(trace, leaves, tree)
        else:
            trace = self.prepared(leaves, tree)
        if self.verify:
            self.check(trace, leaves, tree)
        if how == "check":
            return run_both(self, trace, leaves, args, kwargs)
        return self.run(trace, leaves)

    def prepared(self, leaves: list[Any], tree: Tree) -> Trace:
        """A trace that fits the arguments and the world as it is now."""
        last = self.last
        if last is not None and tree == last.fit.tree and last.fit.quick(leaves, state.now):
            return last
        self.refuse_arrays(leaves)
        key = signature(leaves, tree)
        with self.lock, modes(next_id=shared_id):  # no trace takes ids of code that will run again without tracing
            for trace in self.programs.get(key, ()):
                if trace.fit.holds(leaves):
                    trace.fit.renew(leaves)
                    trace.family.use(trace)
                    break
            else:
                trace = self.sized(leaves, tree)
                self.programs.setdefault(key, []).append(trace)
            refuse_shared_memory(self.name, trace.written, trace.sources.values(), leaves)
            self.last = trace
            return trace

    def sized(self, leaves: list[Any], tree: Tree) -> Trace:
        """A new trace for a signature: another size of what was traced, or else traced now."""
        opened = self.dims.opened(leaves, tree)
        key = signature(leaves, tree, opened.shapes)
        for family in self.families.get(key, ()):
            if family.fits(opened.sizes, leaves):
                break
        else:
            if self.count >= MOST_PROGRAMS and not self.forget_stale():
                self.refuse_many(key)
            family = self.traced(leaves, tree, opened)
            self.dims.traced(leaves, tree)
            self.families.setdefault(key, []).append(family)
        trace = family.trace(opened.sizes, leaves)
        kept = {signature: [t for t in known if t.is_kept] for signature, known in self.programs.items()}
        self.programs = {signature: known for signature, known in kept.items() if known}
        return trace

    def refuse_many(self, key: Any) -> None:
        """Too many traces: something varies that should not."""
        ways = ["leave a size that varies open with dims=", "pass a number that varies as a tensor",
                "make a second static function"]
        raise TraceError.at(
            "TG-S03", f"{self.name} was traced for {self.count} different signatures, and now for one more",
            user_site(), f"Of these, {difference([*self.families, key])}; {self.name}.explain(...) says why a call is "
            "traced again.", *ways)

    def on_its_path(self, leaves: list[Any], tree: Tree) -> tuple[Trace, list[Any]]:
        """In guard mode: the trace at the end of the path that the values take, and the leaves with what the stages on
        the way hand on."""
        self.refuse_arrays(leaves)
        key = signature(leaves, tree)
        with self.lock:
            known = [trace for trace in self.programs.get(key, ()) if trace.fit.still(leaves)]
            trace, handed, stages = follow(known, leaves)
            if trace is None:
                if len(known) >= MOST_PATHS:
                    raise refuse_paths(self.name, len(known), stages[-1].site if stages else user_site())
                if key not in self.families and len(self.families) >= MOST_PROGRAMS and not self.forget_stale():
                    self.refuse_many(key)
                with modes(next_id=shared_id):
                    recording, output, watcher = self.recorded(leaves, tree)
                    tracer, self.tracer = self.tracer, None
                    assert tracer is not None
                    rest, path, handed = cut(recording, tracer, len(leaves), stages, self.level, self.plan_mode,
                                             self.build)
                    trace = self.family(rest, output, tree, watcher.world, Sizes({})).trace({}, leaves)
                trace.recording, trace.path = recording, path
                others = self.programs.setdefault(key, [])
                others.append(trace)
                if len(others) > 2 * MOST_PATHS:
                    others[:] = [*known, trace]  # the world of the others is gone, for now at least
                self.families[key] = [trace.family for trace in others]
            refuse_shared_memory(self.name, trace.written, trace.sources.values(), [*leaves, *handed])
            self.last = trace
            return trace, [*leaves, *handed]

    def whole(self, trace: Trace, leaves: list[Any], tree: Tree) -> Trace:
        """In guard mode: the graph of a path in one piece, as watchers see it."""
        if trace.whole is None:
            trace.whole = self.family(trace.recording, trace.output, tree, trace.family.world,
                                      Sizes({})).trace({}, leaves)
        trace.calls += 1
        trace.whole.fit.still(leaves)
        return trace.whole

    def refuse_arrays(self, leaves: Sequence[Any]) -> None:
        """NumPy arrays are not arguments."""
        for number, leaf in enumerate(leaves):
            if isinstance(leaf, np.ndarray):
                raise TraceError.at("TG-S08", f"argument {number} of {self.name} is a NumPy array", user_site(),
                                    "Its values would be frozen.", "pass tg.tensor(array)")

    def forget_stale(self) -> bool:
        """Drop traces whose guards no longer hold (their world is gone); whether there were any."""
        before = self.count
        for known in self.programs.values():
            known[:] = [trace for trace in known if trace.fit.lasts()]
        alive = {id(trace.family) for known in self.programs.values() for trace in known}
        for families in self.families.values():
            families[:] = [family for family in families if id(family) in alive]
        self.programs = {key: known for key, known in self.programs.items() if known}
        self.families = {key: known for key, known in self.families.items() if known}
        return self.count < before

    def check(self, trace: Trace, leaves: list[Any], tree: Tree) -> None:
        """Verify the program of a new trace; of an old one, that it is not stale."""
        if trace.calls:
            check_fresh(self.name, trace.recording, self.recorded(leaves, tree)[0])
            return
        arrays = {number: source.find(leaves)._data for number, source in trace.sources.items()}
        trace.rewrites[:] = verify(trace.moments, trace.rewrites, trace.plan, trace.program, self.build, arrays)

    def traced(self, leaves: list[Any], tree: Tree, opened: Opened) -> Family:
        """Run the function once, and improve what it did."""
        sizes = Sizes(opened.sizes)
        shapes = {number: sizes.shape(shape) for number, shape in opened.shapes.items()}
        recording, output, watcher = self.recorded(leaves, tree, shapes)
        sizes.tracing = False
        return self.family(recording, output, tree, watcher.world, sizes)

    def family(self, recording: Recording, output: Tree, tree: Tree, world: World, sizes: Sizes) -> Family:
        """What was recorded, improved."""
        return Family(recording, output, tree, world, sizes,
                      level=self.level, plan=self.plan_mode, build=self.build, recompute=self.recompute_setting)

    def recorded(self, leaves: list[Any], tree: Tree,
                 shapes: Mapping[int, Shape] = MappingProxyType({})) -> tuple[Recording, Tree, Watcher]:
        """Run the function once with specs in place of values; what it did, and what it looked at.

        `shapes` has those of arguments, by number, of which sizes are left open.
        """
        watcher, leaves = Watcher(), list(leaves)
        tracer = FunctionTracer(self.name, watcher.line_of)
        if self.on_python == "guard":
            tracer = self.tracer = GuardedTracer(self.name, watcher.line_of)
        tracer.device = executors.device_of(self.build)
        watcher.world.visit(self.fn, f"the function {self.name}()", None)
        for number, leaf in enumerate(leaves):
            if isinstance(leaf, Vertex):
                leaves[number] = tracer.argument(leaf, number, shapes.get(number))
                watcher.world.visit(leaf.hooks, f"the hooks of argument {number} of {self.name}()", None)
            else:
                watcher.world.visit(leaf, f"argument {number} of {self.name}()", None)
        args, kwargs = unflatten(tree, leaves)
        before = state.now.grad, state.now.inference
        with modes(tracer=tracer):
            try:
                with watcher:
                    answer = self.fn(*args, **kwargs)
            except TeachgradError as error:
                refuse_new_flags(self.name, tracer.leaves, watcher.line_of, error)
                raise
            if tracer.refusal is not None:  # the function caught it, and went on with something else
                raise tracer.refusal
            watcher.complain(self.name)
            self.refuse_changes(args, kwargs, leaves, tree, before, watcher.returned)
            results, output = flatten(answer)
            self.refuse_known(tracer.twins, watcher)
            recording = tracer.finish(results, watcher.returned)
        if devices.beyond:
            executors.refuse_devices(self.name, self.executor, self.build, tracer.leaves)
        return recording, output, watcher

    def refuse_known(self, twins: Mapping[int, Vertex], watcher: Watcher) -> None:
        """An argument with open sizes must not be reached in another way, where its sizes are what they are."""
        for number, x in twins.items():
            if number in watcher.world.known:
                raise TraceError.at(
                    "TG-S08", f"{self.name} also reaches {x.name or 'an argument'}, of which it leaves sizes open, as "
                    "a tensor from outside", watcher.returned, "That one has one size, and is the same tensor.",
                    "use the argument alone", "leave it out of dims")

    def refuse_changes(self, args: Any, kwargs: Any, leaves: list[Any], tree: Tree, before: tuple[bool, bool],
                       site: Site | None) -> None:
        """Lists and dicts among the arguments, and the modes of the thread, must be left as they were."""
        after, same_tree = flatten((args, kwargs))
        if same_tree != tree or any(a is not b for a, b in zip(after, leaves, strict=True)):
            raise TraceError.at("TG-S05", f"{self.name} changes a list or dict that it is given", site,
                                "In static mode it is given a copy.", "return what is new")
        if (state.now.grad, state.now.inference) != before:
            raise TraceError.at("TG-S05", f"{self.name} ends in another gradient mode than it began in", site,
                                "In static mode it would do so once, while it is traced.",
                                "`with tg.no_grad():` around a block ends with the block")

    # ---- running -----------------------------------------------------------------------------------------------------

    def run(self, trace: Trace, leaves: Sequence[Any]) -> Any:
        """Run the program of a trace, and put the results where they belong."""
        return run(trace, leaves, self.pull_back_of)

    def pull_back_of(self, trace: Trace) -> Callable[..., Any]:
        """The function that carries gradients through a call of `trace`."""
        if trace.backward is None:
            trace.backward = static(pulling_back(trace.recording), on_python=self.on_python)
        return trace.backward


def _made_again(fn: Callable[..., Any], settings: dict[str, Any]) -> Any:
    return static(fn, **settings)


def static(fn: Callable[..., Any] | None = None, *, level: str = "O1", executor: str | None = None,
           plan: str = "reuse", verify: bool = False, threads: int | None = None, recompute: Any = None,
           dims: Any = None, on_python: str = "error") -> Any:
    """Make a function run as a static graph.

    The function is traced on its first call and whenever shapes, dtypes, Python arguments or the Python state that it
    depends on change. Everything in it may be traced: forward, `.backward()`, the optimizer's step. Can be used as a
    decorator, with or without settings.

    Args:
        fn: the function; its arguments and results are tensors, numbers, strings, and tuples, lists and dicts of them.
        level: how far the graph is rewritten. "O0" replays the recorded calls, "O1" keeps every bit,
            "O2" does algebra: last bits may differ, overflow goes (see `teachgrad.passes`);
            "O3" fuses and compiles, and last bits may differ.
        executor: what runs it; see `tg.executors.available()`. If it is not given, "c" at level O3, else "numpy".
        plan: how memory is shared: "off", "inplace", "reuse" or "best".
        recompute: which values are not kept for their last readers, but computed again right before these, with the
            same bits: "sqrt" cuts the forward pass into √n segments of √n values and keeps what leaves them; a number
            of bytes, or text such as "64 MiB", is a budget for all values; a function of a vertex chooses, as
            `lambda v: v.op.name in ("tanh", "relu")`. `step.recompute.table()` shows what it costs.
        verify: check every op, rewrite, plan and program on the inputs of the call that traced it, and on later calls
            that the trace is not stale. What is wrong is named in a `VerificationError`. Slow: for looking for errors.
        on_python: what happens where Python decides by values (`if loss > 1:`, `float(x)`, `x[mask]`). "error" refuses;
            "guard" makes a program for each way that Python goes, looks at the values in every call, and traces the
            function again where they lead on a new way, for at most 16 of them. `step.summary()` lists them.
        threads: on how many cores generated C runs; if it is not given, on `tg.get_num_threads()`.
        dims: sizes that are left open, by parameter: `{"x": ("N", 784), "t": ("N",)}`. One trace then serves every N.
            For each axis a name, a number, or None for a size that is traced as it is; `...` for all axes that remain.
            "auto" leaves sizes open that have varied: the second size is traced again, a third is not.
    """
    if fn is None:
        return functools.partial(static, level=level, executor=executor, plan=plan, verify=verify, threads=threads,
                                 recompute=recompute, dims=dims, on_python=on_python)
    if isinstance(fn, StaticFunction):
        fn = fn.fn
    return StaticFunction(fn, level, executor or executors.default(level), plan, verify, threads, recompute, dims,
                          on_python)


def source(step: Any) -> str:
    """The program that a static function, or a function of placeholders, ran last: C or CUDA at level O3, else Python.

    Raises:
        TeachgradError: for what is neither; and for a function that has not run yet.
    """
    if not hasattr(step, "source"):
        called = getattr(step, "__name__", type(step).__name__)
        raise TeachgradError(f"{called} has no program of its own: it is no static function. Make it one, "
                             f"f = tg.static({called}), and call f before asking for its source")
    text: str = step.source
    return text
