"""The `__constant__` and `__device__` variables of a source: which there are, and what keeps them apart.

In a build that checks, they lie in sections of their own with guards between them (runtime/variables.h), so that an
access beyond the end of one is an access to nothing. The declarations stay as they are but for a macro before them
and a guard behind them, in the same line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .scanning import scopes, split_declarators

MARK = re.compile(r"\b(?:__constant__|__device__|__managed__)\b")
ATTRIBUTE = re.compile(r"\b(?:__align__|alignas|__builtin_align__|__attribute__)\s*\((?:[^()]|\([^()]*\))*\)")
DECLARATOR = re.compile(r"[\s*]*([A-Za-z_]\w*)\s*((?:\[[^\]]*\]\s*)*)(=.*|\{.*\}\s*)?$", re.DOTALL)
FIRST = re.compile(r"(.*?[\s*&>])" + DECLARATOR.pattern, re.DOTALL)
TEMPLATE = re.compile(r"<[^;]*>")
NOT_HERE = {"extern", "template", "operator", "using", "typedef", "friend", "inline", "class", "union", "enum"}
SIMPLE = re.compile(r"(?:(?:unsigned|signed|bool|u?char|u?short|u?int|u?long|u?longlong|float|double|size_t|u?int\d+_t)"
                    r"[1234]?\b[\s*]*|\bvolatile\b\s*|\bstatic\b\s*)+$")  # fmt: skip
"""Types without constructors, so that what is not given a value is zero."""


@dataclass(frozen=True)
class Declaration:
    """One declaration outside functions, from its first word to its semicolon."""

    start: int
    end: int
    names: tuple[str, ...]
    """With their namespaces."""
    constant: bool
    """Whether they lie in constant memory."""
    section: str
    """"data" or "zeros"; "" for constants of the compiler, which it may do without any memory for."""
    const: tuple[int, ...]
    """Where the word stands that would keep an array of constants out of the section."""


def declarations(hidden: str) -> tuple[Declaration, ...]:
    """The declarations of variables in constant or global memory."""
    found: list[Declaration] = []
    for mark in MARK.finditer(hidden):
        if found and mark.start() < found[-1].end:
            continue
        spaces, plain = scopes(hidden, mark.start())
        if plain and (one := declaration(hidden, mark.start(), spaces)) is not None:
            found.append(one)
    return tuple(found)


def declaration(hidden: str, mark: int, spaces: list[str]) -> Declaration | None:
    """The declaration that has a mark, such as `static __device__ int a[2] = {1, 2}, b;`; None if it is another thing.

    Function pointers and types that are made on the spot are other things.
    """
    before = max(hidden.rfind(letter, 0, mark) for letter in ";{}\n") + 1
    start = mark if "#" in hidden[before:mark] else mark - len(hidden[before:mark].lstrip())
    line = hidden[hidden.rfind("\n", 0, mark) + 1:mark]
    end = semicolon(hidden, mark)
    if end is None or line.lstrip().startswith("#"):
        return None
    text = MARK.sub(lambda word: " " * len(word[0]), hidden[start:end])
    text = ATTRIBUTE.sub(lambda word: " " * len(word[0]), text)
    head = re.match(r"[^={]*", text)[0]  # type: ignore[index]
    text = TEMPLATE.sub(lambda types: types[0].replace(",", " "), head) + text[len(head):]
    parts = split_declarators(text, "([{", ")]}")
    first = FIRST.match(parts[0])
    others = [DECLARATOR.match(part) for part in parts[1:]]
    words = set(re.findall(r"\w+", first[1])) if first else set()
    if first is None or not words or words & NOT_HERE or "(" in first[1] or not all(others):
        return None
    names = (first[2], *(other[1] for other in others if other))
    arrays = bool(first[3].strip()) or any(other[2].strip() for other in others if other)
    valued = first[4] is not None or any(other[3] is not None for other in others if other)
    constants = tuple(start + word.start() for word in re.finditer(r"\bconst\b", first[1]))
    fixed = bool(constants) and ("*" not in first[1] or first[1].rstrip().endswith("const"))
    section = "zeros" if not valued and SIMPLE.match(first[1].strip()) else "data"
    if "constexpr" in words or (fixed and not arrays):
        section = ""
    return Declaration(start, end + 1, tuple("::".join([*spaces, name]) for name in names),
                       "__constant__" in hidden[start:end], section, constants if fixed else ())


def semicolon(hidden: str, position: int) -> int | None:
    """The semicolon that ends a declaration; None where a function's body begins, or the text ends."""
    depth, valued = 0, False
    for index in range(position, len(hidden)):
        letter = hidden[index]
        if letter == "{" and depth == 0 and not valued and hidden[:index].rstrip().endswith((")", "const", "noexcept")):
            return None
        valued |= letter == "="
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return None
        if letter == ";" and depth == 0:
            return index
    return None


def kept_apart(text: str, found: tuple[Declaration, ...]) -> str:
    """The text with a macro before each declaration and a guard behind it."""
    parts, last = [], 0
    for number, each in enumerate(found):
        if not each.section:
            continue
        kind = each.section.upper()
        parts += [text[last:each.start], f"TG_{kind} "]
        last = each.start
        for place in each.const:
            parts += [text[last:place], "TG_CONST"]
            last = place + len("const")
        parts += [text[last:each.end], f" TG_GUARD_{kind}({number})"]
        last = each.end
    return "".join(parts) + text[last:]
