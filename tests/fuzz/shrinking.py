"""Making a program that fails as small as it gets, and writing it down as a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from .program import NAME, Input, Line, Program, numbers
from .running import run_ours

Fails = Callable[[Program], bool]


def shrunk(program: Program, fails: Fails) -> Program:
    """The smallest program that is made of this one by simple steps and still fails."""
    going = True
    while going:
        going = False
        for smaller in simpler(program):
            try:
                bad = bool(smaller.outputs) and fails(smaller)
            except Exception:
                bad = False  # another error than the one that is looked for
            if bad:
                program, going = smaller, True
                break
    return program


def simpler(p: Program) -> Iterator[Program]:
    """Programs that are one step simpler, those that lose most first."""
    if p.cells:
        yield replace(p, cells={}).trimmed()
    for line in p.lines:
        smaller = replace(p, outputs=line.targets, cells={}).trimmed()
        if len(smaller.lines) < len(p.lines) or len(smaller.outputs) < len(p.outputs):
            yield smaller
    for k in range(len(p.outputs)):
        yield replace(p, outputs=(*p.outputs[:k], *p.outputs[k + 1:])).trimmed()
    for line in reversed(p.lines):
        yield from without(p, line)
    for order in range(p.order):
        yield replace(p, order=order)
    for name, x in p.inputs.items():
        if x.layout != "rows":
            yield replace(p, inputs={**p.inputs, name: replace(x, layout="rows")})
        if x.requires_grad:
            yield replace(p, inputs={**p.inputs, name: replace(x, requires_grad=False)})
        if x.array.dtype.kind == "f" and not p.special:
            short = np.round(x.array, 1)
            if not np.array_equal(short, x.array):
                yield replace(p, inputs={**p.inputs, name: replace(x, array=short)})


def without(p: Program, line: Line) -> Iterator[Program]:
    """The program whose inputs are, instead, the values that a line makes."""
    try:
        values = run_ours([replace(p, outputs=line.targets, cells={}, order=0)])[0]
    except Exception:
        return
    names = {t: f"x{900 + int(t[1:])}" for t in line.targets}

    def new(text: str) -> str:
        return NAME.sub(lambda m: names.get(m[0], m[0]), text)

    lines = tuple(Line(other.row, tuple(map(new, other.targets)), {k: new(t) for k, t in other.texts.items()})
                  for other in p.lines if other is not line)
    inputs = {**p.inputs, **{names[t]: Input(a, a.dtype.kind == "f" and p.order > 0)
                             for t, a in zip(line.targets, values, strict=True)}}
    yield replace(p, inputs=inputs, lines=lines, outputs=tuple(map(new, p.outputs)),
                  cells={k: new(v) for k, v in p.cells.items()}).trimmed()


LAYOUTS = {"rows": "{0}", "columns": "np.array({0}.T, order='C').T", "spread": "np.repeat({0}, 2, axis=-1)[..., ::2]",
           "backwards": "np.array({0}[::-1], order='C')[::-1]"}


def script(p: Program, why: str = "", level: str = "O3") -> str:
    """The program as a script that shows its outputs and gradients in both modes and, if it is there, in PyTorch."""
    text = ['"""' + (why.replace('"""', "'''") or "A random program.") + '"""', "", "import numpy as np", "",
            "import teachgrad as tg", "from teachgrad.nn import functional as F", "", ""]
    text += [p.function("tg"), ""]
    for name, x in p.inputs.items():
        text.append(f"{name} = {LAYOUTS[x.layout].format(numbers(x.array))}")
    text += ["", "", "def run(function):"]
    if p.inputs:
        text += [f"    xs = [tg.tensor(a) if a.ndim == 0 else tg.from_dlpack(a) for a in ({', '.join(p.inputs)},)]"]
    else:
        text += ["    xs = []"]
    wrt = [k for k, x in enumerate(p.inputs.values()) if x.requires_grad and p.order]
    text += [f"    for k in {wrt}:", "        xs[k].requires_grad = True"]
    text += ["    return function(*xs)", "", "", "def step(*xs):", "    outputs = program(*xs)"]
    if wrt:
        text += [f"    wrt = [xs[k] for k in {wrt}]", "    values, answers = outputs, list(outputs)",
                 f"    for order in range({p.order}):",
                 "        live = [(k, v) for k, v in enumerate(values) if v is not None and v.requires_grad]",
                 "        waves = [np.cos(np.arange(v.size) * 1.7 + k).reshape(v.shape) for k, v in live]",
                 "        total = sum((v * (v if order else tg.astype(tg.tensor(w), v.dtype))).sum()",
                 "                    for (k, v), w in zip(live, waves))",
                 f"        values = tg.grad(total, wrt, create_graph=order + 1 < {p.order}, allow_unused=True)",
                 "        answers += values", "    return answers"]
    else:
        text += ["    return outputs"]
    text += ["", "", f'for result in zip(run(step), run(tg.static(step, level="{level}"))):',
             '    print(*result, sep="\\n")']
    if all("torch" in line.texts for line in p.lines):
        text += ["", "# in PyTorch", *("# " + line for line in p.function("torch").splitlines())]
    return "\n".join(text) + "\n"



