"""The transformer in PyTorch, eager and through torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...workload import Problem, Step
from . import BATCH, CONTEXT, HEADS, LAYERS, VOCABULARY, WIDTH


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, WIDTH))
        return x + self.narrow(F.gelu(self.widen(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions.weight
        return self.head(self.norm(self.blocks(x)))


def in_torch(problem: Problem, compile: Callable[..., Any]) -> tuple[Callable[[], Tensor], torch.optim.Optimizer]:
    """The loss of the batch, whose model goes through `compile`, and the optimizer."""
    model = GPT()
    model.load_state_dict({name: torch.tensor(weight) for name, weight in problem.weights.items()})
    tokens, targets = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    forward = compile(model)

    def loss_of() -> Tensor:
        return F.cross_entropy(forward(tokens).view(BATCH * CONTEXT, VOCABULARY), targets.view(-1))

    return loss_of, torch.optim.SGD(model.parameters(), lr=problem.lr)


def eager(problem: Problem, compiled: bool = False) -> Step:
    loss_of, optimizer = in_torch(problem, torch.compile if compiled else lambda model: model)

    def step() -> float:
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def compiled(problem: Problem) -> Step:
    return eager(problem, compiled=True)
