"""What a user asks of the quantizer: widths by layer, and how ranges are taken."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from qcompiler.errors import QCompilerError

MIN_BITS, MAX_BITS = 1, 8
METHODS = ("easyquant", "max-abs", "percentile", "kl", "mse", "reconstruct")
CORRECTIONS = ("none", "bias", "batch-norm")
BUDGETS = ("size", "stored", "cycles", "lut")


@dataclass(frozen=True)
class LayerBits:
    """Widths of one layer; None takes the network's default."""

    weights: int | None = None
    activations: int | None = None


@dataclass(frozen=True)
class QuantConfig:
    """Settings of post-training quantization.

    Args:
        weights: Default weight width, 1 to 8 bits. One bit means the codes -1 and +1.
        activations: Default width of the codes between layers, 1 to 8 bits.
        input_bits: Width of the network input's codes, 1 to 8 bits.
        output_bits: Width of the network output's codes, 2 to 16 bits.
        residual_bits: Least width of a branch that only feeds an addition.
        method: How scales are found: one of METHODS (docs/quantization.md).
        percentile: The percentile of \\|x\\|, for that method.
        layers: Widths of single layers by node name.
        correct: What is put right after quantization: one of CORRECTIONS.
        samples: Most calibration samples that easyquant, reconstruct and corrections work on.
        candidates: Scales that easyquant tries in each search.
        iterations: Steps that reconstruct takes for each block.
        budget: Average weight bits that ``auto_bits`` chooses the layers' widths for; None takes
            ``weights`` and ``layers``.
        budget_kind: What the budget is an average of: one of BUDGETS (docs/quantization.md).
        seconds: Time easyquant is to stay within; None takes as long as it takes.
    """

    weights: int = 8
    activations: int = 8
    input_bits: int = 8
    output_bits: int = 12
    residual_bits: int = 8
    method: str = "easyquant"
    percentile: float = 99.99
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    correct: str = "none"
    samples: int = 64
    candidates: int = 100
    iterations: int = 600
    seconds: float | None = None
    budget: float | None = None
    budget_kind: str = "size"

    def __post_init__(self) -> None:
        _bits(self.weights, "weights")
        _bits(self.activations, "activations")
        _bits(self.input_bits, "input bits")
        _bits(self.residual_bits, "residual bits")
        _bits(self.output_bits, "output bits", 2, 16)
        for name, layer in self.layers.items():
            for what in ("weights", "activations"):
                if (value := getattr(layer, what)) is not None:
                    _bits(value, what, where=name)
        _one_of(self.method, METHODS, "method")
        _one_of(self.correct, CORRECTIONS, "correction")
        if not 50 < self.percentile <= 100:
            raise QCompilerError(f"percentile {self.percentile} is outside (50, 100]")
        for what in ("samples", "candidates", "iterations"):
            if getattr(self, what) < 1:
                raise QCompilerError(f"{what}: {getattr(self, what)} is less than 1")
        if self.budget is not None:
            _one_of(self.budget_kind, BUDGETS, "budget")
            if not 2 <= self.budget <= MAX_BITS:
                raise QCompilerError(
                    f"a budget of {self.budget:g} bits is outside [2, {MAX_BITS}]",
                    hint="it is the average over all weights (or products); try --budget 4.0",
                )
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise QCompilerError(f"time budget: {self.seconds} s is no positive time")

    def weight_bits(self, layer: str) -> int:
        entry = self.layers.get(layer)
        return self.weights if entry is None or entry.weights is None else entry.weights

    def activation_bits(self, layer: str) -> int:
        entry = self.layers.get(layer)
        return self.activations if entry is None or entry.activations is None else entry.activations


def _one_of(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise QCompilerError(
            f"{what} {value!r} is unknown", hint=f"choose one of {', '.join(known)}"
        )


def _bits(
    value: int, what: str, least: int = MIN_BITS, most: int = MAX_BITS, where: str = ""
) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise QCompilerError(
            f"{what}: {value!r} is not a width from {least} to {most} bits", where=where
        )


def parse_weights(text: str) -> tuple[int, dict[str, LayerBits]]:
    """``4``, or the path of a layer table whose line ``default`` is the width of the others."""
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text), {}
    if not Path(text).is_file():
        raise QCompilerError(
            f"{text!r} is neither a width from {MIN_BITS} to {MAX_BITS} nor a file",
            where="weights",
            hint="give a number of bits, or the path of a YAML or JSON table of layers",
        )
    layers = read_layer_table(Path(text))
    default = layers.pop("default", LayerBits(8))
    if default.activations is not None:
        raise QCompilerError(
            "activations are not set here",
            where=f"{text}, default",
            hint="write 'default: BITS' for the weights, and give --activations",
        )
    return (8 if default.weights is None else default.weights), layers


def read_layer_table(path: Path) -> dict[str, LayerBits]:
    """Read a YAML or JSON table ``layer: bits`` or ``layer: {weights: 4, activations: 8}``."""
    try:
        text = path.read_text()
        table: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise QCompilerError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, yaml.YAMLError) as error:
        raise QCompilerError(f"not valid YAML or JSON: {error}", where=str(path)) from error
    if not isinstance(table, dict):
        raise QCompilerError(
            "a table of layers was expected", where=str(path), hint="write lines like 'conv1: 4'"
        )
    layers = {}
    for name, entry in table.items():
        if isinstance(entry, dict):
            if unknown := set(entry) - {"weights", "activations"}:
                raise QCompilerError(
                    f"unknown field {sorted(unknown)}",
                    where=f"{path}, layer {name}",
                    hint="the fields are weights and activations",
                )
            layers[str(name)] = LayerBits(**entry)
        else:
            layers[str(name)] = LayerBits(weights=entry)
    return layers
