"""Elementwise rows: functions of one number, arithmetic, comparisons, choices, whole numbers, casts."""

from __future__ import annotations

import re

from numpy import broadcast_shapes, prod

from ..drawing import LARGEST, Draw, Unfit, row

UNARY = {
    "negative": (-1e4, 1e4), "square": (-90, 90), "abs": (-1e4, 1e4), "exp": (-20, 8), "sqrt": (0.01, 1e4),
    "log": (0.01, 1e4),
    "tanh": (-1e4, 1e4), "expm1": (-20, 8), "log1p": (-0.8, 1e4), "log2": (0.01, 1e4), "log10": (0.01, 1e4),
    "sin": (-100, 100), "cos": (-100, 100), "tan": (-1.2, 1.2), "asin": (-0.95, 0.95), "acos": (-0.95, 0.95),
    "atan": (-1e4, 1e4), "sinh": (-8, 8), "cosh": (-8, 8), "asinh": (-1e4, 1e4), "acosh": (1.1, 1e4),
    "atanh": (-0.9, 0.9), "positive": (-1e4, 1e4),
}
"""Functions of one number, and where they are drawn."""
NUMPY_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
               "atanh": "arctanh", "atan2": "arctan2"}


@row(8)
def unary(d: Draw) -> None:
    name = d.one(list(UNARY))
    low, high = UNARY[name]
    kinds = "fi" if name in ("negative", "square", "abs", "exp", "tanh", "sin", "positive") and d.chance(0.1) else "f"
    x = d.value(kinds, low, high, fits=lambda v: v.kind == "f" or (name != "exp" and v.dtype != "uint8"))
    d.add(f"tg.{name}({x})", f"torch.{name}({x})", f"jnp.{NUMPY_NAMES.get(name, name)}({x})")


@row(1)
def special_unary(d: Draw) -> None:
    """Functions of any number at all."""
    name = d.one(("negative", "abs", "exp", "tanh", "square", "sqrt", "log", "expm1", "log1p", "atan", "sinh", "cosh",
                  "asinh", "asin", "sin", "cos"))
    x = d.value("f") if d.special else d.value("f", *UNARY[name])
    d.add(f"tg.{name}({x})", f"torch.{name}({x})")


@row(1)
def reciprocal(d: Draw) -> None:
    x = d.value("f", away=0.02)
    d.add(f"tg.reciprocal({x})", f"torch.reciprocal({x})", f"1.0 / {x}")


@row(2)
def sign_like(d: Draw) -> None:
    """Functions that make steps, and questions about a number."""
    name = d.one(("sign", "floor", "ceil", "trunc", "round", "isfinite", "isinf", "isnan", "signbit"))
    x = d.value("f")
    d.add(f"tg.{name}({x})", f"torch.{name}({x})", f"jnp.{name}({x})")


ACTIVATIONS = {
    "relu": "", "sigmoid": "", "silu": "", "gelu": "", "softplus": "", "logsigmoid": "", "elu": "", "selu": "",
    "leaky_relu": "", "mish": "", "hardswish": "", "softsign": "", "celu": "", "hardsigmoid": "", "hardtanh": "",
    "relu6": "",
}
SETTINGS = {
    "elu": (", alpha=0.7", ", alpha=1.5"), "celu": (", alpha=0.5",), "leaky_relu": (", negative_slope=0.2",),
    "softplus": (", beta=2.0", ", beta=0.5, threshold=1.0"), "gelu": (', approximate="tanh"',),
    "hardtanh": (", min_val=-0.5, max_val=1.5",),
}
JAX_NAMES = {"logsigmoid": "log_sigmoid", "softsign": "soft_sign", "hardsigmoid": "hard_sigmoid",
             "hardswish": "hard_swish"}
IN_JAX = ("relu", "sigmoid", "silu", "softplus", "logsigmoid", "elu", "selu", "leaky_relu", "mish", "hardswish",
          "softsign", "celu", "hardsigmoid", "relu6")


@row(5)
def activation(d: Draw) -> None:
    name = d.one(list(ACTIVATIONS))
    settings = d.one(SETTINGS[name]) if name in SETTINGS and d.chance(0.4) else ""
    x = d.value("f", -60, 60)
    jax = f"jax.nn.{JAX_NAMES.get(name, name)}({x})" if name in IN_JAX and not settings else None
    torch = None if name == "hardsigmoid" and x.dtype == "float64" else f"TF.{name}({x}{settings})"  # see known.py
    d.add(f"F.{name}({x}{settings})", torch, jax)


@row(1)
def erf(d: Draw) -> None:
    x = d.value("f")
    d.add(f"F.erf({x})", f"torch.erf({x})", f"jax.lax.erf({x})")


@row(1)
def prelu(d: Draw) -> None:
    x = d.value("f", rank=(2, 4))
    w = d.value("f", shape=(x.shape[1],) if d.chance(0.5) else (1,), fits=lambda v: v.dtype == x.dtype)
    d.add(f"F.prelu({x}, {w})", f"TF.prelu({x}, {w})")


