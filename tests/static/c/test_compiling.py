"""What is generated and how it is compiled: without warnings, readable, cached safely, and left out if need be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.executors.c.compiler import cache_dir, clear, compiled, compiler
from teachgrad.nn import functional as F
from tests.export.programs import step_of
from tests.static.c.standalone import alone, built

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
ROOT = Path(__file__).parents[3]
SCRIPT = """
import numpy as np, teachgrad as tg
f = tg.static(lambda x: (tg.tanh(x) * 2.0).sum(axis=0), level="O3")
x = tg.tensor(np.arange(6.0).reshape(2, 3))
assert np.allclose(f(x).numpy(), (np.tanh(x.numpy()) * 2).sum(axis=0))
print(type(f.trace.program).__name__)
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT,
                          env={**os.environ, **environment})


def train_step(model: Any, loss_of: Any) -> Any:
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    return tg.static(step_of(model, optimizer, loss_of), level="O3")


def source_of_a_classifier() -> str:
    model = nn.Sequential(nn.Linear(40, 30), nn.LayerNorm(30), nn.GELU(), nn.Dropout(0.1), nn.Linear(30, 7))
    step = train_step(model, F.cross_entropy)
    step(tg.ones((20, 40)), tg.zeros((20,), dtype=tg.int64))
    return tg.source(step)


def step_of_a_convolutional_network(images: int) -> Any:
    """Windows that reach over edges, that leave elements out and that overlap."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=2, stride=2, groups=2), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
                          nn.ReLU(), nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, dilation=2, output_padding=1),
                          nn.AvgPool2d((3, 2), 2, 1, ceil_mode=True), nn.Conv2d(3, 5, (1, 2), padding="same"),
                          nn.AvgPool2d(4, count_include_pad=False), nn.Flatten(), nn.Linear(5, 3))
    step = train_step(model, F.cross_entropy)
    step(tg.ones((images, 2, 11, 12)), tg.zeros((images,), dtype=tg.int64))
    return step


@needs_compiler
def test_generated_c_has_no_warnings(tmp_path: Path) -> None:
    how = compiler()
    assert how is not None
    for source in (source_of_a_classifier(), tg.source(step_of_a_convolutional_network(3))):
        compiled(how, source, tmp_path, ("-Wall", "-Wextra", "-Werror"))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["perceptron", "one image", "five images", "seventeen images"])
def test_generated_c_under_the_sanitizers(kind: str, tmp_path: Path) -> None:
    """The step as a program of its own: arrays that are just as long as they are said to be."""
    if kind == "perceptron":
        step = train_step(nn.Sequential(nn.Linear(3, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 5)),
                          F.cross_entropy)
        step(tg.ones((9, 3)), tg.zeros((9,), dtype=tg.int64))
    else:
        step = step_of_a_convolutional_network({"one image": 1, "five images": 5, "seventeen images": 17}[kind])
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = built(tmp_path, {"step.c": alone(step)}, ("-fopenmp-simd", *sanitizers), sanitizers)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_compiler
def test_source_reads_well() -> None:
    """The whole of a short source, so that whoever changes how it looks sees how it looks."""
    scale = tg.Parameter(np.ones(4, np.float32), name="scale")

    def softmax_of_scaled(x: Any) -> Any:
        return F.softmax(x * scale, axis=1)

    step = tg.static(softmax_of_scaled, level="O3")
    step(tg.ones((3, 4)))
    text = "\n".join(line for line in tg.source(step).splitlines() if "VECTORISED" not in line)
    line = next(number for number, code in enumerate(Path(__file__).read_text().splitlines(), 1)
                if "return F.softmax(x * scale" in code)
    assert text.replace(f"test_compiling.py:{line}", "HERE") + "\n" == (Path(__file__).parent / "softmax.c").read_text()


@needs_compiler
def test_the_tutorial_shows_what_is_generated() -> None:
    page = ROOT / "docs" / "tutorial" / "generated-c.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("```python\n")
    space: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n" * before.count("\n") + "\n" + rest.partition("```")[0], str(page), "exec"), space)
    assert rest.partition("```c\n")[2].partition("```")[0] in tg.source(space["fast"])


@needs_compiler
@pytest.mark.parametrize("name", ["int", "a b", "größe", "x; }", "p", "tanh", "expf", "i", "run", "main", "1st", "",
                                  "_", "int64_t", "INFINITY", "float", "failed", "gemm", "unix",
                                  "M_PI", "HUGE_VAL", "k1_tanh"])
def test_names_of_any_kind(name: str) -> None:
    w = tg.Parameter(np.arange(3.0), name=name)
    step = tg.static(lambda x: (tg.tanh(x * w) + tg.exp(w)).sum(), level="O3")
    x = tg.tensor([0.5, 1.0, -1.0], dtype=tg.float64)
    np.testing.assert_allclose(step(x).item(), (np.tanh(x.numpy() * w.numpy()) + np.exp(w.numpy())).sum(), rtol=1e-12)


@needs_compiler
@pytest.mark.parametrize("name", ["multiply_line", "exp__line", "multiply_part", "sum_sum", "w_i", "w_ij", "w_value"])
def test_names_that_kernels_would_make_up(name: str) -> None:
    """A parameter called like the line of a product was read in its place, and gave wrong numbers."""
    rng = np.random.default_rng(0)
    other = tg.tensor(rng.normal(size=(1,)), name="w")
    w = tg.Parameter(rng.normal(size=(3, 5)), name=name)

    def run(x: Any) -> Any:
        y = x * w + other * x
        e = tg.exp(y - y.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True) * w + (w * e).sum(axis=0)

    x = tg.tensor(rng.normal(size=(3, 5)))
    step = tg.static(run, level="O3")
    np.testing.assert_allclose(step(x).detach().numpy(), run(x).detach().numpy(), rtol=1e-12)
    assert type(step.trace.program).__name__ == "CProgram"


@needs_compiler
@pytest.mark.slow
def test_many_processes_build_the_same(tmp_path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, "TEACHGRAD_CACHE": str(tmp_path)}) for _ in range(3)]
    assert [child.communicate()[0].strip() for child in children] == ["CProgram"] * 3
    assert not list((tmp_path / "c").glob("build-*"))


@needs_compiler
@pytest.mark.slow
def test_a_build_that_is_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """A compiler that hangs is killed with the process that called it; the next one builds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    how = compiler()
    assert how is not None
    slow = folder / "slowcc"
    slow.write_text(f"#!/bin/sh\ncase \"$*\" in *program.c*) touch {tmp_path}/started; sleep 2;; esac\n"
                    f"exec {' '.join(how.command)} \"$@\"\n")
    slow.chmod(0o755)
    cache = str(tmp_path / "cache")
    child = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=ROOT, start_new_session=True,
                             env={**os.environ, "TEACHGRAD_CACHE": cache, "CC": str(slow)})
    while not (tmp_path / "started").exists():
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    done = python(SCRIPT, TEACHGRAD_CACHE=cache)
    assert done.stdout.strip() == "CProgram", done.stderr


