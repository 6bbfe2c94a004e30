"""The Passes screen: how a static function was compiled, rewrite by rewrite, with what each brings and how it is known
to be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from teachgrad.passes import RULES
from teachgrad.recording import Account, Moment, RecordingError
from teachgrad.recording.accounts import Node, Rewriting

from ..boxes import Layout
from ..canvas import cell_width
from ..channel import Stretch
from ..glyphs import spelled
from ..levels import Wire
from ..numbers import shape
from ..rewrites import Costs, Rewrites, State
from ..session import Session
from .map import MAX_TEXT, BoxView
from .options import Options
from .source import SourceView, source_around

MAX_BOXES = 14
"""A larger part of a graph is listed, not drawn."""
MAX_LISTED = 200
AROUND = 60
"""So many lines of the graph are given before and after the change."""


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A pass, or a rule in it, with how often it rewrote the graph."""

    kind: str
    """`pass` or `rule`."""
    name: str
    count: int
    stop: int | None
    """That of its first rewrite."""
    done: bool
    cursor: bool


@dataclass(frozen=True, slots=True)
class GraphLine:
    """An op of the graph at a stop; `mark` is `+` if the rewrite made it, `-` if it left it out."""

    mark: str
    name: str
    text: str
    shape: str
    place: str
    cursor: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """One side of a rewrite: as boxes, if there are few, and as lines in any case."""

    boxes: tuple[BoxView, ...]
    lines: tuple[Stretch, ...]
    width: int
    height: int
    listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleView:
    """The rewrite that led here, and what is known about its rule."""

    rule: str
    statement: str
    """The mathematics of the rule; empty where this teachgrad does not know it."""
    where: str
    cost: str
    bound: str
    domain: str
    verdict: str
    """`same bits`, `max |Δ| 1.2e-7, within the bound`, what is wrong, or why it was not checked."""
    right: bool | None
    place: str
    """The user's line."""
    change: Costs
    """After minus before."""


@dataclass(frozen=True, slots=True)
class MissView:
    """A rule that was close to applying, and why it did not."""

    pass_name: str
    rule: str
    at: str
    place: str
    reason: str
    here: bool
    """Whether this was in the pass of this stop."""


@dataclass(frozen=True, slots=True)
class PassesView:
    """The Passes screen at a stop."""

    moment: str
    program: int
    programs: int
    function: str
    level: str
    executor: str
    stop: int
    stops: int
    address: str
    groups: tuple[GroupLine, ...]
    recorded: Costs | None
    now: Costs | None
    compiled: Costs | None
    before: Fragment | None
    after: Fragment | None
    rule: RuleView | None
    graph: tuple[GraphLine, ...]
    above: int
    below: int
    """How many lines of the graph are not given."""
    misses: tuple[MissView, ...]
    source: SourceView | None
    note: str


def view_passes(session: Session, moment: Moment, options: Options) -> PassesView:
    """The Passes screen, of the program that was chosen, or in which this moment is, at the chosen stop."""
    found = program_of(session, moment, options)
    if found is None:
        return PassesView(str(moment), 0, 0, "", "", "", 0, 0, "", (), None, None, None, None, None, None, (), 0, 0, (),
                          None, "no static program runs in this recording: make a step static with @tg.static and "
                          "record it")  # fmt: skip
    number, rewrites = found
    account = rewrites.account
    stop = stop_of(rewrites, options)
    done = rewrites.rewriting(stop)
    here, before = rewrites.state(stop), rewrites.state(max(0, stop - 1))
    graph, above, below = _graph(session, rewrites, before, here, done)
    return PassesView(
        moment=str(moment),
        program=number,
        programs=session.run.programs,
        function=account.name,
        level=account.level,
        executor=account.executor,
        stop=stop,
        stops=rewrites.last,
        address=rewrites.address(stop),
        groups=tuple(_groups(rewrites, stop)),
        recorded=rewrites.state(0).costs,
        now=here.costs,
        compiled=rewrites.state(rewrites.last).costs,
        before=_side(rewrites, before, done.before, done.dead) if done is not None else None,
        after=_side(rewrites, here, done.after, done.fresh) if done is not None else None,
        rule=_rule(session, account, done, before.costs, here.costs) if done is not None else None,
        graph=graph,
        above=above,
        below=below,
        misses=tuple(_misses(session, account, rewrites, stop)),
        source=source_around(session, _site(account, done.site)) if done is not None else None,
        note="",
    )  # fmt: skip


def program_of(session: Session, moment: Moment, options: Options) -> tuple[int, Rewrites] | None:
    """The number of the program that is looked at, and its compilation; None if there is none."""
    count = session.run.programs
    if not count:
        return None
    number = options.program
    if number is None:
        vertex = session.row(moment).vertex
        number = next((k for k in range(count) if vertex in compilation(session, k).account.node_of), 0)
    number = min(max(0, number), count - 1)
    return number, compilation(session, number)


def compilation(session: Session, number: int) -> Rewrites:
    """A program's compilation, which is kept."""
    found: Rewrites = session.kept(lambda: Rewrites(session.run.program(number)), "compilation", number)
    return found


