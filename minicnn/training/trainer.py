"""The loop: a batch forward, its loss, the loss's gradient backward, a step of the optimizer; and so on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from minicnn.errors import UsageError
from minicnn.layers import Sequential
from minicnn.training.accumulation import groups_of, shares
from minicnn.training.averaging import Lookahead, WeightAverage
from minicnn.training.batches import Batches, as_batches
from minicnn.training.clipping import clip_gradients
from minicnn.training.evaluation import evaluate
from minicnn.training.feeding import feed
from minicnn.training.history import Epoch
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.metrics import RunningTotals
from minicnn.training.mixing import Mixing
from minicnn.training.normalization import Normalization
from minicnn.training.optimizers import Optimizer
from minicnn.training.progress import Moment, Progress
from minicnn.training.pruning import Pruning
from minicnn.training.schedules import Schedule, constant
from minicnn.training.stopping import StopRule, reason_to_stop

# Batches (x, labels), or mixed ones (x, labels, others, share of labels), that one step learns from.
Group = list[tuple[Any, ...]]
LOOK_INTERVAL = 0.5  # seconds between two looks at the loss; each makes a GPU's queue run empty


class Diverged(UsageError):
    """The loss is no finite number any more."""


class Trainer:
    """Trains a network on batches, epoch after epoch, and validates it after each.

    net: any Sequential that ends in logits, on `device`. optimizer: over its parameters; its `lr` is the highest rate,
    which `schedule` moves over `epochs` epochs. normalization: bytes to floats; floats are taken as they are. device:
    "cpu" or "gpu". progress: what is told as it goes; `PlainProgress` prints a line an epoch. `history` holds a row for
    each epoch that is done; training begins after the last of them. `part` is what the batches go through: the network,
    or its tail where they are the features that its frozen layers make of the pictures.

    mixing: samples of a batch with one another, see `mixing`. clip_norm: the largest norm of all gradients together, or
    0, see `clipping`. accumulate: batches that make a step, see `accumulation`. ema: decay of the average of the
    weights, or 0, see `averaging`; the average is what is validated, and `validated_weights` what holds it. lookahead:
    steps after which training goes on from another average, which is validated likewise, or 0. patience: epochs without
    a better validation accuracy after which training ends, or 0, and patience_from the first epoch that counts as one,
    see `stopping`. stop_rule: another reason to end, from the history, or None. test_flip: validate by the mean of the
    logits of each picture and its mirror. pruning: of the network's weights, or None, see `pruning`.
    Raises UsageError for numbers out of range.
    """

    def __init__(
        self, net: Sequential, optimizer: Optimizer, *, epochs: int, loss: SoftmaxCrossEntropy | None = None,
        schedule: Schedule = constant, normalization: Normalization | None = None, device: str = "cpu",
        progress: Progress | None = None, mixing: Mixing | None = None, clip_norm: float = 0.0, accumulate: int = 1,
        ema: float = 0.0, lookahead: int = 0, patience: int = 0, patience_from: int = 0,
        stop_rule: StopRule | None = None, test_flip: bool = False, pruning: Pruning | None = None,
    ) -> None:  # fmt: skip
        if not 0 <= clip_norm < inf:
            raise UsageError(f"clip_norm {clip_norm} should be above 0, or 0 to clip nothing")
        if accumulate < 1 or patience < 0:
            raise UsageError(f"accumulate should be at least 1 and patience at least 0; got {accumulate}, {patience}")
        self.net = self.part = net
        self.optimizer = optimizer
        self.epochs = epochs
        self.loss = loss or SoftmaxCrossEntropy()
        self.schedule = schedule
        self.normalization = normalization or Normalization()
        self.device = device
        self.progress = progress or Progress()
        self.mixing = mixing
        self.clip_norm = clip_norm
        self.accumulate = accumulate
        if ema and lookahead:
            raise UsageError("ema and lookahead are two averages of the weights: take one of them")
        self.average: WeightAverage | None = None
        if ema:
            self.average = WeightAverage(net, ema)
        elif lookahead:
            self.average = Lookahead(net, lookahead)
        self.patience, self.patience_from = patience, patience_from
        self.stop_rule = stop_rule
        self.test_flip = test_flip
        self.pruning = pruning
        self.highest_lr = optimizer.lr
        self.history: list[Epoch] = []
        self._warm = False

    def train(
        self, training: object, validation: object = None, after_epoch: Callable[[Trainer], None] | None = None, *,
        batch_size: int = 32, seed: int = 0, until: int | None = None,
    ) -> None:  # fmt: skip
        """Train for the epochs that are not done yet, calling `after_epoch` with the trainer at the end of each.

        With patience, training may end before the last of them; `stopped_early` says why, and `progress` is told.

        training, validation: two arrays (x, labels), x being (N, …) samples as the network reads them or (N, H, W, C)
        uint8 pictures; or a list of such batches (x, labels); or a `minicnn.data.Loader`, or what else has its
        `epoch(number)` and length. Without validation, the history has NaN in its place. batch_size, seed: of arrays
        alone, which are cut into batches, in training in a new order every epoch. until: the last epoch to train for
        now, where that is not the last of all.
        Raises UsageError for what cannot be trained on and, before `after_epoch` sees the epoch, Diverged when a loss
        is infinite or no number.
        """
        batches = as_batches(training, batch_size, shuffle=True, seed=seed)
        unseen = as_batches(validation, batch_size) if validation is not None else None
        if self.patience and unseen is None:
            raise UsageError("patience needs validation images: only they tell whether training still helps")
        first = len(self.history)
        while not self.done and (until is None or len(self.history) < until):
            began = time.perf_counter()
            train_loss, train_accuracy, images_per_second = self.train_epoch(batches)
            val_loss = val_accuracy = val_top5 = nan
            if unseen is not None:
                with self.validated_weights():
                    result = evaluate(self.part, unseen, self.normalization, self.device, flip=self.test_flip)
                val_loss, val_accuracy, val_top5 = result.loss, result.accuracy, result.top5_accuracy
                self._require_finite(val_loss, "the validation loss")
            self.history.append(
                Epoch(
                    len(self.history) + 1, train_loss, train_accuracy, val_loss, val_accuracy, val_top5,
                    self.optimizer.lr, images_per_second, time.perf_counter() - began,
                    0.0 if self.pruning is None else self.pruning.pruned,
                )
            )  # fmt: skip
            self.progress.epoch_done(self.history[-1], self.epochs)
            if after_epoch is not None:
                after_epoch(self)
        if self.stopped_early is not None and len(self.history) > first:
            self.progress.note(self.stopped_early)

    @property
    def done(self) -> bool:
        """Whether there is no epoch left to train for."""
        return len(self.history) >= self.epochs or self.stopped_early is not None

    @property
    def stopped_early(self) -> str | None:
        """Why training has ended before its last epoch, None where it has not."""
        if len(self.history) >= self.epochs:
            return None
        reason = reason_to_stop(self.history, self.patience, self.patience_from)
        return self.stop_rule(self.history) if reason is None and self.stop_rule is not None else reason

    def validated_weights(self) -> AbstractContextManager[None]:
        """Let `net` hold, for the time of a block, the weights that are validated: the average, where there is one."""
        return nullcontext() if self.average is None else self.average.in_place_of_the_weights()

    @np.errstate(over="ignore", invalid="ignore")  # what overflows shows in the loss: NumPy need not warn as well
    def train_epoch(self, batches: Batches) -> tuple[float, float, float]:
        """Take a step for each batch, or for each group of `accumulate` batches.

        Returns (mean loss in nats, accuracy, images per second).
        """
        epoch, steps = len(self.history), -(-len(batches) // self.accumulate)
        totals = RunningTotals()
        began = looked = time.perf_counter()
        uncounted = 0  # images before `began`
        for step, group in enumerate(self.groups(batches, epoch), start=1):
            share_done = self._share_done(steps)
            self.optimizer.lr = self.highest_lr * self.schedule(share_done)
            if self.pruning is not None:
                self.pruning.advance((self.optimizer.steps + 1) / (self.epochs * steps))
            self.learn(group, totals)
            if self.average is not None:
                if self.pruning is not None:  # the average still holds what was there before
                    self.pruning.mask(self.average.values)
                self.average.update(self.optimizer.steps, share_done)
            now = time.perf_counter()
            if not self._warm and steps > 1:  # the first step of all, which compiles kernels, tells no speed
                self._warm, began, looked, uncounted = True, now, now, totals.images
            if now - looked >= LOOK_INTERVAL:
                self._look(totals, step, steps, (totals.images - uncounted) / (now - began))
                looked = now
        train_loss, train_accuracy = totals.read()
        self._require_finite(train_loss, "the loss")
        return train_loss, train_accuracy, (totals.images - uncounted) / (time.perf_counter() - began)

    def groups(self, batches: Batches, epoch: int) -> Iterator[Group]:
        """Yield what each step of an epoch learns from, on the device: `accumulate` batches, or what is left."""
        fed: Iterable[tuple[Any, ...]] = feed(batches, epoch, self.normalization, self.device)
        return groups_of(self.accumulate, fed if self.mixing is None else self.mixing.batches(fed, epoch))

    def learn(self, group: Group, totals: RunningTotals) -> None:
        """Take one step: forward, loss and backward for each batch of a group, then the optimizer's.

        totals: to which the batches' losses and accuracies are added.
        """
        parts = shares([self.loss.weight(*target) for _, *target in group]) if len(group) > 1 else [1.0]
        for (x, *target), share in zip(group, parts, strict=True):
            logits = self.part.forward(x, training=True)
            loss = self.loss.forward(logits, *target)
            dlogits = self.loss.backward()
            dlogits *= share  # in place, and so in its own dtype
            self.part.backward(dlogits, input_gradient=False)
            totals.add(loss, logits, labels=target[0])
        if self.pruning is not None:
            self.pruning.mask({name: parameter.grad for name, parameter in self.optimizer.parameters.items()})
        if self.clip_norm:
            clip_gradients(self.optimizer.parameters, self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.pruning is not None:  # momentum still moves what has just been pruned
            self.pruning.mask({name: parameter.value for name, parameter in self.optimizer.parameters.items()})

    def _share_done(self, steps: int) -> float:
        # The middle of the coming step: cosine then wastes no step on a rate of 0, nor does a warm-up.
        return min((self.optimizer.steps + 0.5) / (self.epochs * steps), 1.0)

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
