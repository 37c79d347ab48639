"""The learning-rate finder: a few steps at rising rates show which rates teach anything, and which tear it apart.

Far below the right rate the loss stays where it is, then it falls, faster and faster, until the steps are too long and
it rises. A good rate is where it falls fastest, well before it rises.
Source: Smith 2017, "Cyclical learning rates for training neural networks", §3.3, which raises the rate in a straight
line; here each step's is the one before times a factor, as has become usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite

import numpy as np

from minicnn.errors import UsageError
from minicnn.layers.base import generators_state, restore_generators
from minicnn.training.batches import Batches, as_batches
from minicnn.training.metrics import RunningTotals
from minicnn.training.trainer import Group, Trainer

SMOOTHING = 0.9  # β of the running mean of the losses, which forgets a batch after some 10 others
SPAN = 10  # steps over which a fall of the loss is measured: single ones tell more of their batches than of the rate
TORN = 4.0  # times the lowest loss: above it nothing more is to be learnt


@dataclass(frozen=True)
class RateCurve:
    """What came of steps at rising rates: `rates`, the mean `losses` (nats) after each, and the rate that they suggest.

    losses: running means, m ← β·m + (1 − β)·loss, divided by 1 − βᵗ.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


def find_lr(
    trainer: Trainer, training: object, *, lowest: float = 1e-6, highest: float = 10.0, steps: int = 100,
    batch_size: int = 32, seed: int = 0,
) -> RateCurve:  # fmt: skip
    """Take `steps` steps of training at rates from `lowest` to `highest`, until the loss is torn apart.

    trainer: as it would begin to train; it is left as it was: weights, optimizer, random numbers, all. training: as for
    `Trainer.train`, as are batch_size and seed. lowest, highest: rates, rising by the same factor from step to step.
    Raises UsageError for numbers out of range, and when the loss never fell.
    """
    if not 0 < lowest < highest < float("inf") or steps < 3 * SPAN:
        raise UsageError(
            f"rates rise from above 0 in {3 * SPAN} steps or more; got {lowest:g} to {highest:g} in {steps}"
        )
    batches = as_batches(training, batch_size, shuffle=True, seed=seed)
    rates = np.geomspace(lowest, highest, steps)
    losses: list[float] = []
    mean = 0.0
    with _left_as_it_was(trainer), np.errstate(over="ignore", invalid="ignore"):
        for t, (rate, group) in enumerate(zip(rates, _endless_groups(trainer, batches), strict=False), start=1):
            trainer.optimizer.lr = float(rate)
            totals = RunningTotals()
            trainer.learn(group, totals)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * totals.read()[0]
            loss = mean / (1 - SMOOTHING**t)
            if not isfinite(loss) or loss > TORN * min([loss, *losses]):
                break
            losses.append(loss)
    return RateCurve(rates[: len(losses)], np.array(losses), steepest(rates, np.array(losses)))


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate in the middle of those SPAN steps over which the loss falls most, before it is at its lowest.

    rates: each the one before times a factor. losses: as many or fewer. The first SPAN are not looked at: their means
    are of few batches yet. Raises UsageError when the loss never fell.
    """
    begun = losses[SPAN:]
    until_lowest = begun[: begun.argmin() + 1] if len(begun) else begun
    falls = until_lowest[:-SPAN] - until_lowest[SPAN:]
    if not (falls > 0).any():
        raise UsageError("the loss never fell at any rate: begin at a lower one, or look for what is wrong elsewhere")
    return float(rates[SPAN + falls.argmax() + SPAN // 2])


def _endless_groups(trainer: Trainer, batches: Batches) -> Iterator[Group]:
    epoch = 0
    while True:
        yield from trainer.groups(batches, epoch)
        epoch += 1


@contextmanager
def _left_as_it_was(trainer: Trainer) -> Iterator[None]:
    """Bring a trainer back, after a block in which it learns, to where it was: all that a checkpoint would hold."""
    variables, optimizer, average = trainer.net.variables(), trainer.optimizer, trainer.average
    values = {name: variable.value.copy() for name, variable in variables.items()}
    memory = {name: array.copy() for name, array in optimizer.state_arrays().items()}
    averages = {} if average is None else {name: array.copy() for name, array in average.values.items()}
    generators, lr, steps = generators_state(trainer.net), optimizer.lr, optimizer.steps
    try:
        yield
    finally:
        for name, variable in variables.items():
            variable.value = values[name]
        if average is not None:
            average.values = averages
        optimizer.zero_grad()
        optimizer.load_state(memory, steps)
        optimizer.lr = lr
        restore_generators(trainer.net, generators)
