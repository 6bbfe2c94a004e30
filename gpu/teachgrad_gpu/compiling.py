"""Compiling kernels for a GPU where there is none: NVRTC or nvcc make the machine code, and say what it needs.

NVRTC is the compiler as a library. It comes with `pip install nvidia-cuda-nvrtc`, needs neither a driver nor the CUDA
toolkit, and is called here through ctypes. Kernels that include headers such as <cuda_fp16.h> need those too, from
`nvidia-cuda-runtime`, `nvidia-cuda-crt` and `nvidia-cuda-cccl`. Where nvcc is installed it does the same.

Both end in ptxas, which prints for each kernel how many registers, how much shared memory and how much of the stack it
takes, and how many bytes of registers had to be spilled there. Warnings are errors.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from teachgrad.errors import ExecutorError

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
"""What every kernel of the catalogue is compiled for: Turing, Ampere, Hopper."""
EXTRA = 'python -m pip install "teachgrad[cuda-compile]"'
MISSING = f"""\
There is no compiler for CUDA here. Install NVRTC, which needs no GPU (package nvidia-cuda-nvrtc, 58 MB):
    {EXTRA}
or the CUDA toolkit, whose nvcc is found on the PATH."""


@dataclass(frozen=True)
class Resources:
    """What a kernel takes, by its machine code."""

    kernel: str
    registers: int
    """Of each thread."""
    shared: int
    """Static shared memory, bytes a block."""
    stack: int
    """Bytes a thread: arrays that could not be registers, and spills."""
    spilled: int
    """Bytes of spilled registers that are stored and loaded, counted in the code and not while running."""


@dataclass(frozen=True)
class Compiled:
    """The machine code of a source for one architecture."""

    arch: str
    compiler: str
    cubin: bytes
    resources: tuple[Resources, ...]
    """One for each kernel, in the order of the source as far as names tell."""


class CompilationError(ExecutorError):
    """CUDA C that does not compile; the message is the compiler's."""


def compile_cuda(source: str, arch: str = "sm_90", options: Sequence[str] = (), name: str = "kernel.cu",
                 compiler: str | None = None) -> Compiled:
    """Compile CUDA C for an architecture. A warning is an error.

    Args:
        source: the text.
        arch: such as "sm_90".
        options: such as "-DTILE=32".
        name: how messages call the source.
        compiler: "nvrtc" or "nvcc"; otherwise the first of them that is there.

    Raises:
        CompilationError: with the compiler's words, file and line.
        ExecutorError: where there is no compiler.
    """
    chosen = compiler or next(iter(compilers()), None)
    if chosen is None or chosen not in compilers():
        raise ExecutorError(MISSING if compiler is None else f"{compiler} is not here.\n{MISSING}")
    make = with_nvrtc if chosen == "nvrtc" else with_nvcc
    cubin, log = make(source, arch, tuple(options), name)
    return Compiled(arch, chosen, cubin, resources_in(log))


def compilers() -> tuple[str, ...]:
    """Which compilers are here."""
    return (("nvrtc",) if nvrtc_library() else ()) + (("nvcc",) if shutil.which("nvcc") else ())


# ---- NVRTC -----------------------------------------------------------------------------------------------------------

def packages() -> tuple[Path, ...]:
    """The folders of the `nvidia` packages: the newest version first."""
    spec = find_spec("nvidia")
    roots = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    return tuple(folder for root in roots for folder in sorted(root.glob("cu[0-9]*"), reverse=True))


def nvrtc_library() -> Path | None:
    for folder in packages():
        for pattern in ("lib/libnvrtc.so.*", "bin/**/nvrtc64_*.dll"):
            found = sorted(file for file in folder.glob(pattern) if "builtins" not in file.name)
            if found:
                return found[-1]
    return None


def headers() -> tuple[Path, ...]:
    """The folders with CUDA's own headers, for NVRTC; nvcc knows its own."""
    return tuple(place for folder in packages() for part in ("include", "include/cccl")
                 if (place := folder / part).is_dir())


@cache
def nvrtc() -> Any:
    """The library, loaded."""
    library = nvrtc_library()
    assert library is not None
    if hasattr(os, "add_dll_directory"):
        os.add_dll_directory(str(library.parent))
    return ctypes.CDLL(str(library))


@lru_cache(maxsize=256)
def with_nvrtc(source: str, arch: str, options: tuple[str, ...], name: str) -> tuple[bytes, str]:
    """The machine code and the log."""
    library, program = nvrtc(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
    try:
        flags = [f"--gpu-architecture={arch}", "-Werror=all-warnings", "--ptxas-options=-v", "--ptxas-options=-Werror",
                 *(f"-I{place}" for place in headers()), *options]
        status = library.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(
            *(flag.encode() for flag in flags)))
        log = nvrtc_bytes(library, program, "ProgramLog").decode(errors="replace")
        if status:
            raise CompilationError(f"{name} does not compile for {arch}:\n{log.strip()}{about_headers(log)}")
        return nvrtc_bytes(library, program, "CUBIN"), log
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def nvrtc_bytes(library: Any, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    memory = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, memory)
    return memory.raw if what == "CUBIN" else memory.value


def about_headers(log: str) -> str:
    if "could not open source file" not in log and "cannot open source file" not in log:
        return ""
    return f"\nCUDA's headers are in the packages nvidia-cuda-runtime, -crt and -cccl; {EXTRA} brings them."


# ---- nvcc ------------------------------------------------------------------------------------------------------------

@lru_cache(maxsize=256)
def with_nvcc(source: str, arch: str, options: tuple[str, ...], name: str) -> tuple[bytes, str]:
    """The machine code and the log."""
    with tempfile.TemporaryDirectory() as folder:
        file, cubin = Path(folder, Path(name).name), Path(folder, "out.cubin")
        file.write_text(source, encoding="utf-8")
        command = ["nvcc", "-cubin", f"-arch={arch}", "-Werror", "all-warnings", "-Xptxas", "-v", "-Xptxas", "-Werror",
                   *options, "-o", str(cubin), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        log = (done.stdout + done.stderr).replace(folder + os.sep, "")
        if done.returncode:
            raise CompilationError(f"{name} does not compile for {arch}:\n{log.strip()}")
        return cubin.read_bytes(), log


# ---- what ptxas says -------------------------------------------------------------------------------------------------

ENTRY = re.compile(r"Compiling entry function '(?P<kernel>[^']+)'")
STACK = re.compile(r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill")
USED = re.compile(r"Used (?P<registers>\d+) registers(?:.*?(?P<shared>\d+) bytes smem)?")


def resources_in(log: str) -> tuple[Resources, ...]:
    """Read the log of `ptxas -v`. Functions that are not kernels are skipped."""
    found: list[Resources] = []
    kernel, stack, spilled = "", 0, 0
    for line in log.splitlines():
        if entry := ENTRY.search(line):
            kernel, stack, spilled = entry["kernel"], 0, 0
        elif frame := STACK.search(line):
            stack, spilled = int(frame["stack"]), int(frame["stores"]) + int(frame["loads"])
        elif (used := USED.search(line)) and kernel:
            found.append(Resources(kernel, int(used["registers"]), int(used["shared"] or 0), stack, spilled))
            kernel = ""
    return tuple(reversed(found))  # ptxas goes from the last to the first
