"""The command ``train``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from qcompiler.errors import QCompilerError
from qcompiler.report.console import console
from qcompiler.report.progress import Bars

INTERRUPTED = 130


def train(
    data: Annotated[
        Path,
        typer.Option(
            help="npz file: `images`, uint8 (N, H, W, C) or float (N, C, H, W) or (N, F), and "
            "integer `labels`; `classes` may name the classes."
        ),
    ],
    checkpoint_dir: Annotated[
        Path, typer.Option(help="Folder of the run: checkpoint, logs, the network at the end.")
    ],
    method: Annotated[
        str,
        typer.Option(help="csq, lsq, bsq or profit; float trains without quantization."),
    ] = "csq",
    model: Annotated[
        str,
        typer.Option(help="`package.module:function`, called without arguments; from here too."),
    ] = "qcompiler.models.resnet_cifar:ResNet20",
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights to start from: npz or .pt state dict.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="npz file of test images, like --data.")] = None,
    holdout: Annotated[
        float, typer.Option(help="Without --test: the last share of --data, kept out to test.")
    ] = 0.1,
    validation: Annotated[
        float,
        typer.Option(
            help="Share of the training images, 0 to 0.5, kept out to choose between the trained "
            "weights and their mean (profit)."
        ),
    ] = 0.0,
    normalize: Annotated[
        str | None,
        typer.Option(
            help="Of uint8 images, (x/255 - mean)/std: `measured` on them (if left out) or "
            "`imagenet`, as many pretrained weights need."
        ),
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="Instead: a number a channel, as in 0.49,0.48,0.45.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="Goes with --mean.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="csq: average weight bits to reach, such as 3.0.")
    ] = None,
    bits: Annotated[int, typer.Option(help="lsq, profit: weight bits, 2 to 8.")] = 0,
    activations: Annotated[
        int,
        typer.Option(help="Bits of the codes between layers; 0 or 32: left to calibration."),
    ] = 0,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="`NAME=VALUE`, a setting of the method; several times."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 30,
    batch_size: Annotated[int, typer.Option(help="Images a step, of all processes.")] = 128,
    lr: Annotated[float, typer.Option(help="Largest learning rate; a cosine takes it to 0.")] = 0.1,
    momentum: Annotated[float, typer.Option(help="Of SGD.")] = 0.9,
    weight_decay: Annotated[float, typer.Option(help="Of SGD.")] = 5e-4,
    warmup: Annotated[
        float | None, typer.Option(help="Epochs in which the rate rises; 1, or half of fewer.")
    ] = None,
    label_smoothing: Annotated[float, typer.Option(help="0 to 1.")] = 0.0,
    augment: Annotated[
        str | None,
        typer.Option(
            help="none, flip (left-right) or crop-flip (and moved by up to 4 pixels). If left "
            "out: crop-flip for images of three channels, else none."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of initial weights, order, crops, flips and dropout.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    checkpoint_every: Annotated[
        str,
        typer.Option(help="60s, 5m, 1h or a number of steps; and after each epoch."),
    ] = "60s",
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away the run in --checkpoint-dir.")
    ] = False,
) -> None:
    """Train a network to few weight bits: the integers that training ends with are the hardware's.

    E.g. `qcompiler train --data cifar10.npz --budget 3.0 --epochs 30 --checkpoint-dir runs/x`,
    then `qcompiler compile runs/x/net.qc -o build`.

    Ctrl-C, a kill or a power cut loses a minute at most: **the same command goes on** where the
    run was, and ends with the same weights. A run that is finished prints its result again.
    `log.csv` in the folder has a row an epoch.

    To start from a float network, train one with `--method float` and give its
    `--weights runs/float/weights.pt` to the next run, with a lower `--lr` (0.01 to 0.05).

    `--method profit --bits 4 --activations 4` is for MobileNets: bits fall in stages, weights are
    frozen by thirds at the end. `--set freeze=false` and the like switch parts of it off.

    Several processes share each batch: `torchrun --nproc-per-node 2 -m qcompiler train ...`
    """
    from qcompiler.report.train_tables import accuracy_lines, epoch_line, scheme_table
    from qcompiler.train.config import TrainConfig
    from qcompiler.train.interrupt import Interrupted
    from qcompiler.train.log import Row
    from qcompiler.train.options import parse_options
    from qcompiler.verbs.train import train as run

    if normalize is not None and mean is not None:
        raise QCompilerError("--normalize and --mean exclude each other")
    config = TrainConfig(
        data=data,
        checkpoint_dir=checkpoint_dir,
        method=method,
        model=model,
        weights=weights,
        test=test,
        holdout=holdout,
        validation=validation,
        normalize=normalize or "measured",
        mean=_numbers(mean, "--mean"),
        std=_numbers(std, "--std"),
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        warmup=warmup,
        label_smoothing=label_smoothing,
        augment=augment,
        seed=seed,
        threads=threads,
        device=device,
        budget=budget,
        bits=bits,
        activations=activations,
        options=parse_options(setting or []),
        checkpoint_every=checkpoint_every,
    )

    def epoch(row: Row) -> None:
        print(epoch_line(row, epochs), flush=True)  # not by rich, which would cut through the bar

    speaks = os.environ.get("RANK", "0") == "0"
    try:
        with Bars() as bars:
            result = run(config, restart=restart, progress=bars, on_epoch=epoch)
    except Interrupted as stop:
        if speaks:
            print(f"qcompiler: interrupted: {stop}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if speaks:
        out = console()
        if result.layers:
            out.print(scheme_table(result))
        for line in accuracy_lines(result):
            out.print(line)


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """``0.49,0.48`` as numbers."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise QCompilerError(
            f"{text!r} is no list of numbers", where=option, hint="write 0.49,0.48,0.45"
        ) from None
