"""The Python API: the same verbs as the command line.

from qcompiler.api import Target, compile, quantize, verify

net = quantize(model, calibration, QuantConfig(weights=4, activations=4))
built = compile(net.graph, Target(device="ecp5-85k", fps=1000), out=Path("build"))
result = verify(Path("build"), images, stalls=lopsided(0.3))
"""

from __future__ import annotations

from qcompiler.errors import QCompilerError, VerificationError
from qcompiler.quant.config import LayerBits, QuantConfig
from qcompiler.verbs.compile import Compiled, Target, compile
from qcompiler.verbs.demo import Demo, demo
from qcompiler.verbs.energy import EnergyReport, energy
from qcompiler.verbs.estimate import estimate
from qcompiler.verbs.quantize import Quantized, quantize
from qcompiler.verbs.synth import synth
from qcompiler.verbs.train import Interrupted, TrainConfig, Trained, train
from qcompiler.verbs.verify import Stall, Verified, lopsided, verify

__all__ = [
    "Compiled",
    "Demo",
    "EnergyReport",
    "Interrupted",
    "LayerBits",
    "QCompilerError",
    "QuantConfig",
    "Quantized",
    "Stall",
    "Target",
    "TrainConfig",
    "Trained",
    "VerificationError",
    "Verified",
    "compile",
    "demo",
    "energy",
    "estimate",
    "lopsided",
    "quantize",
    "synth",
    "train",
    "verify",
]
