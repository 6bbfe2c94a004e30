"""Say what works here, what does not, and what to do about it: one line for each capability.

Exits with 0 when the core works, whatever else is missing; with 1 when it does not.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import locale
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from .cache import cache_folder
from .extras import EXTRA_OF, how_to_install

State = Literal["ok", "missing", "broken"]

PYTHON = (3, 11)
NUMPY = (2, 0)
TEXTUAL = (8, 2)
TERMINAL = (80, 24)

GET_GRAPHVIZ = "install Graphviz (apt-get install graphviz, brew install graphviz)"
GET_COMPILER = "install a C compiler (apt-get install build-essential, xcode-select --install)"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one capability."""

    name: str
    state: State
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<9}{self.name:<11}{self.detail}"
        return f"{line}; {self.remedy}" if self.remedy else line


def python() -> Finding:
    detail = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < PYTHON:
        return Finding("python", "broken", detail, f"install Python {_dotted(PYTHON)} or newer")
    return Finding("python", "ok", detail)


def numpy() -> Finding:
    import numpy as np

    if _numbers(np.__version__) < NUMPY:
        return Finding("numpy", "broken", np.__version__, f'python -m pip install "numpy>={_dotted(NUMPY)}"')
    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    return Finding("numpy", "ok", f"{np.__version__} with {blas['name']} {blas['version']}")


def core() -> Finding:
    """The gradient of x*x at 3: the smallest thing that needs tensors, ops and backward."""
    import teachgrad as tg

    x = tg.tensor(3.0, requires_grad=True)
    (x * x).backward()
    gradient = x.grad.item() if x.grad is not None else None
    if gradient != 6.0:
        return Finding("core", "broken", f"d(x*x)/dx at 3 came out as {gradient}", "reinstall teachgrad")
    return Finding("core", "ok", "d(x*x)/dx at 3 is 6")


def textual() -> Finding:
    if find_spec("textual") is None:
        return Finding("textual", "missing", "screens print but do not open", how_to_install("textual"))
    importlib.import_module("textual.app")
    version = metadata.version("textual")
    if _numbers(version) < TEXTUAL:
        detail = f"{version} is older than {_dotted(TEXTUAL)}"
        return Finding("textual", "broken", detail, how_to_install("textual"))
    return Finding("textual", "ok", version)


def graphviz() -> Finding:
    if find_spec("graphviz") is None:
        return Finding("graphviz", "missing", "no DOT drawings of graphs", how_to_install("graphviz"))
    importlib.import_module("graphviz")
    return Finding("graphviz", "ok", metadata.version("graphviz"))


def dot() -> Finding:
    """The program that lays out what the graphviz module writes."""
    path = shutil.which("dot")
    if path is None:
        return Finding("dot", "missing", "DOT drawings become SVG or PNG only by pygraphviz", GET_GRAPHVIZ)
    answer = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=20, check=False)
    if answer.returncode != 0:
        return Finding("dot", "broken", f"{path} -V fails with status {answer.returncode}", GET_GRAPHVIZ)
    return Finding("dot", "ok", f"{answer.stderr.strip()} at {path}")


def serve() -> Finding:
    if find_spec("textual_serve") is None:
        return Finding("serve", "missing", "screens do not open in a browser", how_to_install("textual_serve"))
    return Finding("serve", "ok", metadata.version("textual-serve"))


def images() -> Finding:
    """What makes PNG of screens, and lays out DOT where there is no program `dot`."""
    missing = [name for name in ("resvg_py", "pygraphviz") if find_spec(name) is None]
    if missing:
        detail = f"{' and '.join(missing)} not installed: screens do not print as PNG" if "resvg_py" in missing else (
            "pygraphviz not installed: DOT drawings need the program dot")
        return Finding("images", "missing", detail, how_to_install(missing[0]))
    return Finding("images", "ok", f"resvg {metadata.version('resvg-py')}, Graphviz in pygraphviz")


