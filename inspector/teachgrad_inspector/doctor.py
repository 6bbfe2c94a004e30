"""Looks through a recording for what goes wrong in trainings, and says where each trouble was born.

Of a long run the steps that `History` chooses are looked at, and between two of them only where something happened.
What could not be looked for is said, too: a clean bill from a doctor who did not look is worth nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from teachgrad.recording import Moment, Row, Step

from .history import BOUNDED, ZEROING, Facts, Key, StepFacts
from .numbers import number, percent, shape
from .session import Session
from .stops import births

ERR, WARN = "err", "warn"
VANISHING = 1e-6
"""A gradient whose root mean square is below this share of the largest one in the step hardly moves its parameter."""
EXPLODING = 1e3
"""A gradient norm this many times the median of the run, or above this root mean square, is no ordinary one."""
DEAD, SATURATED = 0.2, 0.5
"""The share of stuck units, and of saturated elements, from which a layer is worth a word."""
MOST = 5
"""Of one kind of finding, so many are told one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, where it began, and what to do about it."""

    kind: str
    """nan, inf, zero gradient, vanishing, exploding, dead, saturated, broadcast, not zeroed, unreached."""
    severity: str
    """`err` if numbers are lost, `warn` if the training learns less than it could."""
    moment: str
    name: str
    op: str
    phase: str
    """Whether it was born in the forward or in the backward pass, or in the update."""
    place: str
    """File and line, and the code there."""
    code: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor found, at which training steps it looked, and what it could not look for and why."""

    findings: tuple[Finding, ...]
    looked: int
    steps: int
    skipped: tuple[str, ...]


PHASES = {"fwd": "forward", "bwd": "backward", "upd": "update"}


def examine(session: Session, going: Callable[[], bool] = lambda: True) -> Report | None:
    """Look through a recording. `going` says whether to go on; if not, there is no report."""
    looked: list[int] = []
    found: list[Finding] = []
    ill: set[str] = set()
    steps = session.history.steps()
    for count, here in enumerate(steps):
        if not going():
            return None
        looked.append(here)
        for finding in _step(session, here):
            key = f"{finding.kind} {finding.op} {finding.place or finding.name}"
            if key not in ill:
                ill.add(key)
                found.append(_earlier(session, finding, steps[count - 1] if count else -1, here))
    facts = [session.history.of(here) for here in looked]
    found += _over_time(session, facts)
    found.sort(key=lambda item: (item.severity != ERR, session.run.resolve(item.moment)))
    return Report(tuple(_few(found)), len(looked), session.run.steps, tuple(_skipped(session, looked)))


def _few(found: Iterable[Finding]) -> Iterator[Finding]:
    """The first few of each kind."""
    seen: Counter[str] = Counter()
    for finding in found:
        seen[finding.kind] += 1
        if seen[finding.kind] <= MOST:
            yield finding


def _skipped(session: Session, looked: list[int]) -> Iterator[str]:
    if session.run.level == "meta":
        yield "numbers: a recording of level meta has none; record with --level stats or values"
    elif session.run.level == "stats":
        yield "dead and saturated units: only statistics were recorded; record with --level values"
    if len(looked) < session.run.steps:
        every = looked[1] - looked[0] if len(looked) > 1 else session.run.steps
        yield f"troubles that come and go between the steps looked at, 1 of {every}"
    yield "parameters that no op ever reads: they are not in the recording"


# ---- one training step -----------------------------------------------------------------------------------------------


def _step(session: Session, number: int) -> Iterator[Finding]:
    step = session.run.step(number)
    yield from _births(session, step)
    yield from _broadcasts(session, step)
    yield from _not_zeroed(session, step)


def _earlier(session: Session, finding: Finding, before: int, number: int) -> Finding:
    """The same finding in the first step that has it, between the step looked at before and this one."""
    for between in range(before + 1, number):
        for other in _step(session, between):
            if (other.kind, other.op, other.place) == (finding.kind, finding.op, finding.place):
                return other
    return finding