OPERATORS = ("+", "-", "*")


@row(10)
def arithmetic(d: Draw) -> None:
    """Two operands, of one kind or of two, or an operand and a number of Python."""
    operator = d.one(OPERATORS)
    x = d.value("fi" if d.chance(0.1) else "f", -100, 100)
    if d.chance(0.25):
        number = d.one((2, 0.5, -1.5, 3, 0.1, 1, 0, -1))
        if x.kind == "i" and x.dtype[0] == "u" and number < 0:
            raise Unfit
        text = f"{x} {operator} {number}" if d.chance(0.6) else f"{number} {operator} {x}"
    else:
        y = d.partner(x, -100, 100, kinds="fi" if d.chance(0.1) else None, same_dtype=d.chance(0.9))
        text = f"{x} {operator} {y}" if d.chance(0.5) else f"{y} {operator} {x}"
    if d.chance(0.06):
        text = text.replace(f" {operator} ", f" {operator} {x} {d.one(OPERATORS)} ")
    d.add(text, text, text)


@row(3)
def divide(d: Draw) -> None:
    x = d.value("f")
    if d.chance(0.2):
        text = f"{x} / {d.one((2.0, 3.0, -0.7, 4))}"
    else:
        text = f"{x} / {d.partner(x, away=0.05)}"
    d.add(text, text, text)


@row(1)
def ratio(d: Draw) -> None:
    """Quotients that rules of algebra look at."""
    x = d.value("f", -50, 50, away=0.05)
    y = d.partner(x, -50, 50)
    text = d.one((f"{x} * {y} / {x}", f"({y} + {x}) / {x}", f"{x} / {x} * {y}", f"{y} * (1.0 / {x})",
                  f"{y} / {x} / 3.0", f"-({y} / -{x})"))
    d.add(text, text, text)


@row(2)
def textbook(d: Draw) -> None:
    """Formulas as a beginner writes them; O2 makes some of them stable."""
    x = d.value("f", -6, 6)
    ours = d.one(("log(1 + exp({0}))", "1 / (1 + exp(-{0}))", "log(1 / (1 + exp(-{0})))", "exp({0}) - 1",
                  "log(1 + {0} * {0})", "exp({0}) * exp({0})", "log(exp({0}) + 0.5)", "sqrt({0} * {0} + 1.0)",
                  "tanh({0}) * tanh({0})", "({0} * 2.0) * 3.0", "-(-{0})", "{0} ** 2 + {0} ** 3",
                  "abs({0}) * sign({0})", "exp({0}) / (1 + exp({0}))", "1 - tanh({0}) ** 2", "log(exp({0}) * 2.0)",
                  "exp(log({0} * {0} + 0.3))",
                  "{0} - {0}", "{0} * 0.0 + 1.0", "{0} + {0} + {0}", "exp(-{0} * {0} / 2.0)"))
    texts = [re.sub(r"\b(log|exp|sqrt|tanh|abs|sign)\(", lambda m, lib=lib: f"{lib}.{m[0]}", ours.format(x))
             for lib in ("tg", "torch", "jnp")]
    d.add(*texts)


@row(3)
def maximum_like(d: Draw) -> None:
    name = d.one(("maximum", "minimum"))
    x = d.value("fi" if d.chance(0.1) else "f")
    y = d.partner(x)
    d.add(f"tg.{name}({x}, {y})", f"torch.{name}({x}, {y})", f"jnp.{name}({x}, {y})")


@row(2)
def of_two(d: Draw) -> None:
    name = d.one(("hypot", "logaddexp", "atan2"))
    x = d.value("f", -100, 100, away=0.02 if name != "logaddexp" else 0.0)
    y = d.partner(x, -100, 100, away=0.02 if name != "logaddexp" else 0.0)
    theirs = NUMPY_NAMES.get(name, name)
    d.add(f"tg.{name}({x}, {y})", f"torch.{name}({x}, {y})", f"jnp.{theirs}({x}, {y})")


@row(1)
def copysign_(d: Draw) -> None:
    x = d.value("f", away=0.01)
    y = d.partner(x, away=0.01)
    d.add(f"tg.copysign({x}, {y})", f"torch.copysign({x}, {y})", f"jnp.copysign({x}, {y})")


@row(2)
def power_(d: Draw) -> None:
    if d.chance(0.6):
        n = d.one((2, 3, 0, 1, 4, -1, 0.5, 2.5, -0.5, -2, 1.0, 2.0))
        positive = n != int(n) or n < 0
        x = d.value("f", 0.2 if positive else -8, 8)
        text = f"{x} ** {n}" if n >= 0 else f"{x} ** ({n})"
        d.add(text, text, text)
        return
    x = d.value("f", 0.3, 4)
    y = d.partner(x, -3, 3)
    d.add(f"tg.power({x}, {y})", f"torch.pow({x}, {y})", f"jnp.power({x}, {y})")


