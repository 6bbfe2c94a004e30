"""A bank of misconceptions: each, put into the solution of lesson 04, loses points where it should and is met with
the hint that was written for it. Every hint of the lesson is reached by at least one of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from teachgrad_lessons import open_lesson
from tests.lessons.tape import percent_cells, quick_run, solution_text

LESSON = open_lesson("04")
ORDER = [exercise.id for exercise in LESSON.exercises]


@dataclass(frozen=True)
class Mutant:
    """``old``, which stands in the solution once, replaced by ``new``: what it should cost and which hint it earns."""

    exercise: str
    hint: str
    old: str
    new: str


def instead(exercise: str, hint: str, docstring: str, body: str) -> Mutant:
    """A function that does ``body`` and never comes to the solution's own lines."""
    start = f'    """{docstring}"""\n'
    return Mutant(exercise, hint, start, start + "".join(f"    {line}\n" for line in body.strip("\n").splitlines()))


ADD = "A node for x + y."
PATHS = "Add to .grad, along every path from node down to the leaves; count each visit in .visits."
VISITS = "How many visits backward_paths makes on a ladder of n rungs."
COUNTER = "A small expression that defeats both."
TOPOLOGICAL = "Every node that root depends on, once, consumers before inputs."
BACKWARD = "Add dL/dx to x.grad for every leaf x that root depends on."
ZERO = "Set the gradient of every leaf to zero."
UNBROADCAST = "Sum g over every axis along which an array of this shape was stretched."
STEP = "Move params one step of gradient descent on a batch; return the loss before the step."

DEPTH_FIRST = """
order = []
def visit(node):
    if node not in order:
        order.append(node)
        for x in node.inputs:
            visit(x)
visit(root)
return order
"""
LAST_INPUT_FIRST = """
order, stack = {}, [root]
while stack:
    node = stack.pop()
    if node not in order:
        order[node] = True
        stack.extend(node.inputs)
return list(order)
"""
LEVELS = """
order, seen = [root], {root}
for node in order:
    for x in node.inputs:
        if x not in seen:
            seen.add(x)
            order.append(x)
return order
"""
EVERY_PATH = """
order = [root]
for node in order:
    order.extend(node.inputs)
return order
"""
RECURSIVE = """
order, seen = [], set()
def visit(node):
    if node not in seen:
        seen.add(node)
        for x in node.inputs:
            visit(x)
        order.append(node)
visit(root)
return order[::-1]
"""
HEIGHT = """
nodes, stack = {root}, [root]
while stack:
    new = [x for x in stack.pop().inputs if x not in nodes]
    nodes.update(new)
    stack.extend(new)
def height(node):
    return 1 + max(map(height, node.inputs), default=0)
return sorted(nodes, key=height, reverse=True)
"""
IN_EVERY_NODE = """
root.grad = 1.0
for node in topological(root):
    for i, x in enumerate(node.inputs):
        x.grad = x.grad + pull(node, i, node.grad)
return
"""

