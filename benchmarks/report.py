"""The tables of a run, as Markdown. Nothing in `RESULTS.md` is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from .bars import BARS, Bar
from .peers import PEERS, YARDSTICK
from .results import Entry, Results
from .timing import Estimate
from .worker import CHECKED_STEPS, TOLERANCE
from .workloads import WORKLOADS


def markdown(results: Results) -> str:
    parts = [_heading(results)]
    if results.entries:
        parts += [_steps(results), _first_steps(results)]
    parts += [_goals(results), *_costs(results), _not_run(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(results: Results) -> str:
    m = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    return f"""# Benchmarks

Written by `python -m benchmarks.run` ({results.effort} effort); `README.md` beside this file says how a figure is made.

- Date: {m["date"]}. Machine: {m["processor"]}, {m["cores"]} cores, {m["memory_gib"]} GiB, {m["system"]}.
- Everything on one thread, on core {m["pinned_to"]}. Load average before {m["load"]:.2f}, after {m["load_after"]:.2f}.
- Python {m["python"]}; {versions}."""


def _steps(results: Results) -> str:
    columns = list(results.entries)
    rows = []
    for key in _peers(results):
        cells = [_step_cell(key, results.entries[workload].get(key)) for workload in columns]
        rows.append([PEERS[key].title, *cells])
    legend = "; ".join(f"{name}: {WORKLOADS[name].title}" for name in columns)
    return f"""## One training step

Milliseconds for forward, backward and SGD update in float32, and in brackets how many times as long as NumPy by hand
took in the same process, taking turns (median of paired ratios). {legend}.

{_table(["", *columns], rows)}

A time counts only when the losses of the first {CHECKED_STEPS} steps agree with NumPy by hand to {TOLERANCE:g},
relative. micrograd works on Python floats, one at a time. TinyJit, jax.jit, torch.compile and PyTensor compile first:
see the next table."""


def _step_cell(key: str, entry: Entry | None) -> str:
    if entry is None:
        return ""
    if entry.not_run:
        return "NOT RUN"
    milliseconds = f"{_digits(entry.seconds * 1e3)}"
    over = entry.over.get(YARDSTICK)
    return f"{milliseconds} ({_digits(over.value)}x)" if over and key != YARDSTICK else milliseconds


def _first_steps(results: Results) -> str:
    columns = list(results.entries)
    rows = []
    for key in _peers(results):
        cells = []
        for workload in columns:
            entry = results.entries[workload].get(key)
            cells.append(_digits(entry.first_steps) if entry and not entry.not_run else "")
        rows.append([PEERS[key].title, *cells])
    return f"""## Before the first result

Seconds to import the library, build the model and take the first {CHECKED_STEPS} steps, compiling included.

{_table(["", *columns], rows)}"""


def _goals(results: Results) -> str:
    measures = results.measures()
    rows = [[bar.claim, _goal(bar), *_verdict(bar, measures.get(bar.measure), bar.reached(measures))] for bar in BARS]
    reached = sum(bar.reached(measures) is True for bar in BARS)
    return f"""## Goals

{reached} of {len(BARS)} reached. In brackets the 95 % confidence interval of the median. "Never slower" means not
measurably slower: there the interval's lower end counts.

{_table(["goal", "at most", "measured", ""], rows)}"""


def _goal(bar: Bar) -> str:
    return f"{bar.limit:g} {bar.unit}".strip()


def _verdict(bar: Bar, estimate: Estimate | None, reached: bool | None) -> tuple[str, str]:
    if estimate is None:
        return "", "not measured"
    return f"{_spread(estimate)} {bar.unit}".strip(), "reached" if reached else "NOT REACHED"


def _costs(results: Results) -> Iterator[str]:
    costs = results.costs
    if "import" in costs:
        rows = [[name, f"{_spread(e)} s"] for name, e in sorted(costs["import"].items(), key=lambda kv: kv[1].value)]
        yield f"## Import time, over NumPy's own\n\n{_table(['', 'seconds'], rows)}"
    if "op" in costs:
        rows = [[name, f"{_spread(e)}x"] for name, e in costs["op"].items()]
        yield f"## One forward op on 10 elements, over the bare NumPy call\n\n{_table(['', 'ratio'], rows)}"
    if "recording" in costs:
        rows = [
            [f"level {level}", f"{_spread(e)}x"] if level != "off" else ["off: share of the step", _spread(e)]
            for level, e in costs["recording"].items()
        ]
        yield f"## An mlp step while recorded, over one that is not\n\n{_table(['', 'ratio'], rows)}"
    if "profile" in costs:
        rows = [[name, f"{_spread(e)}x"] for name, e in costs["profile"].items()]
        yield f"## A step while a profile is taken, over one without\n\n{_table(['', 'ratio'], rows)}"
    if "cores" in costs:
        rows = [[name, f"{_spread(e)}x"] for name, e in costs["cores"].items()]
        yield f"## A step of static O3 on two cores, over the same on one\n\n{_table(['', 'ratio'], rows)}"
    if "sizes" in costs:
        rows = [[name, _spread(e)] for name, e in costs["sizes"].items()]
        yield f"## The first step with a new batch size, above a later one\n\n{_table(['', ''], rows)}"
    if "memory" in costs:
        yield _memory(costs["memory"])


def _memory(rows: dict[str, Estimate]) -> str:
    workloads = [name for name in WORKLOADS if any(row.startswith(f"{name}: ") for row in rows)]
    table = []
    for key, peer in PEERS.items():
        figures = [rows.get(f"import: {peer.distribution}"), *(rows.get(f"{name}: {key}") for name in workloads)]
        if any(figures[1:]):
            base = figures[0].value if figures[0] else 0.0
            more = [f"{e.value / 2**20:.0f} (+{(e.value - base) / 2**20:.0f})" if e else "" for e in figures[1:]]
            table.append([peer.title, f"{base / 2**20:.0f}", *more])
    return f"""## Peak memory

MiB resident at most, as the system counted for the process: when it only imports NumPy and the library, and when it
takes {CHECKED_STEPS} steps; how much more than the import that is.

{_table(["", "import", *workloads], table)}"""


def _not_run(results: Results) -> str:
    rows = [
        [PEERS[key].title, workload, entry.not_run]
        for workload, by_peer in results.entries.items()
        for key, entry in by_peer.items()
        if entry.not_run
    ]
    rows += [["", f"cost: {name}", reason] for name, reason in results.not_measured.items()]
    return f"## NOT RUN\n\n{_table(['', '', 'reason'], rows)}" if rows else ""


def _peers(results: Results) -> list[str]:
    """Those that have an entry anywhere, in the order of the table of peers."""
    return [key for key in PEERS if any(key in by_peer for by_peer in results.entries.values())]


def _digits(value: float) -> str:
    """Three digits, no exponent: 0.0365, 1.27, 44.2, 1172."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= value < 1000 else f"{value:.3g}" if value < 1 else f"{value:.0f}"


def _spread(estimate: Estimate) -> str:
    return f"{_digits(estimate.value)} ({_digits(estimate.low)} to {_digits(estimate.high)})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def main(folder: Path = Path(__file__).parent) -> None:
    """Write `RESULTS.md` again from `results.json`, with no measuring: for when only the report has changed."""
    results = Results.from_json(json.loads((folder / "results.json").read_text()))
    (folder / "RESULTS.md").write_text(markdown(results))


if __name__ == "__main__":
    main()
