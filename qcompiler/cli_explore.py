"""The command ``explore``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qcompiler.cli_train import INTERRUPTED
from qcompiler.errors import QCompilerError
from qcompiler.report.console import console
from qcompiler.report.progress import Bars


def explore(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="One float network (.pt2) with --calibration, or folders of `qcompiler quantize`."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the sweep; kept and added to.")
    ],
    bits: Annotated[
        str | None,
        typer.Option(
            help="Widths to quantize a .pt2 to: `4` for weights and codes, `4/8` for each; "
            "8,6,4,3,2."
        ),
    ] = None,
    target: Annotated[str, typer.Option(help="Devices, separated by commas.")] = "ecp5-85k",
    fps: Annotated[
        str | None, typer.Option(help="Frames per second to reach, each a goal.")
    ] = None,
    lut: Annotated[
        str | None,
        typer.Option(
            help="LUT budgets, each a goal: `20000`, or `50%` of a device. Without --fps and "
            "--lut: 10%,25%,50%,80%."
        ),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Inputs to quantize a .pt2 with, as `quantize` takes them.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="npz file of images, as the network takes them, and labels: top-1."),
    ] = None,
    test_images: Annotated[int, typer.Option(min=1, help="Most images of --test.")] = 1000,
    method: Annotated[
        str | None,
        typer.Option(help="Of quantization of a .pt2, as `quantize --method` takes it; mse."),
    ] = None,
    clock: Annotated[
        float | None, typer.Option(help="Clock in MHz; each device's usual one.")
    ] = None,
    requant: Annotated[
        str, typer.Option(help="auto, exact (step tables only) or scale (multipliers).")
    ] = "auto",
    engine: Annotated[
        list[str] | None, typer.Option(help="As `compile --engine` takes it; `auto` for the best.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Local processes; 1: this one.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="A dask scheduler instead, such as tcp://host:8786.")
    ] = None,
) -> None:
    """Sweep widths, rates or LUT budgets, and devices: what is the best that fits?

    E.g. `qcompiler explore net.pt2 --calibration images.npz --bits 8,4,3 --target
    ecp5-85k,xc7a100t --fps 100,1000,10000 -o sweep` folds 18 designs, estimates each and writes
    `pareto.png`, `pareto.html`, `points.csv` and `points.json` to `sweep`. No tool is run and no
    Verilog written: compile the point that you like.

    Points are kept as they are done. After Ctrl-C, and with more devices or goals, the same folder
    goes on: only what is missing is computed. A point of other settings is another point.

    Accuracy is top-1 of the integer network on --test; without it, for a .pt2, how far the integer
    network's outputs are from the float network's on the calibration set, as a signal-to-noise
    ratio in dB.

    Several machines: start `dask scheduler` and `dask worker` there, with qcompiler installed, and
    give its address to --scheduler. Files are read and written here alone.
    """
    from qcompiler.flows.workers import Workers, need
    from qcompiler.passes.engines import parse_engines
    from qcompiler.quant.config import QuantConfig
    from qcompiler.report.pareto import reasons, sweep_table, write_tables
    from qcompiler.report.pareto_plot import draw_html, draw_png
    from qcompiler.verbs.compile import Target
    from qcompiler.verbs.explore import Sweep
    from qcompiler.verbs.explore import explore as run
    from qcompiler.verbs.explore_points import Result

    need("matplotlib", "3.8")
    need("plotly", "6")
    if (bits or method) and not any(path.suffix == ".pt2" for path in models):
        raise QCompilerError(
            "is for a float network, these are quantized",
            where="--bits" if bits else "--method",
            hint="leave it out, or give a .pt2 with --calibration",
        )
    sweep = Sweep(
        devices=_words(target, "--target"),
        fps=_numbers(fps, "--fps"),
        lut=_words(lut, "--lut") if lut else (),
        bits=_widths(bits or "8,6,4,3,2"),
        config=QuantConfig(method=method or "mse"),
        target=Target(clock_mhz=clock, requant=requant, engines=parse_engines(engine or [])),
        test_images=test_images,
    )
    done: list[Result] = []
    try:
        with Bars() as bars:
            results = run(
                models, sweep, output, calibration=calibration, test=test,
                workers=Workers(workers, scheduler), progress=bars, on_result=done.append,
            )  # fmt: skip
    except KeyboardInterrupt:
        print(
            f"qcompiler: interrupted: {len(done)} points are in {output}; the same command goes on",
            file=sys.stderr,
        )
        sys.exit(INTERRUPTED)
    out = console()
    out.print(sweep_table(results))
    for reason in reasons(results):
        out.print(f"note: {reason}")
    paths = [*write_tables(results, output), output / "pareto.png", output / "pareto.html"]
    draw_png(results, paths[-2])
    draw_html(results, paths[-1])
    out.print(f"wrote {', '.join(map(str, paths))}")
    out.print(f"the networks to compile are in {output / 'networks'}")
    if not any(result.built for result in results):
        raise QCompilerError(
            f"none of the {len(results)} points can be built",
            where=str(output),
            hint="the notes above say why: ask for less, or name larger devices",
        )


def _words(text: str, option: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise QCompilerError("is empty", where=option, hint="separate several by commas")
    return words


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    """``100,1000`` as numbers."""
    if text is None:
        return ()
    try:
        return tuple(float(word) for word in _words(text, option))
    except ValueError:
        raise QCompilerError(
            f"{text!r} is no list of numbers", where=option, hint="write 100,1000,10000"
        ) from None


def _widths(text: str) -> tuple[tuple[int, int], ...]:
    """``8,4/8`` as bits of weights and of codes."""
    found = []
    for word in _words(text, "--bits"):
        weights, _, codes = word.partition("/")
        try:
            pair = int(weights), int(codes or weights)
        except ValueError:
            pair = 0, 0
        if not all(1 <= n <= 8 for n in pair):
            raise QCompilerError(
                f"{word!r} is no width",
                where="--bits",
                hint="write 4 for weights and codes of 4 bits, 4/8 for codes of 8; 1 to 8 each",
            )
        found.append(pair)
    return tuple(found)
