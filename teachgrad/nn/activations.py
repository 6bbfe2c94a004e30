"""Nonlinearities as modules; each has its formula, and calls the function of the same name."""

from __future__ import annotations

from typing import Any

import teachgrad as tg

from ..errors import SettingError
from ..spelling import own_keywords
from . import functional as F
from .module import Module


class ReLU(Module):
    """y = max(x, 0)"""

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class ReLU6(Module):
    """y = min(max(x, 0), 6)"""

    def forward(self, x: Any) -> Any:
        return F.relu6(x)


class LeakyReLU(Module):
    """y = x where x > 0, else negative_slope · x"""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """y = x where x > 0, else a x, with a learnt slope a for all channels or one for each (axis 1 of x)

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers" (2015).
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        dtype = tg.get_default_dtype() if dtype is None else dtype
        self.weight = tg.Parameter(tg.full(num_parameters, init, dtype=dtype))

    def forward(self, x: Any) -> Any:
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """y = x where x > 0, else alpha (exp x - 1)"""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(Module):
    """y = x where x > 0, else alpha (exp(x / alpha) - 1)"""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return F.celu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """y = 1.0507 · (x where x > 0, else 1.6733 (exp x - 1)), which keeps mean 0 and variance 1

    Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks" (2017).
    """

    def forward(self, x: Any) -> Any:
        return F.selu(x)


class GELU(Module):
    """y = x Φ(x), with Φ the normal distribution function; `approximate="tanh"` is a cheaper formula near it

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units" (2016).
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise SettingError(f'approximate is "none" or "tanh", not {approximate!r}')
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """y = x σ(x), also called swish"""

    def forward(self, x: Any) -> Any:
        return F.silu(x)


class Mish(Module):
    """y = x tanh(log(1 + exp x))"""

    def forward(self, x: Any) -> Any:
        return F.mish(x)


class Sigmoid(Module):
    """y = σ(x) = 1 / (1 + exp(-x))"""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)


class LogSigmoid(Module):
    """y = log σ(x)"""

    def forward(self, x: Any) -> Any:
        return F.logsigmoid(x)


class Hardsigmoid(Module):
    """y = min(max(x / 6 + 1/2, 0), 1)"""

    def forward(self, x: Any) -> Any:
        return F.hardsigmoid(x)


class Hardswish(Module):
    """y = x min(max(x / 6 + 1/2, 0), 1)"""

    def forward(self, x: Any) -> Any:
        return F.hardswish(x)


class Tanh(Module):
    """y = tanh x"""

    def forward(self, x: Any) -> Any:
        return tg.tanh(x)


class Hardtanh(Module):
    """y = min(max(x, min_val), max_val)"""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Any) -> Any:
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Softplus(Module):
    """y = log(1 + exp(beta x)) / beta, or x where beta x > threshold"""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Any:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """y = x / (1 + |x|)"""

    def forward(self, x: Any) -> Any:
        return F.softsign(x)


class AlongAxis(Module):
    """What functions along an axis share."""

    @own_keywords
    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class Softmax(AlongAxis):
    """y_i = exp(x_i) / Σ_j exp(x_j) along `axis`"""

    def forward(self, x: Any) -> Any:
        return F.softmax(x, self.axis)


class Softmin(AlongAxis):
    """y_i = exp(-x_i) / Σ_j exp(-x_j) along `axis`"""

    def forward(self, x: Any) -> Any:
        return F.softmin(x, self.axis)


class LogSoftmax(AlongAxis):
    """y_i = x_i - log Σ_j exp(x_j) along `axis`"""

    def forward(self, x: Any) -> Any:
        return F.log_softmax(x, self.axis)


class GLU(AlongAxis):
    """y = a σ(b), with a the first half of x along `axis` and b the second"""

    def forward(self, x: Any) -> Any:
        return F.glu(x, self.axis)
