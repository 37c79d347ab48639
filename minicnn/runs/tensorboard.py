"""The figures of a run for TensorBoard, where its package is installed: an event file beside the run's own files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from minicnn.errors import UsageError
from minicnn.training.history import Epoch
from minicnn.training.progress import Moment, Progress


class TensorBoardProgress(Progress):
    """Writes each epoch's figures, and the loss in between, into event files in `folder`.

    The step is the epoch, counted from 1, for an epoch's figures, and the batch, counted over all epochs, for the loss
    within it. A run that goes on begins another file in the same folder, which TensorBoard reads as one.
    Raises UsageError where the package is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise UsageError(
                "TensorBoard's package is not installed: pip install 'minicnn[tensorboard]', or leave out --tensorboard"
            ) from None
        self._events, self._summaries = event_pb2, summary_pb2
        self._open = lambda: EventFileWriter(str(folder))
        self._writer: EventFileWriter | None = None  # no file before there is something to write

    def moment(self, moment: Moment) -> None:
        step = (moment.epoch - 1) * moment.steps + moment.step
        self._write(step, {"batch/loss": moment.loss, "batch/images_per_second": moment.images_per_second})

    def epoch_done(self, row: Epoch, epochs: int) -> None:
        figures = {
            "loss/training": row.train_loss,
            "loss/validation": row.val_loss,
            "accuracy/training": row.train_accuracy,
            "accuracy/validation": row.val_accuracy,
            "accuracy/validation_top5": row.val_top5,
            "lr": row.lr,
            "images_per_second": row.images_per_second,
        }
        self._write(row.epoch, {name: value for name, value in figures.items() if isfinite(value)})
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, step: int, figures: Mapping[str, float]) -> None:
        self._writer = self._writer or self._open()
        values = [self._summaries.Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        summary = self._summaries.Summary(value=values)
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=step, summary=summary))
