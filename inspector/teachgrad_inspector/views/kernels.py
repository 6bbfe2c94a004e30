"""The Kernels screen: what runs, for how long and how near to what the machine can do; its code, and the lines of the
user that it comes from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from teachgrad.recording import Account, Moment, Row
from teachgrad.recording.accounts import Machine, Piece
from teachgrad.recording.text import clean

from ..formulas import expression, op_named
from ..holding import flops_of, is_view
from ..numbers import shape
from ..rewrites import Rewrites
from ..session import Session
from .options import Options
from .passes import called, compilation, place_of, program_of
from .source import SourceView, view_source

PANES = ("kernels", "code", "ops", "source")
MAX_LINE = 1000
"""So many characters of a line are looked at for what it computes."""
AROUND = 80
"""So many lines and kernels are given before and after the present ones."""


@dataclass(frozen=True, slots=True)
class KernelLine:
    """A kernel: what it computes, and what that takes."""

    name: str
    runs: str
    """What runs it: `C`, `NumPy`, ... ."""
    ops: int
    moved: int
    """Bytes read and written."""
    flops: int
    seconds: float | None
    intensity: float | None
    """Flops for each byte."""
    least: float | None
    """The seconds at the roofline of the machine."""
    bound: str
    """`memory` or `arithmetic`."""
    moment: str
    cursor: bool


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of the program. `mark` is `op` if it is about the present op, `kernel` if it is in the same kernel."""

    number: int
    text: str
    mark: str
    cursor: bool
    moment: str
    """Where what it computes is."""


@dataclass(frozen=True, slots=True)
class OpLine:
    """An op of the present kernel."""

    name: str
    text: str
    shape: str
    place: str
    moment: str
    cursor: bool


@dataclass(frozen=True, slots=True)
class KernelsView:
    """The Kernels screen at a moment."""

    moment: str
    function: str
    executor: str
    kernels: tuple[KernelLine, ...]
    first: int
    """The number of the first of them, from 0."""
    count: int
    total: KernelLine | None
    """All of them together."""
    language: str
    title: str
    code: tuple[CodeLine, ...]
    ops: tuple[OpLine, ...]
    source: SourceView | None
    machine: str
    timed: str
    """Where the seconds come from."""
    note: str


def view_kernels(session: Session, moment: Moment, options: Options) -> KernelsView:
    """The Kernels screen at a moment."""
    found = program_of(session, moment, options)
    row = session.row(moment)
    here = Program(session, moment, found[1]) if found is not None else None
    if here is None or here.node(row) is None:
        return _numpy_calls(session, moment, here)
    account = here.account
    at = here.piece_of(row)
    lines = [here.line(number, number == at) for number in range(len(account.pieces))]
    first = max(0, (at or 0) - AROUND)
    return KernelsView(
        moment=str(moment),
        function=account.name,
        executor=account.executor,
        kernels=tuple(lines[first : first + 2 * AROUND]),
        first=first,
        count=len(lines),
        total=_together(lines),
        language=account.language,
        title=_title(account, at),
        code=tuple(here.code(row, options)),
        ops=tuple(here.ops(row)),
        source=view_source(session, row, moment),
        machine=_told(account.machine),
        timed=here.timed,
        note=_note(account),
    )  # fmt: skip


