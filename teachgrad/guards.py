"""What a traced function depends on besides its arguments, and whether it is still the same.

While a function is traced, the Python code that runs is watched: which functions of the user's are called, which
globals and closure variables they name. Numbers, strings, lists, modules and objects that they reach become guards;
before each call the guards are compared with the present, in a few microseconds, and a change means a new trace. The
same comparison right after the trace finds side effects: a function that changes Python state while it runs would do
so only once in static mode.
"""

from __future__ import annotations

import builtins
import os
import random
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable
from math import copysign
from operator import is_, itemgetter
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from .errors import PACKAGE, TraceError, Where, locate
from .op import Op, Vertex
from .revision import Counted
from .trace import shown

LIBRARY = tuple({os.path.realpath(path) + os.sep for key, path in sysconfig.get_paths().items() if key in ("stdlib", "platstdlib", "purelib", "platlib")})
PLAIN = (int, float, complex, str, bytes, bool, type(None), np.dtype, np.generic, range, slice)
CLOCK = {time.time, time.perf_counter, time.monotonic, time.time_ns, time.perf_counter_ns, time.monotonic_ns}
MOST = 50_000
"""No more values than this are watched."""
GENERATOR = " (a random number generator)"


Path = tuple[str, ...]
"""The attributes through which a value was reached, from an object of the user's own class."""


class Guard:
    """A value, as anything that can be compared, and what it was."""

    counted = False
    """Whether every change of the value is counted in `revision`, so that the guard is needed only when that moves."""

    def __init__(self, fetch: Callable[[], Any], what: str, where: Any = None, path: Path = ()) -> None:
        self.fetch, self.what, self.where, self.path = fetch, what, where, path
        self.expected = fetch()

    def holds(self) -> bool:
        """Whether the value is still what it was."""
        try:
            return bool(self.fetch() == self.expected)
        except Exception:  # noqa: BLE001  (a name that is gone, or objects that cannot be compared, count as changed)
            return False


class ValuesGuard(Guard):
    """Several values at once: the same objects, or numbers, strings and the like of equal type and value."""

    def holds(self) -> bool:
        try:
            values = tuple(self.fetch())
        except (KeyError, AttributeError, ValueError):
            return False
        expected = self.expected
        return len(values) == len(expected) and (all(map(is_, values, expected)) or all(map(alike, values, expected)))

    def __init__(self, fetch: Callable[[], Any], what: str, where: Any = None, path: Path = ()) -> None:
        super().__init__(fetch, what, where, path)
        self.expected = tuple(self.expected)


