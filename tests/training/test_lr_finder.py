"""The learning-rate finder: where it looks, what it suggests, and that it leaves no trace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minicnn import SGD, Dense, Sequential, Trainer
from minicnn.data import Loader
from minicnn.errors import UsageError
from minicnn.training.lr_finder import find_lr, steepest
from tests.training.tiny import assert_same_weights

Make = Callable[..., Trainer]


def test_a_search_leaves_everything_as_it_was(make_trainer: Make, loaders: tuple[Loader, Loader]) -> None:
    """Weights, running means of Adam, dropout's generator, the average of the weights: training goes on bit by bit."""
    searched, plain = make_trainer(epochs=2, ema=0.9), make_trainer(epochs=2, ema=0.9)
    find_lr(searched, loaders[0], lowest=1e-4, steps=40)
    assert searched.optimizer.steps == 0 and searched.optimizer.lr == plain.optimizer.lr and not searched.history
    searched.train(*loaders)
    plain.train(*loaders)
    assert_same_weights(searched, plain)
    assert searched.history[-1].val_loss == plain.history[-1].val_loss


def test_rates_rise_by_one_factor_and_the_search_ends_when_the_loss_is_torn(
    make_trainer: Make, loaders: tuple[Loader, Loader]
) -> None:
    curve = find_lr(make_trainer(), loaders[0], lowest=1e-5, highest=1000.0, steps=50)
    assert len(curve.rates) == len(curve.losses) < 50
    np.testing.assert_allclose(curve.rates, np.geomspace(1e-5, 1000.0, 50)[: len(curve.rates)])
    assert np.isfinite(curve.losses).all() and curve.losses.max() <= 4 * curve.losses.min()


def test_what_it_suggests_learns(rng: np.random.Generator) -> None:
    x = rng.standard_normal((512, 6), dtype="float32")
    labels = (x @ rng.standard_normal(6) > 0).astype(np.int64)

    def trainer() -> Trainer:
        net = Sequential([Dense(2)], input_shape=(6,), seed=0)
        return Trainer(net, SGD(net.parameters(), lr=0.1), epochs=3)

    suggestion = find_lr(trainer(), (x, labels), lowest=1e-4, highest=100).suggestion
    taught = trainer()
    taught.optimizer.lr = taught.highest_lr = suggestion
    taught.train((x, labels))
    assert taught.history[-1].train_accuracy > 0.9


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    """A smooth step down in log(rate) is steepest in its middle; what comes after the lowest loss does not count."""
    rates = np.geomspace(1e-5, 10, 200)
    losses = 2 - 1 / (1 + np.exp(-3 * np.log(rates / 0.01))) + np.where(rates > 0.5, 20 * (rates - 0.5), 0)
    losses[-3] = -5.0
    assert steepest(rates[:170], losses[:170]) == pytest.approx(0.01, rel=0.1)


def test_a_loss_that_never_falls_gives_no_suggestion() -> None:
    with pytest.raises(UsageError, match="the loss never fell at any rate"):
        steepest(np.geomspace(1e-3, 1, 30), np.linspace(1, 2, 30))


@pytest.mark.parametrize("settings", [{"lowest": 0.0}, {"lowest": 1.0, "highest": 0.5}, {"steps": 5}])
def test_rates_out_of_range_are_refused(
    settings: dict[str, float], make_trainer: Make, loaders: tuple[Loader, Loader]
) -> None:
    with pytest.raises(UsageError, match="rates rise from above 0 in 30 steps or more; got"):
        find_lr(make_trainer(), loaders[0], **settings)
