"""From torch to the nn graph: a module, an exported program, or a saved one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from qcompiler.errors import QCompilerError, UnsupportedError
from qcompiler.frontend.archive import check_archive
from qcompiler.frontend.importer import Importer
from qcompiler.ir.graph import Graph

__all__ = ["import_module", "import_program", "load_pt2"]


def import_program(program: ExportedProgram) -> Graph:
    """The nn graph of an exported program, for one sample: (N, C, H, W) becomes (C, H, W).

    Weights are copied. Batch norm becomes one scale and one shift per channel, in float64.
    Raises UnsupportedError that lists every call that cannot be compiled.
    """
    return Importer(program).run()


def import_module(module: nn.Module, example_inputs: tuple[Tensor, ...]) -> Graph:
    """Export a module (in eval mode) and import it; the example's batch may be any size."""
    try:
        with torch.no_grad():
            program = torch.export.export(module, example_inputs)
    except QCompilerError:
        raise
    except Exception as error:  # torch.export lets the model's own exceptions through
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnsupportedError(
            f"torch.export cannot trace the model: {text}",
            where=type(module).__name__,
            hint="forward must run on the example input, without branches on tensor values",
        ) from error
    return import_program(program)


def load_pt2(path: str | Path) -> Graph:
    """Import a file that torch.export.save wrote; never runs code from the file."""
    path = Path(path)
    check_archive(path)
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch raises many kinds for damaged or foreign versions
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise QCompilerError(
            f"torch {torch.__version__} cannot read this pt2 archive: {text}",
            where=str(path),
            hint="save it again with the torch that is installed here",
        ) from error
    return import_program(program)