def alike(a: Any, b: Any) -> bool:
    """Whether two values mean the same to a program: one object, or equal plain values of one type."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, PLAIN):
        return a == b and not (isinstance(a, float) and copysign(1.0, a) != copysign(1.0, b))
    return isinstance(a, MethodType) and a.__func__ is b.__func__ and a.__self__ is b.__self__


class ArrayGuard(Guard):
    """The contents of a NumPy array."""

    def __init__(self, array: Any, what: str, where: Any = None, path: Path = ()) -> None:
        super().__init__(array.copy, what, where, path)
        self.array = array

    def holds(self) -> bool:
        return self.array.shape == self.expected.shape and self.array.tobytes() == self.expected.tobytes()


class Watcher:
    """Follows the user's code while it is traced and collects guards."""

    def __init__(self) -> None:
        self.guards: list[Guard] = []
        self.known: set[int] = set()
        self.alive: list[Any] = []
        self.codes: set[tuple[int, int]] = set()
        self.mentioned: set[str] = set()
        self.effects: list[tuple[str, str, Any]] = []
        self.random = random_state()

    def __enter__(self) -> Watcher:
        self.before = sys.getprofile()
        sys.setprofile(self.event)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.setprofile(self.before)

    def event(self, frame: FrameType, event: str, argument: Any) -> None:
        """Python calls this at every call while the function is traced."""
        if event == "call":
            code = frame.f_code
            if is_users(code):
                self.enter(code, frame)
        elif event == "c_call" and isinstance(argument, BuiltinFunctionType) and is_users(frame.f_code):
            site = (frame.f_code, frame.f_lasti)
            if argument is builtins.print:
                self.effects.append(("TG-S05", "print() is called", site))
            elif argument is builtins.open or argument is builtins.input:
                self.effects.append(("TG-S05", f"{argument.__name__}() is called", site))
            elif argument in CLOCK:
                self.effects.append(("TG-S06", f"the clock is read with time.{argument.__name__}()", site))

    def enter(self, code: CodeType, frame: FrameType) -> None:
        """A function of the user's runs: watch the globals and closure variables that its code names."""
        site = (code, 0)
        if (id(code), id(frame.f_globals)) not in self.codes:
            self.codes.add((id(code), id(frame.f_globals)))
            mentioned = names_in(code)
            self.mentioned.update(mentioned)
            self.watch_names(frame.f_globals, mentioned, f"a global of {code.co_name}()", site)
        for name in code.co_freevars:
            if name in frame.f_locals:
                self.visit(frame.f_locals[name], f"the closure variable {name!r} of {code.co_name}()", site)

    def function(self, function: Any) -> None:
        """Watch a function's closure cells, defaults, and the object that a method is bound to."""
        if isinstance(function, MethodType):
            self.visit(function.__self__, f"the object of {function.__name__}()", None)
            function = function.__func__
        if not isinstance(function, FunctionType):
            self.visit(function, f"the object {type(function).__name__}", None)
            return
        code = function.__code__
        cells = function.__closure__ or ()
        what = f"a closure variable of {code.co_name}() ({', '.join(code.co_freevars)})" if cells else f"the function {code.co_name}()"
        self.guards.append(ValuesGuard(
            lambda: [function.__code__, *(function.__defaults__ or ()), *[cell.cell_contents for cell in cells]], what, (code, 0)))
        for name, cell in zip(code.co_freevars, cells, strict=True):
            self.visit(cell.cell_contents, f"the closure variable {name!r}", (code, 0))

    def watch_names(self, space: dict[str, Any], wanted: Iterable[str], what: str, site: Any) -> None:
        """Watch those of the wanted names that a namespace has."""
        names = [name for name in wanted if name in space and not isinstance(space[name], ModuleType)]
        if names:
            get = itemgetter(*names, names[0])  # one name twice, so that the answer is always a tuple
            self.guards.append(ValuesGuard(lambda: get(space), f"{what} ({', '.join(names)})", site))
        for name in names:
            self.visit(space[name], f"{what}, {name!r}", site)
        for name in wanted:
            module = space.get(name)
            if isinstance(module, ModuleType) and is_users_file(getattr(module, "__file__", None)) and id(module) not in self.known:
                self.known.add(id(module))
                self.watch_names(vars(module), [n for n in wanted if n in vars(module)], f"the module {name}", site)

    def visit(self, value: Any, what: str, site: Any, path: Path = (), counted: bool = False) -> None:
        """Watch what is inside a value: elements of containers, attributes of objects."""
        if isinstance(value, (*PLAIN, type, ModuleType, Op, BuiltinFunctionType)) or id(value) in self.known:
            return
        self.known.add(id(value))
        self.alive.append(value)
        if len(self.alive) > MOST:
            raise TraceError("TG-S05", f"{what} reaches more than {MOST} Python objects, too many to watch for changes.\n"
                             "Way out: give the function what it needs as arguments.")
        if isinstance(value, Vertex):
            return
        if isinstance(value, np.ndarray):
            self.guards.append(ArrayGuard(value, what, site, path))
        elif isinstance(value, np.random.Generator):
            self.guards.append(Guard(lambda: repr(value.bit_generator.state), what + GENERATOR, site, path))
        elif isinstance(value, dict):
            self.guards.append(ValuesGuard(lambda: (*value, *value.values()), what, site, path))
            self.guards[-1].counted = counted
            for item in list(value.values()):
                self.visit(item, what, site, path, counted)
        elif isinstance(value, (list, tuple)):
            if isinstance(value, list):
                self.guards.append(ValuesGuard(lambda: value, what, site, path))
                self.guards[-1].counted = counted
            for item in value:
                self.visit(item, what, site, path, counted)
        elif isinstance(value, (set, frozenset)):
            self.guards.append(Guard(lambda: set(value), what, site, path))
        elif isinstance(value, (FunctionType, MethodType)):
            if is_users(getattr(value, "__code__", None)):
                self.function(value)
        else:
            self.visit_object(value, site, path)

    def visit_object(self, value: Any, site: Any, path: Path) -> None:
        """Watch the attributes of an object, if its class is the user's or teachgrad's."""
        cls = type(value)
        ours = any(base.__module__.split(".")[0] == "teachgrad" for base in cls.__mro__)
        users = [base for base in cls.__mro__ if is_users_file(getattr(sys.modules.get(base.__module__), "__file__", None))]
        space = getattr(value, "__dict__", None)
        if not isinstance(space, dict) or not (ours or users):
            return
        what = f"an attribute of {cls.__name__}"
        if ours:
            self.guards.append(ValuesGuard(lambda: (*space, *space.values()), what, site, path))
            self.guards[-1].counted = isinstance(value, Counted)
        for name, item in list(space.items()):
            inside = path if ours else (*path, name)
            if not ours:
                self.guards.append(ValuesGuard(lambda name=name: (space[name],), f"{what}, {name!r},", site, inside))
            self.visit(item, f"{what}, {name!r},", site, inside, isinstance(value, Counted) and name in value.contents)
        for base in users:
            if id(base) not in self.known:
                self.known.add(id(base))
                self.alive.append(base)
                for name, item in list(vars(base).items()):
                    if not name.startswith("__"):
                        self.guards.append(ValuesGuard(lambda base=base, name=name: (vars(base)[name],), f"the attribute {name!r} of class "
                                                       f"{base.__name__}", site, (name,)))
                        if not isinstance(item, (FunctionType, property, staticmethod, classmethod)):
                            self.visit(item, f"the class {base.__name__}", site, (name,))

    def needed(self) -> list[Guard]:
        """The guards on what the code mentions: attributes of the user's objects that it never names do not matter."""
        return [guard for guard in self.guards if all(name in self.mentioned for name in guard.path)]

    def complain(self, name: str) -> None:
        """Refuse a function that did more than compute: it would do that only once in static mode."""
        if self.effects:
            code, what, site = self.effects[0]
            raise TraceError(code, f"{what} inside {name}\n{shown(site)}\nIn static mode this happens while the function is traced, "
                             "and not again.\nWays out: return the value and use it outside; or run in dynamic mode.")
        if random_state() != self.random:
            raise TraceError("TG-S06", f"{name} draws random numbers from NumPy's or Python's generator; in static mode they would be "
                             "drawn once and frozen.\nWays out: tg.random, whose numbers are part of the graph; or draw outside and "
                             "pass them as an argument.")
        for guard in self.needed():
            if not guard.holds():
                if GENERATOR in guard.what:
                    raise TraceError("TG-S06", f"{name} draws random numbers from {guard.what}; in static mode they would be drawn once "
                                     "and frozen.\nWays out: tg.random, whose numbers are part of the graph; or pass them as an argument.")
                where: Where | None = locate(guard.where)
                raise TraceError("TG-S05", f"{name} changes {guard.what} while it runs" + (f" ({where})" if where else "") +
                                 "; in static mode that would happen once, while it is traced.\nWays out: return the value instead; "
                                 "or keep numbers that change in a tensor, which becomes part of the graph.")


def names_in(code: CodeType) -> tuple[str, ...]:
    """All names that the code of a function mentions, as names or strings, including functions written inside it."""
    found = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, str) and constant.isidentifier():
            found.append(constant)
        if isinstance(constant, CodeType):
            found += names_in(constant)
    return tuple(dict.fromkeys(found))


def is_users_file(filename: str | None) -> bool:
    """Whether a file is neither of Python's library, nor installed, nor of this package."""
    if not filename or filename.startswith(PACKAGE) or filename.startswith("<frozen"):
        return False
    return not os.path.realpath(filename).startswith(LIBRARY)


_users: dict[str, bool] = {}


def is_users(code: CodeType | None) -> bool:
    """Whether code is the user's own."""
    if code is None:
        return False
    answer = _users.get(code.co_filename)
    if answer is None:
        answer = _users[code.co_filename] = is_users_file(code.co_filename)
    return answer


def random_state() -> Any:
    """The state of the global random number generators of Python and NumPy."""
    legacy = np.random.get_state()
    return random.getstate(), legacy[1].tobytes(), legacy[2:]  # type: ignore[index]
