"""The verb ``train``: a model and labelled images to a quantized nn graph, with checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from qcompiler.errors import QCompilerError
from qcompiler.frontend.torch_export import import_module
from qcompiler.models.weights import load_weights
from qcompiler.progress import QUIET, Progress
from qcompiler.quant.qat.export import match_layers
from qcompiler.quant.qat.method import Method, Staged, Taught
from qcompiler.quant.qat.weights import formed_layers
from qcompiler.train.batches import Batches, derived
from qcompiler.train.checkpoint import Checkpoint
from qcompiler.train.config import TrainConfig
from qcompiler.train.dataset import TrainData, load_data
from qcompiler.train.finish import SAMPLES, finish
from qcompiler.train.folder import check_data, clear, create, identity, open_run
from qcompiler.train.interrupt import Interrupted, watched
from qcompiler.train.loop import OnEpoch, Run, Trainer
from qcompiler.train.methods import make_method
from qcompiler.train.network import check_output, layout, make_model
from qcompiler.train.pages import keep_pages
from qcompiler.train.pixels import pixels, resolve
from qcompiler.train.processes import Processes, check_shares, joined
from qcompiler.train.result import Trained, read_result

__all__ = ["Interrupted", "TrainConfig", "Trained", "train"]


def train(
    config: TrainConfig,
    *,
    method: Method | None = None,
    restart: bool = False,
    progress: Progress = QUIET,
    on_epoch: OnEpoch | None = None,
) -> Trained:
    """Train a model so that its weights become few bits; go on where a stopped run is.

    Killed at any moment and called again with the same configuration, on the same CPU and with as
    many threads, it ends with the same weights, bit for bit, as if it had not been. A run that is
    finished gives its result again. Under torchrun every process calls it; all get the result.

    Args:
        config: Data, model, settings and the run's folder.
        method: One that is not in the table; its name takes the place of ``config.method``.
        restart: Throw away the run that the folder holds.
        on_epoch: Called with each epoch's row of the log, in the first process.

    Raises:
        QCompilerError: For anything that cannot be used; the folder is as it was then.
        Interrupted: After Ctrl-C; a checkpoint is written.
    """
    if method is None:
        method = make_method(config)
    else:
        config = replace(config, method=method.name)
    folder = config.checkpoint_dir
    with joined(config.device) as processes, _own_state(config, processes):
        check_shares(config.batch_size, processes.world)
        found = open_run(config, restart)
        if found is not None and found.done and (result := read_result(folder)) is not None:
            return result
        data = load_data(config)
        if found is not None:
            check_data(found, data.digest, config)
        run = _prepare(config, method, data, found, processes)
        if processes.first:
            create(folder)
            if found is None:
                clear(folder)
        processes.wait()
        trainer = Trainer(run, found, progress, on_epoch)
        done = f"all epochs are trained; run the same command again to finish {folder}"
        with watched() as stop:
            soft = trainer.train(stop)
            with stop.at_once(done):
                if processes.first:
                    model = run.model.cpu()
                    look = run.batches.pixels
                    finish(run.config, method, model, data, look, soft, progress, trainer.choice)
                processes.wait()
    finished = read_result(folder)
    if finished is None:
        raise QCompilerError(
            "holds no result", where=str(folder), hint="all processes need the same folder"
        )
    return finished


def _prepare(
    config: TrainConfig,
    method: Method,
    data: TrainData,
    found: Checkpoint | None,
    processes: Processes,
) -> Run:
    """The model, checked and in the method's form, and the images on the device."""
    resolved = resolve(config, data.train)
    look = pixels(resolved)
    samples = look(data.train.images[:SAMPLES])
    model = make_model(config.model, config.seed)
    if found is None and config.weights is not None:
        load_weights(model, config.weights)  # a checkpoint has its own
    check_output(model, samples, data.classes, data.named)
    abilities: object = method
    if isinstance(abilities, Taught) and abilities.teacher is not None:
        check_output(abilities.teacher, samples, data.classes, data.named, where="teacher")
    memory = layout(model, samples)
    graph = import_module(model.eval(), (samples[:2],))  # not after hours: can it be compiled?
    torch.default_generator.manual_seed(derived(config.seed, 0))
    model = method.prepare(model, samples).to(processes.device)
    if layers := list(formed_layers(model)):
        match_layers(graph, layers)
    share = (processes.rank, processes.world)
    train = data.train.to(processes.device)
    size, augment = config.batch_size, resolved.augment or "none"
    batches = Batches(train, look, size, config.seed, augment, *share)
    test = data.test.to(processes.device)
    asked = identity(config)
    kept_out = None if data.validation is None else data.validation.to(processes.device)
    run = Run(
        resolved, asked, data.digest, method, model, batches, test, memory, processes, kept_out
    )
    if isinstance(abilities, Staged):
        abilities.plan(run.total)
    return run


@contextmanager
def _own_state(config: TrainConfig, processes: Processes) -> Iterator[None]:
    """torch's threads and random numbers are the caller's again afterwards."""
    keep_pages()
    threads = torch.get_num_threads()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    gpus = [processes.device] if processes.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=gpus):
            yield
    finally:
        torch.set_num_threads(threads)
