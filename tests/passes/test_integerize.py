"""Lowering to integers: shapes of the result and what is refused (values: tests/fuzz)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.ir import integer, nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.reference.differences import code_differences, total
from qcompiler.reference.integer import IntegerReference
from tests.graphs import nn_graph, text

rng = np.random.default_rng(8)


def q(step: float = 0.1, lo: int = 0, hi: int = 15, offset: float = 0.0) -> nn.Quantizer:
    return nn.Quantizer(nn.QuantSpec.uniform(step, lo, hi, offset))


def conv(shape: tuple[int, ...] = (3, 2, 3, 3), **fields: Any) -> nn.Conv:
    spec = nn.QuantSpec.uniform(np.full(shape[0], 1.0), -7, 7)
    return nn.Conv(np.ones(shape), weight_quant=spec, **fields)


def integerized(*ops: Any, mode: str = "auto", **options: Any) -> Graph:
    return run_passes(nn_graph(*ops, **options), [Integerize(mode)])


def test_text() -> None:
    relu = (nn.Relu(), q(0.5))
    graph = integerized(q(), conv(padding=(1, 1, 1, 1)), *relu, nn.MaxPool((2, 2), (2, 2)))
    assert text(graph) == (
        "%x: 2x5x6 [0..15] = Input() shape=(2,5,6) elem=[0..15] step=0.1\n"
        "%op1: 3x5x6 [0..270] = Conv(%x) weight=int64[3x2x3x3] padding=(1,1,1,1)\n"
        "%op3: 3x5x6 [0..15] = StepTable(%op1) thresholds=int64[3x15] table=int64[3x16] "
        "out=[0..15]\n"
        "%op4: 3x2x3 [0..15] = MaxPool(%op3) kernel=(2,2) stride=(2,2)\n"
        "%y: 3x2x3 [0..15] = Output(%op4) shape=(3,2,3) step=0.5"
    )


def test_negative_padding_takes_the_code_of_its_value() -> None:
    padded = conv(padding=(1, 1, 1, 1), pad_value=-0.375)
    assert integerized(q(0.2, 0, 15, -0.375), padded, q()).op("op1").pad_code == 0
    assert integerized(q(0.125, -7, 7), padded, q()).op("op1").pad_code == -3
    pads = ((0, 0), (1, 0), (0, 0))
    assert integerized(q(0.125, -7, 7), nn.Pad(pads, 0.5), q()).op("op1").code == 4
    with pytest.raises(QCompilerError, match=r"op1: its padding with -0.375 has no code: -0.375 w"):
        integerized(q(), padded, q())


def exact_differences(graph: Graph, x: Any, mode: str = "exact") -> int:
    step = Integerize(mode)
    integers = run_passes(graph, [step])
    return total(code_differences(graph, integers, step.carriers, x)).differing


def duq(step_in: float, step_out: float, lo: int, hi: int, offset: float = 0.0) -> nn.Quantizer:
    steps = np.array(step_in), np.array(step_out), np.array(offset)
    return nn.Quantizer(nn.QuantSpec(*steps, lo, hi))


def test_quantizers_with_two_steps_and_an_offset() -> None:
    """Codes by the one step, values by the other: at the input, behind sums and behind codes."""
    random = conv((16, 2, 3, 3), padding=(1, 1, 1, 1), pad_value=-0.375)
    random = replace(random, weight=rng.normal(0, 3, (16, 2, 3, 3)))
    ops = (
        duq(0.13, 0.1, -31, 31),
        nn.HardSwish(),
        duq(0.2, 0.17, 0, 15, -0.375),
        random,
        nn.HardSwish(),
        q(0.9, -127, 127),
        duq(7.0, 6.0, -7, 7),
    )
    graph, x = nn_graph(*ops), rng.normal(0, 3, (20, 2, 5, 6)).astype(np.float32)
    lowered = run_passes(graph, [Integerize("auto")])
    assert lowered.op("x").step == 0.13 and lowered.op("y").step == 6.0
    assert lowered.op("op3").pad_code == 0
    assert isinstance(lowered.op("op6"), integer.Lookup), "a function of codes"
    assert exact_differences(graph, x) == 0
    graph.replace("op2", duq(0.2, 0.17, 0, 15, -0.374))
    with pytest.raises(QCompilerError, match=r"op3: its padding with -0.375 has no code"):
        integerized(*(graph.op(f"op{k}") for k in range(7)))


def test_codes_that_are_read_with_another_step_stay() -> None:
    graph = integerized(q(0.1, -7, 7), duq(0.1, 0.3, -7, 7))
    assert list(graph) == ["x", "y"] and graph.op("y").step == 0.3


def excited(gate: nn.Quantizer, features: nn.Quantizer) -> Graph:
    """features(conv(x)) times gate(h-sigmoid of the mean of x), then 6-bit codes."""
    graph = nn_graph(q(0.1, -127, 127), conv((2, 2, 1, 1)), nn.HardSwish(), features)
    graph.add("mean", nn.AvgPool((5, 6), (5, 6)), ["op0"])
    graph.add("sigmoid", nn.HardSigmoid(), ["mean"])
    graph.add("gate", gate, ["sigmoid"])
    graph.add("product", nn.Mul(), ["op3", "gate"])
    graph.add("product_q", q(0.07, -31, 31), ["product"])
    graph.reconnect("y", 0, "product_q")
    return graph


@pytest.mark.parametrize("mode", ["exact", "auto"])
def test_products(mode: str) -> None:
    x = rng.normal(0, 5, (20, 2, 5, 6)).astype(np.float32)
    for features, zeros in ((q(0.1, -7, 7), (0, 0)), (q(0.125, 0, 15, -0.375), (3, 0))):
        graph = excited(q(1 / 15, 0, 15), features)
        op = run_passes(graph, [Integerize(mode)]).op("product")
        assert (op.x_zero, op.gate_zero) == zeros
        assert mode == "auto" or exact_differences(graph, x) == 0


def test_products_without_an_integer_zero() -> None:
    with pytest.raises(QCompilerError, match="product: its input has no integer zero") as caught:
        run_passes(excited(q(1 / 15, 0, 15), q(0.1, 0, 15, -0.375)), [Integerize()])
    assert "without offset" in str(caught.value.hint)
    with pytest.raises(QCompilerError, match=r"product: its gate has no .* would be code 0.5"):
        run_passes(excited(q(0.1, 0, 15, -0.05), q()), [Integerize()])


def test_zero_padding_takes_the_code_of_zero() -> None:
    graph = integerized(q(0.1, 0, 15, -0.3), conv(padding=(1, 1, 1, 1)), q(1.0, 0, 255))
    assert graph.op("op1").pad_code == 3


def test_a_quantizer_on_the_grid_of_its_input_vanishes() -> None:
    assert list(integerized(q(), q())) == ["x", "y"]
    assert list(integerized(q(0.1, -7, 7), q(0.1, -127, 127))) == ["x", "y"]
    assert "op1" in integerized(q(0.1, -7, 7), q(0.1, -3, 3)), "it clips"
    assert "op1" in integerized(q(), q(0.2))
    assert "op2" in integerized(q(0.1, -7, 7), nn.Relu(), q()), "it clips"


def test_a_linear_layer_is_a_convolution_over_the_whole_map() -> None:
    spec = nn.QuantSpec.uniform(np.full(4, 1.0), -7, 7)
    weight = np.arange(4 * 60).reshape(4, 60) % 15 - 7.0
    graph = integerized(q(), nn.Flatten(), nn.Linear(weight, weight_quant=spec), q(1.0, -127, 127))
    op = graph.op("op2")
    assert isinstance(op, integer.Conv) and op.weight.shape == (4, 2, 5, 6)
    np.testing.assert_array_equal(op.weight.reshape(4, -1), weight)
    assert graph.op("y").shape == (4,)


def test_max_pool_padding_never_wins() -> None:
    pool = nn.MaxPool((3, 3), (2, 2), (1, 1, 1, 1))
    graph = integerized(q(0.1, -7, 7), pool)
    assert graph.op("op1_pad").code == -7


@pytest.mark.parametrize("mode", ["auto", "exact", "scale"])
def test_reports_name_each_requantizer(mode: str) -> None:
    step = Integerize(mode)
    head = (q(0.1, -7, 7), conv(), nn.Relu(), q(0.3, 0, 3))
    graph = nn_graph(*head, conv((1, 3, 1, 1)), q(1, 0, 99))
    run_passes(graph, [step])
    kinds = {
        "auto": ["StepTable", "ScaleShift"],
        "exact": ["StepTable"] * 2,
        "scale": ["ScaleShift"] * 2,
    }
    assert [r.node for r in step.reports] == ["op3", "op5"]
    assert [r.kind for r in step.reports] == kinds[mode]
    if mode == "exact":
        assert not any(r.differences for r in step.reports)


REFUSED = {
    "no quantizer at the input": ((nn.Relu(), q()), "op0: the network input must be quantized"),
    "no quantizer before a layer": (
        (q(), conv(), nn.Relu(), conv((2, 3, 1, 1)), q()),
        "op3: its input is not quantized",
    ),
    "no quantizer at the output": ((q(), conv(), nn.Relu()), "y: its input is not quantized"),
    "weights without quantizer": (
        (q(), nn.Conv(np.ones((3, 2, 1, 1))), q()),
        "op1: its weights are not quantized",
    ),
    "zero between two codes": (
        (q(0.1, 0, 15, -0.05), conv(padding=(1, 1, 1, 1)), q()),
        "op1: its zero padding has no code: zero would be code 0.5",
    ),
    "zero outside the codes": (
        (q(0.1, 0, 15, 0.2), nn.Pad(((0, 0), (1, 1), (0, 0)))),
        "op1: its zero padding has no code: zero would be code -2",
    ),
    "average over a border without a code": (
        (q(0.1, 0, 15, 0.2), nn.AvgPool((2, 2), (2, 2), (1, 1, 1, 1)), q()),
        "op1: its zero padding has no code",
    ),
    "batch norm on a flattened map": (
        (q(), nn.Flatten(), nn.BatchNorm(np.ones(60), np.ones(60)), q()),
        "op2: works on a flattened map of 5x6 pixels",
    ),
    "activations per channel": (
        (nn.Quantizer(nn.QuantSpec.uniform(np.array([0.1, 0.2]), 0, 15)), conv(), q()),
        "activations are quantized per tensor",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    ops, words = REFUSED[case]
    with pytest.raises(QCompilerError) as caught:
        integerized(*ops)
    assert words in str(caught.value)


def test_unknown_mode() -> None:
    with pytest.raises(QCompilerError, match="requantizer 'best' is unknown") as caught:
        integerized(q(), mode="best")
    assert caught.value.hint == "choose one of auto, exact, scale"


def test_the_inputs_of_a_concat_get_one_width() -> None:
    """A branch that is on its quantizer's grid already may need fewer bits than the other."""
    graph = Graph("nn")
    graph.add("x", nn.Input((1, 4, 4)))
    graph.add("x_q", q(1.0), ["x"])
    one = nn.QuantSpec.uniform(np.ones(1), -1, 1)
    for name, weight in (("a", 1.0), ("b", 9.26)):
        op = nn.Conv(np.full((1, 1, 1, 1), weight), weight_quant=one)
        if name == "b":
            spec = nn.QuantSpec.uniform(np.full(1, 9.26), -1, 1)
            op = nn.Conv(op.weight, weight_quant=spec)
        graph.add(name, op, ["x_q"])
        graph.add(f"{name}_q", q(1.0, 0, 255), [name])
    graph.add("cat", nn.Concat(), ["a_q", "b_q"])
    graph.add("y", nn.Output(), ["cat"])
    out = run_passes(graph, [Integerize()])
    kinds = {str(out.type(v).integers) for v in out.inputs("cat")}
    assert kinds == {"[0..255]"}
    assert isinstance(out.op("cat_widen"), integer.ScaleShift)
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    reference = IntegerReference(out)
    got = reference.decode(reference(reference.encode(x)))
    np.testing.assert_array_equal(got[0, 0], x[0, 0])
    np.testing.assert_array_equal(got[0, 1], np.round(x[0, 0] * 9.26))
