"""``qcompiler::quantize``: how trained quantizers come through an export."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qcompiler.errors import UnsupportedError
from qcompiler.frontend.torch_export import import_module
from qcompiler.ir import nn as ir
from qcompiler.quant.qat.op import quantize
from qcompiler.reference.nn import run_nn
from qcompiler.reference.quantizer import fake_quantize


class Net(nn.Module):
    def __init__(self, *given: Any) -> None:
        super().__init__()
        self.given = given

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(quantize(x, *self.given))


@pytest.mark.parametrize(
    "given", [(0.25, 0.25, 0.0, -7, 7), (0.3, 0.4, -0.375, 0, 15), (0.1, 0.07, 0.0, 0, 255)]
)
def test_steps_offset_and_codes_come_through(given: tuple[Any, ...]) -> None:
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)).double()
    graph = import_module(Net(*given).double(), (x[:2],))
    (name,) = graph.find(ir.Quantizer)
    spec = graph.op(name).spec
    found = float(spec.step_in), float(spec.step_out), float(spec.offset), spec.lo, spec.hi
    assert found == given
    assert torch.equal(fake_quantize(spec, x), quantize(x, *given))
    assert torch.equal(run_nn(graph, x, dtype=torch.float64), torch.relu(quantize(x, *given)))


def test_the_operator() -> None:
    x = torch.tensor([-9.0, -0.375, 0.0, 0.075, 0.3, 100.0], dtype=torch.float64)
    got = quantize(x, 0.3, 0.4, -0.375, 0, 15)
    codes = [0, 0, 1, 2, 2, 15]  # 1.25 rounds to 1; 1.5 and 2.25 to 2
    assert got.tolist() == pytest.approx([0.4 * q - 0.375 for q in codes])
    torch.library.opcheck(quantize, (x, 0.3, 0.4, -0.375, 0, 15))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((0.0, 0.25, 0.0, -7, 7), "has steps of 0 and 0.25"),
        ((0.25, float("inf"), 0.0, -7, 7), "has steps of 0.25 and inf"),
        ((0.25, 0.25, float("nan"), -7, 7), "has an offset of nan"),
        ((0.25, 0.25, 0.0, 7, 7), "has codes from 7 to 7"),
    ],
)
def test_what_is_refused(given: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        import_module(Net(*given), (torch.zeros(2, 5),))
