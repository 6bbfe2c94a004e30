"""`teachgrad run --record`: the script runs as it would without, and is recorded whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from teachgrad.cli import main
from teachgrad.recording import Moment, Reader

SQUARE = "import teachgrad as tg\nx = tg.tensor(3.0, requires_grad=True, name='x')\ny = x * x\ny.backward()\n"


def run(folder: Path, code: str, *arguments: str) -> tuple[int, Path]:
    script, recording = folder / "script.py", folder / "run.tgr"
    script.write_text(code)
    return main(["run", "--record", str(recording), str(script), *arguments]), recording


def test_a_script_is_recorded(tmp_path: Path) -> None:
    status, recording = run(tmp_path, SQUARE)
    assert status == 0
    with Reader(recording) as reader:
        assert reader.level == "values"
        assert [reader.label(row) for row in reader.rows(0)] == ["x", "y", "y.grad", "x.grad", "x.grad"]
        last = list(reader.rows(0))[-1]
        assert float(reader.values(last.value)) == 6.0  # type: ignore[arg-type]
        site = reader.site(list(reader.rows(0))[1].site)
        assert site is not None
        assert (site.line, site.text) == (3, "y = x * x")
        assert reader.source(site.file)[2] == "y = x * x"


def test_a_script_sees_what_it_would_see_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside.py").write_text("value = 5\n")
    code = "import sys, beside\nprint(__name__, sys.argv[1:], sys.argv[0] == __file__, beside.value)\n"
    path, argv = sys.path[:], sys.argv[:]
    status, _ = run(tmp_path, code, "--epochs", "3", "--record", "other")
    assert status == 0
    assert capsys.readouterr().out == "__main__ ['--epochs', '3', '--record', 'other'] True 5\n"
    assert (sys.path, sys.argv) == (path, argv)


@pytest.mark.parametrize(("ending", "status", "err"), [
    ("import sys; sys.exit()", 0, ""),
    ("import sys; sys.exit(3)", 3, ""),
    ("import sys; sys.exit('no data')", 1, "no data\n"),
    ("raise KeyboardInterrupt", 130, ""),
])  # fmt: skip
def test_exit_statuses(tmp_path: Path, ending: str, status: int, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, recording = run(tmp_path, SQUARE + ending)
    assert (found, capsys.readouterr().err) == (status, err)
    with Reader(recording) as reader:
        assert reader.length(0) == 5
        assert reader.trouble is None


def test_an_error_shows_the_users_frames_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, recording = run(tmp_path, SQUARE + "def f():\n    return 1 / 0\nf()\n")
    err = capsys.readouterr().err
    assert status == 1
    assert err.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "script.py" in err
    assert "command.py" not in err
    assert "runpy" not in err
    with Reader(recording) as reader:
        assert reader.length(0) == 5


def test_a_missing_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--record", str(tmp_path / "r.tgr"), str(tmp_path / "none.py")]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert not (tmp_path / "r.tgr").exists()


def test_levels(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SQUARE)
    assert main(["run", "--record", str(tmp_path / "r.tgr"), "--level", "stats", str(script)]) == 0
    with Reader(tmp_path / "r.tgr") as reader:
        assert reader.level == "stats"


TRAIN = """\
import time
import teachgrad as tg
from teachgrad import optim
w = tg.Parameter([1.0, 2.0])
opt = optim.SGD([w], lr=0.1)
for step in range(10_000):
    loss = tg.sum(w * w)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, flush=True)
    time.sleep(0.02)
"""


def test_a_killed_run_can_be_read(tmp_path: Path) -> None:
    script, recording = tmp_path / "train.py", tmp_path / "a.tgr"
    script.write_text(TRAIN)
    process = subprocess.Popen([sys.executable, "-m", "teachgrad", "run", "--record", str(recording), str(script)],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 40:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Reader(recording) as reader:
        assert reader.trouble == "recording ended early, or is still being written"
        assert 15 <= reader.steps - 1 <= 41
        step = reader.steps - 2
        w = reader.values(reader.value_at(next(row.vertex for row in reader.rows(0) if row.parameter),  # type: ignore[arg-type]
                                          Moment(step, 10**6, "upd")))  # fmt: skip
        assert w is not None
        assert w.tolist() == pytest.approx([0.8 ** (step + 1), 2 * 0.8 ** (step + 1)], rel=1e-4)


def test_a_pause_does_not_keep_what_was_seen_from_the_file(tmp_path: Path) -> None:
    script, recording = tmp_path / "wait.py", tmp_path / "a.tgr"
    script.write_text(SQUARE + "print('ready', flush=True)\nimport time\ntime.sleep(60)\n")
    process = subprocess.Popen([sys.executable, "-m", "teachgrad", "run", "--record", str(recording), str(script)],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with Reader(recording) as reader:
                if reader.steps and reader.length(0) == 5:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("nothing was written while the script waited")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
