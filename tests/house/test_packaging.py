"""What pyproject.toml promises: one dependency, extras for the rest, a small wheel with its data."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from teachgrad import doctor
from teachgrad.extras import EXTRA_OF

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOLDERS = {"teachgrad": "", "teachgrad_gpu": "gpu", "teachgrad_inspector": "inspector"}


def lower_bound(requirement: str) -> tuple[int, ...]:
    found = re.search(r">=([\d.]+)", requirement)
    assert found, requirement
    return tuple(map(int, found[1].split(".")))


def test_the_core_needs_numpy_alone() -> None:
    assert [re.match(r"[\w-]+", requirement)[0] for requirement in PROJECT["dependencies"]] == ["numpy"]  # type: ignore[index]


def test_doctor_and_pyproject_ask_for_the_same_versions() -> None:
    textual = next(requirement for requirement in EXTRAS["inspector"] if requirement.startswith("textual"))
    assert lower_bound(PROJECT["requires-python"]) == doctor.PYTHON
    assert lower_bound(PROJECT["dependencies"][0]) == doctor.NUMPY
    assert lower_bound(textual) == doctor.TEXTUAL


def test_each_missing_module_leads_to_an_extra() -> None:
    assert set(EXTRA_OF.values()) <= EXTRAS.keys()
    for module in ("textual", "graphviz", "cupy", "jupytext", "nbconvert", "nbclient", "ipykernel"):
        assert any(requirement.startswith(module) for requirement in EXTRAS[EXTRA_OF[module]])


def test_no_lock_file_and_no_registry_host() -> None:
    assert "://" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("teachgrad-*.whl"))


@pytest.mark.slow
def test_wheel_is_small_pure_and_whole(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size < 2_000_000
    names = set(zipfile.ZipFile(wheel).namelist())
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == FOLDERS.keys()
    for package, folder in FOLDERS.items():
        tracked = subprocess.run(
            ["git", "ls-files", package], cwd=ROOT / folder, capture_output=True, text=True, check=True
        ).stdout.split()
        assert tracked
        assert set(tracked) <= names


@pytest.mark.slow
def test_a_plain_install_brings_numpy_alone(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")

    def run(*args: str, status: int = 0) -> str:
        done = subprocess.run([python, *args], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("-m", "pip", "install", "--quiet", str(wheel))
    installed = {line.partition("==")[0] for line in run("-m", "pip", "list", "--format=freeze").split()}
    assert installed - {"pip", "setuptools"} == {"numpy", "teachgrad"}
    assert "The core works." in run("-m", "teachgrad", "doctor")
