"""Building kernels and the worker, and a cache of both.

A library lies in the cache under a hash of all it was made from (source, options, headers, compiler, processor) and one
of its own bytes; it is written elsewhere and renamed into place, so whoever finds it finds it whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from teachgrad.cache import cache_folder
from teachgrad.executors.c.compiler import digest, digest_of, processor, remove_stale

from .errors import CompileError, EmulatorError
from .source import Prepared

RUNTIME = Path(__file__).parent / "runtime"
NAMES = ("c++", "g++", "clang++")
PATIENCE = 300
"""Seconds after which a compiler is given up."""
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-threadsafe-statics", "-fno-strict-aliasing",
         "-fwrapv", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fstack-clash-protection", "-w",
         "-fno-plt",  # a stub between a kernel and what it calls has no line
         "-g1", "-gdwarf-4")  # addr2line takes files for each other in what clang writes of DWARF 5
CHECKING = ("-Og", "-fsanitize=thread", "-fsanitize-coverage=trace-pc", "-fno-omit-frame-pointer", "-DTG_CHECKED",
            "-fno-elide-constructors")  # else GCC does not watch objects that are passed, or assigned from a call
VOLATILE = {"gcc": ("--param=tsan-distinguish-volatile=1", "-fno-section-anchors"),
            "clang": ("-mllvm", "-tsan-distinguish-volatile=1")}


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: how it is called, what it says of itself, whether it compiles for the very machine it runs on."""

    command: tuple[str, ...]
    version: str
    native: tuple[str, ...]


def command() -> tuple[str, ...] | None:
    """The C++ compiler to call: $CXX, else c++, g++ or clang++, else None."""
    named = os.environ.get("CXX")
    for words in ([named.split()] if named else [[name] for name in NAMES]):
        path = shutil.which(words[0])
        if path is not None:
            return (path, *words[1:])
    return None


def compiler() -> Compiler:
    """The compiler that is there, or `EmulatorError`."""
    if os.name == "nt":
        raise EmulatorError("the emulator runs on Linux and macOS; on Windows, use it in WSL")
    call = command()
    found = None if call is None else _examined(call)
    if found is None:
        raise EmulatorError("the emulator compiles kernels with a C++ compiler, and there is none here; install g++ or "
                            "clang++, or name one in CXX")
    return found