class Program:
    """A compiled function as the rows of one training step see it."""

    def __init__(self, session: Session, moment: Moment, rewrites: Rewrites) -> None:
        self.session, self.moment, self.rewrites = session, moment, rewrites
        self.account: Account = rewrites.account
        self.step = session.step(moment)
        key = (self.step.number, len(self.step.rows), self.account.name, id(self.account))
        self.rows: Mapping[int, int] = session.kept(self._rows, "node rows", *key)
        """The row that makes each node."""
        self.seconds: Mapping[int, float] = session.kept(self._seconds, "node seconds", *key)
        self.pieces: Mapping[int, int] = session.kept(self._pieces, "node pieces", id(self.account))
        self.labels: Mapping[str, int] = session.kept(self._labels, "labels", id(self.account))

    def _rows(self) -> dict[int, int]:
        return {self.account.node_of[vertex]: row for vertex, row in self.step.made.items()
                if vertex in self.account.node_of}  # fmt: skip

    def _seconds(self) -> dict[int, float]:
        """The seconds of the statements that ran in the recording, by the node that they computed."""
        found: dict[int, float] = {}
        for ran in self.session.run.kernels(self.step.number):
            if len(ran.vertices) == 1 and ran.vertices[0] in self.account.node_of:
                found[self.account.node_of[ran.vertices[0]]] = ran.seconds
        return found

    def _pieces(self) -> dict[int, int]:
        return {node: number for number, piece in enumerate(self.account.pieces) for node in piece.nodes}

    def _labels(self) -> dict[str, int]:
        return {node.label: node.id for node in self.account.nodes if node.label and node.kind == "op"}

    def node(self, row: Row) -> int | None:
        """The node that a row is about: of an update, the op that makes the new value is not known, but the leaf is."""
        return self.account.node_of.get(row.vertex)

    def piece_of(self, row: Row) -> int | None:
        """The kernel that computes what a row is about; of a view or a leaf, the first that reads it, or a view of
        it."""
        node = self.node(row)
        if node is not None and node in self.pieces:
            return self.pieces[node]
        last = self.rewrites.state(self.rewrites.last)
        seen = {node}
        for other in (self.account.by_id[number] for number in last.order):
            if other.view and any(x.id in seen for x in last.inputs(other)):
                seen.add(other.id)
        readers = (number for number, piece in enumerate(self.account.pieces)
                   if any(x.id in seen for k in piece.nodes for x in last.inputs(self.account.by_id[k])))
        return next(readers, None)

    def moment_of(self, node: int) -> str:
        """Where a node is made in this training step; empty if it is not."""
        row = self.rows.get(node)
        return str(Moment(self.step.number, row, self.step.rows[row].phase)) if row is not None else ""

    def line(self, number: int, cursor: bool) -> KernelLine:
        piece = self.account.pieces[number]
        moved = piece.read + piece.written
        seconds = piece.seconds
        if seconds is None and piece.runs == "NumPy":
            seconds = self.seconds.get(piece.nodes[-1])
        least, bound = roofline(self.account.machine, piece)
        return KernelLine(
            piece.name or "kernel", piece.runs, len(piece.nodes), moved, piece.flops, seconds,
            piece.flops / moved if moved else None, least, bound, self.moment_of(piece.nodes[0]), cursor,
        )  # fmt: skip

    @property
    def timed(self) -> str:
        if any(piece.seconds is not None for piece in self.account.pieces):
            return "seconds of the last profile before the recording"
        if self.account.language == "C":
            return "no seconds of C: while it is recorded, NumPy computes; run tg.profile before recording"
        if self.account.language == "CUDA":
            return "no seconds of CUDA: while it is recorded, ops run one by one; run tg.profile before recording"
        return "seconds of this training step, as recorded"

    def ops(self, row: Row) -> list[OpLine]:
        """The ops of the kernel that a row is about."""
        at = self.piece_of(row)
        last = self.rewrites.state(self.rewrites.last)
        found = []
        for number in self.account.pieces[at].nodes if at is not None else ():
            node = self.account.by_id[number]
            place = place_of(self.session, self.account, node.site)
            text = called(self.rewrites, last, node)
            found.append(OpLine(self.rewrites.names[number], text, shape(node.shape), place, self.moment_of(number),
                                number == self.node(row)))  # fmt: skip
        return found

    def code(self, row: Row, options: Options) -> list[CodeLine]:
        """The program around the lines of the present op."""
        lines = self.account.source.split("\n")
        at = self.piece_of(row)
        piece = self.account.pieces[at] if at is not None else None
        if piece is None or not piece.first:
            return _forward_of(row)
        node = self.node(row)
        label = self.account.by_id[node].label if node is not None else ""
        marked = [number for number in range(piece.first, piece.last + 1) if self.computes(lines[number - 1]) == node]
        word = re.compile(rf"\b{re.escape(label)}\b(?!\()") if label else None
        code = [number for number in marked if not lines[number - 1].startswith(("/*", " *"))]
        cursor = options.line if options.line is not None else (code or marked or [piece.first])[0]
        cursor = min(max(1, cursor), len(lines))
        found = []
        for number in range(max(1, cursor - AROUND), min(len(lines), cursor + AROUND) + 1):
            text = lines[number - 1]
            inside = piece.first <= number <= piece.last
            about = inside and (number in marked or (word is not None and word.search(text) is not None))
            made = self.computes(text) if text else None
            found.append(CodeLine(number, text, "op" if about else "kernel" if inside else "", number == cursor,
                                  self.moment_of(made) if made is not None else ""))  # fmt: skip
        return found

    def computes(self, text: str) -> int | None:
        """The node that a line of the program computes, by the name that it gives it."""
        match = ASSIGNED.search(text[:MAX_LINE])
        if match is None:
            return None
        name = match[1] or match[2]
        return self.labels.get(name) if name in self.labels else self.labels.get(OUTPUT.sub("", name))


ASSIGNED = re.compile(r"\b(\w+)(?:\[[^\]]*\])? [-+*/|]?= |(?:^    \w+\(.*?|\bout=)(\w+)\)(?:  #|$)")
OUTPUT = re.compile(r"_(?:out|line|value)$")
"""What kernels add to the name of a value for the array that it is stored in."""


def roofline(machine: Machine | None, piece: Piece) -> tuple[float | None, str]:
    """The seconds that a kernel would take at the roofline, and what bounds it there."""
    moved = piece.read + piece.written
    if machine is None or not (moved or piece.flops) or min(machine.bandwidth, machine.single, machine.double) <= 0:
        return None, ""
    memory = moved / machine.bandwidth
    arithmetic = piece.flops / (machine.double if piece.dtype == "float64" else machine.single)
    return max(memory, arithmetic), "memory" if memory >= arithmetic else "arithmetic"


