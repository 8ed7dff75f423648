"""Padding before a convolution becomes the convolution's own."""

from __future__ import annotations

import numpy as np
import torch

from qcompiler.ir import nn
from qcompiler.passes.base import run_passes
from qcompiler.passes.merge_padding import MergePadding
from qcompiler.reference.nn import run_nn
from tests.graphs import nn_graph, text

rng = np.random.default_rng(4)
WEIGHT = rng.normal(0, 1, (3, 2, 3, 3))
PAD = nn.Pad(((0, 0), (1, 2), (3, 4)))


def values(graph, x=None):  # type: ignore[no-untyped-def]
    x = np.random.default_rng(1).normal(0, 1, (4, 2, 5, 6)) if x is None else x
    return run_nn(graph, torch.from_numpy(x), dtype=torch.float64).numpy()


def test_text_and_values() -> None:
    before = nn_graph(PAD, nn.Conv(WEIGHT, padding=(1, 0, 2, 0), stride=(2, 1)))
    after = run_passes(before, [MergePadding()])
    assert text(after) == (
        "%x: 2x5x6 real = Input() shape=(2,5,6)\n"
        "%op1: 3x5x11 real = Conv(%x) weight=float64[3x2x3x3] stride=(2,1) padding=(2,3,4,4)\n"
        "%y: 3x5x11 real = Output(%op1)"
    )
    np.testing.assert_allclose(values(after), values(before), atol=1e-12)


def test_pads_in_a_row() -> None:
    before = nn_graph(nn.Pad(((0, 0), (1, 0), (0, 1))), PAD, nn.Conv(WEIGHT))
    after = run_passes(before, [MergePadding()])
    np.testing.assert_allclose(values(after), values(before), atol=1e-12)
    assert not after.find(nn.Pad)


def test_a_pad_with_another_reader_stays_for_that_reader() -> None:
    before = nn_graph(PAD, nn.Conv(WEIGHT, padding=(1, 1, 1, 1)))
    before.add("other", nn.Conv(WEIGHT, padding=(1, 1, 1, 1)), ["op0"])
    before.add("pool", nn.MaxPool((1, 1), (1, 1)), ["op0"])
    before.add("sum", nn.Add(), ["op1", "other"])
    before.add("all", nn.Concat(), ["sum", "pool"])
    before.reconnect("y", 0, "all")
    after = run_passes(before, [MergePadding()])
    assert after.users("op0") == [("pool", 0)]
    np.testing.assert_allclose(values(after), values(before), atol=1e-12)


def test_a_border_of_another_value() -> None:
    minus = nn.Pad(PAD.pads, -0.375)
    before = nn_graph(nn.Pad(((0, 0), (0, 1), (1, 0)), -0.375), minus, nn.Conv(WEIGHT))
    after = run_passes(before, [MergePadding()])
    assert not after.find(nn.Pad) and after.op("op2").pad_value == -0.375
    np.testing.assert_allclose(values(after), values(before), atol=1e-12)


def test_borders_of_two_values_stay_apart() -> None:
    """The inner one of two, and the one before a convolution that pads with zeros."""
    minus = nn.Pad(PAD.pads, -0.375)
    for ops in ((PAD, minus, nn.Conv(WEIGHT)), (minus, nn.Conv(WEIGHT, padding=(1, 1, 1, 1)))):
        before = nn_graph(*ops)
        after = run_passes(before, [MergePadding()])
        assert after.find(nn.Pad) == ["op0"]
        np.testing.assert_allclose(values(after), values(before), atol=1e-12)


def test_left_alone_where_channels_are_padded_or_no_convolution_follows() -> None:
    for ops in (
        (nn.Pad(((0, 1), (1, 1), (1, 1))), nn.Conv(rng.normal(0, 1, (1, 3, 3, 3)))),
        (PAD, nn.Relu(), nn.Conv(WEIGHT)),
        (PAD, nn.MaxPool((2, 2), (2, 2))),
    ):
        before = nn_graph(*ops)
        assert str(run_passes(before, [MergePadding()])) == str(before)
