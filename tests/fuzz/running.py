"""Running a program: dynamic, static at every level, disturbed, in PyTorch and in JAX. All give the same list.

The list has the outputs, the new values of cells, and the gradients of Σ outputs · weights; a program of order 2 is
differentiated once more, through the squares of those gradients. None stands for a gradient that is not there.
"""

from __future__ import annotations

import functools
import linecache
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.static import StaticFunction

from .program import Program, laid_out

Numbers = list[Any]
DISTURBANCE = 2.0 ** -22
"""How much operands and results are changed to learn how sensitive a program is: twice the precision of float32."""


@functools.lru_cache(64)
def code_of(text: str) -> Any:
    """A text, compiled. Its lines can be shown in errors and in generated C."""
    file = f"<graphs {zlib.crc32(text.encode()):08x}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    return compile(text, file, "exec")


def compiled(text: str, space: dict[str, Any]) -> Callable[..., Any]:
    """The function that a text defines."""
    exec(code_of(text), space)
    function: Callable[..., Any] = space["program"]
    return function


def weights_of(shape: Sequence[int], number: int, dtype: Any) -> Any:
    """The weights of output `number` in the sum that is differentiated: no two elements have the same."""
    size = int(np.prod(shape))
    return np.cos(np.arange(size, dtype=np.float64) * 1.7 + number).reshape(tuple(shape)).astype(dtype)


def joined(programs: Sequence[Program], library: str, disturbed: bool = False) -> str:
    """Programs as one function of all their inputs, which returns a list for each."""
    apart = [p.renamed(k) for k, p in enumerate(programs)]
    inputs = ", ".join(name for p in apart for name in p.inputs)
    lines = [line.disturbed() if disturbed else line.texts[library] for p in apart for line in p.lines]
    returned = ", ".join(f"[{', '.join([*p.outputs, *p.cells.values()])}]" for p in apart)
    return "\n    ".join([f"def program({inputs}):", *lines, f"return [{returned}]"]) + "\n"


def split(programs: Sequence[Program], xs: Sequence[Any]) -> list[Sequence[Any]]:
    """The inputs of each program."""
    parts, at = [], 0
    for p in programs:
        parts.append(xs[at:at + len(p.inputs)])
        at += len(p.inputs)
    return parts


def cells_of(programs: Sequence[Program], xs: Sequence[Any]) -> list[tuple[Any, int, int]]:
    """Inputs that get new values, and where these are: the number of the program and the place in its answer."""
    return [(own[list(p.inputs).index(name)], k, len(p.outputs) + n)
            for k, (p, own) in enumerate(zip(programs, split(programs, xs), strict=True))
            for n, name in enumerate(p.cells)]


def differentiated(function: Callable[..., Any], programs: Sequence[Program], lib: Any) -> Callable[..., Any]:
    """Outputs, new cells and gradients of programs whose lines `function` has; in teachgrad or in PyTorch."""
    grad = lib.grad if lib is tg else lib.autograd.grad

    def run(*xs: Any) -> list[list[Any]]:
        answers: list[list[Any]] = []
        for p, own, values in zip(programs, split(programs, xs), function(*xs), strict=True):
            answer = list(values)
            wrt = [x for x, given in zip(own, p.inputs.values(), strict=True) if given.requires_grad]
            for order in range(1, p.order + 1 if wrt else 1):
                live = [(k, v) for k, v in enumerate(values) if v is not None and v.requires_grad]
                if not live:
                    answer += [None] * len(wrt)
                    continue
                total = sum((v * lib.tensor(weights_of(v.shape, k, str(v.dtype).removeprefix("torch.")))).sum()
                            if order == 1 else (v * v).sum() for k, v in live)
                values = list(grad(total, wrt, create_graph=order < p.order, allow_unused=True))
                answer += values
            answers.append(answer)
        return answers

    return run


