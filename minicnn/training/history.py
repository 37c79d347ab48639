"""What a run has to tell of each epoch, and the table that holds it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple


class Epoch(NamedTuple):
    """One row of metrics.csv.

    epoch: counted from 1. Losses are means in nats; accuracies are shares, 0 … 1. Those of training are over the epoch,
    while the weights were changing, with dropout and augmentation; those of validation are at its end, and NaN where
    nothing was validated. lr: of its last step. images_per_second: while training, without a run's first step.
    seconds: of training and validation. sparsity: share of the weights that are pruned, 0 … 1, see `pruning`.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_top5: float
    lr: float
    images_per_second: float
    seconds: float
    sparsity: float = 0.0


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch of the highest validation accuracy; of equals the one with the lower validation loss.

    While weights are being pruned, only the epochs with the most of them pruned count: the others are not done yet.
    """
    return max(history, key=lambda row: (row.sparsity, row.val_accuracy, -row.val_loss))


def from_csv(text: str) -> list[Epoch]:
    """Return the epochs of a table that `to_csv` wrote. Raises ValueError for what is none."""
    names, *rows = csv.reader(io.StringIO(text))
    if tuple(names) != Epoch._fields or not rows:
        raise ValueError("it should have a line of column names, epoch, train_loss, …, and one for each epoch")
    return [Epoch(int(number), *map(float, values)) for number, *values in rows]


def to_csv(history: Sequence[Epoch]) -> str:
    """Return the table of all epochs with a line of column names."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Epoch._fields)
    table.writerows([[f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in history])
    return text.getvalue()
