"""Converters of arithmetic: layers, batch norm, activations, pools, sums and products."""

from __future__ import annotations

import math

import numpy as np

from qcompiler.frontend.call import Bound, Call, Const, converts
from qcompiler.frontend.problems import Refusal, TrainingMode
from qcompiler.frontend.reshape import reshaped
from qcompiler.ir import nn
from qcompiler.ir.geometry import pool_size

Padding = tuple[int, int, int, int]


@converts("conv2d.default", "conv2d.padding", "convolution.default")
def conv2d(call: Call) -> Bound:
    if call.args.get("transposed"):
        raise Refusal("is transposed", "only ordinary convolutions exist here")
    weight = call.weight()
    if weight.ndim != 4:
        raise Refusal(f"has a weight of shape {weight.shape}; only 2-D convolutions exist here")
    dilation = call.pair("dilation")
    op = nn.Conv(
        weight=weight,
        bias=call.array("bias"),
        stride=call.pair("stride"),
        padding=_conv_padding(call, weight.shape[2:], dilation),
        dilation=dilation,
        groups=int(call["groups"]),
    )
    return call.emit(op, call.value("input"))


def _conv_padding(call: Call, kernel: tuple[int, ...], dilation: tuple[int, int]) -> Padding:
    if call["padding"] == "valid":
        return (0, 0, 0, 0)
    if call["padding"] == "same":
        # torch puts the odd row or column behind
        (y, x) = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        return (y // 2, x // 2, y - y // 2, x - x // 2)
    return call.pair("padding") * 2


@converts("linear.default")
def linear(call: Call) -> Bound:
    return call.emit(nn.Linear(call.weight(), call.array("bias")), call.value("input"))


@converts("addmm.default")
def addmm(call: Call) -> Bound:
    """``self + mat1 @ mat2``: how a decomposed program writes a linear layer."""
    if call["alpha"] != 1 or call["beta"] != 1:
        raise Refusal("has alpha or beta other than 1")
    call.args["weight"] = call["mat2"]
    weight = np.ascontiguousarray(call.weight().T)
    bias = call.weight("self")
    if bias.shape != (len(weight),):
        raise Refusal(f"adds a tensor of shape {bias.shape}; a bias has shape {(len(weight),)}")
    return call.emit(nn.Linear(weight, bias), call.value("mat1"))


@converts("mm.default")
def mm(call: Call) -> Bound:
    call.args["weight"] = call["mat2"]
    weight = np.ascontiguousarray(call.weight().T)
    return call.emit(nn.Linear(weight), call.value("self"))


@converts(
    "batch_norm.default",
    "_native_batch_norm_legit_no_training.default",
    "_native_batch_norm_legit.default",
    "_native_batch_norm_legit_functional.default",
    "native_batch_norm.default",
)
def batch_norm(call: Call) -> Bound:
    """``scale = gamma / sqrt(var + eps)``, ``shift = beta - mean * scale``, in float64."""
    if call["running_mean"] is None or call["running_var"] is None:
        raise Refusal("has no running statistics", "train it with track_running_stats=True")
    if call.args.get("training"):
        raise TrainingMode
    mean = call.weight("running_mean").astype(np.float64)
    variance = call.weight("running_var").astype(np.float64) + float(call["eps"])
    if not (variance > 0).all():
        raise Refusal("has a running variance that is zero or negative, with eps added")
    deviation = np.sqrt(variance)
    gamma, beta = call.array("weight"), call.array("bias")
    scale = (1.0 if gamma is None else gamma.astype(np.float64)) / deviation
    shift = (0.0 if beta is None else beta.astype(np.float64)) - mean * scale
    return call.emit(nn.BatchNorm(scale, shift), call.value("input"))


@converts("relu.default", "relu_.default")
def relu(call: Call) -> Bound:
    return call.emit(nn.Relu(), call.value("self"))


@converts("relu6.default", "relu6_.default")
def relu6(call: Call) -> Bound:
    return call.emit(nn.Clip(0.0, 6.0), call.value("self"))


@converts("hardswish.default", "hardswish_.default")
def hardswish(call: Call) -> Bound:
    return call.emit(nn.HardSwish(), call.value("self"))


@converts("hardsigmoid.default", "hardsigmoid_.default")
def hardsigmoid(call: Call) -> Bound:
    return call.emit(nn.HardSigmoid(), call.value("self"))


@converts("hardtanh.default", "hardtanh_.default")
def hardtanh(call: Call) -> Bound:
    return _clip(call, call["min_val"], call["max_val"])


@converts("clamp.default", "clamp_.default", "clamp_min.default", "clamp_min_.default")
def clamp(call: Call) -> Bound:
    return _clip(call, call["min"], call.args.get("max"))


def _clip(call: Call, lo: float | None, hi: float | None) -> Bound:
    hi = math.inf if hi is None else float(hi)
    if lo is None or not 0 <= (lo := float(lo)) < hi or (math.isinf(hi) and lo > 0):
        raise Refusal(
            f"clips to [{lo}, {hi}]", "the ends must be 0 <= lo < hi, or lo = 0 without hi"
        )
    op = nn.Relu() if math.isinf(hi) else nn.Clip(lo, hi)
    return call.emit(op, call.value("self"))


@converts("max_pool2d.default", "max_pool2d_with_indices.default")
def max_pool2d(call: Call) -> Bound:
    pool = nn.MaxPool(
        call.pair("kernel_size"),
        call.pair("stride" if call["stride"] else "kernel_size"),
        call.pair("padding") * 2,
        call.pair("dilation"),
    )
    return _pool(call, pool)


@converts("avg_pool2d.default")
def avg_pool2d(call: Call) -> Bound:
    padding = call.pair("padding") * 2
    if call["divisor_override"] is not None:
        raise Refusal(f"has divisor_override={call['divisor_override']}", "leave it out")
    if any(padding) and not call["count_include_pad"]:
        raise Refusal("has padding and count_include_pad=False", "set count_include_pad=True")
    stride = call.pair("stride" if call["stride"] else "kernel_size")
    return _pool(call, nn.AvgPool(call.pair("kernel_size"), stride, padding))


def _pool(call: Call, pool: nn.Pool) -> Bound:
    x = call.value("self")
    floor = pool_size(
        call.graph.type(x).shape[1:], pool.kernel, pool.stride, pool.padding, pool.dilation
    )
    if call["ceil_mode"] and floor != call.shape[1:]:
        raise Refusal(
            f"has ceil_mode=True, which changes its result from {floor} to {call.shape[1:]}",
            "set ceil_mode=False, or pad the input so that every window is whole",
        )
    return call.emit(pool, x)


@converts("adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default")
def adaptive_avg_pool2d(call: Call) -> Bound:
    x = call.bound("self")
    (h, w), (rows, columns) = _planes(call, x), call.shape[1:]
    if h % rows or w % columns:
        raise Refusal(
            f"pools {h}x{w} to {rows}x{columns}, with windows of different sizes",
            "the output size must divide the input size; 1 always does",
        )
    return _average(call, x, (h // rows, w // columns))


@converts("mean.dim")
def mean(call: Call) -> Bound:
    """A mean over rows and columns, also of a (C, H·W) view; anything else is refused."""
    x = call.bound("self")
    rank = len(x.shape) + 1
    axes = sorted(axis % rank for axis in call["dim"] or range(rank))
    typed = call.graph.type(x.value).shape
    flat_view = len(typed) == 3 and axes == [2] and x.shape == (typed[0], typed[1] * typed[2])
    if not flat_view and (rank != 4 or axes != [2, 3]):
        raise Refusal(f"averages over axes {axes}", "only the mean over H and W exists here")
    if flat_view:
        x = Bound(x.value, typed, x.storage)
    pooled = _average(call, x, _planes(call, x))
    return reshaped(call, pooled, call.shape)


def _planes(call: Call, x: Bound) -> tuple[int, int]:
    """Rows and columns of a (C, H, W) tensor."""
    shape = call.graph.type(call.as_value(x)).shape
    if len(shape) != 3:
        raise Refusal(f"pools a tensor of shape {shape} per sample", "only (C, H, W) has rows")
    return shape[1], shape[2]


def _average(call: Call, x: Bound, kernel: tuple[int, int]) -> Bound:
    if kernel == (1, 1):
        return Bound(call.as_value(x), x.shape, call.importer.new_storage())
    return call.emit(nn.AvgPool(kernel, kernel), call.as_value(x))


@converts("add.Tensor", "add_.Tensor")
def add(call: Call) -> Bound:
    if call["alpha"] != 1:
        raise Refusal(f"has alpha={call['alpha']}", "only alpha=1 exists here")
    for item in (call["self"], call["other"]):
        if isinstance(item, Const):
            raise Refusal(f"adds the constant {item.name!r}", "put it into a layer's bias")
        if not isinstance(item, Bound):
            raise Refusal(f"adds the number {item}", "put it into a layer's bias")
    return call.emit(nn.Add(), call.value("self"), call.value("other"))


@converts("mul.Tensor", "mul_.Tensor")
def mul(call: Call) -> Bound:
    """Channels times a gate of one value each, in either order."""
    for item in (call["self"], call["other"]):
        if isinstance(item, Const):
            raise Refusal(f"multiplies by the constant {item.name!r}", "put it into a weight")
        if not isinstance(item, Bound):
            raise Refusal(f"multiplies by the number {item}", "put it into a layer's weight")
    x, gate = call.bound("self"), call.bound("other")
    if x.shape[1:] == (1, 1):
        x, gate = gate, x
    if len(x.shape) != 3 or gate.shape != (x.shape[0], 1, 1):
        raise Refusal(
            f"multiplies tensors of shapes {x.shape} and {gate.shape} per sample",
            "only (C, H, W) by (C, 1, 1) exists here: squeeze-and-excite",
        )
    return call.emit(nn.Mul(), call.as_value(x), call.as_value(gate))


@converts(
    "fake_quantize_per_tensor_affine.default",
    "fake_quantize_per_tensor_affine.tensor_qparams",
)
def fake_quantize(call: Call) -> Bound:
    """A per-tensor quantizer that training left behind."""
    step, zero = (_number(call, name) for name in ("scale", "zero_point"))
    lo, hi = int(call["quant_min"]), int(call["quant_max"])
    if not (math.isfinite(step) and step > 0):
        raise Refusal(f"has a scale of {step}", "a positive number was expected")
    spec = nn.QuantSpec.uniform(step, lo, hi, -zero * step)
    return call.emit(nn.Quantizer(spec), call.value("self"))


def _number(call: Call, name: str) -> float:
    item = call[name]
    if isinstance(item, Const):
        return float(item.tensor)
    if isinstance(item, Bound):
        raise Refusal(f"has a computed {name}", "freeze quantizers before export")
    return float(item)
