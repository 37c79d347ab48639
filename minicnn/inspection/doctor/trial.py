"""A short training by the very settings: what the loss does, and how far each step moves each weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import isfinite

import numpy as np

from minicnn.backend import to_numpy
from minicnn.layers import Sequential
from minicnn.training.batches import Batches
from minicnn.training.metrics import RunningTotals
from minicnn.training.trainer import Group, Trainer

STEPS = 40


@dataclass
class Trial:
    """What the first steps did.

    losses: of each step, nats, up to the first that is not finite. ratios: of each weight by name, the mean over the
    steps of ‖step‖ / ‖weight‖. net: as they left it. rate: the highest learning rate among them.
    """

    losses: list[float]
    ratios: dict[str, float]
    net: Sequential
    rate: float

    @property
    def finite(self) -> bool:
        """Whether the loss was a number after each step, and the weights are."""
        return isfinite(self.losses[-1]) and all(
            bool(np.isfinite(to_numpy(parameter.value)).all()) for parameter in self.net.parameters().values()
        )


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a learning rate that explodes is what is looked for
def run_trial(trainer: Trainer, training: Batches, steps: int = STEPS) -> Trial:
    """Let `trainer`, which is a copy, take `steps` steps at the learning rates that its schedule begins with.

    A rise at the beginning of the schedule (a warm-up) is run through in the first half of them, so that the highest
    rate is among those that are tried.
    """
    # Of biases and batch norm's factors, which begin at 0 and 1, a ratio would say nothing.
    weights = {name: p for name, p in trainer.net.parameters().items() if p.value.ndim > 1 and not p.frozen}
    losses: list[float] = []
    moved: dict[str, list[float]] = {name: [] for name in weights}
    rates = _rates(trainer, steps)
    for rate, group in zip(rates, _groups(trainer, training), strict=False):
        before = {name: to_numpy(p.value).copy() for name, p in weights.items()}
        trainer.optimizer.lr = float(rate)
        totals = RunningTotals()
        trainer.learn(group, totals)
        losses.append(totals.read()[0])
        for name, old in before.items():
            new = to_numpy(weights[name].value)
            length = max(np.linalg.norm(old), np.linalg.norm(new), 1e-30)  # of those that begin at 0, too
            moved[name].append(float(np.linalg.norm(new - old) / length))
        if not isfinite(losses[-1]):
            break
    ratios = {name: float(np.mean(lengths)) for name, lengths in moved.items() if lengths}
    return Trial(losses, ratios, trainer.net, float(rates.max()))


def _rates(trainer: Trainer, steps: int) -> np.ndarray:
    """Return the learning rate of each step: from the schedule's beginning to where it is highest, then that."""
    shares = np.linspace(0, 1, 201)
    factors = np.array([trainer.schedule(float(share)) for share in shares])
    top = float(shares[factors.argmax()])
    along = np.minimum(np.linspace(0, 2, steps, endpoint=False) + 1 / steps, 1.0) * top
    return trainer.highest_lr * np.array([trainer.schedule(float(share)) for share in along])


def _groups(trainer: Trainer, training: Batches) -> Iterator[Group]:
    """Yield what each step learns from, epoch after epoch."""
    for epoch in count():
        yield from trainer.groups(training, epoch)
