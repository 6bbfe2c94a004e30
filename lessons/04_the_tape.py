# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 The tape
#
# A network with a million weights has a million derivatives. Nobody writes them down. A program
# does, and in this lesson you write that program: reverse mode, the engine inside PyTorch, JAX and
# teachgrad. It fits on one screen.
#
# By the end you will have
#
# - recorded a computation as a graph of nodes, each with its op, its inputs and its local
#   derivatives;
# - written backward the obvious way, watched it become a million times too slow, and found out why;
# - met the order that makes it fast, and an expression that defeats the shortcuts;
# - trained a network on real handwritten digits with your own engine;
# - compared each of its gradients with teachgrad's, and opened the same computation in the
#   inspector.
#
# | Section | You write | Minutes |
# | --- | --- | --- |
# | 1 A value that remembers | `Node`, `add`, `mul`, `tanh` | 35 |
# | 2 Follow every path | the obvious backward | 35 |
# | 3 Once each, in the right order | a counterexample, `topological`, `backward` | 65 |
# | 4 Gradients add up | `zero_grad` | 20 |
# | 5 Arrays | `unbroadcast`, `pull`, `matmul` | 40 |
# | 6 A network on your own tape | `relu`, `train_step` | 35 |
# | Exit quiz | four letters | 10 |
#
# **How to work.** Each section has the same beat: *predict*, *step*, *build*, *break*, *compare*. A
# prediction earns no points; being surprised is what it is for. Cells with `NotImplementedError` or
# three dots are yours. Run the check below them as often as you like. A wrong answer gets a hint
# that fits the mistake, and `lesson.hint()` gives a stronger one. There are three strengths, and no
# shame in any of them.
#
# You need Python, derivatives of one variable, and a little NumPy: shapes, and how they broadcast.

# %%
import math
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import numpy as np

from teachgrad_lessons import open_lesson
from teachgrad_lessons.lesson04 import (
    GHOSTS,
    PARSONS_LINES,
    haunted_errors,
    show_tape,
    slope_by_nudging,
    suspects,
    table,
)

lesson = open_lesson("04")

# %% [markdown]
# ## 1 A value that remembers
#
# Here is the whole example of this section:
#
# $$e = a \cdot b \qquad d = e + a \qquad L = d \cdot f \qquad\text{with}\quad a = 2,\; b = -3,\; f = -2.$$
#
# If $a$ moves by a little, how much does $L$ move? That number is $\partial L/\partial a$. Note
# that $a$ is used twice.
#
# ### Predict
#
# Work it out on paper, any way you like. Then commit to a number.

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = 4.0
# END SOLUTION
lesson.predict("dL/da", my_prediction)

# %% [markdown]
# ### Step
#
# No calculus is needed to find out. Nudge $a$ up by $h$, nudge it down by $h$, and see how far $L$
# moves:
#
# $$\frac{\partial L}{\partial a} \approx \frac{L(a + h) - L(a - h)}{2h}.$$
#
# This *central difference* is slow, one pair of runs for each input, and it rounds. But it knows
# nothing of derivatives, so it cannot make the mistakes that you and I can make. It will be the
# judge of everything below.


# %%
def L_of_a(a):
    b, f = -3.0, -2.0
    e = a * b
    d = e + a
    return d * f


lesson.reveal("dL/da", slope_by_nudging(L_of_a, 2.0))

# %% [markdown]
# Now the fast way. An ordinary number forgets where it came from: `-6.0` does not know that it was
# `2.0 * -3.0`. A **node** remembers. Besides its value it keeps
#
# - `op`, the name of the operation that made it (`"leaf"` if none did);
# - `inputs`, the nodes that the operation used;
# - `slopes`, one **local derivative** for each input: how much this value moves when that input
#   alone moves by one.
#
# Local means: looking at this one operation and nothing else. For $e = a \cdot b$ the slopes are
# $\partial e/\partial a = b$ and $\partial e/\partial b = a$. At $a=2$, $b=-3$ these are plain
# numbers, $-3$ and $2$.
#
# Nodes are numbered as they are made. The row of them, oldest first, is the **tape**.
#
# ### Build
#
# **Exercise 1.** Write `__init__`. Every argument becomes an attribute of the same name (make
# `inputs` and `slopes` tuples). Three more attributes are the node's own: `id`, the next number
# from `counter`; `grad`, which starts at `0.0`; and `visits`, which starts at `0` and which section
# 2 needs.

# %%
counter = count()


class Node:
    """A value that remembers: value, op, inputs, slopes, name; and id, grad, visits."""

    def __init__(self, value, op="leaf", inputs=(), slopes=(), name=""):
        # BEGIN SOLUTION
        self.value = value
        self.op = op
        self.inputs = tuple(inputs)
        self.slopes = tuple(slopes)
        self.name = name
        self.id = next(counter)
        self.grad = 0.0
        self.visits = 0
        # END SOLUTION


# %%
lesson.check("node", Node)

# %% [markdown]
# **Exercise 2.** Three operations. Each returns a new node that knows its value, its op, its inputs
# and its slopes.
#
# $$z = x + y \qquad z = x \cdot y \qquad z = \tanh x, \quad \frac{dz}{dx} = 1 - z^2$$


# %%
def add(x, y):
    """A node for x + y."""
    # BEGIN SOLUTION
    return Node(x.value + y.value, "add", (x, y), (1.0, 1.0))
    # END SOLUTION


def mul(x, y):
    """A node for x * y."""
    # BEGIN SOLUTION
    return Node(x.value * y.value, "mul", (x, y), (y.value, x.value))
    # END SOLUTION


def tanh(x):
    """A node for the hyperbolic tangent of x."""
    # BEGIN SOLUTION
    z = math.tanh(x.value)
    return Node(z, "tanh", (x,), (1 - z**2,))
    # END SOLUTION


# %%
lesson.check("ops", add, mul, tanh, Node)

