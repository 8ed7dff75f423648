"""The regularizer that grows and prunes planes towards the budget (CSQ eq. 5)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from qcompiler.quant.costs import CostTable, LayerWork
from qcompiler.quant.csq.weight import CSQWeight
from qcompiler.quant.qat.weights import FormedLayer, formed_layers


def csq_layers(model: nn.Module) -> list[FormedLayer]:
    return [layer for layer in formed_layers(model) if isinstance(layer.form, CSQWeight)]


class Budget:
    """Weighs every gate by what its plane costs.

    Args:
        works: What the layers' costs depend on, in the model's order.
        target: Average bits to reach.
        kind: One of ``costs.KINDS``.
        strength: λ.
        count: ``soft`` or ``hard``, how ΔS counts gates.
    """

    def __init__(
        self,
        works: list[LayerWork],
        target: float,
        kind: str,
        strength: float,
        planes: int,
        count: str = "soft",
    ) -> None:
        self.target = target
        self.strength, self.planes, self.count = strength, planes, count
        self.costs = CostTable(works, kind)

    def average(self, model: nn.Module) -> float:
        """Bits if every gate were set to what it is nearer to."""
        found = [layer.live() for layer in csq_layers(model)]
        live = [float(on.sum()) / len(on) for on in found]
        return self.costs.equivalent(live)

    def penalty(self, model: nn.Module, layers: list[FormedLayer] | None = None) -> Tensor:
        """``λ · ΔS · Σ_l share_l · L · Σ_i g_i``, ΔS the distance to the budget, in [-1, 1].

        ΔS carries no gradient; its sign says whether planes grow or are pruned. The released code
        counts gates of at least one half; then all planes of a young network swing together.
        Counting gates by how far they are open (``soft``) makes the distance shrink smoothly.
        """
        layers = layers or csq_layers(model)
        logits = [layer.originals[1] for layer in layers]
        groups = [len(m) for m in logits]
        opened = torch.sigmoid(_form(layers[0]).beta * torch.cat(logits)).sum(dim=1)
        counted = opened.detach()
        if self.count == "hard":
            counted = (torch.cat(logits) >= 0).float().sum(dim=1)
        parts = torch.split(counted.cpu(), groups)  # type: ignore[no-untyped-call]
        on = [float(part.mean()) for part in parts]
        weights = np.repeat(self.costs.shares * len(layers) / groups, groups)
        distance = (self.costs.equivalent(on) - self.target) / self.planes
        scale = torch.tensor(weights * distance * self.strength, dtype=opened.dtype)
        return (scale.to(opened.device) * opened).sum()

    @torch.no_grad()
    def settle(self, model: nn.Module) -> None:
        """Fix all gates so that the budget is met as closely as planes allow.

        Gates open in the order of their logits; one that would overshoot the budget by more than
        it now falls short is passed over. Every layer's (and group's) strongest gate stays.
        Bits start again as the digits nearest to the weights that were reached.
        """
        layers = csq_layers(model)
        logits = [layer.originals[1] for layer in layers]
        chosen = [torch.zeros_like(m, dtype=torch.bool) for m in logits]
        order = []
        for index, m in enumerate(logits):
            best = m.argmax(dim=1)
            for group in range(len(m)):
                chosen[index][group, best[group]] = True
                for plane in range(m.shape[1]):
                    if plane != best[group]:
                        order.append((-float(m[group, plane]), index, group, plane))

        def distance() -> float:
            live = [float(c.sum()) / len(c) for c in chosen]
            return self.costs.equivalent(live) - self.target

        now = distance()
        for _, index, group, plane in sorted(order):
            chosen[index][group, plane] = True
            after = distance()
            if abs(after) < abs(now):
                now = after
            else:
                chosen[index][group, plane] = False
        for layer, on in zip(layers, chosen, strict=True):
            _form(layer).fix(on, *layer.originals)


def _form(layer: FormedLayer) -> CSQWeight:
    assert isinstance(layer.form, CSQWeight)
    return layer.form
