"""Recordings to look at, made of hand-written events with round numbers, so that goldens do not depend on anything."""

from __future__ import annotations

import linecache
from pathlib import Path

import numpy as np

from teachgrad import observe
from teachgrad.errors import Where
from teachgrad.recording import Recorder
from tests.recording.runs import micrograd, scalar, send

from .accounts import account, add

SOURCE = "/somewhere/net.py"
LINES = """\
class Net(nn.Module):
    def forward(self, x):
        z = self.fc1(x)
        h = nn.functional.relu(z)
        return self.fc2(h)

loss = (net(x) * t).sum()
""".splitlines()
linecache.cache[SOURCE] = (1, None, [f"{line}\n" for line in LINES], SOURCE)

X, W1, Z, H, W2, Y, T, P, LOSS = range(1, 10)


def _op(
    id: int,
    name: str,
    inputs: tuple[int, ...],
    value: np.ndarray,
    line: int,
    code: str,
    scope: str = "",
    **attrs: object,
) -> None:
    text = LINES[line - 1]
    start = text.index(code)
    where = Where(SOURCE, line, "forward", start, start + len(code), text)
    send(observe.Forward(id, name, inputs, attrs, value, None, where, scope, True))


def net(steps: int = 2) -> None:
    """z = x w1, h = relu(z), y = h w2, loss = Σ y t: modules fc1 and fc2, gradients and updates worked out by hand."""
    w1 = np.array([[1.0, -1.0], [0.0, 2.0]])
    w2 = np.array([[2.0], [1.0]])
    x = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
    t = np.array([[1.0], [-1.0], [2.0]])
    for step in range(steps):
        base = 100 * step
        ids = {k: base + k for k in (X, Z, H, Y, T, P, LOSS)} | {W1: W1, W2: W2}
        z = x @ w1
        h = np.maximum(z, 0)
        y = h @ w2
        send(observe.Leaf(ids[X], None, x, False, False))
        send(observe.Leaf(W1, "fc1.weight", w1, True, True))
        _op(ids[Z], "matmul", (ids[X], W1), z, 3, "self.fc1(x)", "fc1")
        _op(ids[H], "relu", (ids[Z],), h, 4, "nn.functional.relu(z)")
        send(observe.Leaf(W2, "fc2.weight", w2, True, True))
        _op(ids[Y], "matmul", (ids[H], W2), y, 5, "self.fc2(h)", "fc2")
        send(observe.Leaf(ids[T], None, t, False, False))
        _op(ids[P], "multiply", (ids[Y], ids[T]), y * t, 7, "net(x) * t")
        _op(ids[LOSS], "sum", (ids[P],), np.array((y * t).sum()), 7, "(net(x) * t).sum()", axis=(0, 1), keepdims=False)
        gp = np.ones_like(y)
        gy = gp * t
        gh = gy @ w2.T
        gz = gh * (z > 0)
        g1, g2 = x.T @ gz, h.T @ gy
        send(observe.Seed(ids[LOSS], np.array(1.0)))
        for source, gradient, edges in (
            (LOSS, np.array(1.0), [(P, 0, gp)]), (P, gp, [(Y, 0, gy)]), (Y, gy, [(W2, 1, g2), (H, 0, gh)]),
            (H, gh, [(Z, 0, gz)]), (Z, gz, [(W1, 1, g1)]),
        ):  # fmt: skip
            send(observe.Backward(ids[source], "op", gradient))
            for target, edge, part in edges:
                send(observe.Accumulate(ids[source], ids[target], edge, part, part))
        for leaf, name, value, slope in ((W1, "fc1.weight", w1, g1), (W2, "fc2.weight", w2, g2)):
            value -= 0.125 * slope
            send(observe.Update(leaf, name, value))


