"""The regularizer that grows and prunes planes towards the budget (CSQ eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qcompiler.quant.costs import LayerWork, equivalent, shares
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
        self.works, self.target, self.kind = works, target, kind
        self.strength, self.planes, self.count = strength, planes, count
        self.shares = shares(works, kind)

    def average(self, model: nn.Module) -> float:
        """Bits if every gate were set to what it is nearer to."""
        found = [layer.live() for layer in csq_layers(model)]
        live = [float(on.sum()) / len(on) for on in found]
        return equivalent(self.works, live, self.kind)

    def penalty(self, model: nn.Module, layers: list[FormedLayer] | None = None) -> Tensor:
        """``λ · ΔS · Σ_l share_l · L · Σ_i g_i``, ΔS the distance to the budget, in [-1, 1].

        ΔS carries no gradient; its sign says whether planes grow or are pruned. The released code
        counts gates of at least one half; then all planes of a young network swing together.
        Counting gates by how far they are open (``soft``) makes the distance shrink smoothly.
        """
        layers = layers or csq_layers(model)
        opened = [_form(layer).gates(layer.originals[2]) for layer in layers]
        planes = torch.stack([g.sum() / len(g) for g in opened])
        if self.count == "soft":
            on = planes.detach()
        else:
            on = torch.stack([(g >= 0.5).float().sum() / len(g) for g in opened])
        weights = torch.tensor(self.shares, device=on.device) * len(layers)
        return self.strength * self._distance(on) * (weights * planes).sum()

    def _distance(self, on: Tensor) -> float:
        average = equivalent(self.works, on.tolist(), self.kind)
        return (average - self.target) / self.planes

    @torch.no_grad()
    def settle(self, model: nn.Module) -> None:
        """Fix all gates so that the budget is met as closely as planes allow.

        Gates open in the order of their logits; one that would overshoot the budget by more than
        it now falls short is passed over. Every layer's (and group's) strongest gate stays.
        Bits start again as the digits nearest to the weights that were reached.
        """
        layers = csq_layers(model)
        logits = [layer.originals[2] for layer in layers]
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
            return equivalent(self.works, live, self.kind) - self.target

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
