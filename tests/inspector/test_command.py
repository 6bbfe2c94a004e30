"""`teachgrad inspect` without a terminal, and what the package loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from teachgrad import observe
from teachgrad.cli import main
from teachgrad.recording import Recorder
from teachgrad_inspector.commands import inspect as commands
from teachgrad_inspector.screens import SCREENS
from tests.recording.runs import send

from .runs import make


def run(*arguments: str) -> int:
    return main(["inspect", *arguments])


def test_the_chain_rule_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(
        "--demo",
        "micrograd",
        "--at",
        "t0/bwd/a.grad",
        "--screen",
        "chain",
        "--print",
        "text",
        "--check",
        "--size",
        "90x24",
    )
    out = capsys.readouterr().out
    assert status == 0
    assert all(part in out for part in ("(-2) · (-3)", "+6", "running -2", "total 4", "/2h = 4 "))
    assert out.splitlines()[-2].startswith(" t0/bwd/12 a.grad ")
    assert len(out.splitlines()) == 24


def test_the_chain_rule_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--demo", "micrograd", "--at", "t0/bwd/a.grad", "--screen", "chain", "--print", "json", "--check") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["moment"] == "t0/bwd/12"
    assert data["status"]["state"] == "ok"
    view = data["view"]
    product = next(product for product in view["products"] if product["current"])
    assert (product["incoming"], product["local"], product["result"]) == (-2.0, -3.0, 6.0)
    assert [entry["after"] for entry in view["ledger"]["entries"]] == [-2.0, 4.0]
    assert view["ledger"]["total"] == 4.0
    assert abs(view["check"]["estimate"] - 4.0) < 1e-6
    assert view["paths"]["total"] == 4.0


def test_the_tape_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--demo", "micrograd", "--print", "json", "--size", "80x40") == 0
    lines = [line for line in json.loads(capsys.readouterr().out)["view"]["strip"]["lines"] if line["moment"]]
    assert [line["label"] for line in lines] == [
        "a", "b", "e", "d", "f", "L", "L.grad", "f.grad", "d.grad", "a.grad", "e.grad", "b.grad", "a.grad"]  # fmt: skip


def test_the_map_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(make("attention", tmp_path))
    assert run(path, "--at", "scores", "--screen", "map", "--inside", "block", "--print", "json") == 0
    view = json.loads(capsys.readouterr().out)["view"]
    assert view["level"] == "block"
    names = [box["name"] for box in view["boxes"]]
    assert [name for name, box in zip(names, view["boxes"], strict=True) if box["cursor"]] == ["scores"]
    into = {names[wire["above"]]: wire["shape"] for wire in view["wires"] if names[wire["below"]] == "scores"}
    assert into == {"q": "(3,2)", "k": "(3,2)"}


def test_the_inside_of_a_module_begins_where_the_module_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--demo", "mlp", "--screen", "map", "--inside", "fc2", "--print", "json") == 0
    view = json.loads(capsys.readouterr().out)["view"]
    assert (view["level"], view["moment"]) == ("fc2", "t0/fwd/5")


def test_a_training_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(make("training", tmp_path))
    assert run(path, "--at", "t12", "--screen", "train", "--print", "json") == 0
    view = json.loads(capsys.readouterr().out)["view"]
    assert [step for step, _ in view["loss"]["points"]] == list(range(40))
    assert view["rate"]["now"] == 0.125
    assert [line["stuck"] for line in view["lines"]] == [None, None, 1]


@pytest.mark.parametrize("size", ["40x10", "80x24", "160x48"])
@pytest.mark.parametrize("screen", SCREENS)
def test_hostile_names_are_only_text(
    screen: str, size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "[bold]x[/] \x1b]0;pwned\x07\u202e"
    with Recorder(tmp_path / "r.tgr", level="values"):
        send(observe.Leaf(1, name, np.ones(3), True, True))
        send(observe.Forward(2, name, (1,), {}, np.ones(3), name, None, f"{name}.{name}", True))
        send(observe.Seed(2, np.ones(3)))
        send(observe.Backward(2, name, np.ones(3)))
        send(observe.Accumulate(2, 1, 0, np.ones(3), np.ones(3)))
        send(observe.Update(1, name, np.zeros(3)))
    for at in ("t0/0", "t0/1", "last"):
        assert run(str(tmp_path / "r.tgr"), "--screen", screen, "--print", "text", "--size", size, "--at", at) == 0
        out = capsys.readouterr().out
        assert not {"\x1b", "\x07", "\u202e"} & {*out}
        assert len(out.splitlines()) == int(size.partition("x")[2])


def test_every_screen_can_be_asked_for() -> None:
    assert tuple(SCREENS) == commands.SCREENS


def test_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--demo", "micrograd", "--print", "text", "--ascii") == 0
    assert capsys.readouterr().out.isascii()


def test_a_script_is_run_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import teachgrad as tg\nx = tg.tensor(3.0, requires_grad=True)\ny = x * x\ny.backward()\n1 / 0\n"
    )
    assert run(str(script), "--at", "x.grad", "--print", "text") == 0
    captured = capsys.readouterr()
    assert "ZeroDivisionError" in captured.err
    assert "ended with status 1" in captured.err
    assert " t0/bwd/" in captured.out


def test_without_a_terminal_text_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(make("net", tmp_path))) == 0
    assert "forward: values" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "name a recording or a script"),
    (["a.tgr", "--demo", "micrograd"], "name a recording or a script"),
    (["missing.tgr"], "No such file"),
    (["missing.py"], "there is no file missing.py"),
    (["--demo", "nonsense"], "there is no demo 'nonsense'; there are micrograd, mlp, static_mlp, layered:N"),
    (["--demo", "mlp", "--inside", "fc3"], "there is no module 'fc3' in t0; there are 'fc1', 'fc2'"),
    (["--demo", "micrograd", "--inside", "fc1"], "its ops are in no modules"),
    (["--demo", "layered"], "there is no demo 'layered'"),
    (["--demo", "layered:0"], "a number of ops N from 1 to 10,000,000, not '0'"),
    (["--demo", "layered:10000001"], "a number of ops N from 1 to 10,000,000, not '10000001'"),
    (["--demo", "layered:many"], "a number of ops N from 1 to 10,000,000, not 'many'"),
    (["--demo", "micrograd", "--compare", "missing.py"], "there is no file missing.py"),
    (["--demo", "mlp", "--compare", "t1", "--what-if", "fc1.bias[0]=1"], "--what-if and --compare show different"),
    (["--demo", "micrograd", "--screen", "map", "--what-if", "a=1"], "--what-if and --screen map show different"),
    (["--demo", "micrograd", "--at", "t9"], "there is no training step t9"),
    (["--demo", "micrograd", "--at", "a.gard", "--print", "text"], "did you mean 'a.grad'"),
])  # fmt: skip
def test_errors_are_one_line_and_exit_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("size", ["100", "0x10", "axb", "2000x30"])
def test_sizes_are_checked(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run("--demo", "micrograd", "--size", size)
    assert end.value.code == 2
    assert "is not a size such as 100x30" in capsys.readouterr().err


def test_a_pickle_is_an_error_of_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pickle

    (tmp_path / "run.tgr").write_bytes(pickle.dumps({"a": 1}))
    assert run(str(tmp_path / "run.tgr")) == 2
    assert "is not a recording of teachgrad" in capsys.readouterr().err


def test_a_recording_that_ended_early_is_shown_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    path = make("net", tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM about WHERE key = 'finished'")
    connection.commit()
    connection.close()
    assert run(str(path), "--print", "text") == 0
    captured = capsys.readouterr()
    assert "recording ended early" in captured.err
    assert "ended early" in captured.out.splitlines()[0]


def test_an_empty_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Recorder(tmp_path / "r.tgr"):
        pass
    assert run(str(tmp_path / "r.tgr"), "--print", "text") == 2
    assert "holds no rows" in capsys.readouterr().err


def test_printing_needs_no_terminal_library() -> None:
    code = (
        "import sys, teachgrad_inspector.screens, teachgrad_inspector.commands.inspect\n"
        "print([name for name in ('textual', 'rich', 'graphviz', 'cupy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_layered_demo_is_the_same_each_time(tmp_path: Path) -> None:
    from teachgrad.recording import Reader
    from teachgrad_inspector.demos import write_demo

    write_demo("layered:1000", tmp_path / "a.tgr")
    with Reader(tmp_path / "a.tgr") as run_:
        assert run_.length(0) == 1001
        assert str(run_.resolve("op_500")) == "t0/fwd/501"
        assert run_.trouble is None
