"""Lower a quantized nn graph to the integer dialect (docs/numerics.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir import integer, nn
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import IntType, Shape
from qcompiler.passes.clipped_affine import ClippedAffine
from qcompiler.passes.common_step import common_step
from qcompiler.passes.integer_weights import integer_weights
from qcompiler.passes.requantize import requantize

Array = np.ndarray[Any, Any]
MODES = ("auto", "exact", "scale")


@dataclass(frozen=True, eq=False)
class Carried:
    """How an integer value stands for a real one: real = function(code).

    ``shape`` is as the user sees it.
    """

    value: Value
    function: ClippedAffine
    shape: Shape

    def uniform(self) -> tuple[float, float] | None:
        """(step, offset) if the value is plain codes with one positive step, else None."""
        f = self.function
        if not f.plain() or f.scale[0] <= 0:
            return None
        if (f.scale != f.scale[0]).any() or (f.shift != f.shift[0]).any():
            return None
        return float(f.scale[0]), float(f.shift[0])


@dataclass(frozen=True)
class RequantReport:
    """How one ScaleShift compares with the exact step table."""

    node: str
    kind: str
    differences: int
    domain: int


@dataclass(frozen=True)
class Integerize:
    """``nn`` with quantizers to ``integer``.

    Args:
        requant: ``auto``, ``exact`` or ``scale``
            (see :func:`~qcompiler.passes.requantize.requantize`).
        reports: Filled with one entry per requantizer.
    """

    requant: str = "auto"
    reports: list[RequantReport] = field(default_factory=list, compare=False)
    name: ClassVar[str] = "integerize"

    def run(self, graph: Graph) -> Graph:
        if self.requant not in MODES:
            raise QCompilerError(
                f"requantizer {self.requant!r} is unknown",
                hint=f"choose one of {', '.join(MODES)}",
            )
        lowering = _Lowering(graph, self.requant, self.reports)
        for name in graph:
            lowering.lower(name)
        return lowering.out


class _Lowering:
    def __init__(self, graph: Graph, mode: str, reports: list[RequantReport]) -> None:
        self.graph, self.mode, self.reports = graph, mode, reports
        self.out = Graph("integer")
        self.carried: dict[str, Carried] = {}
        self.rules: dict[type, Callable[[str, Any, list[Carried]], Carried | None]] = {
            nn.Input: self._input,
            nn.Quantizer: self._quantizer,
            nn.Conv: self._conv,
            nn.Linear: self._linear,
            nn.BatchNorm: self._batch_norm,
            nn.Relu: lambda name, op, x: self._clip(x[0], 0.0, np.inf),
            nn.Clip: lambda name, op, x: self._clip(x[0], op.lo, op.hi),
            nn.MaxPool: self._max_pool,
            nn.AvgPool: self._avg_pool,
            nn.Add: self._add,
            nn.Concat: self._concat,
            nn.Flatten: self._flatten,
            nn.Pad: self._pad,
            nn.Slice: self._slice,
            nn.Output: self._output,
        }

    def lower(self, name: str) -> None:
        op = self.graph.op(name)
        inputs = [self.carried[v.node] for v in self.graph.inputs(name) if v.node in self.carried]
        if len(inputs) != len(self.graph.inputs(name)):
            if isinstance(op, nn.Quantizer):
                self.carried[name] = self._network_input(name, op)
                return
            raise GraphError("the network input must be quantized first", where=name)
        result = self.rules[type(op)](name, op, inputs)
        if result is not None:
            self.carried[name] = result

    # ---- ends ---------------------------------------------------------------

    def _input(self, name: str, op: nn.Input, inputs: list[Carried]) -> None:
        """Nothing yet: the quantizer behind the input makes the codes."""

    def _network_input(self, name: str, op: nn.Quantizer) -> Carried:
        (source,) = self.graph.inputs(name)
        shape = self.graph.op(source.node).shape
        step, offset = _scalar(op.spec)
        elem = IntType(op.spec.lo, op.spec.hi)
        value = self.out.add(source.node, integer.Input(_chw(shape), elem, step, offset))
        return self._codes(value, step, offset, shape)

    def _output(self, name: str, op: nn.Output, inputs: list[Carried]) -> None:
        (x,) = inputs
        step, offset = self._need_codes(name, x)
        self.out.add(name, integer.Output(x.shape, step, offset), [x.value])

    # ---- requantizer ----------------------------------------------------------

    def _quantizer(self, name: str, op: nn.Quantizer, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        step, offset = _scalar(op.spec)
        domain = self.out.type(x.value).integers
        plain = x.uniform()
        if plain is not None and _same_grid(op.spec, plain, domain):
            return replace(x)
        chosen = requantize(x.function, domain, op.spec, self.mode)
        kind = type(chosen.op).__name__
        self.reports.append(RequantReport(name, kind, chosen.differences, chosen.domain))
        return self._codes(self.out.add(name, chosen.op, [x.value]), step, offset, x.shape)

    # ---- sums -----------------------------------------------------------------

    def _conv(self, name: str, op: nn.Conv, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        step, offset = self._need_codes(name, x)
        weight, wstep = integer_weights(name, op)
        pad_code = self._zero_code(name, x, step, offset) if any(op.padding) else 0
        conv = integer.Conv(weight, op.stride, op.padding, op.dilation, op.groups, pad_code)
        value = self.out.add(name, conv, [x.value])
        return self._sum(name, op, value, weight, wstep, step, offset)

    def _linear(self, name: str, op: nn.Linear, inputs: list[Carried]) -> Carried:
        """A convolution whose kernel covers the whole (C, H, W) behind a flatten."""
        (x,) = inputs
        step, offset = self._need_codes(name, x)
        weight, wstep = integer_weights(name, op)
        weight = weight.reshape(len(weight), *self.out.type(x.value).shape)
        value = self.out.add(name, integer.Conv(weight), [x.value])
        return self._sum(name, op, value, weight, wstep, step, offset)

    def _sum(
        self,
        name: str,
        op: Any,
        value: Value,
        weight: Array,
        wstep: Array,
        step: float,
        offset: float,
    ) -> Carried:
        constant = offset * wstep * weight.reshape(len(weight), -1).sum(axis=1)
        if op.bias is not None:
            constant = constant + np.asarray(op.bias, np.float64)
        function = ClippedAffine.affine(step * wstep, constant, len(weight))
        return Carried(value, function, self.graph.type(name).shape)

    def _add(self, name: str, op: nn.Add, inputs: list[Carried]) -> Carried:
        (a, b) = inputs
        (sa, da), (sb, db) = self._need_codes(name, a), self._need_codes(name, b)
        ranges = [self.out.type(v.value).integers for v in inputs]
        a_mul, b_mul, step = common_step(sa, sb, ranges[0], ranges[1], self._next_step(name), name)
        value = self.out.add(name, integer.Add(a_mul, b_mul), [a.value, b.value])
        channels = self.out.type(value).shape[0]
        return Carried(value, ClippedAffine.affine(step, da + db, channels), a.shape)

    def _next_step(self, name: str) -> float | None:
        """Step of the quantizer that follows, None if there are several ways on."""
        while True:
            users = self.graph.users(name)
            if len(users) != 1:
                return None
            name = users[0][0]
            if isinstance(self.graph.op(name), nn.Quantizer):
                return float(self.graph.op(name).spec.step_in)

    def _avg_pool(self, name: str, op: nn.AvgPool, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        step, offset = self._need_codes(name, x)
        source = x.value
        if any(op.padding):
            code = self._zero_code(name, x, step, offset)
            source = self._border(name, source, op.padding, code)
        value = self.out.add(name, integer.SumPool(op.kernel, op.stride, op.dilation), [source])
        channels = self.out.type(value).shape[0]
        count = op.kernel[0] * op.kernel[1]
        function = ClippedAffine.affine(step / count, offset, channels)
        return Carried(value, function, self.graph.type(name).shape)

    # ---- elementwise ------------------------------------------------------------

    def _batch_norm(self, name: str, op: nn.BatchNorm, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        self._no_flat(name, x)
        return replace(x, function=x.function.then_affine(op.scale, op.shift))

    def _clip(self, x: Carried, lo: float, hi: float) -> Carried:
        return replace(x, function=x.function.then_clip(lo, hi))

    # ---- moves --------------------------------------------------------------------

    def _max_pool(self, name: str, op: nn.MaxPool, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        self._need_codes(name, x)
        source = x.value
        if any(op.padding):
            source = self._border(name, source, op.padding, self.out.type(source).integers.lo)
        value = self.out.add(name, integer.MaxPool(op.kernel, op.stride, op.dilation), [source])
        return self._moved(name, x, value)

    def _concat(self, name: str, op: nn.Concat, inputs: list[Carried]) -> Carried:
        steps = [self._need_codes(name, x) for x in inputs]
        for x in inputs:
            self._no_flat(name, x)
        if any(step != steps[0] for step in steps):
            raise GraphError(f"the inputs have different steps {steps}", where=name)
        value = self.out.add(name, integer.Concat(), self._of_one_width(name, inputs))
        return self._codes(value, *steps[0], self.graph.type(name).shape)

    def _of_one_width(self, name: str, inputs: list[Carried]) -> list[Value]:
        """The values, each in a type of the width of their union: lanes of a stream are alike.

        One may need fewer bits than its quantizer allows, if it was on the grid already.
        """
        kinds = [self.out.type(x.value).integers for x in inputs]
        whole = kinds[0]
        for kind in kinds[1:]:
            whole = whole.union(kind)
        values = []
        for x, kind in zip(inputs, kinds, strict=True):
            value = x.value
            if (kind.bits, kind.signed) != (whole.bits, whole.signed):
                channels = self.out.type(value).shape[0]
                ones, zeros = np.ones(channels, np.int64), np.zeros(channels, np.int64)
                widen = integer.ScaleShift(ones, zeros, 0, kind, whole)
                value = self.out.add(self.out.fresh(f"{name}_widen"), widen, [value])
            values.append(value)
        return values

    def _flatten(self, name: str, op: nn.Flatten, inputs: list[Carried]) -> Carried:
        return replace(inputs[0], shape=self.graph.type(name).shape)

    def _pad(self, name: str, op: nn.Pad, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        step, offset = self._need_codes(name, x)
        code = self._zero_code(name, x, step, offset)
        return self._moved(name, x, self.out.add(name, integer.Pad(op.pads, code), [x.value]))

    def _slice(self, name: str, op: nn.Slice, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        self._need_codes(name, x)
        moved = integer.Slice(op.y0, op.dy, op.ny, op.x0, op.dx, op.nx)
        return self._moved(name, x, self.out.add(name, moved, [x.value]))

    # ---- helpers --------------------------------------------------------------------

    def _codes(self, value: Value, step: float, offset: float, shape: Shape) -> Carried:
        channels = self.out.type(value).shape[0]
        return Carried(value, ClippedAffine.affine(step, offset, channels), shape)

    def _moved(self, name: str, x: Carried, value: Value) -> Carried:
        step, offset = self._need_codes(name, x)
        return self._codes(value, step, offset, self.graph.type(name).shape)

    def _need_codes(self, name: str, x: Carried) -> tuple[float, float]:
        if (plain := x.uniform()) is None:
            raise GraphError(
                "its input is not quantized", where=name, hint="put a quantizer before this layer"
            )
        return plain

    def _no_flat(self, name: str, x: Carried) -> None:
        shape = self.out.type(x.value).shape
        if len(x.shape) == 1 and shape[1:] != (1, 1):
            raise QCompilerError(
                f"works on a flattened map of {shape[1]}x{shape[2]} pixels, "
                "which has no stream form",
                where=name,
                hint="put a Linear layer (or the output) directly behind the flatten",
            )

    def _border(
        self, name: str, source: Value, padding: tuple[int, int, int, int], code: int
    ) -> Value:
        top, left, bottom, right = padding
        pads = ((0, 0), (top, bottom), (left, right))
        return self.out.add(self.out.fresh(f"{name}_pad"), integer.Pad(pads, code), [source])

    def _zero_code(self, name: str, x: Carried, step: float, offset: float) -> int:
        """The code of the value zero, or an error with both ways out (docs/numerics.md §3)."""
        code = round(-offset / step)
        elem = self.out.type(x.value).integers
        if abs(-offset / step - code) > 1e-9 or code not in elem:
            raise QCompilerError(
                f"its zero padding has no code: zero would be code {-offset / step:g} of {elem}",
                where=name,
                hint="choose a quantizer of the input with a code for zero (more activation bits, "
                "or a zero point), or train with negative padding so that the border holds code 0",
            )
        return code


def _scalar(spec: nn.QuantSpec) -> tuple[float, float]:
    if spec.step_out.ndim or spec.offset.ndim:
        raise GraphError("activations are quantized per tensor")
    return float(spec.step_out), float(spec.offset)


def _chw(shape: Shape) -> Shape:
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def _same_grid(spec: nn.QuantSpec, plain: tuple[float, float], domain: IntType) -> bool:
    same = plain == (float(spec.step_in), float(spec.offset)) and spec.step_in == spec.step_out
    return bool(same) and domain.lo >= spec.lo and domain.hi <= spec.hi
