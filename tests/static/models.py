"""Eight real models that train, for the tests of levels and executors: what they are, how they lose, on which data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F
from teachgrad.ops.activations import sigmoid

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(16, 1, 8, 8)).astype(np.float32)
LABELS = RNG.integers(0, 10, 16)
WORDS = RNG.integers(0, 20, (4, 9))
POINTS = RNG.standard_normal((64, 2)).astype(np.float32)
SIDES = (POINTS[:, :1] * POINTS[:, 1:] > 0).astype(np.float32)


class Block(nn.Module):
    """A block of a transformer, with an embedding before and a head behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(20, 16), nn.Embedding(8, 16)
        self.norm, self.after = nn.LayerNorm(16), nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, 20)

    def forward(self, words: Any) -> Any:
        x = self.tokens(words) + self.places(tg.arange(words.shape[1]))
        y = self.norm(x)
        x = x + self.attention(y, y, y)[0]
        return self.head(x + self.mlp(self.after(x)))


class Reader(nn.Module):
    """An LSTM that reads a row of words and names a class."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.lstm, self.head = nn.Embedding(20, 8), nn.LSTM(8, 12), nn.Linear(12, 10)

    def forward(self, words: Any) -> Any:
        return self.head(self.lstm(self.tokens(words).permute_dims(1, 0, 2))[0][-1])


def textbook_cross_entropy(scores: Any, labels: Any) -> Any:
    """As a beginner writes it; O2 makes it stable."""
    e = tg.exp(scores)
    return F.nll_loss(tg.log(e / e.sum(-1, keepdims=True)), labels)


def textbook_logistic(scores: Any, t: Any) -> Any:
    p = 1 / (1 + tg.exp(-scores))
    return -(t * tg.log(p) + (1 - t) * tg.log(1 - p)).mean()


def mlp() -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn() -> Any:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))


def normed() -> Any:
    """Without a bias before the norm: its gradient is nothing but rounding, of which Adam makes a step of full size."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32, bias=False), nn.BatchNorm1d(32), nn.Tanh(), nn.Dropout(0.2),
                         nn.Linear(32, 10))


def moons() -> Any:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def chain() -> Any:
    return nn.Sequential(*[layer for _ in range(10) for layer in (nn.Linear(2, 2), nn.Tanh())], nn.Linear(2, 1))


def autoencoder() -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Sigmoid(), nn.Linear(8, 64))


MODELS: dict[str, tuple[Callable[[], Any], Callable[..., Any], Any, Any]] = {
    "mlp": (mlp, textbook_cross_entropy, IMAGES, LABELS),
    "cnn": (cnn, F.cross_entropy, IMAGES, LABELS),
    "batch norm and dropout": (normed, F.cross_entropy, IMAGES, LABELS),
    "gpt block": (Block, lambda y, t: F.cross_entropy(y.reshape(-1, 20), t.reshape(-1)), WORDS[:, :8], WORDS[:, 1:]),
    "lstm": (Reader, F.cross_entropy, WORDS, LABELS[:4]),
    "moons": (moons, textbook_logistic, POINTS, SIDES),
    "chain": (chain, lambda y, t: ((sigmoid(y) - t) ** 2).mean(), POINTS, SIDES),
    "autoencoder": (autoencoder, lambda y, t: F.mse_loss(y, t.reshape(16, 64)), IMAGES, IMAGES),
}


def trained(name: str, static: Callable[[Callable[..., Any]], Callable[..., Any]], steps: int = 5,
            dtype: str = "float32") -> list[Any]:
    """Losses, and then all parameters, buffers and gradients, after some steps of a model's training.

    `static` makes the step what it is to be: a static function in some way, or itself.
    """
    make, loss_of, x, t = MODELS[name]
    tg.seed(0)
    model = make().to(tg.float64) if dtype == "float64" else make()
    optimizer = optim.Adam(model.parameters(), lr=0.003) if "norm" in name else optim.SGD(model.parameters(), 0.1)

    def step(x: Any, t: Any) -> Any:
        loss = loss_of(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    call = static(step)
    batch = [tg.tensor(a, dtype=dtype if a.dtype.kind == "f" else None) for a in (x, t)]
    losses = [call(*batch).numpy(copy=True) for _ in range(steps)]
    state = [value.numpy(copy=True) for value in model.state_dict().values()]
    return [*losses, *state, *(p.grad.numpy(copy=True) for p in model.parameters() if p.grad is not None)]
