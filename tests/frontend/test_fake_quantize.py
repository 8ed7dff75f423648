"""Quantizers that training left in an exported model become quantizers of the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.frontend.torch_export import import_module
from qcompiler.ir import nn as ir
from qcompiler.reference.nn import run_nn


class Quantized(nn.Module):
    def __init__(self, scale: float, zero: int, tensors: bool = False) -> None:
        super().__init__()
        self.scale, self.zero, self.tensors = scale, zero, tensors
        self.register_buffer("s", torch.tensor(scale))
        self.register_buffer("z", torch.tensor(zero, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        if self.tensors:
            return torch.fake_quantize_per_tensor_affine(x, self.s, self.z, 0, 15)
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, 15)


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("zero", [0, 8])
def test_same_values_as_torch(tensors: bool, zero: int) -> None:
    model = Quantized(0.3, zero, tensors).eval()
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(zero))
    graph = import_module(model, (x,))
    (name,) = graph.find(ir.Quantizer)
    spec = graph.op(name).spec
    assert (spec.lo, spec.hi) == (0, 15)
    assert float(spec.offset) == pytest.approx(-zero * 0.3)
    np.testing.assert_allclose(run_nn(graph, x).numpy(), model(x).numpy(), atol=1e-6)


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(QCompilerError, match="scale of 0"):
        import_module(Quantized(0.0, 0).eval(), (torch.zeros(1, 2, 3, 3),))
