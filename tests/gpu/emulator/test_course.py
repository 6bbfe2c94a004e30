"""Programs of a usual course in CUDA: right as NumPy is, no false alarm; and each mistake that one could make in them.

A mistake is written in the file, as what would stand there instead, what is found then, and the text of its line.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from teachgrad_gpu.emulator import RawKernel, building
from teachgrad_gpu.emulator.launching import launches_in, values
from tests.gpu.emulator import references

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
FILES = sorted(Path(__file__).parent.glob("course/*.cu"))
MISTAKE = re.compile(r"// instead of `(.*?)` write `(.*?)` finds (nothing|(.*?) at `(.*?)`)$", re.MULTILINE)
QUICK = ("scan_kogge_stone", "kmeans", "double_buffer")
OTHERWISE = ("aggregated_filter", "convolution_constant", "double_buffer", "kmeans", "reduce_last_block", "spin_lock")
"""Programs with what is done in another way where nothing is checked: copies, variables, lanes that are together."""


def some(paths):
    return [pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow) for path in paths]


def as_numpy_does(path, before, after):
    for position, expected in references.expected(path.stem, before).items():
        np.testing.assert_allclose(after[position], expected, rtol=2e-5, atol=1e-6)


def launched(path, source, **settings):
    """Run a program: its kernel, its arguments before and after."""
    [launch] = launches_in(source)
    limit = 2.0 if "finds timeout" in source else 60.0
    kernel = RawKernel(source, launch.kernel, timeout=limit, **settings)
    before = references.prepared(path.stem, values(kernel.parameters, launch.arguments))
    after = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in before)
    kernel(launch.grid, launch.block, after, shared_mem=launch.shared)
    return kernel, before, after


@pytest.mark.parametrize("path", some(FILES))
def test_a_program_does_what_numpy_does_and_nothing_is_found(path):
    for seed in (None, 3):
        kernel, before, after = launched(path, path.read_text(), check=True, seed=seed)
        assert not kernel.findings, kernel.report()
        as_numpy_does(path, before, after)


@pytest.mark.parametrize("path", some(path for path in FILES if path.stem in OTHERWISE))
def test_it_does_so_too_where_nothing_is_checked(path):
    as_numpy_does(path, *launched(path, path.read_text())[1:])


@pytest.mark.parametrize("path", some(FILES))
def test_each_mistake_in_a_program_is_found(path):
    source = path.read_text()
    mistakes = MISTAKE.findall(source)
    assert len(mistakes) == source.count("// instead of") >= 2
    for old, new, _, kind, text in mistakes:
        body = source.index("\n", source.rindex("// instead of"))
        assert old in source[body:], (old, "is not in the program")
        wrong = source[:body] + source[body:].replace(old, new.replace("\\n", "\n"), 1)
        kernel, _, _ = launched(path, wrong, check=True)
        found = {(finding.kind, line) for finding in kernel.findings for line in (finding.line, finding.other_line)}
        if not kind:
            assert not found, (old, kernel.report())
            continue
        lines = [number for number, line in enumerate(wrong.split("\n"), 1)
                 if text in line and not line.startswith("// instead of")]  # fmt: skip
        assert lines, (text, "is not in the program")
        assert found & {(kind, line) for line in lines}, (old, new, kernel.report())
