"""float32 means float32 in the reference, whatever the user allows torch elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Take exact kernels only; torch's settings are put back afterwards.

    bfloat16 and TF32 are inexact, and so are NNPACK's Winograd convolutions, which torch takes for
    batches of 16 or more where it has no oneDNN.
    """
    with ExitStack() as stack:
        nnpack: Any = torch.backends.nnpack
        stack.enter_context(nnpack.flags(enabled=False))
        settings = [getattr(torch.backends.mkldnn, name, None) for name in ("conv", "matmul")]
        if None in settings:  # torch before 2.9 has one setting, for products alone
            stack.enter_context(_highest())
        for setting in filter(None, settings):
            stack.enter_context(_ieee(setting))
        yield


@contextmanager
def _ieee(setting: Any) -> Iterator[None]:
    """For one kind of oneDNN kernel; torch refuses its older setting where a newer one was used."""
    before = setting.fp32_precision
    setting.fp32_precision = "ieee"
    try:
        yield
    finally:
        setting.fp32_precision = "none"  # what is set for all backends, or for all of oneDNN
        if setting.fp32_precision != before:
            setting.fp32_precision = before


@contextmanager
def _highest() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
