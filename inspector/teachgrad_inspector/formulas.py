"""What an op computes and how it differentiates, written with the names of the values at hand.

All of it comes from the op itself: its C expression or docstring for the forward computation, `derivatives` for the
local derivatives, and the signature of its gradient rule for what its inputs are called there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import teachgrad.nn
from teachgrad.op import REGISTRY, Op

_WORD = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]*)(?![A-Za-z0-9_(])")
_TEMPLATES = {"matmul": "{0} @ {1}", "linear": "{0} @ {1}ᵀ + {2}"}
_ALIASES = {"linear": {"W": 1, "b": 2}}


def op_named(name: str | None) -> Op | None:
    """The op of that name, or None if this teachgrad has none: a recording may come from elsewhere."""
    return REGISTRY.get(name) if name else None


@lru_cache(maxsize=512)
def variables(op: Op, count: int) -> tuple[str, ...]:
    """What the op's own text calls its inputs: x, y."""
    names: list[str] = []
    for parameter in list(inspect.signature(op.vjp).parameters.values())[2:]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = count - len(names)
            names += [parameter.name] if rest == 1 else [f"{parameter.name}{i}" for i in range(rest)]
        else:
            names.append(parameter.name)
    names += [f"x{i}" for i in range(len(names), count)]
    return tuple(names[:count])


def expression(op_name: str, names: Sequence[str], attrs: Mapping[str, Any] | None = None) -> str:
    """The forward computation of an op on values of these names: `a · b`, `x @ W`, `sum(x, axis=0)`."""
    op = op_named(op_name)
    if op_name in _TEMPLATES:
        template = _TEMPLATES[op_name]
        if op_name == "linear" and len(names) < 3:
            template = template.removesuffix(" + {2}")
        return template.format(*names)
    template = getattr(op, "c", "") if op is not None else ""
    if template and not re.search(r"[A-Za-z?]", re.sub(r"\{\w+\}", "", template)):  # operators only
        try:
            return pretty(template.format(**dict(zip(variables(op, len(names)), names, strict=True))))
        except (KeyError, IndexError, ValueError):
            pass
    usual = _defaults(op_name)
    settings = [
        f"{key}={_setting(value)}"
        for key, value in (attrs or {}).items()
        if not (key in usual and type(value) is type(usual[key]) and value == usual[key])
    ]
    return f"{op_name}({', '.join([*names, *settings])})"


def derivative(op_name: str, edge: int, names: Sequence[str], result: str) -> str | None:
    """The local derivative of an op for one of its inputs, or None if the op does not say."""
    op = op_named(op_name)
    if op is None or edge >= len(op.derivatives) or not op.derivatives[edge]:
        return None
    meaning = dict(zip(variables(op, len(names)), names, strict=True)) | {"z": result}
    for alias, position in _ALIASES.get(op_name, {}).items():
        if position < len(names):
            meaning[alias] = names[position]
    return pretty(_WORD.sub(lambda match: meaning.get(match[1], match[1]), op.derivatives[edge]))


_PULLED = {
    ("matmul", 0): "{g} @ {1}ᵀ", ("matmul", 1): "{0}ᵀ @ {g}",
    ("linear", 0): "{g} @ {1}", ("linear", 1): "{g}ᵀ @ {0}", ("linear", 2): "Σ {g}",
}  # fmt: skip


def contribution(op_name: str, edge: int, names: Sequence[str], result: str) -> str:
    """What flows along an edge, as a formula: the gradient of the result times the local derivative."""
    gradient = f"{result}.grad"
    template = _PULLED.get((op_name, edge))
    if template is not None:
        return template.format(*names, g=gradient)
    factor = derivative(op_name, edge, names, result)
    if factor is None:
        return f"{gradient} through {op_name}"
    if factor in ("1", "-1"):
        return gradient if factor == "1" else f"-{gradient}"
    return f"{gradient} · {factor}" if re.fullmatch(r"[^ +/-]+", factor) else f"{gradient} · ({factor})"


def needs(op_name: str | None, edge: int, count: int) -> tuple[set[int], bool]:
    """Which inputs the gradient rule of an op reads for this edge, and whether it reads the result.

    An op that does not say is taken to read everything.
    """
    op = op_named(op_name)
    if op is None or edge >= len(op.derivatives) or not op.derivatives[edge]:
        return set(range(count)), True
    words = set(_WORD.findall(op.derivatives[edge]))
    aliases = _ALIASES.get(op.name, {})
    positions = {i for i, name in enumerate(variables(op, count)) if name in words}
    return positions | {aliases[word] for word in words if word in aliases}, "z" in words


def pretty(text: str) -> str:
    """A formula as people write it: `2*x**2` becomes `2·x²`."""
    text = re.sub(r"\*\*2(?!\d)", "²", text)
    text = re.sub(r"\*\*3(?!\d)", "³", text)
    text = text.replace("**", "^").replace("^T", "ᵀ")
    return re.sub(r"(?<=[^ ])\*(?=[^ ])", "·", text).replace(" * ", " · ")


def headline(op_name: str) -> str | None:
    """The first line of what the op says about itself."""
    op = op_named(op_name)
    lines = (type(op).__doc__ or "").strip().splitlines() if op is not None else []
    return lines[0].strip() if lines else None


@lru_cache(maxsize=256)
def _defaults(op_name: str) -> dict[str, Any]:
    """The settings that a call has if it does not say otherwise, from the function of that name."""
    function = getattr(teachgrad.nn.functional, op_name, None) or getattr(teachgrad, op_name, None)
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if isinstance(p.default, (bool, int, float, str))}


def _setting(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
