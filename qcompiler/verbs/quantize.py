"""The verb ``quantize``: a float network and a calibration set to a quantized nn graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qcompiler.arrays import check_inputs, read_inputs
from qcompiler.errors import QCompilerError
from qcompiler.folders import check_target, new_folder
from qcompiler.frontend.torch_export import import_module, load_pt2
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.ir.store import write_graph
from qcompiler.passes.base import Pass, run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import PREPARE
from qcompiler.progress import QUIET, Progress, tracked
from qcompiler.quant.auto_bits import allocate, measure
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.quant.easyquant import EasyQuant, Step
from qcompiler.quant.health import check_float, check_samples, dead_note, zero_weights
from qcompiler.quant.insert import InsertQuantizers
from qcompiler.quant.methods import method_passes
from qcompiler.quant.observe import BATCH, observer
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import run_nn

Array = np.ndarray[Any, Any]
MARKER = "graph.json"


@dataclass(frozen=True)
class LayerReport:
    """Widths of one convolution or linear layer."""

    layer: str
    weight_bits: int
    input_bits: int
    parameters: int


@dataclass(frozen=True, eq=False)
class Quantized:
    """The result of quantization.

    Args:
        graph: nn dialect, with quantizers.
        layers: Widths, in the order of the data.
        signal_to_noise_db: Of the integer network's output against the float one's, on the
            calibration set.
        agreement: Share of calibration samples whose largest output is the same.
        searched: What easyquant found, quantizer by quantizer; empty for other methods.
        notes: What a user should know of: dead layers, layers of zeros.
    """

    graph: Graph
    layers: list[LayerReport]
    signal_to_noise_db: float
    agreement: float
    searched: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def quantize(
    model: Path | torch.nn.Module | Graph,
    calibration: Path | Array,
    config: QuantConfig | None = None,
    *,
    example: tuple[torch.Tensor, ...] | None = None,
    out: Path | None = None,
    progress: Progress = QUIET,
) -> Quantized:
    """Quantize a trained network after training.

    Args:
        model: A file of ``torch.export.save``, an ``nn.Module`` (then ``example`` is needed unless
            the calibration set gives one) or a float nn graph.
        calibration: Inputs as the network takes them, float (N, …), or an .npz file of them.
        config: Widths and method; 8 bits everywhere by default.
        out: Folder to write the graph to.

    Raises:
        QCompilerError: For any input that cannot be used; nothing is written then.
    """
    config = config or QuantConfig()
    if out is not None:
        check_target(out, MARKER)
    where = str(calibration) if isinstance(calibration, Path) else "calibration set"
    samples = read_inputs(calibration) if isinstance(calibration, Path) else calibration
    graph = _import(model, samples, example)
    shape = graph.op(graph.only(nn.Input)).shape
    samples = check_inputs(samples, shape, where)
    check_samples(samples, config, where)
    check_float(graph)

    floating = run_passes(graph, PREPARE)
    config = _with_budget(config, floating, samples, progress)
    passes = method_passes(config, floating, samples, observer(samples, progress), progress)
    quantized = run_passes(floating, passes)
    ratio, agreement = _compare(floating, quantized, samples, progress)
    if out is not None:
        with new_folder(out, MARKER) as folder:
            write_graph(quantized, folder)
    return Quantized(
        quantized, _layers(quantized), ratio, agreement, _searched(passes), _notes(floating, passes)
    )


def _with_budget(
    config: QuantConfig, floating: Graph, samples: Array, progress: Progress
) -> QuantConfig:
    """The configuration with a width for each layer where a budget is to be met."""
    if config.budget is None:
        return config
    found = measure(floating, samples[: config.samples], progress)
    layers = dict(config.layers)
    pinned = {n: entry.weights for n, entry in layers.items() if entry.weights is not None}
    widths = allocate(found, config.budget, config.budget_kind, pinned)
    for name, bits in widths.items():
        layers[name] = replace(layers.get(name, LayerBits()), weights=bits)
    return replace(config, layers=layers)


def _import(
    model: Path | torch.nn.Module | Graph, samples: Array, example: tuple[torch.Tensor, ...] | None
) -> Graph:
    if isinstance(model, Graph):
        return model
    if isinstance(model, torch.nn.Module):
        if example is None:
            if samples.dtype.kind != "f" or samples.ndim < 2 or not len(samples):
                raise QCompilerError(
                    f"has dtype {samples.dtype} and shape {samples.shape}; float samples with a "
                    "batch axis were expected",
                    where="calibration set",
                )
            example = (torch.from_numpy(np.ascontiguousarray(samples[:2], np.float32)),)
        return import_module(model, example)
    return load_pt2(model)


def _compare(
    floating: Graph, quantized: Graph, samples: Array, progress: Progress
) -> tuple[float, float]:
    """Integer against float network on (at most 256 of) the samples."""
    reference = IntegerReference(run_passes(quantized, [Integerize()]))
    samples = samples[:256]
    starts = range(0, len(samples), BATCH)
    wanted, got = [], []
    for start in tracked(starts, "comparing with the float network", len(starts), progress):
        batch = samples[start : start + BATCH]
        out = floating.only(nn.Output)
        wanted.append(run_nn(floating, torch.from_numpy(batch), keep=[out])[out].numpy())
        got.append(reference.decode(reference(reference.encode(batch))))
    y, q = np.concatenate(wanted).astype(np.float64), np.concatenate(got)
    noise = float(((y - q) ** 2).sum())
    ratio = 10 * np.log10(float((y**2).sum()) / noise) if noise else float("inf")
    flat_y, flat_q = y.reshape(len(y), -1), q.reshape(len(q), -1)
    return float(ratio), float((flat_y.argmax(1) == flat_q.argmax(1)).mean())


def _layers(graph: Graph) -> list[LayerReport]:
    rows = []
    for name in graph:
        op = graph.op(name)
        if isinstance(op, nn.Conv | nn.Linear) and op.weight_quant is not None:
            spec = op.weight_quant
            source = graph.inputs(name)[0].node
            while not isinstance(graph.op(source), nn.Quantizer):
                source = graph.inputs(source)[0].node
            act = graph.op(source).spec
            bits = _code_bits(spec.lo, spec.hi)
            rows.append(LayerReport(name, bits, _code_bits(act.lo, act.hi), op.weight.size))
    return rows


def _searched(passes: list[Pass]) -> list[Step]:
    return [step for p in passes if isinstance(p, EasyQuant) for step in p.steps]


def _notes(floating: Graph, passes: list[Pass]) -> list[str]:
    dead = [node for p in passes if isinstance(p, InsertQuantizers) for node in p.dead]
    return [*zero_weights(floating), *map(dead_note, dead)]


def _code_bits(lo: int, hi: int) -> int:
    return max((hi - lo).bit_length(), 1)
