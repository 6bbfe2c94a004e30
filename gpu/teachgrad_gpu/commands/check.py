r"""Find races, accesses out of bounds, missed barriers and slow accesses in a .cu file, without a GPU.

A launch is written in the file, as a comment in CUDA's own notation,

    // launch: block_sum<<<4, 256>>>(x = float32[1024]:random, out = float32[1], n = 1024)

or given here:

    teachgrad cuda check sum.cu --kernel block_sum --grid 4 --block 256 \
        --arg x=float32[1024]:random --arg out=float32[1] --arg n=1024

Where the file has a launch, an option changes that part of it alone: `--grid 8` keeps the block and the arguments.

An argument is a number, `null`, or an array: a dtype, a shape, and how it is filled (random, normal, arange or a
number; zeros if nothing is said). The exit status is 0 if nothing is wrong, 1 if something is found, and 2 if the
kernel does not compile, is not supported, or cannot be launched as described.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..emulator import RawKernel
    from ..emulator.launching import LaunchText

LARGEST = 4 << 20
WIDEST = 100
"""That lines of a report are, where the terminal is not narrower."""
Arguments = tuple[tuple[str, str], ...]


def add_arguments(parser: ArgumentParser) -> None:
    add_launch_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print findings and counters as JSON")


def add_launch_arguments(parser: ArgumentParser) -> None:
    """What describes a launch."""
    parser.add_argument("file", metavar="FILE.cu", type=Path, help="CUDA C++ source")
    parser.add_argument("--kernel", metavar="NAME", help="the kernel, or an instance of a template: 'add<float>'")
    parser.add_argument("--grid", metavar="N[,N[,N]]", help="blocks (default: those of the file, else 1)")
    parser.add_argument("--block", metavar="N[,N[,N]]", help="threads per block (default: those of the file, else 128)")
    parser.add_argument("--shared", metavar="BYTES", help="dynamic shared memory (default: that of the file, else 0)")
    parser.add_argument("--cooperative", action="store_true", help="all blocks at once, for barriers of the whole grid")
    parser.add_argument("--arg", metavar="[NAME=]VALUE", action="append", default=[], help="an argument")
    parser.add_argument("-D", dest="defines", metavar="NAME[=VALUE]", action="append", default=[], help="a macro")
    parser.add_argument("--seed", metavar="N", type=int, help="run threads in an order drawn from this number")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="of a launch (default: 60)")


def main(args: Namespace) -> int:
    from teachgrad.errors import TeachgradError

    try:
        source = read(args.file)
        checked = [(launch, launched(args, source, launch, check=True)) for launch in launches(args, source)]
    except TeachgradError as error:
        print(f"teachgrad cuda check: {args.file}: {by_name(str(error), args.file)}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps([as_data(launch, kernel) for launch, kernel in checked], indent=2))
    else:
        width = max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))
        print("\n\n".join(kernel.report(width) for _, kernel in checked))
    return int(any(kernel.findings for _, kernel in checked))


def read(path: Path) -> str:
    """The source, or an error in one sentence."""
    from ..emulator import EmulatorError

    try:
        if path.stat().st_size > LARGEST:
            raise EmulatorError(f"more than {LARGEST >> 20} MiB; that is no kernel")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EmulatorError(getattr(error, "strerror", None) or "it is not text in UTF-8") from error


def by_name(complaint: str, file: Path) -> str:
    """A compiler's complaints with the name of the file, which it does not know."""
    return re.sub(r"(?m)^kernel\.cu:", lambda _: f"{file.name}:", complaint)


def launches(args: Namespace, source: str) -> tuple[LaunchText, ...]:
    """The launches to check: those in the comments, with what the options change; without any, the options' own."""
    from ..emulator import ArgumentError, EmulatorError
    from ..emulator.launching import LaunchText, launches_in, name_and_value, read_integer, read_size
    from ..emulator.source import prepare

    given = tuple(name_and_value(text) for text in args.arg)
    changes: dict[str, Any] = {}
    for option, read_option in ("grid", read_size), ("block", read_size), ("shared", read_integer):
        text = getattr(args, option)
        try:
            if text is not None:
                changes[option] = read_option(text)
        except ArgumentError as error:
            raise ArgumentError(f"--{option} {text}: {error}") from error
    if args.cooperative:
        changes["cooperative"] = True
    written = [launch for launch in launches_in(source) if args.kernel in (None, launch.kernel)]
    if written:
        changed = (replace(launch, **changes, arguments=with_arguments(launch.arguments, given)) for launch in written)
        return tuple(dict.fromkeys(changed))
    name = args.kernel
    if name is None:
        known = prepare(source, (args.file.resolve().parent,)).kernels
        if len(known) != 1:
            raise EmulatorError("name the kernel with --kernel, or write `// launch: kernel<<<grid, block>>>(...)` in "
                                f"the file; it has {', '.join(known) or 'no kernel that is not a template'}")
        name = known[0]
    return (LaunchText(**{"kernel": name, "grid": (1,), "block": (128,), "shared": 0, "arguments": given, **changes}),)


def with_arguments(written: Arguments, given: Arguments) -> Arguments:
    """Those of a comment with those of the options in their place: by name where all have one, else all of them."""
    if all(name for name, _ in written + given):
        return tuple({**dict(written), **dict(given)}.items())
    return given or written


def launched(args: Namespace, source: str, launch: LaunchText, *, check: bool = False, record: int = 0) -> RawKernel:
    """The kernel of a launch, when it has run as the options say."""
    from ..emulator import EmulatorError, RawKernel
    from ..emulator.launching import values

    if not args.timeout > 0:
        raise EmulatorError(f"--timeout is a number of seconds, not {args.timeout:g}")
    kernel = RawKernel(source, launch.kernel, tuple(f"-D{define}" for define in args.defines), check=check,
                       record=record, seed=args.seed, timeout=args.timeout, folders=(args.file.resolve().parent,),
                       enable_cooperative_groups=launch.cooperative)
    kernel.max_dynamic_shared_size_bytes = max(kernel.max_dynamic_shared_size_bytes, launch.shared)  # it is asked for
    kernel(launch.grid, launch.block, values(kernel.parameters, launch.arguments), shared_mem=launch.shared)
    return kernel


def as_data(launch: LaunchText, kernel: RawKernel) -> dict[str, Any]:
    """A checked launch for machines."""
    return {"kernel": launch.kernel, "grid": launch.grid, "block": launch.block, "shared": launch.shared,
            "cooperative": launch.cooperative, "findings": [asdict(finding) for finding in kernel.findings],
            "counters": [asdict(counter) for counter in kernel.counters]}  # fmt: skip
