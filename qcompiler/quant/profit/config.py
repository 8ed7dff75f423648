"""What a user asks of PROFIT."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from qcompiler.errors import QCompilerError
from qcompiler.quant.qat.base import FLOAT
from qcompiler.quant.qat.teaching import TeachingConfig

STAIRS = (8, 5, 4, 3, 2)
EMA = 3e-4


@dataclass(frozen=True)
class ProfitConfig(TeachingConfig):
    """Settings of PROFIT (arXiv 2008.04693; docs/training.md), beside those of a teacher.

    Args:
        bits: Weight bits that training ends with, 2 to 8.
        activations: Bits of the codes between layers that it ends with; 0 or 32: left to
            calibration.
        w_bits: Weight bits one after another, the last is ``bits``; None takes those of 8, 5, 4,
            3, 2 that are above it, or the last alone without ``staircase``.
        a_bits: The same of activations.
        staircase: Go down by ``w_bits`` and ``a_bits``; else straight to the last.
        together: Weights go down their stairs along with activations; else after them.
        refit: Scales of weights start anew at each width, from the least mean square error; else
            they go on from the width before.
        restarts: Each stage has a momentum and a cosine of its own; else one goes over all of them.
        freeze: At the last weight width, measure how unstable each convolution makes its output
            (AIWQ) and freeze weights by thirds; else train all weights all the time.
        bn_stages: Stages that train all but the weights, around each width.
        float_stage: A stage before the first width.
        train_epochs: Length of a stage that trains weights, in parts of the whole training: it
            stands to the sum of all stages' as the stage to the training.
        bn_epochs: The same of a stage without weights.
        sample_epochs: The same of a stage that measures.
        quant_rate: Learning rate of scales, as a multiple of the others'.
        ema: Rate of the running mean of all weights, which is kept where it is better on the
            validation images (--validation); 0: no mean; None: 3e-4.
    """

    bits: int = 4
    activations: int = 0
    w_bits: tuple[int, ...] | None = None
    a_bits: tuple[int, ...] | None = None
    staircase: bool = True
    together: bool = False
    refit: bool = False
    restarts: bool = True
    freeze: bool = True
    bn_stages: bool = True
    float_stage: bool = True
    train_epochs: float = 15.0
    bn_epochs: float = 5.0
    sample_epochs: float = 5.0
    quant_rate: float = 0.01
    ema: float | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise QCompilerError(f"{self.bits} weight bits are outside 2 to 8", where="bits")
        if self.activations not in FLOAT and not 2 <= self.activations <= 8:
            raise QCompilerError(
                f"{self.activations} bits are neither 2 to 8 nor 0 or 32", where="activations"
            )
        _check_stairs(self.w_bits, self.bits, "w_bits", "bits")
        _check_stairs(self.a_bits, self.activations, "a_bits", "activations")
        for what in ("train_epochs", "sample_epochs", "bn_epochs", "quant_rate"):
            value = getattr(self, what)
            if not 0 < value < math.inf:
                raise QCompilerError(f"{value:g} is not positive", where=what)
        if self.ema is not None and not 0 <= self.ema < 1:
            raise QCompilerError(f"{self.ema:g} is no rate from 0 to below 1", where="ema")
        self.check_teaching()
        for what in ("w_bits", "a_bits"):
            if getattr(self, what) is not None and not self.staircase:
                raise QCompilerError(
                    "without staircase training goes straight to the last width",
                    where=what,
                    hint=f"leave out {what} or staircase=no",
                )

    @property
    def ema_rate(self) -> float:
        """``ema`` as it counts."""
        return EMA if self.ema is None else self.ema

    @property
    def weight_stairs(self) -> tuple[int, ...]:
        return self._stairs(self.w_bits, self.bits)

    @property
    def activation_stairs(self) -> tuple[int, ...]:
        """Empty where activations are left to calibration."""
        return () if self.activations in FLOAT else self._stairs(self.a_bits, self.activations)

    def _stairs(self, given: tuple[int, ...] | None, target: int) -> tuple[int, ...]:
        if not self.staircase:
            return (target,)
        return given or (*(b for b in STAIRS if b > target), target)


def _check_stairs(given: tuple[int, ...] | None, target: int, what: str, option: str) -> None:
    if given is None:
        return
    falling = all(a > b for a, b in pairwise(given))
    if not given or not falling or not all(2 <= b <= 8 for b in given) or given[-1] != target:
        raise QCompilerError(
            f"{', '.join(map(str, given))} do not fall from at most 8 to {target}, the "
            f"{option} to end with",
            where=what,
            hint=f"such as --{option} 4 --set {what}=8,5,4",
        )
