"""Text from strangers, made fit to be shown in a terminal; and text of a run, made fit for a file."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from .schema import MAX_TEXT

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"}


def clean(text: str) -> str:
    """`text` with everything that a terminal would obey, hide or reorder spelled out: `\\x1b`, `\\u202e`.

    Control characters, text direction marks, zero-width and combining characters, private use and unassigned
    code points become escapes; tabs and line ends become spaces. What is left takes the width that it seems
    to take.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, unicodedata.normalize("NFC", text)))


def _shown(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) in _INVISIBLE:
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return " " if character.isspace() else character


@lru_cache(maxsize=4096)
def short(text: str | None) -> str:
    """The beginning of a text, as much as is recorded of a name or of a line of source."""
    return sound(text[:MAX_TEXT]) if text else ""


def sound(text: str) -> str:
    """`text` without halves of surrogate pairs, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


_FEW = "", "%d", "%d,%d", "%d,%d,%d"


def listed(numbers: tuple[int, ...]) -> str:
    """Numbers with commas between them."""
    return _FEW[len(numbers)] % numbers if len(numbers) < len(_FEW) else ",".join(map(str, numbers))
