"""Where templates/, rtl/ and sim/ lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE / "_data" if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent

TEMPLATES = _ROOT / "templates"
RTL = _ROOT / "rtl"
SIM = _ROOT / "sim"
