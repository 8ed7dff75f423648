"""Codes of an integer graph against those of the fake-quantized network, quantizer by quantizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from qcompiler.ir.graph import Graph
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import Array, Weights, iter_batches, run_nn


@dataclass(frozen=True)
class CodeDifferences:
    """Of one quantizer: how many of its codes differ, and how many there are."""

    differing: int
    codes: int


def code_differences(
    quantized: Graph,
    integers: Graph,
    carriers: Mapping[str, str],
    samples: Array,
    batch: int = 64,
) -> dict[str, CodeDifferences]:
    """Count codes that the integer graph has otherwise than the quantized one in float64.

    Args:
        quantized: nn dialect, with quantizers; run in float64, where its codes are defined.
        integers: What ``Integerize`` made of it.
        carriers: The integer node with the codes of each quantizer (``Integerize.carriers``).
        samples: Real inputs (N, …) of the network.

    Returns:
        An entry for each quantizer, in the order of the data; zeros throughout if ``integers`` was
        made in ``exact`` mode. A code that differs makes others behind it differ.
    """
    reference, weights = IntegerReference(integers), Weights(torch.float64)
    names = [name for name in quantized if name in carriers]
    differing, count = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for piece in iter_batches(samples, batch):
        real = run_nn(quantized, piece, keep=names, weights=weights)
        codes = reference.run(reference.encode(piece.numpy()), keep=set(carriers.values()))
        for name, values in real.items():
            spec = quantized.op(name).spec
            wanted = torch.round((values - float(spec.offset)) / float(spec.step_out))
            got = codes[carriers[name]].reshape(values.shape)
            differing[name] += int((wanted != got).sum())
            count[name] += values.numel()
    return {name: CodeDifferences(differing[name], count[name]) for name in names}


def total(found: Mapping[str, CodeDifferences]) -> CodeDifferences:
    """All quantizers together."""
    entries = found.values()
    return CodeDifferences(sum(e.differing for e in entries), sum(e.codes for e in entries))