@row(2)
def where_(d: Draw) -> None:
    c = d.value("b")
    x = d.partner(c, kinds="f", same_dtype=False)
    if d.chance(0.2):
        number = d.one((0.0, 1.5, -2.0))
        d.add(f"tg.where({c}, {x}, {number})", f"torch.where({c}, {x}, {number})", f"jnp.where({c}, {x}, {number})")
        return
    y = d.partner(x)
    try:
        if prod(broadcast_shapes(c.shape, x.shape, y.shape)) > LARGEST:
            raise Unfit
    except ValueError:
        raise Unfit from None
    d.add(f"tg.where({c}, {x}, {y})", f"torch.where({c}, {x}, {y})", f"jnp.where({c}, {x}, {y})")


@row(2)
def clip_(d: Draw) -> None:
    x = d.value("f")
    if d.chance(0.7):
        low, high = d.one((("-0.5", "0.7"), ("None", "0.3"), ("-0.2", "None"), ("0.0", "1.0")))
        d.add(f"tg.clip({x}, {low}, {high})", f"torch.clamp({x}, {low}, {high})", f"jnp.clip({x}, {low}, {high})")
        return
    shape = x.shape[d.whole(0, x.rank):]
    low, high = d.new(shape, "f", -1.0, -0.3, dtype=x.dtype), d.new(shape, "f", 0.3, 1.0, dtype=x.dtype)
    d.add(f"tg.clip({x}, {low}, {high})", f"torch.clamp({x}, {low}, {high})", f"jnp.clip({x}, {low}, {high})")


@row(3)
def comparison(d: Draw) -> None:
    operator = d.one(("<", "<=", ">", ">=", "==", "!="))
    x = d.value("fi")
    other = d.partner(x) if d.chance(0.7) else d.one((0, 0.5, 1, -1))
    text = f"{x} {operator} {other}"
    d.add(text, text, text)


@row(2)
def logical(d: Draw) -> None:
    x = d.value("b")
    if d.chance(0.3):
        d.add(f"~{x}", f"~{x}", f"~{x}")
        return
    y = d.partner(x)
    if d.chance(0.5):
        text = f"{x} {d.one('&|^')} {y}"
        d.add(text, text, text)
    else:
        name = d.one(("logical_and", "logical_or", "logical_xor"))
        d.add(f"tg.{name}({x}, {y})", f"torch.{name}({x}, {y})", f"jnp.{name}({x}, {y})")


@row(3)
def integer(d: Draw) -> None:
    """Arithmetic of whole numbers, which wraps round."""
    x = d.value("i")
    operator = d.one(("+", "-", "*", "&", "|", "^"))
    y = d.partner(x, same_dtype=d.chance(0.6))
    text = f"{x} {operator} {y}"
    d.add(text, text, text)


@row(1)
def integer_unary(d: Draw) -> None:
    x = d.value("i")
    text = d.one(("-{0}", "~{0}", "abs({0})", "{0} * 2", "{0} + 1", "{0} // 2", "{0} % 3", "{0} << 1", "{0} >> 1",
                  "{0} ** 2")).format(x)
    d.add(text, text, text)


@row(2)
def division_with_rest(d: Draw) -> None:
    kind = "i" if d.chance(0.4) else "f"
    x = d.value(kind, -100, 100)
    y = d.partner(x, 0.6, 4) if kind == "f" else d.new(x.shape[-1:], "i", 1, dtype=x.dtype)
    name = d.one(("floor_divide", "remainder"))
    a, b = (f"{x}.detach()", f"{y}.detach()") if name == "floor_divide" else (x, y)  # PyTorch has no gradient here
    d.add(f"tg.{name}({x}, {y})", f"torch.{name}({a}, {b})", f"jnp.{name}({x}, {y})")


@row(2)
def cast(d: Draw) -> None:
    x = d.value("fib", -100, 100)
    choices = ["float32", "float64", "int64", "int32", "bool", "float32", "float64"]
    if d.special and x.kind == "f":
        choices = ["float32", "float64"]
    dtype = d.one(choices)
    jax = "bool_" if dtype == "bool" else dtype
    d.add(f"tg.astype({x}, tg.{dtype})", f"{x}.to(torch.{dtype}, copy=True)", f"{x}.astype(jnp.{jax})")


@row(1)
def detached(d: Draw) -> None:
    x = d.value("f", -50, 50)
    d.add(f"{x}.detach() * {x}", f"{x}.detach() * {x}", f"jax.lax.stop_gradient({x}) * {x}")


@row(1)
def copied(d: Draw) -> None:
    x = d.value("fib")
    d.add(f"{x}.copy()", f"{x}.clone()", f"{x} + 0" if x.kind == "f" else f"{x}")
