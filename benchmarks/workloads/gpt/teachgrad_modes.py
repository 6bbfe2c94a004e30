"""The transformer in teachgrad: the same step as plain Python, or traced once and run as a graph."""

from __future__ import annotations

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F

from ...workload import Problem, Step
from . import BATCH, CONTEXT, HEADS, LAYERS, VOCABULARY, WIDTH


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        n, t, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, HEADS, -1).permute_dims(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.permute_dims(0, 2, 1, 3).reshape(n, t, WIDTH))
        return x + self.narrow(F.gelu(self.widen(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: tg.Tensor) -> tg.Tensor:
        x = self.tokens(tokens) + self.positions.weight
        return self.head(self.norm(self.blocks(x)))


def dynamic(problem: Problem, level: str | None = None, executor: str | None = None) -> Step:
    model = GPT()
    model.load_state_dict(problem.weights)
    optimizer = optim.SGD(model.parameters(), lr=problem.lr)
    tokens, targets = tg.tensor(problem.inputs), tg.tensor(problem.targets)

    def train(tokens: tg.Tensor, targets: tg.Tensor) -> tg.Tensor:
        loss = F.cross_entropy(model(tokens).reshape(BATCH * CONTEXT, VOCABULARY), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(train, level=level, executor=executor) if level else train
    return lambda: run(tokens, targets).item()


def static(problem: Problem) -> Step:
    return dynamic(problem, level="O1")


def generated_c(problem: Problem) -> Step:
    return dynamic(problem, level="O3")
