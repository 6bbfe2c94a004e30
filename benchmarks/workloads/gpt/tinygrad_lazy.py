"""The transformer in tinygrad, each step scheduled anew or captured by TinyJit."""

from __future__ import annotations

from typing import Any

from tinygrad import Context, Tensor, TinyJit, nn

from ...workload import Problem, Step
from . import BATCH, CONTEXT, EPSILON, HEADS, LAYERS, VOCABULARY, WIDTH


class Block:
    def __init__(self) -> None:
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, EPSILON), nn.LayerNorm(WIDTH, EPSILON)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def __call__(self, x: Any) -> Any:
        q, k, v = self.qkv(self.norm1(x)).reshape(BATCH, CONTEXT, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        y = q.scaled_dot_product_attention(k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(BATCH, CONTEXT, WIDTH))
        return x + self.narrow(self.widen(self.norm2(x)).gelu())


class GPT:
    def __init__(self) -> None:
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = [Block() for _ in range(LAYERS)]
        self.norm, self.head = nn.LayerNorm(WIDTH, EPSILON), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def __call__(self, tokens: Any) -> Any:
        x = self.tokens(tokens) + self.positions.weight
        return self.head(self.norm(x.sequential(self.blocks)))


def eager(problem: Problem, jit: bool = False) -> Step:
    model = GPT()
    nn.state.load_state_dict(model, {name: Tensor(weight) for name, weight in problem.weights.items()}, verbose=False)
    optimizer = nn.optim.SGD(nn.state.get_parameters(model), lr=problem.lr)
    tokens, targets = Tensor(problem.inputs), Tensor(problem.targets)

    def train(tokens: Any, targets: Any) -> Any:
        with Context(TRAINING=1):
            loss = model(tokens).sparse_categorical_crossentropy(targets)
            optimizer.zero_grad()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    run = TinyJit(train) if jit else train
    return lambda: run(tokens, targets).item()


def jitted(problem: Problem) -> Step:
    return eager(problem, jit=True)