def training(steps: int = 40) -> None:
    """L = ½ Σ (h - y)², h = relu(x w), for so many steps down; the rate halves every ten. The third unit is dead."""
    x = np.array([[1.0, 0.5], [0.25, 1.0], [0.5, 0.75], [1.0, 1.0]])
    y = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.75, 0.75, 0.0], [1.5, 1.25, 0.0]])
    w, rate = np.array([[0.125, 0.5, -1.0], [0.25, 0.125, -0.5]]), np.array(0.25)
    for step in range(steps):
        z, h, loss = 10 * step + 11, 10 * step + 12, 10 * step + 13
        send(observe.Leaf(1, None, x, False, False))
        send(observe.Leaf(2, "fc.weight", w, True, True))
        value = x @ w
        _op(z, "matmul", (1, 2), value, 3, "self.fc1(x)", "fc")
        _op(h, "relu", (z,), np.maximum(value, 0), 4, "nn.functional.relu(z)")
        gh = np.maximum(value, 0) - y
        _op(loss, "squared_error", (h,), np.array((gh * gh).sum() / 2), 7, "(net(x) * t).sum()")
        send(observe.Seed(loss, np.array(1.0)))
        gz = gh * (value > 0)
        gw = x.T @ gz
        for source, gradient, target, edge, part in (
            (loss, np.array(1.0), h, 0, gh), (h, gh, z, 0, gz), (z, gz, 2, 1, gw)):  # fmt: skip
            send(observe.Backward(source, "op", gradient))
            send(observe.Accumulate(source, target, edge, part, part))
        send(observe.Leaf(3, "lr", rate, False, False))
        w -= rate * gw
        send(observe.Update(2, "fc.weight", w))
        if step % 10 == 9:
            rate /= 2
            send(observe.Update(3, "lr", rate))


def attention() -> None:
    """A block with four modules inside: x + o(softmax(q(x) k(x)ᵀ) v(x)), for a residual and lines that branch."""
    x, rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), 3
    eye, square = np.eye(2), np.full((rows, rows), 1 / 3)
    send(observe.Leaf(1, "x", x, True, False))
    for number, name in enumerate("qkv"):
        send(observe.Leaf(10 + number, f"block.{name}.weight", (number + 1) * eye, True, True))
        value = (number + 1) * x
        send(observe.Forward(2 + number, "matmul", (1, 10 + number), {}, value, name, None, f"block.{name}", True))
    send(observe.Forward(5, "matmul", (2, 3), {}, np.zeros((rows, rows)), "scores", None, "block", True))
    send(observe.Forward(6, "softmax", (5,), {}, square, "weights", None, "block", True))
    send(observe.Forward(7, "matmul", (6, 4), {}, square @ (3 * x), "mixed", None, "block", True))
    send(observe.Leaf(13, "block.o.weight", eye, True, True))
    send(observe.Forward(8, "matmul", (7, 13), {}, square @ (3 * x), None, None, "block.o", True))
    send(observe.Forward(9, "add", (1, 8), {}, x + square @ (3 * x), "y", None, "block", True))
    send(observe.Forward(20, "sum", (9,), {}, np.array(16.0), "loss", None, "", True))
    send(observe.Seed(20, np.array(1.0)))
    send(observe.Backward(20, "sum", np.array(1.0)))
    send(observe.Accumulate(20, 9, 0, np.ones((rows, 2)), np.ones((rows, 2))))
    send(observe.Backward(9, "add", np.ones((rows, 2))))
    send(observe.Accumulate(9, 8, 1, np.ones((rows, 2)), np.ones((rows, 2))))
    send(observe.Backward(8, "matmul", np.ones((rows, 2))))
    send(observe.Accumulate(8, 13, 1, np.full((2, 2), 6.0), np.full((2, 2), 6.0)))


def deep(blocks: int = 6) -> None:
    """A chain of modules whose values all wait for the backward pass: more than fit side by side."""
    send(observe.Leaf(1, "x", scalar(1.0), True, False))
    last, tape = 1, []
    for block in range(blocks):
        for _ in range(4):
            new = last + 1
            send(observe.Forward(new, "exp", (last,), {}, scalar(1.0), None, None, f"block{block % 3}.{block}", True))
            tape.append((new, last))
            last = new
    send(observe.Seed(last, scalar(1.0)))
    for source, target in reversed(tape):
        send(observe.Backward(source, "exp", scalar(1.0)))
        send(observe.Accumulate(source, target, 0, scalar(1.0), scalar(1.0)))