def _together(lines: Sequence[KernelLine]) -> KernelLine | None:
    """All kernels as one."""
    if not lines:
        return None
    seconds = [line.seconds for line in lines if line.seconds is not None]
    moved, flops = sum(line.moved for line in lines), sum(line.flops for line in lines)
    least = [line.least for line in lines if line.least is not None and line.seconds is not None]
    return KernelLine("together", "", sum(line.ops for line in lines), moved, flops, sum(seconds) if seconds else None,
                      flops / moved if moved else None, sum(least) if least else None, "", "", False)  # fmt: skip


def _title(account: Account, at: int | None) -> str:
    piece = account.pieces[at] if at is not None else None
    if piece is None:
        return "no kernel computes this"
    if not piece.first:
        by_library = piece.runs in ("NumPy", "CuPy", "cuBLAS")
        return f"{piece.runs} computes this" if by_library else account.language or "source"
    return f"{account.language}  {piece.name}" if account.language != "Python" else "Python, calls of NumPy"


def _told(machine: Machine | None) -> str:
    if machine is None:
        return ""
    return (f"this machine copied {machine.bandwidth / 1e9:.3g} GB/s and multiplied {machine.single / 1e9:.3g} Gflop/s "
            f"in float32; ridge at {machine.single / machine.bandwidth:.2g} flop/B")  # fmt: skip


def _note(account: Account) -> str:
    if account.machine is None and account.language != "CUDA":
        return "no roofline: tg.profile before recording measures what the machine can do"
    return ""


# ---- without a program -----------------------------------------------------------------------------------------------


def _numpy_calls(session: Session, moment: Moment, program: Program | None) -> KernelsView:
    """Rows that no program computes: each op of dynamic mode is a call of NumPy."""
    step = session.step(moment)
    programs = [compilation(session, number).account.node_of for number in range(session.run.programs)]
    rows: list[Row] = session.kept(
        lambda: [row for row in step.rows if row.kind == "op" and row.value is not None
                 and not any(row.vertex in nodes for nodes in programs)],
        "ops", step.number, len(step.rows), len(programs),
    )  # fmt: skip
    places: Mapping[int, int] = session.kept(
        lambda: {row.vertex: place for place, row in enumerate(rows)},
        "op places", step.number, len(step.rows), len(programs),
    )  # fmt: skip
    here = session.row(moment)
    about = here.source if here.kind == "edge" and here.source is not None else here.vertex
    readers = (places[step.rows[row].vertex] for row in step.readers(about) if step.rows[row].vertex in places)
    at = places[about] if about in places else next(readers, 0)
    first = max(0, at - AROUND)
    lines = [_call(session, row, k + first == at) for k, row in enumerate(rows[first : first + 2 * AROUND])]
    chosen = rows[at] if rows else None
    outside = program is not None
    return KernelsView(
        str(moment), "", "numpy", tuple(lines), first, len(rows), None,
        "Python", "NumPy computes this", tuple(_forward_of(chosen)) if chosen is not None else (),
        (_numpy_op(session, moment, chosen),) if chosen is not None else (),
        view_source(session, chosen or here, moment), "", "dynamic mode: no seconds are recorded",
        "this row is not part of the program" if outside else "dynamic mode calls NumPy once for each op; @tg.static "
        "with level=\"O3\" makes C of them",
    )  # fmt: skip


def _call(session: Session, row: Row, cursor: bool) -> KernelLine:
    read = [session.info(session.value_of(x, row.moment)) for x in dict.fromkeys(row.inputs)]
    infos = [session.info(row.value), *read]
    moved = 0 if is_view(row) else sum(info.nbytes for info in infos if info is not None)
    flops = flops_of(session.run, session.run.step(row.step), row) or 0
    return KernelLine(f"{session.name(row.vertex, row.step)} = {row.op}", "NumPy", 1, moved, flops, None,
                      flops / moved if moved else None, None, "", str(row.moment), cursor)  # fmt: skip


def _numpy_op(session: Session, moment: Moment, row: Row) -> OpLine:
    info = session.info(row.value)
    site = session.site(row, moment)
    place = f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site is not None else ""
    text = expression(row.op or "op", session.names(row), session.attrs(row))
    return OpLine(session.name(row.vertex, row.step), text, shape(info.shape) if info is not None else "", place,
                  str(row.moment), True)  # fmt: skip


def _forward_of(row: Row | None) -> list[CodeLine]:
    """The code of teachgrad that calls NumPy for an op."""
    op = op_named(row.op) if row is not None else None
    if op is None:
        return []
    try:
        lines = inspect.getsourcelines(type(op).forward)[0]
    except (OSError, TypeError):
        return []
    margin = len(lines[0]) - len(lines[0].lstrip())
    texts = [clean(line.rstrip("\n")[margin:]) for line in lines]
    return [CodeLine(number, text, "op", number == 1, "") for number, text in enumerate(texts, 1)]
