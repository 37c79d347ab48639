"""What the checks look at: a trainer before its first step, the images that it would learn from, and a trial of both.

Nothing here changes the trainer: whatever learns is a copy of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from minicnn.backend import to_numpy
from minicnn.inspection.doctor.survey import Survey, survey
from minicnn.inspection.doctor.trial import Trial, run_trial
from minicnn.layers import Dropout, Sequential
from minicnn.training.batches import Batches, as_batches
from minicnn.training.feeding import feed
from minicnn.training.trainer import Trainer

SAMPLES = 256  # of the training data that the network is tried with


@dataclass
class Part:
    """A part of the data, training or validation.

    labels: (N,) integers, of all its pictures. pictures: all of them, or some chosen at random, as the network reads
    them, without random changes. names: called after `pictures` have been gone through, what each is called; None
    where they have no names.
    """

    labels: np.ndarray
    pictures: Batches
    names: Callable[[], Sequence[str]] | None = None

    @classmethod
    def of(cls, source: object, batch_size: int) -> Part:
        """Return what `source` holds, which is anything that `Trainer.train` takes, seen once to know its labels."""
        batches = as_batches(source, batch_size)
        return cls(np.concatenate([to_numpy(labels) for _, labels in batches.epoch(0)]), batches)


@dataclass
class Subject:
    """A trainer as it would begin, and its data. training: the batches that it would learn from, random changes too."""

    trainer: Trainer
    training: Batches
    train: Part
    validation: Part
    class_names: Sequence[str] = field(default=())

    @property
    def net(self) -> Sequential:
        """The network, which nobody changes."""
        return self.trainer.net

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        assert self.net.output_shape is not None
        return self.net.output_shape[0]

    def name_of(self, label: int) -> str:
        """Return what class `label` is called."""
        return self.class_names[label] if label < len(self.class_names) else f"class {label}"

    def copy_of_net(self) -> Sequential:
        """Return a copy of the network that may learn."""
        return copy.deepcopy(self.net)

    def copy_without_dropout(self) -> Sequential:
        """Return a copy of the network that drops nothing in training."""
        net = self.copy_of_net()
        for _, layer in net.walk():
            if isinstance(layer, Dropout):
                layer.rate = 0.0
        return net

    @cached_property
    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """The first SAMPLES pictures of a training epoch as the network reads them, (N, …), and their labels (N,)."""
        batches = feed(self.training, 0, self.trainer.normalization, self.trainer.device)
        taken: list[tuple[np.ndarray, np.ndarray]] = []
        for x, labels in batches:
            taken.append((to_numpy(x), to_numpy(labels)))
            if sum(len(labels) for _, labels in taken) >= SAMPLES:
                break
        x, labels = (np.concatenate(parts)[:SAMPLES] for parts in zip(*taken, strict=True))
        return np.ascontiguousarray(x), labels

    def sample_batches(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the sample in batches of `size`."""
        x, labels = self.sample
        for first in range(0, len(x), size):
            yield x[first : first + size], labels[first : first + size]

    @cached_property
    def train_survey(self) -> Survey:
        """What the training pictures are like."""
        return self._survey(self.train)

    @cached_property
    def validation_survey(self) -> Survey:
        """What the validation pictures are like."""
        return self._survey(self.validation)

    def _survey(self, part: Part) -> Survey:
        found = survey(feed(part.pictures, 0, self.trainer.normalization, self.trainer.device))
        found.names = list(part.names()) if part.names is not None else []
        return found

    @cached_property
    def trial(self) -> Trial:
        """What the first steps of the training did to a copy of the trainer."""
        return run_trial(copy.deepcopy(self.trainer), self.training)
