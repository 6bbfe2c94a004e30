"""Compile CUDA C for given architectures, without a GPU, and say what each kernel takes.

Without files, every kernel of teachgrad's catalogue is compiled. Warnings are errors. The columns:

    regs     registers of each thread, 255 at most; the fewer, the more threads fit
    shared   shared memory, bytes a block: static, and dynamic after the +
    stack    bytes a thread that are in (slow) memory: arrays whose index is known only while running, and spills
    spill    bytes of registers that found no place, stored and loaded again
    block    threads of a block: the catalogue's choice for its last example, or --threads
    occ      occupancy: how many of a multiprocessor's warps can be alive at once, in percent
    limit    what allows no more
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from teachgrad.errors import ExecutorError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE.cu", type=Path,
                        help="CUDA C (default: teachgrad's own kernels)")
    parser.add_argument("--arch", action="append", metavar="sm_NN",
                        help="an architecture; may be repeated (default: sm_75, sm_80 and sm_90)")
    parser.add_argument("-D", dest="macros", action="append", default=[], metavar="NAME[=VALUE]", help="define a macro")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of a block, for the occupancy (default: 256)")
    parser.add_argument("--shared", type=int, default=0, metavar="BYTES", help="dynamic shared memory of a block")
    parser.add_argument("--compiler", choices=("nvrtc", "nvcc"), help="which one (default: the first that is here)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: Namespace) -> int:
    from ..compile_report import rows_of_catalogue, rows_of_file, table

    rows: list[Any] = []
    archs = tuple(args.arch or ("sm_75", "sm_80", "sm_90"))
    if not args.files:
        rows = rows_of_catalogue(archs, args.compiler)
    for file in args.files:
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ExecutorError(f"{file} cannot be read: {error}") from error
        options = tuple(f"-D{macro}" for macro in args.macros)
        rows += rows_of_file(file.name, source, archs, options, args.threads or 256, args.shared, args.compiler)
    print(json.dumps([asdict(row) for row in rows], indent=1) if args.json else table(rows))
    return 0
