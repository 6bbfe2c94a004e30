"""A static function's generated C as a program of its own, for the sanitizers of the compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from teachgrad.executors.c.compiler import compiler


def alone(step: Any) -> str:
    """The C, and a main function with arrays that are just as long as they are said to be, full of zeros."""
    building = step.trace.program.building
    assert all(key >= 0 for key in building.slots), "no BLAS in so small a step"
    sizes = dict.fromkeys(building.slots.values(), 0)
    known = {v.id: v for w in step.graph.order for v in (w, *w.inputs)} | {v.id: v for v in step.graph.leaves}
    for number, slot in building.slots.items():
        sizes[slot] = known[number]._data.nbytes
    lines = [f"    p[{slot}] = calloc(1, {size});" for slot, size in sizes.items()]
    main = "\n".join(["#include <stdlib.h>", "int main(void)", "{", f"    void *p[{len(sizes)}];", *lines,
                      "    int answer = run(p);", *(f"    free(p[{slot}]);" for slot in sizes),
                      "    return answer;", "}"])
    text: str = building.source + main
    return text


def built(folder: Path, sources: dict[str, str], flags: Sequence[str], link: Sequence[str]) -> Path:
    """A program of some C files, by name; the test is skipped where the compiler lacks the sanitizer."""
    how = compiler()
    assert how is not None
    for name, text in sources.items():
        (folder / name).write_text(text)
        call = [*how.command, "-std=gnu11", "-g", "-O1", "-fwrapv", "-fno-math-errno", *flags, "-c", name]
        build = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
        assert build.returncode == 0, build.stderr
    objects = [str(Path(name).with_suffix(".o")) for name in sources]
    build = subprocess.run([*how.command, *objects, "-o", "program", *link, *how.libraries], cwd=folder,
                           capture_output=True, text=True, check=False)
    if "cannot find" in build.stderr:
        pytest.skip("no sanitizers here")
    assert build.returncode == 0, build.stderr
    return folder / "program"
