"""The one family of errors that users see."""

from __future__ import annotations


class QCompilerError(Exception):
    """A mistake that the user can mend.

    Args:
        what: What is wrong and what was expected, one sentence.
        where: Node, layer, file or field it concerns.
        hint: What to do about it.

    The command line prints one block without a traceback and exits with 2.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}\n  hint: {hint}" if hint else text)


class GraphError(QCompilerError):
    """A graph breaks a rule of its dialect."""


class UnsupportedError(QCompilerError):
    """A model uses something this compiler has no lowering for."""


class ToolMissingError(QCompilerError):
    """An outside tool is not installed or too old."""

    def __init__(self, tool: str, *, least: str, get: str) -> None:
        what = f"{tool} {least} or newer is needed and was not found"
        super().__init__(what, hint=f"get it with: {get}")


class ToolFailedError(QCompilerError):
    """An outside tool ran and failed; its log says why."""


class VerificationError(QCompilerError):
    """The hardware and the reference disagree, or the hardware hangs."""
