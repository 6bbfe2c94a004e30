"""Numbers as text: short, and never looking exact when they are not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def number(value: Any, digits: int = 4) -> str:
    """A number in `digits` significant digits: `-6`, `0.3466`, `1.2e-5`, `nan`. Integers below a million stay whole."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, complex):
        return f"{value:.{digits}g}"
    x = float(value)
    if not math.isfinite(x):
        return str(x)
    if x == int(x) and abs(x) < 1e6:
        return "0" if x == 0 else str(int(x))  # a zero has no sign here
    text = f"{x:.{digits}g}"
    return text.replace("e-0", "e-").replace("e+0", "e+")


def signed(value: Any, digits: int = 4) -> str:
    """The same, with a plus sign where it is positive."""
    text = number(value, digits)
    return text if text.startswith("-") or text in ("0", "nan") else f"+{text}"


def bracketed(value: Any, digits: int = 4) -> str:
    """The same in parentheses, as a factor: `(-2) · (3)`."""
    return f"({number(value, digits)})"


def shape(lengths: Sequence[int]) -> str:
    """A shape as Python writes it, without spaces: `(64,32)`, `(10,)`, `()`."""
    inner = ",".join(map(str, lengths))
    return f"({inner},)" if len(lengths) == 1 else f"({inner})"


def index(element: Sequence[int]) -> str:
    """An index: `[3,1]`; nothing for a scalar."""
    return f"[{','.join(map(str, element))}]" if element else ""


def nbytes(count: int) -> str:
    """A number of bytes: `96 B`, `8.2 kB`, `1.4 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{int(size)} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def si(count: float) -> str:
    """A large count: `384 `, `8.1 k`, `1.2 M`; the unit follows."""
    size = float(count)
    for prefix in ("", "k", "M", "G", "T"):
        if abs(size) < 1000 or prefix == "T":
            break
        size /= 1000
    return f"{size:.0f} " if not prefix else f"{size:.3g} {prefix}"


def percent(part: float) -> str:
    """A share: `47%`, `0.3%`."""
    value = 100 * part
    return f"{value:.0f}%" if value >= 1 or value == 0 else f"{value:.1g}%"


def spoken(count: int) -> str:
    """A count with thousands apart: `100 000`."""
    return f"{count:,}".replace(",", " ")
