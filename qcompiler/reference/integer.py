"""Executes integer graphs: the definition of what the hardware must compute.

Integers ride in floating point through the framework's fast kernels, but only where range analysis
proves every intermediate exact; the plan says which arithmetic each node got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from qcompiler.errors import QCompilerError
from qcompiler.ir import integer
from qcompiler.ir.graph import Graph
from qcompiler.ir.rounding import round_half_even
from qcompiler.ir.types import IntType
from qcompiler.reference.precision import full_precision
from qcompiler.reference.steps import (
    FLOAT32,
    FLOAT64,
    lookup_kernel,
    scale_shift_kernel,
    step_table_kernel,
)
from qcompiler.reference.winograd import winograd_kernel

Array = np.ndarray[Any, Any]
Kernel = Callable[..., torch.Tensor]


class IntegerReference:
    """An integer graph made ready to run on batches.

    Args:
        graph: Integer dialect, checked.

    Attributes:
        plan: For each node the arithmetic it runs in, e.g. ``float32 conv``.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.plan: dict[str, str] = {}
        self._kernels: dict[str, Kernel] = {}
        self._order = list(graph)
        self._input = graph.only(integer.Input)
        self._output = graph.only(integer.Output)
        for name in self._order:
            self._kernels[name], self.plan[name] = self._compile(name)
        self._last_use = {v.node: name for name in self._order for v in graph.inputs(name)}

    def _compile(self, name: str) -> tuple[Kernel, str]:
        op = self.graph.op(name)
        types = [self.graph.type(v).integers for v in self.graph.inputs(name)]
        return _BUILDERS[type(op)](op, types, name)

    # ---- running --------------------------------------------------------------

    def run(self, codes: Array | torch.Tensor, keep: Iterable[str] = ()) -> dict[str, torch.Tensor]:
        """Run input codes (N, C, H, W); returns the output's codes and those of the nodes to keep.

        Tensors hold exact integers in a floating dtype. Raises QCompilerError if a code is outside
        the input's type.
        """
        x = torch.as_tensor(codes)
        shape, elem = self.graph.type(self._input).shape, self.graph.type(self._input).integers
        if tuple(x.shape[1:]) != shape:
            raise QCompilerError(
                f"codes have shape {tuple(x.shape[1:])}, the network takes {shape}"
            )
        if x.numel() and not (elem.lo <= int(x.min()) and int(x.max()) <= elem.hi):
            raise QCompilerError(f"input codes reach {int(x.min())}…{int(x.max())}, outside {elem}")
        kept = {*keep, self._output}
        values: dict[str, torch.Tensor] = {}
        results: dict[str, torch.Tensor] = {}
        with torch.inference_mode(), full_precision():
            for name in self._order:
                inputs = self.graph.inputs(name)
                if name == self._input:
                    out = x.to(torch.float32).contiguous(memory_format=torch.channels_last)
                else:
                    out = self._kernels[name](*(values[v.node] for v in inputs))
                values[name] = out
                if name in kept:
                    results[name] = out
                for v in inputs:
                    if self._last_use[v.node] == name:
                        values.pop(v.node, None)  # one tensor may feed both inputs
        return results

    def __call__(self, codes: Array | torch.Tensor) -> torch.Tensor:
        """Output codes (N, C, H, W)."""
        return self.run(codes)[self._output]

    def trace(self, codes: Array | torch.Tensor) -> dict[str, Array]:
        """Every tensor of the graph as int64 (N, C, H, W)."""
        kept = self.run(codes, keep=self._order)
        return {name: value.to(torch.int64).numpy() for name, value in kept.items()}

    # ---- real values at the two ends -----------------------------------------------

    def encode(self, x: Array) -> Array:
        """Real inputs (N, …) as the network takes them to codes (N, C, H, W), half to even."""
        op = self.graph.op(self._input)
        if not np.isfinite(x).all():
            raise QCompilerError("the inputs hold NaN or infinity")
        codes = round_half_even((np.asarray(x, np.float64) - op.offset) / op.step)
        return np.clip(codes, op.elem.lo, op.elem.hi).astype(np.int64).reshape(len(x), *op.shape)

    def decode(self, codes: torch.Tensor) -> Array:
        """Output codes (N, C, H, W) to real results in the shape the user's model gives."""
        op = self.graph.op(self._output)
        values = codes.to(torch.float64).numpy() * op.step + op.offset
        return np.ascontiguousarray(values).reshape(len(codes), *op.shape)


# ---- kernels: (op, input types, node) -> (function, arithmetic) ------------------------


def _conv(op: integer.Conv, types: list[IntType], name: str) -> tuple[Kernel, str]:
    (x,) = types
    reach = max(abs(x.lo), abs(x.hi))
    # every partial sum, in any order, is at most the sum of all magnitudes
    bound = int(np.abs(op.weight).reshape(len(op.weight), -1).sum(axis=1).max()) * reach
    if bound >= FLOAT64:
        raise QCompilerError(
            f"its sums reach {bound}, beyond what the reference computes exactly", where=name
        )
    dtype = torch.float32 if bound < FLOAT32 else torch.float64
    weight = torch.from_numpy(np.ascontiguousarray(op.weight)).to(dtype)
    top, left, bottom, right = op.padding
    same = op.pad_code == 0 and top == bottom and left == right

    if (
        weight.shape[2:] == (1, 1)
        and op.groups == 1
        and op.stride == (1, 1)
        and not any(op.padding)
    ):
        matrix = weight.reshape(weight.shape[0], -1).t().contiguous()

        def product(v: torch.Tensor) -> torch.Tensor:
            return (v.to(dtype).permute(0, 2, 3, 1) @ matrix).permute(0, 3, 1, 2)

        return product, f"{str(dtype)[6:]} matmul"
    weight = weight.contiguous(memory_format=torch.channels_last)

    def kernel(v: torch.Tensor) -> torch.Tensor:
        v = v.to(dtype)
        if not same:
            v = F.pad(v, (left, right, top, bottom), value=float(op.pad_code))
        pad = (top, left) if same else (0, 0)
        return F.conv2d(v, weight, None, op.stride, pad, op.dilation, op.groups)

    return kernel, f"{str(dtype)[6:]} conv"


