"""Watching a function while it is traced: what of the Python world it depends on, and what it does to it.

Python reports every call that the traced function makes (`sys.setprofile`). The code of each of the user's functions
names what it can reach: globals, closure variables, attributes. Each of these becomes a guard before the code runs. An
attribute is looked at when some code that runs names it, so a trainer that also holds a data set costs nothing.

Guards that no longer hold after the trace show side effects, and calls that print, read a clock or start a thread are
seen as they happen: a static function would do these things once, while it is traced, and never again.
"""

from __future__ import annotations

import _thread
import builtins
import contextvars
import datetime
import dis
import functools
import io
import os
import random
import re
import sys
import sysconfig
import time
import warnings
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from . import dtypes
from .errors import PACKAGE, Site, TraceError
from .function import Call
from .guards import PLAIN, Absent, Answer, Attribute, Contents, Elements, Entry, Guard, Progress, Shell, Variable
from .op import Op, Vertex
from .revision import Counted

LIBRARY = tuple({os.path.realpath(path) + os.sep for name, path in sysconfig.get_paths().items()
                 if name in ("stdlib", "platstdlib", "purelib", "platlib")})
CLOCKS = {
    time.time, time.perf_counter, time.monotonic, time.process_time, time.thread_time, time.time_ns,
    time.perf_counter_ns, time.monotonic_ns, time.process_time_ns, time.thread_time_ns, time.localtime, time.gmtime,
    time.ctime, datetime.datetime.now, datetime.datetime.utcnow, datetime.datetime.today, datetime.date.today,
}
THREADS = {getattr(_thread, name) for name in ("start_new_thread", "start_joinable_thread") if hasattr(_thread, name)}
WORKERS = ("concurrent/futures/_base.py", "concurrent/futures/thread.py", "concurrent/futures/process.py",
           "multiprocessing/pool.py", "multiprocessing/process.py", "asyncio/base_events.py")