MUTANTS = [
    Mutant("node", "node-fields", "        self.grad = 0.0\n        self.visits = 0\n", "        self.visits = 0\n"),
    Mutant("node", "node-fields", "self.inputs = tuple(inputs)", "self.inputs = ()"),
    Mutant("node", "shared-id", "self.id = next(counter)", "self.id = 0"),
    Mutant("ops", "ops-general", "(1 - z**2,)", "(1 / (1 + z**2),)"),
    Mutant("ops", "mul-own-factor", "(y.value, x.value))", "(x.value, y.value))"),
    Mutant("ops", "add-values", "(x, y), (1.0, 1.0))", "(x, y), (x.value, y.value))"),
    Mutant("ops", "tanh-input", "(1 - z**2,)", "(1 - x.value**2,)"),
    Mutant("suspect", "suspect", '"sigmoid", 0.2217', '"log", 1.4286'),
    Mutant("suspect", "believed-the-claim", '"sigmoid", 0.2217', '"sigmoid", 0.200456'),
    Mutant("paths", "assign", "    node.grad = node.grad + g\n    for i", "    node.grad = g\n    for i"),
    Mutant("paths", "no-slope", "backward_paths(x, pull(node, i, g))", "backward_paths(x, g)"),
    Mutant("paths", "passes-total", "_paths(x, pull(node, i, g))", "_paths(x, pull(node, i, node.grad))"),
    Mutant("paths", "no-count", "    node.visits = node.visits + 1\n", ""),
    instead("paths", "paths-general", PATHS, "node.visits += 1\nnode.grad += g\nreturn"),
    instead("visits", "counts-last", VISITS, "return 2**n"),
    instead("visits", "counts-nodes", VISITS, "return n + 1"),
    instead("visits", "counts-nodes", VISITS, "return 2 * n + 1"),
    Mutant("ghosts", "ghost-symmetric", '{"A": "first slope for all"', '{"A": "right"'),
    Mutant("ghosts", "ghost-reuse", '"B": "overwrites"', '"B": "right"'),
    Mutant("ghosts", "ghost-innocent", '"C": "right"}', '"C": "overwrites"}'),
    instead("counterexample", "no-reuse", COUNTER, "return tanh(a * 3)"),
    instead("counterexample", "leaf-reuse", COUNTER, "return a * a + a"),
    instead("counterexample", "operand-order", COUNTER, "b = a * 3\nreturn b * 5 + b"),
    instead("counterexample", "too-big", COUNTER, "b = a * 3 * 1 * 1\nreturn b + b * 5"),
    Mutant("parsons", "parsons", '"BCDGEA"', '"BDCGEA"'),
    Mutant("parsons", "parsons-assign", '"BCDGEA"', '"BCDGEF"'),
    instead("topological", "order-general", TOPOLOGICAL, "return [root]"),
    Mutant("topological", "leaves-first", "    return order\n", "    return order[::-1]\n"),
    instead("topological", "first-sight", TOPOLOGICAL, DEPTH_FIRST),
    instead("topological", "first-sight", TOPOLOGICAL, LAST_INPUT_FIRST),
    instead("topological", "level-by-level", TOPOLOGICAL, LEVELS),
    instead("topological", "listed-twice", TOPOLOGICAL, EVERY_PATH),
    instead("topological", "recursion", TOPOLOGICAL, RECURSIVE),
    instead("topological", "exponential", TOPOLOGICAL, HEIGHT),
    Mutant("backward", "assign", "total[x] = total[x] + share if x in total else share", "total[x] = share"),
    Mutant("backward", "lost-across-calls", "            node.grad = node.grad + g\n", "            node.grad = g\n"),
    Mutant("backward", "backward-general", "    total = {root: 1.0}\n", "    total = {root: root.value}\n"),
    instead("backward", "stale-totals", BACKWARD, IN_EVERY_NODE),
    instead("backward", "exponential", BACKWARD, "return backward_paths(root)"),
    instead("zero_grad", "zero-general", ZERO, "leaves[0].grad = 0.0\nreturn"),
    Mutant("zero_grad", "rebinding", "        leaf.grad = 0.0\n", "        grad = 0.0\n"),
    Mutant("zero_grad", "zeroes-the-value", "        leaf.grad = 0.0\n", "        leaf.value = 0.0\n"),
    Mutant("zero_grad", "zeroes-the-value", "        leaf.grad = 0.0\n", "        leaf.grad = leaf.value = 0.0\n"),
    Mutant("loops", "loops", '"Q": "never moves"', '"Q": "right"'),
    instead("unbroadcast", "unbroadcast-general", UNBROADCAST, "return np.zeros(shape)"),
    Mutant("unbroadcast", "mean-not-sum", "        g = g.sum(axis=0)\n", "        g = g.mean(axis=0)\n"),
    Mutant("unbroadcast", "mean-not-sum", "g.sum(axis=axis, keepdims=True)", "g.mean(axis=axis, keepdims=True)"),
    Mutant("unbroadcast", "keepdims", "g = g.sum(axis=axis, keepdims=True)", "g = g.sum(axis=axis)"),
    Mutant("unbroadcast", "leading-only", "        if size == 1:\n", "        if size == 0:\n"),
    Mutant("pull", "pull-not-callable", "share = slope(g) if callable(slope) else g * slope", "share = g * slope"),
    Mutant("pull", "pull-no-unbroadcast", "return unbroadcast(share, np.shape(node.inputs[i].value))", "return share"),
    Mutant("matmul", "matmul-general", "(lambda g: g @ w.value.T, lambda g: x.value.T @ g)", "(w.value, x.value)"),
    Mutant("matmul", "matmul-order", "(lambda g: g @ w.value.T, lambda g: x.value.T @ g)",
           "(lambda g: w.value.T @ g, lambda g: g @ x.value.T)"),
    Mutant("matmul", "matmul-transpose", "(lambda g: g @ w.value.T, lambda g: x.value.T @ g)",
           "(lambda g: g @ w.value, lambda g: x.value @ g)"),
    Mutant("column", "column-minus-row", "(4, 4), (4, 1)\n", "(4, 1), (4,)\n"),
    Mutant("relu", "relu-general", "np.maximum(x.value, 0.0)", "np.abs(x.value)"),
    Mutant("relu", "relu-identity", "(x.value > 0,))", "(1.0 + 0 * x.value,))"),
    Mutant("train_step", "step-general", "p.value = p.value - lr * p.grad", "p.value = p.value - lr * lr * p.grad"),
    Mutant("train_step", "step-uphill", "p.value = p.value - lr * p.grad", "p.value = p.value + lr * p.grad"),
    Mutant("train_step", "step-frozen", "p.value = p.value - lr * p.grad", "p = p.value - lr * p.grad"),
    Mutant("train_step", "step-no-zero", "    zero_grad(params)\n    loss = cross", "    loss = cross"),
    Mutant("accuracy", "accuracy", "for epoch in range(1, 21)", "for epoch in range(1, 2)"),
    Mutant("culprit", "culprit", 'lying_op = "relu"', 'lying_op = "second matmul"'),
    Mutant("culprit", "culprit-too-early", 'lying_op = "relu"', 'lying_op = "first matmul"'),
    Mutant("culprit", "culprit-too-early", 'lying_op = "relu"', 'lying_op = "first add"'),
    Mutant("quiz 1", "quiz-visited", '["C", "B", "D", "A"]', '["A", "B", "D", "A"]'),
    Mutant("quiz 2", "quiz-residual", '["C", "B", "D", "A"]', '["C", "A", "D", "A"]'),
    Mutant("quiz 3", "quiz-bias", '["C", "B", "D", "A"]', '["C", "B", "B", "A"]'),
    Mutant("quiz 4", "quiz-ids", '["C", "B", "D", "A"]', '["C", "B", "D", "D"]'),
]  # fmt: skip

