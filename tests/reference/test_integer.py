"""Integer kernels against plain loops over Python integers, and what arithmetic each node gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.types import IntType
from qcompiler.reference.integer import IntegerReference
from tests.graphs import integer_graph

Array = np.ndarray[Any, Any]
SEEDS = range(25)


def run(op: Any, x: Array, elem: IntType) -> Array:
    graph = integer_graph(op, shape=x.shape[1:], elem=elem)
    graph.check()
    reference = IntegerReference(graph)
    result = reference.trace(x)["op0"]
    declared = graph.type("op0")
    assert result.shape[1:] == declared.shape
    assert declared.integers.holds(result), "outside the type that range analysis gave"
    return result


def random_type(rng: np.random.Generator, bits: int = 8) -> IntType:
    lo = int(rng.choice([0, -(2 ** (bits - 1)), -(2 ** (bits - 1)) + 1, 5]))
    return IntType(lo, lo + int(rng.integers(1, 2**bits)))


def random_codes(rng: np.random.Generator, elem: IntType, *shape: int) -> Array:
    """Codes with both extremes among them."""
    x = rng.integers(elem.lo, elem.hi + 1, shape)
    x[0], x[-1] = elem.lo, elem.hi
    return x


# ---- plain loops ------------------------------------------------------------------


def conv_loops(op: integer.Conv, x: Array) -> Array:
    top, left, bottom, right = op.padding
    pads = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(x, pads, constant_values=op.pad_code)
    out, per_group, kh, kw = op.weight.shape
    (sy, sx), (dy, dx) = op.stride, op.dilation
    rows = (padded.shape[2] - (kh - 1) * dy - 1) // sy + 1
    columns = (padded.shape[3] - (kw - 1) * dx - 1) // sx + 1
    result = np.zeros((len(x), out, rows, columns), np.int64)
    for o in range(out):
        first = o // (out // op.groups) * per_group
        for i in range(per_group):
            for u in range(kh):
                for v in range(kw):
                    y0, x0 = u * dy, v * dx
                    part = padded[:, first + i, y0:, x0:][:, ::sy, ::sx][:, :rows, :columns]
                    result[:, o] += int(op.weight[o, i, u, v]) * part
    return result


def windows(x: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """(N, C, rows, columns, KH·KW)."""
    rows = (x.shape[2] - kernel[0]) // stride[0] + 1
    columns = (x.shape[3] - kernel[1]) // stride[1] + 1
    out = np.zeros((*x.shape[:2], rows, columns, kernel[0] * kernel[1]), np.int64)
    for r in range(rows):
        for c in range(columns):
            y0, x0 = r * stride[0], c * stride[1]
            cut = x[:, :, y0 : y0 + kernel[0], x0 : x0 + kernel[1]]
            out[:, :, r, c] = cut.reshape(*x.shape[:2], -1)
    return out


def random_conv(rng: np.random.Generator, elem: IntType, size: int) -> tuple[integer.Conv, int]:
    groups = int(rng.choice([1, 1, 2, 3]))
    kernel = rng.integers(1, 4, 2)
    shape = (groups * int(rng.integers(1, 4)), int(rng.integers(1, 4)), *kernel)
    weight = rng.integers(-size, size + 1, shape)
    pads = tuple(int(p) for p in rng.integers(0, 3, 4)) if rng.random() < 0.6 else (0, 0, 0, 0)
    if rng.random() < 0.3:
        pads = (pads[0], pads[1], pads[0], pads[1])
    code = 0 if 0 in elem and rng.random() < 0.4 else int(rng.integers(elem.lo, elem.hi + 1))
    stride, dilation = ((int(a), int(b)) for a, b in rng.integers(1, 3, (2, 2)))
    return integer.Conv(weight, stride, pads, dilation, groups, code), groups * shape[1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [1, 127, 2**17])
def test_conv(seed: int, size: int) -> None:
    rng = np.random.default_rng([seed, size])
    elem = random_type(rng)
    op, channels = random_conv(rng, elem, size)
    x = random_codes(rng, elem, 3, channels, 7, 8)
    np.testing.assert_array_equal(run(op, x, elem), conv_loops(op, x))


@pytest.mark.parametrize("pad_code", [0, 7])
def test_conv_at_the_edge_of_float32(pad_code: int) -> None:
    """All extremes, and sums just below 2^24, in batches that switch torch's algorithms."""
    elem = IntType(0, 255)
    weight = np.where(np.arange(2 * 64 * 9).reshape(2, 64, 3, 3) % 3 == 0, -113, 114)
    weight[0] = 114
    x = random_codes(np.random.default_rng(1), elem, 17, 64, 6, 6)
    op = integer.Conv(weight, padding=(1, 1, 1, 1), pad_code=pad_code)
    graph = integer_graph(op, shape=(64, 6, 6), elem=elem)
    assert 2**23 < graph.type("op0").integers.hi < 2**24
    reference = IntegerReference(graph)
    assert reference.plan["op0"] == "float32 conv"
    np.testing.assert_array_equal(reference.trace(x)["op0"], conv_loops(op, x))


