"""The terms of a weighted sum of two streams, as ``rtl/qc_add.v`` adds them."""

from __future__ import annotations

from dataclasses import dataclass

from qcompiler.ir.planes import signed_digits

MOST_DIGITS = 4  # of a constant; one of more is left to a multiplier


@dataclass(frozen=True)
class Term:
    """A shifted copy of an operand, or its product with the constant.

    Args:
        operand: 0 for a, 1 for b.
        shift: Places to the left.
        minus: It is subtracted.
        product: It is a multiplier's product.
    """

    operand: int
    shift: int = 0
    minus: bool = False
    product: bool = False


@dataclass(frozen=True)
class AddTerms:
    """Pairs of terms of the first level, a second one or None; then pairs of sums up to one."""

    pairs: tuple[tuple[Term, Term | None], ...]

    @classmethod
    def of(cls, a_mul: int, b_mul: int) -> AddTerms:
        """Products and nothing, then plus digits, then minus digits: the first meets the last."""
        products, plus, minus = [], [], []
        for operand, mul in enumerate((a_mul, b_mul)):
            digits = signed_digits(mul)
            up, down = ([place for place, sign in digits if sign == one] for one in (1, -1))
            if len(up) + len(down) > MOST_DIGITS:
                products.append(Term(operand, product=True))
                continue
            plus += [Term(operand, shift) for shift in up]
            minus += [Term(operand, shift, minus=True) for shift in down]
        terms: list[Term | None] = [*products, *plus, *minus, *[None] * len(products)]
        pairs = []
        for t in range(-(-len(terms) // 2)):
            first, second = terms[t], terms[-1 - t]
            assert first is not None
            pairs.append((first, second if len(terms) - 1 - t > t else None))
        return cls(tuple(pairs))

    @property
    def products(self) -> int:
        """Terms that a multiplier makes."""
        return sum(first.product for first, _ in self.pairs)

    @property
    def stages(self) -> int:
        """Registers from an operand to the sum: one a level."""
        return 1 + (len(self.pairs) - 1).bit_length() if self.pairs else 1
