"""Addresses: typed, found, printed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad.recording import PHASES, Address, Moment, Reader, Recorder, RecordingError, parse

from .runs import training


@pytest.mark.parametrize(("text", "address"), [
    ("t12/bwd/41", Address(12, "bwd", 41)),
    (":t0/bwd/a.grad", Address(0, "bwd", name="a.grad")),
    ("t3", Address(3)),
    ("t3/upd", Address(3, "upd")),
    ("t3/W1", Address(3, name="W1")),
    (" : W1 ", Address(name="W1")),
    ("W1.grad[3, 1]", Address(name="W1.grad", element=(3, 1))),
    ("t0/fwd/2[0]", Address(0, "fwd", 2, element=(0,))),
    ("last", Address(last=True)),
    ("last W1", Address(name="W1", last=True)),
    ("[bold]x[/]", Address(name="[bold]x[/]")),
    ("t1000000000000000000000/fwd/1", Address(name="t1000000000000000000000/fwd/1")),
])  # fmt: skip
def test_parse(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize("text", ["", ":", "  ", "x[99999999999999999999]"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(RecordingError):
        parse(text)


@given(
    st.integers(0, 10**15),
    st.integers(0, 10**15),
    st.sampled_from(PHASES),
    st.none() | st.lists(st.integers(0, 10**6), min_size=1, max_size=4).map(tuple),
)
def test_a_moment_is_its_own_address(step: int, row: int, phase: str, element: tuple[int, ...] | None) -> None:
    moment = Moment(step, row, phase, element)  # type: ignore[arg-type]
    assert parse(str(moment)) == Address(step, phase, row, element=element)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    with contextlib.suppress(RecordingError):
        parse(text)


@pytest.mark.parametrize(("address", "moment"), [
    ("t0/bwd/9", "t0/bwd/9"),
    ("t0/9", "t0/bwd/9"),
    ("t0", "t0/fwd/0"),
    ("t0/bwd", "t0/bwd/6"),
    ("t0/bwd/a.grad", "t0/bwd/12"),  # the finished gradient
    ("a.grad", "t0/bwd/9"),  # the first of its contributions
    ("last a.grad", "t0/bwd/12"),
    ("last", "t0/bwd/12"),
    ("e", "t0/fwd/2"),
    ("a[0]", "t0/fwd/0[0]"),
])  # fmt: skip
def test_resolve(micrograd: Path, address: str, moment: str) -> None:
    with Reader(micrograd) as run:
        assert str(run.resolve(address)) == moment


def test_a_name_is_looked_for_from_here_on(micrograd: Path) -> None:
    with Reader(micrograd) as run:
        assert str(run.resolve("a.grad", run.at(0, 9))) == "t0/bwd/12"
        assert str(run.resolve("a.grad", run.at(0, 12))) == "t0/bwd/9"


@pytest.mark.parametrize(("address", "message"), [
    ("t7", "no training step t7; the last one is t0"),
    ("t0/fwd/9", "row 9 of t0 stands in bwd: t0/bwd/9"),
    ("t0/99", "no row 99 in t0, which has 13 rows"),
    ("t0/upd", "t0 has no upd phase"),
    ("a.gard", "did you mean 'a.grad'"),
    ("t0/fwd/a.grad", "no row about 'a.grad' in the fwd phase"),
    ("x\x1b[31m", r"no row about 'x\\\\x1b"),
])  # fmt: skip
def test_addresses_that_lead_nowhere(micrograd: Path, address: str, message: str) -> None:
    with Reader(micrograd) as run, pytest.raises(RecordingError, match=message):
        run.resolve(address)


def test_names_across_training_steps(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        training(30)
    with Reader(tmp_path / "r.tgr") as run:
        assert str(run.resolve("w", run.at(5, 0))) == "t5/upd/4"
        assert str(run.resolve("last w")) == "t29/upd/4"
        assert str(run.resolve("last w.grad")) == "t29/bwd/3"
        assert str(run.resolve("t7/w.grad")) == "t7/bwd/3"


def test_an_empty_recording_has_no_moments(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        pass
    with Reader(tmp_path / "r.tgr") as run, pytest.raises(RecordingError, match="holds no rows"):
        run.resolve("last")
