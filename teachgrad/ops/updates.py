"""The arithmetic of optimizers: what a parameter, or a running value kept beside it, becomes in one step.

Each is one op, in as few passes over memory as its formula allows: on small networks the cost of a training step is
the number of calls, on large ones the traffic of memory. `some_update(x, ...)` is the new value of `x`, its first
input, and `some_update.overwrite([x, ...], ...)` puts it there.

In the formulas p is a parameter, d the direction to go down (its gradient, perhaps with decay), η the learning rate
and t the number of the step, counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .. import devices, observe
from ..errors import DeviceError, user_site
from ..op import NO_ATTRS, Array, Op, Spec, Vertex, apply, explain, mark_written, next_id, state
from ..op.elsewhere import compute_on
from .elementwise import power, sqrt
from .inplace import overwrite
from .pieces import PIECE, in_pieces
from .shape import astype

_data_of = attrgetter("_data")


class Update(Op):
    """An op that gives its first input a new value, of the same shape and dtype.

    No gradient flows through it. Numbers that are scheduled, such as the learning rate, are inputs, so that changing
    them changes no graph; they are 0-d and float64 unless said otherwise. A subclass says in `compute` how the result
    is computed, element by element. It may be written over any of the inputs, because `compute` has read the others
    before it writes to z; where z is None it makes a new array.
    """

    arrays: int
    """How many inputs are arrays in the shape of the first; what follows are single numbers."""
    differentiable = False
    writes_out = True
    may_overwrite = tuple(range(8))

    def __call__(self, *inputs: Vertex, **attrs: Any) -> Any:
        return apply(self, inputs, attrs)

    def infer(self, x: Spec, *inputs: Spec, **attrs: Any) -> Spec:
        return x

    def compute(self, xp: Any, z: Array | None, *inputs: Array, **settings: Any) -> Array:
        """The new value, written to z."""
        raise NotImplementedError

    def forward(self, xp: Any, *inputs: Array, out: Array | None = None, **settings: Any) -> Array:
        if inputs[0].size <= PIECE:
            return self.compute(xp, out, *inputs, **settings)
        numbers = inputs[self.arrays :]

        def compute(xp: Any, z: Array, *arrays: Array) -> None:
            self.compute(xp, z, *arrays, *numbers, **settings)

        return in_pieces(compute, xp, out, *inputs[: self.arrays])

    def overwrite(self, xs: Sequence[Vertex], *columns: Iterable[Vertex], **attrs: Any) -> None:
        """Overwrite each tensor of `xs` with its new value, given its further inputs, one from each column.

        This does what `overwrite(x, self(x, ...))` does for each. Where nothing is recorded or traced, the results are
        computed straight into the memory of the xs, by the same calls that compute them elsewhere, so the bits are the
        same. All tensors come in one call because the loop here is the hot path of training small networks.
        """
        now = state.now
        if now.grad or now.tracer is not None:
            for inputs in zip(xs, *columns, strict=False):  # a column may be endless
                overwrite(inputs[0], apply(self, inputs, attrs or NO_ATTRS))
            return
        site, stamp, sink, meter = user_site(), next_id(), observe.sink, now.meter
        rows = zip(map(_data_of, xs), *[map(_data_of, column) for column in columns], strict=False)
        for x, row in zip(xs, rows, strict=True):
            memory = row[0]
            if now.witness is not None:
                now.witness.reads([x])
                now.witness.writes(x if x.base is None else x.base)
            try:
                if devices.beyond and (there := devices.of(memory)) is not devices.CPU:
                    self.overwrite_elsewhere(there, x, row, attrs)
                elif meter is not None:
                    meter.compute(self, list(row), {**attrs, "out": memory})
                elif memory.size <= PIECE:
                    self.compute(np, memory, *row, **attrs)
                else:
                    self.forward(np, *row, out=memory, **attrs)
            except (ValueError, TypeError) as error:
                raise explain(self, (x,), attrs, error) from error
            if x.base is None:
                x.stamp = stamp
                x.site = site
            else:
                mark_written(x)
            if sink:
                sink(observe.Update(x.id, x.name, memory))

    def overwrite_elsewhere(self, there: devices.Device, x: Vertex, row: Sequence[Array], attrs: Any) -> None:
        """The same for a tensor on another device, beside which only numbers may be on the CPU."""
        others = [array for array in row if devices.of(array) is not there]
        if any(array.ndim or devices.of(array) is not devices.CPU for array in others):
            raise DeviceError(f"{self.name}: {x.name or 'a parameter'} is on \"{there.name}\", its gradient or what "
                              "the optimizer keeps of it is not.\nWay out: make the optimizer after "
                              f"model.to(\"{there.name}\")")
        compute_on(there, self, row, {**attrs, "out": row[0]})


class CountUpdate(Update):
    r"""z = t + 1"""

    arrays = 1

    def compute(self, xp: Any, z: Array | None, t: Array) -> Array:
        return xp.add(t, 1, z)

    def parts(self, z: Vertex, t: Vertex) -> Any:
        return t + 1


class SgdUpdate(Update):
    r"""z = p - η d:   one step down.   η has the dtype of p"""

    arithmetic = 2
    arrays = 2

    def compute(self, xp: Any, z: Array | None, p: Array, d: Array, lr: Array) -> Array:
        return xp.subtract(p, xp.multiply(d, lr), z)

    def parts(self, z: Vertex, p: Vertex, d: Vertex, lr: Vertex) -> Any:
        return p - d * lr


class NesterovUpdate(Update):
    r"""z = p - η (d + μ v):   one step down, looking ahead along the velocity v.   η and μ have the dtype of p

    Source: I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep
    learning" (2013), in the form of PyTorch, where v is not scaled by η.
    """

    arithmetic = 4
    arrays = 3

    def compute(self, xp: Any, z: Array | None, p: Array, d: Array, v: Array, lr: Array, momentum: Array) -> Array:
        ahead = xp.asarray(xp.multiply(v, momentum))
        xp.add(ahead, d, out=ahead)
        return xp.subtract(p, xp.multiply(ahead, lr, out=ahead), z)

    def parts(self, z: Vertex, p: Vertex, d: Vertex, v: Vertex, lr: Vertex, momentum: Vertex) -> Any:
        return p - (v * momentum + d) * lr


class MomentumUpdate(Update):
    r"""z = μ v + (1 - δ) d:   the velocity v, with dampening δ.   μ has the dtype of v

    A fourth input `started`, while it is 0, says that this is the first step, which is not dampened.
    """

    arithmetic = 3
    arrays = 2

    def compute(
        self, xp: Any, z: Array | None, v: Array, d: Array, momentum: Array, *started: Array, dampening: float = 0.0
    ) -> Array:
        v = xp.multiply(v, momentum)
        if started:
            d = xp.multiply(d, 1.0 - dampening * float(started[0]))
        return xp.add(v, d, z)

    def parts(self, z: Vertex, v: Vertex, d: Vertex, momentum: Vertex, *started: Vertex) -> Any:
        if started:
            d = d * astype(1.0 - astype(started[0], np.float64) * z.attrs.get("dampening", 0.0), d.dtype)
        return v * momentum + d


class AverageUpdate(Update):
    r"""z = m + (1 - β) (d - m):   a running average of d, in the order of PyTorch's arithmetic"""

    arithmetic = 3
    arrays = 2

    def compute(self, xp: Any, z: Array | None, m: Array, d: Array, beta: Array) -> Array:
        new = xp.asarray(xp.subtract(d, m))
        xp.multiply(new, 1.0 - float(beta), new)
        return xp.add(m, new, z)

    def parts(self, z: Vertex, m: Vertex, d: Vertex, beta: Vertex) -> Any:
        return m + (d - m) * astype(1.0 - beta, m.dtype)


