import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompiler.ir.add_terms import AddTerms

CONSTANTS = st.integers(-(1 << 19), 1 << 19)


@given(CONSTANTS, CONSTANTS)
def test_terms_make_the_sum(a: int, b: int) -> None:
    constants, found = (a, b), [0, 0]
    for pair in AddTerms.of(a, b).pairs:
        for term in pair:
            if term is not None:
                size = constants[term.operand] if term.product else 1 << term.shift
                found[term.operand] += -size if term.minus else size
    assert found == [a, b]


@pytest.mark.parametrize(("a", "b", "stages"), [(1, 1, 1), (3, 1, 2), (3, 5, 2), (83, -21, 3),
                                               (1365, 1365, 2), (1, 0, 1)])  # fmt: skip
def test_stages(a: int, b: int, stages: int) -> None:
    assert AddTerms.of(a, b).stages == stages
