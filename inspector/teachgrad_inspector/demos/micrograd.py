"""The smallest graph with a value that is used twice: its gradient is the sum over two paths."""

import teachgrad as tg

a = tg.tensor(2.0, requires_grad=True, name="a")
b = tg.tensor(-3.0, requires_grad=True, name="b")
f = tg.tensor(-2.0, requires_grad=True, name="f")

e = a * b
d = e + a
L = d * f

L.backward()

for x in (a, b, f):
    print(f"dL/d{x.name} = {x.grad}")
