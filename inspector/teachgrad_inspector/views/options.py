"""What a user can switch, for all screens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from teachgrad.recording import Moment

from ..session import Keep
from ..stops import Stop


@dataclass(frozen=True, slots=True)
class Edit:
    """An element of a value that is to be another number."""

    vertex: int
    element: tuple[int, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Options:
    """The switches of the screens. Screens take what concerns them."""

    folded: frozenset[str] = frozenset()
    """Modules that are folded on the tape."""
    keep: Keep | None = None
    """The slice or the filter of which rows are shown; None for all."""
    pane: int = 0
    """Which pane has the focus, in the order of the screen."""
    zoom: bool = False
    """Whether the focused pane takes the whole screen."""
    numbers: bool = False
    """Arrays as numbers rather than as heat maps."""
    narration: bool = False
    """A line that says in words what happens."""
    predict: bool = False
    """Hide what a learner is to predict: results, shapes, and what comes next."""
    revealed: frozenset[str] = frozenset()
    """What is shown at this moment all the same: `shape`, `value`, `next`."""
    check: bool = False
    """Compare gradients with finite differences."""
    element: tuple[int, ...] | None = None
    """The element of a tensor that the Chain screen looks at; None for the largest contribution."""

    line: int | None = None
    """The line of a table that is looked at closely; None for the one that this moment is about."""
    program: int | None = None
    """The static program that is looked at; None for the one that this moment is in."""
    stop: int = 0
    """On Passes, how many rewrites have been done."""
    dynamic: bool = False
    """On Memory, what dynamic mode would hold rather than the plan."""
    dropped: frozenset[int] = frozenset()
    """On Memory, the values that are to be computed again rather than kept."""
    level: str = ""
    """The module that the Map screen is inside of; "" for the whole run."""
    other: Any = None
    """What the Compare screen compares with: an `Other` of `views.compare`, or None."""
    edit: Edit | None = None
    """The change that the What-if screen looks at."""
    stops: tuple[Stop, ...] = ()
    """Breakpoints and watched conditions."""
    tour: Any = None
    """The tour that is played: a `Tour` of `learning.tours`, or None."""
    place: int = 0
    """The stop of the tour."""
    turned: int = 0
    """Pages of its words that have been read, where there is no room for all of them."""
    visited: Moment | None = None
    """Where that stop is."""
    spotlight: str = ""
    """The name of what the tour points at on the tape."""
    verdict: str = ""
    """What became of the last answer at this moment."""
    tally: tuple[int, int] = (0, 0)
    """How many answers were right, and how many were given."""

    def but(self, **changes: Any) -> Self:
        """The same options, some changed."""
        return replace(self, **changes)

    @property
    def hiding(self) -> bool:
        """Whether what this moment computes is hidden."""
        return self.predict and "value" not in self.revealed
