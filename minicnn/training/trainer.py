"""The loop: a batch forward, its loss, the loss's gradient backward, a step of the optimizer; and so on."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isfinite, nan

import numpy as np

from minicnn.errors import UsageError
from minicnn.layers import Sequential
from minicnn.training.batches import Batches, as_batches
from minicnn.training.evaluation import evaluate
from minicnn.training.feeding import feed
from minicnn.training.history import Epoch
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.metrics import RunningTotals
from minicnn.training.normalization import Normalization
from minicnn.training.optimizers import Optimizer
from minicnn.training.progress import Moment, Progress
from minicnn.training.schedules import Schedule, constant

LOOK_INTERVAL = 0.5  # seconds between two looks at the loss; each makes a GPU's queue run empty


class Diverged(UsageError):
    """The loss is no finite number any more."""


class Trainer:
    """Trains a network on batches, epoch after epoch, and validates it after each.

    net: any Sequential that ends in logits, on `device`. optimizer: over its parameters; its `lr` is the highest rate,
    which `schedule` moves over `epochs` epochs. normalization: bytes to floats; floats are taken as they are. device:
    "cpu" or "gpu". progress: what is told as it goes; `PlainProgress` prints a line an epoch. `history` holds a row for
    each epoch that is done; training begins after the last of them.
    """

    def __init__(
        self, net: Sequential, optimizer: Optimizer, *, epochs: int, loss: SoftmaxCrossEntropy | None = None,
        schedule: Schedule = constant, normalization: Normalization | None = None, device: str = "cpu",
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.net = net
        self.optimizer = optimizer
        self.epochs = epochs
        self.loss = loss or SoftmaxCrossEntropy()
        self.schedule = schedule
        self.normalization = normalization or Normalization()
        self.device = device
        self.progress = progress or Progress()
        self.highest_lr = optimizer.lr
        self.history: list[Epoch] = []
        self._warm = False

    def train(
        self, training: object, validation: object = None, after_epoch: Callable[[Trainer], None] | None = None, *,
        batch_size: int = 32, seed: int = 0,
    ) -> None:  # fmt: skip
        """Train for the epochs that are not done yet, calling `after_epoch` with the trainer at the end of each.

        training, validation: two arrays (x, labels), x being (N, …) samples as the network reads them or (N, H, W, C)
        uint8 pictures; or a list of such batches (x, labels); or a `minicnn.data.Loader`, or what else has its
        `epoch(number)` and length. Without validation, the history has NaN in its place. batch_size, seed: of arrays
        alone, which are cut into batches, in training in a new order every epoch.
        Raises UsageError for what cannot be trained on and, before `after_epoch` sees the epoch, Diverged when a loss
        is infinite or no number.
        """
        batches = as_batches(training, batch_size, shuffle=True, seed=seed)
        unseen = as_batches(validation, batch_size) if validation is not None else None
        while len(self.history) < self.epochs:
            began = time.perf_counter()
            train_loss, train_accuracy, images_per_second = self.train_epoch(batches)
            val_loss = val_accuracy = val_top5 = nan
            if unseen is not None:
                result = evaluate(self.net, unseen, self.normalization, self.device)
                val_loss, val_accuracy, val_top5 = result.loss, result.accuracy, result.top5_accuracy
                self._require_finite(val_loss, "the validation loss")
            self.history.append(
                Epoch(
                    len(self.history) + 1, train_loss, train_accuracy, val_loss, val_accuracy, val_top5,
                    self.optimizer.lr, images_per_second, time.perf_counter() - began,
                )
            )  # fmt: skip
            self.progress.epoch_done(self.history[-1], self.epochs)
            if after_epoch is not None:
                after_epoch(self)

    @np.errstate(over="ignore", invalid="ignore")  # what overflows shows in the loss: NumPy need not warn as well
    def train_epoch(self, batches: Batches) -> tuple[float, float, float]:
        """Take one step for each batch. Returns (mean loss in nats, accuracy, images per second)."""
        epoch = len(self.history)
        totals = RunningTotals()
        began = looked = time.perf_counter()
        uncounted = 0  # images before `began`
        for step, (x, labels) in enumerate(feed(batches, epoch, self.normalization, self.device), start=1):
            self.optimizer.lr = self.highest_lr * self.schedule(self._share_done(batches))
            logits = self.net.forward(x, training=True)
            loss = self.loss.forward(logits, labels)
            self.net.backward(self.loss.backward(), input_gradient=False)
            self.optimizer.step()
            self.optimizer.zero_grad()
            totals.add(loss, logits, labels)
            now = time.perf_counter()
            if not self._warm and len(batches) > 1:  # the first step of all, which compiles kernels, tells no speed
                self._warm, began, looked, uncounted = True, now, now, totals.images
            if now - looked >= LOOK_INTERVAL:
                self._look(totals, step, len(batches), (totals.images - uncounted) / (now - began))
                looked = now
        train_loss, train_accuracy = totals.read()
        self._require_finite(train_loss, "the loss")
        return train_loss, train_accuracy, (totals.images - uncounted) / (time.perf_counter() - began)

    def _share_done(self, batches: Batches) -> float:
        # The middle of the coming step: cosine then wastes no step on a rate of 0, nor does a warm-up.
        return min((self.optimizer.steps + 0.5) / (self.epochs * len(batches)), 1.0)

    def _look(self, totals: RunningTotals, step: int, steps: int, images_per_second: float) -> None:
        loss, accuracy = totals.read()
        self._require_finite(loss, "the loss")
        epoch = len(self.history) + 1
        steps_left = (self.epochs - epoch + 1) * steps - step
        seconds_left = steps_left * totals.images / step / images_per_second
        self.progress.moment(Moment(epoch, self.epochs, step, steps, loss, accuracy, images_per_second, seconds_left))

    def _require_finite(self, loss: float, what: str) -> None:
        if not isfinite(loss):
            raise Diverged(
                f"{what} became {loss} in epoch {len(self.history) + 1}: training has diverged; "
                f"try a lower learning rate than {self.highest_lr:g}, or a warm-up"
            )
