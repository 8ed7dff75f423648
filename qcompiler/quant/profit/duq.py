"""DuQ, PROFIT's quantizer (arXiv 2008.04693): a clip scale and an output scale, both learned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from qcompiler.errors import QCompilerError
from qcompiler.ir.nn import QuantSpec
from qcompiler.quant.qat.activation import SWISH_LOW, TrainedQuantizer
from qcompiler.quant.qat.weights import WeightForm, best_step, largest

FORMS = ("unsigned", "symmetric", "hswish")
PERCENTILE = 0.95  # of the values above the offset: where activation scales start
FLOOR = 1e-2  # least activation scale to start with
PEAK = 0.9  # share of the largest weight where weight scales start
CACHED = 2**16  # numbers that a core keeps from one operation to the next


class DuQ(Function):
    """``y = c'·q/hi + d`` with ``q = clamp(round((x - d) / (a'/hi)), lo, hi)``.

    a' = softplus(a) and c' = softplus(c). Rounding passes gradients on (straight-through), the
    clamp where it does not act. With g the gradient of y and u = x - d:
    ``dx = g·c'/a'`` inside, ``dc' = Σ g·q/hi``, ``da' = -Σ_inside g·c'·u/a'²``. Backward
    rounds once more: if y were kept, what comes next could not work in place.

    Args of ``apply``:
        x: Any shape.
        a: Shape ().
        c: Shape ().
        lo: Least code, 0 or -hi.
        hi: Largest code.
        offset: d, the value of code 0.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, a: Tensor, c: Tensor, lo: int, hi: int, offset: float
    ) -> Tensor:
        step_in, step_out = softplus(a) / hi, softplus(c) / hi
        if not (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):
            x = x.contiguous()
        y = torch.empty_like(x)
        for values, out in _pieces(x, y):
            round_codes(values, step_in, lo, hi, offset, out).mul_(step_out)
            if offset:
                out.add_(offset)
        ctx.save_for_backward(x, a, c)
        ctx.codes = lo, hi, offset
        return y

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, a, c = ctx.saved_tensors
        lo, hi, offset = ctx.codes
        clip, scale = softplus(a), softplus(c)
        low, high = lo / hi * clip + offset, clip + offset
        dx = torch.empty_like(x)
        sums = torch.zeros(3, dtype=x.dtype, device=x.device)
        for values, given, passed in _pieces(x, g, dx):
            parts = [torch.dot(given, round_codes(values, clip / hi, lo, hi, offset, passed))]
            torch.ops.aten.hardtanh_backward.grad_input(given, values, low, high, grad_input=passed)
            passed.mul_(scale / clip)
            parts += [torch.dot(passed, values), *([passed.sum()] if offset else [])]
            sums[: len(parts)] += torch.stack(parts)
        dc = sums[0] / hi * torch.sigmoid(c)
        da = (offset * sums[2] - sums[1]) / clip * torch.sigmoid(a)
        return dx if ctx.needs_input_grad[0] else None, da, dc, None, None, None


def round_codes(x: Tensor, step: float, lo: int, hi: int, offset: float, out: Tensor) -> Tensor:
    """Codes of values, in the dtype of ``out``."""
    if offset:
        torch.sub(x, offset, out=out).div_(step)
    else:
        torch.div(x, step, out=out)
    return out.round_().clamp_(lo, hi)


def softplus(raw: Tensor) -> float:
    """log(1 + exp(raw)) of a parameter of shape ()."""
    value = float(raw.detach())
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def inverse_softplus(scale: float) -> float:
    """The raw parameter of a scale above 0."""
    return scale + math.log(-math.expm1(-scale))


def check_bits(bits: int) -> None:
    if bits and not 2 <= bits <= 8:
        raise QCompilerError(f"{bits} bits are neither 2 to 8 nor 0, not quantized", where="DuQ")