def compiler() -> Finding:
    """Found means little: build a function, load it, call it."""
    named = os.environ.get("CC")
    path = next(filter(None, map(shutil.which, [named] if named else ["cc", "gcc", "clang"])), None)
    if path is None:
        wanted = f"CC={named} is not a program" if named else "generated C cannot be compiled"
        return Finding("compiler", "missing", wanted, GET_COMPILER)
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "answer.c"), Path(folder, "answer.so")
        source.write_text("double answer(double x) { return 2 * x; }\n")
        build = subprocess.run(
            [path, "-shared", "-fPIC", "-o", str(library), str(source)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if build.returncode != 0:
            reason = (build.stderr.strip().splitlines() or [f"status {build.returncode}"])[-1]
            return Finding("compiler", "broken", f"{path} cannot build a library: {reason}", GET_COMPILER)
        answer = ctypes.CDLL(str(library)).answer
        answer.restype, answer.argtypes = ctypes.c_double, [ctypes.c_double]
        if answer(21.0) != 42.0:
            return Finding("compiler", "broken", f"what {path} builds computes wrongly", GET_COMPILER)
    return Finding("compiler", "ok", path)


def level_o3() -> Finding:
    """What level O3 of static functions has here."""
    from .executors import c

    how, products = c.compiler(), c.blas()
    if how is None:
        return Finding("level_o3", "missing", "static functions of level O3 run on NumPy", GET_COMPILER)
    functions = "vector functions" if how.simd_math else "no vector functions"
    by = "products by C of its own"
    if products is not None and products.vector >= how.vector:
        by = f"products by {products.spelling.format('sgemm')}"
    return Finding("level_o3", "ok", f"generated C with {functions}, {by}; compiled programs in {c.cache_dir()}")


def cupy() -> Finding:
    if find_spec("cupy") is None:
        return Finding("cupy", "missing", "nothing runs on a GPU", how_to_install("cupy"))
    module = importlib.import_module("cupy")
    version = module.__version__
    if not module.cuda.is_available():
        return Finding("cupy", "missing", f"{version}, but no CUDA device", "needs an NVIDIA GPU and driver")
    device = module.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return Finding("cupy", "ok", f"{version} on {device}")


def devices() -> Finding:
    from . import devices as places
    from .errors import DeviceError

    found, missing = ["cpu"], []
    for name in sorted(places.others()):
        try:
            places.find(name)
        except DeviceError as error:
            missing.append(str(error).partition("\n")[0].rstrip("."))
        else:
            found.append(name)
    detail = "; ".join([f"tensors can live on {', '.join(found)}", *missing])
    emulated = "without a GPU, executor=\"emulated\" runs its kernels" if missing else ""
    return Finding("devices", "missing" if missing else "ok", detail, emulated)


def jupyter() -> Finding:
    needed = ("jupytext", "nbconvert", "nbclient", "ipykernel")
    if absent := [module for module in needed if find_spec(module) is None]:
        detail = f"no {', '.join(absent)}: lessons run as scripts only"
        return Finding("jupyter", "missing", detail, how_to_install(absent[0]))
    return Finding("jupyter", "ok", ", ".join(f"{module} {metadata.version(module)}" for module in needed))


def cache() -> Finding:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        detail = f"cannot write to {folder}: {error.strerror}"
        return Finding("cache", "broken", detail, "set TEACHGRAD_CACHE to a folder of yours")
    return Finding("cache", "ok", str(folder))


def terminal() -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.upper().replace("-", "") != "UTF8":
        detail = f"{encoding}: screens are drawn in ASCII"
        return Finding("terminal", "missing", detail, "set LANG=C.UTF-8 for line drawing")
    if not sys.stdout.isatty():
        return Finding("terminal", "ok", f"{encoding}, not a terminal: screens print as text")
    columns, lines = shutil.get_terminal_size()
    detail = f"{columns}x{lines}, {_colour()}, {encoding}"
    if columns < TERMINAL[0] or lines < TERMINAL[1]:
        return Finding("terminal", "missing", detail, f"screens want {TERMINAL[0]}x{TERMINAL[1]} or more")
    return Finding("terminal", "ok", detail)


def executors() -> Finding:
    names, failures = ["numpy (built in)"], []
    for entry in metadata.entry_points(group="teachgrad.executors"):
        try:
            entry.load()
        except Exception as error:
            failures.append(f"{entry.name} ({entry.value}): {_reason(error)}")
        else:
            names.append(f"{entry.name} ({entry.value.partition(':')[0]})")
    if failures:
        detail = f"{', '.join(names)}, but not {'; '.join(failures)}"
        return Finding("executors", "broken", detail, "reinstall or uninstall the package that registers it")
    return Finding("executors", "ok", ", ".join(names))


CORE: tuple[Callable[[], Finding], ...] = (python, numpy, core)
OTHERS: tuple[Callable[[], Finding], ...] = (
    textual,
    graphviz,
    dot,
    serve,
    images,
    compiler,
    level_o3,
    cupy,
    devices,
    jupyter,
    cache,
    terminal,
    executors,
)


def examine(check: Callable[[], Finding]) -> Finding:
    """Run one check. One that raises has found something broken: that is its answer, not the end."""
    try:
        return check()
    except Exception as error:
        name = check.__name__
        remedy = how_to_install(name) if name in EXTRA_OF or name == "numpy" else "reinstall teachgrad"
        return Finding(name, "broken", _reason(error), remedy)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON object")


def main(args: Namespace) -> int:
    findings = [examine(check) for check in CORE + OTHERS]
    works = all(finding.state == "ok" for finding in findings[: len(CORE)])
    if args.json:
        print(json.dumps({"works": works, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(*findings, sep="\n")
        print(f"\nThe core {'works' if works else 'does not work'}.")
    return 0 if works else 1


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (2, 4) of `2.4.0rc1`."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _colour() -> str:
    if os.environ.get("NO_COLOR"):
        return "no colour (NO_COLOR is set)"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256" in os.environ.get("TERM", "") else "16 colours"
