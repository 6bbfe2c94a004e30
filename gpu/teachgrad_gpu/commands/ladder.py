"""Climb a ladder of kernels: each computes the same, faster than the one before. See what changed, and why it helps.

Every rung runs on the emulator, is checked against NumPy and for mistakes, and its accesses are counted:

    sectors/req    sectors of 32 bytes that a warp's request to memory takes; 4 are ideal for 32 floats, 16 for float4
    moved          bytes that go over the wire without any cache, 32 for each sector
    waves/req      turns that a request to shared memory takes; more than the ideal in brackets are bank conflicts
    waves          all of these turns together
    atomics        atomic operations, counted by thread
    lanes          of 32, how many are active while a warp runs
    barriers       that a block waits at
    flops/B        operations for each byte moved

With CuPy and a GPU, each is timed too, at a size that keeps the device busy: milliseconds, and percent of the peak (of
the speed of a copy, measured now; for matmul of the arithmetic that the device could do).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..rungs import LADDERS, Ladder

if TYPE_CHECKING:
    from ..ladder import Climbed


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("ladder", choices=sorted(LADDERS), help="which one")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: Namespace) -> int:
    from ..ladder import climb
    from ..timing import gpu, missing

    ladder, why = LADDERS[args.ladder], missing()
    climbed = list(climb(ladder, None if why else gpu()))
    print(json.dumps(as_data(ladder, climbed, why), indent=1) if args.json else as_text(ladder, climbed, why))
    return 0 if all(c.right for c in climbed) else 1


def as_data(ladder: Ladder, climbed: list[Climbed], why: str | None) -> dict[str, Any]:
    rungs = [{"kernel": c.kernel.name, "file": c.kernel.path.name, "line": c.kernel.line, "right": c.right,
              "changed": c.rung.changed, "why": c.rung.why, "counts": asdict(c.counts),
              "speed": asdict(c.speed) if c.speed else None} for c in climbed]
    return {"ladder": ladder.name, "what": ladder.what, "shape": ladder.shape, "not_timed": why, "rungs": rungs}


def as_text(ladder: Ladder, climbed: list[Climbed], why: str | None) -> str:
    size = " x ".join(map(str, ladder.shape))
    lines = [f"{ladder.name}: {ladder.what}, {size}, counted on the emulator", ""]
    for number, c in enumerate(climbed, 1):
        verdict = "right" if c.right else "WRONG"
        lines += [f"{number}. {c.kernel.name} ({c.kernel.path.name}:{c.kernel.line}): {verdict}",
                  fill(c.rung.changed, 78, initial_indent="   ", subsequent_indent="   "),
                  fill(c.rung.why, 78, initial_indent="   ", subsequent_indent="   "), ""]
    head = "", "sectors/req", "moved", "waves/req", "waves", "atomics", "lanes", "barriers", "flops/B"
    lines.append(columns(head, [count_cells(number, c) for number, c in enumerate(climbed, 1)]))
    if why:
        return "\n".join([*lines, "", f"Not timed: {why}."])
    unit, peak = ("GB/s", "of a copy") if ladder.counts == "bytes" else ("GFLOP/s", "of peak")
    rows = [speed_cells(number, c) for number, c in enumerate(climbed, 1)]
    return "\n".join([*lines, "", columns(("", "size", "ms", unit, peak), rows)])


def count_cells(number: int, c: Climbed) -> tuple[str, ...]:
    n = c.counts
    waves = "-" if n.wavefronts is None else f"{n.wavefronts:.1f} ({n.ideal_wavefronts:.1f})"
    return (f"{number}.", f"{n.sectors:.1f} ({n.ideal_sectors:.1f})", in_bytes(n.moved), waves, str(n.all_wavefronts),
            str(n.atomics), f"{n.lanes:.1f}", str(n.barriers), f"{n.intensity:.2g}")


def speed_cells(number: int, c: Climbed) -> tuple[str, ...]:
    s = c.speed
    assert s is not None
    percent = "?" if s.percent is None else f"{s.percent:.0f} %"
    return f"{number}.", " x ".join(map(str, c.kernel.large)), f"{s.ms:.3f}", f"{s.rate / 1e9:.0f}", percent


def in_bytes(n: int) -> str:
    return f"{n / 1024:.0f} KiB" if n < 1 << 20 else f"{n / (1 << 20):.1f} MiB"


def columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    aligned = ([text.rjust(width) for text, width in zip(line, widths, strict=True)] for line in [head, *rows])
    return "\n".join("  ".join(line) for line in aligned)