def _make(session: Session, row: Row, kind: str, severity: str, what: str, advice: str, phase: str = "") -> Finding:
    """A finding at a row: of gradient along an edge, the op that it comes out of is named."""
    moment = row.moment
    site = session.site(row, moment)
    source = session.maker(row.source, moment) if row.kind == "edge" and row.source is not None else None
    at = source or row
    return Finding(
        kind, severity, str(moment), session.name(at.vertex, row.step), at.op or row.kind,
        phase or PHASES[row.phase], f"{site.file}:{site.line}" if site else "",
        site.text[site.first : site.last] or site.text.strip() if site else "", what, advice,
    )  # fmt: skip


def _births(session: Session, step: Step) -> Iterator[Finding]:
    """The ops that made nan or inf out of finite numbers."""
    for at, what in births(session, step):
        row = step.rows[at]
        count = session.statistics(row.part)
        many = "" if count is None else f"{count.nans if what == 'nan' else count.infs} {what} "
        if row.kind == "edge":
            maker = step.rows[step.made[row.source or 0]] if (row.source or 0) in step.made else row
            inside = ", ".join(_range(session, session.value_of(v, Moment(step.number, maker.row, "fwd")), name)
                               for v, name in zip(maker.inputs, session.names(maker), strict=True))  # fmt: skip
            text = f"the gradient of {maker.op or 'op'} has {many}though what it was computed from is finite: {inside}"
        elif row.kind == "leaf":
            text = f"{many}came in with the data"
        else:
            inside = ", ".join(_range(session, session.value_of(v, Moment(step.number, row.row, row.phase)), name)
                               for v, name in zip(row.inputs, session.names(row), strict=True))  # fmt: skip
            text = f"{row.op} made {many}out of finite numbers: {inside}"
        op = row.op or (step.rows[step.made[row.source or 0]].op if (row.source or 0) in step.made else "") or row.kind
        yield _make(session, row, what, ERR, text, ADVICE.get((op, row.kind == "edge"), ADVICE_OF.get(what, "")))


ADVICE = {
    ("sqrt", False): "sqrt is defined from 0 on: keep its input there, as in maximum(x, 0)",
    ("sqrt", True): "the slope of sqrt at 0 is infinite: add a small number inside, sqrt(x + 1e-12)",
    ("log", False): "log is defined above 0: use log_softmax for probabilities, or log(x + 1e-12)",
    ("log", True): "the slope of log at 0 is infinite: use log_softmax for probabilities, or log(x + 1e-12)",
    ("exp", False): "exp overflows above 88 in float32, 709 in float64: subtract the maximum first, or use logsumexp",
    ("divide", False): "something was divided by 0: see where the divisor comes from, or add a small number to it",
    ("power", True): "the slope of x**p at 0 is infinite for p < 1: add a small number inside",
    ("norm", True): "the slope of a norm at 0 is not defined: add a small number inside",
    ("leaf", False): "look at the data: fill in or drop what is missing",
}  # fmt: skip
ADVICE_OF = {
    "nan": "step to it and look at the inputs (e opens the chain rule there)",
    "inf": "numbers grew out of range: lower the learning rate, or normalise",
}


def _range(session: Session, value: int | None, name: str) -> str:
    known = session.statistics(value)
    if known is None or known.minimum is None or known.maximum is None:
        return name
    if known.minimum == known.maximum:
        return f"{name} = {number(known.minimum)}"
    return f"{name} from {number(known.minimum)} to {number(known.maximum)}"


def _broadcasts(session: Session, step: Step) -> Iterator[Finding]:
    """(N, 1) with (N,) gives (N, N): nearly always a forgotten axis."""
    for row in step.rows:
        if row.kind != "op" or len(row.inputs) != 2 or row.phase != "fwd" or row.op not in ELEMENTWISE:
            continue
        infos = [session.info(session.value_of(v, Moment(step.number, row.row, row.phase))) for v in row.inputs]
        if infos[0] is None or infos[1] is None or len(infos[0].shape) == len(infos[1].shape):
            continue
        short, long = sorted((infos[0].shape, infos[1].shape), key=len)
        n = short[-1] if short else 1
        if n > 1 and len(long) >= 2 and long[-1] == 1 and long[-2] == n:
            first, second = (shape(info.shape) for info in infos if info is not None)
            result = session.info(row.value)
            yield _make(
                session, row, "broadcast", WARN,
                f"{first} with {second} is broadcast to {shape(result.shape) if result else 'a matrix'}: every element "
                "meets every other one",
                f"bring both to one shape first: reshape(x, ({n},)) or expand_dims(y, axis=1)",
            )  # fmt: skip


