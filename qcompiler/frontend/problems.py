"""What an importer refuses: collected over the whole model, reported together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qcompiler.errors import UnsupportedError


class Refusal(Exception):
    """A converter's reason for not taking a call; the importer adds where it stands."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


class TrainingMode(Refusal):
    """The model was exported while it was training."""

    def __init__(self) -> None:
        super().__init__("runs in training mode", "call model.eval() first, then export again")


@dataclass(frozen=True)
class Problem:
    """One refused call: the operator, why, what to do, and where the user wrote it."""

    operator: str
    what: str
    hint: str
    where: str
    training: bool = False

    @property
    def text(self) -> str:
        return f"{self.operator} {self.what}"


def report(problems: Sequence[Problem]) -> UnsupportedError:
    """One error for all problems; training mode hides the others, which follow from it."""
    if training := [p for p in problems if p.training]:
        places = "; ".join(f"{p.operator} at {p.where}" for p in training[:3])
        more = f" and {len(training) - 3} more" if len(training) > 3 else ""
        return UnsupportedError(
            f"the model was exported in training mode ({places}{more})", hint=training[0].hint
        )
    if len(problems) == 1:
        (one,) = problems
        return UnsupportedError(one.text, where=one.where, hint=one.hint)
    lines = [f"  {p.where}: {p.text}" for p in problems]
    hints = list(dict.fromkeys(p.hint for p in problems if p.hint))
    return UnsupportedError(
        "\n".join([f"{len(problems)} calls in this model cannot be compiled:", *lines]),
        hint="\n  hint: ".join(hints),
    )
