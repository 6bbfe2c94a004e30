"""The exercises of sections 5 and 6, and the exit quiz: the tape on arrays, and a network trained with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from teachgrad_lessons.check import Exercise, Probe, Question, Slip, raises
from teachgrad_lessons.compare import Answer, Bound

Array = np.ndarray

# --- section 5: arrays ---


def _table(*shape: int) -> Array:
    """1, 2, 3, ... in the given shape: sums and means of its rows and columns all differ."""
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


def _unbroadcast(big: tuple[int, ...], small: tuple[int, ...], want: Array, *slips: Slip) -> Probe:
    stretched = np.broadcast_shapes(big, small) == big and big != small
    name = f"{big} back to {small}" if stretched else f"{big} stays {small}"
    return Probe(name, lambda unbroadcast: unbroadcast(_table(*big), small), want, slips)


ROWS = np.array([22.0, 26.0, 30.0])
"""Column sums of ``_table(4, 3)``: 1+4+7+10, 2+5+8+11, 3+6+9+12."""
COLUMNS = np.array([[6.0], [15.0], [24.0], [33.0]])
"""Row sums of ``_table(4, 3)``: 1+2+3, 4+5+6, 7+8+9, 10+11+12."""

UNBROADCAST = Exercise(
    "unbroadcast",
    "Exercise 13, unbroadcast",
    "unbroadcast-general",
    (
        _unbroadcast((4, 3), (3,), ROWS, Slip("mean-not-sum", ROWS / 4)),
        _unbroadcast(
            (4, 3),
            (4, 1),
            COLUMNS,
            Slip("keepdims", COLUMNS[:, 0]),
            Slip("mean-not-sum", COLUMNS / 3),
            Slip("leading-only", lambda got: np.shape(got) in ((4, 3), (3,)) or raises("ValueError")(got)),
        ),
        _unbroadcast(
            (2, 4, 3),
            (1, 3),
            np.array([[92.0, 100.0, 108.0]]),
            Slip("keepdims", np.array([92.0, 100.0, 108.0])),
            Slip("leading-only", lambda got: np.shape(got) == (4, 3)),
        ),
        _unbroadcast((4, 3), (), np.array(78.0)),
        _unbroadcast((4, 3), (4, 3), _table(4, 3)),
    ),
)


def _pull(build: Callable[[Any], Any], g: Any) -> Callable[..., Any]:
    def observe(pull: Any, node_class: Any) -> Any:
        return pull(build(node_class), 0, g)

    return observe


PULL = Exercise(
    "pull",
    "Exercise 14, pull for arrays",
    "pull-no-unbroadcast",
    (
        Probe("a slope that is a number", _pull(lambda c: c(6.0, "mul", (c(2.0),), (3.0,)), 5.0), 15.0),
        Probe(
            "a slope that is a function",
            _pull(lambda c: c(_table(2, 2), "double", (c(_table(2, 2)),), (lambda g: 2 * g,)), _table(2, 2)),
            2 * _table(2, 2),
            (Slip("pull-not-callable", raises("TypeError")),),
        ),
        Probe(
            "a bias that was stretched",
            _pull(lambda c: c(_table(4, 3), "add", (c(_table(3)),), (1.0,)), _table(4, 3)),
            ROWS,
            (Slip("pull-no-unbroadcast", _table(4, 3)),),
        ),
    ),
)

X, W, G = _table(2, 3), _table(3, 4), _table(2, 4)
G_W = np.array([[30.0, 70.0, 110.0], [70.0, 174.0, 278.0]])
"""G W^T, worked out by hand: the first entry is 1*1 + 2*2 + 3*3 + 4*4 = 30."""
X_G = np.array([[21.0, 26.0, 31.0, 36.0], [27.0, 34.0, 41.0, 48.0], [33.0, 42.0, 51.0, 60.0]])
"""X^T G, worked out by hand: the first entry is 1*1 + 4*5 = 21."""


def _share(of: int, x: Array, w: Array, g: Array) -> Callable[..., Any]:
    return lambda matmul, node_class: matmul(node_class(x), node_class(w)).slopes[of](g)


SQUARE = np.array([[1.0, 2.0], [0.0, 1.0]])
"""Square factors: a wrong product has the right shape there, and shows in the numbers."""


def _both_shares(matmul: Any, node_class: Any) -> tuple[Any, Any]:
    z = matmul(node_class(SQUARE), node_class(SQUARE + 1))
    return z.slopes[0](_table(2, 2)), z.slopes[1](_table(2, 2))


def _pair(*rows: list[list[float]]) -> tuple[Array, ...]:
    return tuple(np.array(row) for row in rows)


MATMUL = Exercise(
    "matmul",
    "Exercise 15, matmul",
    "matmul-general",
    (
        Probe(
            "both shares, square factors",
            _both_shares,
            _pair([[8, 5], [18, 11]], [[1, 2], [5, 8]]),
            (
                Slip("matmul-order", _pair([[5, 8], [9, 14]], [[5, 2], [11, 4]])),
                Slip("matmul-transpose", _pair([[4, 7], [10, 17]], [[7, 10], [3, 4]])),
            ),
        ),
        Probe("the product", lambda matmul, node_class: matmul(node_class(X), node_class(W)).value, X @ W),
        Probe("the share of x", _share(0, X, W, G), G_W),
        Probe("the share of w", _share(1, X, W, G), X_G),
    ),
)

COLUMN = Exercise(
    "column",
    "Exercise 16, the loss that fits the mean",
    "column-minus-row",
    (
        Probe(
            "the shape of the difference",
            lambda shape, target: tuple(shape),
            Answer((4, 4)),
            (
                Slip("column-minus-row", Answer((4, 1))),
                Slip("column-minus-row", Answer((4,))),
            ),
        ),
        Probe("the shape that the target needs", lambda shape, target: tuple(target), Answer((4, 1))),
    ),
)

# --- section 6: a network on your own tape ---


def _relu(relu: Any, node_class: Any) -> dict[str, Any]:
    z = relu(node_class(np.array([[-2.0, 0.5], [3.0, -0.1]])))
    return {"value": z.value, "slope": np.asarray(z.slopes[0], dtype=float)}


RELU_VALUE, RELU_SLOPE = np.array([[0.0, 0.5], [3.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])

RELU = Exercise(
    "relu",
    "Exercise 17, relu",
    "relu-general",
    (
        Probe(
            "values and slopes",
            _relu,
            {"value": RELU_VALUE, "slope": RELU_SLOPE},
            (Slip("relu-identity", {"value": RELU_VALUE, "slope": np.ones((2, 2))}),),
        ),
    ),
)


def small_problem() -> tuple[list[Array], Array, Array]:
    """Parameters of a 5-4-3 network, six inputs and their labels."""
    rng = np.random.default_rng(7)
    parameters = [rng.normal(size=shape) for shape in ((5, 4), (4,), (4, 3), (3,))]
    return parameters, rng.normal(size=(6, 5)), np.array([0, 1, 2, 2, 1, 0])


def steps_by_hand(parameters: list[Array], x: Array, labels: Array, lr: float, steps: int) -> list[Array]:
    """Gradient descent on the mean cross-entropy of relu(x W1 + b1) W2 + b2, its gradient written out by hand."""
    w1, b1, w2, b2 = parameters
    for _ in range(steps):
        z = x @ w1 + b1
        h = np.maximum(z, 0)
        scores = h @ w2 + b2
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        g = (p - np.eye(3)[labels]) / len(x)
        dz = (g @ w2.T) * (z > 0)
        w1, b1 = w1 - lr * x.T @ dz, b1 - lr * dz.sum(axis=0)
        w2, b2 = w2 - lr * h.T @ g, b2 - lr * g.sum(axis=0)
    return [w1, b1, w2, b2]


def _stepped(steps: int) -> Callable[..., Any]:
    def observe(train_step: Any, node_class: Any) -> list[Array]:
        arrays, x, labels = small_problem()
        parameters = [node_class(array.copy()) for array in arrays]
        for _ in range(steps):
            train_step(parameters, x, labels, 0.1)
        return [p.value for p in parameters]

    return observe


_START, _X, _LABELS = small_problem()
_ONE, _TWO = (steps_by_hand(_START, _X, _LABELS, 0.1, steps) for steps in (1, 2))
_UPHILL = steps_by_hand(_START, _X, _LABELS, -0.1, 1)
_PILED = [two + (one - start) for start, one, two in zip(_START, _ONE, _TWO, strict=True)]
"""A second step along the sum of both gradients is off by the first step."""

STEP = Exercise(
    "train_step",
    "Exercise 18, one training step",
    "step-general",
    (
        Probe("one step", _stepped(1), _ONE, (Slip("step-uphill", _UPHILL), Slip("step-frozen", _START)), points=2),
        Probe("two steps", _stepped(2), _TWO, (Slip("step-no-zero", _PILED),)),
    ),
)

ACCURACY = Exercise(
    "accuracy",
    "Exercise 19, 90 % on digits it has not seen",
    "accuracy",
    (Probe("accuracy on the last 360 images", lambda accuracy: accuracy, Bound(0.90, 1.0), points=2),),
)

CULPRIT = Exercise(
    "culprit",
    "Exercise 20, the haunted network",
    "culprit",
    (
        Probe(
            "which op lies",
            lambda op: op,
            Answer("relu"),
            (
                Slip("culprit-too-early", Answer("first matmul")),
                Slip("culprit-too-early", Answer("first add")),
            ),
            points=2,
        ),
    ),
)

# --- exit quiz ---


def _quiz(number: int, right: str, hint: str) -> Exercise:
    probe = Probe("your answer", lambda letter: letter, Answer(right))
    return Exercise(f"quiz {number}", f"Exit quiz, question {number}", hint, (probe,))


QUIZ = (
    _quiz(1, "C", "quiz-visited"),
    _quiz(2, "B", "quiz-residual"),
    _quiz(3, "D", "quiz-bias"),
    _quiz(4, "A", "quiz-ids"),
)

QUESTIONS = (
    Question("bias", (Slip("broadcast-shape", Answer((4, 3))),)),
    Question("clueless", (Slip("clueless-zero", Answer(0.0)), Slip("clueless-share", Answer(0.1)))),
)
