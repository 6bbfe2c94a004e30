"""Lesson 04 as a learner meets it: the untouched notebook scores nothing, the solution everything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from teachgrad_lessons import open_lesson
from teachgrad_lessons.run import NeverOpened, code_cells, main, run
from tests.lessons.tape import LESSONS, SOLUTION, SOURCE, STUDENT, percent_cells, quick_run, solution_text

PROSE = SOURCE.read_text(encoding="utf-8")


def test_the_source_runs_as_a_script_and_scores_everything() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(LESSONS), str(LESSONS.parent)])}
    command = [sys.executable, str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Score: 61 of 61 points\n")
    for sign_of_trouble in ("Traceback", "MISS", "Hint", "Not answered", "no, off by", "teachgrad inspect:"):
        assert sign_of_trouble not in done.stdout


def test_the_untouched_notebook_scores_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lesson = quick_run(code_cells(STUDENT))
    assert lesson.points == 0
    assert lesson.predictions == {}
    assert lesson.latest_hint == ""
    assert "pass" not in capsys.readouterr().out


def test_every_exercise_is_checked_by_exactly_one_cell() -> None:
    checked = re.findall(r'^lesson\.check\("([^"]+)"', solution_text(), flags=re.MULTILINE)
    assert checked == [exercise.id for exercise in open_lesson("04").exercises]


def test_every_question_is_asked_before_it_is_answered() -> None:
    calls = re.findall(r'^lesson\.(predict|reveal)\("([^"]+)"', solution_text(), flags=re.MULTILINE)
    ids = [question.id for question in open_lesson("04").questions]
    assert calls == [(verb, id) for id in ids for verb in ("predict", "reveal")]


def test_checks_stand_in_cells_of_their_own() -> None:
    """A grader can then lock them; a learner's cell holds only what the learner writes."""
    cells = re.split(r"^# %%.*$", PROSE, flags=re.MULTILINE)
    assert not [cell for cell in cells if "BEGIN SOLUTION" in cell and "lesson.check(" in cell]


def test_every_section_has_the_beat() -> None:
    sections = re.split(r"^# ## (?=\d)", PROSE, flags=re.MULTILINE)[1:]
    assert len(sections) == 6
    for section in sections:
        beats = set(re.findall(r"^# ### (\w+)$", section, flags=re.MULTILINE))
        assert beats == {"Predict", "Step", "Build", "Break", "Compare"}, section.splitlines()[0]


def test_citations_are_pinned() -> None:
    """What another project does is cited by repository, commit and path; the commits stand in full at the end."""
    text = re.sub(r"\n#\s*", " ", PROSE)
    cited = {f"{repository}@{commit}" for repository, commit in re.findall(r"\(([\w-]+/[\w-]+)@(\w+), `[\w./]+`", text)}
    sources = dict(re.findall(r"\| ([\w-]+/[\w-]+@\w{7}) \| `(\w{40})` \|", text))
    assert cited == set(sources)
    assert all(full.startswith(short.partition("@")[2]) for short, full in sources.items())


def test_hints_are_used_and_have_three_levels() -> None:
    lesson = open_lesson("04")
    ids = [hint.id for hint in lesson.hints]
    used = {e.hint for e in lesson.exercises}
    used |= {slip.hint for e in lesson.exercises for probe in e.probes for slip in probe.slips}
    used |= {slip.hint for question in lesson.questions for slip in question.slips}
    assert len(set(ids)) == len(ids)
    assert used == set(ids)
    assert all(len(set(hint.levels)) == 3 and all(hint.levels) for hint in lesson.hints)


def test_run_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opening = "from teachgrad_lessons import open_lesson\nlesson = open_lesson('04')"
    cells = ["# %% [markdown]\n# # Title", f"# %%\n{opening}", "# %%\n1 / 0", "# %%\nlesson.check('quiz 1', 'C')"]
    path = tmp_path / "04_mine.py"
    path.write_text("\n\n".join(cells), encoding="utf-8")
    assert main([str(path)]) == 1
    out = capsys.readouterr().out
    assert "Code cell 2 stopped. ZeroDivisionError: division by zero\n" in out
    assert out.endswith("Score: 1 of 61 points\n")


def test_a_lesson_that_is_never_opened_is_an_error() -> None:
    with pytest.raises(NeverOpened):
        run(["x = 1"])


def test_a_cell_that_raises_costs_only_its_own_points() -> None:
    text = solution_text().replace(
        '    """A node for x + y."""\n', '    """A node for x + y."""\n    raise RuntimeError\n'
    )
    lesson = quick_run(percent_cells(text), until="paths")
    marks = {id: result.points for id, result in lesson.results.items()}
    assert marks == {"node": 2, "ops": 2, "suspect": 2, "paths": 3}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "points"), [(SOLUTION, 61), (STUDENT, 0)], ids=["solution", "student"])
def test_the_notebook_runs_in_jupyter(path: Path, points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(LESSONS), str(LESSONS.parent)]))
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=120, allow_errors=points == 0).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs[-1].text.endswith(f"Score: {points} of 61 points\n")
    assert not [output for output in outputs if output.get("name") == "stderr"]
