"""What a finished run leaves: figures in ``result.json`` and the network beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from qcompiler.quant.qat.method import LayerScheme
from qcompiler.train.checkpoint import write_whole
from qcompiler.train.folder import CALIBRATION, FLOAT_MODEL, GRAPH, RESULT


@dataclass(frozen=True)
class Trained:
    """The result of a run.

    Args:
        folder: Of the run.
        method: Name.
        epochs: Trained.
        test_images: That the accuracies are of.
        soft_accuracy: Of the network in the form that trained, 0 to 1.
        hard_accuracy: Of the integers that hardware computes; None after float training.
        bits: Average live planes of a weight; None after float training.
        gap: Largest difference of a trained and a hard weight, in steps; None likewise.
        layers: One entry per convolution or linear layer; empty likewise.
        kept: ``trained`` weights or their ``mean``, where validation images chose.
        validation_accuracy: Of what was kept; None without such images.
    """

    folder: Path
    method: str
    epochs: int
    test_images: int
    soft_accuracy: float
    hard_accuracy: float | None = None
    bits: float | None = None
    gap: float | None = None
    layers: tuple[LayerScheme, ...] = ()
    kept: str = "trained"
    validation_accuracy: float | None = None

    @property
    def network(self) -> Path:
        """What the next step takes: a quantized graph, or a float network (.pt2)."""
        return self.folder / (FLOAT_MODEL if self.hard_accuracy is None else GRAPH)

    @property
    def next_command(self) -> str:
        """The next step, as it is typed."""
        if self.hard_accuracy is None:
            samples, output = self.folder / CALIBRATION, self.folder / GRAPH
            return f"qcompiler quantize {self.network} --calibration {samples} -o {output}"
        return f"qcompiler compile {self.network} -o {self.folder / 'build'}"


def write_result(result: Trained) -> None:
    """Write ``result.json`` into the run's folder, whole or not at all."""
    document = asdict(result)
    del document["folder"]
    text = json.dumps(document, indent=1) + "\n"
    path = result.folder / RESULT
    write_whole(path, text.encode(), path.with_name(f".{RESULT}.part"))


def read_result(folder: Path) -> Trained | None:
    """The result of a finished run; None if there is none, or none that can be read."""
    try:
        found = json.loads((folder / RESULT).read_text())
        layers = [{**layer, "scheme": tuple(layer["scheme"])} for layer in found.pop("layers")]
        result = Trained(folder, layers=tuple(LayerScheme(**layer) for layer in layers), **found)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return result if result.network.exists() else None
