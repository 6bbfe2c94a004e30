"""Training steps of the network of the demo mlp as a static program, generated C, recorded into the file that is named.

A profile comes first, so that the recording knows how long each kernel takes and what the machine can do.
"""

import sys

import teachgrad as tg
from teachgrad import data, nn, optim
from teachgrad.executors.c import compiler
from teachgrad.profiling.machine import machine
from teachgrad.recording import Recorder


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        z = self.fc1(x)
        h = nn.functional.relu(z)
        logits: tg.Tensor = self.fc2(h)
        return logits


tg.seed(0)
train, test = data.digits(flatten=True)
net = Net()
optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.5)
batches = iter(data.Loader(train, batch=64, shuffle=True))


@tg.static(level="O3" if compiler() is not None else "O2")
def train_step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
    powers = net(x).exp()
    chances = powers / powers.sum(axis=1, keepdims=True)  # as in a textbook: the compiler knows better
    loss = -(nn.functional.one_hot(y, 10) * chances.log()).sum() / 64.0
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


train_step(*next(batches))
machine()
with tg.profile():
    train_step(*next(batches))
with Recorder(sys.argv[1], level="values"):
    for _ in range(5):
        train_step(*next(batches))
