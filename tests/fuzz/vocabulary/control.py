"""Rows of loops and branches: vertices in a static graph, Python in the other libraries."""

from __future__ import annotations

from ..drawing import Draw, row


@row(1)
def scan(d: Draw) -> None:
    """A recurrence over the rows of xs."""
    xs = d.value("f", -20, 20, rank=(2, 3), fits=lambda v: 1 <= v.shape[0] <= 5)
    n = xs.shape[-1]
    h = d.new(xs.shape[1:], "f", dtype=xs.dtype)
    w = d.new((n, n), "f", -0.7, 0.7, dtype=xs.dtype)
    reverse, checkpoint = d.chance(0.3), d.chance(0.2)
    step = d.one(("({lib}.tanh(x + h @ {w}), h * 0.5 + x)", f"(x * 0.3 + h + {h}, h * {xs}[0])",
                  "(h * 0.5 + {lib}.sin(x), h * x)",
                  "({lib}.tanh(x @ {w} + h), {lib}.tanh(h))", "(x * 0.3 + h, h + x)"))
    order, again = (f"{xs}.flip(0)", "[::-1]") if reverse else (f"{xs}", "")

    def looped(lib: str, rows: str) -> str:
        return (f"h = {h}; ys = []; step = lambda h, x: {step.format(lib=lib, w=w)}; rows = list({rows})\n"
                f"    for row in rows: h, y = step(h, row); ys.append(y)\n    ")

    settings = f", reverse={reverse}, checkpoint={checkpoint}"
    ours = f"tg.scan(lambda h, x: {step.format(lib='tg', w=w)}, {h}, {xs}{settings})"
    first = sum(len(line.targets) for line in d.lines)
    targets = (f"v{first}", f"v{first + 1}")
    jax = f"jax.lax.scan(lambda h, x: {step.format(lib='jnp', w=w)}, {h}, {xs}, reverse={reverse})"
    d.finish(targets, {"tg": f"{', '.join(targets)} = {ours}", "jax": f"{', '.join(targets)} = {jax}",
                       "torch": looped("torch", order) + f"{', '.join(targets)} = h, torch.stack(ys{again})"})


@row(1)
def cond(d: Draw) -> None:
    x = d.value("f", -20, 20)
    y = d.value("f", -20, 20, shape=x.shape, fits=lambda v: v.dtype == x.dtype)
    p = f"({x} * {y}).sum() > {d.one((0.0, 0.3, -0.3))}"
    then, other = d.one((("{lib}.tanh(a) * {y}", "a * 2.0 - {y}"), ("{lib}.sin(a + {y})", "a * {y}"),
                         ("a + 1.0", "{lib}.cos(a)"), (f"a * {x}", f"{{lib}}.cos(a) + {x} * a")))
    functions = [[f"lambda a: {text.format(lib=lib, y=y)}" for text in (then, other)] for lib in ("tg", "torch")]
    d.add(f"tg.cond({p}, {', '.join(functions[0])}, {x})",
          f"({functions[1][0]})({x}) if bool({p}) else ({functions[1][1]})({x})")


@row(1)
def while_loop(d: Draw) -> None:
    """Double until it is large."""
    x = d.value("f", -20, 20, rank=(1, 3), away=0.01, fits=lambda v: 0 not in v.shape)
    end = d.one((30.0, 100.0, 500.0))
    first = sum(len(line.targets) for line in d.lines)
    targets = (f"v{first}", f"v{first + 1}")
    left = ", ".join(targets)
    d.finish(targets, {
        "tg": f"{left} = tg.while_loop(lambda a, n: (a * a).sum() < {end}, "
              f"lambda a, n: (a * 2.0 + tg.tanh({x}) * 0.1, n + 1), ({x}, tg.tensor(0)), max_steps=60)",
        "torch": f"a, n = {x}, torch.tensor(0)\n"
                 f"    while (a * a).sum() < {end}: a, n = a * 2.0 + torch.tanh({x}) * 0.1, n + 1\n"
                 f"    {left} = a, n"})
