"""`RawKernel` and `RawModule`, with the signatures of CuPy's, on NumPy arrays and without a GPU."""

from __future__ import annotations

import math
import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import building, process
from .arguments import Packed
from .checking import WIDTH, Finding, Report, Variable, as_finding, in_words, lines_of, printable, read_report
from .counters import Counter
from .errors import ArgumentError, EmulatorError, LaunchError
from .events import MOST, MOST_EVER, RECORD, Recording, without_repeats
from .memory import arena
from .parameters import Parameter
from .scanning import closing, masked, split_declarators
from .source import Prepared, prepare

HEADER = struct.Struct("=II3I3IIIIQQd")
THREADS = 1024
DEVICE_LIMITS = ((2**31 - 1, 65535, 65535), (1024, 1024, 64))
SHARED = 227 << 10
DYNAMIC = 48 << 10
"""Bytes of dynamic shared memory that a launch may have without asking for more."""
AT_ONCE = 16384
"""Threads that a cooperative launch may have: each of them keeps a stack."""
TIMEOUT = 60.0


class RawModule:
    """CUDA C++ source with any number of kernels, compiled when the first of them is asked for.

    `name_expressions` are the instances of templates that are wanted, such as `add<float>`. `check`, `record`, `seed`,
    `timeout` and `enable_cooperative_groups` are those of `RawKernel`.
    """

    def __init__(self, code: str, options: tuple[str, ...] = (), name_expressions: tuple[str, ...] | None = None, *,
                 check: bool = False, record: bool | int = False, seed: int | None = None, timeout: float = TIMEOUT,
                 folders: tuple[Path, ...] = (), enable_cooperative_groups: bool = False) -> None:  # fmt: skip
        self.code = code
        self.options = tuple(options)
        self.name_expressions = tuple(name_expressions or ())
        self.check = check or bool(record)
        self.recorded = MOST if record is True else int(record)
        if not 0 <= self.recorded <= MOST_EVER:
            raise ArgumentError(f"record={record}: {MOST_EVER} events are the most")
        self.seed = seed
        self.enable_cooperative_groups = enable_cooperative_groups
        self.timeout = timeout
        self.prepared: Prepared = prepare(code, folders)
        self._library: Path | None = None
        self._described: Contents | None = None

    @property
    def library(self) -> Path:
        """The compiled source."""
        if self._library is None:
            for name in self.name_expressions:
                if name not in self.prepared.kernels and is_template(name, masked(self.prepared.text)):
                    raise EmulatorError(f"{name} is a template; name an instance of it, such as '{name}<float>'")
            names = tuple(dict.fromkeys([*self.prepared.kernels, *self.name_expressions]))
            self._library = building.build(self.prepared, names, self.options, self.check)
        return self._library

    def compile(self) -> None:
        """Compile now rather than at the first launch."""
        self.contents()

    def get_function(self, name: str) -> RawKernel:
        """The kernel of a name, or of a name expression."""
        if name not in self.prepared.kernels and name not in self.name_expressions:
            known = ", ".join(dict.fromkeys([*self.prepared.kernels, *self.name_expressions])) or "none"
            raise EmulatorError(f"there is no kernel {name!r}; there are: {known}. An instance of a template is "
                                "named in name_expressions")
        return RawKernel._of(self, name)

    def get_global(self, name: str) -> GlobalMemory:
        """A `__constant__` or `__device__` variable."""
        symbols = self.contents()[1]
        if name not in symbols:
            raise EmulatorError(f"there is no variable {name!r}; there are: {', '.join(symbols) or 'none'}")
        return GlobalMemory(self, name, symbols[name].number, symbols[name].nbytes)

    def contents(self) -> Contents:
        """The kernels (number, parameters) and variables of the library."""
        if self._described is None:
            library, worker = self.library, process.worker()
            with worker.lock:
                _, text = worker.load(library)
            self._described = described(text, masked(self.code))
        return self._described


