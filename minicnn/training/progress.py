"""What a trainer tells while a network trains, and the plain lines that a file or a script prints of it."""

from __future__ import annotations

import sys
import time
from math import isnan
from typing import NamedTuple, TextIO

from minicnn.training.history import Epoch

PLAIN_INTERVAL = 15.0  # seconds between the lines that tell of an epoch that is still going on


class Moment(NamedTuple):
    """Where training stands in the middle of an epoch. seconds_left: until the end of the whole run."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float


class Progress:
    """What the trainer tells as it goes; this one listens and says nothing."""

    def note(self, text: str) -> None:
        """Say something that is worth a line."""

    def moment(self, moment: Moment) -> None:
        """Take notice of the state in the middle of an epoch."""

    def epoch_done(self, row: Epoch, epochs: int) -> None:
        """Take notice of a finished epoch."""

    def close(self) -> None:
        """End the display."""


class SeveralListeners(Progress):
    """Hands all that it is told on to each of `listeners`."""

    def __init__(self, *listeners: Progress) -> None:
        self._listeners = listeners

    def note(self, text: str) -> None:
        for listener in self._listeners:
            listener.note(text)

    def moment(self, moment: Moment) -> None:
        for listener in self._listeners:
            listener.moment(moment)

    def epoch_done(self, row: Epoch, epochs: int) -> None:
        for listener in self._listeners:
            listener.epoch_done(row, epochs)

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


class PlainProgress(Progress):
    """A line an epoch, and one every now and then within a long one: for log files."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._spoke = time.perf_counter()

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)
        self._spoke = time.perf_counter()

    def moment(self, moment: Moment) -> None:
        if time.perf_counter() - self._spoke >= PLAIN_INTERVAL:
            done = moment.step / moment.steps
            self.note(f"epoch {moment.epoch}/{moment.epochs}, {done:.0%}: {moment_text(moment)}")

    def epoch_done(self, row: Epoch, epochs: int) -> None:
        self.note(epoch_text(row, epochs))


def moment_text(moment: Moment) -> str:
    """Return the figures in the middle of an epoch: loss, accuracy, images/s, time left."""
    return (
        f"loss {moment.loss:.4f}, {moment.accuracy:.1%} right, {moment.images_per_second:,.0f} images/s, "
        f"{duration_text(moment.seconds_left)} left"
    )


def epoch_text(row: Epoch, epochs: int) -> str:
    """Return the figures of a finished epoch that fit a line of 80 columns; metrics.csv has all."""
    validation = "" if isnan(row.val_loss) else f"validation {row.val_loss:.4f}, {row.val_accuracy:.1%}; "
    seconds = f"{row.seconds:.1f} s" if row.seconds < 100 else f"{row.seconds:,.0f} s"
    last = f"pruned {row.sparsity:.0%}" if row.sparsity else seconds
    return f"epoch {row.epoch}/{epochs}: loss {row.train_loss:.4f}, {row.train_accuracy:.1%} right; {validation}{last}"


def duration_text(seconds: float) -> str:
    """Return a time span as people read it: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
