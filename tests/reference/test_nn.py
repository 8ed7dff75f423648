"""The nn reference: quantizers to the letter of numerics.md, kernels, and batching."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.ir.nn import QuantSpec
from qcompiler.ir.rounding import round_half_even
from qcompiler.reference.nn import KERNELS, iter_batches, run_batched, run_nn
from qcompiler.reference.quantizer import codes, fake_quantize, values


def graph_of(*ops: nn.NNOp, shape: tuple[int, ...] = (2, 6, 5)) -> Graph:
    """Input, ``op0``, ``op1`` … and Output in a row."""
    graph = Graph("nn")
    last = graph.add("x", nn.Input(shape))
    for k, op in enumerate(ops):
        last = graph.add(f"op{k}", op, [last])
    graph.add("y", nn.Output(), [last])
    return graph


def batch(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape or (3, 2, 6, 5)))


def run(graph: Graph, x: torch.Tensor) -> torch.Tensor:
    return run_nn(graph, x, dtype=torch.float64)


# ---- quantizer ----------------------------------------------------------------


def test_codes_round_half_to_even_and_clamp() -> None:
    spec = QuantSpec.uniform(0.5, -2, 3)
    x = np.array([-9.0, -1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 9.0])
    np.testing.assert_array_equal(codes(spec, x), [-2, -2, -2, 0, 0, 2, 2, 3])
    assert codes(spec, x).dtype == np.int64
    assert codes(spec, torch.from_numpy(x)).dtype == torch.int64


def test_two_steps_and_an_offset() -> None:
    """DuQ with h-swish: one step in, another out, offset -3/8."""
    spec = QuantSpec(np.array(0.25), np.array(0.2), np.array(-0.375), 0, 15)
    q = codes(spec, np.array([-1.0, -0.375, 0.0, 1.0]))
    np.testing.assert_array_equal(q, [0, 0, 2, 6])  # 1.5 rounds to 2, 5.5 to 6
    np.testing.assert_allclose(values(spec, q), [-0.375, -0.375, 0.025, 0.825], atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1])
def test_per_channel_steps(axis: int) -> None:
    spec = QuantSpec.uniform(np.array([0.1, 1.0]), -7, 7, np.array(0.0))
    x = np.array([[0.31, 2.4], [0.31, 2.4]])
    expected = [[3, 7], [0, 2]] if axis == 0 else [[3, 2], [3, 2]]
    np.testing.assert_array_equal(codes(spec, x, axis), expected)


@given(
    step=st.floats(1e-3, 1e3),
    offset=st.floats(-10, 10),
    x=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
)
def test_numpy_torch_and_the_definition_agree(step: float, offset: float, x: list[float]) -> None:
    spec = QuantSpec.uniform(step, -8, 7, offset)
    array = np.array(x)
    expected = np.clip(round_half_even((array - offset) / step), -8, 7)
    np.testing.assert_array_equal(codes(spec, array), expected)
    np.testing.assert_array_equal(codes(spec, torch.tensor(x, dtype=torch.float64)), expected)
    np.testing.assert_array_equal(values(spec, codes(spec, array)), step * expected + offset)
    exact = fake_quantize(spec, torch.from_numpy(array))
    np.testing.assert_array_equal(exact, values(spec, codes(spec, array)))


@given(q=st.integers(-127, 127), step=st.floats(1e-6, 1e6))
def test_a_value_is_its_own_code(q: int, step: float) -> None:
    spec = QuantSpec.uniform(step, -127, 127)
    assert codes(spec, values(spec, np.array(q))) == q


def test_quantizer_node() -> None:
    spec = QuantSpec.uniform(0.3, 0, 15)
    x = batch()
    got = run(graph_of(nn.Quantizer(spec)), x)
    np.testing.assert_array_equal(got, values(spec, codes(spec, x)))


def test_weights_are_quantized_per_output_channel() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(3, 2, 3, 3)).astype(np.float32)
    spec = QuantSpec.uniform(np.array([0.1, 0.2, 0.3]), -3, 3)
    x = batch()
    expected = F.conv2d(x, torch.from_numpy(values(spec, codes(spec, weight))))
    got = run(graph_of(nn.Conv(weight, weight_quant=spec)), x)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)

    matrix = rng.normal(size=(3, 7)).astype(np.float32)
    graph = graph_of(nn.Linear(matrix, np.ones(3), weight_quant=spec), shape=(7,))
    dense = torch.from_numpy(values(spec, codes(spec, matrix)))
    torch.testing.assert_close(run(graph, batch(4, 7)), batch(4, 7) @ dense.T + 1)


def test_weight_codes_do_not_depend_on_the_dtype_of_the_run() -> None:
    spec = QuantSpec.uniform(0.1, -7, 7)
    # float32 puts (k + 1/2) * 0.1 a hair beside the tie that float64 sees
    weight = ((np.arange(-7, 7) + 0.5) * 0.1).astype(np.float32)[None]
    graph = graph_of(nn.Linear(weight, weight_quant=spec), shape=(14,))
    got = run_nn(graph, torch.eye(14)).numpy().ravel() / 0.1
    np.testing.assert_array_equal(np.rint(got), codes(spec, weight)[0])


# ---- kernels --------------------------------------------------------------------


def test_every_op_of_the_dialect_has_a_kernel() -> None:
    bases = {nn.NNOp, nn.Pool, nn.Input}
    found = {c for c in vars(nn).values() if isinstance(c, type) and issubclass(c, nn.NNOp)}
    assert found - bases == set(KERNELS)


def test_padding_may_differ_on_all_sides() -> None:
    weight = np.random.default_rng(2).normal(size=(3, 2, 3, 3))
    x = batch()
    expected = F.conv2d(F.pad(x, (2, 0, 0, 1)), torch.from_numpy(weight), stride=(2, 1))
    got = run(graph_of(nn.Conv(weight, stride=(2, 1), padding=(0, 2, 1, 0))), x)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (0, 2, 1, 0)])
def test_a_border_of_another_value(padding: tuple[int, int, int, int]) -> None:
    weight = np.random.default_rng(2).normal(size=(3, 2, 3, 3))
    x, (top, left, bottom, right) = batch(), padding
    padded = F.pad(x, (left, right, top, bottom), value=-0.375)
    expected = F.conv2d(padded, torch.from_numpy(weight))
    got = run(graph_of(nn.Conv(weight, padding=padding, pad_value=-0.375)), x)
    torch.testing.assert_close(got, expected)
    pads = ((0, 0), (top, bottom), (left, right))
    np.testing.assert_array_equal(run(graph_of(nn.Pad(pads, -0.375)), x), padded)


def test_hard_activations_and_gates() -> None:
    x = torch.linspace(-5, 5, 60, dtype=torch.float64).reshape(1, 2, 6, 5)
    torch.testing.assert_close(run(graph_of(nn.HardSwish()), x), F.hardswish(x))
    torch.testing.assert_close(run(graph_of(nn.HardSigmoid()), x), F.hardsigmoid(x))
    turn = torch.full((1, 1, 1, 1), nn.HardSwish.turn, dtype=torch.float64)
    assert run(graph_of(nn.HardSwish(), shape=(1, 1, 1)), turn).item() == nn.HardSwish.least
    graph = graph_of(nn.AvgPool((6, 5), (6, 5)))
    graph.add("gated", nn.Mul(), ["x", "op0"])
    graph.reconnect("y", 0, "gated")
    torch.testing.assert_close(run(graph, x), x * x.mean((2, 3), keepdim=True))
    with pytest.raises(GraphError, match="cannot multiply channels of"):
        graph.add("wrong", nn.Mul(), ["op0", "x"])


def test_max_pool_padding_never_wins() -> None:
    x = -batch().abs() - 1
    y = run(graph_of(nn.MaxPool((2, 2), (2, 2), (2, 1, 1, 2))), x)
    assert torch.isinf(y[:, :, 0]).all()  # a window of padding alone
    assert y[:, :, 1:].max() <= -1 and torch.isfinite(y[:, :, 1:-1, :-1]).all()


def test_avg_pool_counts_padding() -> None:
    y = run(graph_of(nn.AvgPool((2, 2), (2, 2), (1, 1, 0, 0))), torch.ones(1, 2, 6, 5))
    assert y[0, 0, 0, 0] == 0.25 and y[0, 0, 0, 1] == 0.5 and y[0, 0, 1, 1] == 1


def test_avg_pool_refuses_dilation() -> None:
    with pytest.raises(GraphError, match="no dilation"):
        run(graph_of(nn.AvgPool((2, 2), (1, 1), dilation=(2, 2))), batch())


def test_pad_and_slice() -> None:
    x = batch()
    pads = ((1, 2), (3, 0), (0, 1))
    np.testing.assert_array_equal(run(graph_of(nn.Pad(pads)), x), np.pad(x, ((0, 0), *pads)))
    np.testing.assert_array_equal(
        run(graph_of(nn.Slice(1, 2, 2, 0, 3, 2)), x), x[:, :, [1, 3]][..., [0, 3]]
    )


# ---- running --------------------------------------------------------------------


def test_results_agree_with_the_types() -> None:
    graph = graph_of(nn.MaxPool((2, 2), (2, 2)), nn.Relu(), nn.Flatten())
    for name, tensor in run_nn(graph, batch(), keep=graph).items():
        assert tuple(tensor.shape[1:]) == graph.type(name).shape


def test_keep_returns_what_was_asked_for() -> None:
    graph, x = graph_of(nn.Relu(), nn.Clip(0, 1)), batch()
    kept = run_nn(graph, x, keep=["op0", "x"])
    assert list(kept) == ["x", "op0"]
    torch.testing.assert_close(kept["op0"], x.float().relu())
    assert run_nn(graph, x, keep=[]) == {}
    with pytest.raises(GraphError, match="there is no node op7"):
        run_nn(graph, x, keep=["op7"])


def test_dtype() -> None:
    assert run_nn(graph_of(nn.Relu()), batch()).dtype == torch.float32
    assert run(graph_of(nn.Relu()), batch().to(torch.uint8)).dtype == torch.float64


def test_wrong_input_shape() -> None:
    text = r"\(N, 2, 6, 5\) was expected, this has \(3, 2, 5, 6\)"
    with pytest.raises(QCompilerError, match=text):
        run_nn(graph_of(nn.Relu()), batch(3, 2, 5, 6))


def test_batches_with_progress() -> None:
    graph, x = graph_of(nn.Relu(), nn.Flatten()), batch(10, 2, 6, 5)
    seen: list[tuple[int, int]] = []
    got = run_batched(graph, x.numpy(), batch=4, progress=lambda n, of: seen.append((n, of)))
    assert seen == [(4, 10), (8, 10), (10, 10)]
    torch.testing.assert_close(got, run_nn(graph, x))
    kept = run_batched(graph, x, batch=3, keep=["op0"], dtype=torch.float64)
    torch.testing.assert_close(kept["op0"], x.relu())
    assert [len(piece) for piece in iter_batches(x, 4)] == [4, 4, 2]


def test_batches_refuse_nonsense() -> None:
    with pytest.raises(QCompilerError, match="no samples"):
        run_batched(graph_of(nn.Relu()), batch()[:0])
    with pytest.raises(QCompilerError, match="at least 1"):
        list(iter_batches(batch(), 0))
