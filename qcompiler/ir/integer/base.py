"""The base of all integer ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qcompiler.errors import GraphError
from qcompiler.ir.types import TensorType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class IntegerOp:
    dialect: ClassVar[str] = "integer"

    def infer(self, inputs: Sequence[TensorType]) -> Sequence[TensorType]:
        raise GraphError(f"{type(self).__name__} has no type rule")
