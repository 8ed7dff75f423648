"""Random networks with random widths, foldings and stalls, in Verilator, every stream bit-exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qcompiler.estimate.devices import device
from qcompiler.estimate.engines import module_price
from qcompiler.ir.graph import Graph
from qcompiler.ir.integer import Conv
from qcompiler.passes.base import run_passes
from qcompiler.passes.engines import BITSERIAL, DEPTHWISE, DIRECT, WINOGRAD, Engines, can
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import CONNECT, PREPARE, TO_HARDWARE
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.insert import InsertQuantizers
from qcompiler.verbs.compile import Compiled, Target, write_build
from qcompiler.verbs.verify import Stall, verify
from tests.networks import RandomNetwork, observer

pytestmark = pytest.mark.sim


def random_build(seed: int, folder: Path) -> RandomNetwork:
    """Compile network ``seed`` with a cycle target of its own for every module."""
    network = RandomNetwork(seed, depthwise=0.4, excite=0.3)
    rng = np.random.default_rng([seed, 1])
    x = network.samples(12)
    passes = [*PREPARE, InsertQuantizers(network.config(), observer(x)), AlignResiduals()]
    quantized = run_passes(network.graph, passes)
    mode = str(rng.choice(["auto", "auto", "exact", "scale"]))
    if max(op.spec.hi - op.spec.lo for op in quantizers(quantized)) > 1023:
        mode = "auto"  # thousands of thresholds a channel: right, but slow to build
    integer = run_passes(quantized, [Integerize(mode)])
    engines = random_engines(integer, np.random.default_rng([seed, 3]))
    integer = run_passes(integer, [engines.first, *TO_HARDWARE[:-1]])
    lowered = run_passes(integer, [engines.lowering])
    chip = device("ecp5-85k")
    space = FoldingSpace(lowered, module_price(chip.family))
    prefer_own_planes(space, np.random.default_rng([seed, 4]))
    top = space.slowest()
    least = max(16, top // 100)  # fully unfolded designs take a minute to build
    targets = {n: int(np.exp(rng.uniform(np.log(least), np.log(top + 32)))) for n in lowered}
    hardware = space.fold(targets.__getitem__)
    hardware = run_passes(hardware, CONNECT)
    write_build(Compiled.of(integer, hardware, chip), Target(), chip, folder)
    return network


def random_engines(graph: Graph, rng: np.random.Generator) -> Engines:
    """Half of the layers bit-serial, the others by whatever other engine can."""
    layers = {}
    for name in graph.find(Conv):
        kinds = [k for k in (DIRECT, *WINOGRAD) if can(graph, name, k)]
        kinds += [DEPTHWISE] * 3 if can(graph, name, DEPTHWISE) else []
        layers[name] = str(rng.choice([*kinds, *[BITSERIAL] * len(kinds)]))
    return Engines(layers)


def prefer_own_planes(space: FoldingSpace, rng: np.random.Generator) -> None:
    """Half of the layers that can give each output fold its own planes have to."""
    engines = space.choices.engines
    for name, every in engines.items():
        own = [option for option in every if getattr(option.op, "per_fold", False)]
        if own and rng.random() < 0.5:
            engines[name] = own


def quantizers(graph):  # type: ignore[no-untyped-def]
    from qcompiler.ir import nn

    return [graph.op(name) for name in graph.find(nn.Quantizer)]


def check(seed: int, folder: Path) -> None:
    network = random_build(seed, folder)
    rng = np.random.default_rng([seed, 2])
    stalls = [
        Stall(0, 0),
        Stall(float(rng.uniform(0.2, 0.9)), 0),
        Stall(0, float(rng.uniform(0.2, 0.9))),
    ]
    stalls.append(Stall(float(rng.uniform(0, 0.6)), float(rng.uniform(0, 0.6))))
    x = network.samples(2)
    verify(folder, x, stalls=stalls, random_frames=2, reset=True, seed=seed)


@pytest.mark.parametrize("seed", range(8))
def test_random_network(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path / "build")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 208))
def test_many_random_networks(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path / "build")