def stop_of(rewrites: Rewrites, options: Options) -> int:
    """The stop that is looked at: the chosen one, else the last."""
    return min(max(0, options.stop), rewrites.last)


# ---- passes and rules ------------------------------------------------------------------------------------------------


def _groups(rewrites: Rewrites, stop: int) -> list[GroupLine]:
    """Passes in order, each with its rules and how often they fired."""
    lines = [GroupLine("pass", "recorded", 0, 0, True, stop == 0)]
    here = rewrites.rewriting(stop)
    for moment, name in enumerate(rewrites.passes):
        start = rewrites.starts.get(moment)
        rules = [done for done in rewrites.account.rewrites if done.moment == moment] if start is not None else []
        finished = stop == rewrites.last or rewrites.account.rewrites[stop].moment > moment
        lines.append(GroupLine("pass", name, len(rules), None if start is None else start + 1, finished, False))
        first: dict[str, int] = {}
        counts: dict[str, int] = {}
        for number, done in enumerate(rules):
            first.setdefault(done.rule, (start or 0) + number + 1)
            counts[done.rule] = counts.get(done.rule, 0) + 1
        for rule, count in counts.items():
            cursor = here is not None and (here.moment, here.rule) == (moment, rule)
            lines.append(GroupLine("rule", rule, count, first[rule], first[rule] <= stop, cursor))
    return lines


# ---- the graph -------------------------------------------------------------------------------------------------------


def _graph(
    session: Session, rewrites: Rewrites, before: State, here: State, done: Rewriting | None
) -> tuple[tuple[GraphLine, ...], int, int]:
    """The graph around the change, with what is gone in its old place; and how many lines are left out."""
    gone = {number for number in before.order if number not in here.present}
    fresh = {number for number in here.order if number not in before.present}
    lines: list[tuple[str, int]] = []
    old = list(before.order)
    at = 0
    for number in here.order:
        if number in before.present:
            while at < len(old) and old[at] != number:
                if old[at] in gone:
                    lines.append(("-", old[at]))
                at += 1
            at += 1
        lines.append(("+" if number in fresh else " ", number))
    lines += [("-", number) for number in old[at:] if number in gone]
    chosen = None if done is None else done.after if done.after in here.present else done.before
    cursor = next((k for k, (_, number) in enumerate(lines) if number == chosen), None)
    if cursor is None:
        cursor = next((k for k, (mark, _) in enumerate(lines) if mark != " "), 0)
    top = max(0, cursor - AROUND)
    shown = lines[top : cursor + AROUND]
    states = {"-": before}
    return (
        tuple(_graph_line(session, rewrites, states.get(mark, here), mark, number, top + k == cursor)
              for k, (mark, number) in enumerate(shown)),
        top,
        len(lines) - top - len(shown),
    )  # fmt: skip


def _graph_line(session: Session, rewrites: Rewrites, state: State, mark: str, number: int, cursor: bool) -> GraphLine:
    node = rewrites.account.by_id[number]
    return GraphLine(mark, rewrites.names[number], called(rewrites, state, node), shape(node.shape),
                     place_of(session, rewrites.account, node.site), cursor)  # fmt: skip


def called(rewrites: Rewrites, state: State, node: Node) -> str:
    """`matmul(x, W1)`: an op as a call."""
    parts = [rewrites.names[x.id] for x in state.inputs(node)] + ([node.settings] if node.settings else [])
    return f"{node.op}({', '.join(parts)})"


def place_of(session: Session, account: Account, site: int | None) -> str:
    """A user's line: `train.py:12`."""
    found = session.run.site(_site(account, site))
    return f"{found.file.replace(chr(92), '/').rpartition('/')[2]}:{found.line}" if found is not None else ""


def _site(account: Account, site: int | None) -> int | None:
    number: int | None = None if site is None else account.sites[site]
    return number


# ---- before and after ------------------------------------------------------------------------------------------------


def _side(rewrites: Rewrites, state: State, chosen: int, members: Sequence[int]) -> Fragment:
    """One side of a rewrite: what is only there, with what it reads."""
    by_id = rewrites.account.by_id
    chosen = chosen if chosen in state.present or by_id[chosen].kind != "op" else state.resolve(chosen)
    inside = {*members, chosen}
    order = [number for number in state.order if number in inside] or [chosen]
    reads = {number: [x.id for x in state.inputs(by_id[number])] for number in order} if len(members) else {}
    outside = list(dict.fromkeys(x for number in order for x in reads.get(number, ()) if x not in inside))
    listed = tuple(
        f"{rewrites.names[number]} = {called(rewrites, state, by_id[number])}" if by_id[number].kind == "op"
        else rewrites.names[number] for number in order[:MAX_LISTED]
    )  # fmt: skip
    boxes = [*outside, *order]
    if len(boxes) > MAX_BOXES:
        return Fragment((), (), 0, 0, listed)
    place = {number: k for k, number in enumerate(boxes)}
    wires = [Wire(x, place[x], place[number]) for number in order for x in dict.fromkeys(reads.get(number, ()))
             if place[x] < place[number]]  # fmt: skip
    words = [_words(rewrites, by_id[number]) for number in boxes]
    widths = [min(MAX_TEXT, max(cell_width(text), cell_width(spelled(text)))) + 6 for text in map("  ".join, words)]
    labels = {number: cell_width(shape(by_id[number].shape)) + 1 for number in boxes}
    layout = Layout(widths, wires, [[number] for number in boxes], labels)
    return Fragment(
        tuple(_box(layout, k, by_id[number], words[k], number == chosen) for k, number in enumerate(boxes)),
        tuple(layout.stretches), layout.width, layout.height, listed,
    )  # fmt: skip


