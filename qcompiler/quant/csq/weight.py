"""One layer's weight as gated bit planes that are still soft."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.quant.csq.config import CSQConfig
from qcompiler.quant.csq.function import BitSums
from qcompiler.quant.qat.weights import WeightForm, best_step, formed_layers


class CSQWeight(WeightForm):
    """``W = s/t · Σ_i e_i · g_i · (σ(β·P_i) - σ(β·M_i))``, ``e_i = 2^i / (2^N - 1)`` (CSQ eq. 4).

    Originals: bit logits P and M (2, N, O, …), gate logits m (G, N), scale s (). The search has
    ``g = σ(β·m)``, afterwards g is 0 or 1. Place values are a buffer: they do not train.
    ``t = tanh(β·spread/2)`` is what a bit that was just set is worth while it is soft; it goes to 1
    with β, so that the weights keep their size while β rises, and the hard form is the paper's.
    """

    places: Tensor
    beta: Tensor
    fixed: Tensor
    chosen: Tensor

    def __init__(self, shape: torch.Size, config: CSQConfig) -> None:
        super().__init__(shape)
        self.config = config
        self.groups = config.groups if shape[0] % config.groups == 0 else 1
        places = torch.tensor([float(2**i) for i in range(config.planes)])
        self.register_buffer("places", places / (2**config.planes - 1))
        self.register_buffer("beta", torch.tensor(config.temperature[0]))
        self.register_buffer("fixed", torch.tensor(False))  # gates are hard
        chosen = torch.zeros(self.groups, config.planes, dtype=torch.bool)
        self.register_buffer("chosen", chosen)  # the hard gates, out of momentum's reach
        self.ready: Tensor | None = None  # during a forward pass of the model: see weigh_together

    def forward(self, *originals: Tensor) -> Tensor:
        return weigh([self], [originals])[0] if self.ready is None else self.ready

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        """The bits of the rounded weight, and a scale that makes up for gates that start half open.

        The range is the one of least mean square error at the budget's number of planes, so that
        the high planes carry most of the weight and the low ones may go.
        """
        n = self.config.planes
        levels = 2 ** max(1, round(self.config.budget)) - 1
        peak = best_step(weight, levels) * levels
        allowed = torch.ones(self.groups, n, dtype=torch.bool, device=weight.device)
        logits = self._bits(weight / peak, allowed)
        height = torch.arange(n, device=weight.device) - (n - self.config.budget) + 0.5
        gates = (self.config.gate + self.config.slope * height).repeat(self.groups, 1)
        opened = (torch.sigmoid(self.beta * gates[0]) * self.places).sum() / self.places.sum()
        return logits, gates, peak / opened

    def _bits(self, share: Tensor, allowed: Tensor) -> Tensor:
        """Logits ±spread of the digits on allowed planes nearest to ``share`` of the full scale."""
        n, spread = self.config.planes, self.config.spread
        codes = torch.empty(share.shape, dtype=torch.long, device=share.device)
        pieces = zip(_groups(share, self.groups), _groups(codes, self.groups), allowed, strict=True)
        for piece, out, live in pieces:
            sums = subset_sums(live)
            bounds = (sums[1:] + sums[:-1]) / 2
            out.copy_(sums[torch.bucketize(piece.abs() * (2**n - 1), bounds)].long())
        bits = torch.stack([(codes >> i) & 1 for i in range(n)]).bool()
        signed = torch.stack([bits & (share > 0), bits & (share < 0)])
        return torch.where(signed, spread, -spread)

    @torch.no_grad()
    def fix(self, live: Tensor, *originals: Tensor) -> None:
        """Gates become ``live``; bits start again as the digits nearest to the weight of now."""
        logits, _, scale = originals
        weight = self.forward(*originals)
        shares = torch.linspace(0.4, 1.2, 33, device=weight.device)
        least = torch.inf
        for share in shares:  # only the best so far is held: planes of a large layer are many
            found = self._bits(weight / (share * scale), live)
            digit = (found[0] > 0).float() - (found[1] > 0).float()
            hard = torch.einsum("n,n...->...", self.places, digit) * share * scale
            if (error := float((hard - weight).square().mean())) < least:
                least, best, grown = error, found, share
        logits.copy_(best)
        scale.mul_(grown)
        self.chosen.copy_(live)
        self.fixed.fill_(True)

    def live(self, *originals: Tensor) -> Tensor:
        """Planes that are on; a group without any keeps its strongest one."""
        gates = originals[1]
        on = torch.where(self.fixed, self.chosen, gates > 0)
        empty = ~on.any(dim=1)
        on[empty, gates[empty].argmax(dim=1)] = True
        return on

    def integers(self, *originals: Tensor) -> tuple[Tensor, Tensor]:
        """Exact digits on live planes; place values count from the lowest live one."""
        logits, _, scale = originals
        on = self.live(*originals)
        low = int(on.any(dim=0).nonzero()[0])
        digit = (logits[0] > 0).long() - (logits[1] > 0).long()
        digit = digit.reshape(len(digit), self.groups, -1)
        powers = torch.arange(len(digit), device=digit.device) - low
        worth = on.long() * (1 << powers.clamp_min(0))
        codes = torch.einsum("gn,ngr->gr", worth, digit).reshape(logits.shape[2:])
        step = scale.double() * 2**low / (2**self.config.planes - 1)
        return (codes, step) if step >= 0 else (-codes, -step)


def gates(forms: Sequence[CSQWeight], logits: Tensor) -> Tensor:
    """g (ΣG, N), 0 to 1, from the gate logits of layers one after another."""
    soft = torch.sigmoid(forms[0].beta * logits)
    chosen = torch.cat([form.chosen for form in forms])
    return torch.where(forms[0].fixed, chosen.to(soft.dtype), soft)


def weigh(forms: Sequence[CSQWeight], originals: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    """The weights of layers that were prepared together, in one call for all."""
    first = forms[0]
    config, beta = first.config, first.beta
    groups = tuple(len(o[1]) for o in originals)
    repeats = torch.tensor(groups, device=beta.device)
    scales = torch.stack([o[2] for o in originals])
    scales = scales.repeat_interleave(repeats, output_size=sum(groups))
    unit = first.places / torch.tanh(beta * (config.spread / 2))
    opened = gates(forms, torch.cat([o[1] for o in originals]))
    coefficients = opened * unit * scales[:, None]
    # A weight is the sum of 2N logits with slopes s·e·β/(4t); a step of them moves it by the sum
    # of their squares. At this rate it moves as in plain SGD while its bits are undecided.
    slopes = 2 * (unit * (beta / 4)).square().sum()
    rates = config.bit_rate / (slopes * scales.detach().square()).clamp_min(1e-12)
    if not config.bit_rate:
        rates = torch.ones_like(scales)
    logits = [o[0] for o in originals]
    call = _compiled() if config.compile else BitSums.apply
    return list(call(groups, coefficients, beta, rates, *logits))


@cache
def _compiled() -> Any:
    return torch.compile(BitSums.apply)


def weigh_together(model: nn.Module) -> None:
    """Have all weights made at the start of each forward pass of ``model``, not layer by layer."""
    model.register_forward_pre_hook(_weigh_all)
    model.register_forward_hook(_forget, always_call=True)


def _weigh_all(model: nn.Module, args: Any) -> None:
    layers = [layer for layer in formed_layers(model) if isinstance(layer.form, CSQWeight)]
    if layers:
        forms = [layer.form for layer in layers if isinstance(layer.form, CSQWeight)]
        for form, weight in zip(forms, weigh(forms, [x.originals for x in layers]), strict=True):
            form.ready = weight


def _forget(model: nn.Module, args: Any, output: Any) -> None:
    for layer in formed_layers(model):
        if isinstance(layer.form, CSQWeight):
            layer.form.ready = None


def subset_sums(live: Tensor) -> Tensor:
    """All magnitudes that live planes (N,) can make, sorted, float."""
    sums = torch.zeros(1, device=live.device)
    for place in live.nonzero().flatten().tolist():
        sums = torch.cat([sums, sums + 2**place])
    return sums.sort().values


def _groups(x: Tensor, groups: int) -> Tensor:
    return x.reshape(groups, -1)
