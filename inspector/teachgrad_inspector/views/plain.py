"""View models as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any


def plain(view: Any) -> Any:
    """A view model as dictionaries, lists, strings and numbers. What is not finite becomes a string."""
    if is_dataclass(view) and not isinstance(view, type):
        return {field.name: plain(getattr(view, field.name)) for field in fields(view)}
    if isinstance(view, dict):
        return {str(key): plain(value) for key, value in view.items()}
    if isinstance(view, (list, tuple)):
        return [plain(item) for item in view]
    if isinstance(view, (set, frozenset)):
        return sorted(plain(item) for item in view)
    if isinstance(view, float) and not math.isfinite(view):
        return str(view)
    return view


def to_json(view: Any) -> str:
    """A view model as JSON text."""
    return json.dumps(plain(view), indent=2, ensure_ascii=False)
