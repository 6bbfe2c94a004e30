"""Losses as modules: each holds its settings and calls the function of `nn.functional` of the same name.

`reduction` is "mean", "sum" or "none" (one loss for each item).
"""

from __future__ import annotations

from typing import Any

from ..errors import SettingError
from . import functional as F
from .module import Module


class Loss(Module):
    """What losses share."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise SettingError(f'reduction is "mean", "sum" or "none", not {reduction!r}')
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}" if self.reduction != "mean" else ""


class MSELoss(Loss):
    """(x - t)²"""

    def forward(self, x: Any, target: Any) -> Any:
        return F.mse_loss(x, target, reduction=self.reduction)


class L1Loss(Loss):
    """|x - t|"""

    def forward(self, x: Any, target: Any) -> Any:
        return F.l1_loss(x, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """(x - t)² / (2 beta) where |x - t| < beta, else |x - t| - beta / 2"""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, x: Any, target: Any) -> Any:
        return F.smooth_l1_loss(x, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """(x - t)² / 2 where |x - t| < delta, else delta (|x - t| - delta / 2)"""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, x: Any, target: Any) -> Any:
        return F.huber_loss(x, target, reduction=self.reduction, delta=self.delta)


class WeightedLoss(Loss):
    """What losses with a weight for each class (or item) share: `weight` is a buffer, converted but not trained."""

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(WeightedLoss):
    """-log of the probability that softmax(x) gives to the class t

    x (N, C) or (N, C, ...) or (C,), t integers (N,) or (N, ...) or (), or probabilities in the shape of x. Classes
    equal to `ignore_index` do not count. `label_smoothing` s mixes the target with 1/C: (1 - s) t + s / C.
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, x: Any, target: Any) -> Any:
        return F.cross_entropy(
            x,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """-x[t], for log-probabilities x such as those of log_softmax; shapes as for `CrossEntropyLoss`"""

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, x: Any, target: Any) -> Any:
        return F.nll_loss(x, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(WeightedLoss):
    """-t log x - (1 - t) log(1 - x), for probabilities x; better computed by `BCEWithLogitsLoss`"""

    def forward(self, x: Any, target: Any) -> Any:
        return F.binary_cross_entropy(x, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """-w t log σ(x) - (1 - t) log(1 - σ(x)), with σ(x) = 1 / (1 + exp(-x)), without overflow; w is `pos_weight`"""

    pos_weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, x: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            x, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(Loss):
    """t (log t - x), for log-probabilities x and probabilities t (or their logarithms, if `log_target`)

    `reduction` may also be "batchmean": the sum over everything, divided by the size of the batch.
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("mean" if reduction == "batchmean" else reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, x: Any, target: Any) -> Any:
        return F.kl_div(x, target, reduction=self.reduction, log_target=self.log_target)


class HingeEmbeddingLoss(Loss):
    """x where t = 1, max(0, margin - x) where t = -1"""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, x: Any, target: Any) -> Any:
        return F.hinge_embedding_loss(x, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """log(1 + exp(-t x)), for targets t = ±1"""

    def forward(self, x: Any, target: Any) -> Any:
        return F.soft_margin_loss(x, target, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """max(0, margin - t (x - y)), where t = 1 if x should be the larger, else -1"""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, x: Any, y: Any, target: Any) -> Any:
        return F.margin_ranking_loss(x, y, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    """1 - cos(x, y) where t = 1, max(0, cos(x, y) - margin) where t = -1; x and y (N, D) or (D,)"""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, x: Any, y: Any, target: Any) -> Any:
        return F.cosine_embedding_loss(x, y, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with d the distance in the p-norm"""

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps = margin, p, eps

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_loss(
            anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, reduction=self.reduction
        )


class PoissonNLLLoss(Loss):
    """exp x - t x, or x - t log(x + eps) unless `log_input`; `full` adds Stirling's approximation of log t!"""

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, x: Any, target: Any) -> Any:
        return F.poisson_nll_loss(
            x, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    """(log v + (x - t)² / v) / 2, with v at least eps; `full` adds log(2π) / 2"""

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, x: Any, target: Any, var: Any) -> Any:
        return F.gaussian_nll_loss(x, target, var, full=self.full, eps=self.eps, reduction=self.reduction)