@needs_compiler
@pytest.mark.slow
def test_a_damaged_library_is_built_again(tmp_path: Path) -> None:
    assert python(SCRIPT, TEACHGRAD_CACHE=str(tmp_path)).stdout.strip() == "CProgram"
    for library in (tmp_path / "c").glob("*.so"):
        library.write_bytes(library.read_bytes()[:1000])
    done = python(SCRIPT, TEACHGRAD_CACHE=str(tmp_path))
    assert done.stdout.strip() == "CProgram", done.stderr


def test_without_a_compiler_numpy_runs_it_and_says_so_once(tmp_path: Path) -> None:
    code = SCRIPT + SCRIPT.replace("tanh", "sin")
    hide = ("import importlib.util as u; find = u.find_spec\n"
            "u.find_spec = lambda name: None if name == 'ziglang' else find(name)\n")
    done = python(hide + code, PATH=str(tmp_path), CC="", TEACHGRAD_CACHE=str(tmp_path))
    assert done.stdout.split() == ["NumpyProgram"] * 2, done.stderr
    assert done.stderr.count("RuntimeWarning: There is no C compiler") == 1


def test_a_compiler_that_fails_is_reported_and_numpy_runs_it(tmp_path: Path) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\ncase \"$1\" in --version) echo broken 1;; *) exit 1;; esac\n")
    broken.chmod(0o755)
    done = python(SCRIPT, CC=str(broken), TEACHGRAD_CACHE=str(tmp_path))
    assert done.stdout.strip() == "NumpyProgram", done.stderr
    assert done.stderr.count("RuntimeWarning") == 1


@needs_compiler
def test_the_cache_can_be_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHGRAD_CACHE", str(tmp_path))
    tg.static(lambda x: x * 3.25, level="O3")(tg.ones((2,)))
    assert cache_dir().parent == tmp_path
    assert clear() == 1
    assert not cache_dir().exists()


@needs_compiler
def test_names_that_would_leave_their_comment_stay_in_it() -> None:
    space: dict[str, Any] = {"tg": tg}
    exec(compile("def f(x):\n    return tg.exp(x) + 1.0\n", "odd\n#error a file's name \\", "exec"), space)
    f = space["f"]
    f.__qualname__ = "f */ #error a function's name \n #error /*"
    fast = tg.static(f, level="O3")
    x = tg.tensor([0.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(fast(x).numpy(), np.exp(x.numpy()) + 1, rtol=1e-6)
    assert "#error" in tg.source(fast)


@needs_compiler
def test_a_bug_of_ours_is_told_and_numpy_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("a kernel that is not there")

    monkeypatch.setattr("teachgrad.executors.c.loops.LoopFunction.text", broken)
    f = tg.static(lambda x: tg.exp(x) + 17.0, level="O3")
    with pytest.raises(KeyError):
        f(tg.ones((3,)))
    monkeypatch.delenv("TEACHGRAD_STRICT")
    tg.c.say_once.cache_clear()
    f = tg.static(lambda x: tg.exp(x) + 17.0, level="O3")
    with pytest.warns(RuntimeWarning, match=r"has a bug: .*KeyError.*test_compiling.py:\d+.*report it"):
        np.testing.assert_allclose(f(tg.ones((3,))).numpy(), np.e + 17, rtol=1e-6)
    tg.c.say_once.cache_clear()


@needs_compiler
def test_c_that_a_compiler_refuses_is_a_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachgrad.executors.c.loops.LoopFunction.text", lambda self: "this is no C\n")
    with pytest.raises(tg.ExecutorError, match="refuses what was generated"):
        tg.static(lambda x: tg.exp(x) + 19.0, level="O3")(tg.ones((3,)))
