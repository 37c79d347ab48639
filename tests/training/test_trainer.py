"""The loop: it learns, it is the same twice, it stops when the loss is no number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minicnn import SoftmaxCrossEntropy, models, ops, use_kernels
from minicnn.data import Loader, Splits
from minicnn.runs.pixels import NORMALIZATIONS
from minicnn.training.evaluation import evaluate
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization
from minicnn.training.schedules import make_schedule
from minicnn.training.trainer import Diverged, Trainer
from tests.training.tiny import assert_same_weights, make_loaders, weights_of

Make = Callable[..., Trainer]
Loaders = tuple[Loader, Loader]


def test_it_learns_the_training_images(make_trainer: Make, loaders: Loaders) -> None:
    trainer = make_trainer(epochs=30, lr=5e-3)
    trainer.train(*loaders)
    assert [row.epoch for row in trainer.history] == list(range(1, 31))
    assert trainer.history[-1].train_accuracy > 0.4 > 0.2 > trainer.history[0].train_accuracy
    assert trainer.history[-1].train_loss < 0.7 * trainer.history[0].train_loss


def test_one_step_is_forward_loss_backward_update(make_trainer: Make, loaders: Loaders) -> None:
    """The loop does what its parts do when they are called by hand."""
    trainer, by_hand = make_trainer(epochs=1), make_trainer(epochs=1)
    trainer.train_epoch(loaders[0])
    loss = SoftmaxCrossEntropy()
    for x, labels in feed(loaders[0], 0, Normalization()):
        loss.forward(by_hand.net.forward(x, training=True), labels)
        by_hand.net.backward(loss.backward())
        by_hand.optimizer.step()
        by_hand.optimizer.zero_grad()
    assert_same_weights(trainer, by_hand)


@pytest.mark.parametrize("workers", [1, 3])
def test_same_seed_same_weights_whatever_the_workers(make_trainer: Make, splits: Splits, workers: int) -> None:
    one, other = make_trainer(), make_trainer()
    one.train(*make_loaders(splits, workers=0))
    other.train(*make_loaders(splits, workers=workers))
    assert_same_weights(one, other)


def test_another_seed_other_weights(make_trainer: Make, splits: Splits) -> None:
    one, other = make_trainer(), make_trainer()
    one.train(*make_loaders(splits, seed=0))
    other.train(*make_loaders(splits, seed=1))
    assert any((value != other.net.parameters()[name].value).any() for name, value in weights_of(one).items())


def test_both_kernel_modes_train_alike(make_trainer: Make, loaders: Loaders) -> None:
    fast, reference = make_trainer(epochs=1), make_trainer(epochs=1)
    fast.train(*loaders)
    with use_kernels("reference"):
        reference.train(*loaders)
    for name, value in weights_of(fast).items():
        np.testing.assert_allclose(value, reference.net.parameters()[name].value, atol=2e-4, err_msg=name)


def test_the_schedule_moves_the_learning_rate(make_trainer: Make, loaders: Loaders) -> None:
    trainer = make_trainer(epochs=2, lr=0.01, schedule=make_schedule("cosine"))
    trainer.train(*loaders)
    steps = 2 * len(loaders[0])
    last = 0.01 * (1 + np.cos(np.pi * (steps - 0.5) / steps)) / 2
    assert trainer.history[-1].lr == pytest.approx(last)
    assert trainer.history[0].lr > trainer.history[1].lr > 0


def test_a_loss_of_one_s_own_needs_a_forward_and_a_backward(make_trainer: Make, loaders: Loaders) -> None:
    class Halved:
        def __init__(self) -> None:
            self.whole = SoftmaxCrossEntropy()

        def forward(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return self.whole.forward(logits, labels) / 2

        def backward(self) -> np.ndarray:
            return self.whole.backward() / 2

    plain, halved = make_trainer(epochs=1), make_trainer(epochs=1, loss=Halved())
    plain.train(loaders[0])
    halved.train(loaders[0])
    assert halved.history[0].train_loss == pytest.approx(plain.history[0].train_loss / 2, rel=0.02)


def test_a_diverging_run_stops_with_advice(make_trainer: Make, loaders: Loaders) -> None:
    seen: list[int] = []
    trainer = make_trainer(epochs=50, lr=1e30)
    with pytest.raises(Diverged, match=r"training has diverged; try a lower learning rate than 1e\+30"):
        trainer.train(*loaders, lambda trainer: seen.append(len(trainer.history)))
    assert seen == list(range(1, len(trainer.history) + 1))


def test_evaluation_against_all_images_at_once(loaders: Loaders) -> None:
    net = models.build("cnn2", (16, 16, 3), classes=10, seed=1)
    normalization = NORMALIZATIONS["imagenet"]
    result = evaluate(net, loaders[1], normalization)
    batches = list(loaders[1].epoch(0))
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    logits = net.forward(normalization(images))
    loss, _ = ops.softmax_cross_entropy(logits, labels)
    assert result.images == len(labels) == 20
    assert result.loss == pytest.approx(float(loss), rel=1e-5)
    assert result.accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean())
    top5 = [label in np.argsort(-row)[:5] for row, label in zip(logits, labels, strict=True)]
    assert result.top5_accuracy == pytest.approx(np.mean(top5))
    figures = result.to_json(loaders[1].dataset.classes, loaders[1].dataset.class_names)
    assert figures["accuracy"] == result.accuracy and len(figures["per_class"]) == 10
    assert sum(sum(row) for row in figures["confusion_matrix"]) == 20
