"""Runs nn graphs on batches: (N, C, H, W) or (N, F), in float32 or float64."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, overload

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.reference.quantizer import codes, fake_quantize, values

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]


class Weights:
    """Arrays of one graph as tensors of one dtype, converted once.

    Keyed by identity: valid while the graph that holds the arrays lives and keeps its ops.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._held: dict[int, tuple[Any, Tensor]] = {}

    def array(self, array: Array) -> Tensor:
        return self._once(array, lambda: torch.tensor(array))

    def of(self, op: nn.Conv | nn.Linear) -> Tensor:
        """The layer's weight as its quantizer leaves it; its codes do not depend on the dtype."""
        spec = op.weight_quant
        if spec is None:
            return self.array(op.weight)
        return self._once(op, lambda: torch.from_numpy(values(spec, codes(spec, op.weight))))

    def bias(self, op: nn.Conv | nn.Linear) -> Tensor | None:
        return None if op.bias is None else self.array(op.bias)

    def _once(self, owner: Any, make: Callable[[], Tensor]) -> Tensor:
        if id(owner) not in self._held:
            self._held[id(owner)] = (owner, make().to(self.dtype))
        return self._held[id(owner)][1]


def apply_layer(op: nn.Conv | nn.Linear, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """The layer with another weight and bias than its own, shaped alike."""
    if isinstance(op, nn.Linear):
        return F.linear(x, weight, bias)
    x, padding = _symmetric(x, op.padding, op.pad_value)
    return F.conv2d(x, weight, bias, op.stride, padding, op.dilation, op.groups)


def _layer(op: nn.Conv | nn.Linear, weights: Weights, x: Tensor) -> Tensor:
    return apply_layer(op, weights.of(op), weights.bias(op), x)


def _symmetric(
    x: Tensor, padding: tuple[int, int, int, int], value: float
) -> tuple[Tensor, tuple[int, int]]:
    """What torch's convolution pads itself, or the padded tensor and nothing."""
    top, left, bottom, right = padding
    if (top, left) == (bottom, right) and (value == 0 or not any(padding)):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _batch_norm(op: nn.BatchNorm, weights: Weights, x: Tensor) -> Tensor:
    shape = (-1,) + (1,) * (x.ndim - 2)
    return weights.array(op.scale).view(shape) * x + weights.array(op.shift).view(shape)


def _quantizer(op: nn.Quantizer, weights: Weights, x: Tensor) -> Tensor:
    return fake_quantize(op.spec, x, axis=1)


def _max_pool(op: nn.MaxPool, weights: Weights, x: Tensor) -> Tensor:
    top, left, bottom, right = op.padding
    if any(op.padding):
        x = F.pad(x, (left, right, top, bottom), value=float("-inf"))
    return F.max_pool2d(x, op.kernel, op.stride, 0, op.dilation)


def _avg_pool(op: nn.AvgPool, weights: Weights, x: Tensor) -> Tensor:
    if op.dilation != (1, 1):
        raise GraphError(f"average pooling has no dilation, this has {op.dilation}")
    top, left, bottom, right = op.padding
    if any(op.padding):
        x = F.pad(x, (left, right, top, bottom))
    return F.avg_pool2d(x, op.kernel, op.stride)


def _pad(op: nn.Pad, weights: Weights, x: Tensor) -> Tensor:
    (front, back), (top, bottom), (left, right) = op.pads
    return F.pad(x, (left, right, top, bottom, front, back), value=op.value)


def _slice(op: nn.Slice, weights: Weights, x: Tensor) -> Tensor:
    y1 = op.y0 + op.dy * (op.ny - 1) + 1
    x1 = op.x0 + op.dx * (op.nx - 1) + 1
    return x[:, :, op.y0 : y1 : op.dy, op.x0 : x1 : op.dx]


KERNELS: dict[type, Callable[..., Tensor]] = {
    nn.Output: lambda op, weights, x: x,
    nn.Conv: _layer,
    nn.Linear: _layer,
    nn.BatchNorm: _batch_norm,
    nn.Relu: lambda op, weights, x: F.relu(x),
    nn.Clip: lambda op, weights, x: x.clamp(op.lo, op.hi),
    nn.HardSwish: lambda op, weights, x: x * (x + 3).clamp(0, 6) / 6,
    nn.HardSigmoid: lambda op, weights, x: (x + 3).clamp(0, 6) / 6,
    nn.Quantizer: _quantizer,
    nn.MaxPool: _max_pool,
    nn.AvgPool: _avg_pool,
    nn.Add: lambda op, weights, a, b: a + b,
    nn.Mul: lambda op, weights, x, gate: x * gate,
    nn.Concat: lambda op, weights, *parts: torch.cat(parts, 1),
    nn.Flatten: lambda op, weights, x: x.flatten(1),
    nn.Pad: _pad,
    nn.Slice: _slice,
}


@overload
def run_nn(
    graph: Graph,
    x: Tensor,
    *,
    dtype: torch.dtype = ...,
    keep: None = ...,
    weights: Weights | None = ...,
) -> Tensor: ...
@overload
def run_nn(
    graph: Graph,
    x: Tensor,
    *,
    dtype: torch.dtype = ...,
    keep: Iterable[str],
    weights: Weights | None = ...,
) -> dict[str, Tensor]: ...
@torch.no_grad()
def run_nn(
    graph: Graph,
    x: Tensor,
    *,
    dtype: torch.dtype = torch.float32,
    keep: Iterable[str] | None = None,
    weights: Weights | None = None,
) -> Tensor | dict[str, Tensor]:
    """Run a batch, fake quantizers included.

    Args:
        x: (N, C, H, W) or (N, F), any numeric dtype.
        dtype: float32 (calibration) or float64 (the definition of the quantized codes).
        keep: Names of nodes whose outputs are returned; None returns the network's result alone.
        weights: Tensors kept from an earlier run of the same graph and dtype.
    """
    wanted = {graph.only(nn.Output)} if keep is None else set(keep)
    if missing := sorted(wanted - set(graph)):
        raise GraphError(f"there is no node {', '.join(missing)} to keep")
    weights = weights or Weights(dtype)
    left = Counter(v.node for name in graph for v in graph.inputs(name))
    live: dict[str, Tensor] = {}
    for name in graph:
        op = graph.op(name)
        inputs = graph.inputs(name)
        if isinstance(op, nn.Input):
            live[name] = _checked(x, op, name).to(weights.dtype)
        else:
            live[name] = _kernel(op, name)(op, weights, *(live[v.node] for v in inputs))
        for value in inputs:
            left[value.node] -= 1
            if not left[value.node] and value.node not in wanted:
                live.pop(value.node)
    if keep is None:
        return live[graph.only(nn.Output)]
    return {name: live[name] for name in graph if name in wanted}


def _kernel(op: Any, name: str) -> Callable[..., Tensor]:
    if type(op) not in KERNELS:
        raise GraphError(f"the reference has no kernel for {type(op).__name__}", where=name)
    return KERNELS[type(op)]


def _checked(x: Tensor, op: nn.Input, name: str) -> Tensor:
    if tuple(x.shape[1:]) != op.shape:
        raise QCompilerError(
            f"a batch of shape (N, {', '.join(map(str, op.shape))}) was expected, "
            f"this has {tuple(x.shape)}",
            where=name,
        )
    return x


def iter_batches(x: Tensor | Array, batch: int = 256) -> Iterator[Tensor]:
    """Consecutive pieces of at most ``batch`` samples, as tensors that share memory with ``x``."""
    if batch < 1:
        raise QCompilerError(f"the batch size must be at least 1, this is {batch}")
    whole = torch.as_tensor(x)
    for start in range(0, len(whole), batch):
        yield whole[start : start + batch]


@overload
def run_batched(
    graph: Graph,
    x: Tensor | Array,
    *,
    batch: int = ...,
    dtype: torch.dtype = ...,
    keep: None = ...,
    progress: Progress | None = ...,
) -> Tensor: ...
@overload
def run_batched(
    graph: Graph,
    x: Tensor | Array,
    *,
    batch: int = ...,
    dtype: torch.dtype = ...,
    keep: Iterable[str],
    progress: Progress | None = ...,
) -> dict[str, Tensor]: ...
def run_batched(
    graph: Graph,
    x: Tensor | Array,
    *,
    batch: int = 256,
    dtype: torch.dtype = torch.float32,
    keep: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Tensor | dict[str, Tensor]:
    """:func:`run_nn` piece by piece; ``progress(done, total)`` is called after each, in samples."""
    if len(x) == 0:
        raise QCompilerError("there are no samples to run")
    weights, names = Weights(dtype), None if keep is None else list(keep)
    pieces: dict[str, list[Tensor]] = {name: [] for name in names or ["result"]}
    done = 0
    for piece in iter_batches(x, batch):
        if names is None:
            pieces["result"].append(run_nn(graph, piece, weights=weights))
        else:
            for name, tensor in run_nn(graph, piece, keep=names, weights=weights).items():
                pieces[name].append(tensor)
        done += len(piece)
        if progress is not None:
            progress(done, len(x))
    joined = {name: torch.cat(tensors) for name, tensors in pieces.items() if tensors}
    return joined if names is not None else joined["result"]
