"""PROFIT's schedule: the paper's stages, what each setting takes out, and learning rates."""

from __future__ import annotations

from typing import Any

import pytest

from qcompiler.errors import QCompilerError
from qcompiler.quant.profit import PROFIT, ProfitConfig
from qcompiler.quant.profit.phases import Phase, Schedule


def schedule(**given: Any) -> Schedule:
    return Schedule(ProfitConfig(**{"bits": 4, "activations": 4, **given}))


def test_the_papers_200_epochs() -> None:
    found = schedule()
    assert sum(p.length for p in found.phases) == 200  # 15 + 3·25 + 2·25 + 60
    told = [(p.activations, p.weights, p.length, p.trains, p.samples, p.frozen)
            for p in found.phases]  # fmt: skip
    down = [(b, 0, n, n == 15, False, 0) for b in (8, 5, 4) for n in (5, 15, 5)]
    down += [(4, b, n, n == 15, False, 0) for b in (8, 5) for n in (5, 15, 5)]
    last = [(4, 4, 5, False, False, 0), (4, 4, 5, True, True, 0)]
    last += [(4, 4, 15, True, False, frozen) for frozen in (0, 1, 2)]
    assert told == [(0, 0, 15, True, False, 0), *down, *last, (4, 4, 5, False, False, 0)]


def test_where_a_stage_begins() -> None:
    found = schedule()
    assert found.index(0.0) == 0 and found.index(14.9 / 200) == 0
    assert found.index(15.1 / 200) == 1 and found.index(1.0) == len(found.phases) - 1
    assert found.width(0.0) == 0 and found.width(16 / 200) == 1 and found.width(1.0) == 6


@pytest.mark.parametrize(
    ("given", "total"),
    [
        ({"freeze": False}, 200),  # an ablation trains as long, all weights all the time
        ({"bn_stages": False}, 140),
        ({"staircase": False}, 100),
        ({"float_stage": False}, 185),
        ({"activations": 0}, 125),
        ({"w_bits": (8, 4)}, 175),
        ({"together": True}, 125),  # 15 + 2·25 + 60
        ({"bits": 3, "activations": 3}, 250),
    ],
)
def test_what_settings_take_out(given: dict[str, Any], total: float) -> None:
    phases = schedule(**given).phases
    assert sum(p.length for p in phases) == total
    frozen = {p.frozen for p in phases}
    assert (frozen == {0}) == (given.get("freeze") is False) == (not any(p.samples for p in phases))
    assert all(p.trains for p in phases) == (given.get("bn_stages") is False)
    stairs = [p.weights for p in phases]
    assert stairs == sorted(stairs, key=lambda bits: (bits > 0, -bits))
    assert phases[-1].weights == given.get("bits", 4)
    if given.get("staircase") is False:
        assert {p.weights for p in phases} == {0, 4} == {p.activations for p in phases}


@pytest.mark.parametrize(
    ("given", "widths"),
    [
        ({}, [(8, 8), (5, 5), (4, 4)]),
        ({"w_bits": (4,)}, [(8, 4), (5, 4), (4, 4)]),
        ({"a_bits": (8, 4)}, [(8, 8), (4, 5), (4, 4)]),
        ({"activations": 0}, [(0, 8), (0, 5), (0, 4)]),
        ({"staircase": False}, [(4, 4)]),
    ],
)
def test_weights_along_with_activations(
    given: dict[str, Any], widths: list[tuple[int, int]]
) -> None:
    phases = schedule(together=True, float_stage=False, **given).phases
    assert list(dict.fromkeys((p.activations, p.weights) for p in phases)) == widths
    frozen = [(p.activations, p.weights) for p in phases if p.frozen or p.samples]
    assert set(frozen) == {widths[-1]} and len(frozen) == 3