ELEMENTWISE = frozenset({"add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "equal", "not_equal",
                         "less", "greater", "less_equal", "greater_equal", "atan2", "hypot"})  # fmt: skip


def _not_zeroed(session: Session, step: Step) -> Iterator[Finding]:
    """A parameter's gradient of before its last update is added to."""
    told: set[int] = set()
    for row in step.rows if step.number else ():
        if row.kind != "deposit" or row.vertex in told or len(told) == MOST:
            continue
        told.add(row.vertex)
        first = step.into[row.vertex][0] <= row.row  # of several passes in a step only the first finds an old gradient
        before = session.run.step(step.number - 1)
        if first and row.vertex in before.updates and _held_at_start(step, row):
            yield _make(
                session, row, "not zeroed", WARN,
                f"{session.name(row.vertex, step.number)}.grad still holds the gradient of earlier steps when this one "
                "is added",
                "call optimizer.zero_grad() once in each training step",
            )  # fmt: skip


def _held_at_start(step: Step, row: Row) -> bool:
    """Whether a deposit is that of the first backward pass of its step: only one pass has begun before it."""
    return sum(start < row.row for starts in step.seeds.values() for start in starts) == 1


# ---- over the training steps -----------------------------------------------------------------------------------------


def _over_time(session: Session, facts: list[StepFacts]) -> Iterator[Finding]:
    yield from _unreached(session, facts)
    yield from _small(session, facts)
    yield from _exploding(session, facts)
    yield from _stuck(session, facts)


def _rms(session: Session, fact: Facts) -> float | None:
    """The root mean square of a gradient: its norm would be large for a large parameter."""
    leaf = session.run.leaf(fact.vertex)
    info = session.info(leaf.value) if leaf is not None else None
    if fact.gradient_norm is None or not math.isfinite(fact.gradient_norm) or info is None or not info.size:
        return None
    return fact.gradient_norm / math.sqrt(info.size)


def _sizes(session: Session, fact: StepFacts) -> Iterator[tuple[float, Key]]:
    """The root mean squares of the gradients of all parameters."""
    for key, item in fact.items.items():
        if not key[0] and (rms := _rms(session, item)) is not None:
            yield rms, key


def _row_about(session: Session, step: int, vertex: int) -> Row:
    """A row of a training step about a vertex: where gradient reaches it, else where it is used."""
    whole = session.run.step(step)
    places = [*whole.into.get(vertex, ()), *whole.updates.get(vertex, ()), *whole.readers(vertex)]
    if places:
        return whole.rows[places[0]]
    return whole.rows[whole.made.get(vertex, 0)]


def _is_learning(step: Step, vertex: int) -> bool:
    """Whether an optimizer overwrites it; what initialises it does so before the backward pass."""
    return any(step.rows[at].phase == "upd" for at in step.updates.get(vertex, ()))


def _unreached(session: Session, facts: list[StepFacts]) -> Iterator[Finding]:
    """Parameters that are read, while the loss does not depend on them."""
    told: set[int] = set()
    for fact in facts:
        step = session.run.step(fact.step)
        if not step.seeds or not step.updates:
            continue
        for row in step.rows:
            for vertex in row.inputs if row.kind == "op" and row.phase == "fwd" else ():
                leaf = session.run.leaf(vertex)
                if leaf is None or not (leaf.parameter and leaf.requires_grad) or vertex in told:
                    continue
                told.add(vertex)
                if vertex not in step.into and not _is_learning(step, vertex):
                    yield _make(
                        session, row, "unreached", WARN,
                        f"{session.name(vertex, fact.step)} is used here, but no gradient reaches it: the loss does "
                        "not depend on it",
                        "look for detach, no_grad, item or a result that is not used between here and the loss",
                    )  # fmt: skip


