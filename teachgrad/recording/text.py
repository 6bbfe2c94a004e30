"""Text from strangers, made fit to be shown in a terminal."""

from __future__ import annotations

import unicodedata

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
