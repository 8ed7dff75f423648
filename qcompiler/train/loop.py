"""The training loop: steps, epochs, checkpoints, and going on after a stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qcompiler.errors import QCompilerError
from qcompiler.progress import Progress
from qcompiler.quant.qat.method import Averaged, Method, Taught
from qcompiler.train.accuracy import laid_out, soft_accuracy
from qcompiler.train.average import WeightAverage
from qcompiler.train.batches import NOISE, Batches, derived
from qcompiler.train.checkpoint import Checkpoint, Position, Sums, write_checkpoint
from qcompiler.train.config import TrainConfig, every
from qcompiler.train.dataset import Part
from qcompiler.train.interrupt import Interrupted, Stop
from qcompiler.train.log import LayerColumns, Log, Row
from qcompiler.train.optimizer import begins_stage, make_optimizer, rate, set_rate
from qcompiler.train.processes import Processes

OnEpoch = Callable[[Row], None]


@dataclass(frozen=True, eq=False)
class Run:
    """What stays the same for all steps.

    Args:
        config: Resolved.
        asked: Its identity as it was given, for checkpoints.
        digest: Of the data.
        model: Prepared by the method, on the processes' device.
        batches: Of the training images.
        test: On the same device.
        validation: The same, where there is any.
        memory: Layout that the model takes images in.
    """

    config: TrainConfig
    asked: dict[str, Any]
    digest: str
    method: Method
    model: nn.Module
    batches: Batches
    test: Part
    memory: torch.memory_format
    processes: Processes
    validation: Part | None = None

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.config.epochs * self.batches.steps


@dataclass(frozen=True)
class Choice:
    """Which weights were kept, ``trained`` or their ``mean``, and their validation accuracy."""

    kept: str
    accuracy: float


class Trainer:
    """Trains from a checkpoint, or from the start, to the last epoch.

    Args:
        found: Where to go on; the model and the optimizer take its state.
        on_epoch: Called in the first process with each epoch's row.
    """

    def __init__(
        self, run: Run, found: Checkpoint | None, progress: Progress, on_epoch: OnEpoch | None
    ) -> None:
        self.run, self.progress, self.on_epoch = run, progress, on_epoch
        self.total = run.total
        self.optimizer = make_optimizer(run.method, run.model, run.config)
        self.new, self.position = found is None, Position()
        self.accuracy: float | None = None
        self.average = _average(run, self.total)
        self.choice: Choice | None = None
        if found is not None:
            self._restore(found)
        folder, first = run.config.checkpoint_dir, run.processes.first
        self.log = Log(folder, found.log if found else {}) if first else None
        self.seconds, self.steps = every(run.config.checkpoint_every)
        self._saved = time.monotonic()

    def train(self, stop: Stop) -> float:
        """Accuracy of the soft network after the last epoch, 0 to 1.

        Raises:
            Interrupted: ``stop`` was wanted; a checkpoint is written.
            QCompilerError: The loss is not finite, or the folder cannot be written.
        """
        if self.new:
            self.save()  # the folder is a run from now on
        while self.position.epoch < self.run.config.epochs:
            self._steps(stop)
            self.save()  # what comes now takes long, and is done anew after a stop
            with stop.at_once(self._stopped("measured next")):
                self._end_epoch()
        assert self.accuracy is not None
        if self.run.validation is not None:
            with stop.at_once(self._stopped("chosen next")):
                self._choose(self.run.validation)
        return self.accuracy

    def save(self) -> None:
        """Write a checkpoint, in the first process."""
        self._saved = time.monotonic()
        run = self.run
        if not all(bool(torch.isfinite(p).all()) for p in run.model.parameters()):
            raise self._diverged("a parameter is NaN or infinite")
        if self.log is None:
            return
        checkpoint = Checkpoint(
            asked=run.asked,
            config=run.config.json(),
            digest=run.digest,
            position=self.position,
            log=self.log.position(),
            accuracy=self.accuracy,
            model=run.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            average={} if self.average is None else self.average.state(),
        )
        write_checkpoint(checkpoint, run.config.checkpoint_dir)

    # ---- an epoch ----------------------------------------------------------------------

    def _steps(self, stop: Stop) -> None:
        """What is left of the epoch's steps."""
        run, epochs, steps = self.run, self.run.config.epochs, self.run.batches.steps
        run.model.train()
        self.progress.begin(f"epoch {self.position.epoch + 1} of {epochs}", steps)
        try:
            self.progress.advance(self.position.step)
            while self.position.step < steps:
                agreed = self._step(stop.wanted)
                self.progress.advance()
                if agreed or (run.processes.world == 1 and stop.wanted):
                    self.save()
                    raise Interrupted(self._stopped("saved"))
                if self._due():
                    self.save()
        finally:
            self.progress.end()

    def _step(self, stopping: bool) -> bool:
        """One step of SGD; whether any process is asked to stop."""
        begun = time.perf_counter()
        run, here = self.run, self.position
        number = here.epoch * run.batches.steps + here.step
        self._seed()
        set_rate(self.optimizer, rate(run.config, number, run.batches.steps, run.method))
        if begins_stage(run.method, number, self.total):
            self.optimizer.state.clear()
        run.method.begin_step(run.model, number / self.total)
        loss, penalty, right = self._backward(*run.batches(here.epoch, here.step))
        figures = torch.stack([loss, penalty, right, torch.full_like(loss, float(stopping))])
        means = run.processes.average(run.model, figures).tolist()
        if not math.isfinite(means[0] + means[1]):
            raise self._diverged(f"the loss is {means[0]:g}, the penalty {means[1]:g}")
        self.optimizer.step()
        if self.average is not None:
            self.average.update(run.model, number)
        sums = Sums(
            here.sums.loss + means[0],
            here.sums.penalty + means[1],
            here.sums.right + means[2] * run.processes.world,
            here.sums.images + run.batches.size,
            here.sums.seconds + time.perf_counter() - begun,
        )
        self.position = Position(here.epoch, here.step + 1, sums)
        return bool(means[3] > 0)

    def _backward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of this process; its loss, penalty and number of right answers."""
        run = self.run
        images = laid_out(images, run.memory)
        logits = run.model(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=run.config.label_smoothing)
        penalty = self._added(images, logits)
        self.optimizer.zero_grad(set_to_none=True)
        (loss if penalty is None else loss + penalty).backward()  # type: ignore[no-untyped-call]
        right = (logits.detach().argmax(1) == labels).sum().float()
        added = torch.zeros_like(loss) if penalty is None else penalty.detach().float().reshape(())
        return loss.detach().float(), added, right

    def _added(self, images: Tensor, logits: Tensor) -> Tensor | None:
        """What the method adds to the loss."""
        method: object = self.run.method
        terms = [self.run.method.penalty(self.run.model)]
        if isinstance(method, Taught):
            terms.append(method.distillation(images, logits))
        found = [term for term in terms if term is not None]
        return torch.stack(found).sum() if found else None

    def _end_epoch(self) -> None:
        """Let the method act, measure, log, save; a stop in between repeats all of it."""
        run, here = self.run, self.position
        begun = time.perf_counter()
        epochs, steps = run.config.epochs, run.batches.steps
        self._seed()
        run.method.end_epoch(run.model, (here.epoch + 1) / epochs)
        self.accuracy = self._measured(run.test)
        sums = here.sums
        row = Row(
            epoch=here.epoch + 1,
            lr=rate(run.config, (here.epoch + 1) * steps - 1, steps, run.method),
            train_loss=sums.loss / steps,
            train_accuracy=sums.right / sums.images,
            test_accuracy=self.accuracy,
            penalty=sums.penalty / steps,
            seconds=sums.seconds + time.perf_counter() - begun,
            method=run.method.columns(run.model),
        )
        if self.log is not None:
            method: object = run.method
            layers = method.layer_columns(run.model) if isinstance(method, LayerColumns) else {}
            self.log.add(row, layers)
        self.position = Position(here.epoch + 1)
        self.save()
        if self.log is not None and self.on_epoch is not None:
            self.on_epoch(row)

    def _choose(self, validation: Part) -> None:
        """Keep the trained weights or their mean, whichever is better on images kept out."""
        own = self._measured(validation)
        self.choice = Choice("trained", own)
        if self.average is None:
            return
        self.average.exchange(self.run.model)
        mean = self._measured(validation)
        if mean > own:
            self.choice = Choice("mean", mean)
            self.accuracy = self._measured(self.run.test)
        else:
            self.average.exchange(self.run.model)

    def _measured(self, part: Part) -> float:
        run = self.run
        place = (part, run.batches.pixels, run.memory, run.processes)
        return soft_accuracy(run.model, *place, self.progress)

    def _seed(self) -> None:
        """What draws from torch's global state, such as dropout, draws the same after a stop."""
        seed = derived(self.run.config.seed, self.position.epoch, self.position.step, NOISE)
        torch.default_generator.manual_seed(seed)
        if self.run.processes.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    # ---- checkpoints ----------------------------------------------------------------------

    def _due(self) -> bool:
        if self.position.step == self.run.batches.steps:
            return False  # the end of the epoch saves
        if self.steps:
            return self.position.step % self.steps == 0
        return time.monotonic() - self._saved >= self.seconds

    def _restore(self, found: Checkpoint) -> None:
        where = str(self.run.config.checkpoint_dir)
        try:
            self.run.model.load_state_dict(found.model)
            self.optimizer.load_state_dict(found.optimizer)
            if self.average is not None:
                self.average.restore(found.average)
        except (RuntimeError, ValueError, KeyError) as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
            raise QCompilerError(
                f"its checkpoint does not fit the model or the method as they are now: {text}",
                where=where,
                hint="undo the change to go on, or start over with --restart",
            ) from error
        self.position, self.accuracy = found.position, found.accuracy

    def _stopped(self, what: str) -> str:
        here, run = self.position, self.run
        return (
            f"epoch {here.epoch + 1}, step {here.step} of {run.batches.steps}, {what}; run the "
            f"same command again to go on from {run.config.checkpoint_dir}"
        )

    def _diverged(self, what: str) -> QCompilerError:
        here, run = self.position, self.run
        place = f"step {here.step} of {run.batches.steps} in epoch {here.epoch + 1}"
        if here.epoch and not here.step:
            place = f"epoch {here.epoch}"
        return QCompilerError(
            f"{what} after {place}",
            where="training",
            hint=f"take a lower --lr than {run.config.lr:g}, or more --warmup, and --restart; "
            f"the last good checkpoint stays in {run.config.checkpoint_dir}",
        )


def _average(run: Run, total: int) -> WeightAverage | None:
    """The running mean of the weights, where the method wants one and images can judge it."""
    method: object = run.method
    if run.validation is None or not isinstance(method, Averaged) or not method.averaging(0.0)[0]:
        return None
    return WeightAverage(method, run.model, total)