"""Files of Python's library whose functions have others do work."""
ENVIRONMENT = {os.getenv.__code__, type(os.environ).__getitem__.__code__, Mapping.get.__code__}
READS_SOURCE = ("linecache.py", "tokenize.py")
"""Files of Python's library that open source files, for tracebacks and for us."""
LOG = {"debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
BY_ANY_NAME = {"getattr", "vars", "__dict__", "attrgetter", "asdict", "astuple", "fields", "eval", "exec", "globals",
               "locals", "__getattribute__", "getmembers", "dir", "__slots__", "copy", "deepcopy", "replace"}
"""Code that names one of these may reach attributes that it does not name."""
OPAQUE = Call.run.__code__
MOST = 50_000
"""No more objects than this are watched."""


class Watcher:
    """Follows the user's code while it is traced and collects guards."""

    def __init__(self) -> None:
        self.guards: list[Guard] = [Answer(dtypes.get_default_dtype, "the default dtype", None)]
        self.known: set[int] = set()
        """The identity of every object that is watched, and of every tensor that was met."""
        self.alive: list[Any] = []
        self.codes: set[tuple[int, int]] = set()
        self.entered: list[CodeType] = []
        """The code of the user's functions that ran, in the order in which they were first called."""
        self.outermost: FrameType | None = None
        self.returned: Site | None = None
        """Where the function itself returned."""
        self.local: set[int] = set()
        """Code of functions written inside those that ran: their closures are the traced function's own."""
        self.mentioned: set[str] = set()
        self.waiting: dict[str, list[Callable[[], None]]] = {}
        """What there is to watch once a name is mentioned."""
        self.spaces: list[tuple[Any, frozenset[str], str, Site | None]] = []
        """The attributes of the user's objects and classes, as dicts, and which of them there were."""
        self.effects: list[tuple[str, str, Site]] = []
        self.opaque: FrameType | None = None
        """A running `tg.Function`: it runs in every call, so it may do what it likes."""
        self.random = random_state()

    def __enter__(self) -> Watcher:
        self.before = sys.getprofile()
        sys.setprofile(self.event)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.setprofile(self.before)

    # ---- what happens ------------------------------------------------------------------------------------------------

    def event(self, frame: FrameType, event: str, argument: Any) -> None:
        """Python calls this at every call while the function is traced."""
        if self.opaque is not None:
            if event == "return" and frame is self.opaque:
                self.opaque = None
        elif event == "call":
            code = frame.f_code
            if code is OPAQUE:
                self.opaque = frame
            elif is_users(code):
                if self.outermost is None:
                    self.outermost = frame
                self.enter(code, frame)
            elif frame.f_back is not None and is_users(frame.f_back.f_code):
                self.library_call(code, frame.f_back)
        elif event == "return" and frame is self.outermost:
            self.returned = frame.f_code, frame.f_lasti
        elif event == "c_call":
            if is_users(frame.f_code):
                self.builtin_call(argument, frame)
            elif argument is os.urandom:
                self.effects.append(("TG-S06", "the system's source of random numbers is used", users_site(frame)))
            elif argument is builtins.open and not frame.f_code.co_filename.endswith(READS_SOURCE):
                self.effects.append(("TG-S05", "a file is opened", users_site(frame)))
            elif argument in THREADS:
                self.effects.append(("TG-S05", "a thread is started", users_site(frame)))

    def builtin_call(self, function: Any, frame: FrameType) -> None:
        """The user's code calls a function that is not written in Python."""
        site = (frame.f_code, frame.f_lasti)
        if function is builtins.print:
            self.effects.append(("TG-S05", "print() is called", site))
        elif function is builtins.open or function is builtins.input:
            self.effects.append(("TG-S05", f"{function.__name__}() is called", site))
        elif isinstance(getattr(function, "__self__", None), io.IOBase):
            self.effects.append(("TG-S05", f"{function.__name__}() of a file is called", site))
        elif function in THREADS:
            self.effects.append(("TG-S05", "a thread is started", site))
        elif function is os.urandom:
            self.effects.append(("TG-S06", "the system's source of random numbers is used", site))
        elif isinstance(function, BuiltinFunctionType) and function in CLOCKS:
            self.effects.append(("TG-S06", f"the clock is read with {function.__name__}()", site))

    def library_call(self, code: CodeType, caller: FrameType) -> None:
        """The user's code calls a function of Python's library or of an installed package."""
        site = (caller.f_code, caller.f_lasti)
        filename = code.co_filename.replace(os.sep, "/")
        if filename.endswith("logging/__init__.py") and code.co_name in LOG:
            self.effects.append(("TG-S05", f"{code.co_name}() of logging is called", site))
        elif filename.endswith(WORKERS):
            self.effects.append(("TG-S05", f"work is handed to another thread or process with {code.co_name}()", site))
        elif code in ENVIRONMENT:
            self.visit(getattr(os.environ, "_data", None), "the environment", site)

    def enter(self, code: CodeType, frame: FrameType) -> None:
        """A function of the user's runs: watch the globals and closure variables that its code names."""
        site = (code, 0)
        if (id(code), id(frame.f_globals)) not in self.codes:
            self.codes.add((id(code), id(frame.f_globals)))
            self.entered.append(code)
            names = names_in(code, self.local)
            self.mention(names)
            self.globals(frame.f_globals, globals_of(code), f"a global of {code.co_name}()", site)
        if id(code) not in self.local:
            for name in code.co_freevars:
                if name in frame.f_locals:
                    self.visit(frame.f_locals[name], f"the closure variable {name!r} of {code.co_name}()", site)

    def globals(self, space: dict[str, Any], names: Iterable[str], what: str, site: Site) -> None:
        """Watch globals."""
        if not {"globals", "eval", "exec"}.isdisjoint(names):
            names = [name for name, value in space.items() if not isinstance(value, (ModuleType, type, FunctionType))]
        absent = frozenset(name for name in names if name not in space)
        if absent:
            self.guards.append(Absent(space, absent, what, site))
        for name in names:
            if name in space:
                self.guards.append(Entry(space, name, f"{what}, {name!r},", site))
                self.visit(space[name], f"{what}, {name!r},", site)

    def mention(self, names: Iterable[str]) -> None:
        """Code that names these is about to run: watch what waits for the names."""
        fresh = [name for name in names if name not in self.mentioned]
        self.mentioned.update(fresh)
        if not BY_ANY_NAME.isdisjoint(fresh):
            fresh = list(self.waiting)
        for name in fresh:
            for watch in self.waiting.pop(name, ()):
                watch()

    def when_mentioned(self, name: str, watch: Callable[[], None]) -> None:
        """Watch something now if code that ran names it, or else as soon as some does."""
        if name in self.mentioned or not BY_ANY_NAME.isdisjoint(self.mentioned):
            watch()
        else:
            self.waiting.setdefault(name, []).append(watch)

    # ---- what is reached ---------------------------------------------------------------------------------------------

    def visit(self, value: Any, what: str, site: Site | None, counted: bool = False) -> None:
        """Watch what is inside a value: elements of containers, attributes of objects."""
        if isinstance(value, (*PLAIN, Op)) or id(value) in self.known:
            return
        self.known.add(id(value))
        self.alive.append(value)
        if len(self.alive) > MOST:
            raise TraceError.at("TG-S05", f"{what} reaches more than {MOST} Python objects", site or self.returned,
                                "That is too many to watch.", "give the function what it needs as arguments")
        if isinstance(value, Vertex):
            if not isinstance(value._data, np.ndarray):
                return
            self.guards.append(Shell(value, what, site))
            self.visit(value.hooks, f"the hooks of {what}", site)
            return
        if isinstance(value, (dict, list, set, deque)):
            self.guards.append(Elements(value, what, site))
            self.guards[-1].counted = counted
        if isinstance(value, dict):
            for item in list(value.values()):
                self.visit(item, what, site, counted)
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            for item in list(value):
                self.visit(item, what, site, counted)
        elif isinstance(value, np.ndarray):
            self.array(value, what, site)
        elif isinstance(value, (bytearray, array)):
            self.guards.append(Contents(memoryview(value), what, site))
        elif isinstance(value, (weakref.ref, contextvars.ContextVar)):
            ask = value if isinstance(value, weakref.ref) else functools.partial(value.get, None)
            self.guards.append(Answer(ask, what, site))
            self.visit(ask(), what, site)
        elif isinstance(value, (FunctionType, MethodType, functools.partial, BuiltinFunctionType, property,
                                staticmethod, classmethod)):
            self.callable(value, what, site)
        elif isinstance(value, (ModuleType, type)):
            self.module_or_class(value, what, site)
            return
        elif not self.progress(value, what, site):
            self.object(value, what, site)
            return
        if type(value) not in (dict, list, set, tuple, frozenset, deque, FunctionType):
            self.attributes(value, what, site)

    def array(self, value: Any, what: str, site: Site | None) -> None:
        """Watch the contents of a NumPy array, if they can change."""
        base = value
        while isinstance(base, np.ndarray) and not base.flags.writeable:
            base = base.base
        if base is not None:
            self.guards.append(Contents(value, what, site))

    def callable(self, value: Any, what: str, site: Site | None) -> None:
        """Watch what a function carries with it: closure, defaults, attributes, the object it is bound to."""
        if isinstance(value, (MethodType, BuiltinFunctionType)):
            self.visit(value.__self__, what, site)
        if isinstance(value, (MethodType, staticmethod, classmethod)):
            self.visit(value.__func__, what, site)
        elif isinstance(value, (functools.partial, property)):
            names = ("func", "args", "keywords") if isinstance(value, functools.partial) else ("fget", "fset")
            for name in names:
                self.visit(getattr(value, name), what, site)
        elif isinstance(value, FunctionType) and is_users(value.__code__):
            self.function(value)

    def function(self, function: FunctionType) -> None:
        """Watch a function of the user's."""
        code = function.__code__
        site, name = (code, 0), f"{code.co_name}()"
        for attribute in ("__code__", "__defaults__", "__kwdefaults__"):
            self.guards.append(Attribute(function, attribute, f"{attribute.strip('_')} of {name}", site))
            if attribute != "__code__":
                self.visit(getattr(function, attribute), f"a default of {name}", site)
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            what = f"the closure variable {variable!r} of {name}"
            self.guards.append(Variable(cell, what, site))
            self.visit(cell.cell_contents, what, site)
        self.attributes(function, name, site)

    def module_or_class(self, value: Any, what: str, site: Site | None) -> None:
        """Watch what the code names of a module or class of the user's."""
        module = value if isinstance(value, ModuleType) else sys.modules.get(value.__module__)
        if not is_users_module(module):
            return
        space = vars(value)
        if isinstance(value, type):
            self.spaces.append((space, frozenset(space), f"an attribute of the class {value.__name__}", site))
        for name in list(space):
            if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__builtins__"):
                continue
            self.when_mentioned(name, functools.partial(self.entry, space, name, f"{name!r} of {value.__name__}", site))
            unnamed = name.startswith("__") or name == "forward"  # called by Python or `nn.Module`, not by the code
            if isinstance(value, type) and unnamed and isinstance(space[name], FunctionType):
                self.entry(space, name, f"{name!r} of {value.__name__}", site)
        if isinstance(value, type):
            for base in value.__mro__[1:]:
                self.visit(base, what, site)

    def object(self, value: Any, what: str, site: Site | None) -> None:
        """Watch the attributes of an object, those that the code names. Of teachgrad's own objects watch all."""
        cls = type(value)
        if getattr(cls, "__watched__", None) is not None:
            for name in cls.__watched__:
                self.visit(getattr(value, name), what, site)
            return
        self.visit(cls, what, site)
        self.attributes(value, what, site)
        for base in cls.__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else tuple(slots):
                if hasattr(value, name) and name not in ("__dict__", "__weakref__"):
                    self.when_mentioned(name, functools.partial(self.slot, value, name, site))

    def attributes(self, value: Any, what: str, site: Site | None) -> None:
        """Watch the attributes in the `__dict__` of an object."""
        space = getattr(value, "__dict__", None)
        if type(space) is not dict:
            return
        cls = type(value)
        if cls.__module__.split(".")[0] == "teachgrad" or isinstance(value, Counted):
            self.guards.append(Elements(space, f"an attribute of {cls.__name__}", site))
            self.guards[-1].counted = isinstance(value, Counted)
            for name, item in list(space.items()):
                counted = isinstance(value, Counted) and name in value.contents
                self.visit(item, f"{name!r} of {cls.__name__}", site, counted)
            return
        if not isinstance(value, (type, ModuleType)):
            self.guards.append(Attribute(value, "__class__", f"the class of a {cls.__name__}", site))
        self.spaces.append((space, frozenset(space), f"an attribute of {cls.__name__}", site))
        for name in list(space):
            where = f"{name!r} of {what if isinstance(value, FunctionType) else cls.__name__}"
            self.when_mentioned(name, functools.partial(self.entry, space, name, where, site))

    def entry(self, space: Any, name: str, what: str, site: Site | None) -> None:
        """Watch one attribute that lies in a dict."""
        self.guards.append(Entry(space, name, what, site))
        self.visit(space[name], what, site)

    def slot(self, value: Any, name: str, site: Site | None) -> None:
        """Watch one attribute that lies in a slot."""
        what = f"{name!r} of {type(value).__name__}"
        self.guards.append(Attribute(value, name, what, site))
        self.visit(getattr(value, name), what, site)

    def progress(self, value: Any, what: str, site: Site | None) -> bool:
        """Watch how far something has got that moves on as it is used; whether `value` is such a thing."""
        if isinstance(value, (np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random)):
            ask = functools.partial(state_of_generator, value)
            self.guards.append(Progress(ask, f"{what} (a random number generator)", site, random=True))
            return True
        if isinstance(value, (Iterator, io.IOBase)) and not is_users_module(sys.modules.get(type(value).__module__)):
            ask = functools.partial(position_of, value)
            self.guards.append(Progress(ask, f"{what} (a {type(value).__name__})", site))
            return True
        return False

    # ---- the verdict -------------------------------------------------------------------------------------------------

    def miss(self) -> None:
        """Watch that names which the code mentions, and which were not found in an object, do not turn up there."""
        for space, present, what, site in self.spaces:
            absent = frozenset(self.mentioned - present)
            if absent:
                self.guards.append(Absent(space, absent, what, site))
        self.spaces.clear()

    def complain(self, name: str) -> None:
        """Refuse a function that did more than compute: it would do that only once in static mode."""
        self.miss()
        if self.effects:
            code, what, site = self.effects[0]
            raise TraceError.at(
                code, f"{what} inside {name}", site,
                "In static mode this happens while the function is traced, and not again.",
                "return the value and use it outside", 'run in dynamic mode: `with tg.mode("dynamic"):`')
        if random_state() != self.random:
            self.refuse_randomness(name, "NumPy's or Python's generator", self.line_of("random", "rand"))
        for guard in self.guards:
            if not guard.holds():
                names = re.findall(r"'(\w+)'", guard.what)
                place = self.line_of(*names) or guard.where or self.returned
                if guard.random:
                    self.refuse_randomness(name, guard.what, place)
                raise TraceError.at(
                    "TG-S05", f"{name} changes {guard.what} while it runs", place,
                    "In static mode that would happen once, while it is traced.", "return the value instead",
                    "keep numbers that change in a tensor, which becomes part of the graph")

    @staticmethod
    def refuse_randomness(name: str, source: str, site: Site | None) -> None:
        """Numbers that no graph can draw were drawn."""
        raise TraceError.at(
            "TG-S06", f"{name} draws random numbers from {source}", site,
            "In static mode they would be drawn once and frozen.",
            "tg.random, whose numbers are part of the graph", "draw outside and pass them as an argument")

    def line_of(self, *names: str) -> Site | None:
        """Where the code that ran changes something of one of these names, or at least mentions it."""
        steps = [(code, step) for code in self.entered for step in dis.get_instructions(code)
                 if step.argval in names and not step.opname.endswith("_FAST")]
        steps.sort(key=lambda found: not found[1].opname.startswith(("STORE_", "DELETE_")))
        return next(((code, step.offset) for code, step in steps if step.opname != "LOAD_CONST"), None)


def names_in(code: CodeType, inner: set[int]) -> tuple[str, ...]:
    """All names that the code of a function mentions, as names or strings, including functions written inside it.

    The identities of the code objects of those functions are added to `inner`.
    """
    found = list(code.co_names)
    constants = list(code.co_consts)
    while constants:
        constant = constants.pop()
        if isinstance(constant, str):
            found += [part for part in constant.split(".") if part.isidentifier()]
        elif isinstance(constant, tuple):
            constants += constant
        elif isinstance(constant, CodeType):
            inner.add(id(constant))
            found += names_in(constant, inner)
    return tuple(dict.fromkeys(found))


def globals_of(code: CodeType) -> list[str]:
    """The names that the code of a function looks for among the globals, and then among Python's own."""
    loads = (step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return list(dict.fromkeys(loads))


def is_users_file(filename: str | None) -> bool:
    """Whether a file is neither of Python's library, nor installed, nor of this package."""
    if not filename or filename.startswith((PACKAGE, "<frozen")):
        return False
    return not os.path.realpath(filename).startswith(LIBRARY)


def is_users_module(module: ModuleType | None) -> bool:
    """Whether a module is the user's: a file of theirs, or made on the fly, as in a notebook."""
    if module is None:
        return False
    filename = getattr(module, "__file__", None)
    if filename:
        return is_users_file(filename)
    return getattr(getattr(module, "__spec__", None), "origin", None) is None


_users: dict[str, bool] = {}


def is_users(code: CodeType) -> bool:
    """Whether code is the user's own."""
    answer = _users.get(code.co_filename)
    if answer is None:
        answer = _users[code.co_filename] = is_users_file(code.co_filename)
    return answer


def users_site(frame: FrameType) -> Site:
    """The user's line from which library code in `frame` was called."""
    here: FrameType | None = frame
    while here is not None and not is_users(here.f_code):
        here = here.f_back
    here = here or frame
    return here.f_code, here.f_lasti


def random_state() -> Any:
    """The state of the global random number generators of Python and NumPy."""
    legacy = np.random.get_state()  # noqa: NPY002  (we do not use it; the user may)
    return random.getstate(), legacy[1].tobytes(), legacy[2:]  # type: ignore[index]


def state_of_generator(generator: Any) -> str:
    """Where a random number generator is."""
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    bits = generator if isinstance(generator, np.random.BitGenerator) else getattr(generator, "bit_generator", None)
    with np.printoptions(threshold=sys.maxsize):
        return repr(bits.state if bits is not None else generator.get_state())


def position_of(iterator: Any) -> Any:
    """How far an iterator or a file has got, as something to compare."""
    if isinstance(iterator, GeneratorType):
        frame = iterator.gi_frame
        return None if frame is None else (frame.f_lasti, *map(position_part, frame.f_locals.values()))
    if isinstance(iterator, io.IOBase):
        try:
            return iterator.tell()
        except (OSError, ValueError):
            return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(map(position_part, iterator.__reduce__()))
    except TypeError:
        return repr(iterator)


def position_part(value: Any) -> Any:
    """One thing that an iterator keeps: numbers by value, iterators by where they are, others by identity."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple):
        return tuple(map(position_part, value))
    return position_of(value) if isinstance(value, Iterator) else id(value)


__all__ = ["Watcher", "is_users_file"]