class DuQWeight(WeightForm):
    """A DuQ weight, symmetric codes of ``bits``; originals W (the weight's shape), a and c, ().

    ``bits`` is 0 at first: the weight itself. It is a buffer, so that a state dict restores it.
    """

    latent = 1
    bits: Tensor

    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape)
        self.register_buffer("bits", torch.tensor(0))
        self.held: Tensor | None = None  # a weight of another moment that forward shall give

    @property
    def levels(self) -> int:
        """The largest code."""
        bits = int(self.bits)
        if not bits:
            raise QCompilerError("it is not quantized yet", where="DuQ")
        return (1 << bits - 1) - 1

    @torch.no_grad()
    def quantize(self, bits: int, *originals: Tensor, refit: bool = False) -> None:
        """Go to so many bits; from 0 bits the scales start at 0.9 of the largest weight.

        Args:
            bits: 0 to 8.
            originals: W, a and c.
            refit: Where the width is another, let both scales start at the step of least mean
                square error, as LSQ's do: few weights are near the largest, and few levels are
                wasted on them.
        """
        check_bits(bits)
        weight, *scales = originals
        known = int(self.bits)
        if bits and bits != known and (refit or not known):
            top = (1 << bits - 1) - 1
            clip = top * best_step(weight, top) if refit else PEAK * largest(weight)
            for raw in scales:
                raw.fill_(inverse_softplus(float(clip)))
        self.bits.fill_(bits)

    def forward(self, *originals: Tensor) -> Tensor:
        if self.held is not None:
            return self.held
        weight, a, c = originals
        if not int(self.bits):
            return weight
        n = self.levels
        made: Tensor = DuQ.apply(weight, a, c, -n, n, 0.0)  # type: ignore[no-untyped-call]
        return made

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        raw = weight.new_tensor(inverse_softplus(PEAK * float(largest(weight))))
        return weight, raw, raw.clone()

    def integers(self, *originals: Tensor) -> tuple[Tensor, Tensor]:
        weight, a, c = originals
        n = self.levels
        codes = round_codes(weight, softplus(a) / n, -n, n, 0.0, torch.empty_like(weight))
        return codes.long(), torch.tensor(softplus(c) / n, dtype=torch.float64)

    def live(self, *originals: Tensor) -> Tensor:
        return torch.ones(1, self.levels.bit_length(), dtype=torch.bool)


class DuQActivation(TrainedQuantizer):
    """A DuQ quantizer of activations; not quantized (``bits`` is 0) until `quantize` is called.

    Args:
        form: ``unsigned`` codes [0, 2^B - 1], ``symmetric`` ones [-Q, Q] with Q = 2^(B-1) - 1, or
            ``hswish``: unsigned, and code 0 is -3/8, the least value of h-swish.
    """

    bits: Tensor

    def __init__(self, form: str) -> None:
        super().__init__()
        if form not in FORMS:
            raise QCompilerError(
                f"form {form!r} is unknown", where="DuQ", hint=f"choose one of {', '.join(FORMS)}"
            )
        self.form, self.offset = form, SWISH_LOW if form == "hswish" else 0.0
        self.register_buffer("bits", torch.tensor(0))
        self.a, self.c = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def quantize(self, bits: int) -> None:
        """Go to so many bits; the scales stay."""
        check_bits(bits)
        self.bits.fill_(bits)

    @torch.no_grad()
    def start(self, values: Tensor) -> None:
        """Both scales at the 95th percentile of what is above the offset, or of magnitudes."""
        above = values - self.offset
        above = above.abs() if self.form == "symmetric" else above
        above = above[above > 0]
        peak = float(above.quantile(PERCENTILE)) if len(above) else FLOOR
        for raw in (self.a, self.c):
            raw.fill_(inverse_softplus(max(peak, FLOOR)))

    def forward(self, x: Tensor) -> Tensor:
        if not int(self.bits):
            return x
        lo, hi = self.limits
        y: Tensor = DuQ.apply(x, self.a, self.c, lo, hi, self.offset)  # type: ignore[no-untyped-call]
        return y

    @property
    def limits(self) -> tuple[int, int]:
        """Least and largest code."""
        if not (bits := int(self.bits)):
            raise QCompilerError("it is not quantized yet", where="DuQ")
        if self.form == "symmetric":
            return 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1
        return 0, 2**bits - 1

    def spec(self) -> QuantSpec:
        lo, hi = self.limits
        step_in, step_out = (np.asarray(softplus(raw) / hi) for raw in (self.a, self.c))
        return QuantSpec(step_in, step_out, np.asarray(self.offset), lo, hi)

    def extra_repr(self) -> str:
        return f"{self.form}, bits={int(self.bits)}"


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors side by side, in the first one's order, in pieces that stay in a core's cache."""
    first = tensors[0]
    step = CACHED if first.device.type == "cpu" else max(1, first.numel())
    return zip(*(torch.split(_flat(t, first), step) for t in tensors), strict=True)  # type: ignore[no-untyped-call]


def _flat(t: Tensor, like: Tensor) -> Tensor:
    """(K,) in the order that ``like`` has in memory; a copy only if ``t`` has another."""
    if like.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last):
        t = t.permute(0, 2, 3, 1)
    return t.reshape(-1)
