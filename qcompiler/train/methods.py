"""The one table of training methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from qcompiler.errors import QCompilerError
from qcompiler.models.weights import load_weights
from qcompiler.quant.qat.method import Method
from qcompiler.quant.qat.teaching import TeachingConfig
from qcompiler.train.config import UNQUANTIZED, TrainConfig
from qcompiler.train.network import make_model
from qcompiler.train.options import settings
from qcompiler.train.plain import Plain

NO_CHOICE = "it ends with one network; profit chooses between the trained weights and their mean"


def make_method(config: TrainConfig) -> Method:
    """The method that ``config`` names, with its settings.

    Raises:
        QCompilerError: There is no such method, or it lacks or does not know a setting.
    """
    if config.method not in METHODS:
        raise QCompilerError(
            f"method {config.method!r} is unknown", hint=f"choose one of {', '.join(METHODS)}"
        )
    return METHODS[config.method](config)


def _float(config: TrainConfig) -> Method:
    _takes_no(config, "budget", "bits", "activations", why="it does not quantize")
    _takes_no(config, "validation", why=NO_CHOICE)
    settings(Plain, config.method, config.options)
    return Plain()


def _csq(config: TrainConfig) -> Method:
    from qcompiler.quant.csq import CSQ, CSQConfig

    _takes_no(config, "bits", why="it chooses them within --budget")
    _takes_no(config, "validation", why=NO_CHOICE)
    if config.budget is None:
        raise QCompilerError(
            "csq needs a budget: the average bits of a weight",
            hint="give --budget, such as --budget 3.0",
        )
    fields = {"budget": config.budget, "activations": config.activations}
    return CSQ(settings(CSQConfig, config.method, config.options, **fields))


def _lsq(config: TrainConfig) -> Method:
    from qcompiler.quant.qat.lsq import LSQ, LSQConfig

    _takes_no(config, "budget", why="all its layers have the same --bits")
    _takes_no(config, "validation", why=NO_CHOICE)
    if config.bits in UNQUANTIZED:
        raise QCompilerError("lsq needs a weight width", hint="give --bits, such as --bits 4")
    fields = {"bits": config.bits, "activations": config.activations}
    asked = settings(LSQConfig, config.method, config.options, **fields)
    return LSQ(asked, _teacher(asked, config.seed))


def _bsq(config: TrainConfig) -> Method:
    from qcompiler.quant.qat.bsq import BSQ, BSQConfig

    _takes_no(config, "budget", "bits", why="its size follows from --set strength=NUMBER")
    _takes_no(config, "validation", why=NO_CHOICE)
    fields = {"activations": config.activations}
    return BSQ(settings(BSQConfig, config.method, config.options, **fields))


def _profit(config: TrainConfig) -> Method:
    from qcompiler.quant.profit import PROFIT, ProfitConfig

    _takes_no(config, "budget", why="all its layers have the same --bits")
    _takes_no(config, "warmup", why="it has a warm-up of its own")
    if config.bits in UNQUANTIZED:
        raise QCompilerError("profit needs a weight width", hint="give --bits, such as --bits 4")
    fields = {"bits": config.bits, "activations": config.activations}
    asked = settings(ProfitConfig, config.method, config.options, **fields)
    if asked.ema and not config.validation:
        raise QCompilerError(
            "no mean of the weights is taken without images to judge it by",
            where="ema",
            hint="give --validation 0.1 too, or leave ema out",
        )
    return PROFIT(asked, _teacher(asked, config.seed))


def _teacher(asked: TeachingConfig, seed: int) -> nn.Module | None:
    """The network that a method is to learn from, with its weights."""
    if asked.teacher is None or asked.teacher_weights is None:
        return None
    teacher = make_model(asked.teacher, seed)
    load_weights(teacher, Path(asked.teacher_weights))
    return teacher


METHODS: dict[str, Callable[[TrainConfig], Method]] = {
    "float": _float,
    "csq": _csq,
    "lsq": _lsq,
    "bsq": _bsq,
    "profit": _profit,
}


def _takes_no(config: TrainConfig, *fields: str, why: str) -> None:
    for field in fields:
        if getattr(config, field) not in (None, 0):
            raise QCompilerError(f"{config.method} takes no --{field}", hint=why)
