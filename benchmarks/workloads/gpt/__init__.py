"""gpt: a decoder-only transformer as GPT-2 has it, small. Measures what training a language model measures.

4 blocks, 4 heads, width 128, context 64, vocabulary 65, batch 8: pre-norm, causal attention, GELU by its tanh formula,
learned positions, no dropout, output weights of their own. One file here for each peer.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np

from ...workload import Array, Problem, Step, Workload

LAYERS, HEADS, WIDTH, CONTEXT, VOCABULARY, BATCH = 4, 4, 128, 64, 65, 8
HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-5


def problem() -> Problem:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        return rng.normal(scale=0.05, size=shape).astype(np.float32)

    def norm(name: str) -> dict[str, Array]:
        return {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}

    def linear(name: str, out: int, width: int) -> dict[str, Array]:
        return {f"{name}.weight": normal(out, width), f"{name}.bias": np.zeros(out, np.float32)}

    weights = {"tokens.weight": normal(VOCABULARY, WIDTH), "positions.weight": normal(CONTEXT, WIDTH)}
    for i in range(LAYERS):
        weights |= norm(f"blocks.{i}.norm1")
        weights |= linear(f"blocks.{i}.qkv", 3 * WIDTH, WIDTH)
        weights |= linear(f"blocks.{i}.proj", WIDTH, WIDTH)
        weights |= norm(f"blocks.{i}.norm2")
        weights |= linear(f"blocks.{i}.widen", 4 * WIDTH, WIDTH)
        weights |= linear(f"blocks.{i}.narrow", WIDTH, 4 * WIDTH)
    weights |= norm("norm")
    weights["head.weight"] = normal(VOCABULARY, WIDTH)
    text = rng.integers(0, VOCABULARY, (BATCH, CONTEXT + 1))
    return Problem(text[:, :-1].copy(), text[:, 1:].copy(), weights, lr=0.1)


gpt = Workload(
    "gpt",
    "4 layers, 4 heads, width 128, context 64, batch 8",
    problem,
    absent={"micrograd": "a scalar engine: moons only"},
)


def _register(peer: str, module: str, function: str) -> None:
    @gpt.by(peer)
    def build(problem: Problem) -> Step:
        step: Step = getattr(import_module(f".{module}", __name__), function)(problem)
        return step


for _peer, _module, _function in (
    ("numpy", "numpy_by_hand", "by_hand"),
    ("teachgrad", "teachgrad_modes", "dynamic"),
    ("teachgrad-static", "teachgrad_modes", "static"),
    ("teachgrad-c", "teachgrad_modes", "generated_c"),
    ("torch", "pytorch", "eager"),
    ("torch-compile", "pytorch", "compiled"),
    ("jax", "jax_jit", "jitted"),
    ("pytensor", "pytensor_function", "compiled"),
    ("autograd", "hips_autograd", "traced"),
    ("mygrad", "my_grad", "taped"),
    ("tinygrad", "tinygrad_lazy", "eager"),
    ("tinygrad-jit", "tinygrad_lazy", "jitted"),
):
    _register(_peer, _module, _function)
