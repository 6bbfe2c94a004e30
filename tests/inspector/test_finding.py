"""Search, filters and slices by their keys."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from teachgrad_inspector.commands.inspect import add_arguments, main
from teachgrad_inspector.session import Session
from tests.inspector.test_keys import app_of, running, shown, type_in

from .runs import make

Open = Callable[..., Session]


async def test_slices(session: Open) -> None:
    async with running(session("micrograd"), "t0/fwd/d", size=(100, 30)) as pilot:
        await pilot.press("i")
        assert "ancestors of d: 4 of 13" in shown(pilot)[1]
        assert "d · f" not in "\n".join(shown(pilot))
        await pilot.press("s")  # the last one
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        await pilot.press("S")
        assert str(app_of(pilot).moment) == "t0/fwd/2"
        await pilot.press("i")
        assert "descendants of d: 3 of 13" in shown(pilot)[1]  # still of d; and d is the next of them
        assert str(app_of(pilot).moment) == "t0/fwd/3"
        await pilot.press("s", "s")
        assert str(app_of(pilot).moment) == "t0/bwd/7"
        await pilot.press("3")
        assert "descendants of d: 3 of 13" in shown(pilot)[1]
        await pilot.press("1", "i")
        assert "both ways from d: 6 of 13" in shown(pilot)[1]
        await pilot.press("G")
        assert str(app_of(pilot).moment) == "t0/bwd/7"
        await pilot.press("g", "right_square_bracket")
        assert str(app_of(pilot).moment) == "t0/bwd/7"
        await pilot.press("escape")
        assert app_of(pilot).options.keep is None
        assert "of 13" not in shown(pilot)[1]
        await pilot.press("i", "i", "i", "i")
        assert app_of(pilot).options.keep is None


async def test_a_jump_out_of_a_slice_leaves_it(session: Open) -> None:
    async with running(session("micrograd"), "t0/fwd/d") as pilot:
        await pilot.press("i", "colon")
        await type_in(pilot, ":L")
        assert str(app_of(pilot).moment) == "t0/fwd/5"
        assert app_of(pilot).options.keep is None
        assert "all rows are shown again" in shown(pilot)[-1]
        await pilot.press("i", "colon")
        await type_in(pilot, ":b")  # inside
        assert app_of(pilot).options.keep is not None


async def test_a_filter(session: Open) -> None:
    async with running(session("net"), size=(100, 30)) as pilot:
        await pilot.press("ampersand")
        await type_in(pilot, "& op:matmul phase:bwd")
        assert "filter op:matmul phase:bwd: 3 of 18" in shown(pilot)[1]
        assert str(app_of(pilot).moment) == "t0/bwd/12"
        seen = []
        for _ in range(7):
            seen.append(str(app_of(pilot).moment))
            await pilot.press("s")
        assert seen == ["t0/bwd/12", "t0/bwd/13", "t0/bwd/15", "t1/bwd/10", "t1/bwd/11", "t1/bwd/13", "t1/bwd/13"]
        await pilot.press("ampersand")
        await type_in(pilot, "& nosuchfield:x")
        assert "there is no field 'nosuchfield'" in shown(pilot)[-1]
        await pilot.press("ampersand")
        await type_in(pilot, "& op:nothing")
        assert "filter op:nothing: not in this step" in shown(pilot)[-1]
        await pilot.press("escape")
        assert app_of(pilot).options.keep is None


async def test_search_by_field(session: Open) -> None:
    async with running(session("net")) as pilot:
        await pilot.press("slash")
        await type_in(pilot, "/shape:(*,1) kind:edge")
        assert str(app_of(pilot).moment) == "t0/bwd/10"
        await pilot.press("N")
        assert str(app_of(pilot).moment) == "t1/bwd/10"
        await pilot.press("slash")
        await type_in(pilot, "/wrong:x")
        assert "there is no field 'wrong'" in shown(pilot)[-1]


async def test_a_long_search_goes_on_in_the_background(session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachgrad_inspector.app.finding.QUICK_ROWS", 0)
    async with running(session("training")) as pilot:
        await pilot.press("slash")
        await type_in(pilot, "/kind:update name:lr")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert str(app_of(pilot).moment).startswith("t9/upd/")


@pytest.mark.parametrize(("keep", "tells"), [("i", True), ("shape:(8,3)", True), ("op:relu", False)])
async def test_predicting_shows_no_part_that_tells_what_comes(keep: str, tells: bool, session: Open) -> None:
    """Whoever keeps a part of the rows and then predicts sees all of them again, if the part gives something away."""
    async with running(session("net"), "t0/fwd/2") as pilot:
        if keep == "i":
            await pilot.press("i", "i")
        else:
            await pilot.press("ampersand")
            await type_in(pilot, f"& {keep}")
        assert app_of(pilot).options.keep is not None
        await pilot.press("p")
        if tells:
            assert app_of(pilot).options.keep is None
            assert "all rows are shown again" in shown(pilot)[-1]
        else:
            assert "filter op:relu" in shown(pilot)[1]
        await pilot.press("i")
        assert "what comes of what would be given away" in shown(pilot)[-1]


@pytest.mark.parametrize("arguments", [["--slice", "descendants"], ["--filter", "op:relu shape:(*,3)"]])
@pytest.mark.parametrize("way", [["--print", "text"], ["--plain"], ["--serve"]])
def test_the_command_gives_nothing_away_either(
    arguments: list[str], way: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from teachgrad.cli import main as command

    assert command(["inspect", "--demo", "micrograd", "--at", "t0/fwd/e", "--predict", *arguments, *way]) == 2
    assert "not as long as you predict" in capsys.readouterr().err


async def test_slices_are_in_the_palette(session: Open) -> None:
    async with running(session("micrograd"), "t0/fwd/d") as pilot:
        commands = {item.title: item.callback for item in app_of(pilot).get_system_commands(pilot.app.screen)}
        await commands["Place: only what comes of this value"]()  # type: ignore[misc]
        await pilot.pause()
        assert "descendants of d: 3 of 13" in shown(pilot)[1]


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--at", "t0/fwd/3", "--slice", "ancestors"], ("t0/fwd/3", "ancestors of h: 4 of 18")),
    (["--at", "t0/fwd/3", "--slice", "descendants"], ("t0/fwd/3", "descendants of h:")),
    (["--filter", "kind:update"], ("t0/upd/16", "filter kind:update: 2 of 18")),
])  # fmt: skip
def test_on_the_command_line(
    arguments: list[str], expected: tuple[str, str], tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import ArgumentParser
    from pathlib import Path

    parser = ArgumentParser()
    add_arguments(parser)
    path = make("net", Path(str(tmp_path)))
    assert main(parser.parse_args([str(path), *arguments, "--print", "text"])) == 0
    assert expected[1] in capsys.readouterr().out
    assert main(parser.parse_args([str(path), *arguments, "--print", "json"])) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["moment"] == expected[0]
    assert document["head"]["kept"].startswith(expected[1])
    assert len([line for line in document["view"]["strip"]["lines"] if line["moment"]]) == int(
        document["head"]["kept"].split(": ")[1].split(" of ")[0])  # fmt: skip
