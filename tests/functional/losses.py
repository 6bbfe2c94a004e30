"""Losses: calls with many settings."""

from __future__ import annotations

import numpy as np

from tests.functional.table import RNG, case, real

# ---- losses ----------------------------------------------------------------------------------------------------------

LABELS, PIXELS = np.array([2, 0, 3, 1, 2]), RNG.integers(0, 4, (2, 3, 2))
for reduction in ("mean", "sum", "none"):
    r = {"reduction": reduction}
    for smoothing in (0.0, 0.2):
        s = {**r, "label_smoothing": smoothing}
        case(f"cross_entropy {s}", lambda F, xp, x, t, s=s: F.cross_entropy(x, t, **s), real(5, 4), constants=(LABELS,))
        case(
            f"cross_entropy weighted {s}",
            lambda F, xp, x, t, w, s=s: F.cross_entropy(x, t, w, **s),
            real(5, 4),
            constants=(LABELS, real(4, low=0.2)),
        )
        case(
            f"cross_entropy ignoring {s}",
            lambda F, xp, x, t, w, s=s: F.cross_entropy(x, t, w, ignore_index=2, **s),
            real(5, 4),
            constants=(LABELS, real(4, low=0.2)),
        )
        case(
            f"cross_entropy of pixels {s}",
            lambda F, xp, x, t, s=s: F.cross_entropy(x, t, **s),
            real(2, 4, 3, 2),
            constants=(PIXELS,),
        )
        case(
            f"cross_entropy of probabilities {s}",
            lambda F, xp, x, t, w, s=s: F.cross_entropy(x, t, w, **s),
            real(5, 4),
            real(5, 4, low=0.1, high=0.6),
            constants=(real(4, low=0.2),),
        )
        case(
            f"cross_entropy of one item {s}",
            lambda F, xp, x, t, s=s: F.cross_entropy(x, t, **s),
            real(4),
            constants=(np.array(2),),
        )
    case(
        f"cross_entropy ignoring -1 {r}",
        lambda F, xp, x, t, r=r: F.cross_entropy(x, t, ignore_index=-1, **r),
        real(4, 4),
        constants=(np.array([2, -1, 0, -1]),),
    )
    case(f"nll_loss {r}", lambda F, xp, x, t, r=r: F.nll_loss(x, t, **r), real(5, 4), constants=(LABELS,))
    case(
        f"nll_loss weighted {r}",
        lambda F, xp, x, t, w, r=r: F.nll_loss(x, t, w, ignore_index=3, **r),
        real(2, 4, 3, 2),
        constants=(PIXELS, real(4, low=0.2)),
    )
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        case(
            f"{name} {r}",
            lambda F, xp, x, t, name=name, r=r: getattr(F, name)(x, t, **r),
            real(3, 4),
            real(3, 4),
            smooth=1 if "l1" in name or "huber" in name else 2,
            order=1 if name == "l1_loss" else 2,
        )
    case(
        f"smooth_l1_loss 0.3 {r}",
        lambda F, xp, x, t, r=r: F.smooth_l1_loss(x, t, beta=0.3, **r),
        real(3, 4),
        real(3, 4),
        smooth=1,
    )
    case(
        f"huber_loss 0.7 {r}",
        lambda F, xp, x, t, r=r: F.huber_loss(x, t, delta=0.7, **r),
        real(3, 4),
        real(3, 4),
        smooth=1,
    )
    case(
        f"binary_cross_entropy {r}",
        lambda F, xp, x, t, w, r=r: F.binary_cross_entropy(x, t, w, **r),
        real(3, 4, low=0.1, high=0.9),
        constants=(real(3, 4, low=0.1, high=0.9), real(4, low=0.3)),
    )
    case(
        f"binary_cross_entropy_with_logits {r}",
        lambda F, xp, x, t, r=r: F.binary_cross_entropy_with_logits(x, t, **r),
        real(3, 4, low=-30, high=30),
        real(3, 4, low=0.1, high=0.9),
    )
    case(
        f"binary_cross_entropy_with_logits weighted {r}",
        lambda F, xp, x, t, w, p, r=r: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p, **r),
        real(3, 4),
        real(3, 4, low=0.1, high=0.9),
        constants=(real(3, 4, low=0.3), real(4, low=0.3)),
    )
    for log_target in (False, True):
        case(
            f"kl_div {log_target} {r}",
            lambda F, xp, x, t, r=r, log=log_target: F.kl_div(x, t, log_target=log, **r),
            real(3, 4),
            real(3, 4, low=0.1, high=0.9),
        )
    case(
        f"hinge_embedding_loss {r}",
        lambda F, xp, x, t, r=r: F.hinge_embedding_loss(x, t, margin=0.8, **r),
        real(3, 4),
        constants=(np.where(real(3, 4) > 0, 1.0, -1.0),),
    )
    case(
        f"soft_margin_loss {r}",
        lambda F, xp, x, t, r=r: F.soft_margin_loss(x, t, **r),
        real(3, 4),
        constants=(np.where(real(3, 4) > 0, 1.0, -1.0),),
    )
    case(
        f"margin_ranking_loss {r}",
        lambda F, xp, x, y, t, r=r: F.margin_ranking_loss(x, y, t, 0.3, **r),
        real(5),
        real(5),
        constants=(np.where(real(5) > 0, 1.0, -1.0),),
    )
    for swap in (False, True):
        case(
            f"triplet_margin_loss {swap} {r}",
            lambda F, xp, a, p, n, r=r, swap=swap: F.triplet_margin_loss(a, p, n, swap=swap, **r),
            real(3, 4),
            real(3, 4),
            real(3, 4),
        )
    case(
        f"cosine_embedding_loss {r}",
        lambda F, xp, x, y, t, r=r: F.cosine_embedding_loss(x, y, t, 0.1, **r),
        real(5, 3),
        real(5, 3),
        constants=(np.array([1, -1, 1, -1, -1]),),
    )
    for full in (False, True):
        case(
            f"gaussian_nll_loss {full} {r}",
            lambda F, xp, x, t, v, r=r, full=full: F.gaussian_nll_loss(x, t, v, full, **r),
            real(3, 4),
            real(3, 4),
            real(3, 4, low=0.3),
        )
        for log_input in (False, True):
            case(
                f"poisson_nll_loss {log_input} {full} {r}",
                lambda F, xp, x, t, r=r, full=full, log=log_input: F.poisson_nll_loss(x, t, log, full, **r),
                real(3, 4, low=0.3),
                constants=(np.array([[0.0, 1, 2, 3], [4, 1, 0, 7], [2, 2, 5, 1]]),),
            )
case(
    "kl_div batchmean",
    lambda F, xp, x, t: F.kl_div(x, t, reduction="batchmean"),
    real(3, 4),
    real(3, 4, low=0.1, high=0.9),
)
case(
    "kl_div of zeros",
    lambda F, xp, x, t: F.kl_div(x, t, reduction="sum"),
    real(2, 3),
    constants=(np.array([[0.0, 0.4, 0.6], [1.0, 0.0, 0.0]]),),
)