def renewing(run: Callable[..., Any], programs: Sequence[Program], flat: Sequence[Any], lib: Any) -> Callable[..., Any]:
    """The same, and then the cells among the inputs get their new values."""
    cells = cells_of(programs, flat)
    if not cells:
        return run

    def step(*xs: Any) -> Any:
        answers = run(*xs)
        with lib.no_grad():
            for x, k, n in cells:
                x.copy_(answers[k][n])
        return answers

    return step


# ---- teachgrad -------------------------------------------------------------------------------------------------------

def tensors(programs: Sequence[Program], precision: str = "") -> list[Any]:
    """The inputs as tensors; floating ones in a precision, if one is given."""
    made = []
    for p in programs:
        for x in p.inputs.values():
            a = laid_out(x)
            if precision and a.dtype.kind == "f":
                a = a.astype(precision)
            t = tg.from_dlpack(a) if a.ndim else tg.tensor(a)
            t.requires_grad = x.requires_grad and p.order > 0
            made.append(t)
    return made


def copies(answer: Any) -> Numbers:
    return [None if x is None else np.array(x.detach().numpy(), copy=True) for x in answer]


class TracedOnce(StaticFunction):
    """A static function that takes the recording of another one of the same function, if that has run."""

    def __init__(self, step: Callable[..., Any], level: str, plan: str, threads: int | None,
                 recordings: list[Any]) -> None:
        fast = level == "O3"
        super().__init__(step, level, "c" if fast else "numpy", plan, threads=threads if fast else None)
        self.recordings = recordings

    def recorded(self, *given: Any) -> Any:
        if not self.recordings:
            self.recordings.append(super().recorded(*given))
        return self.recordings[0]


def run_levels(programs: Sequence[Program], levels: Sequence[str | None], plan: str = "reuse", calls: int = 1,
               threads: int | None = None) -> list[list[Numbers]]:
    """What dynamic mode (None) and static functions at these levels give, for each level for each program.

    Each is called several times, between which cells have changed. All levels share one trace."""
    flat = tensors(programs)
    run = differentiated(compiled(joined(programs, "tg"), {"tg": tg, "F": F, "np": np}), programs, tg)
    step = renewing(run, programs, flat, tg)
    before = [(x, x.numpy(copy=True)) for x, _, _ in cells_of(programs, flat)]
    recordings: list[Any] = []
    answers = []
    for level in levels:
        call = step if level is None else TracedOnce(step, level, plan, threads, recordings)
        seen: list[Numbers] = [[] for _ in programs]
        with np.errstate(all="ignore"):
            for _ in range(calls):
                for values, answer in zip(seen, call(*flat), strict=True):
                    values += copies(answer)
        with tg.no_grad():
            for x, array in before:
                x.copy_(tg.tensor(array))
        answers.append(seen)
    return answers


def run_ours(programs: Sequence[Program], level: str | None = None, plan: str = "reuse",
             calls: int = 1) -> list[Numbers]:
    """Dynamic mode, or a static function at a level."""
    return run_levels(programs, [level], plan, calls)[0]


def rewritten_beyond(program: Program, level: str) -> bool:
    """Whether a level uses a rule on a program that may give values where the program has none, such as 0 for x - x."""
    flat = tensors([program])
    run = differentiated(compiled(joined([program], "tg"), {"tg": tg, "F": F, "np": np}), [program], tg)
    step = tg.static(run, level=level)
    with np.errstate(all="ignore"):
        step(*flat)
    return any(entry.domain for entry in step.trace.rewrites)


