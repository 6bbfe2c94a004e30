"""Compile CUDA C for given architectures, without a GPU, and say what each kernel takes.

Without files, every kernel of teachgrad's catalogue is compiled. Warnings are errors. The columns:

    regs     registers of each thread, 255 at most; the fewer, the more threads fit
    shared   shared memory, bytes a block: static, and dynamic after the +
    stack    bytes a thread that are in (slow) memory: arrays whose index is known only while running, and spills
    spill    bytes of registers that found no place, stored and loaded again
    block    threads of a block: the catalogue's choice for its last example, or --threads
    occ      occupancy: how many of a multiprocessor's warps can be alive at once, in percent
    limit    what allows no more

The exit status is 0 if all compile, 1 if a kernel does not, and 2 if there is nothing to compile, or no compiler.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from teachgrad.errors import ExecutorError, SettingError, TeachgradError

if TYPE_CHECKING:
    from ..compile_report import Row

THREADS = 256
"""Of a block of a file's kernels, unless the user says otherwise."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE.cu", type=Path,
                        help="CUDA C (default: teachgrad's own kernels)")
    parser.add_argument("--arch", action="append", metavar="sm_NN",
                        help="an architecture; may be repeated (default: sm_75, sm_80 and sm_90)")
    parser.add_argument("-D", dest="macros", action="append", default=[], metavar="NAME[=VALUE]", help="define a macro")
    parser.add_argument("--threads", type=int, metavar="N",
                        help=f"threads of a block, for the occupancy (default: {THREADS})")
    parser.add_argument("--shared", type=int, metavar="BYTES", help="dynamic shared memory of a block (default: 0)")
    parser.add_argument("--compiler", choices=("nvrtc", "nvcc"), help="which one (default: the first that is here)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: Namespace) -> int:
    from ..compile_report import table
    from ..compiling import CompilationError

    try:
        rows = compiled(args)
    except TeachgradError as error:
        print(f"teachgrad cuda compile: {error}", file=sys.stderr)
        return 1 if isinstance(error, CompilationError) else 2
    print(json.dumps([asdict(row) for row in rows], indent=1) if args.json else table(rows))
    return 0


def compiled(args: Namespace) -> list[Row]:
    """What the kernels take: those of the files, or of the catalogue."""
    from ..compile_report import rows_of_catalogue, rows_of_file
    from ..compiling import ARCHITECTURES

    rows: list[Row] = []
    archs = tuple(args.arch or ARCHITECTURES)
    threads = THREADS if args.threads is None else args.threads
    if args.shared is not None and args.shared < 0:
        raise SettingError(f"--shared is a number of bytes, not {args.shared}")
    if not args.files:
        if args.macros or args.threads is not None or args.shared is not None:
            raise SettingError("-D, --threads and --shared go with a FILE.cu; teachgrad's own kernels are compiled and "
                               "counted as the catalogue launches them")
        return rows_of_catalogue(archs, args.compiler)
    for file in args.files:
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise ExecutorError(f"{file} cannot be read: {why}") from error
        options = tuple(f"-D{macro}" for macro in args.macros)
        of_file = rows_of_file(file.name, source, archs, options, threads, args.shared or 0, args.compiler)
        if not of_file:
            raise ExecutorError(f"{file} compiles, but has no kernel; a template has to be instantiated")
        rows += of_file
    return rows
