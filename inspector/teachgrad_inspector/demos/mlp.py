"""A few training steps of a network 64-32-10 on handwritten digits, recorded into the file that is named."""

import sys

import teachgrad as tg
from teachgrad import data, nn, optim
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
optimizer = optim.SGD(net.parameters(), lr=0.5)
batches = iter(data.Loader(train, batch=64, shuffle=True))

with Recorder(sys.argv[1], level="values"):
    for _ in range(5):
        x, y = next(batches)
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
