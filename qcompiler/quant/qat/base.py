"""What the methods do alike: put forms on weights, quantize activations, group parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.activation import KINDS, trained_quantizers
from qcompiler.quant.qat.insert import insert_activation_quantizers
from qcompiler.quant.qat.weights import WeightForm, attach, formed_layers

FLOAT = (0, 32)  # activation widths that stand for "not quantized in training"


def check_activations(bits: int, kind: str) -> None:
    if kind not in KINDS:
        raise QCompilerError(
            f"activation quantizer {kind!r} is unknown", hint=f"choose one of {', '.join(KINDS)}"
        )
    if bits not in FLOAT and not 2 <= bits <= 8:
        raise QCompilerError(f"{bits} bits are neither 2 to 8 nor 0 or 32", where="activations")


def quantize_model(
    model: nn.Module,
    make: Callable[[torch.Size], WeightForm],
    activations: int,
    kind: str,
    samples: Tensor | None,
) -> nn.Module:
    """Weight forms on every layer; in place, unless activations need a trace.

    Args:
        make: The form of a layer, from its weight's shape.
        activations: Bits; 0 or 32 leaves them alone.
        kind: Of the activation quantizers.
        samples: Inputs (N, …) that their steps start from.
    """
    if activations not in FLOAT:
        if samples is None:
            raise QCompilerError("activation quantizers need samples to start from")
        model = insert_activation_quantizers(model, activations, kind, samples)
    attach(model, make)
    return model


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on ordinary weights alone, such as the latent one of an LSQ layer.

    It would pull bits towards one half, gates towards half open, and steps towards zero; norms and
    biases do not decay either, as in float training.
    """
    ours = {id(p) for q in trained_quantizers(model) for p in q.parameters()}
    for layer in formed_layers(model):
        ours |= {id(t) for t in layer.originals[layer.form.latent :]}
    trained = [p for p in model.parameters() if p.requires_grad]
    decays = [p for p in trained if id(p) not in ours and p.dim() > 1]
    chosen = {id(p) for p in decays}
    return [
        {"params": decays, "weight_decay": weight_decay},
        {"params": [p for p in trained if id(p) not in chosen], "weight_decay": 0.0},
    ]


def split_off(
    groups: list[dict[str, Any]], chosen: list[Tensor], rate: float
) -> list[dict[str, Any]]:
    """The groups without the chosen parameters, which get one of their own: no decay, own rate."""
    ours = {id(t) for t in chosen}
    rest = [{**g, "params": [p for p in g["params"] if id(p) not in ours]} for g in groups]
    return [*rest, {"params": chosen, "weight_decay": 0.0, "lr_scale": rate}]
