"""Learned rounding, block by block, and corrections of means and spreads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qcompiler.ir import nn
from qcompiler.passes.base import run_passes
from qcompiler.passes.integerize import Integerize
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.blocks import find_blocks
from qcompiler.quant.correct import Correct
from qcompiler.quant.reconstruct import Reconstruct
from qcompiler.quant.soft import BLUNT, SHARP, SoftQuantizer, SoftWeight, sharpness
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.nn import run_nn
from qcompiler.reference.quantizer import codes, fake_quantize
from tests.quant.nets import network, quantized, samples, start
from tests.quant.test_easyquant import output_error

X = samples(32)


def test_blocks_of_a_residual_network() -> None:
    graph = start(network(), X)
    found = [(b.start, b.end) for b in find_blocks(graph)]
    assert found == [("x_q", "r1"), ("r1_q", "r3"), ("pool_q", "fc")]
    middle = find_blocks(graph)[1].nodes
    assert {"c2", "c3", "c3_q", "sum"} <= set(middle)


@pytest.mark.parametrize("drop", [0.0, 0.5])
def test_reconstruction_lowers_the_error_of_every_block(drop: float) -> None:
    floating = network()
    how = Reconstruct(floating, X, iterations=150, drop=drop)
    before, after = start(floating, X, 3, 3), quantized(floating, X, how, bits=3)
    assert [fit.block for fit in how.fits] == ["r1", "r3", "fc"]
    assert all(fit.after <= fit.before for fit in how.fits)
    assert any(fit.after < 0.9 * fit.before for fit in how.fits)
    fresh = samples(32, seed=7)
    assert output_error(floating, after, fresh) < output_error(floating, before, fresh)


def test_every_weight_goes_to_a_neighbouring_code() -> None:
    floating = network()
    before = start(floating, X, 3, 3)
    after = run_passes(before, [Reconstruct(floating, X, iterations=60)])
    moved = 0
    for name in ("c1", "c2", "c3", "fc"):
        op = before.op(name)
        spec, column = op.weight_quant, (-1,) + (1,) * (op.weight.ndim - 1)
        exact = op.weight / spec.step_in.reshape(column)
        got = codes(spec, after.op(name).weight)
        low = np.clip(np.floor(exact), spec.lo, spec.hi)
        high = np.clip(np.floor(exact) + 1, spec.lo, spec.hi)
        assert ((got == low) | (got == high)).all()
        moved += int((got != codes(spec, op.weight)).sum())
    assert moved, "some are not the nearest: that is the point"


def test_the_same_seed_gives_the_same_network() -> None:
    floating = network()
    one, two = (quantized(floating, X, Reconstruct(floating, X, iterations=20)) for _ in range(2))
    assert str(one) == str(two)


def test_a_soft_weight_starts_unrounded_and_settles_on_its_gate() -> None:
    op = start(network(), X, 4, 4).op("c1")
    soft = SoftWeight(op)
    inside = np.abs(op.weight / op.weight_quant.step_in.reshape(-1, 1, 1, 1)) < op.weight_quant.hi
    torch.testing.assert_close(
        soft.soft().detach()[inside], torch.from_numpy(op.weight).float()[inside], atol=1e-3, rtol=0
    )
    with torch.no_grad():
        soft.v.fill_(9)
    up = codes(op.weight_quant, soft.settled().weight)
    with torch.no_grad():
        soft.v.fill_(-9)
    down = codes(op.weight_quant, soft.settled().weight)
    assert ((up - down == 1) | (up == op.weight_quant.hi)).all()
    assert float(soft.unsettled(2)) == 0


def test_a_soft_quantizer_rounds_as_the_real_one_and_learns_its_step() -> None:
    spec = nn.QuantSpec.uniform(0.25, 0, 15)
    soft, x = SoftQuantizer(spec, learns=True), torch.linspace(-1, 6, 100)
    torch.testing.assert_close(soft(x).detach(), fake_quantize(spec, x))
    soft(x).sum().backward()
    assert soft.log_step.grad is not None and float(soft.log_step.grad) != 0
    with torch.no_grad():
        soft.log_step.fill_(np.log(2))
    assert float(soft.settled().step_in) == pytest.approx(0.5)


def test_the_regularizer_sharpens() -> None:
    assert sharpness(0) == BLUNT and sharpness(1) == pytest.approx(SHARP)


@pytest.mark.parametrize("what", ["bias", "batch-norm"])
def test_corrections_match_the_statistics(what: str) -> None:
    floating = network()
    after = run_passes(start(floating, X, 3, 3), [AlignResiduals(), Correct(floating, X, what)])
    x = torch.from_numpy(X)
    layers = ["c1", "c2", "c3", "fc"]
    wanted, got = (run_nn(g, x, keep=layers) for g in (floating, after))
    for name in layers:
        a, b = (t[name].transpose(0, 1).flatten(1) for t in (wanted, got))
        torch.testing.assert_close(a.mean(1), b.mean(1), atol=1e-4, rtol=1e-4)
        if what == "batch-norm" and name != "fc":  # one value an image, hardly spread
            torch.testing.assert_close(a.std(1), b.std(1), atol=1e-3, rtol=1e-3)
    plain = run_passes(start(floating, X, 3, 3), [AlignResiduals()])
    assert output_error(floating, after, X) < output_error(floating, plain, X)


@pytest.mark.parametrize("what", ["bias", "batch-norm"])
def test_a_corrected_network_is_still_exact_in_integers(what: str) -> None:
    floating = network()
    graph = run_passes(start(floating, X), [AlignResiduals(), Correct(floating, X, what)])
    reference = IntegerReference(run_passes(graph, [Integerize("exact")]))
    wanted = run_nn(graph, torch.from_numpy(X), dtype=torch.float64)
    np.testing.assert_allclose(reference.decode(reference(reference.encode(X))), wanted, atol=1e-9)


def test_a_corrected_one_bit_weight_keeps_its_sign() -> None:
    floating = network()
    before = start(floating, X, 1, 8)
    after = run_passes(before, [Correct(floating, X, "batch-norm")])
    for name in ("c1", "c2", "c3", "fc"):
        one, two = before.op(name), after.op(name)
        np.testing.assert_array_equal(
            codes(one.weight_quant, one.weight), codes(two.weight_quant, two.weight)
        )