def trouble() -> None:
    """y = sqrt(x - 2) for x = 1, and a gradient that is zero everywhere."""
    send(observe.Leaf(1, "[bold]x[/] \x1b]0;pwned\x07", scalar(1.0), True, False))
    send(observe.Forward(2, "subtract", (1,), {}, scalar(-1.0), None, None, "", True))
    send(observe.Forward(3, "sqrt", (2,), {}, scalar(float("nan")), "数y", None, "", True))
    send(observe.Forward(4, "divide", (3,), {}, np.array([1.0, np.inf, np.nan]), None, None, "", True))
    send(observe.Seed(4, np.ones(3)))
    zero = np.zeros(3)
    send(observe.Backward(4, "divide", np.ones(3)))
    send(observe.Accumulate(4, 3, 0, zero, zero))


def program(steps: int = 2) -> None:
    """A static program, run as a plan says: z = x w1, h = relu(z) over z, y = h w2, loss = Σ y; then its gradients."""
    x, w1, w2 = np.ones((4, 2)), np.full((2, 8), 0.5), np.full((8, 2), 0.25)
    z = x @ w1
    h, y, gy = np.maximum(z, 0), np.maximum(z, 0) @ w2, np.ones((4, 2))
    gh = gy @ w2.T
    gz = gh * (z > 0)
    lines = {4: (3, "self.fc1(x)"), 5: (4, "nn.functional.relu(z)"), 6: (5, "self.fc2(h)")}
    ops: list[tuple[int, str, tuple[int, ...], np.ndarray, int | None, bool, tuple[int, ...]]] = [
        (4, "matmul", (1, 2), z, 0, True, ()), (5, "relu", (4,), h, 0, True, (4,)),
        (6, "matmul", (5, 3), y, 256, True, ()), (7, "sum", (6,), np.array(y.sum()), None, True, (6,)),
        (9, "multiply", (6, 8), gy, 256, False, ()), (10, "matmul_nt", (9, 3), gh, 320, False, ()),
        (11, "matmul_tn", (5, 9), h.T @ gy, None, False, (9,)), (12, "relu_gradient", (10, 5), gz, 320, False, (10, 5)),
        (13, "matmul_tn", (1, 12), x.T @ gz, None, False, (12,)),
    ]  # fmt: skip
    for _ in range(steps):
        for vertex, name, leaf in ((1, None, x), (2, "fc1.weight", w1), (3, "fc2.weight", w2), (8, None, gy)):
            send(observe.Leaf(vertex, name, leaf, name is not None, name is not None))
        for vertex, op, inputs, value, offset, tracked, dead in ops:
            line, code = lines.get(vertex, (7, "(net(x) * t).sum()"))
            text = LINES[line - 1]
            where = Where(SOURCE, line, "forward", text.index(code), text.index(code) + len(code), text)
            send(observe.Alloc(vertex, value.nbytes, offset))
            send(observe.Kernel(op, (vertex,), 0.000002 * vertex))
            send(observe.Forward(vertex, op, inputs, {}, value, None, where, "", tracked))
            for gone in dead:
                send(observe.Free(gone))
        for vertex, name, value, slope in ((2, "fc1.weight", w1, x.T @ gz), (3, "fc2.weight", w2, h.T @ gy)):
            send(observe.Update(vertex, name, value - 0.125 * slope))


MAKERS = {
    "program": program,
    "micrograd": micrograd,
    "net": net,
    "training": training,
    "attention": attention,
    "deep": deep,
    "trouble": trouble,
}


def make(name: str, folder: Path, level: str = "values") -> Path:
    """A recording of one of them."""
    path = folder / f"{name}.tgr"
    with Recorder(path, level=level):  # type: ignore[arg-type]
        MAKERS[name]()
    if name == "program":
        add(path, account())
    return path
