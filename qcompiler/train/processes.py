"""One process or several (torchrun): they agree on gradients, buffers and when to stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from qcompiler.errors import QCompilerError

PATIENCE = timedelta(hours=12)  # the first process measures the integers while the others wait


@dataclass(frozen=True)
class Processes:
    """This process among those of a run.

    Args:
        rank: 0 writes and speaks.
        world: How many there are.
        device: What this one computes on.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average(self, model: nn.Module, figures: Tensor) -> Tensor:
        """Replace gradients and float buffers by their means over all processes, in one exchange.

        A wrapper such as DistributedDataParallel would not do: methods freeze parameters, or leave
        them out of the forward pass, from some step on.

        Args:
            figures: Numbers of this process, float32 (K,).

        Returns:
            Their means.
        """
        if self.world == 1:
            return figures
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        shared = [b for b in model.buffers() if b.is_floating_point()]
        tensors = [figures, *gradients, *shared]
        flat = torch.cat([t.detach().flatten().float() for t in tensors])
        dist.all_reduce(flat)
        flat /= self.world
        parts = torch.split(flat, [t.numel() for t in tensors])  # type: ignore[no-untyped-call]
        for tensor, part in zip(tensors[1:], parts[1:], strict=True):
            tensor.detach().copy_(part.view_as(tensor))
        means: Tensor = parts[0]
        return means

    def total(self, count: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            dist.all_reduce(count)
        return count

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.all_reduce(torch.zeros(1))


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that torchrun started, or this one alone.

    Raises:
        QCompilerError: ``device`` is not there.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    place = pick_device(device, local if world > 1 else None)
    if world == 1:
        yield Processes(0, 1, place)
        return
    started = not dist.is_initialized()
    if started:
        backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), place)
    finally:
        if started:
            dist.destroy_process_group()


def check_shares(batch: int, world: int) -> None:
    """Raise if a batch does not share out to so many processes."""
    if batch % world:
        raise QCompilerError(
            f"{batch} images do not share out to {world} processes",
            where="batch_size",
            hint=f"give a multiple of {world}",
        )


def pick_device(name: str, local: int | None = None) -> torch.device:
    """The torch device; ``local``: number of this process on its machine, None if it is alone."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not count):
        return torch.device("cpu")
    device = torch.device("cuda" if name == "auto" else name)
    index = device.index if device.index is not None else local or 0
    if index >= count:
        raise QCompilerError(
            f"device {name} is not available: torch {torch.__version__} sees "
            f"{count or 'no'} GPU{'s' * (count > 1)}",
            hint="leave out --device, or take --device cpu",
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