@functools.cache
def _examined(call: tuple[str, ...]) -> Compiler | None:
    try:
        answer = subprocess.run([*call, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        if answer.returncode:
            return None
        native = subprocess.run([*call, "-march=native", "-E", "-x", "c++", os.devnull], capture_output=True,
                                timeout=PATIENCE, check=False).returncode == 0  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Compiler(call, answer.stdout.partition("\n")[0], ("-march=native",) if native else ())


@functools.cache
def runtime_digest() -> str:
    """A hash of the runtime, headers and worker."""
    files = sorted([*RUNTIME.rglob("*.h"), *RUNTIME.rglob("*.cpp")])
    return digest(*(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in files))


def cache_dir() -> Path:
    """Where libraries and the worker are kept; it need not exist."""
    return cache_folder() / "emulator"


def compile_options(options: tuple[str, ...]) -> tuple[str, ...]:
    """Those options, meant for NVRTC or nvcc, that mean something to a C++ compiler: defines, folders, the standard."""
    kept, rest = [], list(options)
    while rest:
        option = rest.pop(0)
        if option in ("-D", "-I", "-U", "--define-macro", "--include-path") and rest:
            kept.append({"--define-macro": "-D", "--include-path": "-I"}.get(option, option) + rest.pop(0))
        elif match := re.match(r"--(define-macro|include-path|undefine-macro)=(.*)", option):
            kept.append({"define-macro": "-D", "include-path": "-I", "undefine-macro": "-U"}[match[1]] + match[2])
        elif option.startswith(("-D", "-I", "-U")):
            kept.append(option)
        elif match := re.match(r"--?std=(c\+\+2\w)$", option):
            kept.append(f"-std={match[1]}")  # the runtime needs C++17 at least
        # Others (--use_fast_math, -arch, --maxrregcount) say how a device shall do it.
    return tuple(kept)


def macro(option: str) -> str:
    """The line that defines what -DNAME=VALUE defines, and so on; nothing for other options."""
    if option.startswith("-U"):
        return f"#undef {option[2:].strip()}\n"
    name, equals, value = option[2:].strip().partition("=")
    return f"#define {name} {value if equals else 1}\n" if option.startswith("-D") else ""


def program(prepared: Prepared, names: tuple[str, ...], macros: str = "") -> str:
    """The text that is compiled: the runtime, the user's source under its own line numbers, a table of its kernels.

    Macros from the options come after the runtime, in which their names may mean something else.
    """
    entries = ",\n".join(f'    tg::Entry<&{name}>::named("{name}")' for name in names)
    symbols = "".join(f'    tg::symbol("{name}", {name}, {int(constant)}),\n'
                      for name, constant in prepared.variables.items())
    return (f'#include "cuda.h"\n{macros}TG_VARIABLES_BEGIN\n#line 1 "kernel.cu"\n{prepared.text}\n'
            f'#line 1 "table of kernels"\nTG_VARIABLES_END\n'
            f"static constexpr tg_entry tg_entries[] = {{\n{entries}\n}};\n"
            f"static const tg_symbol tg_symbols[] = {{\n{symbols}    {{}}\n}};\n"
            f'extern "C" TG_EXPORT const tg_library tg_contents = {{tg_entries, {len(names)}, tg_symbols, '
            f"{len(prepared.variables)}, tg::save_index, tg::restore_index, tg_spans}};\n")


def build(prepared: Prepared, names: tuple[str, ...], options: tuple[str, ...], check: bool) -> Path:
    """The library of some kernels, from the cache or compiled now."""
    how = compiler()
    asked = compile_options(options)
    text = program(prepared, names, "".join(map(macro, asked)))
    checking = (*CHECKING, *VOLATILE["clang" if "clang" in how.version else "gcc"]) if check else ()
    flags = (*FLAGS, *how.native, *checking, *(flag for flag in asked if flag.startswith("-std")))
    own = tuple(flag for flag in asked if flag.startswith("-I"))
    shared = ("-shared", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared", "-Wl,-Bsymbolic")

    def steps(folder: Path) -> None:
        (folder / "kernel.cu").write_text(prepared.code, encoding="utf-8")  # complaints quote from it
        headers = (*prelude(how, flags), *own, f"-I{RUNTIME}")
        words = [*how.command, *flags, *headers, "-c", "kernel.cpp", "-o", "kernel.o"]
        (folder / "kernel.cpp").write_text(text, encoding="utf-8")
        try:
            call(words, folder)
        except CompileError as error:
            left_out = left_out_of(str(error), (*names, *prepared.variables))
            if not left_out:
                raise
            variables = {name: fixed for name, fixed in prepared.variables.items() if name not in left_out}
            fewer = program(replace(prepared, variables=variables), tuple(n for n in names if n not in left_out),
                            "".join(map(macro, asked)))  # fmt: skip
            (folder / "kernel.cpp").write_text(fewer, encoding="utf-8")
            call(words, folder)
        call([*how.command, *shared, "kernel.o", "-o", "product"], folder)

    return cached(digest(text, *flags, *own, *shared, how.version, processor(), runtime_digest()), ".so", steps)


def left_out_of(complaints: str, names: tuple[str, ...]) -> set[str]:
    """The names of the table that a compiler does not know: those that `#ifdef` leaves out of the source.

    None where it complains of the source, too.
    """
    if "kernel.cu:" in complaints:
        return set()
    unknown = re.findall(r"[‘'](?:\w+::)*(\w+)[’'] (?:was not declared|has not been declared|is not a member)|"
                         r"undeclared identifier '(\w+)'|no member named '(\w+)'", complaints)  # fmt: skip
    words = {word for found in unknown for word in found if word}
    return {name for name in names if words & set(name.split("::"))}


def prelude(how: Compiler, flags: tuple[str, ...]) -> tuple[str, ...]:
    """Where the runtime's headers lie that GCC has parsed already, as an option: they take most of the time of a build.

    GCC makes sure itself that they fit, and reads the headers anew where they do not. Others have no use for them.
    """
    if "clang" in how.version:
        return ()
    key = digest("prelude", *flags, *how.command, how.version, processor(), runtime_digest())
    place = cache_dir() / f"{key}.prelude"
    if not place.is_dir():
        with building_folder() as inside:
            made = inside / "prelude"
            made.mkdir()
            header = str(RUNTIME / "cuda.h")
            try:
                call([*how.command, *flags, "-x", "c++-header", header, "-o", "prelude/cuda.h.gch"], inside)
                made.rename(place)
            except CompileError:
                return ()  # it is only for speed
            except OSError:  # somebody else was faster
                pass
    return (f"-I{place}",)


def worker(portable: bool = False) -> Path:
    """The program that runs kernels. `portable` makes it switch threads without a line of assembly."""
    how = compiler()
    asked = ("-DTG_PORTABLE", "-D_XOPEN_SOURCE=700", "-D_DARWIN_C_SOURCE", "-D_GNU_SOURCE")  # macOS hides ucontext
    flags = ("-std=c++17", "-O2", *(asked if portable else ()))
    exported = () if sys.platform == "darwin" else ("-rdynamic", "-ldl")
    trouble = (f"{' '.join(how.command)} cannot build the program that runs kernels, which is C++17; name another C++ "
               "compiler in CXX, such as g++ or clang++")

    def steps(folder: Path) -> None:
        files = sorted((RUNTIME / "worker").glob("*.cpp"))
        with ThreadPoolExecutor(os.cpu_count()) as compilers:  # most of the first wait for a kernel is for this
            list(compilers.map(lambda file: call([*how.command, *flags, "-c", str(file)], folder, trouble), files))
        call([*how.command, *(f"{file.stem}.o" for file in files), "-o", "product", *exported], folder, trouble)

    return cached(digest("worker", *flags, how.version, runtime_digest()), ".worker", steps)


def cached(key: str, suffix: str, steps: Callable[[Path], None]) -> Path:
    """What steps make in a folder of their own, unless the cache has it."""
    folder = cache_dir()
    for known in folder.glob(f"{key}-*{suffix}"):
        if known.name[len(key) + 1:-len(suffix)] == digest_of(known.read_bytes()):
            return known
        known.unlink(missing_ok=True)
    with building_folder() as inside:
        steps(inside)
        product = inside / "product"
        final = folder / f"{key}-{digest_of(product.read_bytes())}{suffix}"
        os.replace(product, final)
    return final


@contextlib.contextmanager
def building_folder() -> Iterator[Path]:
    """A folder of one's own in the cache, gone afterwards."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale(folder)
        place = tempfile.TemporaryDirectory(prefix="build-", dir=folder)
    except OSError as error:
        raise EmulatorError(f"cannot write to the cache {folder}: {error.strerror}; set TEACHGRAD_CACHE to a folder of "
                            "yours") from error
    with place as inside:
        yield Path(inside)


def call(words: list[str], folder: Path, trouble: str = "the kernel does not compile") -> None:
    """Run a compiler in a folder; `trouble` is what its complaints mean."""
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise CompileError(f"the compiler {words[0]} was not done after {PATIENCE} seconds") from None
    if done.returncode:
        raise CompileError(f"{trouble}:\n{readable(done.stderr)}")


def readable(text: str) -> str:
    """A compiler's complaints about the user's lines; what it says of the runtime below them is left out."""
    kept, shown = [], False
    for line in text.splitlines():
        if re.match(r"\S*:\d+:(\d+:)? ", line) or line.startswith("In file included"):
            shown = "kernel.cu:" in line.split(" ")[0] or "table of kernels" in line
        elif not line.startswith(" "):
            shown = False
        if shown:
            kept.append(line)
    return "\n".join(kept[:40]) or text[:4000]
