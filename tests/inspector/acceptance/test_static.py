"""Check 10: what the Passes screen says of a program is what the compiled function says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.inspector.acceptance.test_questions import printed
from tests.inspector.terminal import HAS_TMUX, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_TMUX, reason="there is no tmux")]

BOTH = """\
import sys
import teachgrad as tg
sys.argv = ["demo", sys.argv[1] + "/static.tgr"]
from teachgrad_inspector.demos import static_mlp as demo
print(len(demo.train_step.graph.order))
tg.seed(0)
net = demo.Net()
optimizer = demo.optim.SGD(net.parameters(), lr=0.5, momentum=0.5)
demo.net, demo.optimizer = net, optimizer
batches = iter(demo.data.Loader(demo.train, batch=64, shuffle=True))
with tg.mode("dynamic"):
    for _ in range(2):
        demo.train_step(*next(batches))
    with tg.Recorder(sys.argv[1].replace("static.tgr", "dynamic.tgr"), level="values"):
        for _ in range(5):
            demo.train_step(*next(batches))
"""


def test_10_passes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BOTH, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    ops = int(done.stdout)
    with Terminal(120, 34) as terminal:
        terminal.teachgrad("inspect", str(tmp_path / "static.tgr"), "--screen", "passes")
        terminal.wait("graph as recorded")
        terminal.press("G")
        screen = terminal.settled("graph as compiled")
        found = re.search(r"graph as compiled ─+ (\d+) ops, (\d+) kernels", screen)
        assert found is not None
        assert int(found[1]) == ops
        terminal.press("q")
        terminal.wait_for_end()
    kernels = json.loads(printed(str(tmp_path / "static.tgr"), "--screen", "kernels", "--print", "json"))["view"]
    assert 0 < len(kernels["kernels"]) <= int(found[2])  # O3 fuses further, into loops of C
    losses = []
    for name in ("static.tgr", "dynamic.tgr"):
        both = [json.loads(printed(str(tmp_path / name), "--screen", "train", "--at", f"t{step}", "--print", "json"))
                for step in (0, 4)]  # fmt: skip
        losses += [item["head"]["loss"] for item in both]
        losses += [item["view"]["gradient_norm"] for item in both if "gradient_norm" in item["view"]]
    half = len(losses) // 2
    assert losses[:half] == pytest.approx(losses[half:], rel=1e-4)