WRONG_PREDICTIONS = [
    ("dL/da", "4.0", "6.0", "assign"),
    ("dL/da", "4.0", "-2.0", "assign"),
    ("visits", "2_097_151", "21", "counts-nodes"),
    ("visits", "2_097_151", "1_048_576", "counts-last"),
    ("two calls", "8.0", "4.0", "last-call-only"),
    ("bias", "(3,)", "(4, 3)", "broadcast-shape"),
    ("clueless", "2.3026", "0", "clueless-zero"),
    ("clueless", "2.3026", "0.1", "clueless-share"),
]


def mutated(old: str, new: str) -> list[str]:
    text = solution_text()
    assert text.count(old) == 1, f"{old!r} stands in the solution {text.count(old)} times"
    return percent_cells(text.replace(old, new))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{m.exercise}: {m.hint}" for m in MUTANTS])
def test_a_misconception_loses_its_points_and_meets_its_hint(mutant: Mutant) -> None:
    lesson = quick_run(mutated(mutant.old, mutant.new), until=mutant.exercise)
    worth = {exercise.id: exercise.points for exercise in lesson.exercises}
    result = lesson.results[mutant.exercise]
    assert result.points < worth[mutant.exercise]
    assert result.hint == mutant.hint
    before = [id for id in ORDER[: ORDER.index(mutant.exercise)] if id != "accuracy"]
    assert {id: lesson.results[id].points for id in before} == {id: worth[id] for id in before}


@pytest.mark.parametrize(("question", "right", "wrong", "hint"), WRONG_PREDICTIONS)
def test_a_wrong_prediction_meets_its_hint(question: str, right: str, wrong: str, hint: str) -> None:
    asked = f'lesson.predict("{question}", my_prediction)'
    old = f"my_prediction = {right}\n{asked}"
    lesson = quick_run(mutated(old, f"my_prediction = {wrong}\n{asked}"), until=_next_check(asked))
    assert lesson.latest_hint == hint
    assert lesson.points == sum(e.points for e in lesson.exercises if e.id in lesson.results)


def _next_check(asked: str) -> str:
    """The first exercise that is checked after a question has been settled."""
    text = solution_text()
    settled = text.index("lesson.reveal", text.index(asked))
    return text[text.index("lesson.check(", settled) :].split('"')[1]


def test_every_hint_is_reached() -> None:
    reached = {mutant.hint for mutant in MUTANTS} | {hint for *_, hint in WRONG_PREDICTIONS}
    assert reached == {hint.id for hint in LESSON.hints}


def test_every_exercise_has_a_mutant() -> None:
    assert {mutant.exercise for mutant in MUTANTS} == set(ORDER)