def _words(rewrites: Rewrites, node: Node) -> tuple[str, ...]:
    """What is written in a box: a name, and the op if the name does not tell."""
    name = rewrites.names[node.id]
    return (name,) if node.kind != "op" or name.rstrip("0123456789_") == node.op.rstrip("_") else (name, node.op)


def _box(layout: Layout, number: int, node: Node, words: Sequence[str], cursor: bool) -> BoxView:
    place = layout.places[number]
    return BoxView(
        "op" if node.kind == "op" else "input", words[0], words[1] if len(words) > 1 else "", "", "",
        tuple((x, shape(node.shape)) for x in place.outs.values()), tuple(place.ins), place.x, place.y, place.width,
        place.layer, False, cursor,
    )  # fmt: skip


# ---- the rule --------------------------------------------------------------------------------------------------------


def _rule(session: Session, account: Account, done: Rewriting, before: Costs, after: Costs) -> RuleView:
    known = RULES.get(done.rule)
    verdict, right = _verdict(done)
    change = Costs(after.vertices - before.vertices, after.kernels - before.kernels, after.bytes - before.bytes,
                   after.peak - before.peak)  # fmt: skip
    return RuleView(
        done.rule, known.statement if known is not None else "", done.where, known.cost if known is not None else "",
        done.bound, done.domain, verdict, right, place_of(session, account, done.site), change,
    )  # fmt: skip


def _verdict(done: Rewriting) -> tuple[str, bool | None]:
    """What checking on the recorded inputs said, and whether that is good."""
    if done.trouble:
        return done.trouble, False if done.trouble.startswith("wrong") else None
    if done.error is None:
        return "not checked", None
    if done.error == 0:
        return "max |Δ| 0 on the recorded inputs", True
    return f"max |Δ| {done.error:.2g} on the recorded inputs, within the bound", True


def _misses(session: Session, account: Account, rewrites: Rewrites, stop: int) -> list[MissView]:
    """Near misses, those of the pass of this stop first; what is told several times is told once."""
    here = account.moments[rewrites.moment(stop) + 1].name if stop else ""
    found = [MissView(miss.pass_name, miss.rule, miss.at, place_of(session, account, miss.site), miss.reason,
                      miss.pass_name == here) for miss in account.misses]  # fmt: skip
    return sorted(dict.fromkeys(found), key=lambda miss: not miss.here)


# ---- moving ----------------------------------------------------------------------------------------------------------


def moved(session: Session, moment: Moment, options: Options, how: str, count: int) -> dict[str, Any]:
    """What a key changes in the options: `how` is the name of a move, or `rule` or `page`; back where `count` < 0."""
    found = program_of(session, moment, options)
    if found is None:
        return {}
    number, rewrites = found
    stop = stop_of(rewrites, options)
    if how == "training_step":
        return {"program": (number + count) % session.run.programs, "stop": 0}
    if how == "rule":
        stop = group_stop(rewrites, stop, count)
    elif how in ("step", "page"):
        stop = min(max(0, stop + count), rewrites.last)
    elif how == "end":
        stop = rewrites.last if count > 0 else 0
    else:
        stop = rewrites.neighbour(stop, count > 0)
    return {"program": number, "stop": stop}


def went_to(session: Session, moment: Moment, options: Options, address: str) -> dict[str, Any]:
    """What an address such as `pass:lower/3` changes in the options."""
    found = program_of(session, moment, options)
    if found is None:
        raise RecordingError("no static program runs in this recording, so there are no passes")
    number, rewrites = found
    stop = rewrites.find(address)
    if stop is None:
        known = [rewrites.passes[at] for at in rewrites.starts]
        raise RecordingError(f"there is no {address!r}; rewrites are in {', '.join(known) or 'no pass'}")
    return {"program": number, "stop": stop}


def group_stop(rewrites: Rewrites, stop: int, down: int) -> int:
    """The stop of the first rewrite by the next rule, or by the one before."""
    starts = [0]
    numbered = list(enumerate(rewrites.account.rewrites, 1))
    starts += [next(iter(group))[0] for _, group in groupby(numbered, key=lambda item: (item[1].moment, item[1].rule))]
    after = [start for start in starts if start > stop]
    before = [start for start in starts if start < stop]
    return (after[0] if after else rewrites.last) if down > 0 else (before[-1] if before else 0)