class RawKernel:
    """A CUDA kernel that runs on the CPU: `kernel(grid, block, args, shared_mem=0)`, as cupy.RawKernel.

    `name` is that of a `__global__` function, or a name expression such as `add<float>`. Of the `options` of a
    CUDA compiler, -D, -I and -std matter. Arguments are NumPy arrays, passed as pointers, and scalars, passed by value;
    arrays from `emulator.empty` and its kin are not copied. A launch returns when the kernel has ended.

    - `check`: find races, accesses out of bounds and the like; see `findings`, `counters` and `report()`.
    - `record`: keep what every thread did; see `events`.
    - `seed`: run threads in an order drawn from it, instead of in their own order.
    - `timeout`: seconds after which a launch is given up.
    - `enable_cooperative_groups`: launch cooperatively, as CuPy does then: all blocks are there at once, and may meet
      at `cooperative_groups::this_grid().sync()`. Without it, blocks run one after the other.

    `max_dynamic_shared_size_bytes`, 48 KiB at first, must be raised before a launch may have more, as with CuPy.
    """

    def __init__(self, code: str, name: str, options: tuple[str, ...] = (), *, check: bool = False,
                 record: bool | int = False, seed: int | None = None, timeout: float = TIMEOUT,
                 folders: tuple[Path, ...] = (), enable_cooperative_groups: bool = False) -> None:  # fmt: skip
        module = RawModule(code, options, (), check=check, record=record, seed=seed, timeout=timeout, folders=folders,
                           enable_cooperative_groups=enable_cooperative_groups)
        if name not in module.prepared.kernels:
            if not re.search(rf"\b{re.escape(re.split('[<:]', name)[0])}\b", masked(module.prepared.text)):
                raise EmulatorError(f"there is no kernel {name!r}; there are: "
                                    f"{', '.join(module.prepared.kernels) or 'none that is not a template'}")
            module.name_expressions = (name,)
        self._set(module, name)

    def _set(self, module: RawModule, name: str) -> None:
        self.module = module
        self.name = name
        self.max_dynamic_shared_size_bytes = DYNAMIC
        self._report: Report | None = None
        self.events: Recording | None = None
        self._entry: tuple[int, tuple[Parameter, ...]] | None = None

    @classmethod
    def _of(cls, module: RawModule, name: str) -> RawKernel:
        kernel = cls.__new__(cls)
        kernel._set(module, name)
        return kernel

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What the kernel takes."""
        return self._known()[1]

    def compile(self) -> None:
        """Compile now rather than at the first launch."""
        self._known()

    def _known(self) -> tuple[int, tuple[Parameter, ...]]:
        if self._entry is None:
            entries = self.module.contents()[0]
            if self.name not in entries:
                raise EmulatorError(f"{self.name} is in the source, but its preprocessor leaves it out; there are: "
                                    f"{', '.join(entries) or 'no kernels'}")
            self._entry = entries[self.name]
        return self._entry

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *,
                 shared_mem: int = 0) -> None:  # fmt: skip
        entry, parameters = self._known()
        grid3, block3 = sizes("grid", grid, DEVICE_LIMITS[0]), sizes("block", block, DEVICE_LIMITS[1])
        threads = math.prod(block3)
        if threads > THREADS:
            raise ArgumentError(f"a block of {block3} has {threads} threads; {THREADS} is the most")
        if not 0 <= shared_mem <= SHARED:
            raise ArgumentError(f"a block cannot have {shared_mem} bytes of shared memory; {SHARED} is the most")
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise ArgumentError(f"a block has {self.max_dynamic_shared_size_bytes} bytes of dynamic shared memory, not "
                                f"{shared_mem}, unless kernel.max_dynamic_shared_size_bytes says that it may")
        settings = self.module
        if settings.enable_cooperative_groups and threads * math.prod(grid3) > AT_ONCE:
            raise ArgumentError(f"a cooperative launch keeps all its threads at once, {AT_ONCE} at most here; grid "
                                f"{grid3} of blocks {block3} has {threads * math.prod(grid3)}: use fewer blocks, and "
                                "let each thread do more")
        packed = Packed(parameters, tuple(args), arena(), self.name, apart=settings.check)
        worker = process.worker()
        with worker.lock:
            worker.know(packed.segments)
            if packed.held and packed.segments & worker.moved:
                raise EmulatorError("an argument holds an address that something else has in the process that runs "
                                    "kernels; emulator.stop() ends it, and the next launch starts another one")
            library, _ = worker.load(settings.library)
            order = 0 if settings.seed is None else settings.seed % (1 << 63) + 1
            flags = settings.check, settings.enable_cooperative_groups
            request = HEADER.pack(library, entry, *grid3, *block3, shared_mem, *flags, order, settings.recorded,
                                  settings.timeout)  # fmt: skip
            kind, answer, told = worker.run(request + packed.payload, settings.timeout + process.GRACE)
        if kind == process.DIED:
            words, _, printed = answer.partition(b"\0")
            show(printed)
            words = words or b"abort\n0\n0\n0 0 0\n0 0 0\n" + worker.epitaph.encode()
            if not settings.check:
                raise self._failure(words)
            self._read(as_finding(words), b"", packed)
            return
        if kind != process.OK:
            raise EmulatorError(answer.decode(errors="replace"))
        packed.copy_back()
        show(answer[8:], int.from_bytes(answer[:8], sys.byteorder))
        if process.REPORT in told:
            self._read(told[process.REPORT].decode(errors="replace"), told[process.EVENTS], packed)
        if process.FAILED in told:
            raise self._failure(told[process.FAILED])

    def _read(self, text: str, events: bytes, packed: Packed) -> None:
        """Take in what the worker has found."""
        data = np.frombuffer(events, RECORD)
        prepared = self.module.prepared
        self._report = read_report(text, self.module.library, np.unique(data["site"]).tolist(), self.parameters,
                                   packed.arrays, self.module.contents()[1].values(), prepared.dynamic,
                                   packed.held)  # fmt: skip
        if self.module.recorded:
            told = self._report
            self.events = Recording(without_repeats(data, told.lines), told.dropped, told.lines, told.arrays)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the kernel, by its last launch. Only with `check=True`."""
        return self._checked().findings

    @property
    def counters(self) -> tuple[Counter, ...]:
        """What the accesses of each line cost in the last launch. Only with `check=True`."""
        return self._checked().counters

    @property
    def barriers(self) -> int:
        """How many barriers the first block has met in the last launch. Only with `check=True`."""
        return self._checked().barriers

    def report(self, width: int = WIDTH) -> str:
        """Findings and counters in words."""
        return in_words(self.name, self.module.code, self._checked(), width)

    def _checked(self) -> Report:
        if self._report is None:
            raise EmulatorError(f"{self.name} has not been checked: make it with check=True and launch it")
        return self._report

    def _failure(self, words: bytes) -> LaunchError:
        """The error that the worker describes, with the line it happened in."""
        kind, place, line, block, thread, message = words.decode(errors="replace").split("\n", 5)
        number = int(line) or lines_of(self.module.library, [int(place)])[int(place)]
        blocks, threads = (tuple(map(int, where.split())) for where in (block, thread))
        shown = f"{kind}: {printable(message)}\n  kernel {self.name}, block {blocks}, thread {threads}"
        if number is not None:
            lines = self.module.code.split("\n")
            text = printable(lines[number - 1].strip()) if number <= len(lines) else ""
            shown += f"\n  {number} | {text}"
        return LaunchError(kind, shown, number, blocks, threads)  # type: ignore[arg-type]