# %% [markdown]
# Operators are spelling. This cell lets you write `a * b + a` for `add(mul(a, b), a)`, and lets a
# plain number stand for a leaf. Then it runs the example, and prints your tape.


# %%
def lift(x):
    """x itself if it is a node, else a new leaf."""
    return x if isinstance(x, Node) else Node(x)


Node.__add__ = lambda x, y: add(x, lift(y))
Node.__radd__ = lambda x, y: add(lift(y), x)
Node.__mul__ = lambda x, y: mul(x, lift(y))
Node.__rmul__ = lambda x, y: mul(lift(y), x)


def example(a, b, f):
    """The expression of this lesson, on anything that can add and multiply."""
    e = a * b
    d = e + a
    L = d * f
    return L


def fresh():
    """New leaves a, b, f and the root L made from them."""
    a, b, f = Node(2.0, name="a"), Node(-3.0, name="b"), Node(-2.0, name="f")
    root = example(a, b, f)
    root.name = "L"
    return a, b, f, root


a, b, f, root = fresh()
show_tape(root)

# %% [markdown]
# Read one row: the slopes of `mul` are the *values of the other factor*. All the calculus of the
# lesson is in that column, and it was done on the way forward, with numbers at hand.
#
# What is left is the **chain rule**: if $L$ moves by $g$ for each unit of $z$, and $z$ moves by $s$
# for each unit of $x$, then along this edge $L$ moves by $g \cdot s$ for each unit of $x$. We call
# that product the **share** of $x$.


# %%
def pull(node, i, g):
    """The share of input i when the gradient g has arrived at node."""
    return g * node.slopes[i]


# %% [markdown]
# ### Break
#
# **Exercise 3.** A colleague adds five operations of one input: `exp`, `log`, `sqrt`, `sigmoid`,
# `square`. All values are right. One of the local derivatives is not. For each op, compare the
# slope that it stores with the slope that nudging finds, at $x = 0.7$. Which op lies, and what
# should its slope be there?

# %%
for op_name, op in suspects(Node).items():
    # BEGIN SOLUTION: print(op_name, op(Node(0.7)).slopes[0], "... and the truth?")
    claim = op(Node(0.7)).slopes[0]
    truth = slope_by_nudging(lambda v, op=op: op(Node(v)).value, 0.7)
    print(f"{op_name:8} claims {claim:.6f}  nudging says {truth:.6f}")
    # END SOLUTION

# BEGIN SOLUTION: liar, true_slope = ..., ...
liar, true_slope = "sigmoid", 0.2217
# END SOLUTION

# %%
lesson.check("suspect", liar, true_slope)

# %% [markdown]
# ### Compare
#
# In **micrograd** each operation makes a `Value`, which keeps its inputs and a small function that
# hands out the shares; see the two `_backward` functions of `__add__` and `__mul__`
# (karpathy/micrograd@c911406, `micrograd/engine.py`, lines 13-33). Your `slopes` are the same
# knowledge as plain data, so that they can be printed.
#
# In **PyTorch** a graph node is a C++ object with edges to the nodes of its inputs, numbered as it
# is made, and the class comment says that values which arrive over several edges are summed first
# (pytorch/pytorch@1aea219, `torch/csrc/autograd/function.h`, comment *Nodes in the Autograd
# Graph*). Keep that sentence in mind. It is the subject of the next two sections.

# %% [markdown]
# ## 2 Follow every path
#
# The obvious backward reads straight off the chain rule. Start at $L$ with $g = 1$, since $L$ moves
# by one for each unit of itself. At each node: write down what arrived, then do the same for every
# input, with its share.
#
# ### Predict
#
# A first draft says `node.grad = g`: it *assigns*. The walk goes to the first input first. Two
# paths lead from $L$ to $a$:
#
# - $L \to d \to e \to a$, which brings $(-2)(1)(-3) = 6$, and then
# - $L \to d \to a$, which brings $(-2)(1) = -2$.
#
# What will `a.grad` be at the end of the walk?

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = -2.0
# END SOLUTION
lesson.predict("a.grad with =", my_prediction)

# %% [markdown]
# ### Step


# %%
def backward_assigning(node, g=1.0):
    node.grad = g
    for i, x in enumerate(node.inputs):
        backward_assigning(x, pull(node, i, g))


a, b, f, root = fresh()
backward_assigning(root)
lesson.reveal("a.grad with =", a.grad)
print("by nudging:", round(slope_by_nudging(L_of_a, 2.0), 6))

# %% [markdown]
# The last share won, and the first is lost. But $a$ influences $L$ in two ways at once, so its
# gradient is the **sum** of both: $6 + (-2) = 4$. In general, with one term for each edge from $x$
# to a consumer $z$,
#
# $$\frac{\partial L}{\partial x} =
# \sum_{z \text{ uses } x} \frac{\partial L}{\partial z} \cdot \frac{\partial z}{\partial x}.$$
#
# ### Build
#
# **Exercise 4.** Write it right: *add* what arrives to `node.grad`, and count the visit in
# `node.visits`.


# %%
def backward_paths(node, g=1.0):
    """Add to .grad, along every path from node down to the leaves; count each visit in .visits."""
    # BEGIN SOLUTION
    node.visits = node.visits + 1
    node.grad = node.grad + g
    for i, x in enumerate(node.inputs):
        backward_paths(x, pull(node, i, g))
    # END SOLUTION


# %%
lesson.check("paths", backward_paths, Node)

# %%
a, b, f, root = fresh()
backward_paths(root)
show_tape(root)
print("visits of a:", a.visits, "  visits of b:", b.visits)

