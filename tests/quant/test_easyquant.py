"""EasyQuant: scales that never make a layer's cosine worse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.passes.base import run_passes
from qcompiler.quant.consumers import consumers
from qcompiler.quant.easyquant import CLEAR, EasyQuant, Pace, channel_cosine, cosine, scaled
from qcompiler.reference.nn import run_nn
from tests.quant.nets import network, quantized, samples, start

X = samples()


def specs(graph: Graph) -> dict[str, tuple[bytes, bytes]]:
    found = {n: graph.op(n).spec for n in graph.find(nn.Quantizer)}
    found |= {n: graph.op(n).weight_quant for n in graph if getattr(graph.op(n), "weight_quant", 0)}
    return {n: (np.asarray(s.step_in).tobytes(), (s.lo, s.hi)) for n, s in found.items()}


def output_error(floating: Graph, graph: Graph, x: np.ndarray) -> float:
    wanted, got = (run_nn(g, torch.from_numpy(x)) for g in (floating, graph))
    return float((wanted - got).square().mean() / wanted.var())


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_no_cosine_falls_and_the_output_gets_better(bits: int) -> None:
    floating = network()
    search = EasyQuant(floating, X, candidates=24)
    before, after = start(floating, X, bits, bits), quantized(floating, X, search, bits=bits)
    assert len(search.steps) == len(after.find(nn.Quantizer))
    assert all(step.after >= step.before - CLEAR for step in search.steps)
    assert any(step.after > step.before for step in search.steps)
    if bits == 3:  # cosine does not see what goes wrong at 2 bits; from 4 on the start is as good
        fresh = samples(seed=5)
        assert output_error(floating, after, fresh) < output_error(floating, before, fresh)
    assert {n: s[1] for n, s in specs(before).items()} == {n: s[1] for n, s in specs(after).items()}


def test_a_search_over_the_start_alone_changes_nothing() -> None:
    floating = network()
    before = start(floating, X)
    after = run_passes(before, [EasyQuant(floating, X, candidates=1, rounds=0)])
    assert specs(before) == specs(after)


def test_the_first_layer_by_brute_force() -> None:
    """One search of activations alone must find the best of its candidates."""
    graph = Graph("nn")
    rng = np.random.default_rng(3)
    graph.add("x", nn.Input((2, 7, 7)))
    graph.add("c", nn.Conv(rng.normal(0, 1, (3, 2, 3, 3)), None), ["x"])
    graph.add("r", nn.Relu(), ["c"])
    graph.add("y", nn.Output(), ["r"])
    x = rng.standard_t(3, (12, 2, 7, 7)).astype(np.float32)
    first = start(graph, x, 8, 8, input_bits=3)
    searched = run_passes(first, [EasyQuant(graph, x, candidates=40, rounds=1)])
    wanted = run_nn(graph, torch.from_numpy(x), keep=["r"])["r"]

    def score(spec: nn.QuantSpec) -> float:
        trial = searched.copy()
        trial.replace("x_q", nn.Quantizer(spec))
        return cosine(run_nn(trial, torch.from_numpy(x), keep=["r"])["r"], wanted)

    best = max(score(scaled(first.op("x_q").spec, 1 / r)) for r in np.linspace(0.5, 2, 40))
    assert score(searched.op("x_q").spec) == pytest.approx(max(best, score(first.op("x_q").spec)))
    assert float(searched.op("x_q").spec.step_in) != float(first.op("x_q").spec.step_in)


def test_it_sees_the_relu_and_the_branches() -> None:
    graph = start(network(), X)
    ways = consumers(graph, "r1_q")
    assert [(w.sum, w.tail, w.end) for w in ways] == [("c2", ("r2",), "r2"), (None, (), "r1")]
    (fc,) = consumers(graph, "pool_q")
    assert (fc.moves, fc.sum, fc.end) == (("flat",), "fc", "fc")
    (pool,) = consumers(graph, "r3_q")
    assert (pool.sum, pool.end) == ("pool", "pool")


def test_cosines_by_hand() -> None:
    a = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 0.0]]])
    b = torch.tensor([[[2.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 3.0]]])
    torch.testing.assert_close(
        channel_cosine(a, b), torch.tensor([(1 + 0.5**0.5) / 2, 0.5]).double()
    )
    assert cosine(a, a) == 1.0 and cosine(a, -a) == -1.0
    rows = torch.tensor([[1.0, 2.0], [2.0, -4.0]])
    torch.testing.assert_close(channel_cosine(rows, rows.abs()), torch.tensor([1.0, -0.6]).double())


def test_tied_codes_keep_their_common_step() -> None:
    graph = Graph("nn")
    rng = np.random.default_rng(4)
    graph.add("x", nn.Input((2, 6, 6)))
    for name in "ab":
        graph.add(name, nn.Conv(rng.normal(0, 1, (2, 2, 3, 3))), ["x"])
    graph.add("cat", nn.Concat(), ["a", "b"])
    graph.add("c", nn.Conv(rng.normal(0, 1, (2, 4, 3, 3))), ["cat"])
    graph.add("y", nn.Output(), ["c"])
    x = rng.normal(0, 1, (9, 2, 6, 6)).astype(np.float32)
    before, search = start(graph, x, 3, 3), EasyQuant(graph, x, candidates=40)
    after = run_passes(before, [search])
    (lone,) = [step for step in search.steps if step.node == "c"]
    assert lone.layers == ("c",) and lone.after > lone.before, "weights behind it are searched too"
    assert after.op("a_q").spec.step_in == after.op("b_q").spec.step_in


def test_time_budget() -> None:
    floating, now = network(), [0.0]
    pace = Pace(10.0, 10, 100, clock=lambda: now[0])
    assert pace.next(1) == 100
    now[0] = 1.0
    assert pace.next(1) == 100, "on pace"
    now[0] = 6.0
    assert 0 < pace.next(4) < 50
    now[0] = 11.0
    assert pace.next(1) == 0, "over"
    search = EasyQuant(floating, X, seconds=1e-9)
    after = quantized(floating, X, search)
    assert [step.candidates for step in search.steps][1:] == [0] * (len(search.steps) - 1)
    assert after.find(nn.Quantizer)


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e12])
def test_cosines_at_any_scale(scale: float) -> None:
    rng = np.random.default_rng(8)
    a, b = (torch.from_numpy(rng.normal(0, 1, (3, 50))).float() for _ in range(2))
    assert cosine(a * scale, b * scale) == pytest.approx(cosine(a, b), abs=1e-6)


def test_signs_keep_their_scale_which_a_cosine_does_not_see() -> None:
    floating = network()
    before = start(floating, X, 4, 1, residual_bits=1)
    after = run_passes(before, [EasyQuant(floating, X, candidates=12)])
    signs = [n for n in before.find(nn.Quantizer) if before.op(n).spec.offset.any()]
    assert signs
    for name in signs:
        assert before.op(name).spec.step_in == after.op(name).spec.step_in
