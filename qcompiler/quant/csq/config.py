"""What a user asks of CSQ."""

from __future__ import annotations

from dataclasses import dataclass

from qcompiler.errors import QCompilerError
from qcompiler.quant.costs import KINDS
from qcompiler.quant.qat.base import check_activations


@dataclass(frozen=True)
class CSQConfig:
    """Settings of bit-level training (CSQ, arXiv 2212.02770; docs/training.md).

    Args:
        budget: Average bits to reach, in ``cost``'s terms: planes of a weight, sign not counted.
        planes: Magnitude planes N that training starts with, 1 to 8.
        cost: What the average is weighted by: one of ``costs.KINDS``; ``planes`` (layers count
            alike) is what the paper's code does.
        strength: λ of the regularizer.
        count: ``soft`` counts gates by how far they are open, ``hard`` those of at least one half
            (the paper's code).
        groups: Groups of output channels with gates of their own, in layers whose channels they
            divide; 1 is the paper's gate per layer.
        activations: Bits of the codes between layers in training; 0 or 32: left to calibration.
        activation_kind: ``lsq`` or ``pact``.
        temperature: β at the start and the end of the search.
        search: Share of training in which gates are searched; the rest fixes them.
        rewind: β at the start of the phase with fixed gates, for the bits alone.
        spread: Logits start at ± this.
        gate: Gate logits start here; 0 leaves each plane half open, as the paper does.
        slope: How much higher each plane's gate logit starts than that of the plane below; the
            logit is ``gate`` at the budget's edge. 0 is the paper's start.
        bit_rate: Rate at which weights learn through their bits while these are undecided, as a
            multiple of the learning rate; 0 is the paper's plain gradient, many times slower.
        gate_rate: Learning rate of gate logits, as a multiple of the others'.
        compile: Run the fused function through ``torch.compile`` (needs a C++ compiler).
    """

    budget: float = 3.0
    planes: int = 8
    cost: str = "size"
    strength: float = 0.01
    count: str = "soft"
    groups: int = 1
    activations: int = 0
    activation_kind: str = "lsq"
    temperature: tuple[float, float] = (1.0, 200.0)
    search: float = 0.8
    rewind: float = 1.0
    spread: float = 0.5
    gate: float = 0.0
    slope: float = 0.1
    bit_rate: float = 1.0
    gate_rate: float = 10.0
    compile: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.planes <= 8:
            raise QCompilerError(f"{self.planes} planes are outside 1 to 8", where="planes")
        if not 1 <= self.budget <= self.planes:
            raise QCompilerError(
                f"an average of {self.budget:g} bits is outside 1 to {self.planes}, "
                "the planes that training starts with",
                where="budget",
            )
        if self.cost not in KINDS:
            raise QCompilerError(
                f"cost {self.cost!r} is unknown", hint=f"choose one of {', '.join(KINDS)}"
            )
        if self.count not in ("soft", "hard"):
            raise QCompilerError(f"{self.count!r} is neither soft nor hard", where="count")
        if self.groups < 1:
            raise QCompilerError(f"{self.groups} groups; at least 1", where="groups")
        check_activations(self.activations, self.activation_kind)
        first, last = self.temperature
        if not 0 < first < last or not 0 < self.rewind <= last:
            raise QCompilerError(
                f"{first:g} to {last:g}, from {self.rewind:g} again: temperatures are positive "
                "and rise",
                where="temperature",
            )
        if not 0 < self.search < 1:
            raise QCompilerError(f"{self.search:g} is no share between 0 and 1", where="search")
        if not 0 <= self.bit_rate < float("inf"):
            raise QCompilerError(f"{self.bit_rate:g} is negative", where="bit_rate")
        for what in ("strength", "spread", "gate_rate"):
            if not 0 < getattr(self, what) < float("inf"):
                raise QCompilerError(f"{getattr(self, what):g} is not positive", where=what)
