"""Each integer tensor gets the stream that carries it, and each window the buffer it needs."""

from __future__ import annotations

import numpy as np
import pytest

from qcompiler.errors import GraphError
from qcompiler.ir import hardware as hw
from qcompiler.ir import integer
from qcompiler.ir.types import IntType
from qcompiler.passes.base import run_passes
from qcompiler.passes.lower_hardware import LowerHardware, make_window
from qcompiler.passes.pipeline import TO_HARDWARE
from tests.graphs import integer_graph, lowered, text
from tests.squeeze import block


def test_text() -> None:
    weight = np.zeros((4, 2, 3, 3), np.int64)
    weight[:, 0] = 5
    weight[0] = -5
    graph = integer_graph(integer.Conv(weight, (2, 1)), elem=IntType(0, 3))
    planes = "signs=(-1,1,1,1) exps=(3,2,1,0)"
    after = run_passes(graph, [LowerHardware()])
    assert text(after) == (
        "%x: x:2x5x6 [0..3] /1 = Source() tensor='x' shape=(2,5,6) elem=[0..3]\n"
        "%op0_window: x:2x5x6 [0..3] /1 window = Window(%x) kernel=(3,3) stride=(2,1) repeat=16 "
        "rows=6\n"
        "%op0: op0:4x2x4 [-270..135] /1 = BitSerialArray(%op0_window) tensor='op0' "
        f"weight=int64[4x2x3x3] {planes} out_shape=(4,2,4) acc=[-270..135]\n"
        "%y: op0:4x2x4 [-270..135] /1 = Sink(%op0)"
    )


@pytest.mark.parametrize("seed", range(12))
def test_streams_carry_the_integer_tensors(seed: int) -> None:
    explicit, hardware = lowered(seed, ("auto", "exact", "scale")[seed % 3])
    for name in explicit:
        tensor, stream = explicit.type(name), hardware.type(name)
        if name == explicit.only(integer.Output):
            continue
        assert stream.tensor == name
        assert (stream.shape, stream.elem) == (tensor.shape, tensor.integers), name
        assert stream.lanes == 1 and stream.order is None
    for name in hardware:
        if name not in explicit:
            assert name.endswith("_window") and isinstance(hardware.op(name), hw.Window)
    for name in explicit.find(integer.Conv):
        weight, array = explicit.op(name).weight, hardware.op(name)
        np.testing.assert_array_equal(array.weight, weight)
        assert array.acc == explicit.type(name).integers


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "rows", "reshape"),
    [
        ((3, 3), (1, 1), (1, 1), 6, None),
        ((2, 3), (5, 1), (1, 1), 8, None),  # four rows at the end are not read
        ((1, 3), (3, 1), (1, 1), 4, None),  # the stride is longer than the window
        ((3, 3), (1, 1), (2, 2), 10, None),
        ((1, 1), (1, 1), (1, 1), 2, (4, 48, 1)),  # a row is one pixel
        ((6, 8), (1, 1), (1, 1), 2, (4, 1, 48)),  # a row is the frame
        ((1, 1), (2, 2), (1, 1), 3, None),
        ((3, 3), (2, 2), (1, 1), 7, None),  # and the last row, which no window reads
    ],
)
def test_windows(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    rows: int,
    reshape: tuple[int, int, int] | None,
) -> None:
    window = make_window((4, 6, 8), kernel, stride, dilation, 1, 1)
    assert (window.rows, window.reshape) == (rows, reshape)
    (stream,) = window.infer([hw.StreamType("x", (4, 6, 8), IntType(0, 1), 1)])
    plain = hw.Window(kernel, stride, dilation)
    (unshaped,) = plain.infer([hw.StreamType("x", (4, 6, 8), IntType(0, 1), 1)])
    assert stream.beats == unshaped.beats, "the same beats, whatever the shape"


def test_a_pool_over_the_whole_map_needs_no_window() -> None:
    graph = run_passes(integer_graph(integer.SumPool((5, 6), (1, 1))), [LowerHardware()])
    assert isinstance(graph.op("op0"), hw.GlobalSum)
    graph = run_passes(integer_graph(integer.MaxPool((5, 6), (1, 1))), [LowerHardware()])
    assert isinstance(graph.op("op0"), hw.MaxPool)


def test_squeeze_and_excite() -> None:
    explicit = run_passes(block(), TO_HARDWARE[:-1])
    graph = run_passes(explicit, [LowerHardware()])
    gate, product = graph.op("se_gate"), graph.op("se_product")
    assert isinstance(gate, hw.Lookup) and isinstance(product, hw.Multiply)
    np.testing.assert_array_equal(gate.table, explicit.op("se_gate").table)
    for name in ("se_gate", "se_product"):
        kind = explicit.type(name)
        assert (graph.type(name).shape, graph.type(name).elem) == (kind.shape, kind.integers)
    with pytest.raises(GraphError, match=r"a table of 16 entries for codes \[0..960\]"):
        gate.infer([graph.type("se_pool")])


def test_padding_must_be_explicit() -> None:
    conv = integer.Conv(np.ones((1, 2, 3, 3), np.int64), padding=(1, 1, 1, 1))
    with pytest.raises(GraphError, match="op0: padding must be explicit before lowering"):
        run_passes(integer_graph(conv), [LowerHardware()])
