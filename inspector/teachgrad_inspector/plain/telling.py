"""What the screens show, in sentences: a function for each screen, from its view to lines. Nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from teachgrad.errors import RecordingError, counted
from teachgrad.recording import Moment

from ..learning.lesson import view_lesson
from ..learning.past import as_asked, is_shut, seen
from ..numbers import bracketed, index, nbytes, number, percent, shape, signed
from ..render.doctor import report_lines
from ..screens import CLOSED, SCREENS
from ..session import Session
from ..views.arrays import ArrayView
from ..views.chain import ChainView, Product
from ..views.check import Check
from ..views.compare import CompareView
from ..views.explain import ExplainView
from ..views.kernels import KernelsView
from ..views.ledger import Ledger
from ..views.map import MapView
from ..views.memory import MemoryView
from ..views.options import Options
from ..views.passes import PassesView
from ..views.source import SourceView
from ..views.tape import Pane, TapeView
from ..views.terms import Sum
from ..views.train import TrainView
from ..views.watches import StopsView, Watch
from ..views.whatif import WhatIf

LINES = 40
"""So many lines are looked at where a screen has more than one would hear."""
LISTED = 12
HIDDEN = "hidden as long as it is to be predicted"

Lines = Iterator[str]


def tell(session: Session, moment: Moment, screen: str, options: Options) -> list[str]:
    """What a screen shows at a moment."""
    lesson = list(lesson_told(session, moment, options, screen))
    if is_shut(screen, moment, options):
        return [CLOSED, *lesson]
    shown, options = seen(session, moment, options), as_asked(session, moment, options)
    try:
        view = SCREENS[screen].view(shown, moment, options, LINES)
    except RecordingError as error:
        return [str(error)]
    return [*(line for line in _TELLERS[screen](view) if line), *lesson]


def lesson_told(session: Session, moment: Moment, options: Options, screen: str) -> Lines:
    """The words of a tour, and what is to be predicted."""
    lesson = view_lesson(session, moment, options, screen)
    if lesson is None:
        return
    if lesson.place:
        yield f"tour {lesson.place}, {lesson.title}"
    yield from (part.replace("\n", " ") for part in lesson.text.split("\n\n") if part)
    if lesson.spotlight:
        yield lesson.spotlight
    if lesson.question:
        yield lesson.question
    if lesson.given:
        yield ", ".join(lesson.given.split("   "))
    if lesson.choices:
        yield "choices: " + ", ".join(" is ".join(choice.split("  ")) for choice in lesson.choices)
    if lesson.solution:
        yield lesson.solution


def array_told(array: ArrayView) -> str:
    """An array in one sentence."""
    if array.value is not None:
        return number(array.value)
    kind = f"shape {shape(array.shape)}, {array.dtype}"
    known = array.statistics
    if known is None:
        return f"{kind}{', ' + array.note if array.note else ''}"
    values = ("min", known.minimum), ("max", known.maximum), ("mean", known.mean), ("std", known.std)
    counts = ("zeros", known.zeros), ("nan", known.nans), ("inf", known.infs)
    parts = [f"{name} {number(value)}" for name, value in values if value is not None]
    parts += [f"{count} {name}" for name, count in counts if count]
    return f"{kind}: {', '.join(parts)}"


def watch_told(watch: Watch) -> str:
    """A watched condition and its value."""
    return f"{watch.text} is {HIDDEN if watch.state == 'hidden' else watch.value}"


# ---- parts of screens ------------------------------------------------------------------------------------------------


def _pane(pane: Pane) -> Lines:
    title = " of ".join(pane.title.split("  ", 1)).replace("gradient of", "gradient")
    if pane.array is None:
        yield f"{title}: {pane.note}"
        return
    yield f"{title}: {array_told(pane.array)}"
    for at, row in enumerate(pane.array.numbers or ()):
        yield f"row {at}: {', '.join(map(number, row))}"


def _source(source: SourceView | None) -> Lines:
    if source is not None:
        text = next((text.strip() for line, text in source.lines if line == source.line), "")
        yield f"source: {source.file.replace(chr(92), '/').rpartition('/')[2]}:{source.line}: {text}"


def _ledger(ledger: Ledger | None) -> Lines:
    if ledger is None:
        return
    name = f"{ledger.name}.grad{index(ledger.element)}"
    count = len(ledger.entries)
    yield f"{name} is the sum of {counted(count, 'contribution')}:"
    for entry in ledger.entries:
        if entry.future:
            what = f"comes at {entry.moment}"
        elif ledger.hidden and entry.current:
            what = HIDDEN
        elif entry.contribution is not None:
            running = f", running {number(entry.before)} to {number(entry.after)}" if entry.after is not None else ""
            what = f"{signed(entry.contribution)}{running}"
        else:
            what = f"norm {number(entry.norm)}, norm of the sum {number(entry.total_norm)}" if entry.norm else "added"
        yield f"from {entry.source}: {what}{'; this one' if entry.current else ''}"
    if ledger.total is not None and not ledger.hidden:
        yield f"total {number(ledger.total)}"
        if ledger.assigned is not None and ledger.assigned != ledger.total:
            yield f"if contributions replaced each other, {number(ledger.assigned)} would be left"


def _sum(found: Sum | None) -> Lines:
    if found is None:
        return
    yield found.formula
    for term in found.terms:
        yield (f"{term.gradient_name} times {term.local_name}: {bracketed(term.gradient)} · {bracketed(term.local)} "
               f"= {signed(term.product)}")  # fmt: skip
    left = found.count - len(found.terms)
    more = f", with {counted(left, 'smaller term')}" if left > 0 else ""
    yield f"together {number(found.total)}{more}"


def _check(check: Check | None) -> Lines:
    if check is None:
        return
    if check.estimate is None or check.error is None:
        yield f"no finite differences: {check.note}"
        return
    verdict = "agrees" if check.agrees else "does not agree"
    yield (f"finite difference of {check.goal} by {check.name}{index(check.element)}: {check.estimate:.7g}; "
           f"{verdict} with {number(check.gradient, 7)}, off by {check.error:.1e} at h = {check.h:.0e}")  # fmt: skip


def _product(product: Product, hidden: bool) -> str:
    left = f"{product.left} gets {' · '.join(product.symbols)}"
    if product.future:
        return f"{left}; comes at {product.moment}"
    if product.result is None and product.current and hidden:
        return f"{left}; {HIDDEN}"
    if product.result is not None and product.incoming is not None and product.local is not None:
        numbers = f" = {bracketed(product.incoming)} · {bracketed(product.local)} = {signed(product.result)}"
    elif product.result is not None:
        numbers = f" = {signed(product.result)}"
    else:
        numbers = f" = {product.formula}, shape {shape(product.shape)}" if product.formula else ""
    return f"{left}{numbers}{'; this one' if product.current else ''}"


# ---- screens ---------------------------------------------------------------------------------------------------------


def _tape(view: TapeView) -> Lines:
    yield from _pane(view.value)
    yield from _pane(view.gradient)
    yield from _ledger(view.ledger)
    yield from map(watch_told, view.watches)
    yield from _source(view.source)


def _chain(view: ChainView) -> Lines:
    yield view.title if view.title else view.subject
    yield f"forward: {view.forward}" if view.forward else ""
    yield f"shapes: {view.shapes}" if view.shapes else ""
    if view.rules:
        yield "rule: " + "; ".join(f"{rule.left} = {rule.right}" for rule in view.rules)
    elif view.headline:
        yield f"rule: {view.headline}"
    if view.incoming is not None:
        value = f" = {number(view.incoming.value)}" if view.incoming.value is not None else ""
        if not value and view.incoming.shape and view.incoming.known:
            value = f", shape {shape(view.incoming.shape)}"
        yield f"incoming: {view.incoming.symbol}{value} {view.incoming.origin}".rstrip()
    yield view.broadcast
    yield from (_product(product, view.hidden) for product in view.products)
    yield from view.facts
    yield from _sum(view.sum)
    yield from _ledger(view.ledger)
    if view.paths is not None:
        for path in view.paths.paths:
            factors = " · ".join(map(bracketed, path.factors))
            yield f"path {' → '.join(path.names)}: {factors} = {number(path.product)}"
        yield f"all paths together: {number(view.paths.total)}"
    yield from _check(view.check)
    yield from _source(view.source)


def _map(view: MapView) -> Lines:
    part = f", part {view.section + 1} of {view.sections}" if view.sections > 1 else ""
    yield f"inside of {view.level or 'the whole run'}{part}: {len(view.boxes)} boxes"
    for number_, box in enumerate(view.boxes):
        above = [view.boxes[wire.above].name for wire in view.wires if wire.below == number_]
        shapes = ", ".join(text for _, text in box.shapes if text)
        told = " ".join(filter(None, (box.name, box.what if box.what != box.name else "")))
        told += f" of {', '.join(above)}" if above else ""
        told += f", shape {shapes}" if shapes else ""
        yield told + "; still to come" * box.future + "; you are here" * box.cursor
    yield view.note
    for line in view.tree:
        mean = f", {number(line.mean)} ± {number(line.std)}" if line.mean is not None and line.std is not None else ""
        gradient = f", norm of its gradients {number(line.gradient_norm)}" if line.gradient_norm is not None else ""
        yield f"module {line.path or 'all'}: {line.state}{mean}{gradient}"


def _passes(view: PassesView) -> Lines:
    if view.note:
        yield view.note
        return
    yield f"{view.function} at level {view.level}, program {view.program + 1} of {view.programs}"
    yield f"{view.address}: {view.stop} of {view.stops} rewrites done"
    if view.rule is not None:
        rule = view.rule
        yield f"rule {rule.rule}: {' '.join(rule.statement.split())}".rstrip(": ")
        change = rule.change
        yield (f"ops {change.vertices:+d}, kernels {change.kernels:+d}, bytes moved {change.bytes:+d}, "
               f"peak {change.peak:+d}")  # fmt: skip
        yield f"checked: {rule.verdict}"
        yield f"of the line {rule.place}" if rule.place else ""
    for line in view.graph:
        if line.mark.strip():
            yield f"{'made' if line.mark == '+' else 'left out'}: {line.name} = {line.text}, shape {line.shape}"
    if view.now is not None:
        yield f"the graph now: {view.now.vertices} ops, {view.now.kernels} kernels, peak {nbytes(view.now.peak)}"
    for miss in view.misses:
        if miss.here:
            yield f"near miss: {miss.rule} at {miss.at}: {miss.reason}"


def _memory(view: MemoryView) -> Lines:
    yield f"memory as {'planned' if view.mode == 'plan' else 'dynamic mode holds it'}, row {view.row} of {view.rows}"
    for total in view.totals:
        peak = f"the peak is {nbytes(total.peak)} at {total.moment} {total.name}"
        yield f"{total.mode}: {nbytes(total.now)} held now; {peak}"
    yield f"held now: {view.held_count} values"
    for held in view.held[:LISTED]:
        yield f"{held.name}: {nbytes(held.bytes)}, to row {held.last}, {held.why}"
    what_if = view.what_if
    for candidate in what_if.candidates:
        if candidate.cursor or candidate.chosen:
            chosen = "; chosen" if candidate.chosen else "; x chooses it"
            yield f"computed again instead of kept, {candidate.name}: peak {nbytes(candidate.peak)}{chosen}"
    if any(candidate.chosen for candidate in what_if.candidates):
        yield f"with all that are chosen: peak {nbytes(what_if.peak)} instead of {nbytes(what_if.before)}"
    yield view.note


def _train(view: TrainView) -> Lines:
    yield f"training step {view.step}, of 0 to {view.steps - 1}"
    for name, curve in (("loss", view.loss), ("learning rate", view.rate), ("norm of all gradients", view.total)):
        if curve.now is not None:
            yield f"{name} {number(curve.now)}"
        if curve.broken:
            yield f"{name} is nan or infinite at {', '.join(f't{step}' for step in curve.broken[:LISTED])}"
    if len(view.loss.points) > 1:
        (first, start), (last, end) = view.loss.points[0], view.loss.points[-1]
        yield f"the loss goes from {number(start)} at t{first} to {number(end)} at t{last}"
    if view.hidden:
        yield f"gradients are {HIDDEN}"
    for line in view.lines:
        parts = [f"norm {number(line.norm)}"] if line.norm is not None else []
        parts += [f"gradient norm {number(line.gradient_norm)}"] if line.gradient_norm is not None else []
        parts += [f"log10 of update to value {line.ratio:.1f}"] if line.ratio is not None else []
        parts += [f"{line.stuck} of {line.units} units {line.stuck_how}"] if line.stuck else []
        yield f"{line.name}: {', '.join(parts) or 'nothing is known'}{'; chosen' if line.chosen else ''}"
    yield view.note


def _kernels(view: KernelsView) -> Lines:
    if view.function:
        yield f"{view.function}, run by {view.executor}: {view.count} kernels"
    for at, kernel in enumerate(view.kernels, view.first + 1):
        if kernel.cursor:
            took = f", {kernel.seconds:.2e} seconds" if kernel.seconds is not None else ""
            yield (f"kernel {at} of {view.count}: {kernel.name}, {kernel.runs}, {kernel.ops} ops, "
                   f"{nbytes(kernel.moved)} moved, {kernel.flops} flops{took}")  # fmt: skip
    for op in view.ops:
        yield f"computes {op.name} = {op.text}, shape {op.shape}{'; this op' if op.cursor else ''}"
    for line in view.code:
        if line.cursor and view.language:
            yield f"{view.language}, line {line.number}: {line.text.strip()}"
    yield view.note
    yield from _source(view.source)


def _explain(view: ExplainView) -> Lines:
    yield view.title
    yield view.note
    for line in view.lines:
        value = number(line.value) if line.value is not None else "not recorded"
        told = f"{'of that, ' * bool(line.depth)}{line.name} is {value}"
        if line.part is not None and line.share is not None:
            told += f" and counts {signed(line.part)}, {percent(line.share)} of all"
        what = f"; {line.what}" if line.what else ""
        more = f"; {line.more} smaller sources" if line.more else ""
        yield f"level {line.depth}: {told}{what}{more}{'; chosen' if line.chosen else ''}"
    if view.total is not None and view.lines:
        yield f"the parts of the first add up to {number(view.total)}{'' if view.exact else ', to first order'}"


def _compare(view: CompareView) -> Lines:
    yield view.note
    if not view.right:
        return
    counts = ((view.same, "the same"), (view.different, "different"), (view.only_left, "only on the left"),
              (view.only_right, "only on the right"), (view.unknown, "not recorded"))  # fmt: skip
    yield f"{view.left} and {view.right}: " + ", ".join(f"{count} rows {what}" for count, what in counts if count)
    for at, line in enumerate(view.lines, view.first):
        parts = at == view.parting and line.state != "same"
        if parts or line.chosen:
            by = f" by {number(line.difference)}" if line.difference else ""
            partner = f"; on the other side {line.partner}" if line.partner else ""
            place = f", {line.place}" if line.place else ""
            yield (f"{'they part at ' if parts else ''}{line.left or line.right} {line.label}, {line.what}: "
                   f"{line.state}{by}{partner}{place}")  # fmt: skip


def _what_if(view: WhatIf) -> Lines:
    if view.note or view.before is None or view.after is None or view.actual is None:
        yield view.note
        return
    name = f"{view.name}{index(view.element)}"
    yield f"if {name} were {number(view.after, 7)} instead of {number(view.before, 7)} in t{view.step}:"
    if view.gradient is not None and view.predicted is not None:
        yield (f"the gradient {number(view.gradient, 6)} predicts that {view.goal} changes by "
               f"{signed(view.predicted, 6)}")  # fmt: skip
    yield (f"really it changes by {signed(view.actual, 6)}, from {number(view.goal_before, 7)} to "
           f"{number(view.goal_after, 7)}")  # fmt: skip
    if view.predicted is not None:
        yield f"the difference, {signed(view.actual - view.predicted, 3)}, is what is not linear"
    for change in view.changes[:LISTED]:
        norm = "norm " * change.array
        yield f"{change.name}: {norm}{number(change.before, 6)} becomes {number(change.after, 6)}"
    more = view.more + max(0, len(view.changes) - LISTED)
    yield f"and {more} more values change" if more else ""


def _stops(view: StopsView) -> Lines:
    yield view.note
    for line in view.lines:
        where = "" if line.moments is None else "; nowhere in this training step"
        if line.moments:
            where = f"; stops at {', '.join(line.moments[:LISTED])}{' and more' * (len(line.moments) > LISTED)}"
        told = watch_told(line.watch) if line.kind == "condition" else f"breakpoint {line.watch.text}"
        yield f"{told}{where}{'; chosen' if line.chosen else ''}"


_TELLERS: dict[str, Callable[[Any], Lines]] = {
    "tape": _tape, "chain": _chain, "map": _map, "passes": _passes, "memory": _memory, "train": _train,
    "kernels": _kernels, "doctor": lambda view: iter(report_lines(view)), "explain": _explain, "compare": _compare,
    "what-if": _what_if, "stops": _stops,
}  # fmt: skip
