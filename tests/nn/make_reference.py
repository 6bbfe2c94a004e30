"""Write `reference.json`: what PyTorch's layers and losses answer to the cases of `tests/nn/layers.py`.

    python -m tests.nn.make_reference

For each: the names and shapes of its state, and the shape and fingerprint of every result, of the gradient of every
input and parameter, and of every buffer after two calls in training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.nn.layers import LAYERS, LOSSES, Layer, fingerprint, flows, results, value_for

REFERENCE = Path(__file__).with_name("reference.json")


def answer(entry: Layer) -> dict[str, Any]:
    def there(value: Any) -> Any:
        return torch.tensor(value) if isinstance(value, np.ndarray) else value

    layer = getattr(torch.nn, entry.name)(*map(there, entry.args), **{k: there(v) for k, v in entry.settings.items()})
    layer.double()
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter.copy_(torch.tensor(value_for(parameter, number)))
    inputs = [torch.tensor(x.copy(), requires_grad=flows(x)) for x in entry.inputs]
    layer(*inputs)
    outputs = results(layer(*inputs))
    sum((y * y).sum() for y in outputs).backward()
    gradients = [x.grad for x in inputs] + [p.grad for p in layer.parameters()]
    return {
        "state": {name: list(tensor.shape) for name, tensor in layer.state_dict().items()},
        "outputs": [[list(y.shape), fingerprint(y.detach().numpy())] for y in outputs],
        "gradients": [None if g is None else fingerprint(g.numpy()) for g in gradients],
        "buffers": {name: fingerprint(buffer.numpy()) for name, buffer in layer.named_buffers()},
    }


def main() -> None:
    reference = {name: answer(entry) for name, entry in {**LAYERS, **LOSSES}.items()}
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}" for name, value in reference.items()
    )
    REFERENCE.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
