"""Recurrent networks: cells, which take one step, and layers, which run cells along a sequence.

The weights of a cell are stacked gate below gate: `weight_ih` (gates · hidden, input) for the input, `weight_hh`
(gates · hidden, hidden) for the hidden state, and a bias for each.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import teachgrad as tg

from ..errors import SettingError, ShapeError
from . import functional as F
from . import init
from .module import Module


def rnn_step(nonlinearity: str, gx: Any, gh: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """h' = f(W x + b + U h + c), with f tanh or relu. `gx` is W x + b, `gh` is U h + c."""
    total = gx + gh
    return (tg.tanh(total) if nonlinearity == "tanh" else F.relu(total),)


def lstm_step(nonlinearity: str, gx: Any, gh: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """i, f, o = σ(...), g = tanh(...), c' = f c + i g, h' = o tanh(c'). Gates in the order i, f, g, o.

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory" (1997), with the forget gate of F. Gers,
    J. Schmidhuber, F. Cummins (2000).
    """
    i, f, g, o = parts(gx + gh, 4)
    c = F.sigmoid(f) * state[1] + F.sigmoid(i) * tg.tanh(g)
    return F.sigmoid(o) * tg.tanh(c), c


def gru_step(nonlinearity: str, gx: Any, gh: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """r, z = σ(...), n = tanh(W x + b + r (U h + c)), h' = (1 - z) n + z h. Gates in the order r, z, n.

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014), with r applied after U
    as in cuDNN and PyTorch.
    """
    (xr, xz, xn), (hr, hz, hn) = parts(gx, 3), parts(gh, 3)
    z = F.sigmoid(xz + hz)
    n = tg.tanh(xn + F.sigmoid(xr + hr) * hn)
    return (n + z * (state[0] - n),)


def parts(x: Any, count: int) -> list[Any]:
    """The last axis in `count` equal pieces."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


STEPS = {"RNN": (rnn_step, 1, 1), "LSTM": (lstm_step, 4, 2), "GRU": (gru_step, 3, 1)}
"""How each kind steps, how many gates it has, and how many tensors its state has."""


def checked(nonlinearity: str) -> str:
    """Refuse an unknown nonlinearity."""
    if nonlinearity not in ("tanh", "relu"):
        raise SettingError(f'the nonlinearity is "tanh" or "relu", not {nonlinearity!r}')
    return nonlinearity


class Cell(Module):
    """What cells share. Weights and biases start evenly between ±1/√hidden_size."""

    kind: str
    nonlinearity = "tanh"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = STEPS[self.kind][1] * hidden_size
        self.weight_ih = tg.Parameter(tg.empty((rows, input_size), dtype=dtype))
        self.weight_hh = tg.Parameter(tg.empty((rows, hidden_size), dtype=dtype))
        self.bias_ih = tg.Parameter(tg.empty(rows, dtype=dtype)) if bias else None
        self.bias_hh = tg.Parameter(tg.empty(rows, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / sqrt(self.hidden_size)
        for _, parameter in self.named_parameters():
            init.uniform_(parameter, -bound, bound)

    def step(self, x: Any, state: tuple[Any, ...] | None) -> tuple[Any, ...]:
        """The next state; None stands for a state of zeros."""
        take_step, _, count = STEPS[self.kind]
        if state is None:
            state = (tg.zeros((*x.shape[:-1], self.hidden_size), dtype=x.dtype),) * count
        gx, gh = F.linear(x, self.weight_ih, self.bias_ih), F.linear(state[0], self.weight_hh, self.bias_hh)
        return take_step(self.nonlinearity, gx, gh, state)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ", bias=False" * (self.bias_ih is None)


class RNNCell(Cell):
    r"""h' = f(W x + b + U h + c),   f tanh or relu;   x (N, input_size) or (input_size,), h likewise, 0 if left out"""

    kind = "RNN"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)
        self.nonlinearity = checked(nonlinearity)

    def forward(self, x: Any, h: Any = None) -> Any:
        return self.step(x, None if h is None else (h,))[0]


class LSTMCell(Cell):
    r"""h', c' as in `LSTM`;   `cell(x, (h, c))`, x (N, input_size) or (input_size,); h and c are 0 if left out"""

    kind = "LSTM"

    def forward(self, x: Any, state: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
        h, c = self.step(x, state)
        return h, c


class GRUCell(Cell):
    r"""h' as in `GRU`;   x (N, input_size) or (input_size,), h likewise; h is 0 if left out"""

    kind = "GRU"

    def forward(self, x: Any, h: Any = None) -> Any:
        return self.step(x, None if h is None else (h,))[0]


class Recurrent(Module):
    """What recurrent layers share.

    Layer k (of `num_layers`) has the parameters `weight_ih_lk`, `weight_hh_lk`, `bias_ih_lk` and `bias_hh_lk`; if
    `bidirectional`, a second set with `_reverse` in the name runs from the end, and both results stand side by side.
    Between layers there is dropout with probability `dropout`. All parameters start evenly between ±1/√hidden_size.

    The input is (L, N, input_size), or (N, L, input_size) under `batch_first`, or (L, input_size); the result has
    D · hidden_size features, with D directions. A state is (D · num_layers, N, hidden_size), and 0 if left out.
    """

    kind: str
    nonlinearity = "tanh"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if num_layers < 1 or not 0.0 <= dropout <= 1.0:
            raise SettingError(f"num_layers is at least 1 and dropout a probability, not {num_layers} and {dropout}")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        rows = STEPS[self.kind][1] * hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else hidden_size * len(self.suffixes)
            for suffix in self.suffixes:
                shapes: dict[str, Any] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
                if bias:
                    shapes |= {"bias_ih": rows, "bias_hh": rows}
                for name, shape in shapes.items():
                    setattr(self, f"{name}_l{layer}{suffix}", tg.Parameter(tg.empty(shape, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / sqrt(self.hidden_size)
        for _, parameter in self.named_parameters():
            init.uniform_(parameter, -bound, bound)

    def run(self, x: Any, state: tuple[Any, ...] | None) -> tuple[Any, tuple[Any, ...]]:
        """The results of all times and the last state, for an input and a first state in the user's layout."""
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__} takes (L, N, {self.input_size}), or (N, L, {self.input_size}) under "
                f"batch_first, or (L, {self.input_size}); not {x.shape}"
            )
        batched = x.ndim == 3
        if not batched:
            x = tg.expand_dims(x, axis=1)
            state = None if state is None else tuple(tg.expand_dims(s, axis=1) for s in state)
        elif self.batch_first:
            x = tg.permute_dims(x, (1, 0, 2))
        if state is None:
            size = (len(self.suffixes) * self.num_layers, x.shape[1], self.hidden_size)
            state = (tg.zeros(size, dtype=x.dtype),) * STEPS[self.kind][2]
        y, last = self.run_layers(x, state)
        if not batched:
            return tg.squeeze(y, axis=1), tuple(tg.squeeze(s, axis=1) for s in last)
        return tg.permute_dims(y, (1, 0, 2)) if self.batch_first else y, last

    def run_layers(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """The same for an input (L, N, input_size)."""
        lasts: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            results = []
            for suffix in self.suffixes:
                first = tuple(s[len(lasts)] for s in state)
                times, last = self.run_direction(x, first, f"_l{layer}{suffix}", bool(suffix))
                results.append(times)
                lasts.append(last)
            x = results[0] if len(results) == 1 else tg.concat(results, axis=-1)
        return x, tuple(tg.stack(column) for column in zip(*lasts, strict=True))

    def run_direction(self, x: Any, state: tuple[Any, ...], name: str, backwards: bool) -> tuple[Any, tuple[Any, ...]]:
        """One layer in one direction: the hidden states of all times (L, N, hidden_size), and the last state."""
        take_step = STEPS[self.kind][0]
        weight, bias = getattr(self, "weight_hh" + name), getattr(self, "bias_hh" + name, None)
        # W x + b of all times is one product of matrices
        times = tg.unstack(F.linear(x, getattr(self, "weight_ih" + name), getattr(self, "bias_ih" + name, None)))
        hidden = []
        for gx in reversed(times) if backwards else times:
            state = take_step(self.nonlinearity, gx, F.linear(state[0], weight, bias), state)
            hidden.append(state[0])
        return tg.stack(hidden[::-1] if backwards else hidden), state

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text + ", bidirectional=True" * self.bidirectional


class RNN(Recurrent):
    r"""h_t = f(W x_t + b + U h_(t-1) + c),   f tanh or relu;   y, h_n = rnn(x, h_0)"""

    kind = "RNN"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype)
        self.nonlinearity = checked(nonlinearity)

    def forward(self, x: Any, h: Any = None) -> tuple[Any, Any]:
        y, state = self.run(x, None if h is None else (h,))
        return y, state[0]


class LSTM(Recurrent):
    r"""i, f, o = σ(W x_t + b + U h_(t-1) + c) and g = tanh(...), each with rows of its own in W, U, b, c, in the
    order i, f, g, o;   c_t = f c_(t-1) + i g,   h_t = o tanh(c_t);   y, (h_n, c_n) = lstm(x, (h_0, c_0))"""

    kind = "LSTM"

    def forward(self, x: Any, state: tuple[Any, Any] | None = None) -> tuple[Any, tuple[Any, Any]]:
        y, (h, c) = self.run(x, state)
        return y, (h, c)


class GRU(Recurrent):
    r"""r, z = σ(W x_t + b + U h_(t-1) + c),   n = tanh(W x_t + b + r (U h_(t-1) + c)), each with rows of its own, in
    the order r, z, n;   h_t = (1 - z) n + z h_(t-1);   y, h_n = gru(x, h_0)"""

    kind = "GRU"

    def forward(self, x: Any, h: Any = None) -> tuple[Any, Any]:
        y, state = self.run(x, None if h is None else (h,))
        return y, state[0]
