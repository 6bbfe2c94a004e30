"""The settings of an op call as JSON text, and back.

Numbers, strings, booleans, None and lists are JSON's own. Other things that ops take as settings carry a tag:
`{"tuple": [...]}`, `{"slice": [start, stop, step]}`, `{"ellipsis": true}`, `{"hole": true}` (the place of an index
tensor), `{"dtype": "float32"}`, `{"float": "nan"}`, `{"op": "reshape"}`, `{"dict": [[key, value], ...]}` and
`{"array": 17}` (a row of the table `array`). What is none of these is kept for display only: `{"text": "..."}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RecordingError
from ..op import REGISTRY, Op
from ..ops.indexing import HOLE
from .schema import DTYPES, MAX_ATTRS, MAX_TEXT

Attrs = Mapping[str, Any]

_PLAIN = frozenset({bool, int, float, str, type(None)})
MAX_KNOWN = 1024
_known: dict[str, str] = {}
"""What was made of numbers, texts and tuples of them, by what they look like; the same few come in every step."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A setting of which a recording only knows how it looked."""

    text: str

    def __repr__(self) -> str:
        return self.text


def encode(attrs: Attrs, store: Callable[[np.ndarray], int | None]) -> str:
    """`attrs` as text. `store` takes an array that occurs in them and answers with its number, or None."""
    if not _are_plain(attrs.values()):
        return _encode(attrs, store)
    shown = repr(attrs)
    text = _known.get(shown)
    if text is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        text = _known[shown] = _encode(attrs, store)
    return text


def _are_plain(values: Iterable[Any]) -> bool:
    """Whether `repr` tells all of some values."""
    for value in values:
        kind = type(value)
        if kind not in _PLAIN and not (kind is tuple and _are_plain(value)):
            return False
    return True


def _encode(attrs: Attrs, store: Callable[[np.ndarray], int | None]) -> str:
    text = json.dumps({key: _pack(value, store) for key, value in attrs.items()})
    if len(text) > MAX_ATTRS:
        return json.dumps(
            {key: {"text": f"{type(value).__name__}, too long to record"} for key, value in attrs.items()}
        )
    return text


def _pack(value: Any, store: Callable[[np.ndarray], int | None]) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, store) for item in value]}
    if isinstance(value, list):
        return [_pack(item, store) for item in value]
    if isinstance(value, slice):
        return {"slice": [_pack(item, store) for item in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if value is HOLE:
        return {"hole": True}
    if isinstance(value, Op):
        return {"op": value.name}
    if isinstance(value, np.ndarray):
        number = store(value)
        return {"array": number} if number is not None else {"text": f"array {value.dtype} {value.shape}"}
    if isinstance(value, Mapping):
        return {"dict": [[_pack(key, store), _pack(item, store)] for key, item in value.items()]}
    return {"text": repr(value)[:MAX_TEXT]}


def decode(text: str, fetch: Callable[[int], np.ndarray | None]) -> dict[str, Any]:
    """The settings that `encode` wrote. `fetch` gives the array of a number. Raises `RecordingError` for
    other text."""
    try:
        packed = json.loads(text)
        if not isinstance(packed, dict):
            raise ValueError("not an object")
        return {key: _unpack(value, fetch) for key, value in packed.items()}
    except RecursionError:
        raise RecordingError("the settings of an op are nested too deeply") from None
    except (ValueError, TypeError, KeyError) as error:
        raise RecordingError(f"the settings of an op cannot be read: {error}") from None


def _unpack(value: Any, fetch: Callable[[int], np.ndarray | None]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, fetch) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, body),) = value.items()
    if tag == "tuple":
        return tuple(_unpack(item, fetch) for item in body)
    if tag == "slice":
        start, stop, step = (_unpack(item, fetch) for item in body)
        return slice(start, stop, step)
    if tag == "ellipsis":
        return Ellipsis
    if tag == "hole":
        return HOLE
    if tag == "op":
        return REGISTRY.get(str(body), Opaque(f"op {body}"))
    if tag == "float":
        return float(body)
    if tag == "dtype":
        return DTYPES[body].newbyteorder("=")
    if tag == "array":
        array = fetch(int(body))
        return Opaque("an array that was not recorded") if array is None else array
    if tag == "dict":
        return {_unpack(key, fetch): _unpack(item, fetch) for key, item in body}
    if tag == "text":
        return Opaque(str(body))
    raise ValueError(f"unknown tag {tag!r}")
