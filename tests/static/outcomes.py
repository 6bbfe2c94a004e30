"""What the tests of static mode share: running the same little world in every way, and comparing bits."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.op import Vertex

WAYS = {
    "O0": {"level": "O0"},
    "O1 off": {"plan": "off"},
    "O1 inplace": {"plan": "inplace"},
    "O1 reuse": {"plan": "reuse"},
    "O1 best": {"plan": "best"},
}
"""The settings of `tg.static` that promise the bits of plain Python."""

Run = Callable[[Callable[..., Any]], Callable[..., Any]]
"""What a scenario puts its function through: nothing, or `tg.static` in some way."""


def T(*shape: int, seed: int = 0, grad: bool = False, dtype: Any = np.float32) -> Any:
    """A tensor of normal numbers."""
    data = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    return tg.tensor(data, requires_grad=grad)


def bits(value: Any) -> Any:
    """A value to compare by `==`: arrays as bytes, so that 0.0 and -0.0 differ and nan equals nan."""
    if isinstance(value, Vertex):
        data = value._data
        return "tensor", data.shape, data.dtype.str, data.tobytes(), value.requires_grad
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [bits(item) for item in value]
    if isinstance(value, dict):
        return "dict", [(key, bits(item)) for key, item in value.items()]
    return type(value).__name__, repr(value)


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Dynamic mode."""
    return function


def statically(**settings: Any) -> Run:
    """Static mode."""
    return lambda function: tg.static(function, **settings)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check mode."""
    step = tg.static(function)

    def run(*args: Any, **kwargs: Any) -> Any:
        with tg.mode("check"):
            return step(*args, **kwargs)

    return run


RUNS: dict[str, Run] = {**{name: statically(**settings) for name, settings in WAYS.items()}, "check": checked}
"""Every way to run a scenario, besides plainly."""


def outcome(scenario: Callable[[Run], Any], run: Run) -> Any:
    """What a scenario gives when its function is run in some way; an error counts by its type."""
    tg.seed(7)
    answer = scenario(run)
    return bits(list(answer) if isinstance(answer, Iterator) else answer)


class Scenarios(dict[str, tuple[Callable[[Run], Any], str | None]]):
    """A table of scenarios: functions of `run`, and the code of the refusal that is expected, or None."""

    def same(self, scenario: Callable[[Run], Any]) -> Callable[[Run], Any]:
        """This gives the bits of dynamic mode."""
        self[scenario.__name__] = scenario, None
        return scenario

    def refused(self, code: str) -> Callable[[Callable[[Run], Any]], Callable[[Run], Any]]:
        """This works in dynamic mode and is refused in static mode, naming the line with `# here`, if there is one."""
        def note(scenario: Callable[[Run], Any]) -> Callable[[Run], Any]:
            self[scenario.__name__] = scenario, code
            return scenario
        return note

    def check(self, name: str, way: str) -> None:
        """Try one scenario in one way."""
        scenario, code = self[name]
        want = outcome(scenario, plainly)
        if code is None:
            assert outcome(scenario, RUNS[way]) == want
            return
        with pytest.raises(tg.TraceError) as caught:
            outcome(scenario, RUNS[way])
        found = parts_of(caught.value)
        assert found["code"] == code, caught.value
        assert not (lines := marked_lines(scenario)) or int(found["line"]) in lines, caught.value
        assert found["file"] == Path(inspect.getsourcefile(scenario) or "").name, caught.value
        assert code != "TG-S01" or "depends on" in found["why"], caught.value


PARTS = re.compile(
    r"\[(?P<code>TG-S\d\d)\] (?P<what>.+)\n"
    r"  (?P<file>\S+):(?P<line>\d+)   (?P<text>.+)\n *(?P<mark>\^+)\n"
    r"(?P<why>.+)\nWays? out: (?P<ways>.+)\.\n"
    r"More: docs/reference/hard-subjects\.md#(?P<section>tg-s\d\d)")


def parts_of(error: tg.TraceError) -> dict[str, str]:
    """What a refusal says: its code, what happened, where, why, the ways out, and where there is more."""
    found = PARTS.fullmatch(str(error))
    assert found, error
    assert found["code"] == error.code
    assert found["section"] == error.code.lower()
    return found.groupdict()


def marked_lines(scenario: Callable[..., Any]) -> list[int]:
    """The lines of a function that end in `# here`."""
    lines, first = inspect.getsourcelines(scenario)
    return [first + number for number, line in enumerate(lines) if line.rstrip().endswith("# here")]