def _winograd(op: integer.WinogradConv, types: list[IntType], name: str) -> tuple[Kernel, str]:
    return winograd_kernel(op, types[0], name)


def _step_table(op: integer.StepTable, types: list[IntType], name: str) -> tuple[Kernel, str]:
    return step_table_kernel(op, types[0])


def _scale_shift(op: integer.ScaleShift, types: list[IntType], name: str) -> tuple[Kernel, str]:
    kernel, label = scale_shift_kernel(op, types[0], name)
    return (lambda v: kernel(v).to(torch.float32)), label


def _lookup(op: integer.Lookup, types: list[IntType], name: str) -> tuple[Kernel, str]:
    return lookup_kernel(op, types[0])


def _add(op: integer.Add, types: list[IntType], name: str) -> tuple[Kernel, str]:
    reach = sum(
        max(abs(t.lo), abs(t.hi)) * abs(mul)
        for t, mul in zip(types, (op.a_mul, op.b_mul), strict=True)
    )
    dtype = _dtype(reach, name)

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a.to(dtype) * op.a_mul).add_(b.to(dtype), alpha=op.b_mul)

    return kernel, f"{str(dtype)[6:]} add"


def _multiply(op: integer.Multiply, types: list[IntType], name: str) -> tuple[Kernel, str]:
    x, gate = types
    reach = max(abs(end - op.x_zero) for end in (x.lo, x.hi)) * max(
        abs(end - op.gate_zero) for end in (gate.lo, gate.hi)
    )
    dtype = _dtype(reach, name)

    def kernel(v: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        return (v.to(dtype) - op.x_zero).mul_(g.to(dtype) - op.gate_zero)

    return kernel, f"{str(dtype)[6:]} product"


def _sum_pool(op: integer.SumPool, types: list[IntType], name: str) -> tuple[Kernel, str]:
    count = op.kernel[0] * op.kernel[1]
    dtype = _dtype(max(abs(types[0].lo), abs(types[0].hi)) * count, name)

    def kernel(v: torch.Tensor) -> torch.Tensor:
        v = v.to(dtype)
        if v.shape[2:] == op.kernel:
            return v.sum(dim=(2, 3), keepdim=True)
        rows = v.unfold(2, op.kernel[0], op.stride[0])
        return rows.unfold(3, op.kernel[1], op.stride[1]).sum(dim=(-1, -2))

    if op.dilation != (1, 1):
        raise QCompilerError("a sum pool has no dilation", where=name)
    return kernel, f"{str(dtype)[6:]} sum"


def _max_pool(op: integer.MaxPool, types: list[IntType], name: str) -> tuple[Kernel, str]:
    return (
        lambda v: F.max_pool2d(v, op.kernel, op.stride, 0, op.dilation),
        "float32 max",
    )


def _concat(op: integer.Concat, types: list[IntType], name: str) -> tuple[Kernel, str]:
    return (lambda *v: torch.cat(v, dim=1)), "move"


def _pad(op: integer.Pad, types: list[IntType], name: str) -> tuple[Kernel, str]:
    (front, back), (top, bottom), (left, right) = op.pads
    pads = (left, right, top, bottom, front, back)
    return (lambda v: F.pad(v, pads, value=float(op.code))), "move"


def _slice(op: integer.Slice, types: list[IntType], name: str) -> tuple[Kernel, str]:
    rows = slice(op.y0, op.y0 + op.dy * (op.ny - 1) + 1, op.dy)
    columns = slice(op.x0, op.x0 + op.dx * (op.nx - 1) + 1, op.dx)
    return (lambda v: v[:, :, rows, columns]), "move"


def _pass(op: Any, types: list[IntType], name: str) -> tuple[Kernel, str]:
    return (lambda *v: v[0]), "move"


def _dtype(reach: int, name: str) -> torch.dtype:
    if reach >= FLOAT64:
        raise QCompilerError(
            f"its values reach {reach}, beyond what the reference computes exactly", where=name
        )
    return torch.float32 if reach < FLOAT32 else torch.float64


_BUILDERS: dict[type, Callable[[Any, list[IntType], str], tuple[Kernel, str]]] = {
    integer.Input: _pass,
    integer.Output: _pass,
    integer.Conv: _conv,
    integer.WinogradConv: _winograd,
    integer.StepTable: _step_table,
    integer.ScaleShift: _scale_shift,
    integer.Lookup: _lookup,
    integer.Add: _add,
    integer.Multiply: _multiply,
    integer.SumPool: _sum_pool,
    integer.MaxPool: _max_pool,
    integer.Concat: _concat,
    integer.Pad: _pad,
    integer.Slice: _slice,
}
