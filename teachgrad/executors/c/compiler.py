"""Compiling generated C: which compiler, with which flags, and a cache of what it made.

Loops are vectorised, functions such as exp among them, but never with -ffast-math: infinities, nan and subnormal
numbers stay what they are. Libraries are linked without optimisation flags, because gcc adds start-up code to a library
that is linked with -ffast-math which flushes the subnormal numbers of the whole process to zero.

A library lies in the cache under a name made of two hashes: that of all it was made from (source, flags, compiler,
processor), and that of its own bytes. It is written elsewhere and renamed into place, so whoever finds it finds it
whole, whatever else is being built or killed at the time; the second hash is checked before it is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from ...cache import cache_folder
from ...errors import ExecutorError
from .tiles import TARGETS

NAMES = ("cc", "gcc", "clang")
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-fwrapv", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd",
         "-mprefer-vector-width=512")
OPENMP = "-fopenmp"
"""The flag for loops that are divided among threads; only programs that have some are compiled and linked with it."""
SPINS = 1000
"""So many turns, some microseconds, a thread spins at the end of a loop before it sleeps until the others are there."""
PATIENCE = 300
"""Seconds after which a compiler is given up."""
STALE = 3600
"""Seconds after which a folder that a killed build left behind is removed."""
VECTORISED = {
    1: ("acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1",
        "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh"),
    2: ("atan2", "hypot", "pow"),
}
"""The functions of which the GNU C library has vector versions, of one number and of two."""


class CompilationError(ExecutorError):
    """A compiler refuses generated C, which is a bug of ours."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler: how it is called, what it says of itself, and what it can do."""

    command: tuple[str, ...]
    version: str
    native: bool
    """Whether it can compile for the very machine that it runs on."""
    simd_math: bool
    """Whether it knows vector versions of functions."""
    vector: int
    """The bytes of a vector of the machine that it compiles for."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags with which generated C is compiled."""
        return (*(flag for flag in FLAGS if self.native or not flag.startswith("-mprefer")),
                *(("-march=native",) if self.native else ()))

    @property
    def libraries(self) -> tuple[str, ...]:
        """The libraries that generated C is linked with."""
        return ("-lmvec", "-lm") if self.simd_math else ("-lm",)


def command() -> tuple[str, ...] | None:
    """The C compiler to call: $CC, else cc, gcc or clang, else that of the ziglang package, else None."""
    named = os.environ.get("CC")
    for name in (named.split() if named else NAMES):
        path = shutil.which(name)
        if path is not None:
            return (path, *named.split()[1:]) if named else (path,)
        if named:
            return None
    return (sys.executable, "-m", "ziglang", "cc") if find_spec("ziglang") is not None else None


def compiler() -> Compiler | None:
    """The compiler that is there, with what it can do, or None."""
    call = command()
    return None if call is None else _examined(call, str(cache_dir()))