# %% [markdown]
# You have written reverse mode. It is right on *every* graph: one backward walk, and each leaf
# holds its derivative. On a chain it visits each node once. And on a diamond, where paths part and
# meet again?
#
# ### Predict
#
# The smallest diamond is $y + y$. Put $n$ of them in a row, a **ladder**:
#
# $$y_1 = y_0 + y_0, \qquad y_2 = y_1 + y_1, \qquad \dots \qquad y_n = y_{n-1} + y_{n-1}.$$
#
# A ladder of 20 rungs has 21 nodes. How many visits will `backward_paths` make on it, in all?

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = 2_097_151
# END SOLUTION
lesson.predict("visits", my_prediction)

# %% [markdown]
# ### Step
#
# Watch the counter. (Ladders of up to 14 rungs, so that you need not wait.)


# %%
def ladder(rungs):
    """All nodes of a ladder, y_0 first."""
    nodes = [Node(1.0, name="y0")]
    for k in range(1, rungs + 1):
        nodes.append(nodes[-1] + nodes[-1])
        nodes[-1].name = f"y{k}"
    return nodes


rows = [["rungs", "nodes", "visits", "one mark for each doubling"]]
for rungs in range(0, 15, 2):
    nodes = ladder(rungs)
    backward_paths(nodes[-1])
    visits = sum(node.visits for node in nodes)
    rows.append([str(rungs), str(len(nodes)), f"{visits:,}", "#" * round(math.log2(visits + 1))])
print(table(rows))

# %% [markdown]
# **Exercise 5.** Give the formula: the number of visits on a ladder of $n$ rungs.


# %%
def total_visits(n):
    """How many visits backward_paths makes on a ladder of n rungs."""
    # BEGIN SOLUTION
    return 2 ** (n + 1) - 1
    # END SOLUTION


# %%
lesson.check("visits", total_visits)

# %%
lesson.reveal("visits", total_visits(20))

# %% [markdown]
# Two million visits for 21 nodes. A ladder of 200 rungs has $2^{201} - 1$ of them, and the sun will
# not last that long. Ladders are not exotic: a residual network $y_{k+1} = y_k + f(y_k)$ is one,
# and so is every recurrent network that uses its state twice.
#
# ### Break
#
# **Exercise 6.** Three strangers offer you their backward: `GHOSTS["A"]`, `GHOSTS["B"]`,
# `GHOSTS["C"]`. Each takes a root and fills in `.grad`. You cannot read them, but you can test
# them. One is right. One assigns instead of adding up. One uses the *first* slope of a node for
# *all* of its inputs. Design small expressions on which they differ. The start of a test is there;
# it is too kind.

# %%
for letter, ghost in GHOSTS.items():
    x, y = Node(3.0), Node(3.0)
    ghost(x * y)
    print(letter, x.grad, y.grad)  # all three say 3 and 3
    # BEGIN SOLUTION: # your own expression comes here
    x, y = Node(2.0), Node(5.0)
    ghost(x * y + x)
    print(letter, x.grad, y.grad, "where 6 and 2 are right")
    # END SOLUTION

# Write one of "right", "overwrites", "first slope for all" for each.
# BEGIN SOLUTION: verdict = {"A": ..., "B": ..., "C": ...}
verdict = {"A": "first slope for all", "B": "overwrites", "C": "right"}
# END SOLUTION

# %%
lesson.check("ghosts", verdict)

# %% [markdown]
# ### Compare
#
# Every engine adds up. In micrograd the line is `self.grad += ...`, twice in each op
# (karpathy/micrograd@c911406, `micrograd/engine.py`, lines 17-19 and 28-30). In PyTorch, leaves
# have a node of their own for it, which keeps the first gradient and adds later ones in place
# (pytorch/pytorch@035290b, `torch/csrc/autograd/functions/accumulate_grad.h`, function
# `accumulateGrad`).
#
# Now see the very same sum in the **inspector**, teachgrad's microscope. The next cell asks it for
# the moment at which the second share reaches $a$, as text. In a terminal, leave out `--print text`
# and step with `s` and `S`.


