"""The notebooks that a lesson becomes: what the learner sees, and that the committed ones are up to date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("jupytext")

from teachgrad_lessons import build, run

SOURCE = """\
# %% [markdown]
# # Title

# %%
def f(x):
    # BEGIN SOLUTION
    y = 2 * x
    return y
    # END SOLUTION


# BEGIN SOLUTION: answer = ...
answer = 42
# END SOLUTION

# %%
print(f(answer))

# %%
print(f(answer))
"""


def test_the_learner_sees_no_solution() -> None:
    text = build.student(SOURCE)
    assert "    raise NotImplementedError(" in text
    assert "answer = ...\n" in text
    assert "42" not in text
    assert "2 * x" not in text
    assert "SOLUTION" not in text


def test_the_solution_has_no_marks() -> None:
    assert build.solution(SOURCE) == "".join(line for line in SOURCE.splitlines(True) if "SOLUTION" not in line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# BEGIN SOLUTION\n", "no END SOLUTION"),
        ("# END SOLUTION\n", "without BEGIN"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION\n", "inside a solution"),
        ("x = 1  # BEGIN SOLUTION\n", "must stand alone"),
        ("# BEGIN SOLUTION:\n# END SOLUTION\n", "must stand alone"),
    ],
)
def test_unbalanced_marks_are_errors(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build.student(text)


def lesson_folder(tmp_path: Path) -> Path:
    (tmp_path / "07_title.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = lesson_folder(tmp_path)
    assert build.main(["--folder", str(folder)]) == 0
    first = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    assert [path.relative_to(folder).as_posix() for path in sorted(first)] == [
        "notebooks/07_title.ipynb",
        "solutions/07_title.ipynb",
    ]
    assert build.main(["--folder", str(folder)]) == 0
    assert first == {path: path.read_bytes() for path in folder.rglob("*.ipynb")}


def test_check_finds_what_is_out_of_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = lesson_folder(tmp_path)
    assert build.main(["--folder", str(folder), "--check"]) == 1
    build.main(["--folder", str(folder)])
    assert build.main(["--folder", str(folder), "--check"]) == 0
    (folder / "notebooks" / "07_title.ipynb").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert build.main(["--folder", str(folder), "--check"]) == 1
    assert capsys.readouterr().out.startswith("out of date: notebooks")


def cells(text: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(text)["cells"]
    return found


def test_cells_have_stable_ids_and_no_outputs(tmp_path: Path) -> None:
    student, solution = (cells(text) for text in build.editions(lesson_folder(tmp_path) / "07_title.py").values())
    ids = [cell["id"] for cell in student]
    assert ids == [cell["id"] for cell in solution]
    assert len(set(ids)) == len(ids) == 4
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in student if "outputs" in cell)
    (tmp_path / "07_title.py").write_text(SOURCE.replace("Title", "Another title"), encoding="utf-8")
    changed, _ = (cells(text) for text in build.editions(tmp_path / "07_title.py").values())
    assert [a == b["id"] for a, b in zip(ids, changed, strict=True)] == [False, True, True, True]


@pytest.mark.parametrize("source", build.sources(), ids=lambda path: path.stem)
class TestEveryLesson:
    def test_its_notebooks_are_up_to_date(self, source: Path) -> None:
        assert build.stale(source) == [], "run: python -m teachgrad_lessons.build"

    def test_its_source_survives_jupytext(self, source: Path) -> None:
        import jupytext

        text = source.read_text(encoding="utf-8")
        assert jupytext.writes(jupytext.reads(text, fmt="py:percent"), fmt="py:percent") == text

    def test_our_reader_finds_the_cells_that_jupytext_finds(self, source: Path) -> None:
        for path in build.editions(source):
            text = (build.student if path.parent.name == "notebooks" else build.solution)(source.read_text("utf-8"))
            ours = [cell.strip() for cell in run.percent_cells(text)]
            assert ours == [cell.strip() for cell in run.code_cells(path)]

    def test_the_learners_notebook_leaks_no_solution(self, source: Path) -> None:
        """No line that stands in a solution stands in the learner's notebook, common short ones aside."""
        text = source.read_text(encoding="utf-8")
        kept = set(build.student(text).splitlines())
        removed = [line for line in build.solution(text).splitlines() if line not in kept]
        shown = (source.parent / "notebooks" / f"{source.stem}.ipynb").read_text(encoding="utf-8")
        assert removed
        assert [line for line in removed if len(line.strip()) > 12 and json.dumps(line)[1:-1] in shown] == []
