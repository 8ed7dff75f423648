"""The verb ``explore``: widths × goals × devices, each point estimated once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from qcompiler.arrays import Array, check_inputs, read_inputs, read_labels
from qcompiler.errors import QCompilerError
from qcompiler.estimate.devices import check_cost_model, device
from qcompiler.flows.workers import Task, Workers
from qcompiler.folders import check_target, new_folder
from qcompiler.frontend.torch_export import load_pt2
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph
from qcompiler.ir.store import read_graph, write_graph
from qcompiler.progress import QUIET, Progress
from qcompiler.quant.config import QuantConfig
from qcompiler.verbs import explore_points as points
from qcompiler.verbs.compile import Target, check_quantized
from qcompiler.verbs.explore_points import Accuracy, Outcome, Point, Result

MARKER = "explore.json"
SHARES = ("10%", "25%", "50%", "80%")
"""LUT budgets where neither rates nor budgets are asked for."""
Bits = tuple[int, int]
"""Of weights and of the codes between layers."""


@dataclass(frozen=True)
class Sweep:
    """What is swept, beside the networks.

    Args:
        devices: Names of devices.
        fps: Frames per second to reach, each a goal.
        lut: LUT budgets, each a goal: ``20000``, or ``50%`` of a device.
        bits: (weights, activations) to quantize a float network to.
        config: Everything else of quantization.
        target: Everything else of compilation.
        test_images: Most images of the test set to measure on.
    """

    devices: tuple[str, ...] = ("ecp5-85k",)
    fps: tuple[float, ...] = ()
    lut: tuple[str, ...] = ()
    bits: tuple[Bits, ...] = ((8, 8), (6, 6), (4, 4), (3, 3), (2, 2))
    config: QuantConfig = field(default_factory=QuantConfig)
    target: Target = field(default_factory=Target)
    test_images: int = 1000

    def __post_init__(self) -> None:
        for name, values in (("devices", self.devices), ("bits", self.bits)):
            if not values:
                raise QCompilerError("nothing to sweep", where=name)
        for name in self.devices:
            check_cost_model(device(name).family)
            for fps, lut in self.goals(name):
                replace(self.target, device=name, fps=fps, lut=lut)  # refuses what cannot be

    def goals(self, name: str) -> list[tuple[float | None, int | None]]:
        """(frames per second, LUT budget) of a device, one of the two in each."""
        shares = self.lut if self.lut or self.fps else SHARES
        budgets = [_budget(text, device(name).luts) for text in shares]
        return [*((fps, None) for fps in self.fps), *((None, lut) for lut in budgets)]


def _budget(text: str, luts: int) -> int:
    """``20000`` or ``50%`` in LUTs."""
    try:
        found = float(text.rstrip("%")) * (luts / 100 if text.endswith("%") else 1)
    except ValueError:
        found = 0.0
    if not 1 <= found < float("inf"):
        raise QCompilerError(
            f"{text!r} is no LUT budget", where="--lut", hint="write 20000, or 50% of the device"
        )
    return int(found)


@dataclass(frozen=True, eq=False)
class Network:
    """A quantized network of the sweep: how it is called, a key of its contents, how good it is."""

    label: str
    key: str
    graph: Graph
    accuracy: Accuracy


def explore(
    models: Sequence[Path],
    sweep: Sweep,
    out: Path,
    *,
    calibration: Path | None = None,
    test: Path | None = None,
    workers: Workers | None = None,
    progress: Progress = QUIET,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Estimate every network on every device for every goal.

    What is in ``out`` already is not computed again, and each point is written when it is done: a
    run that was interrupted goes on where it stopped.

    Args:
        models: One float network (.pt2), or folders that ``quantize`` wrote.
        sweep: Widths, devices and goals.
        out: Folder of the sweep.
        calibration: Inputs to quantize a float network with, as ``quantize`` takes them.
        test: npz file of images, as the network takes them, and labels.
        workers: Where the points are computed.
        on_result: Called for each point of the sweep, those found in ``out`` first.

    Raises:
        QCompilerError: Before anything is computed, for input that cannot be used. A point that
            cannot be reached is no error but a result that says so.
    """
    workers = workers or Workers()
    check_target(out, MARKER)
    makers = _makers(models, sweep, calibration, test)
    workers.check()
    try:
        out.mkdir(parents=True, exist_ok=True)
        points.save(out / MARKER, {"format": 1})
    except OSError as error:
        raise QCompilerError(f"cannot be written: {error.strerror}", where=str(out)) from error
    networks = _networks(makers, out, workers, progress)
    wanted = {
        (network.label, point): network for network in networks for point in _points(network, sweep)
    }
    results: dict[Point, Result] = {}

    def done(point: Point, network: Network, outcome: Outcome) -> None:
        results[point] = Result(point, outcome, network.accuracy)
        if on_result is not None:
            on_result(results[point])

    missing: dict[str, tuple[Point, Network, Path]] = {}
    for (_, point), network in wanted.items():
        facts = asdict(_target(sweep, point)), asdict(device(point.device))
        path = out / "points" / f"{points.key(network.key, *facts)}.json"
        outcome = points.load_outcome(path)
        if outcome is None:
            missing[path.stem] = point, network, path
        else:
            done(point, network, outcome)
    tasks = [
        Task(name, points.evaluate, (network.label, _target(sweep, point)))
        for name, (point, network, _) in missing.items()
    ]
    progress.begin("folding and estimating", len(wanted))
    progress.advance(len(results))
    for name, outcome in workers.run(tasks, {n.label: n.graph for n in networks}):
        point, network, path = missing[name]
        points.save_outcome(path, point, outcome)
        done(point, network, outcome)
        progress.advance()
    progress.end()
    return [results[point] for _, point in wanted]


