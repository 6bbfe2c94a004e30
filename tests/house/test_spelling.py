"""What people write who come from other libraries: the error says how it is called here."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.nn import functional as F
from teachgrad.spelling import FUNCTIONS, METHODS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_names_of_other_libraries(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'; here it is `tg\.") as caught:
        getattr(tg, name)
    found: Any = tg
    for part in FUNCTIONS[name].split("."):
        found = getattr(found, part)
    assert callable(found) or isinstance(found, np.dtype), caught.value


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_other_libraries(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'; here it is `"):
        getattr(tg.tensor([1.0]), name)
    for known in re.findall(r"tg\.([\w.]+)\(", METHODS[name]):
        found: Any = tg
        for part in known.split("."):
            found = getattr(found, part)


def test_names_that_nobody_has() -> None:
    with pytest.raises(AttributeError, match=r"^module 'teachgrad' has no attribute 'flump'$"):
        tg.flump
    assert not hasattr(tg, "cat")


CALLS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: tg.sum(x, dim=1),
    "mean": lambda x: x.mean(dim=0),
    "argmax": lambda x: tg.argmax(x, dim=1),
    "max": lambda x: x.max(dim=1),
    "concat": lambda x: tg.concat([x, x], dim=1),
    "stack": lambda x: tg.stack([x, x], dim=1),
    "squeeze": lambda x: tg.squeeze(x, dim=0),
    "expand_dims": lambda x: x.expand_dims(dim=0),
    "cumulative_sum": lambda x: tg.cumulative_sum(x, dim=0),
    "take": lambda x: tg.take(x, tg.tensor([0]), dim=0),
    "vector_norm": lambda x: tg.linalg.vector_norm(x, dim=1),
    "softmax": lambda x: F.softmax(x, dim=1),
    "logsumexp": lambda x: x.logsumexp(dim=1),
    "normalize": lambda x: F.normalize(x, dim=1),
    "Softmax": lambda x: nn.Softmax(dim=1)(x),
    "LogSoftmax": lambda x: nn.LogSoftmax(dim=1)(x),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_axis_is_called_axis(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}\(\) has no setting 'dim'; here it is `axis`$"):
        CALLS[name](tg.tensor(np.ones((1, 3))))


def test_axes_are_kept_by_keepdims() -> None:
    with pytest.raises(TypeError, match=r"sum\(\) has no setting 'keepdim'; here it is `keepdims`"):
        tg.tensor([1.0]).sum(axis=0, keepdim=True)


def test_other_mistakes_are_told_by_python() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'flump'"):
        tg.sum(tg.tensor([1.0]), flump=1)
