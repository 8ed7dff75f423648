"""What the commands print: rich tables of the library's results."""

from __future__ import annotations

from rich.table import Table

from qcompiler.estimate.accuracy import Errors, carry_known, module_errors, network_errors
from qcompiler.estimate.cost import Cost
from qcompiler.estimate.report import Report
from qcompiler.flows.synth import Cells, SynthReport
from qcompiler.ir import hardware as hw
from qcompiler.ir.graph import Graph
from qcompiler.passes.connect import fifo_bits
from qcompiler.verbs.compile import Compiled
from qcompiler.verbs.quantize import Quantized


def new_table(title: str, *columns: str) -> Table:
    """Without a frame; the first column is text, the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.show_edge = table.pad_edge = False
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 else "right", no_wrap=True)
    return table


def layer_table(result: Quantized) -> Table:
    """Widths of each layer; of a search, the cosine of its outputs before and after."""
    columns = ["layer", "weights", "weight bits", "input bits"]
    if result.searched:
        columns += ["cosine before", "after"]
    table = new_table("Layers", *columns)
    cosines = {layer: step for step in result.searched for layer in step.layers}
    for row in result.layers:
        step = cosines.get(row.layer)
        found = [f"{step.before:.5f}", f"{step.after:.5f}"] if step else []
        widths = str(row.weight_bits), str(row.input_bits)
        table.add_row(row.layer, f"{row.parameters:,}", *widths, *found)
    return table


def folding_table(result: Compiled) -> Table:
    """The engine of each layer and how it is folded."""
    table = new_table("Folding", "layer", "engine", "PE", "SIMD", "planes", "cycles/frame")
    for name in result.hardware.find(hw.Engine):
        op = result.hardware.op(name)
        planes = "-"
        if isinstance(op, hw.BitSerialArray):
            planes = f"{op.planes} of {_plane_counts(op)}"
        engine = op.title
        if isinstance(op, hw.BitSerialArray) and op.lut_rom:
            engine += ", weights in LUTs"
        table.add_row(name, engine, str(op.pe), str(op.simd), planes, f"{op.rate:,}")
    return table


def _plane_counts(array: hw.BitSerialArray) -> str:
    """Planes of the layer, or the fewest and the most of an output fold."""
    counts = [len(planes) for planes in array.lists]
    few, most = min(counts), max(counts)
    return str(most) if few == most else f"{few}-{most}"


def layer_costs(graph: Graph, report: Report) -> dict[str, tuple[Cost, int]]:
    """Cost and most cycles of each layer, its line buffer, adapters and requantizer included."""
    owner = {name: _owner(graph, name) for name in graph}
    costs: dict[str, tuple[Cost, int]] = {}
    for row in report.rows:
        cost, cycles = costs.get(owner[row.node], (Cost(), 0))
        costs[owner[row.node]] = (cost + row.cost, max(cycles, row.cycles))
    return {name: entry for name, entry in costs.items() if str(entry[0]) != str(Cost())}


_MOVING = hw.Adapter | hw.Window | hw.Pad | hw.Slice | hw.ChannelPad | hw.Fifo
_OF_THE_LAYER_BEFORE = hw.Threshold | hw.Scale | hw.Fork


def _owner(graph: Graph, name: str) -> str:
    """The layer that a module serves: the one before a requantizer, else the one behind."""
    end, last = name, name
    while isinstance(graph.op(end), _MOVING):
        end, last = graph.users(end)[0][0], end
    if isinstance(graph.op(end), hw.Threshold | hw.Scale) or end == name:
        return _layer_before(graph, name)
    return last if isinstance(graph.op(end), hw.Sink | hw.Fork) else end


def _layer_before(graph: Graph, name: str) -> str:
    """The module itself where it computes, else the nearest before it that does."""
    while isinstance(graph.op(name), _MOVING | _OF_THE_LAYER_BEFORE):
        name = graph.inputs(name)[0].node
    return name


def layer_cost_table(graph: Graph, report: Report) -> Table:
    """Resources of each layer."""
    head = ("layer", "cycles/frame", "LUT", "FF", "carry", "BRAM", "DSP")
    table, family = (
        new_table(f"Estimate for {report.device.name}, by layer", *head),
        report.device.family,
    )
    for name, (cost, cycles) in layer_costs(graph, report).items():
        table.add_row(name, f"{cycles:,}", *_figures(cost, family))
    table.add_section()
    table.add_row("total", f"{report.cycles:,}", *_figures(report.total, family))
    return table


def cost_table(report: Report, synth: SynthReport | None = None) -> Table:
    """Resources of each module; with ``synth`` the real figures beside the estimate."""
    head = ["module", "op", "cycles/frame"]
    family = report.device.family
    for what in ("LUT", "FF", "carry", "BRAM", "DSP"):
        head += [what, f"{what} Yosys"] if synth else [what]
    table = new_table(f"Estimate for {report.device.name}", *head)
    for row in report.rows:
        cells = synth.nodes.get(row.node, Cells()) if synth else None
        expected = None if synth else module_errors(family, row.kind)
        figures = _figures(row.cost, family, cells, expected)
        table.add_row(row.node, row.kind, f"{row.cycles:,}", *figures)
    table.add_section()
    expected = None if synth else network_errors(family)
    total = _figures(report.total, family, synth.total if synth else None, expected)
    table.add_row("total", "", f"{report.cycles:,}", *total)
    return table


def _figures(
    cost: Cost, family: str, cells: Cells | None = None, expected: Errors | None = None
) -> list[str]:
    carry = f"{cost.carry:.0f}" if carry_known(family) else "-"
    estimated = [f"{cost.lut:.0f}", f"{cost.ff:.0f}", carry, str(cost.bram), str(cost.dsp)]
    if expected is not None:
        estimated[0] += _beside(cost.lut, expected.lut[0])
        estimated[1] += _beside(cost.ff, expected.ff[0])
        estimated[2] += _beside(cost.carry, expected.carry[0]) if expected.carry else ""
    if cells is None:
        return estimated
    real = [str(n) for n in (cells.lut, cells.ff, cells.carry, cells.bram, cells.dsp)]
    return [text for pair in zip(estimated, real, strict=True) for text in pair]


def _beside(value: float, error: float) -> str:
    """The expected error of a figure, in whole per cent; nothing for nothing."""
    return f" ±{max(100 * error, 1):.0f} %" if value >= 0.5 else ""


def accuracy_line(family: str) -> str:
    """Where the expected errors come from, and what was not measured."""
    modules, networks = module_errors(family, ""), network_errors(family)
    if modules is None:
        return f"family {family} was not compared with Yosys: no errors are known, no carry cells"
    parts = ["± is the median error of held-out modules against Yosys"]
    for what, found in (("whole networks", networks), ("modules", modules)):
        if found is not None:
            parts.append(f"of {found.count} {what} {_spread(found)}")
    return "; ".join(parts)


def _spread(errors: Errors) -> str:
    """Median and worst error of each resource."""
    found = {"LUT": errors.lut, "FF": errors.ff, "carry": errors.carry}
    return ", ".join(
        f"{what} {each[0]:.1%} (worst {each[1]:.1%})" for what, each in found.items() if each
    )


def fifo_line(graph: Graph) -> str:
    """What the FIFOs hold, and what they would if each one before a join held a whole frame."""
    own, worst = fifo_bits(graph)
    if not own:
        return "FIFOs: none"
    times = f"{worst / own:.1f}x"
    return f"FIFOs: {own:,} bits; worst-case sizing, a frame before every join, {worst:,} ({times})"


def summary(report: Report, clock_mhz: float) -> list[str]:
    """Rate, latency and what of the device is used, one line each."""
    used = ", ".join(f"{share:.0f} % {name}" for name, share in report.utilization.items())
    lines = [
        f"{report.cycles:,} cycles a frame = {report.frames_per_second(clock_mhz):,.0f} frames/s "
        f"at {clock_mhz:g} MHz; slowest module: {report.bottleneck}",
        f"latency about {report.latency:,} cycles = "
        f"{report.latency_seconds(clock_mhz) * 1e6:,.0f} µs",
        f"{report.device.name}: {used}",
    ]
    if not report.fits:
        lines.append(f"does NOT fit: {'; '.join(report.shortfalls)}")
    return lines
