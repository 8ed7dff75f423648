"""A small residual network for 8x8 digits: everything the compiler does, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.models.data import DigitsData, digits_data

BATCH = 64


class DigitsBlock(nn.Module):
    """Two 3x3 convolutions beside a 1x1 projection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.project = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.bn3(self.project(x)))


class DigitsNet(nn.Module):
    """(N, 1, 8, 8) in 0..1 to (N, 10) logits; about 6,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.block = DigitsBlock(8, 16)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.pool(self.block(x))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        logits: Tensor = self.fc(x)
        return logits


def train_digits(
    seed: int = 0,
    epochs: int = 12,
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[DigitsNet, DigitsData]:
    """Train from scratch; the same seed gives the same network on the same machine.

    ``progress(epoch, epochs, mean_loss)`` is called after every epoch. The network comes back
    in eval mode; torch's global random state is left as it was.
    """
    data = digits_data()
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        model = DigitsNet()
        optimizer = torch.optim.Adam(model.parameters())
        steps = epochs * -(-len(data.train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=steps)
        for epoch in range(epochs):
            loss = _epoch(model, data, optimizer, schedule)
            if progress is not None:
                progress(epoch + 1, epochs, loss)
    return model.eval(), data


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tensors this small gain nothing from threads, and sums then have one order everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _epoch(
    model: DigitsNet,
    data: DigitsData,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    total = 0.0
    for picked in torch.split(torch.randperm(len(data.train)), BATCH):  # type: ignore[no-untyped-call]
        loss = F.cross_entropy(model(data.train.images[picked]), data.train.labels[picked])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total += loss.item() * len(picked)
    return total / len(data.train)
