"""Graph folders: the same graph again, the same bytes twice, and an error for what is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qcompiler.errors import QCompilerError
from qcompiler.estimate.engines import module_price
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.ir.store import read_graph, write_graph
from qcompiler.passes.base import run_passes
from qcompiler.passes.fold import FoldingSpace
from qcompiler.passes.integerize import Integerize
from qcompiler.passes.pipeline import CONNECT, PREPARE, TO_HARDWARE
from qcompiler.quant.align import AlignResiduals
from qcompiler.quant.insert import InsertQuantizers
from tests.networks import RandomNetwork, observer

DIALECTS = ("nn", "integer", "hardware")


def make(seed: int) -> dict[str, Graph]:
    network = RandomNetwork(seed)
    passes = [*PREPARE, InsertQuantizers(network.config(), observer(network.samples(4)))]
    quantized = run_passes(network.graph, [*passes, AlignResiduals()])
    integer = run_passes(quantized, [Integerize("auto"), *TO_HARDWARE[:-1]])
    lowered = run_passes(integer, TO_HARDWARE[-1:])
    space = FoldingSpace(lowered, module_price("ecp5"))
    hardware = run_passes(space.balanced(space.slowest() // 3), CONNECT)
    return {"nn": quantized, "integer": integer, "hardware": hardware}


@pytest.fixture(scope="module")
def graphs() -> list[dict[str, Graph]]:
    return [make(seed) for seed in (1, 4, 8)]


def write(graph: Graph, folder: Path) -> Path:
    folder.mkdir()
    write_graph(graph, folder)
    return folder


@pytest.mark.parametrize("dialect", DIALECTS)
def test_round_trip(graphs: list[dict[str, Graph]], dialect: str, tmp_path: Path) -> None:
    for k, made in enumerate(graphs):
        graph = made[dialect]
        first = write(graph, tmp_path / f"{k}")
        again = read_graph(first)
        assert str(again) == str(graph)
        assert again.dialect == dialect
        second = write(again, tmp_path / f"{k}_again")
        for name in ("graph.json", "arrays.npz"):
            assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_arrays_and_optional_fields_come_back(tmp_path: Path) -> None:
    graph = Graph("nn")
    graph.add("x", nn.Input((2,)))
    spec = nn.QuantSpec.uniform(np.array([0.5, 0.25, 1.0]), -7, 7)
    weight = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    graph.add("plain", nn.Linear(weight), ["x"])
    graph.add("fc", nn.Linear(weight, np.ones(3), spec), ["x"])
    graph.add("clip", nn.Clip(0.0, float("inf")), ["fc"])
    graph.add("q", nn.Quantizer(nn.QuantSpec.uniform(0.1, 0, 15, -0.375)), ["clip"])
    again = read_graph(write(graph, tmp_path / "net"))
    assert again.op("plain").bias is None and again.op("plain").weight_quant is None
    fc = again.op("fc")
    assert fc.weight.dtype == np.float32 and fc.bias.dtype == np.float64
    np.testing.assert_array_equal(fc.weight, weight)
    np.testing.assert_array_equal(fc.weight_quant.step_in, spec.step_in)
    assert again.op("clip").hi == float("inf")
    q = again.op("q").spec
    assert (q.step_in.shape, float(q.step_in), float(q.offset), q.lo) == ((), 0.1, -0.375, 0)


# ---- damage ---------------------------------------------------------------------


def document(change: Callable[[dict], object]) -> Callable[[Path], object]:  # type: ignore[type-arg]
    def apply(folder: Path) -> None:
        path = folder / "graph.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def node(k: int, **fields: object) -> Callable[[Path], object]:
    return document(lambda d: d["nodes"][k].update(fields))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no graph.json": lambda f: (f / "graph.json").unlink(),
    "no arrays": lambda f: (f / "arrays.npz").unlink(),
    "empty graph.json": lambda f: (f / "graph.json").write_bytes(b""),
    "binary graph.json": lambda f: (f / "graph.json").write_bytes(b"\x00\xff\xfe"),
    "a list": lambda f: (f / "graph.json").write_text("[]"),
    "a number": lambda f: (f / "graph.json").write_text("3"),
    "empty arrays": lambda f: (f / "arrays.npz").write_bytes(b""),
    "arrays cut off": lambda f: (f / "arrays.npz").write_bytes(
        (f / "arrays.npz").read_bytes()[:-40]
    ),
    "no zip": lambda f: (f / "arrays.npz").write_text("hello"),
    "another format": document(lambda d: d.update(format=99)),
    "no format": document(lambda d: d.pop("format")),
    "unknown dialect": document(lambda d: d.update(dialect="vhdl")),
    "another dialect": document(lambda d: d.update(dialect="hardware")),
    "nodes missing": document(lambda d: d.pop("nodes")),
    "nodes no list": document(lambda d: d.update(nodes=3)),
    "node missing": document(lambda d: d["nodes"].pop(0)),
    "unknown op": node(2, op="Convolve"),
    "op no op": node(2, op="GraphError", fields={"what": "x"}),
    "op no string": node(2, op=["a"]),
    "field missing": document(lambda d: d["nodes"][0]["fields"].pop("shape")),
    "field too many": document(lambda d: d["nodes"][0]["fields"].update(color=1)),
    "inputs missing": node(1, inputs=[]),
    "inputs unknown": node(1, inputs=[["nowhere", 0]]),
    "inputs no pairs": node(1, inputs=[1, 2]),
    "types differ": node(1, types=["3x3 real"]),
    "name twice": node(1, name="x"),
    "shape of text": document(lambda d: d["nodes"][0]["fields"].update(shape="abc")),
    "array unknown": document(
        lambda d: next(n for n in d["nodes"] if n["op"] in ("Conv", "Linear"))["fields"].update(
            weight={"array": "nope"}
        )
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(graphs: list[dict[str, Graph]], case: str, tmp_path: Path) -> None:
    folder = write(graphs[0]["nn"], tmp_path / "net.qc")
    DAMAGE[case](folder)
    with pytest.raises(QCompilerError) as caught:
        read_graph(folder)
    assert caught.value.where == str(folder)
    assert "qcompiler quantize" in caught.value.hint
    assert len(caught.value.what) < 300


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("file", ["graph.json", "arrays.npz"])
def test_flipped_bytes_never_crash(
    graphs: list[dict[str, Graph]], dialect: str, file: str, tmp_path: Path
) -> None:
    graph = graphs[1][dialect]
    folder = write(graph, tmp_path / "net")
    path = folder / file
    good = path.read_bytes()
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(25):
        bad = bytearray(good)
        for at in rng.integers(0, len(good), 3):
            bad[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bad)
        try:
            read_graph(folder)  # a changed digit may make another sound graph
        except QCompilerError:
            refused += 1
    assert refused > 5
    path.write_bytes(good)
    assert str(read_graph(folder)) == str(graph)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(QCompilerError, match="not a graph folder"):
        read_graph(tmp_path / "missing")