class GlobalMemory:
    """A variable of a module: what CuPy's `get_global` gives, with `get` and `set` in place of pointers."""

    def __init__(self, module: RawModule, name: str, number: int, nbytes: int) -> None:
        self.module, self.name, self.number, self.nbytes = module, name, number, nbytes

    def set(self, values: npt.NDArray[Any], offset: int = 0) -> None:
        """Copy an array into the variable, from byte `offset` on, as cudaMemcpyToSymbol does."""
        data = np.ascontiguousarray(values).tobytes()
        if offset < 0 or offset + len(data) > self.nbytes:
            raise ArgumentError(f"{len(data)} bytes at {offset} do not fit {self.name}, which has {self.nbytes}")
        self._ask(process.WRITE, struct.pack("=Q", offset) + data)

    def get(self, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
        """A copy of the variable as an array of one dimension."""
        return np.frombuffer(self._ask(process.READ, b""), dtype).copy()

    def _ask(self, kind: int, payload: bytes) -> bytes:
        worker = process.worker()
        with worker.lock:
            library, _ = worker.load(self.module.library)
            kind, answer = worker.ask(kind, struct.pack("=II", library, self.number) + payload, 60.0)
        if kind != process.OK:
            raise EmulatorError(answer.decode(errors="replace"))
        return answer


def sizes(what: str, given: int | tuple[int, ...], limits: tuple[int, int, int]) -> tuple[int, int, int]:
    """A grid or a block as three numbers."""
    values = (given,) if isinstance(given, int) else tuple(given)
    if not 1 <= len(values) <= 3 or not all(isinstance(n, (int, np.integer)) for n in values):
        raise ArgumentError(f"a {what} is one to three integers, not {given!r}")
    whole = tuple(int(n) for n in values) + (1,) * (3 - len(values))
    for number, most, axis in zip(whole, limits, "xyz", strict=True):
        if not 1 <= number <= most:
            raise ArgumentError(f"{what}.{axis} is {number}; it must be between 1 and {most}")
    return whole  # type: ignore[return-value]


def show(printed: bytes, dropped: int = 0) -> None:
    """Print what a kernel printed."""
    if printed:
        sys.stdout.write(printed.decode(errors="replace"))
    if dropped:
        sys.stdout.write(f"({dropped} more calls of printf; a launch may print 1 MiB)\n")


Contents = tuple[dict[str, tuple[int, tuple[Parameter, ...]]], dict[str, Variable]]
"""The kernels of a library (number, parameters) and its variables, by name."""


def described(text: str, source: str) -> Contents:
    """What a library says of itself: its kernels and its variables."""
    kernels: dict[str, tuple[int, tuple[Parameter, ...]]] = {}
    variables: dict[str, Variable] = {}
    name, names = "", tuple[str, ...]()
    parameters: list[Parameter] = []
    for line in text.splitlines():
        word, *rest = line.split("\t")
        if word == "entry":
            name, parameters = rest[0], []
            names = parameter_names(source, name)
            kernels[name] = (len(kernels), ())
        elif word == "parameter":
            pointer, constant, floating, size, spelled = rest
            match = re.search(r"T = (.*?)[\];]", spelled)
            called = names[len(parameters)] if len(parameters) < len(names) else ""
            kind = ("integer", "float", "other")[int(floating)]
            parameters.append(Parameter(called, pointer == "1", constant == "1", kind, int(size),
                                        match[1].replace(" *", "*") if match else "?"))  # fmt: skip
            kernels[name] = (kernels[name][0], tuple(parameters))
        else:
            variables[rest[0]] = Variable.read(len(variables), rest)
    return kernels, variables


def is_template(name: str, source: str) -> bool:
    """Whether a name is that of a template of kernels, and of no instance of it."""
    head = rf"\btemplate\s*<[^;{{}}]*\b__global__\b[^;{{}}]*\b{re.escape(name.rpartition('::')[2])}\s*\("
    return "<" not in name and re.search(head, source) is not None


def parameter_names(source: str, kernel: str) -> tuple[str, ...]:
    """The names of a kernel's parameters, from its source; () where they are not found."""
    plain = kernel.partition("<")[0].rpartition("::")[2]
    for found in re.finditer(rf"\b{re.escape(plain)}\s*\(", source):
        end = closing(source, found.end() - 1)
        if source[end + 1:].lstrip().startswith("{"):
            return tuple(map(parameter_name, split_declarators(source[found.end():end])))
    return ()


def parameter_name(text: str) -> str:
    """The name in a declaration such as `const float* x`, `float x[8]` or `float (*x)[8]`."""
    declared = re.sub(r"\[[^\]]*\]", " ", text.partition("=")[0])
    words = re.findall(r"[A-Za-z_]\w*", declared)
    return words[-1] if words else ""
