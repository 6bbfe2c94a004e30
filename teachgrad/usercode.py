"""Whose code it is: the user's, Python's library's or ours; and which names the user's code mentions."""

from __future__ import annotations

import dis
import os
import sysconfig
from types import CodeType, FrameType, ModuleType

from .errors import PACKAGE, Site

LIBRARY = tuple({os.path.realpath(path) + os.sep for name, path in sysconfig.get_paths().items()
                 if name in ("stdlib", "platstdlib", "purelib", "platlib")})


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


__all__ = ["globals_of", "is_users", "is_users_file", "is_users_module", "names_in", "users_site"]
