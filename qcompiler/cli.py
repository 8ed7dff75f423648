"""The command line: parse, call the library, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from qcompiler import __version__
from qcompiler.cli_energy import energy
from qcompiler.cli_explore import explore
from qcompiler.cli_train import INTERRUPTED, train
from qcompiler.errors import QCompilerError
from qcompiler.report.console import console
from qcompiler.report.progress import Bars

EPILOG = "Start with `qcompiler demo`: it runs every step on real data and says what it did."


app = typer.Typer(
    help="Compile a trained network into accelerator Verilog that is verified bit by bit.",
    epilog=EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
out = console()

UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])  # its module varies with typer


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"qcompiler {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(help="Network that `torch.export.save` wrote (.pt2).")],
    calibration: Annotated[
        Path, typer.Option(help="Inputs as the network takes them, float (N, ...), .npz or .npy.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the quantized graph.")],
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            "--bits",
            help="Weight bits, 1 to 8, `auto`, or a YAML/JSON table `layer: bits`.",
        ),
    ] = "8",
    budget: Annotated[
        float | None, typer.Option(help="For `--weights auto`: average bits to stay within.")
    ] = None,
    budget_kind: Annotated[
        str,
        typer.Option(
            help="What the budget averages: size (weights), cycles (of bit-serial arrays) or lut."
        ),
    ] = "size",
    activations: Annotated[int, typer.Option(help="Bits of the codes between layers, 1 to 8.")] = 8,
    input_bits: Annotated[int, typer.Option(help="Bits of the network input, 1 to 8.")] = 8,
    output_bits: Annotated[int, typer.Option(help="Bits of the network output, 2 to 16.")] = 12,
    residual_bits: Annotated[
        int, typer.Option(help="Least bits of a branch that only feeds an addition.")
    ] = 8,
    method: Annotated[
        str,
        typer.Option(
            help="easyquant, max-abs, percentile, kl, mse or reconstruct (docs say more)."
        ),
    ] = "easyquant",
    percentile: Annotated[float, typer.Option(help="For --method percentile.")] = 99.99,
    correct: Annotated[
        str, typer.Option(help="Put right after quantization: none, bias or batch-norm.")
    ] = "none",
    samples: Annotated[
        int, typer.Option(help="Most calibration samples that a search works on.")
    ] = 64,
    candidates: Annotated[int, typer.Option(help="Scales that easyquant tries a search.")] = 100,
    iterations: Annotated[int, typer.Option(help="Steps of reconstruct for each block.")] = 600,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds that easyquant is to stay within.")
    ] = None,
) -> None:
    """Quantize a trained network, from a calibration set.

    A table gives widths layer by layer, e.g. `conv1: 8` or `conv2: {weights: 4, activations: 6}`;
    the line `default: 4` sets the others.
    """
    from qcompiler.quant.config import QuantConfig, parse_weights
    from qcompiler.report.tables import layer_table
    from qcompiler.verbs.quantize import quantize as run

    if (weights == "auto") != (budget is not None):
        raise QCompilerError("--weights auto and --budget BITS go together")
    bits, layers = (8, {}) if weights == "auto" else parse_weights(weights)
    config = QuantConfig(
        weights=bits,
        activations=activations,
        input_bits=input_bits,
        output_bits=output_bits,
        residual_bits=residual_bits,
        method=method,
        percentile=percentile,
        layers=layers,
        correct=correct,
        samples=samples,
        candidates=candidates,
        iterations=iterations,
        seconds=time_budget,
        budget=budget,
        budget_kind=budget_kind,
    )
    with Bars() as bars:
        result = run(model, calibration, config, out=output, progress=bars)
    out.print(layer_table(result))
    for note in result.notes:
        out.print(f"note: {note}")
    out.print(
        "integer against float network on the calibration set: "
        f"{result.signal_to_noise_db:.1f} dB, same top-1 on {100 * result.agreement:.1f} %"
    )
    out.print(f"wrote {output} (compile it with: qcompiler compile {output} -o build/)")


app.command()(train)


@app.command()
def compile(
    network: Annotated[Path, typer.Argument(help="Folder that `qcompiler quantize` wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the Verilog.")],
    target: Annotated[str, typer.Option(help="Device, e.g. ecp5-85k or xc7a100t.")] = "ecp5-85k",
    fps: Annotated[float | None, typer.Option(help="Frames per second to reach.")] = None,
    lut: Annotated[
        int | None, typer.Option(help="LUT budget instead of --fps. Neither: half of the device.")
    ] = None,
    clock: Annotated[
        float | None, typer.Option(help="Clock in MHz; the device's usual one.")
    ] = None,
    requant: Annotated[
        str, typer.Option(help="auto, exact (step tables only) or scale (multipliers).")
    ] = "auto",
    top: Annotated[str, typer.Option(help="Name of the top module.")] = "qc_top",
    engine: Annotated[
        list[str] | None,
        typer.Option(
            help="`LAYER=ENGINE`, or `ENGINE` for the other layers: bitserial, depthwise, direct, "
            "winograd (2x2 outputs), winograd4, hardwired or auto. May be given several times."
        ),
    ] = None,
    partial_sums: Annotated[
        int | None,
        typer.Option(help="Bits of partial sums in engines of multipliers, such as 16."),
    ] = None,
    oversize: Annotated[
        bool, typer.Option("--oversize", help="Build also what the block RAM does not hold.")
    ] = False,
    pipeline: Annotated[
        str, typer.Option(help="Registers on the way: lean, balanced or fast (more clock).")
    ] = "balanced",
    dump_after: Annotated[
        list[str] | None, typer.Option(help="Print the graph after this pass (`all`: every pass).")
    ] = None,
) -> None:
    """Compile a quantized network to Verilog, memories, a manifest and a cost table."""
    from qcompiler.passes.engines import parse_engines
    from qcompiler.report.tables import cost_table, fifo_line, folding_table, summary
    from qcompiler.verbs.compile import PASSES, Target
    from qcompiler.verbs.compile import compile as run

    wanted = set(dump_after or ())
    if unknown := sorted(wanted - {"all", *PASSES}):
        raise QCompilerError(
            f"--dump-after: no pass is called {', '.join(unknown)}",
            hint=f"the passes are {', '.join(PASSES)}, or all",
        )

    def after(name: str, graph: object) -> None:
        if wanted & {name, "all"}:
            print(f"# after {name}\n{graph}\n")

    with Bars() as bars:
        goal = Target(
            target,
            fps,
            lut,
            clock,
            requant,
            top,
            engines=parse_engines(engine or []),
            partial_bits=partial_sums,
            oversize=oversize,
            pipeline=pipeline,
        )
        result = run(network, goal, out=output, after=after, progress=bars)
    out.print(folding_table(result))
    out.print(cost_table(result.report))
    for line in summary(result.report, result.clock_mhz):
        out.print(line)
    out.print(fifo_line(result.hardware))
    if result.advice:
        out.print(result.advice)
    out.print(f"bound by {result.limit}")
    differ = sum(r.differences for r in result.requantizers)
    values = sum(r.domain for r in result.requantizers)
    out.print(
        f"requantizers: {differ:,} of {values:,} accumulator values give another code than "
        "exact rounding"
    )
    out.print(f"wrote {output} (check it with: qcompiler verify {output} --inputs images.npz)")


@app.command()
def verify(
    build: Annotated[Path, typer.Argument(help="Folder that `qcompiler compile` wrote.")],
    inputs: Annotated[
        Path | None, typer.Option(help="Inputs as the network takes them, .npz or .npy.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Use only the first so many inputs.")
    ] = None,
    random: Annotated[int, typer.Option(min=0, help="Frames of random codes to add.")] = 0,
    stall: Annotated[
        float,
        typer.Option(
            help="Share of cycles stalled: a run with a slow source, one with a slow sink."
        ),
    ] = 0.0,
    extremes: Annotated[
        bool, typer.Option(help="Add a frame of all least, one of all largest codes.")
    ] = True,
    reset: Annotated[bool, typer.Option(help="Add a run with a reset in mid-frame.")] = False,
    tensors_only: Annotated[
        bool,
        typer.Option("--tensors-only", help="Watch only the streams that make a tensor: faster."),
    ] = False,
    waves: Annotated[
        bool, typer.Option(help="Leave a VCD waveform of the frame that fails.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of stalls and random frames.")] = 1,
) -> None:
    """Simulate with cocotb and Verilator; every stream must equal the integer reference.

    On a difference it names the first node, frame, pixel and channel, and both values.
    """
    from qcompiler.verbs.verify import lopsided
    from qcompiler.verbs.verify import verify as run

    if not 0 <= stall < 1:
        raise QCompilerError(f"--stall {stall} is outside [0, 1)")
    with Bars() as bars:
        result = run(
            build,
            inputs,
            frames=frames,
            stalls=lopsided(stall),
            extremes=extremes,
            random_frames=random,
            reset=reset,
            every_stream=not tensors_only,
            waves=waves,
            seed=seed,
            progress=bars,
        )
    speed = result.cycles / result.seconds / 1000 if result.seconds else 0
    out.print(
        f"bit-exact: {result.frames} frames, {result.streams} streams, {result.beats:,} beats "
        "compared, 0 differences"
    )
    out.print(
        f"{result.cycles_per_frame:,} cycles a frame, latency {result.latency:,} cycles; "
        f"simulated {result.cycles:,} cycles in {result.seconds:.1f} s ({speed:,.0f} kcycles/s)"
    )


@app.command()
def estimate(
    build: Annotated[Path, typer.Argument(help="Folder that `qcompiler compile` wrote.")],
    target: Annotated[
        str | None, typer.Option(help="Another device than it was compiled for.")
    ] = None,
) -> None:
    """Estimate LUT, FF, BRAM, DSP, cycles, latency and clock, by module; no tool is run."""
    from qcompiler.report.clock import clock_line
    from qcompiler.report.tables import accuracy_line, cost_table, fifo_line, summary
    from qcompiler.verbs.build import Build
    from qcompiler.verbs.estimate import estimate as run

    folder = Build.read(build)
    report = run(folder, target)
    out.print(cost_table(report))
    for line in summary(report, folder.clock_on(report.device)):
        out.print(line)
    out.print(clock_line(folder.hardware, report.device, report.cycles))
    out.print(fifo_line(folder.hardware))
    out.print(accuracy_line(report.device.family))


@app.command()
def synth(
    build: Annotated[Path, typer.Argument(help="Folder that `qcompiler compile` wrote.")],
    target: Annotated[
        str | None,
        typer.Option(help="Another device than it was compiled for; `asic`: gate equivalents."),
    ] = None,
    pnr: Annotated[
        bool, typer.Option("--pnr", help="Place and route with nextpnr: clock and bitstream.")
    ] = False,
    freq: Annotated[
        float | None, typer.Option(help="--pnr: clock to aim at, MHz; that of the build.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="--pnr: of the placement.")] = 1,
    speed: Annotated[
        int | None, typer.Option(help="--pnr: speed grade, 6 to 8 on ECP5; the slowest.")
    ] = None,
    pins: Annotated[
        Path | None, typer.Option("--lpf", "--pcf", help="--pnr: pins of a board.")
    ] = None,
) -> None:
    """Synthesize with Yosys: real figures beside the estimate; with --pnr a bitstream."""
    from qcompiler.flows.pnr import Placement
    from qcompiler.report import synth as show
    from qcompiler.verbs import synth as verb
    from qcompiler.verbs.build import Build

    if not pnr and (freq, seed, speed, pins) != (None, 1, None, None):
        raise QCompilerError(
            "is of place and route",
            where="--freq, --seed, --speed, --lpf or --pcf",
            hint="give --pnr with it",
        )
    folder = Build.read(build)
    with Bars() as bars:
        if pnr:
            placement = Placement(freq, seed, speed, pins)
            placed = verb.place(folder, target, placement, progress=bars)
            lines = show.placed(folder.hardware, placed)
        elif target == verb.ASIC:
            lines = show.gates(folder.hardware, verb.gates(folder, progress=bars))
        else:
            lines = show.synthesized(folder, target, verb.synth(folder, target, progress=bars))
    for line in lines:
        out.print(line)


app.command()(energy)
app.command()(explore)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for all results.")] = Path(
        "demo"
    ),
    images: Annotated[int, typer.Option(min=1, help="Held-out images to simulate.")] = 20,
) -> None:
    """Train, quantize, compile and verify a small network on handwritten digits, in minutes."""
    from qcompiler.report.demo import print_demo
    from qcompiler.verbs.demo import demo as run

    with Bars() as bars:
        result = run(output, images=images, progress=bars)
    print_demo(result, out)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 2 for a user's mistake; a bug keeps its traceback (1)."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = app(args=given or ["--help"], prog_name="qcompiler", standalone_mode=False)
    except QCompilerError as error:
        print(f"qcompiler: error: {error}", file=sys.stderr)
        sys.exit(2)
    except UsageError as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "qcompiler"
        print(f"qcompiler: error: {error.format_message()}", file=sys.stderr)  # type: ignore[attr-defined]
        print(f"  hint: `{command} --help` lists what it takes", file=sys.stderr)
        sys.exit(2)
    if code == INTERRUPTED:
        print("qcompiler: interrupted", file=sys.stderr)
    sys.exit(code)