# %%
def inspect(*arguments):
    """What `teachgrad inspect ... --print text` prints in a terminal."""
    command = [sys.executable, "-X", "utf8", "-m", "teachgrad", "inspect", *arguments]
    command += ["--print", "text", "--size", "100x20"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    print(done.stdout or done.stderr)


# %%
inspect("--demo", "micrograd", "--screen", "chain", "--at", "t0/bwd/12")

# %% [markdown]
# Look for the accumulator: first $-2$, then $+6$, and the running sum 4. teachgrad takes the inputs
# of an op last one first, so the two shares arrive the other way round than in your walk. With `=`
# it would have ended at 6, and yours ended at $-2$. A result that depends on the order of arrival
# is a bug; a sum does not.

# %% [markdown]
# ## 3 Once each, in the right order
#
# The paths are too many, but the nodes are few. All shares that reach a node are multiplied by the
# *same* slopes afterwards. So do not carry each share down alone: **wait, add up, and pass the
# total on once.** A ladder of 200 rungs then costs 201 visits.
#
# But wait for whom? For how long? This is where people go wrong. In micrograd's public tracker,
# five learners propose to drop the topological sort of its backward, each with a simpler program
# (karpathy/micrograd, issues 21, 91 and 96, pull requests 23 and 64). Put their ideas on trial. By
# its own account 91 recomputes along every path: right and slow, as you know. Here are the other
# ideas, as programs on your nodes.


# %%
def recursion_on_totals(root):
    """As in 21 and 64: pass on what the node holds, then do the same for every input."""

    def visit(node):
        for i, x in enumerate(node.inputs):
            x.grad = x.grad + pull(node, i, node.grad)
        for x in node.inputs:
            visit(x)

    root.grad = 1.0
    visit(root)


def first_sight(root):
    """In the spirit of 23: depth first, and each node only once, when it is first met."""
    seen = set()

    def visit(node):
        if node in seen:
            return
        seen.add(node)
        for i, x in enumerate(node.inputs):
            x.grad = x.grad + pull(node, i, node.grad)
        for x in node.inputs:
            visit(x)

    root.grad = 1.0
    visit(root)


def inputs_first(root):
    """As in 96: depth first, each node once, and it passes on its gradient after its inputs have been visited."""
    seen = set()

    def visit(node):
        if node in seen:
            return
        seen.add(node)
        for x in node.inputs:
            visit(x)
        for i, x in enumerate(node.inputs):
            x.grad = x.grad + pull(node, i, node.grad)

    root.grad = 1.0
    visit(root)


# %% [markdown]
# ### Predict
#
# The test is $L = b + c$ with $b = 3a$ and $c = 5b$, so $L = 18a$ and $\partial L/\partial a = 18$.
# The node $b$ is used by $L$ and by $c$. Play `first_sight` by hand: it visits $L$, then $b$ (the
# first input), then what is below $b$, then $c$. What does it leave in `a.grad`?

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = 3.0
# END SOLUTION
lesson.predict("b + c", my_prediction)

# %% [markdown]
# ### Step


# %%
def chain(a):
    return tanh(a * 3 + 1)


def leaf_twice(a):
    return a * a + a


def b_plus_c(a):
    b = a * 3
    c = b * 5
    return b + c


def c_plus_b(a):
    b = a * 3
    c = b * 5
    return c + b


rows = [["expression", "by nudging", "21 and 64", "23", "96", "every path"]]
for expression in (chain, leaf_twice, b_plus_c, c_plus_b):
    row = [expression.__name__, f"{slope_by_nudging(lambda v, e=expression: e(Node(v)).value, 0.25):.4f}"]
    for backward_idea in (recursion_on_totals, first_sight, inputs_first, backward_paths):
        a = Node(0.25)
        backward_idea(expression(a))
        row.append(f"{a.grad:.4f}")
    rows.append(row)
print(table(rows))

a = Node(0.25)
first_sight(b_plus_c(a))
lesson.reveal("b + c", a.grad)

# %% [markdown]
# Read the table column by column.
#
# - **96** starts at the wrong end: when a node passes on its gradient, nothing has arrived yet.
# - **21 and 64** are right until a node *with inputs* is used twice. Then the second visit sends
#   the first share again.
# - **23** is right on `c_plus_b` and wrong on `b_plus_c`. Addition commutes; this program does not.
#   It was luck: going to $c$ first happens to complete $b$.
#
# On a chain or a tree, no test can tell 21, 64 and 23 from a right program. Micrograd's author answered
# under 64 that it fails when a non-leaf is reused, and the proposer came back with an example of
# their own. So find one, too.
#
# ### Break
#
# **Exercise 7.** Write an expression of one leaf `a`, with at most six nodes, on which **both**
# `recursion_on_totals` and `first_sight` give a wrong gradient. Do not copy `b_plus_c`; it has six
# nodes, and there is a smaller one.


# %%
def counterexample(a):
    """A small expression that defeats both."""
    # BEGIN SOLUTION
    b = a + a
    c = b + b
    return b + c
    # END SOLUTION


# %%
lesson.check("counterexample", counterexample, Node)

# %% [markdown]
# What went wrong each time is the same thing: **a node passed on its total before the total was
# complete.** So here is the rule.
#
# > A node may pass on its gradient when **every node that uses it** has passed on its own.
#
# An order of the nodes that obeys it, each consumer before its inputs, is called a **topological
# order** (of the graph, from the root). Given such an order, backward is a loop.
#
# ### Build
#
# **Exercise 8.** Here are the lines of that loop, shuffled. One does not belong. Write the letters
# of the other six in order, as in `"ABCDEG"`. `total` is a table: node, and the sum of what has
# arrived there so far.

# %%
for letter, line in PARSONS_LINES.items():
    print(letter, line)

# %%
# BEGIN SOLUTION: line_order = ...
line_order = "BCDGEA"
# END SOLUTION

# %%
lesson.check("parsons", line_order, Node)

# %% [markdown]
# **Exercise 9.** Write `topological(root)`: a list of all nodes that `root` depends on, each
# **once**, every node **before** all of its inputs. No recursion: a network that runs over a text
# of 10,000 letters makes a chain of more than 10,000 nodes, and Python's call stack ends at about
# 1,000.
#
# Any method will do. One that follows the rule to the letter:
#
# 1. Walk over the graph once, with a list as a stack, and count for every node the edges that lead
#    to it.
# 2. Start with `ready = [root]`. Take a node from it and list it. For each of its inputs lower the
#    count by one; an input whose count has reached zero has heard from everyone, and is ready.


# %%
def topological(root):
    """Every node that root depends on, once, consumers before inputs."""
    # BEGIN SOLUTION
    waiting = {root: 0}
    stack = [root]
    while stack:
        node = stack.pop()
        for x in node.inputs:
            if x not in waiting:
                waiting[x] = 0
                stack.append(x)
            waiting[x] = waiting[x] + 1

    order = []
    ready = [root]
    while ready:
        node = ready.pop()
        order.append(node)
        for x in node.inputs:
            waiting[x] = waiting[x] - 1
            if waiting[x] == 0:
                ready.append(x)
    return order
    # END SOLUTION


# %%
lesson.check("topological", topological, Node)

# %% [markdown]
# **Exercise 10.** Now `backward`. It is the loop of exercise 8 with two changes.
#
# - Only **leaves** get a `.grad`. The totals of the other nodes live in the table, for the length
#   of one call.
# - A leaf's gradient is **added** to what its `.grad` already holds. (Why? Section 4.)


# %%
def backward(root):
    """Add dL/dx to x.grad for every leaf x that root depends on."""
    # BEGIN SOLUTION
    total = {root: 1.0}
    for node in topological(root):
        g = total.pop(node)
        if not node.inputs:
            node.grad = node.grad + g
        for i, x in enumerate(node.inputs):
            share = pull(node, i, g)
            total[x] = total[x] + share if x in total else share
    # END SOLUTION


# %%
lesson.check("backward", backward, Node)

# %% [markdown]
# Now the ladder of 200 rungs. Following every path would take $2^{201} - 1$ visits.

# %%
nodes = ladder(200)
start = time.perf_counter()
backward(nodes[-1])
took = time.perf_counter() - start
print(f"dy200/dy0 = {nodes[0].grad:.6g}, and 2^200 = {2.0**200:.6g}")
print("in less than a tenth of a second" if took < 0.1 else f"in {took:.1f} seconds")

# %% [markdown]
# ### Compare
#
# Four engines, one rule, and different ways to the order.
#
# - **micrograd** sorts by a recursive depth-first search and reverses the result
#   (karpathy/micrograd@c911406, `micrograd/engine.py`, lines 54-70). The result is right on every
#   graph. The recursion has a price: with Python's usual limit, a chain of 1,100 additions ends in
#   a `RecursionError`.
# - **autograd** counts consumers, without recursion, as you may have done (HIPS/autograd@bff107b,
#   `autograd/util.py`, function `toposort`, line 21).
# - **PyTorch** counts too, in `compute_dependencies`, and `evaluate_function` releases a node when
#   its count falls to zero (pytorch/pytorch@e1253a9, `torch/csrc/autograd/engine.cpp`). Of the
#   nodes that are ready it prefers the youngest (pytorch/pytorch@1aea219,
#   `torch/csrc/autograd/function.h`, note *Sequence Number*).
# - **teachgrad** does not sort by consumers at all. It takes the nodes by falling `id`
#   (`teachgrad/autodiff.py`, function `pull_back`). Try it: `sorted(..., key=lambda node:
#   -node.id)` passes exercise 9. Why that must be so is a question of the exit quiz.
#
# Here is the table once more, with your `backward` in the last column.

# %%
rows = [["expression", "by nudging", "your backward"]]
for expression in (chain, leaf_twice, b_plus_c, c_plus_b, counterexample):
    a = Node(0.25)
    backward(expression(a))
    truth = slope_by_nudging(lambda v, e=expression: e(Node(v)).value, 0.25)
    rows.append([expression.__name__, f"{truth:.4f}", f"{a.grad:.4f}"])
print(table(rows))

# %% [markdown]
# ## 4 Gradients add up
#
# ### Predict
#
# `a, b, f, root = fresh()`, and then `backward(root)` **twice**. What is `a.grad`?

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = 8.0
# END SOLUTION
lesson.predict("two calls", my_prediction)

# %% [markdown]
# ### Step

# %%
a, b, f, root = fresh()
backward(root)
print("after one call: ", a.grad)
backward(root)
print("after two calls:", a.grad)
lesson.reveal("two calls", a.grad)

# %% [markdown]
# This is a feature. If a batch does not fit into memory, run two halves, call backward on each, and
# the gradients of the whole have added up. The price: somebody has to clear them before the next
# step. That is `zero_grad`.
#
# ### Build
#
# **Exercise 11.**


# %%
def zero_grad(leaves):
    """Set the gradient of every leaf to zero."""
    # BEGIN SOLUTION
    for leaf in leaves:
        leaf.grad = 0.0
    # END SOLUTION


# %%
lesson.check("zero_grad", zero_grad, Node)

# %% [markdown]
# ### Break
#
# **Exercise 12.** A single weight is to learn $w \cdot 1.5 = 3$, by going against the gradient of
# the squared error. The answer is $w = 2$. Four loops differ in where they clear the gradient, if
# they do. **Before you run the second cell**, say of each whether it is `"right"`, `"never moves"`
# or `"piles up"`.


# %%
def forward_and_backward(w):
    error = w * 1.5 + (-3.0)
    backward(error * error)


def step(w):
    w.value = w.value - 0.1 * w.grad


def loop_P(w):
    zero_grad([w])
    forward_and_backward(w)
    step(w)


def loop_Q(w):
    forward_and_backward(w)
    zero_grad([w])
    step(w)


def loop_R(w):
    forward_and_backward(w)
    step(w)


def loop_S(w):
    forward_and_backward(w)
    step(w)
    zero_grad([w])


# BEGIN SOLUTION: verdict = {"P": ..., "Q": ..., "R": ..., "S": ...}
verdict = {"P": "right", "Q": "never moves", "R": "piles up", "S": "right"}
# END SOLUTION

# %%
lesson.check("loops", verdict)

# %%
rows = [["round", "P", "Q", "R", "S"]]
weights = [Node(0.0) for _ in range(4)]
for turn in range(13):
    if turn % 3 == 0:
        rows.append([str(turn), *(f"{w.value:.4f}" for w in weights)])
    for loop, w in zip((loop_P, loop_Q, loop_R, loop_S), weights, strict=True):
        loop(w)
print(table(rows))

# %% [markdown]
# Loop R is the nasty one. It does not crash and it does not stand still. It swings, because each
# step still carries the gradients of all steps before it. On a large network this looks like a
# learning rate that is too high, and people turn the wrong knob.
#
# ### Compare
#
# PyTorch's optimizers have `zero_grad`, and by default it sets `.grad` to `None` rather than to
# zero, which saves memory (pytorch/pytorch@bf6a61d, `torch/optim/optimizer.py`, method
# `zero_grad`).
#
# micrograd keeps a gradient in *every* node, inner ones too. A second `backward()` on our example
# gives `a.grad = 18` there, not 8: the second call starts from the inner totals that the first one
# left. Your `backward` keeps these in a table that dies with the call. So do PyTorch and teachgrad,
# and they also free what a second call would need, unless you pass `retain_graph=True`.

# %% [markdown]
# ## 5 Arrays
#
# So far a value was a number. Nothing in `backward` says so. With arrays, `add`, `mul` and `slopes`
# work as they are, entry by entry: if $z = x \odot y$, the slopes are the arrays $y$ and $x$, and
# the share `g * slope` is right in every entry.
#
# Two things are new. **Broadcasting** stretches an array on the way forward, and someone must undo
# it on the way back. And the local derivative of a **matrix product** is too big to store.
#
# ### Predict
#
# `x` has shape `(4, 3)`, the bias `b` has shape `(3,)`, and `z = x + b` has shape `(4, 3)`. A
# gradient `g` of shape `(4, 3)` arrives at `z`. Which shape must `b.grad` have?

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = (3,)
# END SOLUTION
lesson.predict("bias", my_prediction)

# %% [markdown]
# ### Step
#
# Our `pull` multiplies `g` by the slope 1 and is done.

# %%
x, b = Node(np.ones((4, 3))), Node(np.array([1.0, 2.0, 3.0]))
z = add(x, b)
g = np.arange(1.0, 13.0).reshape(4, 3)
print("share of b has shape", pull(z, 1, g).shape)
lesson.reveal("bias", b.value.shape)

# %% [markdown]
# Each entry of `b` was used four times, once in each row. It is *one value with four consumers*,
# and you know what to do about that: add up the shares. So the rule of section 2 settles
# broadcasting as well.
#
# > Where broadcasting copied on the way forward, sum on the way back.
#
# It copies in two ways. An axis that is missing on the left is made: `(3,)` becomes `(4, 3)`. And
# an axis of length 1 is stretched: `(4, 1)` becomes `(4, 3)`.
#
# ### Build
#
# **Exercise 13.** `unbroadcast(g, shape)` sums `g` back to `shape`.


# %%
def unbroadcast(g, shape):
    """Sum g over every axis along which an array of this shape was stretched."""
    # BEGIN SOLUTION
    g = np.asarray(g)
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g
    # END SOLUTION


# %%
lesson.check("unbroadcast", unbroadcast)

# %% [markdown]
# Now the matrix product, $z = x\,w$ with shapes $(n, k)$, $(k, m)$ and $(n, m)$. Its full local
# derivative towards $x$ has one number for each pair of an entry of $z$ and an entry of $x$:
# $n\,m\,n\,k$ of them, nearly all zero. For a batch of 64 and a layer of $784 \times 256$ that is
# about 820 million numbers. Nobody stores it. We need only what it does to $g$, and that is short:
#
# $$\text{share of } x = g\,w^{\mathsf T} \qquad\qquad \text{share of } w = x^{\mathsf T} g.$$
#
# Check the shapes: each share has the shape of its owner, and when $n$, $k$ and $m$ differ there is
# only one way to multiply the matrices so that it has.
#
# So let a slope be **either** something to multiply by **or a function** that takes $g$ and returns
# the share.
#
# **Exercise 14.** Write the new `pull`. It handles both kinds of slope, and it is the one place
# where broadcasting is undone. (This replaces the `pull` of section 1. `backward` calls whichever
# was defined last, so run this cell again if you go back to that one.)


# %%
def pull(node, i, g):
    """The share of input i, in the shape of that input."""
    # BEGIN SOLUTION
    slope = node.slopes[i]
    share = slope(g) if callable(slope) else g * slope
    return unbroadcast(share, np.shape(node.inputs[i].value))
    # END SOLUTION


# %%
lesson.check("pull", pull, Node)

# %% [markdown]
# **Exercise 15.** The matrix product, with two functions as its slopes.


# %%
def matmul(x, w):
    """A node for the matrix product x @ w."""
    # BEGIN SOLUTION
    return Node(
        x.value @ w.value,
        "matmul",
        (x, w),
        (lambda g: g @ w.value.T, lambda g: x.value.T @ g),
    )
    # END SOLUTION


Node.__matmul__ = matmul

# %%
lesson.check("matmul", matmul, Node)

# %% [markdown]
# That is all. `topological` and `backward` are as you left them, written for numbers. Here they
# differentiate a layer, and nudging judges one entry.


# %%
def layer(x, w, b):
    """The sum of all entries of (x w + b) squared."""
    z = x @ w + b
    squares = z * z
    return Node(squares.value.sum(), "sum", (squares,), (np.ones_like(squares.value),))


rng = np.random.default_rng(0)
x, w, b = Node(rng.normal(size=(4, 2)), name="x"), Node(rng.normal(size=(2, 3)), name="w"), Node(np.ones(3), name="b")
root = layer(x, w, b)
backward(root)
show_tape(root)


def with_entry(v):
    """The loss if the entry w[1, 2] were v."""
    changed = w.value.copy()
    changed[1, 2] = v
    return layer(x, Node(changed), b).value


print()
print(f"w.grad[1, 2] = {w.grad[1, 2]:.6f}, by nudging {slope_by_nudging(with_entry, w.value[1, 2]):.6f}")
print("shapes:", x.grad.shape, w.grad.shape, b.grad.shape)

# %% [markdown]
# ### Break
#
# **Exercise 16.** A straight line through four points, fitted by gradient descent on the mean
# squared error. The points lie exactly on $y = 2x$, the loss falls nicely, and the line comes out
# flat. Nothing is wrong with your engine. Find the bug, by printing shapes.

# %%
points = Node(np.array([[-1.5], [-0.5], [0.5], [1.5]]))
targets = np.array([-3.0, -1.0, 1.0, 3.0])
slope = Node(np.array([[0.5]]), name="slope")
for turn in range(51):
    error = points @ slope + (-targets)
    squares = error * error
    loss = Node(squares.value.mean(), "mean", (squares,), (np.ones_like(squares.value) / squares.value.size,))
    zero_grad([slope])
    backward(loss)
    slope.value = slope.value - 0.1 * slope.grad
    if turn % 25 == 0:
        print(f"round {turn:2}: loss {loss.value:.4f}, slope {slope.value[0, 0]:.4f}")

# %%
# Which shape does `error` have, and which shape should `targets` have had?
# BEGIN SOLUTION: error_shape, right_target_shape = ..., ...
error_shape, right_target_shape = (4, 4), (4, 1)
# END SOLUTION

# %%
lesson.check("column", error_shape, right_target_shape)

# %% [markdown]
# ### Compare
#
# autograd has this function under the same name (HIPS/autograd@bff107b,
# `autograd/numpy/numpy_vjps.py`, `unbroadcast`, lines 883-892). PyTorch calls it `sum_to`, and its
# engine applies it to whatever an operation returns, so that no operation has to think of it
# (pytorch/pytorch@e1253a9, `torch/csrc/autograd/engine.cpp`, function `validate_outputs`).
# teachgrad does the same, in one line of `send` in `teachgrad/autodiff.py`. You have put it into
# `pull`: same place, same reason.

# %% [markdown]
# ## 6 A network on your own tape
#
# The digits are real: 1,797 pictures of 8 by 8 pixels, written by people, brought along with
# teachgrad. We train on the first 1,437 and test on the last 360, as they stand in the file. That is
# harder than a random split, presumably because the last pictures are by other writers. Say which
# split you used whenever you report an accuracy. On this one, logistic regression gets 90.0 % right
# and the three nearest neighbours 96.7 %.

# %%
import teachgrad as tg

train, test = tg.data.digits(split="ordered", flatten=True)
train_x, train_y = train[:]
test_x, test_y = test[:]
train_x, test_x = train_x.astype(np.float64), test_x.astype(np.float64)
print("train", train_x.shape, "test", test_x.shape)

shades = " .:-=+*#%@"
for row in train_x[0].reshape(8, 8):
    print("".join(2 * shades[int(9 * ink)] for ink in row))
print("label:", train_y[0])

# %% [markdown]
# The network is $\text{scores} = \mathrm{relu}(x W_1 + b_1)\,W_2 + b_2$, with 64 inputs, 48 hidden
# units and 10 scores.
#
# ### Build
#
# **Exercise 17.** `relu`: $z = \max(x, 0)$ in every entry. What is its slope where $x$ is positive,
# and where it is not? (At exactly 0 take 0, as PyTorch and teachgrad do.)


# %%
def relu(x):
    """A node for max(x, 0), entry by entry."""
    # BEGIN SOLUTION
    return Node(np.maximum(x.value, 0.0), "relu", (x,), (x.value > 0,))
    # END SOLUTION


# %%
lesson.check("relu", relu, Node)

# %% [markdown]
# The loss is given: the mean cross-entropy of the scores $s$. For one picture with the right label
# $y$,
#
# $$\ell = -\log p_y, \qquad p = \mathrm{softmax}(s), \qquad \frac{\partial \ell}{\partial s} = p - \text{onehot}(y).$$
#
# Its slope is an array of the shape of $s$, so it is an op like any other.


# %%
def cross_entropy(scores, labels):
    """A node for the mean over the rows of -log softmax(scores)[label]."""
    shifted = scores.value - scores.value.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    slope = np.exp(log_p)
    slope[rows, labels] -= 1.0
    return Node(-log_p[rows, labels].mean(), "cross_entropy", (scores,), (slope / len(labels),))


def network(params, x):
    """The scores of a batch of pictures, as a node."""
    W1, b1, W2, b2 = params
    return relu(Node(x, name="x") @ W1 + b1) @ W2 + b2


# %% [markdown]
# ### Predict
#
# A network that has learned nothing gives all ten digits the same score. What is its loss?

# %%
# BEGIN SOLUTION: my_prediction = ...
my_prediction = 2.3026
# END SOLUTION
lesson.predict("clueless", my_prediction)

# %%
lesson.reveal("clueless", cross_entropy(Node(np.zeros((1, 10))), np.array([3])).value)

# %% [markdown]
# The logarithm of the number of classes: worth knowing by heart. A first loss far above it means
# weights that are too large; a loss that stays there means that nothing is learned.
#
# **Exercise 18.** One step of training: clear the gradients, run forward, run backward, move every
# parameter by `-lr` times its gradient. Return the loss as a number. No derivative of the network
# is written anywhere.


# %%
def train_step(params, x, labels, lr):
    """Move params one step of gradient descent on a batch; return the loss before the step."""
    # BEGIN SOLUTION
    zero_grad(params)
    loss = cross_entropy(network(params, x), labels)
    backward(loss)
    for p in params:
        p.value = p.value - lr * p.grad
    return loss.value
    # END SOLUTION


# %%
lesson.check("train_step", train_step, Node)


# %% [markdown]
# **Exercise 19.** Nothing to write. Run it, and get more than 90 % of the unseen digits right.


# %%
def new_params(seed):
    """Random weights, scaled so that the hidden units neither fade nor explode, and zero biases."""
    rng = np.random.default_rng(seed)
    return [
        Node(rng.normal(size=(64, 48)) * math.sqrt(2 / 64), name="W1"),
        Node(np.zeros(48), name="b1"),
        Node(rng.normal(size=(48, 10)) * math.sqrt(2 / 48), name="W2"),
        Node(np.zeros(10), name="b2"),
    ]


def accuracy(params, x, labels):
    return float((network(params, x).value.argmax(axis=1) == labels).mean())


params = new_params(seed=0)
shuffle = np.random.default_rng(1)
for epoch in range(1, 21):
    order = shuffle.permutation(len(train_x))
    losses = [train_step(params, train_x[batch], train_y[batch], lr=0.5) for batch in np.array_split(order, 45)]
    if epoch in (1, 5, 10, 15, 20):
        print(f"epoch {epoch:2}: loss {np.mean(losses):.4f}, unseen {accuracy(params, test_x, test_y):.1%}")

lesson.check("accuracy", accuracy(params, test_x, test_y))

# %% [markdown]
# Your engine has computed about three million partial derivatives to get there, and you wrote the
# rules of five operations.
#
# ### Compare
#
# Now teachgrad. The same weights, the same batch, the same expression; its backward instead of
# yours.

# %%
F = tg.nn.functional
params = new_params(seed=0)
batch_x, batch_y = train_x[:32], train_y[:32]

zero_grad(params)
my_loss = cross_entropy(network(params, batch_x), batch_y)
backward(my_loss)

tensors = [tg.tensor(p.value, requires_grad=True, name=p.name) for p in params]
W1, b1, W2, b2 = tensors
scores = F.relu(tg.tensor(batch_x) @ W1 + b1) @ W2 + b2
tg_loss = F.cross_entropy(scores, tg.tensor(batch_y))
tg_loss.backward()

rows = [["gradient", "shape", "largest entry", "equal to 12 places"]]
for p, t in zip(params, tensors, strict=True):
    gap = float(np.abs(p.grad - t.grad.numpy()).max())
    verdict = "yes" if gap < 1e-12 else f"no, off by {gap}"
    rows.append([p.name, str(p.grad.shape), f"{np.abs(p.grad).max():.6f}", verdict])
print(f"loss: yours {my_loss.value:.12f}, teachgrad's {tg_loss.item():.12f}")
print(table(rows))

# %% [markdown]
# ### Step
#
# `example` adds and multiplies whatever it is given. Give it teachgrad's tensors, record what
# happens, and open the recording in the inspector: your tape, in another hand. Change the
# expression to one of your own and run the cell again.

# %%
with tempfile.TemporaryDirectory() as folder:
    recording = str(Path(folder) / "example.tgr")
    with tg.Recorder(recording, level="values"):
        a, b, f = (tg.tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "a"), (-3.0, "b"), (-2.0, "f")))
        L = example(a, b, f)
        L.backward()
    inspect(recording, "--screen", "tape")

