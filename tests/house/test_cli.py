"""The `teachgrad` command finds its subcommands, imports only what is asked for, and says helpful things."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from argparse import ArgumentParser
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from teachgrad import cli
from teachgrad.errors import RecordingError

ROOT = Path(__file__).parents[2]


def register(monkeypatch: pytest.MonkeyPatch, **modules: types.ModuleType | str) -> None:
    """Make the entry points of the group exactly these: a module, or the name of one that is not there."""
    entries = []
    for name, module in modules.items():
        if isinstance(module, types.ModuleType):
            monkeypatch.setitem(sys.modules, module.__name__, module)
            module = module.__name__
        entries.append(EntryPoint(name, module, cli.GROUP))
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)


def command(code: str, name: str = "teachgrad_inspector.made_up") -> types.ModuleType:
    """A subcommand whose `main(args)` has this body."""
    module = types.ModuleType(name, "Greet somebody.\n\nAt length.")
    body = "".join(f"    {line}\n" for line in code.splitlines())
    exec(compile(f"def main(args):\n{body}", f"{name}.py", "exec"), module.__dict__)
    module.add_arguments = lambda parser: parser.add_argument("--who", default="world")  # type: ignore[attr-defined]
    return module


def test_arguments_reach_the_command_and_its_status_comes_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(monkeypatch, greet=command("print('hello', args.who)\nreturn 3"))
    assert cli.main(["greet", "--who", "reader"]) == 3
    assert capsys.readouterr().out == "hello reader\n"


def test_overview_shows_each_first_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(monkeypatch, greet=command("return 0"), lost="no_such_module.at_all")
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    assert "  greet     Greet somebody.\n" in out
    assert "  doctor    Say what works here" in out
    assert "  lost      (cannot be loaded: No module named 'no_such_module')" in out


def test_help_of_a_command_is_its_docstring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(monkeypatch, greet=command("return 0"))
    with pytest.raises(SystemExit) as stop:
        cli.main(["greet", "--help"])
    assert stop.value.code == 0
    assert "At length." in capsys.readouterr().out


def test_a_misspelled_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["doktor"])
    assert stop.value.code == 2
    assert "did you mean 'doctor'?" in capsys.readouterr().err


def test_another_package_cannot_take_a_built_in_name(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, doctor="quack.quack")
    assert cli.commands()["doctor"].value == "teachgrad.doctor"


def test_what_an_extra_would_bring_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    register(monkeypatch, inspect=command("import textual.app"))
    assert cli.main(["inspect"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("teachgrad inspect: textual is not installed; ")
    assert '`python -m pip install "teachgrad[inspector]"` brings it' in error


def test_what_the_users_script_lacks_is_the_users_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    script = types.ModuleType("script")
    exec("def work():\n    import no_such_module", script.__dict__)
    monkeypatch.setitem(sys.modules, "script", script)
    register(monkeypatch, train=command("import script\nscript.work()"))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        cli.main(["train"])


def test_an_error_of_ours_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = command("raise error")
    module.error = RecordingError("run.tgr is not a recording")  # type: ignore[attr-defined]
    register(monkeypatch, open=module)
    assert cli.main(["open"]) == 1
    assert capsys.readouterr().err == "teachgrad open: run.tgr is not a recording\n"


def test_only_the_command_that_runs_is_imported() -> None:
    code = "import sys; from teachgrad.cli import main; main(['doctor', '--json']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = done.stdout.split()
    assert "teachgrad.doctor" in loaded
    assert "teachgrad_inspector" not in loaded


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "import sys; sys.path.insert(0, 'tests/house'); import test_cli; test_cli.flood()"
    shell = f'set -o pipefail; "{sys.executable}" -c "{code}" | head -n 1'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout == "line\n"
    assert done.stderr == ""


def flood() -> None:
    """Print more than a pipe holds, as a subcommand."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch, flood=command("print('line\\n' * 100_000)\nreturn 0"))
        sys.exit(cli.main(["flood"]))


@pytest.mark.parametrize("arguments", [["--version"], ["doctor", "--help"]])
def test_python_m_teachgrad(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "teachgrad", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith(("teachgrad 0.", "usage: teachgrad doctor"))


def test_every_registered_command_is_one() -> None:
    for name, entry in cli.commands().items():
        module = entry.load()
        assert module.__doc__, name
        module.add_arguments(ArgumentParser())
        assert list(inspect.signature(module.main).parameters) == ["args"]
