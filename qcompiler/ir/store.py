"""Graphs on disk: one folder with ``graph.json`` and ``arrays.npz``, the same bytes each time."""

from __future__ import annotations

import inspect
import json
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from qcompiler.errors import GraphError, QCompilerError
from qcompiler.ir import hardware, integer, nn
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.text import fields_json, from_json

FORMAT = 1
DIALECTS: dict[str, ModuleType] = {"nn": nn, "integer": integer, "hardware": hardware}


def _classes(dialect: str) -> dict[str, type]:
    return dict(inspect.getmembers(DIALECTS[dialect], inspect.isclass))


def write_graph(graph: Graph, folder: Path) -> None:
    """Write ``graph`` into an existing folder; byte-identical for equal graphs."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    nodes = [
        {
            "name": name,
            **fields_json(graph.op(name), name, arrays),
            "inputs": [[v.node, v.port] for v in graph.inputs(name)],
            "types": [str(t) for t in graph.types(name)],
        }
        for name in graph
    ]
    document = {"format": FORMAT, "dialect": graph.dialect, "nodes": nodes}
    (folder / "graph.json").write_text(json.dumps(document, indent=1) + "\n")
    with zipfile.ZipFile(folder / "arrays.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key in sorted(arrays):
            entry = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, np.asanyarray(arrays[key]), allow_pickle=False)


def read_graph(folder: Path) -> Graph:
    """Read a graph folder and check it; raises QCompilerError with the reason if it is not one."""
    path = folder / "graph.json"
    hint = "a graph folder is what `qcompiler quantize -o` writes"
    if not folder.is_dir() or not path.is_file():
        raise QCompilerError("not a graph folder (no graph.json)", where=str(folder), hint=hint)
    try:
        document = json.loads(path.read_text())
        if document["format"] == FORMAT:
            return _graph(document, folder / "arrays.npz")
        what = f"its format is {document['format']}, this version reads {FORMAT}"
    except Exception as error:  # a damaged file can make any decoder and any type rule fail
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise QCompilerError(f"damaged graph: {text}", where=str(folder), hint=hint) from error
    raise QCompilerError(what, where=str(folder), hint=hint)


def _graph(document: Any, path: Path) -> Graph:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    graph = Graph(document["dialect"])
    classes = _classes(graph.dialect)
    for node in document["nodes"]:
        op = from_json({"op": node["op"], "fields": node["fields"]}, arrays, classes)
        graph.add(node["name"], op, [Value(n, p) for n, p in node["inputs"]])
        if (types := [str(t) for t in graph.types(node["name"])]) != node["types"]:
            raise GraphError(
                f"types are {types}, the file says {node['types']}", where=node["name"]
            )
    graph.check()
    return graph
