"""The reference is exact whatever precision torch is allowed, and leaves the settings alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from qcompiler.ir import integer
from qcompiler.ir.types import IntType
from qcompiler.reference.integer import IntegerReference
from qcompiler.reference.precision import full_precision
from tests.graphs import integer_graph

BACKENDS: Any = torch.backends
NEWER = hasattr(torch.backends.mkldnn, "matmul")  # torch 2.9 and on
CODES = IntType(0, 1023)

Set = Callable[[], object]


def choose(place: Any, value: str) -> Set:
    return lambda: setattr(place, "fp32_precision", value)


ALLOWED: dict[str, Set] = {"legacy": lambda: torch.set_float32_matmul_precision("medium")}
if NEWER:
    ALLOWED |= {
        "convolutions": choose(BACKENDS.mkldnn.conv, "bf16"),
        "products": choose(BACKENDS.mkldnn.matmul, "bf16"),
        "TF32 convolutions": choose(BACKENDS.mkldnn.conv, "tf32"),
        "oneDNN": lambda: BACKENDS.mkldnn.set_flags(_fp32_precision="bf16"),
        "everything": choose(BACKENDS, "bf16"),
    }


def settings() -> list[str]:
    if not NEWER:
        return [torch.get_float32_matmul_precision()]
    places = (BACKENDS, BACKENDS.mkldnn, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul)
    return [place.fp32_precision for place in places]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every setting of float32 as it was, the inherited ones inherited."""
    legacy, before = torch.get_float32_matmul_precision(), settings()
    yield
    if NEWER:
        BACKENDS.mkldnn.set_flags(_fp32_precision="none")
        for place in (BACKENDS, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul):
            place.fp32_precision = "none"
    torch.set_float32_matmul_precision(legacy)
    if NEWER:
        BACKENDS.mkldnn.matmul.fp32_precision = before[3]
    assert settings() == before


@pytest.mark.parametrize("case", ALLOWED)
@pytest.mark.parametrize("kernel", [1, 3])  # a product, a convolution
def test_exact_and_put_back(case: str, kernel: int) -> None:
    rng = np.random.default_rng(kernel)
    op = integer.Conv(rng.integers(-100, 101, (32, 16, kernel, kernel)))
    x = rng.integers(0, 1024, (20, 16, 12, 12))
    reference = IntegerReference(integer_graph(op, shape=(16, 12, 12), elem=CODES))
    assert reference.plan["op0"] == f"float32 {'matmul' if kernel == 1 else 'conv'}"
    wanted = torch.nn.functional.conv2d(
        torch.from_numpy(x).double(), torch.from_numpy(op.weight).double()
    )
    ALLOWED[case]()
    before = settings()
    np.testing.assert_array_equal(reference.trace(x)["op0"], wanted.numpy())
    assert settings() == before


@pytest.mark.skipif(not NEWER, reason="torch has one setting")
def test_an_inherited_setting_stays_inherited() -> None:
    BACKENDS.fp32_precision = "bf16"
    with full_precision():
        assert settings()[2:] == ["ieee", "ieee"]
    BACKENDS.fp32_precision = "ieee"
    assert settings()[2:] == ["ieee", "ieee"]


def test_put_back_after_an_error() -> None:
    ALLOWED["legacy"]()
    before = settings()
    with pytest.raises(ZeroDivisionError), full_precision():
        raise ZeroDivisionError
    assert settings() == before
    assert torch.get_float32_matmul_precision() == "medium"
