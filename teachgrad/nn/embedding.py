"""A table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

import teachgrad as tg

from ..errors import SettingError
from . import functional as F
from . import init
from .module import Module


class Embedding(Module):
    r"""y[..., :] = W[x[...], :]:   row number x of a table;   the gradient is added to the rows that were used

    x integers of any shape, y x.shape + (embedding_dim,). `weight` is W (num_embeddings, embedding_dim) and starts
    with the normal distribution N(0, 1). The row `padding_idx`, if given, starts as 0 and gets no gradient.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise SettingError(f"padding_idx is {padding_idx}, but there are {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx % num_embeddings if padding_idx is not None else None
        self.weight = tg.Parameter(tg.empty((num_embeddings, embedding_dim), dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tg.no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, x: Any) -> Any:
        return F.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = f", padding_idx={self.padding_idx}" if self.padding_idx is not None else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
