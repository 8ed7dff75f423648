"""The budget: its sign, its costs, and how gates settle on it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.quant.costs import KINDS, CostTable, LayerWork, cost
from qcompiler.quant.csq import CSQ, CSQConfig
from qcompiler.quant.csq.budget import csq_layers
from qcompiler.quant.csq.weight import gates

SAMPLES = torch.zeros(4, 2, 8, 8)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 9, 5),
    )  # fmt: skip


def prepared(**changes: object) -> tuple[CSQ, nn.Module]:
    method = CSQ(CSQConfig(**changes))  # type: ignore[arg-type]
    return method, method.prepare(network(), SAMPLES)


@pytest.mark.parametrize("count", ["soft", "hard"])
@pytest.mark.parametrize("kind", KINDS)
def test_penalty_prunes_above_and_grows_below(count: str, kind: str) -> None:
    for budget, sign in ((1.0, 1), (8.0, -1)):
        method, model = prepared(budget=budget, cost=kind, count=count, slope=0.0, gate=0.01)
        if budget == 8.0:
            for layer in csq_layers(model):
                with torch.no_grad():
                    layer.originals[1][:, :4] = -0.01
        penalty = method.penalty(model)
        assert penalty is not None
        penalty.backward()
        for layer in csq_layers(model):
            gates, others = layer.originals[1].grad, layer.originals[0].grad
            assert gates is not None and (gates * sign > 0).all()
            assert others is None


def test_target_raised_in_training_grows_planes() -> None:
    method, model = prepared(budget=2.0, strength=5.0)
    assert method.budget is not None
    optimizer = torch.optim.SGD(method.parameter_groups(model, 0.0), lr=0.1)

    def train(steps: int) -> float:
        for _ in range(steps):
            penalty = method.penalty(model)
            assert penalty is not None and method.budget is not None
            optimizer.zero_grad()
            penalty.backward()
            optimizer.step()
        opened = (gates([layer.form], layer.originals[1]) for layer in csq_layers(model))
        return sum(float(g.detach().sum()) for g in opened)

    before = train(40)
    method.budget.target = 6.0
    assert train(40) > before + 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [1.5, 3.0, 5.25])
def test_settles_on_the_budget(kind: str, budget: float) -> None:
    method, model = prepared(budget=budget, cost=kind)
    for layer in csq_layers(model):
        with torch.no_grad():
            layer.originals[1].normal_(generator=torch.Generator().manual_seed(1))
    assert method.budget is not None
    method.budget.settle(model)
    layers = csq_layers(model)
    assert all(layer.live().any() for layer in layers)
    live = [float(layer.live().sum()) for layer in layers]
    assert method.budget.average(model) == pytest.approx(method.budget.costs.equivalent(live))
    assert method.budget.average(model) == pytest.approx(budget, abs=0.4)  # three layers are coarse


def test_cost_kinds() -> None:
    conv = LayerWork("conv", (8, 4, 3, 3), (6, 6))
    fc = LayerWork("fc", (10, 8))
    assert cost(conv, 3, "size") == 288 * 3
    assert cost(conv, 3, "stored") == 288 * 4
    assert cost(conv, 3, "cycles") == 288 * 36 * 4
    assert cost(fc, 3, "cycles") == 80 * 4
    assert cost(conv, 2, "lut") < cost(conv, 3, "lut")
    for kind in KINDS:
        table = CostTable([conv, fc], kind)
        assert table.equivalent([3, 3]) == pytest.approx(3)
        assert table.equivalent([2.5, 2.5]) == pytest.approx(2.5)
        assert 2 < table.equivalent([3, 2]) < 3
        assert table.shares.sum() == pytest.approx(1)
        assert table.uniform[2] == cost(conv, 2, kind) + cost(fc, 2, kind)
    assert CostTable([conv, fc], "size").equivalent([3, 2]) == pytest.approx((864 + 160) / 368)
    assert CostTable([conv, fc], "planes").shares.tolist() == [0.5, 0.5]


def test_depthwise_cycles_count_each_group() -> None:
    assert cost(LayerWork("dw", (8, 1, 3, 3), (4, 4), 8), 1, "cycles") == 8 * 9 * 16 * 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget": 0.5}, "outside 1 to 8"),
        ({"budget": 5, "planes": 4}, "outside 1 to 4"),
        ({"planes": 9}, "outside 1 to 8"),
        ({"cost": "money"}, "unknown"),
        ({"activations": 1}, "neither 2 to 8"),
        ({"search": 1.0}, "no share"),
        ({"temperature": (10.0, 5.0)}, "rise"),
        ({"groups": 0}, "at least 1"),
        ({"strength": 0.0}, "not positive"),
        ({"count": "twice"}, "neither soft nor hard"),
    ],
)
def test_refused_settings(changes: dict[str, object], says: str) -> None:
    with pytest.raises(QCompilerError, match=says):
        CSQConfig(**changes)  # type: ignore[arg-type]
