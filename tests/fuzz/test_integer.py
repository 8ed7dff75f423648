"""Random networks: the integer graph in exact mode is the fake-quantized network, code for code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qcompiler.ir import nn
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import PREPARE, TO_HARDWARE
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.insert import InsertQuantizers
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import run_nn
from tests.networks import RandomNetwork, observer


@pytest.mark.parametrize("seed", range(60))
def test_exact_mode_has_no_difference(seed: int) -> None:
    network = RandomNetwork(seed, excite=0.3)
    x = network.samples(12)
    passes = [*PREPARE, InsertQuantizers(network.config(), observer(x)), AlignResiduals()]
    quantized = run_passes(network.graph, passes)
    integer = run_passes(quantized, [Integerize("exact")])
    reference = IntegerReference(integer)
    trace = reference.trace(reference.encode(x))
    fake = run_nn(
        quantized, torch.from_numpy(x).double(), dtype=torch.float64, keep=list(quantized)
    )
    compared = 0
    for name in quantized.find(nn.Quantizer):
        if name not in trace:
            continue
        spec = quantized.op(name).spec
        codes = np.rint((fake[name].numpy() - spec.offset) / spec.step_out).astype(np.int64)
        np.testing.assert_array_equal(codes.reshape(trace[name].shape), trace[name], err_msg=name)
        compared += codes.size
    assert compared

    # explicit padding and the other integer rewrites keep every value
    rewritten = run_passes(integer, TO_HARDWARE[:-1])
    again = IntegerReference(rewritten)
    np.testing.assert_array_equal(
        again(reference.encode(x)).numpy(), reference(reference.encode(x)).numpy()
    )