class SquareUpdate(Update):
    r"""z = β v + (1 - β) d²:   a running average of d²"""

    arithmetic = 4
    arrays = 2

    def compute(self, xp: Any, z: Array | None, v: Array, d: Array, beta: Array) -> Array:
        b = float(beta)
        new = xp.asarray(xp.multiply(d, 1.0 - b))
        xp.multiply(new, d, new)
        return xp.add(xp.multiply(v, b, z), new, z)

    def parts(self, z: Vertex, v: Vertex, d: Vertex, beta: Vertex) -> Any:
        return v * astype(beta, v.dtype) + d * astype(1.0 - beta, v.dtype) * d


class AddSquareUpdate(Update):
    r"""z = s + d²:   the sum of all d²"""

    arithmetic = 2
    arrays = 2

    def compute(self, xp: Any, z: Array | None, s: Array, d: Array) -> Array:
        return xp.add(s, xp.multiply(d, d), z)

    def parts(self, z: Vertex, s: Vertex, d: Vertex) -> Any:
        return s + d * d


class AdamUpdate(Update):
    r"""z = (1 - ηλ) p - η m̂ / (√v̂ + ε)   with   m̂ = m / (1 - β₁ᵗ),   v̂ = v / (1 - β₂ᵗ)

    m and v are running averages of d and d² (or v is the largest such so far), and λ is the decay of AdamW.
    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1;
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
    """

    arithmetic = 9
    arrays = 3

    def compute(
        self,
        xp: Any,
        z: Array | None,
        p: Array,
        m: Array,
        v: Array,
        t: Array,
        lr: Array,
        beta1: Array,
        beta2: Array,
        *,
        eps: float,
        decay: float,
    ) -> Array:
        step, rate = float(t), float(lr)
        change = xp.asarray(xp.sqrt(v))
        xp.divide(change, (1.0 - float(beta2) ** step) ** 0.5, out=change)
        xp.add(change, eps, out=change)
        xp.divide(m, change, out=change)
        xp.multiply(change, rate / (1.0 - float(beta1) ** step), out=change)
        if decay:
            p = xp.multiply(p, 1.0 - rate * decay, z)
        return xp.subtract(p, change, z)

    def parts(self, z: Vertex, p: Vertex, m: Vertex, v: Vertex, t: Vertex, lr: Vertex, beta1: Vertex,
              beta2: Vertex) -> Any:
        step = astype(t, np.float64)
        spread = sqrt(v) / astype(sqrt(1.0 - power(beta2, step)), p.dtype) + z.attrs["eps"]
        change = m / spread * astype(lr / (1.0 - power(beta1, step)), p.dtype)
        if z.attrs["decay"]:
            p = p * astype(1.0 - lr * z.attrs["decay"], p.dtype)
        return p - change


