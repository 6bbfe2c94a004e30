"""The measurements: is each kernel right on the device, does the emulator agree with it, how fast is it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from teachgrad_gpu.kernels import Kernel, catalogue
from teachgrad_gpu.kernels.checking import differences, launched, referred

from . import cupy_side
from .machine import Machine

COMPILED = ("gelu_vectorised", "softmax_registers", "layer_norm_registers", "cross_entropy")
"""Kernels that are also compared with torch.compile."""


@dataclass(frozen=True)
class Checked:
    """One kernel and dtype, on all small shapes."""

    kernel: str
    dtype: str
    right: bool
    """Within the kernel's tolerance of NumPy."""
    said: str
    """What is wrong, if anything is."""
    same_bits: int | None
    """Of so many results of the device, the emulator has all bits; None where there is no emulator."""
    results: int
    apart: float
    """The largest difference between device and emulator, relative to the largest number."""


@dataclass(frozen=True)
class Timed:
    """One kernel at its large shape; times in milliseconds."""

    kernel: str
    shape: tuple[int, ...]
    ms: float
    speed: float
    """Bytes a second, if every number moves once."""
    of_copy: float
    """That, of the speed of a copy."""
    flops: float
    """Operations a second."""
    cupy: float | None
    torch: float | None
    compiled: float | None
    agrees: bool | None
    """With PyTorch, at this shape."""
    call: float | None = None
    """Of a static function: with all that a call costs in Python."""


@dataclass(frozen=True)
class Failed:
    """A kernel that could not be timed, and why."""

    kernel: str
    why: str


def check_all(machine: Machine, wanted: Callable[[str], bool]) -> Iterator[Checked]:
    for kernel in catalogue.values():
        for dtype in kernel.dtypes if wanted(kernel.name) else ():
            yield check(machine, kernel, dtype)


def check(machine: Machine, kernel: Kernel, dtype: str) -> Checked:
    emulated = emulator()
    wrong, same, results, apart = "", 0, 0, 0.0
    for shape in kernel.shapes:
        example = kernel.example(np.random.default_rng(7), dtype, *shape)
        try:
            found = launched(kernel, machine.device, example)
        except Exception as error:  # one kernel that fails shall not hide the others
            return Checked(kernel.name, dtype, False, in_short(error), None, 0, 0.0)
        bad = [d for d in differences(kernel, found, referred(kernel, example)) if not d.right]
        wrong = wrong or "; ".join(f"{shape} {d.array}: {d.largest:.3g} apart, {d.allowed:.3g} allowed" for d in bad)
        if emulated is None:
            continue
        twin = launched(kernel, emulated, example)
        for i in kernel.outputs:
            results += 1
            same += found[i].tobytes() == twin[i].tobytes()
            apart = max(apart, relative(found[i], twin[i]))
    return Checked(kernel.name, dtype, not wrong, wrong, same if emulated else None, results, apart)


def emulator() -> Any:
    """The emulator, where a C++ compiler is."""
    from teachgrad_gpu import emulator
    from teachgrad_gpu.emulator import building

    return emulator if building.command() else None


def relative(a: Any, b: Any) -> float:
    """The largest difference relative to the largest number; nan equals nan."""
    if not a.size:
        return 0.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.nan_to_num(apart, nan=np.inf).max() / max(float(np.abs(np.nan_to_num(b)).max()), 1e-300))


def time_all(machine: Machine, wanted: Callable[[str], bool]) -> Iterator[Timed | Failed]:
    for kernel in catalogue.values():
        if wanted(kernel.name):
            try:
                yield time_one(machine, kernel)
            except Exception as error:  # one kernel that fails shall not hide the others
                yield Failed(kernel.name, in_short(error))
            machine.free()


def in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def time_one(machine: Machine, kernel: Kernel) -> Timed:
    shape = machine.shape(kernel)
    example = kernel.example(machine.rng(), kernel.dtypes[0], *shape)
    arrays, settings = tuple(machine.to(a) for a in example.arrays), example.settings
    torch_ms, compiled, agrees = beside_torch(machine, kernel, arrays, settings)
    ours = machine.milliseconds(lambda: kernel.launch(machine.device, *arrays, **settings))
    by_cupy = cupy_side.ANSWERS.get(kernel.name)
    cupy_ms = machine.milliseconds(lambda: by_cupy(machine.xp, *arrays)) if by_cupy and not settings else None
    plan = kernel.plan(*arrays, **settings)
    speed = kernel.least_traffic(*arrays, **settings) / (ours / 1e3)
    return Timed(kernel.name, shape, ours, speed, speed / machine.peaks.copy, plan.flops / (ours / 1e3), cupy_ms,
                 torch_ms, compiled, agrees)


def beside_torch(machine: Machine, kernel: Kernel, arrays: tuple[Any, ...],
                 settings: Any) -> tuple[float | None, float | None, bool | None]:
    """PyTorch's time, that of torch.compile, and whether the kernel's results agree; None for what is not to be had."""
    if machine.torch is None:
        return None, None, None
    from . import torch_side  # here, because it needs PyTorch

    answers = torch_side.ANSWERS.get(kernel.name)
    if answers is None:
        return None, None, None
    tensors = tuple(machine.tensor(a) for a in arrays)
    expected = answers(*tensors, **settings)  # before the kernel writes over what it is given
    kernel.launch(machine.device, *arrays, **settings)
    agrees = agreement(machine, kernel, tensors, expected)
    if kernel.name in torch_side.UNTIMED:
        return None, None, agrees
    torch_ms, compiled = machine.milliseconds(lambda: answers(*tensors, **settings)), None
    if kernel.name in COMPILED:
        fused = machine.compiled(answers)
        compiled = machine.milliseconds(lambda: fused(*tensors, **settings))
    return torch_ms, compiled, agrees


def agreement(machine: Machine, kernel: Kernel, tensors: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    """Whether the results at the large shape are PyTorch's, within what two orders of many additions differ.

    The small shapes are held to much less. Of equal maxima either may be the place, so integers are not compared.
    """
    for i, theirs in zip(kernel.outputs, expected, strict=True):
        if theirs is None or not tensors[i].is_floating_point():
            continue
        most = 1e-2 if theirs.dtype == machine.torch.float16 else 1e-3
        if torch_apart(machine.torch, tensors[i], theirs) > most:
            return False
    return True


def torch_apart(torch: Any, a: Any, b: Any) -> float:
    """The largest difference relative to the largest number, where the tensors are; nan equals nan."""
    a, b = a.double(), b.double()
    apart = torch.where((a == b) | (a.isnan() & b.isnan()), 0.0, (a - b).abs()).nan_to_num(nan=torch.inf)
    return float(apart.max() / b.abs().nan_to_num().max().clamp(min=1e-300)) if a.numel() else 0.0
