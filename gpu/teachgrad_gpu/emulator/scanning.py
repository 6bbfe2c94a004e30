"""Reading C++ as text: what is a comment, where a line is, which braces are around a place."""

from __future__ import annotations

import re


def masked(text: str) -> str:
    """The text with comments, strings, characters and what stands under `#if 0` blanked, every line and column where it
    was."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![\w])\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
    return without_dead(pattern.sub(lambda found: blanked(found[0]), text))


def blanked(text: str) -> str:
    """Spaces in place of all but the ends of lines."""
    return re.sub(r"[^\n]", " ", text)


def without_dead(text: str) -> str:
    """Blank what a preprocessor leaves out whatever is defined: between `#if 0` and its end or alternative."""
    if not re.search(r"#\s*if\s+0\s*$", text, re.MULTILINE):
        return text
    lines, depth = text.split("\n"), 0
    for number, line in enumerate(lines):
        found = re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b\s*(.*)", line)
        word, condition = (found[1], found[2].strip()) if found else ("", "")
        if depth:
            depth += (word in ("if", "ifdef", "ifndef")) - (word == "endif")
            if depth == 1 and word in ("elif", "else"):
                depth = 0
            if depth:
                lines[number] = blanked(line)
        elif word == "if" and condition == "0":
            depth = 1
    return "\n".join(lines)


def line_of(text: str, position: int) -> int:
    """The line, from 1, of a position in its own file: headers have been put in, between lines that say so."""
    marks = list(re.finditer(r"^#line (\d+)", text[:position], re.MULTILINE))
    if not marks:
        return text.count("\n", 0, position) + 1
    return int(marks[-1][1]) + text.count("\n", marks[-1].end(), position) - 1


def closing(text: str, position: int) -> int:
    """The parenthesis that closes the one at a position."""
    depth = 0
    for index in range(position, len(text)):
        depth += (text[index] == "(") - (text[index] == ")")
        if depth == 0:
            return index
    return len(text)


def scopes(hidden: str, position: int) -> tuple[list[str], bool]:
    """The namespaces around a position, and whether nothing else (a function, a class) is around it."""
    names: list[str | None] = []
    for found in re.finditer(r"[{}]", hidden[:position]):
        if found[0] == "}":
            if names:
                names.pop()
            continue
        start = max(hidden.rfind(letter, 0, found.start()) for letter in ";{}") + 1
        head = hidden[start:found.start()]
        space = re.search(r"\bnamespace\b\s*([\w:]*)\s*$", head)
        linkage = re.search(r"\bextern\s*$", head) or re.search(r"\bextern\s+$", head)
        names.append(space[1] if space else "" if linkage else None)
    return [name for name in names if name], None not in names


def split_declarators(text: str, opening: str = "([{<", closed: str = ")]}>") -> list[str]:
    """Split at commas outside brackets, of every sort if nothing else is said."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in opening) - (letter in closed)
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