def _points(network: Network, sweep: Sweep) -> list[Point]:
    return [
        Point(network.label, name, fps, lut)
        for name in sweep.devices
        for fps, lut in sweep.goals(name)
    ]


def _target(sweep: Sweep, point: Point) -> Target:
    engines = dict(sweep.target.engines)
    return replace(
        sweep.target, device=point.device, fps=point.fps, lut=point.lut, engines=engines,
        oversize=True,  # what does not fit is shown as that
    )  # fmt: skip


# ---- networks --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Maker:
    """How a network of the sweep comes about: ``function(*arguments)`` gives graph and accuracy."""

    label: str
    key: str
    function: Callable[..., tuple[Graph, Accuracy]]
    arguments: tuple[Any, ...]


def _makers(
    models: Sequence[Path], sweep: Sweep, calibration: Path | None, test: Path | None
) -> list[_Maker]:
    floats = [path for path in models if path.suffix == ".pt2"]
    if not models or (floats and len(models) > 1):
        raise QCompilerError(
            "one float network (.pt2) or any number of quantized ones was expected",
            where="explore",
            hint="give net.pt2 with --calibration, or folders that `qcompiler quantize` wrote",
        )
    if floats and calibration is None:
        raise QCompilerError(
            "a float network needs inputs to be quantized with",
            where=str(floats[0]),
            hint="give them with --calibration images.npz",
        )
    if not floats and calibration is not None:
        raise QCompilerError(
            "calibration inputs are for a float network, these are quantized",
            where=str(calibration),
            hint="leave --calibration out; --test measures their accuracy",
        )
    for path in (calibration, test):
        if path is not None:
            read_inputs(path)  # says what is wrong with it
    marks = [points.digest(path) for path in (calibration, test) if path is not None]
    if floats and calibration is not None:
        return _float_makers(floats[0], sweep, read_inputs(calibration), test, marks)
    labels = [path.resolve().name.removesuffix(".qc") for path in models]
    if len(set(labels)) < len(labels):
        raise QCompilerError(
            f"two of the networks have one name: {', '.join(labels)}", where="explore"
        )
    return [
        _quantized_maker(label, path, sweep, test, marks)
        for label, path in zip(labels, models, strict=True)
    ]


def _quantized_maker(
    label: str, path: Path, sweep: Sweep, test: Path | None, marks: list[str]
) -> _Maker:
    graph = read_graph(path)
    check_quantized(graph, str(path))
    name = points.key(points.digest(path), marks, sweep.test_images)
    return _Maker(label, name, measured_graph, (graph, _labelled(graph, test, sweep)))


def measured_graph(graph: Graph, test: tuple[Array, Array] | None) -> tuple[Graph, Accuracy]:
    return graph, points.measured(graph, test)


def _float_makers(
    model: Path, sweep: Sweep, samples: Array, test: Path | None, marks: list[str]
) -> list[_Maker]:
    floating = load_pt2(model)
    shape = floating.op(floating.only(nn.Input)).shape
    samples = check_inputs(samples, shape, "calibration set")
    labelled, makers = _labelled(floating, test, sweep), []
    for weights, activations in sweep.bits:
        config = replace(sweep.config, weights=weights, activations=activations)
        name = points.key(points.digest(model), marks, sweep.test_images, asdict(config))
        arguments = floating, samples, config, labelled
        label = f"w{weights}a{activations}"
        makers.append(_Maker(label, name, points.quantized, arguments))
    return makers


def _labelled(graph: Graph, test: Path | None, sweep: Sweep) -> tuple[Array, Array] | None:
    if test is None:
        return None
    shape = graph.op(graph.only(nn.Input)).shape
    images = check_inputs(read_inputs(test), shape, str(test))
    images, labels = points.check_test(images, read_labels(test), str(test))
    return images[: sweep.test_images], labels[: sweep.test_images]


def _networks(
    makers: list[_Maker], out: Path, workers: Workers, progress: Progress
) -> list[Network]:
    """Every network, quantized where ``out`` does not have it."""
    found: dict[str, Network] = {}
    for maker in makers:
        document = points.load(_accuracy_file(out, maker))
        if document is not None and (_folder(out, maker)).is_dir():
            graph = read_graph(_folder(out, maker))
            found[maker.label] = Network(maker.label, maker.key, graph, document["accuracy"])
    missing = {maker.label: maker for maker in makers if maker.label not in found}
    shared = {f"{n}:{k}": a for n, m in missing.items() for k, a in enumerate(m.arguments)}
    tasks = [
        Task(n, m.function, tuple(f"{n}:{k}" for k in range(len(m.arguments))))
        for n, m in missing.items()
    ]
    progress.begin("quantizing and measuring", len(makers))
    progress.advance(len(found))
    for label, (graph, accuracy) in workers.run(tasks, shared):
        maker = missing[label]
        with new_folder(_folder(out, maker), "graph.json") as folder:
            write_graph(graph, folder)
        points.save(_accuracy_file(out, maker), {"network": label, "accuracy": accuracy})
        found[label] = Network(label, maker.key, graph, accuracy)
        progress.advance()
    progress.end()
    return [found[maker.label] for maker in makers]


def _accuracy_file(out: Path, maker: _Maker) -> Path:
    return _folder(out, maker).with_suffix(".json")


def _folder(out: Path, maker: _Maker) -> Path:
    return out / "networks" / f"{maker.label}-{maker.key[:8]}.qc"
