"""Every example of the README, of the documentation and of a docstring runs, and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import teachgrad
from teachgrad.extras import EXTRA_OF
from tests.house import pages

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ["teachgrad", "teachgrad_gpu", "teachgrad_inspector"]
SCRIPTS = [f"teachgrad_inspector.demos.{name}" for name in ("micrograd", "mlp", "static_mlp")]
"""Importing them would run them."""
RUNS = [page for page in PAGES if any(pages.pieces(page.read_text(encoding="utf-8")))]


def modules() -> list[str]:
    names = []
    for package in map(importlib.import_module, PACKAGES):
        inside = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        names += [package.__name__, *(module.name for module in inside)]
    return [name for name in names if not name.endswith("__main__") and name not in SCRIPTS]


@pytest.mark.parametrize("page", RUNS, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "house" / "pages.py"), str(page)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(list(pages.pieces(page.read_text(encoding='utf-8'))))} pieces ran\n"


def test_readme_has_a_tour() -> None:
    assert ROOT / "README.md" in RUNS


@pytest.mark.parametrize("name", modules())
def test_docstrings(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in EXTRA_OF and find_spec(error.name) is None:
            pytest.skip(f"needs {error.name}")
        raise
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(module, optionflags=flags, extraglobs={"tg": teachgrad}).failed == 0


def write(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_blocks_share_a_namespace_and_are_compared(tmp_path: Path) -> None:
    page = write(tmp_path, "```python\nx = 2\n```\ntext\n```python\nprint(x * 21)\n```\n\n```text\n42\n```\n")
    assert pages.run(page) == 2


def test_a_page_that_is_wrong_is_found_out(tmp_path: Path) -> None:
    page = write(tmp_path, "# Title\n\n```python\nprint(41)\n```\n\n```text\n42\n```\n")
    with pytest.raises(pages.PageError, match=r"page\.md:4 prints"):
        pages.run(page)


def test_an_error_points_at_the_line_of_the_page(tmp_path: Path) -> None:
    page = write(tmp_path, "# Title\n\n```python\nx = 1\nx / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        pages.run(page)
    assert caught.traceback[-1].lineno + 1 == 5
    assert str(caught.traceback[-1].path) == str(page)


def test_other_languages_do_not_run(tmp_path: Path) -> None:
    page = write(tmp_path, "```console\nrm -rf nothing\n```\n```text\nnot python\n```\n```\nnor this\n```\n")
    assert pages.run(page) == 0


def test_commands_with_output_run(tmp_path: Path) -> None:
    page = write(tmp_path, "```console\n$ make demo\n$ teachgrad --version\nteachgrad 0...\n$ teachgrad doctor\n```\n")
    assert pages.run(page) == 1


def test_a_command_that_prints_something_else_is_found_out(tmp_path: Path) -> None:
    page = write(tmp_path, "text\n```console\n$ teachgrad --version\nteachgrad 99\n```\n")
    with pytest.raises(pages.PageError, match=r"page\.md:3 prints"):
        pages.run(page)


def test_indented_blocks_run(tmp_path: Path) -> None:
    body = ["```python", "for n in range(2):", "    print(n)", "```", "```text", "0", "1", "```"]
    page = write(tmp_path, "1. Step\n\n" + "".join(f"    {line}\n" for line in body))
    assert pages.run(page) == 1
