"""A plugin of pytest: every tensor of the tests is made on the stand-in for a GPU, with its kernels if they compile.

`python -m pytest -p tests.gpu.elsewhere tests/nn` runs tests that know nothing of devices. Only `numpy()`, by which
they look at results, carries values over; it does so for tests alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from teachgrad import devices
from teachgrad.op import state
from teachgrad.tensor import Tensor
from teachgrad_gpu.emulator.building import compiler
from tests.gpu.standing import StandIn
from tests.gpu.strict import Strict

PLACE = devices.add(Strict() if compiler() is None else StandIn())
read_here = Tensor.numpy


def numpy(self: Tensor, *, copy: bool = False) -> Any:
    """The values of a tensor, wherever it is."""
    if devices.of(self._data) is not PLACE:
        return read_here(self, copy=copy)
    array = PLACE.to_host(self.array_for("turned into a NumPy array"))
    array.flags.writeable = copy
    return array


Tensor.numpy = numpy  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def elsewhere() -> Iterator[None]:
    """Make tensors on the stand-in."""
    state.now.device = PLACE
    yield
    state.now.device = None
