"""onnxruntime's own static INT8 quantization of the same model: a third party's figure."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qcompiler.models.data import Split

Array = np.ndarray[Any, Any]


def onnxruntime_top1(
    model: torch.nn.Module, samples: Array, test: Split, method: str
) -> tuple[float, float]:
    """Top-1 in percent of QDQ INT8, and the seconds that its quantization took.

    Weights per channel, activations by ``method``.

    Args:
        samples: Calibration images (N, …), float32.
        method: ``entropy`` or ``percentile`` (99.99, as ours).
    """
    import onnxruntime as ort
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ort.set_default_logger_severity(3)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, out = (str(Path(folder) / f"{n}.onnx") for n in ("plain", "ready", "int8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batch = torch.export.Dim("batch")
            torch.onnx.export(
                model, (torch.from_numpy(samples[:2]),), plain, input_names=["x"],
                dynamic_shapes=({0: batch},), external_data=False, verbose=False,
            )  # fmt: skip
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            quant_pre_process(plain, ready, skip_symbolic_shape=True)
            quantize_static(
                ready,
                out,
                _Reader(samples),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=getattr(CalibrationMethod, method.capitalize()),
                extra_options={"ActivationSymmetric": False, "CalibPercentile": 99.99},
            )
        seconds = time.perf_counter() - began
        session = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
        right = 0
        for start in range(0, len(test), 250):
            images = test.images[start : start + 250].numpy()
            logits = session.run(None, {"x": images})[0]
            right += int((logits.argmax(1) == test.labels[start : start + 250].numpy()).sum())
    return 100 * right / len(test), seconds


class _Reader:
    """Feeds calibration images one batch at a time, as onnxruntime asks for them."""

    def __init__(self, samples: Array) -> None:
        self.batches = iter([{"x": samples[k : k + 16]} for k in range(0, len(samples), 16)])

    def get_next(self) -> dict[str, Array] | None:
        return next(self.batches, None)
