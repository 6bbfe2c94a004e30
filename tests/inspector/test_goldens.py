"""Every screen at several sizes, as text that can be read in a diff.

After a change that is meant, `TEACHGRAD_UPDATE_GOLDENS=1 pytest tests/inspector/test_goldens.py` writes them anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teachgrad.recording import Moment
from teachgrad_inspector.canvas import cell_width
from teachgrad_inspector.glyphs import ASCII, UNICODE
from teachgrad_inspector.keys import footer
from teachgrad_inspector.learning.tours import load
from teachgrad_inspector.screens import SCREENS, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.stops import stop
from teachgrad_inspector.views.compare import Other
from teachgrad_inspector.views.options import Edit, Options

from .test_threads import CASES as THREADS

GOLDENS = Path(__file__).parent / "goldens"
PLAIN = Options()
STOPPING = Options(stops=tuple(map(stop, (
    "norm(fc1.weight.grad) > 10", "h[0,1]", "at fc2.weight.grad", "op relu", "line net.py:5", "mean(nothing)",
    "x + fc2.weight",
))))
CHANGED = Options(edit=Edit(2, (0, 1), 0.25))
TOUR = load("", "micrograd")
TOURING = Options(tour=TOUR, place=7, visited=Moment(0, 12, "bwd"), predict=True)
ORDERING = Options(tour=TOUR, place=5, visited=Moment(0, 8, "bwd"), predict=True, revealed=frozenset({"value"}),
                   spotlight="e", verdict="not e: it waits", tally=(1, 2))  # fmt: skip
SIZES = [(40, 10), (60, 20), (80, 24), (100, 30), (160, 48)]
CASES: dict[str, tuple[str, str, str, tuple[int, int], Options]] = {
    **{f"micrograd-{screen}-{w}x{h}": ("micrograd", "t0/bwd/a.grad", screen, (w, h), PLAIN)
       for screen in SCREENS for w, h in SIZES},
    **{f"net-{screen}-{w}x{h}": ("net", "t1/bwd/fc1.weight.grad", screen, (w, h), PLAIN)
       for screen in SCREENS for w, h in SIZES},
    "micrograd-start": ("micrograd", "t0/fwd/0", "tape", (80, 24), PLAIN),
    "micrograd-first-contribution": ("micrograd", "t0/bwd/9", "chain", (80, 24), PLAIN),
    "micrograd-leaf": ("micrograd", "t0/fwd/0", "chain", (80, 24), PLAIN),
    "micrograd-op": ("micrograd", "e", "chain", (80, 24), PLAIN),
    "micrograd-seed": ("micrograd", "t0/bwd/6", "chain", (80, 24), PLAIN),
    "micrograd-check": ("micrograd", "t0/bwd/a.grad", "chain", (100, 26), Options(check=True)),
    "micrograd-predict": ("micrograd", "t0/bwd/a.grad", "chain", (80, 24), Options(predict=True)),
    "micrograd-predict-tape": ("micrograd", "t0/bwd/a.grad", "tape", (80, 24), Options(predict=True)),
    "micrograd-narration": ("micrograd", "t0/bwd/9", "tape", (100, 24), Options(narration=True)),
    "micrograd-zoom-source": ("micrograd", "t0/bwd/9", "tape", (80, 20), Options(zoom=True, pane=4)),
    "micrograd-narrow-gradient": ("micrograd", "t0/bwd/9", "tape", (50, 14), Options(pane=2)),
    "net-folded": ("net", "t0/bwd/fc1.weight.grad", "tape", (90, 26), Options(folded=frozenset({"fc1", "fc2"}))),
    "net-element": ("net", "t0/bwd/fc1.weight.grad[0,1]", "chain", (80, 24), PLAIN),
    "net-numbers": ("net", "t0/bwd/fc1.weight.grad", "chain", (120, 30), Options(numbers=True)),
    "net-update": ("net", "t1/upd/fc1.weight", "chain", (80, 24), PLAIN),
    "net-sum": ("net", "t0/9", "chain", (80, 24), PLAIN),
    "net-second-step": ("net", "t1/fwd/0", "tape", (80, 24), PLAIN),
    **{f"training-train-{w}x{h}": ("training", "t12/bwd/5", "train", (w, h), PLAIN) for w, h in SIZES},
    "training-train-dead": ("training", "t39", "train", (120, 32), Options(line=2)),
    "training-train-predict": ("training", "t3", "train", (80, 24), Options(predict=True)),
    "training-train-zoom": ("training", "t3", "train", (80, 20), Options(zoom=True, pane=2)),
    "training-train-narrow": ("training", "t3", "train", (60, 20), Options(pane=4)),
    **{f"trouble-doctor-{w}x{h}": ("trouble", "t0/fwd/0", "doctor", (w, h), PLAIN) for w, h in SIZES},
    "trouble-doctor-second": ("trouble", "t0/fwd/0", "doctor", (80, 24), Options(line=1)),
    **{f"net-stops-set-{w}x{h}": ("net", "t1/bwd/fc1.weight.grad", "stops", (w, h), STOPPING) for w, h in SIZES},
    **{f"net-what-if-changed-{w}x{h}": ("net", "t0", "what-if", (w, h), CHANGED) for w, h in SIZES},
    "net-what-if-predict": ("net", "t0", "what-if", (80, 24), CHANGED.but(predict=True)),
    **{f"training-compare-steps-{w}x{h}": ("training", "t2", "compare", (w, h), Options(other=Other(None, 3)))
       for w, h in SIZES},
    "net-watches": ("net", "t1/bwd/fc1.weight.grad", "tape", (100, 30), STOPPING),
    "net-watches-predict": ("net", "t1/bwd/fc1.weight.grad", "tape", (100, 30), STOPPING.but(predict=True)),
    **{f"attention-map-{w}x{h}": ("attention", "scores", "map", (w, h), Options(level="block")) for w, h in SIZES},
    "attention-map-whole": ("attention", "t0/fwd/0", "map", (80, 24), PLAIN),
    "attention-map-backward": ("attention", "last", "map", (100, 40), Options(level="block")),
    "attention-map-predict": ("attention", "last", "map", (100, 20), Options(predict=True)),
    "attention-map-folded": ("attention", "scores", "map", (60, 20), Options(folded=frozenset({"block"}), pane=1)),
    "attention-map-inside": ("attention", "t0/fwd/2", "map", (80, 24), Options(level="block.q")),
    "net-map-update": ("net", "t1/upd/fc2.weight", "map", (80, 24), PLAIN),
    "deep-map-inside": ("deep", "t0/fwd/14", "map", (80, 24), Options(level="block0")),
    "deep-parked": ("deep", "t0/fwd/14", "tape", (80, 24), PLAIN),
    "deep-unparked": ("deep", "t0/bwd/30", "tape", (80, 24), PLAIN),
    **{f"program-memory-{w}x{h}": ("program", "t1/fwd/6", "memory", (w, h), PLAIN) for w, h in SIZES},
    "program-memory-dynamic": ("program", "t1/fwd/6", "memory", (100, 30), Options(dynamic=True)),
    "program-memory-recomputed": ("program", "t1/fwd/6", "memory", (120, 30), Options(dropped=frozenset({5}))),
    "program-memory-zoom": ("program", "t0/fwd/8", "memory", (80, 20), Options(zoom=True, pane=2)),
    "program-memory-narrow": ("program", "t0/fwd/8", "memory", (50, 14), Options(pane=3, line=1)),
    **{f"program-passes-{w}x{h}": ("program", "t1/fwd/6", "passes", (w, h), Options(stop=2)) for w, h in SIZES},
    "program-passes-recorded": ("program", "t1/fwd/6", "passes", (80, 24), PLAIN),
    "program-passes-drawn": ("program", "t1/fwd/6", "passes", (140, 40), Options(stop=1)),
    "program-passes-last": ("program", "t1/fwd/6", "passes", (100, 30), Options(stop=9)),
    "program-passes-misses": ("program", "t1/fwd/6", "passes", (80, 20), Options(stop=2, pane=5, zoom=True)),
    "program-passes-narrow": ("program", "t1/fwd/6", "passes", (60, 20), Options(stop=1, pane=2)),
    **{f"program-kernels-{w}x{h}": ("program", "t1/fwd/4", "kernels", (w, h), PLAIN) for w, h in SIZES},
    "program-kernels-numpy": ("program", "t1/fwd/6", "kernels", (100, 30), Options(pane=1)),
    "program-kernels-line": ("program", "t1/fwd/4", "kernels", (100, 30), Options(pane=1, line=29)),
    "program-kernels-table": ("program", "t1/fwd/4", "kernels", (100, 20), Options(zoom=True)),
    "program-kernels-update": ("program", "t1/upd/9", "kernels", (80, 24), PLAIN),
    "program-tape": ("program", "t1/fwd/6", "tape", (80, 24), PLAIN),
    **{f"micrograd-tour-{w}x{h}": ("micrograd", "t0/bwd/a.grad", "chain", (w, h), TOURING) for w, h in SIZES},
    **{f"micrograd-order-{w}x{h}": ("micrograd", "t0/bwd/8", "tape", (w, h), ORDERING) for w, h in SIZES},
    **{f"net-predict-{w}x{h}": ("net", "t0/bwd/h.grad", "tape", (w, h), Options(predict=True, narration=True,
       revealed=frozenset({"shape"}))) for w, h in SIZES},
    "net-tour-left": ("net", "t0/fwd/2", "tape", (80, 24), Options(tour=TOUR, visited=Moment(0, 1, "fwd"))),
    "trouble-memory": ("trouble", "t0/fwd/2", "memory", (80, 16), PLAIN),
    "trouble-nan": ("trouble", "t0/fwd/2", "tape", (80, 16), PLAIN),
    "trouble-zero-gradient": ("trouble", "last", "tape", (80, 16), PLAIN),
    "too-small": ("micrograd", "t0/fwd/0", "tape", (38, 9), PLAIN),
}  # fmt: skip


def draw(session: Session, case: str, ascii_only: bool = False) -> list[str]:
    _, address, screen, (width, height), options = CASES[case]
    moment = session.run.resolve(address)
    keys = footer(SCREENS[screen].actions)
    return frame(session, moment, screen, options, width, height, ASCII if ascii_only else UNICODE, keys).text()


@pytest.mark.parametrize("case", CASES)
def test_screen(case: str, session: Callable[..., Session]) -> None:
    opened = session(CASES[case][0])
    text = "\n".join(draw(opened, case)) + "\n"
    golden = GOLDENS / f"{case}.txt"
    if os.environ.get("TEACHGRAD_UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_every_line_fits(case: str, session: Callable[..., Session]) -> None:
    width, height = CASES[case][3]
    lines = draw(session(CASES[case][0]), case)
    assert len(lines) == height
    assert max(map(cell_width, lines)) <= width


@pytest.mark.parametrize("case", CASES)
def test_in_ascii_every_byte_is_ascii(case: str, session: Callable[..., Session]) -> None:
    width, height = CASES[case][3]
    lines = draw(session(CASES[case][0]), case, ascii_only=True)
    assert all(line.isascii() and len(line) <= width for line in lines)
    assert len(lines) == height
    if width >= 40 and CASES[case][2] == "tape" and not CASES[case][4].pane:
        assert sum(line.startswith("|>") for line in lines) == 1  # the cursor is to be seen without colour


@pytest.mark.parametrize("level", ["meta", "stats"])
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", ["micrograd", "net", "deep", "trouble", "program"])
def test_every_moment_can_be_drawn_at_every_level(
    name: str, screen: str, level: str, session: Callable[..., Session]
) -> None:
    opened = session(name, level)
    options = Options(check=True, narration=True, numbers=True)
    for number in range(opened.run.steps):
        for row in range(opened.run.length(number)):
            moment = opened.run.at(number, row)
            lines = frame(opened, moment, screen, options, 100, 30, UNICODE, ()).text()
            assert len(lines) == 30
            assert lines[-2].startswith(f" {moment} ")


def test_there_is_no_golden_without_a_case() -> None:
    threads = {f"threads-{name}" for name in THREADS}
    assert {path.stem for path in GOLDENS.glob("*.txt")} == {*CASES, *threads}