print("teachgrad: a.grad =", a.grad.item())
a, b, f, root = fresh()
backward(root)
print("yours:     a.grad =", a.grad)

# %% [markdown]
# ### Break
#
# **Exercise 20.** Somewhere in a friend's network one op has a wrong local derivative. All she has
# is a list of gradients, in the order in which backward reaches them, each with its largest
# relative error against nudging. Here $z = x W_1 + b_1$ and $h = \mathrm{relu}(z)$. Which op lies:
# `"first matmul"`, `"first add"`, `"relu"`, `"second matmul"` or `"second add"`?

# %%
for name, off in haunted_errors().items():
    print(f"{name:3} {'right' if off < 1e-6 else f'wrong by up to {off:.0%}'}")

# BEGIN SOLUTION: lying_op = ...
lying_op = "relu"
# END SOLUTION

# %%
lesson.check("culprit", lying_op)

# %% [markdown]
# A wrong gradient spoils everything after it and nothing before it. So the first wrong number on
# the tape names the culprit: the fastest way there is to debug a backward pass.
#
# ## Exit quiz
#
# Four questions, one letter each. Close the notebook above, if you dare.
#
# **1.** When may a node pass its gradient on to its inputs?
#
# - A. When it has been visited for the first time.
# - B. When its own inputs have been visited.
# - C. When every node that uses it has passed on its gradient.
# - D. When its gradient is no longer zero.
#
# **2.** A residual block computes $y = x + f(x)$, and the gradient $g$ arrives at $y$. All values
# are numbers. What is the gradient of $x$?
#
# - A. $f'(x)\,g$
# - B. $(1 + f'(x))\,g$
# - C. $g$
# - D. $f'(x)\,g^2$
#
# **3.** A bias of shape `(10,)` is added to scores of shape `(32, 10)`. A gradient of shape `(32,
# 10)` arrives. The gradient of the bias is
#
# - A. that array, of shape `(32, 10)`;
# - B. its mean over the 32 rows;
# - C. its mean over the 10 columns;
# - D. its sum over the 32 rows.
#
# **4.** Why may backward simply take the nodes by falling `id`?
#
# - A. A node's inputs exist before the node, so their ids are smaller.
# - B. Younger nodes have larger gradients.
# - C. Ids count the distance from the root.
# - D. It may not: it fails on diamonds.