@pytest.mark.filterwarnings("ignore:TF32")
def test_conv_without_one_dnn() -> None:
    """torch then takes NNPACK's Winograd convolutions for batches, which are not exact."""
    rng = np.random.default_rng(2)
    op = integer.Conv(rng.integers(-127, 128, (8, 32, 3, 3)), padding=(1, 1, 1, 1))
    x = rng.integers(-127, 128, (16, 32, 12, 12))
    before = torch.backends.nnpack.set_flags(True)  # type: ignore[no-untyped-call]
    try:
        with torch.backends.mkldnn.flags(enabled=False):  # type: ignore[no-untyped-call]
            got = run(op, x, IntType(-127, 127))
        left = torch.backends.nnpack.set_flags(True)  # type: ignore[no-untyped-call]
    finally:
        torch.backends.nnpack.set_flags(*before)  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal(got, conv_loops(op, x))
    assert left == (True,), "torch's setting is put back"


@pytest.mark.parametrize("seed", SEEDS)
def test_step_table(seed: int) -> None:
    """Thresholds anywhere, even outside the domain; tables that rise, fall, jump or wander."""
    rng = np.random.default_rng(seed)
    elem, steps = random_type(rng, 6), int(rng.integers(0, 9))
    thresholds = np.sort(rng.integers(elem.lo - 9, elem.hi + 10, (4, steps)), axis=1)
    kind = seed % 4
    counts = np.broadcast_to(np.arange(steps + 1), (4, steps + 1))
    tables = [counts - 3, steps - counts, 2 * counts, rng.integers(-9, 9, (4, steps + 1))]
    table = np.array(tables[kind], np.int64)
    op = integer.StepTable(thresholds, table, IntType(-20, 40))
    x = random_codes(rng, elem, 5, 4, 6, 6)
    passed = (x[..., None] >= thresholds[None, :, None, None, :]).sum(axis=-1)
    expected = np.array([[table[c][passed[n, c]] for c in range(4)] for n in range(5)])
    np.testing.assert_array_equal(run(op, x, elem), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wide", [False, True])
def test_scale_shift(seed: int, wide: bool) -> None:
    """Multipliers of both signs; ``wide`` goes past what float64 holds exactly."""
    rng = np.random.default_rng([seed, wide])
    elem = IntType(-(2**30), 2**30) if wide else random_type(rng, 12)
    n = int(rng.integers(0, 41))
    m = rng.integers(-(2**18) + 1, 2**18, 4)
    r = rng.integers(-(2**61 if wide else 2**40), 2**61 if wide else 2**40, 4)
    clamp = IntType(-int(rng.integers(0, 2**20)), int(rng.integers(0, 2**20)))
    op = integer.ScaleShift(m, r, n, clamp, IntType(-(2**20), 2**20))
    x = random_codes(rng, elem, 4, 4, 3, 3)
    expected = np.zeros(x.shape, np.int64)
    for at in np.ndindex(*x.shape):
        shifted = (int(x[at]) * int(m[at[1]]) + int(r[at[1]])) >> n
        expected[at] = min(max(shifted, clamp.lo), clamp.hi)
    np.testing.assert_array_equal(run(op, x, elem), expected)


def test_scale_shift_floors_negative_sums() -> None:
    op = integer.ScaleShift(np.array([-3]), np.array([2]), 2, IntType(-9, 9), IntType(-9, 9))
    x = np.arange(-3, 4).reshape(7, 1, 1, 1)
    expected = [(v * -3 + 2) >> 2 for v in range(-3, 4)]
    np.testing.assert_array_equal(run(op, x, IntType(-3, 3)).ravel(), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_add(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a_mul, b_mul = (int(m) for m in rng.integers(1, [8, 2**16][seed % 2], 2))
    elem = random_type(rng)
    graph = integer_graph(shape=(2, 4, 4), elem=elem)
    graph.add("cut", integer.MaxPool((1, 1), (1, 1)), ["x"])
    graph.add("sum", integer.Add(a_mul, b_mul), ["x", "cut"])
    x = random_codes(rng, elem, 3, 2, 4, 4)
    np.testing.assert_array_equal(IntegerReference(graph).trace(x)["sum"], (a_mul + b_mul) * x)


@pytest.mark.parametrize("seed", SEEDS)
def test_pools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    elem = random_type(rng)
    x = random_codes(rng, elem, 3, 2, 6, 7)
    kernel = (6, 7) if seed % 5 == 0 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    cut = windows(x, kernel, stride)
    np.testing.assert_array_equal(run(integer.SumPool(kernel, stride), x, elem), cut.sum(-1))
    np.testing.assert_array_equal(run(integer.MaxPool(kernel, stride), x, elem), cut.max(-1))


def test_dilated_max_pool() -> None:
    x = np.random.default_rng(0).integers(-7, 8, (3, 2, 7, 7))
    parts = [x[:, :, u : u + 3, v : v + 3] for u in (0, 2, 4) for v in (0, 2, 4)]
    got = run(integer.MaxPool((3, 3), (1, 1), (2, 2)), x, IntType(-7, 7))
    np.testing.assert_array_equal(got, np.max(parts, axis=0))


def test_pad_slice_and_concat() -> None:
    x = np.random.default_rng(0).integers(-7, 8, (3, 2, 5, 6))
    elem = IntType(-7, 7)
    pad = integer.Pad(((1, 2), (0, 3), (4, 0)), -5)
    expected = np.pad(x, ((0, 0), *pad.pads), constant_values=-5)
    np.testing.assert_array_equal(run(pad, x, elem), expected)
    cut = integer.Slice(1, 2, 2, 0, 3, 2)
    np.testing.assert_array_equal(run(cut, x, elem), x[:, :, 1:4:2, 0:4:3])
    graph = integer_graph(pad, shape=(2, 5, 6), elem=elem)
    graph.add("more", integer.Pad(((0, 0), (0, 3), (4, 0)), 1), ["x"])
    graph.add("all", integer.Concat(), ["op0", "more", "op0"])
    other = np.pad(x, ((0, 0), (0, 0), (0, 3), (4, 0)), constant_values=1)
    got = IntegerReference(graph).trace(x)["all"]
    np.testing.assert_array_equal(got, np.concatenate([expected, other, expected], axis=1))


@pytest.mark.parametrize("seed", SEEDS)
def test_lookup(seed: int) -> None:
    rng = np.random.default_rng([seed, 11])
    elem, out = random_type(rng), random_type(rng)
    table = rng.integers(out.lo, out.hi + 1, elem.hi - elem.lo + 1)
    x = random_codes(rng, elem, 3, 4, 5, 6)
    np.testing.assert_array_equal(run(integer.Lookup(table, out), x, elem), table[x - elem.lo])


def test_lookup_of_the_largest_domain() -> None:
    elem = IntType(-2048, 2047)
    table = np.random.default_rng(0).permutation(4096)
    x = np.arange(-2048, 2048).reshape(2, 2, 32, 32)
    got = run(integer.Lookup(table, IntType(0, 4095)), x, elem)
    np.testing.assert_array_equal(got.ravel(), table)
    with pytest.raises(GraphError, match="for 4097 codes"):
        run(integer.Lookup(np.arange(4097), IntType(0, 4096)), x, IntType(-2048, 2048))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bits", [8, 16])
def test_multiply(seed: int, bits: int) -> None:
    """The gate is a sum pool of the input; both lose their zero first."""
    rng = np.random.default_rng([seed, 12])
    elem = random_type(rng, bits)
    x = random_codes(rng, elem, 3, 4, 2, 3)
    graph = integer_graph(integer.SumPool((2, 3), (2, 3)), shape=x.shape[1:], elem=elem)
    zeros = int(rng.integers(elem.lo, elem.hi + 1)), int(rng.integers(-50, 50))
    graph.add("product", integer.Multiply(*zeros), ["x", "op0"])
    graph.reconnect("y", 0, "product")
    graph.check()
    trace = IntegerReference(graph).trace(x)
    sums = x.sum(axis=(2, 3), keepdims=True)
    np.testing.assert_array_equal(trace["product"], (x - zeros[0]) * (sums - zeros[1]))
    assert graph.type("product").integers.holds(trace["product"])


# ---- the plan -----------------------------------------------------------------------


def plan(op: Any, elem: IntType, shape: tuple[int, ...] = (1, 2, 2)) -> str:
    return IntegerReference(integer_graph(op, shape=shape, elem=elem)).plan["op0"]


def ones(kernel: int = 2, weight: int = 1) -> integer.Conv:
    return integer.Conv(np.full((1, 1, kernel, kernel), weight, np.int64))


def test_plan_labels() -> None:
    bit = IntType(0, 1)
    assert plan(ones(), bit) == "float32 conv"
    assert plan(ones(1), bit) == "float32 matmul"
    assert plan(integer.Conv(np.ones((1, 1, 1, 1), np.int64), (2, 2)), bit) == "float32 conv"
    assert plan(integer.MaxPool((1, 1), (1, 1)), bit) == "float32 max"
    assert plan(integer.SumPool((2, 2), (1, 1)), bit) == "float32 sum"
    assert plan(integer.Lookup(np.array([1, 0]), bit), bit) == "lookup"
    assert plan(integer.Slice(0, 1, 1, 0, 1, 1), bit) == "move"
    rising = integer.StepTable(np.array([[1, 2]]), np.array([[0, 1, 2]]), IntType(0, 2))
    falling = integer.StepTable(np.array([[1, 2]]), np.array([[2, 1, 0]]), IntType(0, 2))
    assert plan(rising, IntType(0, 9)) == "float32 affine"
    assert plan(falling, IntType(0, 9)) == "direct table"
    assert plan(falling, IntType(0, 2**23)) == "float32 search"
    assert plan(falling, IntType(0, 2**24)) == "float64 search"


def test_float64_from_the_first_sum_that_float32_does_not_hold() -> None:
    assert plan(ones(1), IntType(0, 2**24 - 1)) == "float32 matmul"
    assert plan(ones(1), IntType(0, 2**24)) == "float64 matmul"
    assert plan(ones(2), IntType(-(2**22), 0)) == "float64 conv"
    assert plan(ones(2), IntType(-(2**22) + 1, 0)) == "float32 conv"
    assert plan(ones(1, -(2**12)), IntType(0, 2**12)) == "float64 matmul"
    assert plan(integer.SumPool((2, 2), (1, 1)), IntType(0, 2**22)) == "float64 sum"
    # terms of both signs: a partial sum may be larger than the whole
    both = integer.Conv(np.array([[[[2**12, -(2**12)]]]]))
    assert plan(both, IntType(0, 2**11)) == "float64 conv"


def test_float64_sums_are_exact() -> None:
    op = integer.Conv(np.array([[[[2**30 + 1, -(2**30)], [1, 0]]]]))
    x = np.array([[[[2**20, 2**20 - 1], [1, 5]]]])
    expected = (2**30 + 1) * 2**20 - 2**30 * (2**20 - 1) + 1
    assert run(op, np.repeat(x, 2, axis=0), IntType(0, 2**20))[0, 0, 0, 0] == expected


def test_refused_beyond_exact_arithmetic() -> None:
    for op, words in (
        (ones(2, 2**31), "its sums reach"),
        (integer.SumPool((2, 2), (1, 1)), "its values reach"),
    ):
        big = IntType(0, 2**20) if isinstance(op, integer.Conv) else IntType(0, 2**51)
        with pytest.raises(QCompilerError, match=rf"op0: {words} .*beyond what the"):
            plan(op, big)
    scale = integer.ScaleShift(
        np.array([2**17]), np.array([2**61]), 8, IntType(0, 9), IntType(0, 9)
    )
    assert plan(scale, IntType(0, 2**40)) == "int64"
    with pytest.raises(QCompilerError, match=r"op0: its products reach .*beyond"):
        plan(scale, IntType(0, 2**46))


# ---- ends ------------------------------------------------------------------------------


def test_codes_outside_the_input_type_are_refused() -> None:
    reference = IntegerReference(integer_graph(elem=IntType(-7, 7)))
    x = np.zeros((2, 2, 5, 6), np.int64)
    x[1, 1, 2, 3] = 8
    with pytest.raises(QCompilerError, match=r"reach 0…8, outside \[-7\.\.7\]"):
        reference(x)
    with pytest.raises(QCompilerError, match=r"shape \(2, 5, 5\), the network takes \(2, 5, 6\)"):
        reference(np.zeros((1, 2, 5, 5), np.int64))


def test_encode_and_decode() -> None:
    graph = Graph("integer")
    graph.add("x", integer.Input((1, 1, 4), IntType(-3, 3), 0.5, 0.25))
    graph.add("y", integer.Output((4,), 2.0, -1.0), ["x"])
    reference = IntegerReference(graph)
    codes = reference.encode(np.array([[-9.0, 0.0, 0.5, 1.01]]))
    np.testing.assert_array_equal(codes, [[[[-3, 0, 0, 2]]]])  # -0.5 and 0.5 go to even
    np.testing.assert_array_equal(reference.decode(reference(codes)), [[-7.0, -1.0, -1.0, 3.0]])
    with pytest.raises(QCompilerError, match="NaN or infinity"):
        reference.encode(np.array([[0.0, np.nan, 0.0, 0.0]]))


def test_keep_returns_what_was_asked_for() -> None:
    reference = IntegerReference(integer_graph(ones(1, 3), ones(1, 2), shape=(1, 2, 2)))
    x = np.arange(4).reshape(1, 1, 2, 2)
    kept = reference.run(x, keep=["op0"])
    assert set(kept) == {"op0", "y"}
    np.testing.assert_array_equal(kept["op0"], 3 * x)
    np.testing.assert_array_equal(kept["y"], 6 * x)