def run_disturbed(program: Program, seed: int | None, calls: int = 1, precision: str = "float64") -> Numbers:
    """In dynamic mode and one precision, operands, results and gradients changed by random relative errors, or not.

    A special program keeps its precision, for its numbers may not exist in another.
    """
    rng = np.random.default_rng(seed)
    other = "float32" if precision == "float64" else "float64"

    def disturb(x: Any) -> Any:
        if not isinstance(x, tg.Tensor) or str(x.dtype)[0] != "f":
            return x
        size = DISTURBANCE if x.dtype == tg.float32 or not program.special else 2.0 ** -50
        forwards, backwards = (tg.tensor(np.asarray(size * rng.uniform(-1, 1, x.shape)).astype(str(x.dtype)))
                               for _ in range(2))
        if not x.requires_grad:
            return x + x * forwards
        return x + x * backwards + x.detach() * (forwards - backwards)

    text = joined([program], "tg", disturbed=seed is not None)
    space = {"tg": tg, "F": F, "np": np, "disturb": disturb}
    flat = tensors([program], "" if program.special else precision)
    if not program.special:
        text = text.replace(other, precision)
    step = renewing(differentiated(compiled(text, space), [program], tg), [program], flat, tg)
    seen: Numbers = []
    with np.errstate(all="ignore"):
        for _ in range(calls):
            seen += copies(step(*flat)[0])
    return seen


# ---- other libraries -------------------------------------------------------------------------------------------------

def run_torch(programs: Sequence[Program]) -> list[Numbers]:
    """PyTorch, eager; cells keep their values."""
    import torch

    space = {"torch": torch, "TF": torch.nn.functional, "np": np}
    flat = []
    for p in programs:
        for x in p.inputs.values():
            t = torch.tensor(np.array(x.array, order="C"))
            t.requires_grad_(x.requires_grad and p.order > 0)
            flat.append(t)
    run = differentiated(compiled(joined(programs, "torch"), space), programs, torch)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the other one has one derivative only
        answers = run(*flat)
    return [[None if x is None else np.array(x.detach().numpy(force=True)) for x in answer] for answer in answers]


@functools.cache
def jax_space() -> dict[str, Any]:
    """JAX in double precision, without optimisation: what a compiler does faster is of no use here."""
    import os

    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0")
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    return {"jax": jax, "jnp": jnp, "np": np}


def run_jax(programs: Sequence[Program]) -> list[Numbers]:
    """JAX, in a process of its own: its compiler ends the process where it meets what it did not expect."""
    code = "from tests.fuzz.running import answer_in_jax; answer_in_jax()"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(programs), capture_output=True, check=False)
    if done.returncode < 0:
        raise RuntimeError(f"XLA ended its process with signal {-done.returncode}")
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace")[-2000:])
    numbers: list[Numbers] = pickle.loads(done.stdout)
    return numbers


def answer_in_jax() -> None:
    """Run the programs that come in, and write what comes out."""
    sys.stdout.buffer.write(pickle.dumps(compute_in_jax(pickle.loads(sys.stdin.buffer.read()))))


def compute_in_jax(programs: Sequence[Program]) -> list[Numbers]:
    """JAX, all programs compiled as one function. Gradients are of first order; an input without one has zeros."""
    space = jax_space()
    jax, jnp = space["jax"], space["jnp"]
    function = compiled(joined(programs, "jax"), dict(space))
    given = [x for p in programs for x in p.inputs.values()]
    moving = [k for k, x in enumerate(given) if x.requires_grad]
    flat = [jnp.asarray(x.array) for x in given]

    def run(flat: list[Any]) -> Any:
        def total(moved: list[Any]) -> Any:
            xs = list(flat)
            for k, x in zip(moving, moved, strict=True):
                xs[k] = x
            answers = function(*xs)
            parts = [(v * weights_of(v.shape, k, str(v.dtype))).sum().astype(jnp.float64)
                     for p, values in zip(programs, answers, strict=True) if p.order
                     for k, v in enumerate(values) if v.dtype.kind == "f"]
            return sum(parts, jnp.zeros(())), answers

        (_, answers), slopes = jax.value_and_grad(total, has_aux=True)([flat[k] for k in moving])
        return answers, slopes

    answers, slopes = jax.jit(run)(flat)
    slopes = dict(zip(moving, slopes, strict=True))
    seen, at = [], 0
    for p, values in zip(programs, answers, strict=True):
        own = range(at, at + len(p.inputs))
        at += len(p.inputs)
        seen.append([np.array(v) for v in values] + [np.array(slopes[k]) for k in own if p.order and k in slopes])
    return seen
