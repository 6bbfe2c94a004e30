"""Writing C: lines at a depth, loops around them, and indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager


class Code:
    """The body of a C function, as it grows."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.divisible = 0

    def divide(self, loops: int) -> None:
        """Say of the next so many loops that no turn reads what another writes: the first may be divided among threads.

        The first that has more than one turn, that is.
        """
        self.divisible = loops

    def put(self, *lines: str) -> None:
        """Add lines at the present depth."""
        self.lines += ["    " * self.depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Around what is put inside: `head {` and `}`, or `head` alone where that is one statement."""
        start = len(self.lines)
        self.depth += 1
        yield
        self.depth -= 1
        first, *others = self.lines[start:]
        deeper = " " * 4 * (self.depth + 2)
        single = all(line.startswith(deeper) for line in others) and not first.endswith("{") and "#" not in first
        self.lines.insert(start, "    " * self.depth + head + ("" if single else " {"))
        if not single:
            self.put("}")

    @contextmanager
    def loop(self, name: str, count: int | str, step: int = 1, pragma: str = "", start: str = "0") -> Iterator[str]:
        """A loop around what is put inside. It gives the name of its variable, or "" where that is always 0."""
        may_be_divided = self.divisible > 0
        self.divisible -= may_be_divided
        if isinstance(count, int) and count <= step and start == "0":
            yield ""
            return
        if may_be_divided:
            pragma, self.divisible = "omp parallel for", 0
        if pragma:
            self.put(f"#pragma {pragma}")
        forward = f"{name}++" if step == 1 else f"{name} += {step}"
        with self.block(f"for (int64_t {name} = {start}; {name} < {count}; {forward})"):
            yield name

    @contextmanager
    def unrolled(self, name: str, count: int) -> Iterator[str]:
        """A short loop that the compiler is asked to write out."""
        with self.loop(name, count, pragma=f"GCC unroll {count}") as variable:
            yield variable

    @contextmanager
    def loops(self, names: Sequence[str], counts: Sequence[int]) -> Iterator[list[str]]:
        """A loop in another for each count: the names of their variables."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.loop(name, n)) for name, n in zip(names, counts, strict=False)]

    def text(self) -> str:
        """The body, for `Op.c_body`."""
        return "\n".join([*self.lines, "return 0;", ""])


def index(*terms: tuple[int, str] | int) -> str:
    """A sum of multiples of variables and of numbers, without what is zero and without variables that have no name."""
    number = sum(term for term in terms if isinstance(term, int))
    factors: dict[int, list[str]] = {}
    for term in terms:
        if not isinstance(term, int) and all(term):
            factors.setdefault(term[0], []).append(term[1])
    texts = []
    for factor, names in factors.items():
        if abs(factor) == 1:
            texts += [f"-{name}" if factor < 0 else name for name in names]
        else:
            texts.append(f"{factor} * " + (f"({' + '.join(names)})" if len(names) > 1 else names[0]))
    if number or not texts:
        texts.append(str(number))
    return " + ".join(texts).replace("+ -", "- ")


def at(pointer: str, *terms: tuple[int, str] | int) -> str:
    """A pointer moved on by an index."""
    text = index(*terms)
    return pointer if text == "0" else f"{pointer} + {text}"


def steps(shape: Sequence[int]) -> tuple[int, ...]:
    """How far apart elements are along each axis of an array in C order."""
    answer, step = [0] * len(shape), 1
    for axis in range(len(shape) - 1, -1, -1):
        answer[axis], step = step, step * shape[axis]
    return tuple(answer)


def divisor(n: int, most: int) -> int:
    """The largest divisor of n that is at most `most`."""
    return next(d for d in range(min(n, max(1, most)), 0, -1) if n % d == 0)
