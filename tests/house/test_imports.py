"""Imports run one way, there is no circle, and `import teachgrad` is light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("textual", "rich", "cupy", "graphviz", "teachgrad_inspector", "teachgrad_gpu", "scipy", "torch")


def sources(*folders: str) -> dict[str, Path]:
    """Every module below the folders by its dotted name."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to((ROOT / folder).parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All import statements, those inside functions too, but for those that only a type checker follows."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not is_type_checking(child):
            yield from statements(child)


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules among `known` that a module imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        origin = ".".join([*above, node.module] if node.module else above)
        for alias in node.names:
            submodule = f"{origin}.{alias.name}"
            found.add(submodule if submodule in known else origin)
    return found & known.keys() - {name}


def python(*args: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("folder", ["teachgrad", "inspector/teachgrad_inspector", "gpu/teachgrad_gpu"])
def test_no_import_circle(folder: str) -> None:
    known = sources(folder)
    graph = {name: imports(name, path, known) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import circle: " + " <- ".join(error.args[1]))


def test_teachgrad_never_imports_what_stands_on_it() -> None:
    known = sources("teachgrad", "inspector/teachgrad_inspector", "gpu/teachgrad_gpu")
    outside = ("teachgrad_inspector", "teachgrad_gpu")
    wrong = {
        name: found
        for name, path in sources("teachgrad").items()
        if (found := {other for other in imports(name, path, known) if other.startswith(outside)})
    }
    assert not wrong


def test_import_is_light() -> None:
    loaded = python("-c", "import sys, teachgrad; print(*sorted({m.partition('.')[0] for m in sys.modules}))")
    assert "teachgrad" in loaded.split()
    assert not set(loaded.split()) & set(HEAVY)


@pytest.mark.slow
def test_import_costs_at_most_a_tenth_of_a_second_over_numpy(tmp_path: Path) -> None:
    code = (
        "import time, numpy; start = time.process_time(); import teachgrad; "
        "print(time.process_time() - start)"
    )
    # with byte code, as pip installs it: the first of these runs writes it
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    assert min(float(python("-c", code, env=env)) for _ in range(15)) < 0.1


def test_circles_and_relative_imports_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    folder = tmp_path / "pack"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("from . import a\n")
    (folder / "a.py").write_text("from .deep import leaf\nfrom .deep.leaf import x\n")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "leaf.py").write_text("def f():\n    from .. import a\n")
    known = sources("pack")
    assert imports("pack", known["pack"], known) == {"pack.a"}
    assert imports("pack.a", known["pack.a"], known) == {"pack.deep.leaf"}
    assert imports("pack.deep.leaf", known["pack.deep.leaf"], known) == {"pack.a"}
    with pytest.raises(pytest.fail.Exception, match=r"import circle: .*pack\.a"):
        test_no_import_circle("pack")
