"""Train a network on handwritten digits in both modes, and look inside.

The network 64-32-10 learns the optical digits twice, from the same seed: once in dynamic mode, where every op runs as
Python meets it, and once in static mode, where the whole training step is traced and compiled once. The losses agree
to the last bit. Then the first training steps are recorded, and the inspector opens on them.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TextIO

EPOCHS = 15
RECORDED = 5
WEIGHT = "t0/bwd/fc2.weight.grad"
BARS = " ▁▂▃▄▅▆▇█"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--record", metavar="FILE", type=Path, default=Path("demo.tgr"),
                        help="where to record the first training steps (default: demo.tgr)")  # fmt: skip
    parser.add_argument("--epochs", metavar="N", type=int, default=EPOCHS, help=f"passes (default: {EPOCHS})")
    parser.add_argument("--no-inspect", action="store_true", help="print a screen instead of opening the inspector")


def main(args: Namespace) -> int:
    from ..glyphs import choose

    plain = choose().ascii
    print("Handwritten digits: 1437 to learn from, 360 to test on. A network 64-32-10, Adam, batches of 64.\n")
    dynamic = Training("dynamic", args.epochs).run(sys.stdout, plain)
    static = Training("static", args.epochs).run(sys.stdout, plain)
    different = sum(a != b for a, b in zip(dynamic.losses, static.losses, strict=True))
    if different:
        print(f"\n{different} of {len(dynamic.losses)} losses differ between the modes. That must not happen.")
        return 1
    print(f"\nAll {len(dynamic.losses)} losses agree bit for bit between dynamic and static mode.")
    print(f"Accuracy on the test digits: {100 * dynamic.accuracy:.1f} %")
    Training("recorded", 1).record(args.record)
    print(f"The first {RECORDED} training steps are recorded in {args.record}\n")
    return _inspect(args, sys.stdin.isatty() and sys.stderr.isatty() and not args.no_inspect)


class Training:
    """One training from a fixed seed. `mode` says how its steps run."""

    def __init__(self, mode: str, epochs: int) -> None:
        import teachgrad as tg
        from teachgrad import data, nn, optim

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc1 = nn.Linear(64, 32)
                self.fc2 = nn.Linear(32, 10)

            def forward(self, x: tg.Tensor) -> tg.Tensor:
                h = nn.functional.relu(self.fc1(x))
                logits: tg.Tensor = self.fc2(h)
                return logits

        def train_step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        tg.seed(0)
        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        self.mode = mode
        self.epochs = epochs
        self.losses: list[float] = []
        self.accuracy = 0.0
        self._net = net
        self._step = tg.static(train_step) if mode == "static" else train_step
        self._train, self._test = data.digits(flatten=True)
        self._loader = data.Loader(self._train, batch=64, shuffle=True, drop_last=True)

    def run(self, out: TextIO, plain: bool) -> Training:
        """Train, showing the loss as it falls."""
        from time import perf_counter

        start = perf_counter()
        means: list[float] = []
        for _ in range(self.epochs):
            epoch = [self._step(x, y).item() for x, y in self._loader]
            self.losses += epoch
            means.append(sum(epoch) / len(epoch))
            if out.isatty():
                out.write(f"\r  {self._line(means, plain)}")
                out.flush()
        self.accuracy = self._test_accuracy()
        line = f"  {self._line(means, plain)}   {perf_counter() - start:.2f} s"
        out.write(f"\r{line}\n" if out.isatty() else f"{line}\n")
        return self

    def record(self, path: Path) -> None:
        """Record the first training steps, values and all."""
        from teachgrad.recording import Recorder

        batches = iter(self._loader)
        with Recorder(path, level="values"):
            for _ in range(RECORDED):
                self._step(*next(batches))

    def _line(self, means: list[float], plain: bool) -> str:
        curve = "".join(BARS[max(1, round(mean / means[0] * 8))] for mean in means)
        curve = "" if plain else f"   {curve:<{self.epochs}}"
        return f"{self.mode:<9}epoch {len(means):>2} of {self.epochs}   loss {means[-1]:.4f}{curve}"

    def _test_accuracy(self) -> float:
        import numpy as np

        import teachgrad as tg

        x, y = self._test[:]
        with tg.no_grad():
            logits = self._net(tg.tensor(x)).numpy()
        return float(np.mean(logits.argmax(axis=1) == y))


def _inspect(args: Namespace, terminal: bool) -> int:
    """Open the inspector on the recording, or print one of its screens."""
    from .inspect import add_arguments
    from .inspect import main as inspect

    if terminal:
        print("Opening the inspector: s steps forward, S back, enter shows the chain rule, q quits.")
    else:
        print(f"The chain rule for one weight ({WEIGHT}), with the recorded numbers:\n")
    parser = ArgumentParser()
    add_arguments(parser)
    printed = ["--at", WEIGHT, "--screen", "chain", "--print", "text"]
    status = inspect(parser.parse_args([str(args.record), "--check", *([] if terminal else printed)]))
    print(f"\nLook at it again with: teachgrad inspect {args.record}")
    return status