def _small(session: Session, facts: list[StepFacts]) -> Iterator[Finding]:
    """Gradients that are zero in every step, or far smaller than those of the other parameters in most."""
    zero: Counter[Key] = Counter()
    tiny: dict[Key, list[tuple[int, float]]] = {}
    seen: Counter[Key] = Counter()
    for fact in facts:
        sizes = {key: rms for rms, key in _sizes(session, fact)}
        largest = max(sizes.values(), default=0.0)
        for key, rms in sizes.items():
            seen[key] += 1
            if rms == 0:
                zero[key] += 1
            elif rms < VANISHING * largest:
                tiny.setdefault(key, []).append((fact.step, rms / largest))
    for key, count in seen.items():
        if zero[key] == count:
            row = _row_about(session, facts[0].step, key[2])
            yield _make(session, row, "zero gradient", WARN, f"the gradient of {key[1]} is zero in all {count} steps "
                        "looked at", "it learns nothing: look for dead units after it, or for a mask that hides it",
                        "backward")  # fmt: skip
        elif len(tiny.get(key, ())) * 2 > count:
            step, share = tiny[key][0]
            row = _row_about(session, step, key[2])
            yield _make(session, row, "vanishing", WARN, f"the gradient of {key[1]} is {number(share, 2)} of the "
                        "largest one (root mean squares)", "use residual connections, normalisation, relu instead of "
                        "sigmoid or tanh, or another initialisation", "backward")  # fmt: skip


def _exploding(session: Session, facts: list[StepFacts]) -> Iterator[Finding]:
    """Gradients that are beyond all measure, or suddenly far larger than is usual in the run."""
    norms = [(fact.step, norm) for fact in facts if (norm := fact.gradient_norm) is not None and math.isfinite(norm)]
    usual = median([norm for _, norm in norms]) if norms else 0.0
    for fact in facts:
        largest, key = max(_sizes(session, fact), default=(0.0, ("", "", 0)))
        norm = fact.gradient_norm
        if norm is None or not math.isfinite(norm):
            continue
        if largest > EXPLODING or (len(norms) >= 4 and norm > EXPLODING * usual > 0):
            row = _row_about(session, fact.step, key[2])
            times = f"{number(norm / usual, 2)} times the median of the run" if usual and norm > 2 * usual else ""
            yield _make(session, row, "exploding", WARN, f"the gradient norm is {number(norm, 3)}, "
                        f"{times or 'very large'}; the largest is that of {key[1]}",
                        "clip it, lower the learning rate, or normalise", "backward")  # fmt: skip
            return


def _stuck(session: Session, facts: list[StepFacts]) -> Iterator[Finding]:
    """Layers many of whose units are zero, or saturated, for every sample: now, and already for a while."""
    last = facts[-3:]
    if not last or not all(last[-1].items.keys() == fact.items.keys() for fact in last):
        last = facts[-1:]
    for key, item in last[-1].items.items() if last else ():
        if key[1] not in ZEROING and key[1] not in BOUNDED:
            continue
        row = session.run.step(last[-1].step).rows[session.run.step(last[-1].step).made[item.vertex]]
        if key[1] in ZEROING:
            shares = [found.stuck / found.units for fact in last
                      if (found := fact.items[key]).stuck is not None and found.units]  # fmt: skip
            if shares and min(shares) >= DEAD:
                yield _make(session, row, "dead", WARN, f"{item.stuck} of {item.units} units are zero for every sample",
                            "they learn nothing more: lower the learning rate, or use leaky_relu")  # fmt: skip
        else:
            flats = [flat for fact in last if (flat := fact.items[key].flat) is not None]
            if flats and min(flats) >= SATURATED:
                yield _make(session, row, "saturated", WARN, f"{percent(min(flats))} of the elements are at the limits "
                            f"of {key[1]}, where its slope is nearly zero", "scale the weights or the inputs down, or "
                            "normalise before it")  # fmt: skip
