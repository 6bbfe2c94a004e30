"""What does the next rewrite do? Asked on the Passes screen: how many ops the graph has after it."""

from __future__ import annotations

from collections.abc import Iterator

from teachgrad.passes.rules import RULES
from teachgrad.recording import Moment
from teachgrad.recording.accounts import Rewriting

from ..rewrites import Rewrites
from ..session import Session
from ..views.options import Options
from ..views.passes import called, compilation, program_of, stop_of
from .suspects import Suspect


def next_rewrite(session: Session, moment: Moment, options: Options) -> tuple[int, int] | None:
    """The program and the stop that the rewrite after the present one leads to. Not the last: what the compiled graph
    costs stands on the screen."""
    found = program_of(session, moment, options)
    if found is None:
        return None
    number, rewrites = found
    place = number, stop_of(rewrites, options) + 1
    return place if is_asked(session, place) else None


def is_asked(session: Session, place: tuple[int, ...]) -> bool:
    """Whether there is such a rewrite, and it is not the last."""
    if len(place) != 2 or not 0 <= place[0] < session.run.programs:
        return False
    return 0 < place[1] < compilation(session, place[0]).last


def ops_after(session: Session, place: tuple[int, ...]) -> int:
    """How many ops the graph has at a stop of a program."""
    return compilation(session, place[0]).state(place[1]).costs.vertices


def rewrite_asked(session: Session, place: tuple[int, ...]) -> str:
    """The question about a rewrite, in words."""
    rewrites, done = _rewriting(session, place)
    before = rewrites.state(place[1] - 1)
    node = rewrites.account.by_id[done.before]
    rule = RULES.get(done.rule)
    statement = f", {' '.join(rule.statement.split()).removesuffix('.')}" if rule is not None and rule.statement else ""
    here = f"{rewrites.names[done.before]} = {called(rewrites, before, node)}" if node.kind == "op" else node.name
    return (f"The next rewrite is by the rule {done.rule}{statement}; it is at {here}. The graph has "
            f"{before.costs.vertices} ops: how many has it then?")  # fmt: skip


def rewrite_suspects(session: Session, place: tuple[int, ...]) -> Iterator[Suspect]:
    """What may go wrong in counting what a rewrite leaves."""
    _, done = _rewriting(session, place)
    before, after = ops_after(session, (place[0], place[1] - 1)), ops_after(session, place)
    made = len(done.fresh)
    yield Suspect("unchanged", float(before), "that is how many it has now: something is replaced, and what nobody "
                  "reads any more is left out")  # fmt: skip
    yield Suspect("new ones", float(after - made), f"what the rule makes counts, too: {made} new")
    yield Suspect("dead ones", float(before - 1 + made), "what only the replaced op has read goes with it")
    yield Suspect("dead ones", float(before - 1), "look at what is made newly, and what only the replaced op has read")


def _rewriting(session: Session, place: tuple[int, ...]) -> tuple[Rewrites, Rewriting]:
    rewrites = compilation(session, place[0])
    done = rewrites.rewriting(place[1])
    assert done is not None
    return rewrites, done
