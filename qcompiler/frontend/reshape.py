"""Converters that only move elements: cat, pad, slice, flatten, and calls that do nothing."""

from __future__ import annotations

import math
from typing import Any

import torch

from qcompiler.frontend.call import Bound, Call, converts
from qcompiler.frontend.problems import Refusal, TrainingMode
from qcompiler.ir import nn
from qcompiler.ir.types import Shape


def reshaped(call: Call, x: Bound, shape: Shape) -> Bound:
    """``x`` seen with another shape: nothing, a Flatten, or a Flatten undone."""
    graph = call.graph
    typed = graph.type(x.value).shape
    if shape != typed and isinstance(graph.op(x.value.node), nn.Flatten):
        (before,) = graph.inputs(x.value.node)
        if graph.type(before).shape == shape:
            return Bound(before, shape, x.storage)
    if len(shape) == 1 and len(typed) == 3:
        return Bound(call.emit(nn.Flatten(), x.value).value, shape, x.storage)
    return Bound(x.value, shape, x.storage)


@converts(
    "flatten.using_ints",
    "view.default",
    "_unsafe_view.default",
    "reshape.default",
    "squeeze.dim",
    "squeeze.dims",
    "unsqueeze.default",
)
def reshape(call: Call) -> Bound:
    return reshaped(call, call.bound("self"), call.shape)


@converts("cat.default")
def cat(call: Call) -> Bound:
    if int(call["dim"]) % (len(call.shape) + 1) != 1:
        raise Refusal(f"joins along axis {call['dim']}", "only channels (axis 1) can be joined")
    return call.emit(nn.Concat(), *map(call.as_value, call["tensors"]))


@converts("pad.default")
def pad(call: Call) -> Bound:
    if call["mode"] != "constant":
        raise Refusal(f"has mode={call['mode']!r}", "only padding with a constant exists here")
    return constant_pad_nd(call)


@converts("constant_pad_nd.default")
def constant_pad_nd(call: Call) -> Bound:
    x = call.bound("self")
    value = float(call["value"] or 0.0)
    if not math.isfinite(value):
        raise Refusal(f"pads with {value}", "a finite number was expected")
    amounts = [int(n) for n in call["pad"]]
    if min(amounts, default=0) < 0:
        raise Refusal(f"has negative amounts {amounts}", "cut rows and columns with a slice")
    if not any(amounts):
        return Bound(call.as_value(x), x.shape, call.importer.new_storage())
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    pairs += [(0, 0)] * (4 - len(pairs))
    columns, rows, channels, batch = pairs
    if len(x.shape) != 3 or any(batch):
        raise Refusal(f"pads {amounts} on {len(x.shape)} axes", "only (N, C, H, W) can be padded")
    return call.emit(nn.Pad((channels, rows, columns), value), call.as_value(x))


@converts("slice.Tensor")
def slice_(call: Call) -> Bound:
    x = call.bound("self")
    axis = int(call["dim"]) % (len(x.shape) + 1)
    if axis == 0:
        return _batch_slice(call, x)
    size = x.shape[axis - 1]
    kept = range(size)[_index(call["start"]) : _index(call["end"]) : int(call["step"])]
    if kept == range(size):
        return x
    if len(x.shape) != 3 or axis == 1:
        raise Refusal(
            f"slices channels or features ({kept.start} to {kept.stop} of {size})",
            "only rows and columns can be sliced; give the layer before it fewer outputs",
        )
    if not kept:
        raise Refusal("leaves nothing")
    rows, columns = range(x.shape[1]), range(x.shape[2])
    rows, columns = (kept, columns) if axis == 2 else (rows, kept)
    return Bound(_merged_slice(call, x, rows, columns).value, call.shape, x.storage)


def _index(item: Any) -> int | None:
    return None if item is None else int(item)


def _batch_slice(call: Call, x: Bound) -> Bound:
    first, last, batch = call["start"], call["end"], call.importer.batch
    whole = last is None or str(last) == str(batch)
    if isinstance(last, int) and not whole:
        whole = last >= (batch if isinstance(batch, int) else 2**63 - 1)
    if first not in (None, 0) or call["step"] != 1 or not whole:
        raise Refusal("slices the batch", "the compiled network sees one sample at a time")
    return x


def _merged_slice(call: Call, x: Bound, rows: range, columns: range) -> Bound:
    """One Slice for this cut and for the Slice that it follows, if it follows one."""
    graph, source = call.graph, call.as_value(x)
    before = graph.op(source.node)
    if isinstance(before, nn.Slice):
        rows = range(before.y0, before.y0 + before.dy * before.ny, before.dy)[_cut(rows)]
        columns = range(before.x0, before.x0 + before.dx * before.nx, before.dx)[_cut(columns)]
        dead, (source,) = source, graph.inputs(source.node)
        if not call.importer.needed_later(dead, call.node):
            graph.remove(dead.node)
    op = nn.Slice(rows.start, rows.step, len(rows), columns.start, columns.step, len(columns))
    return call.emit(op, source)


def _cut(kept: range) -> slice:
    return slice(kept.start, kept.stop, kept.step)


@converts(
    "alias.default",
    "clone.default",
    "contiguous.default",
    "detach.default",
    "detach_.default",
    "lift_fresh_copy.default",
)
def identity(call: Call) -> Bound:
    x = call.bound("self")
    copies = "clone" in str(call.node.target) or "copy" in str(call.node.target)
    return Bound(x.value, x.shape, call.importer.new_storage()) if copies else x


@converts(
    "dropout.default",
    "dropout_.default",
    "feature_dropout.default",
    "feature_dropout_.default",
    "alpha_dropout.default",
    "native_dropout.default",
)
def dropout(call: Call) -> Bound:
    if call["train"] or call["train"] is None:
        raise TrainingMode
    return call.bound("input")


@converts("to.dtype", "to.dtype_layout", "_to_copy.default")
def to_dtype(call: Call) -> Bound:
    x = call.bound("self")
    wanted, dtype = call["dtype"], call.importer.dtype
    if wanted not in (None, dtype):
        raise Refusal(f"converts {dtype} to {wanted}", "keep one dtype throughout the model")
    copies = call.args.get("copy") or call.node.target is torch.ops.aten._to_copy.default
    return Bound(x.value, x.shape, call.importer.new_storage()) if copies else x
