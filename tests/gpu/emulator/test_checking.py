"""What checking finds: each planted bug, at its line, and nothing in kernels that are right."""

import re
from pathlib import Path

import numpy as np
import pytest

from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import RawKernel, building
from teachgrad_gpu.emulator.launching import launches_in, values

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
RIGHT = sorted(Path(__file__).parent.glob("right/*.cu"))
WRONG = sorted(Path(__file__).parent.glob("wrong/*.cu"))
ORDERS = (None, 1, 2, 3)
"""Seeds of the order in which threads run."""


def some(paths):
    """A few of each sort are fast tests; the rest take the time of a compiler."""
    return [pytest.param(path, id=path.stem, marks=pytest.mark.slow if number % 5 else ())
            for number, path in enumerate(paths)]  # fmt: skip


def checked(path, **settings):
    """Run the launches of a file: the kernels, checked."""
    source = path.read_text()
    limit = re.search(r"// timeout: ([\d.]+)", source)
    for launch in launches_in(source):
        kernel = RawKernel(source, launch.kernel, check=True, timeout=float(limit[1]) if limit else 60.0,
                           enable_cooperative_groups=launch.cooperative, **settings)
        kernel(launch.grid, launch.block, values(kernel.parameters, launch.arguments), shared_mem=launch.shared)
        yield kernel


@pytest.mark.parametrize("path", some(RIGHT))
def test_nothing_is_found_in_a_right_kernel_in_whatever_order_threads_run(path):
    for seed in ORDERS:
        for kernel in checked(path, seed=seed):
            assert not kernel.findings, (seed, kernel.report())


@pytest.mark.parametrize("path", some(WRONG))
def test_the_mistake_of_a_wrong_kernel_is_found_and_nothing_else(path):
    expected = {(kind, int(line)) for kind, line in re.findall(r"// finds: (.*) (\d+)", path.read_text())}
    assert expected
    for kernel in checked(path):
        found = {(finding.kind, finding.line) for finding in kernel.findings}
        assert expected <= found, kernel.report()
        assert {kind for kind, _ in found} == {kind for kind, _ in expected}, kernel.report()
    for seed in ORDERS[1:]:
        emulator.stop()  # variables of a module keep their values, so that one of the mistakes is made once only
        for kernel in checked(path, seed=seed):
            assert kernel.findings, seed


WIDE = r"""
extern "C" __global__ void k(const int* places, float4* y) {
    __shared__ float4 s[256];
    for (int i = threadIdx.x; i < 256; i += 32) s[i] = make_float4(i, 0, 0, 0);
    __syncwarp();
    y[threadIdx.x] = s[places[threadIdx.x]];
}"""


@pytest.mark.parametrize(("places", "turns"), [
    (range(32), 4), ([lane // 2 for lane in range(32)], 2), ([lane // 4 * 2 + lane % 2 for lane in range(32)], 2),
    ([lane % 16 for lane in range(32)], 4), ([0] * 32, 2), ([8 * lane for lane in range(32)], 32),
])  # fmt: skip
def test_wide_loads_go_in_groups_of_lanes(places, turns):
    kernel = RawKernel(WIDE, "k", check=True)
    kernel((1,), (32,), (np.array(list(places), np.int32), np.zeros((32, 4), np.float32)))
    loads, stores = [[c for c in kernel.counters if (c.space, c.operation) == ("shared", kind)]
                     for kind in ("load", "store")]  # fmt: skip
    assert [c.transactions for c in loads] == [turns]
    assert [c.per_request for c in stores] == [4]
