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
from qcompiler.passes.carried import Carried, pad_code, zero_point
from qcompiler.passes.clipped_affine import ClippedAffine
from qcompiler.passes.common_step import common_step
from qcompiler.passes.integer_weights import integer_weights
from qcompiler.passes.requantize import requantize

Array = np.ndarray[Any, Any]
MODES = ("auto", "exact", "scale")


@dataclass(frozen=True)
class RequantReport:
    """How one requantizer compares with the exact step table."""

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
        carriers: Filled with the integer node that carries the codes of each nn quantizer.
    """

    requant: str = "auto"
    reports: list[RequantReport] = field(default_factory=list, compare=False)
    carriers: dict[str, str] = field(default_factory=dict, compare=False)
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
        quantizers = graph.find(nn.Quantizer)
        self.carriers.update({name: lowering.carried[name].value.node for name in quantizers})
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
            nn.Relu: lambda name, op, x: _behind(x[0], x[0].function.then_clip(0.0, np.inf)),
            nn.Clip: lambda name, op, x: _behind(x[0], x[0].function.then_clip(op.lo, op.hi)),
            nn.HardSwish: lambda name, op, x: _behind(x[0], x[0].function.then_hard_swish()),
            nn.HardSigmoid: lambda name, op, x: _behind(x[0], x[0].function.then_hard_sigmoid()),
            nn.MaxPool: self._max_pool,
            nn.AvgPool: self._avg_pool,
            nn.Add: self._add,
            nn.Mul: self._mul,
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
        code = integer.Input(_chw(shape), elem, float(op.spec.step_in), offset)
        value = self.out.add(source.node, code)
        return self._codes(value, step, offset, shape)

    def _output(self, name: str, op: nn.Output, inputs: list[Carried]) -> None:
        (x,) = inputs
        step, offset = x.grid(name)
        self.out.add(name, integer.Output(x.shape, step, offset), [x.value])

    # ---- requantizer ----------------------------------------------------------

    def _quantizer(self, name: str, op: nn.Quantizer, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        step, offset = _scalar(op.spec)
        domain = self.out.type(x.value).integers
        if _same_codes(op.spec, x.uniform(), domain):
            return self._codes(x.value, step, offset, x.shape)
        chosen = requantize(x.function, domain, op.spec, self.mode, x.codes)
        self.reports.append(RequantReport(name, chosen.kind, chosen.differences, chosen.domain))
        source = x.value
        if chosen.pre is not None:
            source = self.out.add(self.out.fresh(f"{name}_pre"), chosen.pre, [source])
        return self._codes(self.out.add(name, chosen.op, [source]), step, offset, x.shape)

    # ---- sums -----------------------------------------------------------------

    def _conv(self, name: str, op: nn.Conv, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        step, offset = x.grid(name)
        weight, wstep = integer_weights(name, op)
        border = self._pad_code(name, x, op.pad_value) if any(op.padding) else 0
        conv = integer.Conv(weight, op.stride, op.padding, op.dilation, op.groups, border)
        value = self.out.add(name, conv, [x.value])
        return self._sum(name, op, value, weight, wstep, step, offset)

    def _linear(self, name: str, op: nn.Linear, inputs: list[Carried]) -> Carried:
        """A convolution whose kernel covers the whole (C, H, W) behind a flatten."""
        (x,) = inputs
        step, offset = x.grid(name)
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
        (sa, da), (sb, db) = a.grid(name), b.grid(name)
        ranges = [self.out.type(v.value).integers for v in inputs]
        a_mul, b_mul, step = common_step(sa, sb, ranges[0], ranges[1], self._next_step(name), name)
        value = self.out.add(name, integer.Add(a_mul, b_mul), [a.value, b.value])
        channels = self.out.type(value).shape[0]
        return Carried(value, ClippedAffine.affine(step, da + db, channels), a.shape)

    def _mul(self, name: str, op: nn.Mul, inputs: list[Carried]) -> Carried:
        x, gate = inputs
        zeros = zero_point(name, x, "input"), zero_point(name, gate, "gate")
        value = self.out.add(name, integer.Multiply(*zeros), [x.value, gate.value])
        step = x.grid(name)[0] * gate.grid(name)[0]
        channels = self.out.type(value).shape[0]
        return Carried(value, ClippedAffine.affine(step, 0.0, channels), x.shape)

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
        step, offset = x.grid(name)
        source = x.value
        if any(op.padding):
            code = self._pad_code(name, x, 0.0)
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
        return _behind(x, x.function.then_affine(op.scale, op.shift))

    # ---- moves --------------------------------------------------------------------

    def _max_pool(self, name: str, op: nn.MaxPool, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        x.grid(name)
        source = x.value
        if any(op.padding):
            source = self._border(name, source, op.padding, self.out.type(source).integers.lo)
        value = self.out.add(name, integer.MaxPool(op.kernel, op.stride, op.dilation), [source])
        return self._moved(name, x, value)

    def _concat(self, name: str, op: nn.Concat, inputs: list[Carried]) -> Carried:
        steps = [x.grid(name) for x in inputs]
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
        code = self._pad_code(name, x, op.value)
        return self._moved(name, x, self.out.add(name, integer.Pad(op.pads, code), [x.value]))

    def _slice(self, name: str, op: nn.Slice, inputs: list[Carried]) -> Carried:
        (x,) = inputs
        x.grid(name)
        moved = integer.Slice(op.y0, op.dy, op.ny, op.x0, op.dx, op.nx)
        return self._moved(name, x, self.out.add(name, moved, [x.value]))

    # ---- helpers --------------------------------------------------------------------

    def _codes(self, value: Value, step: float, offset: float, shape: Shape) -> Carried:
        channels = self.out.type(value).shape[0]
        return Carried(value, ClippedAffine.affine(step, offset, channels), shape, codes=True)

    def _moved(self, name: str, x: Carried, value: Value) -> Carried:
        step, offset = x.grid(name)
        return self._codes(value, step, offset, self.graph.type(name).shape)

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

    def _pad_code(self, name: str, x: Carried, value: float) -> int:
        return pad_code(name, x, self.out.type(x.value).integers, value)


def _behind(x: Carried, function: ClippedAffine) -> Carried:
    return replace(x, function=function)


def _scalar(spec: nn.QuantSpec) -> tuple[float, float]:
    if spec.step_in.ndim or spec.step_out.ndim or spec.offset.ndim:
        raise GraphError("activations are quantized per tensor")
    return float(spec.step_out), float(spec.offset)


def _chw(shape: Shape) -> Shape:
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def _same_codes(spec: nn.QuantSpec, grid: tuple[float, float] | None, domain: IntType) -> bool:
    """Whether the quantizer finds the codes that are there already."""
    same = grid == (float(spec.step_in), float(spec.offset))
    return same and domain.lo >= spec.lo and domain.hi <= spec.hi
