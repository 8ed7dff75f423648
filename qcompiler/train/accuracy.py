"""Top-1 of the trained network and of the integers made from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.progress import Progress, tracked
from qcompiler.reference.integer import IntegerReference
from qcompiler.train.dataset import Part
from qcompiler.train.pixels import Pixels
from qcompiler.train.processes import Processes

BATCH = 256
HARD_BATCH = 128


def soft_accuracy(
    model: nn.Module,
    test: Part,
    pixels: Pixels,
    memory: torch.memory_format,
    processes: Processes,
    progress: Progress,
) -> float:
    """Share of the test images that the float model gets right, 0 to 1; in eval mode.

    Args:
        test: On the processes' device.
        memory: Layout of the images.
    """
    model.eval()
    starts = range(0, len(test), BATCH)[processes.rank :: processes.world]
    right = torch.zeros((), dtype=torch.float64, device=processes.device)
    with torch.no_grad():
        for start in tracked(starts, "measuring", len(starts), progress):
            images = pixels(test.images[start : start + BATCH])
            logits = model(laid_out(images, memory))
            right += (logits.argmax(1) == test.labels[start : start + BATCH]).sum()
    return float(processes.total(right)) / len(test)


def hard_accuracy(graph: Graph, test: Part, pixels: Pixels, progress: Progress) -> float:
    """The same of the integer graph, computed exactly as the hardware does.

    Args:
        graph: nn dialect with quantizers.
        test: On the CPU.
    """
    reference = IntegerReference(run_passes(graph, [Integerize()]))
    starts, right = range(0, len(test), HARD_BATCH), 0
    for start in tracked(starts, "measuring the integers", len(starts), progress):
        images = pixels(test.images[start : start + HARD_BATCH]).numpy()
        logits = reference.decode(reference(reference.encode(images)))
        labels = test.labels[start : start + HARD_BATCH].numpy()
        right += int((logits.argmax(1) == labels).sum())
    return right / len(test)


def laid_out(images: Tensor, memory: torch.memory_format) -> Tensor:
    """Images in the layout that the model takes; (N, F) have only one."""
    return images.contiguous(memory_format=memory) if images.dim() == 4 else images
