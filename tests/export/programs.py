"""Models and steps to export, and what compiles, loads and calls the C that comes of them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build(source: Path, *flags: str, compiler: str = "", output: str = "") -> Path:
    """Compile a source with all warnings as errors: the path of what came of it."""
    target = source.with_name(output or f"{source.stem}.so")
    shared = () if output else ("-shared", "-fPIC")
    subprocess.run([compiler or COMPILERS[0], *STRICT, *flags, *shared, str(source), "-o", str(target), "-lm"],
                   check=True, cwd=source.parent, timeout=300)
    return target


class Library:
    """An export, compiled and loaded by ctypes, with a struct and memory of its own."""

    def __init__(self, source: Path, *flags: str) -> None:
        self.stem = source.stem
        self.library = ctypes.CDLL(str(build(source, *flags)))
        self.struct = self.room("state") or self.room("weights")
        self.memory = self.room("memory")
        if hasattr(self.library, f"{self.stem}_load"):
            path = str(source.with_suffix(".weights")).encode()
            assert getattr(self.library, f"{self.stem}_load")(self.struct, path) == 0
        elif hasattr(self.library, f"{self.stem}_init"):
            getattr(self.library, f"{self.stem}_init")(self.struct)

    def room(self, what: str) -> Any:
        """Bytes for a struct, or None if the program has none of that name."""
        size = getattr(self.library, f"{self.stem}_size_of_{what}", None)
        if size is None:
            return None
        size.restype = ctypes.c_size_t
        return ctypes.create_string_buffer(size())

    def call(self, function: str, *arrays: Any, result: Any = ctypes.c_int) -> Any:
        """Call the function on arrays."""
        called = getattr(self.library, f"{self.stem}_{function}")
        called.restype = result
        return called(*[room for room in (self.struct, self.memory) if room is not None],
                      *[array.ctypes.data_as(ctypes.c_void_p) for array in arrays])

    def run(self, inputs: Sequence[Any], shape: tuple[int, ...], dtype: str = "float32") -> Any:
        """The only result of inference."""
        answer = np.full(shape, 99, dtype)
        assert self.call("run", *inputs, answer) == 0
        return answer


class Perceptron(nn.Module):
    """Two layers for the digits, with dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.drop, self.fc2 = nn.Linear(64, 32), nn.Dropout(0.5), nn.Linear(32, 10)

    def forward(self, x: Any) -> Any:
        return self.fc2(self.drop(tg.tanh(self.fc1(x))))


class LeNet(nn.Module):
    """Two convolutions with pooling and three layers, as LeNet has them, for pictures of 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 16, 3)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.reshape((x.shape[0], 16))))
        return self.fc3(F.relu(self.fc2(x)))


class Block(nn.Module):
    """Causal attention and two layers, each added to what it is given, normalized."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        n, t, width = x.shape
        q, k, v = tg.unstack(tg.permute_dims(self.qkv(self.norm1(x)).reshape((n, t, 3, 2, width // 2)),
                                             (2, 0, 3, 1, 4)))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(tg.permute_dims(y, (0, 2, 1, 3)).reshape((n, t, width)))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    """Letters, their places, two blocks, and which letter comes next."""

    def __init__(self, letters: int = 11, width: int = 16, length: int = 12) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.first, self.second = Block(width), Block(width)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

    def forward(self, x: Any) -> Any:
        h = self.letters(x) + self.places(tg.arange(x.shape[1]))
        return self.head(self.norm(self.second(self.first(h))))


def gpt() -> tuple[Any, Any, Any]:
    """A training step of a small GPT, and a batch for it."""
    tg.seed(8)
    model = GPT()
    optimizer = optim.AdamW(model.parameters(), lr=0.01)

    rng = np.random.default_rng(4)
    return step_of(model, optimizer, of_letters), model, (rng.integers(0, 11, (3, 12)), rng.integers(0, 11, (3, 12)))


def of_letters(scores: Any, y: Any) -> Any:
    """The cross-entropy of scores for which letter comes next, everywhere in a text."""
    return F.cross_entropy(scores.reshape((-1, scores.shape[-1])), y.reshape((-1,)))


def step_of(model: Any, optimizer: Any, loss_of: Callable[[Any, Any], Any] = F.cross_entropy) -> Any:
    """A training step of a model, by default a classifier."""
    def step(x: Any, y: Any) -> Any:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def lenet(rows: int = 32, lr: float = 0.01) -> tuple[Any, Any, Any]:
    """A training step of LeNet, and a batch for it."""
    tg.seed(7)
    model = LeNet()
    x, y = digits(flatten=False)
    return step_of(model, optim.Adam(model.parameters(), lr=lr)), model, (x[:rows], y[:rows])


def moons(rows: int = 40) -> tuple[Any, Any, Any]:
    """A training step of a small classifier, and a batch for it."""
    tg.seed(5)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    rng = np.random.default_rng(2)

    def loss_of(scores: Any, y: Any) -> Any:
        return F.binary_cross_entropy_with_logits(scores.reshape(rows), y)

    x = rng.normal(size=(rows, 2)).astype(np.float32)
    return step_of(model, optimizer, loss_of), model, (x, (x[:, 0] * x[:, 1] > 0).astype(np.float32))


def classifier(rows: int = 50) -> tuple[Any, Any, Any]:
    """A training step for the digits, with momentum, and a batch for it."""
    tg.seed(6)
    model = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.LayerNorm(40), nn.Linear(40, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.001)
    x, y = digits()
    return step_of(model, optimizer), model, (x[:rows], y[:rows])


def digits(flatten: bool = True) -> tuple[Any, Any]:
    """All 1,797 digits: pixels from 0 to 1, and which digit each is."""
    train, test = tg.data.digits(flatten=flatten)
    return tuple(np.concatenate(pair) for pair in zip(train[:], test[:], strict=True))  # type: ignore[return-value]


def tensors(arrays: Any) -> tuple[Any, ...]:
    return tuple(tg.tensor(array) for array in arrays)
