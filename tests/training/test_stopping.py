"""Early stopping: after so many epochs without a better one, for a reason that is told, and not without validation."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from minicnn import Adam, Dense, Sequential, Trainer
from minicnn.data import Loader
from minicnn.errors import UsageError
from minicnn.training.history import Epoch
from minicnn.training.progress import PlainProgress
from minicnn.training.stopping import median_rule, reason_to_stop


def history(*accuracies: float) -> list[Epoch]:
    return [
        Epoch(number, 1.0, 0.5, 1 / number, accuracy, 0.9, 1e-3, 100.0, 2.0)
        for number, accuracy in enumerate(accuracies, start=1)
    ]


def test_epochs_before_the_first_that_counts_are_not_waited_for() -> None:
    worse = history(0.5, 0.4, 0.4, 0.4, 0.4, 0.4)
    assert [length for length in range(7) if reason_to_stop(worse[:length], patience=2, begin=4)] == [5, 6]
    better = history(0.5, 0.4, 0.4, 0.6, 0.4, 0.4)
    assert [length for length in range(7) if reason_to_stop(better[:length], patience=2, begin=4)] == [6]


@pytest.mark.parametrize(
    ("accuracies", "patience", "stops"),
    [
        ((), 1, False),
        ((0.5,), 1, False),
        ((0.5, 0.6, 0.7), 1, False),
        ((0.5, 0.4), 1, True),
        ((0.5, 0.5), 1, True),  # as good is no better, though its loss is lower
        ((0.5, 0.4, 0.4), 3, False),
        ((0.5, 0.4, 0.4, 0.4), 3, True),
        ((0.5, 0.4, 0.4, 0.6), 3, False),
        ((0.5, 0.4, 0.4, 0.4, 0.4, 0.4), 0, False),
    ],
)
def test_it_waits_for_as_many_epochs_as_it_was_told(accuracies: tuple[float, ...], patience: int, stops: bool) -> None:
    assert (reason_to_stop(history(*accuracies), patience) is not None) == stops


def test_the_reason_names_the_best_epoch() -> None:
    assert reason_to_stop(history(0.4, 0.5, 0.3, 0.5), 2) == (
        "stopped early: 2 epochs without a better validation accuracy than 50.0% in epoch 2"
    )


def test_training_ends_early_and_says_why(rng: np.random.Generator) -> None:
    """Labels that have nothing to do with the samples cannot be learnt for long."""
    x, labels = rng.standard_normal((40, 3), dtype="float32"), rng.integers(2, size=40)
    net = Sequential([Dense(2)], input_shape=(3,))
    told = io.StringIO()
    trainer = Trainer(net, Adam(net.parameters(), lr=0.1), epochs=200, patience=3, progress=PlainProgress(told))
    kept: list[int] = []
    trainer.train((x[:20], labels[:20]), (x[20:], labels[20:]), lambda trainer: kept.append(len(trainer.history)))
    accuracies = [row.val_accuracy for row in trainer.history]
    assert len(accuracies) < 200 and accuracies.index(max(accuracies)) == len(accuracies) - 4
    assert trainer.done and trainer.stopped_early == told.getvalue().splitlines()[-1]
    assert kept == list(range(1, len(accuracies) + 1))
    trainer.train((x[:20], labels[:20]), (x[20:], labels[20:]))
    assert len(trainer.history) == len(accuracies), "what has ended goes on only with more patience"
    trainer.patience, trainer.epochs = 0, len(accuracies) + 2
    trainer.train((x[:20], labels[:20]), (x[20:], labels[20:]))
    assert len(trainer.history) == len(accuracies) + 2 and trainer.stopped_early is None


def test_patience_without_validation_is_refused(
    make_trainer: Callable[..., Trainer], loaders: tuple[Loader, Loader]
) -> None:
    with pytest.raises(UsageError, match="patience needs validation images"):
        make_trainer(patience=2).train(loaders[0])
    with pytest.raises(UsageError, match="patience at least 0; got 1, -1"):
        make_trainer(patience=-1)


@pytest.mark.parametrize(
    ("accuracies", "stops"),
    [
        ((), False),
        ((0.5,), False),
        ((0.49,), True),
        ((0.49, 0.7), False),  # by the second epoch the others had 0.6, 0.7 and 0.4
        ((0.1, 0.59), True),
        ((0.7, 0.1, 0.1), False),  # the best so far counts
        ((0.69, 0.1, 0.1), True),
    ],
)
def test_the_median_rule_ends_what_is_worse_than_half_of_the_others_were_by_then(
    accuracies: tuple[float, ...], stops: bool
) -> None:
    others = [history(0.5, 0.6, 0.9), history(0.5, 0.7), history(0.4, 0.3, 0.5)]
    assert (median_rule(others)(history(*accuracies)) is not None) == stops
    if len(accuracies) < 2:
        assert median_rule(others, begin=2)(history(*accuracies)) is None
    assert median_rule(others[:2])(history(*accuracies)) is None, "two others are too few"


def test_the_trainer_ends_by_the_rule_it_is_given(
    make_trainer: Callable[..., Trainer], loaders: tuple[Loader, Loader]
) -> None:
    trainer = make_trainer(epochs=5, stop_rule=lambda history: "enough" if len(history) == 2 else None)
    trainer.train(*loaders)
    assert len(trainer.history) == 2 and trainer.stopped_early == "enough"