class AdagradUpdate(Update):
    r"""z = p - d / (√s + ε) η / (1 + (t - 1) γ),   s the sum of all d² so far

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization" (2011); the decay γ of the learning rate is PyTorch's.
    """

    arithmetic = 5
    arrays = 3

    def compute(
        self,
        xp: Any,
        z: Array | None,
        p: Array,
        d: Array,
        s: Array,
        t: Array,
        lr: Array,
        *,
        lr_decay: float,
        eps: float,
    ) -> Array:
        change = xp.asarray(xp.sqrt(s))
        xp.add(change, eps, out=change)
        xp.divide(d, change, out=change)
        xp.multiply(change, float(lr) / (1.0 + (float(t) - 1.0) * lr_decay), out=change)
        return xp.subtract(p, change, z)

    def parts(self, z: Vertex, p: Vertex, d: Vertex, s: Vertex, t: Vertex, lr: Vertex) -> Any:
        rate = lr / ((astype(t, np.float64) - 1.0) * z.attrs["lr_decay"] + 1.0)
        return p - d / (sqrt(s) + z.attrs["eps"]) * astype(rate, p.dtype)


class RmsScaled(Update):
    r"""z = d / (√v + ε),   or   d / (√(v - m²) + ε)   with a third input m;   v and m running averages of d² and d

    Source: G. Hinton, "Neural networks for machine learning", lecture 6e (2012); with m: A. Graves, "Generating
    sequences with recurrent neural networks" (2013).
    """

    arithmetic = 3
    arrays = 3

    def compute(self, xp: Any, z: Array | None, d: Array, v: Array, *m: Array, eps: float) -> Array:
        if m:
            v = xp.subtract(v, xp.multiply(m[0], m[0]))
        spread = xp.asarray(xp.sqrt(v))
        xp.add(spread, eps, out=spread)
        return xp.divide(d, spread, z)

    def parts(self, z: Vertex, d: Vertex, v: Vertex, *m: Vertex) -> Any:
        return d / (sqrt(v - m[0] * m[0] if m else v) + z.attrs["eps"])


class AdadeltaScaled(Update):
    r"""z = d √(u + ε) / √(v + ε),   v a running average of d² and u one of the z² so far

    Source: M. Zeiler, "Adadelta: an adaptive learning rate method" (2012), algorithm 1.
    """

    arithmetic = 5
    arrays = 3

    def compute(self, xp: Any, z: Array | None, d: Array, v: Array, u: Array, *, eps: float) -> Array:
        spread = xp.asarray(xp.add(v, eps))
        xp.sqrt(spread, out=spread)
        change = xp.asarray(xp.add(u, eps))
        xp.sqrt(change, out=change)
        xp.divide(change, spread, out=change)
        return xp.multiply(change, d, z)

    def parts(self, z: Vertex, d: Vertex, v: Vertex, u: Vertex) -> Any:
        eps = z.attrs["eps"]
        return sqrt(u + eps) / sqrt(v + eps) * d


count_update, sgd_update, nesterov_update = CountUpdate(), SgdUpdate(), NesterovUpdate()
momentum_update, average_update, square_update = MomentumUpdate(), AverageUpdate(), SquareUpdate()
add_square_update, adam_update, adagrad_update = AddSquareUpdate(), AdamUpdate(), AdagradUpdate()
rms_scaled, adadelta_scaled = RmsScaled(), AdadeltaScaled()