@functools.cache
def _examined(call: tuple[str, ...], folder: str) -> Compiler | None:
    """A compiler put to the test. The answers are kept in the cache, for each costs the time of a build."""
    try:
        answer = subprocess.run([*call, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    version = answer.stdout.partition("\n")[0]
    note = Path(folder, f"compiler-{digest(*call, version, processor())}.txt")
    with contextlib.suppress(OSError, ValueError):
        target, functions, vector = note.read_text().split()
        return Compiler(call, version, target == "native", functions == "simd", int(vector))
    plain = Compiler(call, version, False, False, 0)
    width = answer_of(plain, TARGETS + "int answer(void) { return VECTOR; }\n")
    if not width:
        return None
    wider = answer_of(replace(plain, native=True), TARGETS + "int answer(void) { return VECTOR; }\n")
    best = replace(plain, native=wider > 0, vector=wider or width)
    if answer_of(replace(best, simd_math=True), prelude_of_math() + VECTOR_TEST) == 42:
        best = replace(best, simd_math=True)
    with contextlib.suppress(OSError):
        write_whole(note, f"{'native' if best.native else 'any'} {'simd' if best.simd_math else 'scalar'} "
                          f"{best.vector}\n".encode())
    return best


VECTOR_TEST = """
int answer(void)
{
    static float x[64];
    float total = 0;
    for (int i = 0; i < 64; i++) x[i] = tanhf(expf(x[i]));
    for (int i = 0; i < 64; i++) total += x[i];
    return total > 48 && total < 49 ? 42 : 0;
}
"""


def prelude_of_math() -> str:
    """Declarations by which a compiler learns that the math library has vector versions of functions."""
    lines = ["#define VECTORISED __attribute__((__simd__(\"notinbranch\"), const, nothrow))"]
    for kind, suffix in (("float", "f"), ("double", "")):
        lines += [f"VECTORISED {kind} {name}{suffix}({kind});" for name in VECTORISED[1]]
        lines += [f"VECTORISED {kind} {name}{suffix}({kind}, {kind});" for name in VECTORISED[2]]
    return "\n".join(lines) + "\n"


@functools.cache
def has_openmp(how: Compiler, folder: str) -> bool:
    """Whether a compiler can divide loops among threads. The answer is kept in the cache, too."""
    note = Path(folder, f"openmp-{digest(*how.command, how.version, processor())}.txt")
    with contextlib.suppress(OSError):
        return note.read_text() == "threads\n"
    answer = answer_of(how, OPENMP_TEST, (OPENMP,)) == 42
    with contextlib.suppress(OSError):
        write_whole(note, b"threads\n" if answer else b"one thread\n")
    return answer


OPENMP_TEST = """
int answer(void)
{
    int total = 0;
    #pragma omp parallel for num_threads(2) reduction(+:total)
    for (int i = 0; i < 42; i++) total += 1;
    return total;
}
"""


def answer_of(how: Compiler, source: str, extra: tuple[str, ...] = ()) -> int:
    """What a function `answer` gives when it is built, loaded and called; 0 if it cannot be."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            library = compiled(how, source, Path(folder), extra)
            return int(opened(library).answer())
    except (ExecutorError, OSError):
        return 0


def compiled(how: Compiler, source: str, folder: Path, extra: tuple[str, ...] = ()) -> Path:
    """Compile in a folder of one's own: the path of the library."""
    text, middle, library = folder / "program.c", folder / "program.o", folder / "program.so"
    text.write_text(source, encoding="utf-8")
    linked = (OPENMP,) if OPENMP in extra else ()
    for call in ((*how.command, *how.flags, *extra, "-c", str(text), "-o", str(middle)),
                 (*how.command, "-shared", str(middle), "-o", str(library), *linked, *how.libraries)):
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise ExecutorError(f"the C compiler {how.command[0]} was not done after {PATIENCE} seconds") from None
        if done.returncode:
            raise CompilationError(f"the C compiler {how.command[0]} refuses what was generated for it:\n{done.stderr}")
    return library


def load(source: str, extra: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library of some C, from the cache or compiled now. `ExecutorError` if there is no compiler, or it fails."""
    how = compiler()
    if how is None:
        raise ExecutorError("there is no C compiler here; install gcc or clang, or `pip install ziglang`")
    folder = cache_dir()
    key = digest(source, *how.command, how.version, *how.flags, *extra, *how.libraries, processor())
    for known in folder.glob(f"{key}-*.so"):
        if known.stem.partition("-")[2] == digest_of(known.read_bytes()):
            return opened(known)
        known.unlink(missing_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale(folder)
        place = tempfile.TemporaryDirectory(prefix="build-", dir=folder)
    except OSError as error:
        raise ExecutorError(f"cannot write to the cache {folder}: {error.strerror}; set TEACHGRAD_CACHE to a folder "
                            "of yours") from error
    with place as inside:
        library = compiled(how, source, Path(inside), extra)
        final = folder / f"{key}-{digest_of(library.read_bytes())}.so"
        os.replace(Path(inside, "program.c"), folder / f"{key}.c")
        os.replace(library, final)
    return opened(final)


def opened(library: Path) -> ctypes.CDLL:
    """Load a library. With the first that has threads comes the OpenMP of GCC, and asks how long threads shall spin.

    By default it is milliseconds, in which a thread that waits keeps its core from those that it waits for: on a
    machine with other work to do, a step takes a hundred times as long. So they soon go to sleep.
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        return ctypes.CDLL(str(library))
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    try:
        return ctypes.CDLL(str(library))
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix="build-", dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)


def remove_stale(folder: Path) -> None:
    """Remove what killed builds left behind."""
    for left in folder.glob("build-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def digest(*parts: str) -> str:
    """A hash of texts."""
    return digest_of("\0".join(parts).encode())


def digest_of(content: bytes) -> str:
    """A hash of bytes, as 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:32]


@functools.cache
def processor() -> str:
    """What -march=native depends on: the processor's name and its abilities."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        telling = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
        return "\n".join(dict.fromkeys(telling))
    return f"{platform.machine()} {platform.processor()}"


def cache_dir() -> Path:
    """Where compiled programs are kept; it need not exist."""
    return cache_folder() / "c"


def clear() -> int:
    """Empty the cache of compiled programs: how many there were."""
    folder = cache_dir()
    count = len(list(folder.glob("*.so")))
    shutil.rmtree(folder, ignore_errors=True)
    _examined.cache_clear()
    return count


@functools.cache
def say_once(reason: str, instead: str = "Static functions run on the NumPy executor instead") -> None:
    """Warn that generated C is not to be had, or not all of it, once in a process."""
    warnings.warn(f"{reason}. {instead}.", RuntimeWarning, stacklevel=2)
