"""What a rule of rewriting is: a plain function, and above it all that is to be known about it.

    @rule(log, cost="removes a rounding error", bound=Bound(2, beside=1.0), source="Theano, stabilise: log(1 + x)")
    def log_of_one_plus(v):
        "log(1 + x) = log1p(x)"

The function takes a vertex of one of the named ops and answers with its replacement, with None, or with a `Miss` that
says why it does not apply after all. It never changes anything: only the driver (`rewriting`) does.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ..errors import TeachgradError
from ..op import Op, Vertex


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a rule that was close to applying does not."""

    reason: str


Answer = Vertex | Miss | None


@dataclass(frozen=True, slots=True)
class Bound:
    """How far the new value may be from the old one where both are finite, in units of the dtype's epsilon:

        |new - old| <= ulps · eps · max(|new|, beside)

    `beside` is the size of what the old form rounds on its way: 1 for log(1 + x), which rounds 1 + x. With `terms`, it
    is the largest number that either form adds up, times how many are added.
    """

    ulps: float
    beside: float = 0.0
    terms: bool = False

    def __str__(self) -> str:
        if not self.ulps:
            return "every bit where both are finite, but for the sign of zero"
        if self.terms:
            return f"{self.ulps:g} eps of the largest term, for each term"
        return f"{self.ulps:g} eps" + (f" of the larger of the value and {self.beside:g}" if self.beside else "")


EXACT = Bound(0)


@dataclass(frozen=True)
class Rule:
    """A rule and what is known about it."""

    function: Callable[[Any], Answer]
    ops: tuple[Op, ...]
    """The ops at which it looks."""
    cost: str
    """What is won, and what is paid for it."""
    bound: Bound
    source: str
    """Where the rule comes from."""
    domain: str = ""
    """Where the new form has a value and the old one has not; empty if nowhere."""
    grows: int = 0
    """How many more kernels than before it may leave, for the sake of better numbers."""
    covers: tuple[Op, ...] = ()
    """Ops that can fail and may go, since the replacement fails in the same cases."""
    where: str = field(default="", compare=False)
    """File and line of the rule."""

    def __call__(self, v: Vertex) -> Answer:
        return self.function(v)

    @property
    def __name__(self) -> str:
        return self.function.__name__

    @property
    def statement(self) -> str:
        """The rule as mathematics, and its conditions."""
        return inspect.getdoc(self.function) or ""

    @property
    def phase(self) -> str:
        """The file, and so the phase, that the rule belongs to."""
        return self.function.__module__.rpartition(".")[2]

    def card(self) -> str:
        """All that is known about the rule, as text."""
        lines = [self.__name__, "=" * len(self.__name__), self.statement,
                 f"at: {', '.join(map(str, self.ops))}", f"cost: {self.cost}", f"bound: {self.bound}"]
        if self.domain:
            lines.append(f"domain: {self.domain}")
        if self.grows:
            lines.append(f"may leave {self.grows} more kernel{'s' * (self.grows > 1)}, where a value is used elsewhere")
        return "\n".join([*lines, f"source: {self.source}", f"code: {self.where}"])


RULES: dict[str, Rule] = {}
"""Every declared rule by name."""


def rule(*ops: Op, cost: str, bound: Bound, source: str, domain: str = "", grows: int = 0,
         covers: tuple[Op, ...] = ()) -> Callable[[Callable[[Any], Answer]], Rule]:
    """Declare the function below a rule for these ops."""
    def declare(function: Callable[[Any], Answer]) -> Rule:
        code = function.__code__
        made = Rule(function, ops, cost, bound, source, domain, grows, covers,
                    f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}")
        if function.__name__ in RULES:
            raise TeachgradError(f"there is already a rule {function.__name__} ({RULES[function.__name__].where})")
        if not made.statement:
            raise TeachgradError(f"the rule {function.__name__} ({made.where}) has no statement: write its mathematics "
                                 "in its docstring")
        RULES[function.__name__] = made
        return made

    return declare


def rules_of(*phases: ModuleType) -> tuple[Rule, ...]:
    """The rules that are declared in some files, in their order."""
    return tuple(r for phase in phases for r in RULES.values() if r.function.__module__ == phase.__name__)
