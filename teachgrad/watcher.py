"""Watching a function while it is traced: what of the Python world it depends on, and what it does to it.

Python reports every call that the traced function makes (`sys.setprofile`). The code of each of the user's functions
names what it can reach: globals, closure variables, attributes. Before the code runs, the `World` makes each of these a
guard.

Guards that no longer hold after the trace show side effects, and calls that print, read a clock or start a thread are
seen as they happen: a static function would do these things once, while it is traced, and never again.
"""

from __future__ import annotations

import _thread
import builtins
import datetime
import dis
import io
import os
import re
import sys
import time
from collections.abc import Mapping
from types import BuiltinFunctionType, CodeType, FrameType
from typing import Any

from .errors import Site, TraceError
from .function import Call
from .progress import random_state
from .usercode import globals_of, is_users, names_in, users_site
from .world import World

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
READS_SOURCE = ("linecache.py", "tokenize.py", "<frozen importlib._bootstrap_external>")
"""Files of Python's library that open source files: to import, for tracebacks and for us."""
FILES = {getattr(os, name) for name in ("access", "getcwd", "listdir", "lstat", "open", "readlink", "remove", "rename",
                                        "replace", "rmdir", "mkdir", "scandir", "stat", "unlink", "utime")}
"""What asks for files or changes them without opening any."""
LOG = {"debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
OPAQUE = Call.run.__code__


class Watcher:
    """Follows the user's code while it is traced."""

    def __init__(self) -> None:
        self.world = World()
        """What the code depends on."""
        self.codes: set[tuple[int, int]] = set()
        self.entered: list[CodeType] = []
        """The code of the user's functions that ran, in the order in which they were first called."""
        self.outermost: FrameType | None = None
        self.returned: Site | None = None
        """Where the function itself returned."""
        self.local: set[int] = set()
        """Code of functions written inside those that ran: their closures are the traced function's own."""
        self.effects: list[tuple[str, str, Site]] = []
        """What the code did besides computing: the code of the refusal, what happened, where."""
        self.opaque: FrameType | None = None
        """A running `tg.Function`: it runs in every call, so it may do what it likes."""
        self.random = random_state()

    def __enter__(self) -> Watcher:
        self.before: Any = sys.getprofile()
        sys.setprofile(self.event)
        return self

    def __exit__(self, *_: Any) -> None:
        if self.before is None or callable(self.before):
            sys.setprofile(self.before)
        else:  # before Python 3.12 cProfile is found here as an object that only turns itself on
            sys.setprofile(None)
            self.before.enable()

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
            elif argument in THREADS:
                self.effects.append(("TG-S05", "a thread is started", users_site(frame)))
            elif frame.f_code.co_filename.endswith(READS_SOURCE):
                pass
            elif argument is builtins.open:
                self.effects.append(("TG-S05", "a file is opened", users_site(frame)))
            elif argument in FILES:
                what = f"the file system is asked with {argument.__name__}()"
                self.effects.append(("TG-S05", what, users_site(frame)))

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
        elif function in FILES:
            self.effects.append(("TG-S05", f"the file system is asked with {function.__name__}()", site))
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
            self.world.visit(getattr(os.environ, "_data", None), "the environment", site)

    def enter(self, code: CodeType, frame: FrameType) -> None:
        """A function of the user's runs: watch the globals and closure variables that its code names."""
        site = (code, 0)
        if (id(code), id(frame.f_globals)) not in self.codes:
            self.codes.add((id(code), id(frame.f_globals)))
            self.entered.append(code)
            names = names_in(code, self.local)
            self.world.mention(names)
            self.world.globals(frame.f_globals, globals_of(code), f"a global of {code.co_name}()", site)
        if id(code) not in self.local:
            for name in code.co_freevars:
                if name in frame.f_locals:
                    self.world.visit(frame.f_locals[name], f"the closure variable {name!r} of {code.co_name}()", site)

    # ---- the verdict -------------------------------------------------------------------------------------------------

    def complain(self, name: str) -> None:
        """Refuse a function that did more than compute: it would do that only once in static mode."""
        self.world.watch_absent()
        if self.effects:
            code, what, site = self.effects[0]
            raise TraceError.at(
                code, f"{what} inside {name}", site,
                "In static mode this happens while the function is traced, and not again.",
                "return the value and use it outside", 'run in dynamic mode: `with tg.mode("dynamic"):`')
        if random_state() != self.random:
            self.refuse_randomness(name, "NumPy's or Python's generator", self.line_of("random", "rand"))
        for guard in self.world.guards:
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


__all__ = ["Watcher"]
