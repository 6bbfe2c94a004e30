"""`teachgrad doctor` in prepared environments: it sees each fault, says what to do, and survives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from teachgrad import doctor

ROOT = Path(__file__).parents[2]


class Visit:
    """What `teachgrad doctor --json` says in an environment."""

    def __init__(self, **environment: str) -> None:
        code = "from teachgrad.cli import main; raise SystemExit(main(['doctor', '--json']))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        self.status = done.returncode
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        self.works: bool = report["works"]
        self.findings = {finding["name"]: finding for finding in report["findings"]}

    def __getitem__(self, name: str) -> dict[str, str]:
        return self.findings[name]


def program(folder: Path, name: str, script: str) -> None:
    """An executable of this name that runs a shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def package(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code)


def test_here() -> None:
    visit = Visit()
    assert visit.status == 0
    assert visit.works
    assert {name: visit[name]["state"] for name in ("python", "numpy", "core")} == dict.fromkeys(
        ("python", "numpy", "core"), "ok"
    )
    assert list(visit.findings) == [check.__name__ for check in doctor.CORE + doctor.OTHERS]
    assert all(finding["remedy"] for finding in visit.findings.values() if finding["state"] != "ok")


def test_no_programs_on_the_path(tmp_path: Path) -> None:
    visit = Visit(PATH=str(tmp_path))
    assert visit.status == 0
    assert visit["dot"]["state"] == visit["compiler"]["state"] == "missing"
    assert "graphviz" in visit["dot"]["remedy"]
    assert "compiler" in visit["compiler"]["remedy"]


def test_programs_that_do_not_work(tmp_path: Path) -> None:
    program(tmp_path / "bin", "dot", "exit 3")
    program(tmp_path / "bin", "cc", "echo 'cc: no disk' >&2; exit 1")
    visit = Visit(PATH=str(tmp_path / "bin"))
    assert visit.status == 0
    assert visit["dot"] | {"remedy": ""} == {
        "name": "dot",
        "state": "broken",
        "detail": f"{tmp_path}/bin/dot -V fails with status 3",
        "remedy": "",
    }
    assert visit["compiler"]["state"] == "broken"
    assert "cc: no disk" in visit["compiler"]["detail"]


def test_a_compiler_that_is_named_but_not_there() -> None:
    visit = Visit(CC="no-such-compiler")
    assert visit["compiler"]["state"] == "missing"
    assert "CC=no-such-compiler" in visit["compiler"]["detail"]


def test_modules_that_are_not_installed(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "hidden = {'textual', 'graphviz', 'textual_serve', 'resvg_py', 'cupy', 'nbclient'}\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)\n"
    )
    visit = Visit(PYTHONPATH=str(tmp_path))
    assert visit.status == 0
    for name, extra in (
        ("textual", "inspector"),
        ("graphviz", "inspector"),
        ("serve", "serve"),
        ("images", "images"),
        ("cupy", "gpu"),
        ("jupyter", "lessons"),
    ):
        assert visit[name]["state"] == "missing"
        assert f'pip install "teachgrad[{extra}]"' in visit[name]["remedy"]
    assert "nbclient" in visit["jupyter"]["detail"]


def test_modules_that_are_installed_but_broken(tmp_path: Path) -> None:
    package(tmp_path, "cupy", "raise ImportError('libcuda.so.1: cannot open shared object file')")
    package(tmp_path, "graphviz", "import no_such_module")
    visit = Visit(PYTHONPATH=str(tmp_path))
    assert visit.status == 0
    assert visit["cupy"]["state"] == visit["graphviz"]["state"] == "broken"
    assert "libcuda.so.1" in visit["cupy"]["detail"]
    assert "no_such_module" in visit["graphviz"]["detail"]


def test_cupy_without_a_device(tmp_path: Path) -> None:
    package(
        tmp_path,
        "cupy",
        "__version__ = '14.2.0'\nclass cuda:\n    is_available = staticmethod(lambda: False)\n",
    )
    visit = Visit(PYTHONPATH=str(tmp_path))
    assert visit["cupy"]["state"] == "missing"
    assert visit["cupy"]["detail"] == "14.2.0, but no CUDA device"
    assert "driver" in visit["cupy"]["remedy"]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    visit = Visit(TEACHGRAD_CACHE=str(tmp_path / "file" / "cache"))
    assert visit.status == 0
    assert visit["cache"]["state"] == "broken"
    assert str(tmp_path / "file" / "cache") in visit["cache"]["detail"]
    assert "TEACHGRAD_CACHE" in visit["cache"]["remedy"]


def test_an_executor_that_does_not_load(tmp_path: Path) -> None:
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[teachgrad.executors]\ntpu = stranger.tpu:build\n")
    visit = Visit(PYTHONPATH=str(tmp_path))
    assert visit.status == 0
    assert visit["executors"]["state"] == "broken"
    assert "tpu (stranger.tpu:build): ModuleNotFoundError" in visit["executors"]["detail"]


def test_a_locale_without_line_drawing() -> None:
    visit = Visit(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert visit["terminal"]["state"] == "missing"
    assert "ASCII" in visit["terminal"]["detail"]
    assert "UTF-8" in visit["terminal"]["remedy"]


def test_a_core_that_computes_wrongly(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import numpy\nnumpy.multiply = numpy.add\n")
    visit = Visit(PYTHONPATH=str(tmp_path))
    assert visit.status == 1
    assert not visit.works
    assert visit["core"]["state"] == "broken"


def test_a_numpy_that_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import numpy\nnumpy.__version__ = '1.26.4'\n")
    visit = Visit(PYTHONPATH=str(tmp_path))
    assert visit.status == 1
    assert visit["numpy"]["state"] == "broken"
    assert "1.26.4" in visit["numpy"]["detail"]
    assert "numpy>=2.0" in visit["numpy"]["remedy"]


def test_text_has_one_line_for_each_capability(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        doctor.Finding("cupy", "missing", "nothing runs on a GPU", "buy one"),
        doctor.Finding("dot", "ok", "2.43"),
    ]
    monkeypatch.setattr(doctor, "CORE", (lambda: findings[1],))
    monkeypatch.setattr(doctor, "OTHERS", (lambda: findings[0],))
    from teachgrad.cli import main

    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == (
        "ok       dot        2.43\nmissing  cupy       nothing runs on a GPU; buy one\n\nThe core works.\n"
    )
