"""The Python world that a function depends on: globals, closure variables, elements of containers, attributes.

Each value that the function can reach becomes a guard. An attribute is looked at when some code that runs names it, so
a trainer that also holds a data set costs nothing.
"""

from __future__ import annotations

import contextvars
import functools
import io
import random
import sys
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from . import dtypes
from .errors import Site, TraceError
from .guards import PLAIN, Absent, Answer, Attribute, Contents, Elements, Entry, Guard, Progress, Shell, Variable
from .op import Op, Spec, Vertex
from .progress import position_of, state_of_generator
from .revision import Counted
from .usercode import is_users, is_users_module

BY_ANY_NAME = {"getattr", "vars", "__dict__", "attrgetter", "asdict", "astuple", "fields", "eval", "exec", "globals",
               "locals", "__getattribute__", "getmembers", "dir", "__slots__", "copy", "deepcopy", "replace"}
"""Code that names one of these may reach attributes that it does not name."""
MOST = 50_000
"""No more objects than this are watched."""


class World:
    """Collects guards for all that is reached from what is visited."""

    def __init__(self) -> None:
        self.guards: list[Guard] = [Answer(dtypes.get_default_dtype, "the default dtype", None)]
        self.known: set[int] = set()
        """The identity of every object that is watched, and of every tensor that was met."""
        self.alive: list[Any] = []
        self.mentioned: set[str] = set()
        self.waiting: dict[str, list[Callable[[], None]]] = {}
        """What there is to watch once a name is mentioned."""
        self.spaces: list[tuple[Any, frozenset[str], str, Site | None]] = []
        """The attributes of the user's objects and classes, as dicts, and which of them there were."""

    # ---- names -------------------------------------------------------------------------------------------------------

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

    def watch_absent(self) -> None:
        """Watch that names which the code mentions, and which were not found in an object, do not turn up there."""
        for space, present, what, site in self.spaces:
            absent = frozenset(self.mentioned - present)
            if absent:
                self.guards.append(Absent(space, absent, what, site))
        self.spaces.clear()

    # ---- what is reached ---------------------------------------------------------------------------------------------

    def visit(self, value: Any, what: str, site: Site | None, counted: bool = False) -> None:
        """Watch what is inside a value: elements of containers, attributes of objects."""
        if isinstance(value, (*PLAIN, Op)) or id(value) in self.known:
            return
        self.known.add(id(value))
        self.alive.append(value)
        if len(self.alive) > MOST:
            raise TraceError.at("TG-S05", f"{what} reaches more than {MOST} Python objects", site,
                                "That is too many to watch.", "give the function what it needs as arguments")
        if isinstance(value, Vertex):
            if type(value._data) is Spec or type(value._data) is tuple:
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


__all__ = ["World"]
