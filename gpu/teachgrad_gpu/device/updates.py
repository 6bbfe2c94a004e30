"""The steps of optimizers, each in one pass: the formulas of `teachgrad.ops.updates`, in the order of their arithmetic.

What depends on the step alone, such as 1 - βᵗ, is computed once a thread, in double, from numbers in memory or from
the host; a count of steps that is on the device is read there.
"""

from __future__ import annotations

from typing import Any

from teachgrad.ops import updates
from teachgrad.ops.updates import Update

from .maps import Map, run
from .table import computes, fits

STEPS: dict[tuple[Update, int], Map] = {
    (updates.sgd_update, 3): Map("sgd_update", ("p", "d"), ("lr",), "p - d * (real)lr"),
    (updates.nesterov_update, 5): Map(
        "nesterov_update", ("p", "d", "v"), ("lr", "momentum"), "p - (v * (real)momentum + d) * (real)lr"),
    (updates.momentum_update, 3): Map("momentum_update", ("v", "d"), ("momentum",), "v * (real)momentum + d"),
    (updates.momentum_update, 4): Map(
        "momentum_update", ("v", "d"), ("momentum", "started", "dampening"), "v * (real)momentum + d * fresh",
        (("fresh", "1.0 - dampening * started"),)),
    (updates.average_update, 3): Map(
        "average_update", ("m", "d"), ("beta",), "m + (d - m) * fresh", (("fresh", "1.0 - beta"),)),
    (updates.square_update, 3): Map(
        "square_update", ("v", "d"), ("beta",), "v * (real)beta + d * fresh * d", (("fresh", "1.0 - beta"),)),
    (updates.add_square_update, 2): Map("add_square_update", ("s", "d"), (), "s + d * d"),
    (updates.adam_update, 7): Map(
        "adam_update", ("p", "m", "v"), ("t", "lr", "beta1", "beta2", "eps", "decay"),
        "p * kept - m / (sqrt(v) / root + (real)eps) * size",
        (("root", "sqrt(1.0 - pow(beta2, t))"), ("size", "lr / (1.0 - pow(beta1, t))"), ("kept", "1.0 - lr * decay"))),
    (updates.adagrad_update, 5): Map(
        "adagrad_update", ("p", "d", "s"), ("t", "lr", "lr_decay", "eps"), "p - d / (sqrt(s) + (real)eps) * size",
        (("size", "lr / (1.0 + (t - 1.0) * lr_decay)"),)),
    (updates.rms_scaled, 2): Map("rms_scaled", ("d", "v"), ("eps",), "d / (sqrt(v) + (real)eps)"),
    (updates.rms_scaled, 3): Map("rms_scaled", ("d", "v", "m"), ("eps",), "d / (sqrt(v - m * m) + (real)eps)"),
    (updates.adadelta_scaled, 3): Map(
        "adadelta_scaled", ("d", "v", "u"), ("eps",), "d * sqrt(u + (real)eps) / sqrt(v + (real)eps)"),
}
"""The map of an update with so many inputs. Its numbers are those of the inputs, then the settings, by name."""


def by_map(op: Update) -> None:
    """Let an update be computed by its map."""

    @computes(op)
    def way(there: Any, *inputs: Any, out: Any = None, **settings: Any) -> Any:
        what = STEPS.get((op, len(inputs)))
        fits(what is not None)
        assert what is not None
        arrays, numbers = inputs[:len(what.arrays)], [*inputs[len(what.arrays):]]
        numbers += [settings[name] for name in what.numbers[len(numbers):]]
        return run(there, what, arrays, numbers, out)


for member in dict.fromkeys(op for op, _ in STEPS):
    by_map(member)
