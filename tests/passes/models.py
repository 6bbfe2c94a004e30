"""Eight small networks, each with a training step and batches: what the tests of whole training steps run on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F


@dataclass
class Training:
    """A network, its optimizer and the loss of a batch."""

    model: nn.Module
    optimizer: optim.Optimizer
    loss: Callable[..., Any]

    def step(self, *batch: Any) -> Any:
        """One step of training; the loss."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model, *batch)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[bytes]:
        """The bits of parameters, running statistics, gradients and what the optimizer keeps."""
        tensors = [*self.model.state_dict().values(), *(p.grad for p in self.model.parameters())]
        kept = [x for slots in self.optimizer.state_dict()["state"].values() for x in slots.values()]
        return [np.asarray(x).tobytes() for x in (*tensors, *kept)]


def classify(model: Any, x: Any, t: Any) -> Any:
    return F.cross_entropy(model(x), t)


class Residual(nn.Module):
    """x + f(x)"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
                                   nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Any) -> Any:
        return F.relu(x + self.inner(x))


class CharacterModel(nn.Module):
    """What comes next, by an LSTM."""

    def __init__(self, letters: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, letters)

    def forward(self, x: Any) -> Any:
        return self.head(self.lstm(self.embedding(x))[0])


class Transformer(nn.Module):
    """The same by attention."""

    def __init__(self, letters: int, width: int, length: int) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.1, batch_first=True)
        self.head = nn.Linear(width, letters)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(self.embedding(x) + self.places(tg.arange(x.shape[1]))))


class BagOfWords(nn.Module):
    """The class of a text, from the mean of its words."""

    def __init__(self, words: int, width: int, classes: int) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(words, width, padding_idx=0), nn.Linear(width, classes)

    def forward(self, x: Any) -> Any:
        return self.head(self.embedding(x).mean(axis=1))


def mlp() -> tuple[Training, tuple[Any, ...]]:
    """784-128-64-10 on a batch of 64, by SGD."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    return Training(model, optim.SGD(model.parameters(), lr=0.1), classify), (images(64, 784), classes(64))


def lenet() -> tuple[Training, tuple[Any, ...]]:
    """LeNet-5 with ReLU and max pooling."""
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Training(model, optimizer, classify), (images(16, 1, 28, 28), classes(16))


def convnet() -> tuple[Training, tuple[Any, ...]]:
    """Convolutions with batch normalization, by Adam."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(8, 10))
    return Training(model, optim.Adam(model.parameters(), lr=0.01), classify), (images(8, 3, 12, 12), classes(8))


def residual() -> tuple[Training, tuple[Any, ...]]:
    """Two residual blocks, by SGD with momentum and decay."""
    model = nn.Sequential(nn.Conv2d(3, 6, 3), Residual(6), nn.MaxPool2d(3, stride=2, padding=1), Residual(6),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    return Training(model, optimizer, classify), (images(6, 3, 10, 10), classes(6))


def character_model() -> tuple[Training, tuple[Any, ...]]:
    """An LSTM on letters, by RMSprop, its gradients clipped."""
    model = CharacterModel(20, 12)

    def loss(model: Any, x: Any, t: Any) -> Any:
        return F.cross_entropy(model(x).reshape((-1, 20)), t.reshape((-1,)))

    return Training(model, optim.RMSprop(model.parameters(), lr=0.01), loss), (classes(4, 7, high=20),
                                                                               classes(4, 7, high=20))


def transformer() -> tuple[Training, tuple[Any, ...]]:
    """A layer of attention on letters, by AdamW."""
    model = Transformer(20, 8, 7)

    def loss(model: Any, x: Any, t: Any) -> Any:
        return F.cross_entropy(model(x).reshape((-1, 20)), t.reshape((-1,)))

    return Training(model, optim.AdamW(model.parameters(), lr=0.01), loss), (classes(4, 7, high=20),
                                                                             classes(4, 7, high=20))


def bag_of_words() -> tuple[Training, tuple[Any, ...]]:
    """Embeddings and a linear layer, by Adagrad."""
    model = BagOfWords(30, 8, 5)
    return (Training(model, optim.Adagrad(model.parameters(), lr=0.1), classify),
            (classes(6, 9, high=30), classes(6, high=5)))


def autoencoder() -> tuple[Training, tuple[Any, ...]]:
    """Convolutions down, transposed convolutions up again."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Tanh(),
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1), nn.Tanh(),
        nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1), nn.Sigmoid())

    def loss(model: Any, x: Any) -> Any:
        return F.mse_loss(model(x), x)

    return Training(model, optim.Adam(model.parameters(), lr=0.01, amsgrad=True), loss), (images(5, 1, 12, 12),)


MODELS = {make.__name__: make for make in (mlp, lenet, convnet, residual, character_model, transformer, bag_of_words,
                                           autoencoder)}
"""How each training is made, with random first values; and its first batch."""


def images(*shape: int) -> Any:
    return tg.tensor(np.random.default_rng(1).normal(size=shape).astype(np.float32))


def classes(*shape: int, high: int = 10) -> Any:
    return tg.tensor(np.random.default_rng(2).integers(0, high, shape))


def made(name: str) -> tuple[Training, tuple[Any, ...]]:
    """A training from the same first values every time."""
    tg.seed(5)
    return MODELS[name]()