# %%
# BEGIN SOLUTION: answers = [..., ..., ..., ...]
answers = ["C", "B", "D", "A"]
# END SOLUTION

# %%
lesson.check("quiz 1", answers[0])
lesson.check("quiz 2", answers[1])
lesson.check("quiz 3", answers[2])
lesson.check("quiz 4", answers[3])

# %% [markdown]
# ## What you know now
#
# - A node keeps its value, its op, its inputs and its local derivatives. The nodes in the order of
#   their making are the tape.
# - A gradient is a sum over all ways of influence. Add, never assign: over edges, over calls, over
#   broadcast copies.
# - A node passes on its total once, when it is complete. Topological order is what *complete*
#   means.
# - Drop the order, and chains still work, and trees, and most tests. A node with inputs that is
#   used twice does not.
#
# **If you want more.** Make `slopes` hold *nodes* instead of numbers, and let `pull` multiply
# nodes. Then gradients are nodes with a tape of their own, and you can call `backward` on a
# gradient. That is how teachgrad gets second derivatives.
#
# ## Sources
#
# The commits cited above in full. Each statement was read in that file at that commit.
#
# | Cited as | Commit |
# | --- | --- |
# | karpathy/micrograd@c911406 | `c911406e5ace8742e5841a7e0df113ecb5d54685` |
# | HIPS/autograd@bff107b | `bff107b8d71a444a1160deade3e1cbd0b92f4fa6` |
# | pytorch/pytorch@035290b | `035290b77d8b4bd106cf5f9a728516d4335d5a42` |
# | pytorch/pytorch@1aea219 | `1aea219a4bfd69dd1c33b25cb862044255eb5d1d` |
# | pytorch/pytorch@bf6a61d | `bf6a61dc1d8e88941fb3b10f4a106e4d0f48d98b` |
# | pytorch/pytorch@e1253a9 | `e1253a956f6866469eafd88cc3bfb4627f4b1efc` |

# %%
lesson.score()
