"""One training step of ResNet-20 at batch 128: plain float, CSQ by naive autograd, CSQ fused.

Usage: make bench-csq-step. Time is the median of steps that take turns, memory the most that one
step allocates beyond parameters and optimizer state, seen by torch's profiler.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import record
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from qcompiler.models.resnet_cifar import ResNet20
from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.csq.budget import csq_layers
from qcompiler.quant.csq.function import naive
from qcompiler.quant.csq.weight import CSQWeight

console = Console(soft_wrap=True, width=120)
FORMS = ("float", "naive", "fused")


class Trial:
    """One form of the network, its optimizer and its step."""

    def __init__(self, form: str, batch: int) -> None:
        torch.manual_seed(0)
        self.images, self.labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
        self.method: CSQ | None = None
        self.model: nn.Module = ResNet20()
        groups: Any = self.model.parameters()
        if form != "float":
            self.method = CSQ(CSQConfig(budget=3))
            self.model = self.method.prepare(self.model, self.images)
            groups = self.method.parameter_groups(self.model, 1e-4)
            if form == "naive":
                write_naively(self.model)
        self.model.train()
        self.optimizer = torch.optim.SGD(groups, lr=1e-3, momentum=0.9)

    def step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if self.method is not None:
            self.method.begin_step(self.model, 0.5)
        loss = F.cross_entropy(self.model(self.images), self.labels)
        penalty: Tensor | None = None
        if self.method is not None:
            penalty = self.method.penalty(self.model)
        (loss if penalty is None else loss + penalty).backward()
        self.optimizer.step()

    def seconds(self) -> float:
        began = time.perf_counter()
        self.step()
        return time.perf_counter() - began

    def peak(self) -> int:
        """Bytes that a step has allocated at most, over what it found."""
        self.optimizer.zero_grad(set_to_none=True)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            self.step()
        assert seen.profiler is not None and seen.profiler.kineto_results is not None
        events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
        now = most = 0
        for event in sorted(events, key=lambda e: e.start_ns()):
            now += event.nbytes()
            most = max(most, now)
        return most


def write_naively(model: nn.Module) -> None:
    """Each layer's weight by the formula, in its parametrization."""
    model._forward_pre_hooks.clear()  # that would make all weights in one call
    for layer in csq_layers(model):
        form = layer.form
        assert isinstance(form, CSQWeight)

        def forward(bits: Tensor, gates: Tensor, scale: Tensor, form: CSQWeight = form) -> Tensor:
            worth = torch.tanh(form.beta * form.config.spread / 2)
            coefficients = scale / worth * form.places * torch.sigmoid(form.beta * gates)
            return naive(coefficients, form.beta, bits)

        form.forward = forward  # type: ignore[method-assign, assignment]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=15, help="timed steps of each form")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trials = {form: Trial(form, options.batch) for form in FORMS}
    for trial in trials.values():
        trial.step()
    times: dict[str, list[float]] = {form: [] for form in FORMS}
    for _ in range(options.steps):
        for form, trial in trials.items():
            times[form].append(trial.seconds())
    seconds = {form: statistics.median(found) for form, found in times.items()}
    peaks = {form: trial.peak() / 1e6 for form, trial in trials.items()}
    held = {
        form: 2 * sum(p.numel() * p.element_size() for p in trial.model.parameters()) / 1e6
        for form, trial in trials.items()
    }
    table = Table(title="One step", title_justify="left", show_edge=False)
    for column in ("form", "seconds", "over float", "peak MB", "over float", "held MB"):
        table.add_column(column, justify="right" if column != "form" else "left")
    rows = []
    for form in FORMS:
        row = {
            "form": form,
            "seconds": f"{seconds[form]:.3f}",
            "time over float": f"{seconds[form] - seconds['float']:.3f}",
            "peak MB": f"{peaks[form]:.1f}",
            "peak over float": f"{peaks[form] - peaks['float']:.1f}",
            "held MB": f"{held[form]:.1f}",
        }
        rows.append(row)
        table.add_row(*row.values())
    console.print(table)
    console.print("peak: of one step, beyond parameters and momentum, which are 'held'")
    bars = {
        "time_over_float_naive": round(seconds["naive"] / seconds["float"], 3),
        "time_over_float_ours": round(seconds["fused"] / seconds["float"], 3),
        "extra_seconds_ours_over_naive": round(
            (seconds["fused"] - seconds["float"]) / (seconds["naive"] - seconds["float"]), 3
        ),
        "extra_memory_naive_mb": round(peaks["naive"] - peaks["float"], 1),
        "extra_memory_ours_mb": round(peaks["fused"] - peaks["float"], 1),
    }
    for key, value in bars.items():
        console.print(f"{key}: {value}")
    settings = {"batch": options.batch, "steps": options.steps, "threads": options.threads}
    record.write("csq_step", settings, record.machine(), rows, bars)
    return 0


if __name__ == "__main__":
    sys.exit(main())
