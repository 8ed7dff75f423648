"""Widths from sensitivity: the best within the budget, by brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.quant.auto_bits import WIDTHS, Sensitivity, allocate, measure
from qcompiler.quant.costs import CostTable, LayerWork
from tests.quant.nets import network, samples


def random_layers(seed: int, layers: int) -> list[Sensitivity]:
    rng = np.random.default_rng(seed)
    return [
        Sensitivity(
            LayerWork(
                f"l{k}",
                (int(rng.integers(1, 20)), int(rng.integers(1, 20)), 1, 1),
                (int(rng.integers(1, 9)), int(rng.integers(1, 9))),
            ),
            tuple(float(rng.uniform(0.1, 5)) * 4.0 ** -np.array(WIDTHS)),
        )
        for k in range(layers)
    ]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-7])
@pytest.mark.parametrize("kind", ["size", "cycles"])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_all_choices(seed: int, kind: str, scale: float) -> None:
    found = [replace(s, loss=tuple(scale * v for v in s.loss)) for s in random_layers(seed, 4)]
    size = np.array([s.work.weights for s in found])
    if kind == "cycles":
        size *= [s.work.pixels[0] * s.work.pixels[1] for s in found]
    budget = 3.5 + seed / 2

    def cost(bits: tuple[int, ...]) -> float:
        return float(size @ np.array(bits) / size.sum())

    def loss(bits: tuple[int, ...]) -> float:
        return sum(s.loss[b - WIDTHS[0]] for s, b in zip(found, bits, strict=True))

    best = min(loss(bits) for bits in product(WIDTHS, repeat=4) if cost(bits) <= budget)
    chosen = tuple(allocate(found, budget, kind).values())
    assert cost(chosen) <= budget + 1e-9
    assert loss(chosen) == pytest.approx(best)


def test_logic_is_within_its_budget() -> None:
    found = random_layers(2, 4)
    table = CostTable([s.work for s in found], "lut")
    widths = allocate(found, 4.0, "lut")
    assert table.equivalent([b - 1 for b in widths.values()]) <= 3.0 + 1e-6
    assert len(set(widths.values())) > 1


def test_all_of_eight_bits_and_the_least() -> None:
    found = random_layers(0, 3)
    assert set(allocate(found, 8.0).values()) == {8}
    assert set(allocate(found, 2.0).values()) == {2}


def test_sensitivity_falls_with_the_width() -> None:
    found = measure(network(), samples())
    assert [s.layer for s in found] == ["c1", "c2", "c3", "fc"]
    assert found[0].work == LayerWork("c1", (6, 3, 3, 3), (9, 9))
    assert found[3].work.weights == 30
    for layer in found:
        assert layer.loss[0] > 10 * layer.loss[-1] > 0


@pytest.mark.parametrize("budget", [1.5, 9.0, float("nan")])
def test_a_budget_out_of_range(budget: float) -> None:
    with pytest.raises(QCompilerError, match="outside"):
        allocate(random_layers(0, 2), budget)


def test_an_unknown_kind() -> None:
    with pytest.raises(QCompilerError, match="unknown"):
        allocate(random_layers(0, 2), 4.0, "area")


def test_given_widths_stay_and_the_others_share_the_rest() -> None:
    found = random_layers(1, 3)
    widths = allocate(found, 6.0, pinned={"l1": 8})
    size = np.array([s.work.weights for s in found])
    assert widths["l1"] == 8
    assert size @ np.array(list(widths.values())) / size.sum() <= 6.0
    with pytest.raises(QCompilerError, match="no widths are within"):
        allocate(found, 2.0, pinned={"l1": 8})
    with pytest.raises(QCompilerError, match="1 bits are outside 2 to 8"):
        allocate(found, 4.0, pinned={"l0": 1})