def test_rates_of_a_stage() -> None:
    train, bn, sample = Phase(15), Phase(5, trains=False), Phase(5, samples=True)
    assert train.rate(0) == pytest.approx(0.1) and train.rate(0.1) == pytest.approx(0.55)
    assert train.rate(0.2) == pytest.approx(1) and train.rate(1) == pytest.approx(1e-3)
    assert train.rate(0.6) == pytest.approx(0.5005)
    assert bn.rate(0) == pytest.approx(1) and bn.rate(1) == pytest.approx(1e-3)
    assert sample.rate(0) == sample.rate(0.3) == sample.rate(0.99) == 1  # constant


def test_rate_of_the_training_starts_anew_with_each_stage() -> None:
    found = schedule()
    for k, start in enumerate(found.starts):
        phase = found.phases[k]
        assert found.rate(start) == pytest.approx(phase.rate(0.0))
        if k and not found.phases[k - 1].samples:
            assert found.rate(start - 1e-9) == pytest.approx(1e-3, rel=1e-3)


def test_one_cosine_over_all_stages() -> None:
    found = schedule(restarts=False)
    assert found.phases == schedule().phases
    rates = [found.rate(k / 200) for k in range(201)]
    assert rates[0] == pytest.approx(0.1) and rates[20] == 1 and rates[-1] == pytest.approx(1e-3)
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)
    method = PROFIT(ProfitConfig(bits=4, activations=4, restarts=False))
    assert {method.phase(k / 200) for k in range(201)} == {0}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bits": 1}, "bits: 1 weight bits are outside 2 to 8"),
        ({"activations": 9}, "activations: 9 bits are neither"),
        ({"w_bits": (8, 5)}, "w_bits: 8, 5 do not fall from at most 8 to 4"),
        ({"a_bits": (5, 8, 4)}, "a_bits: 5, 8, 4 do not fall"),
        ({"a_bits": (9, 4)}, "a_bits: 9, 4 do not fall"),
        ({"w_bits": ()}, "w_bits:  do not fall"),
        ({"train_epochs": 0.0}, "train_epochs: 0 is not positive"),
        ({"ema": 1.0}, "ema: 1 is no rate"),
        ({"teacher_weights": "a.pt"}, "teacher and teacher_weights go together"),
        ({"distill": 2.0}, "distill: there is no teacher to distill from"),
        ({"distill": 0.0}, "distill: 0 is not positive"),
        ({"w_bits": (8, 4), "staircase": False}, "w_bits: without staircase training goes"),
        ({"a_bits": (4,), "staircase": False}, "a_bits: without staircase training goes"),
    ],
)
def test_bad_settings(given: dict[str, Any], words: str) -> None:
    with pytest.raises(QCompilerError) as caught:
        schedule(**given)
    assert words in str(caught.value)


def test_a_training_too_short_to_measure() -> None:
    with pytest.raises(QCompilerError, match=r"20 steps of training leave \d to measure"):
        PROFIT(ProfitConfig(bits=4)).plan(20)
    PROFIT(ProfitConfig(bits=4)).plan(100)
    with pytest.raises(QCompilerError, match="20 steps of training leave none to stage 9 of 13"):
        PROFIT(ProfitConfig(bits=4, freeze=False)).plan(20)
    PROFIT(ProfitConfig(bits=4, freeze=False)).plan(25)


def test_a_training_too_short_to_freeze() -> None:
    """The stage that measures is long enough, those that freeze get no step."""
    method = PROFIT(ProfitConfig(bits=4, staircase=False, train_epochs=0.1, sample_epochs=50.0))
    with pytest.raises(QCompilerError, match="leave none to stage 4 of 7, which trains 4-bit"):
        method.plan(20)


def test_what_is_not_set_has_its_usual_value() -> None:
    assert ProfitConfig().ema_rate == 3e-4 and ProfitConfig().distill_weight == 1
    assert ProfitConfig(ema=0.0).ema_rate == 0 and ProfitConfig(ema=0.1).ema_rate == 0.1
    taught = ProfitConfig(teacher="a:b", teacher_weights="c.pt", distill=0.5)
    assert taught.distill_weight == 0.5
