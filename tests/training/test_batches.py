"""Training on arrays, lists and loaders: the same batches, whatever they come from; what is none is told in words."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

import numpy as np
import pytest

from minicnn import Adam, Dense, Flatten, Sequential, SoftmaxCrossEntropy, Trainer
from minicnn.data import Loader
from minicnn.errors import UsageError
from minicnn.training.batches import ArrayBatches, as_batches
from minicnn.training.evaluation import evaluate
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization
from tests.training.tiny import assert_same_weights

Make = Callable[..., Trainer]


@pytest.fixture
def points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return 50 points in the plane, and which of them lie above the diagonal."""
    x = rng.standard_normal((50, 2), dtype="float32")
    return x, (x[:, 0] < x[:, 1]).astype(np.int64)


def linear(seed: int = 0, epochs: int = 3) -> Trainer:
    net = Sequential([Dense(2)], input_shape=(2,), seed=seed)
    return Trainer(net, Adam(net.parameters(), lr=0.1), epochs=epochs)


def test_arrays_are_learnt_and_validated(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = points
    trainer = linear(epochs=20)
    trainer.train((x[:40], labels[:40]), (x[40:], labels[40:]), batch_size=16)
    assert trainer.optimizer.steps == 20 * 3  # 16 + 16 + 8 samples
    assert trainer.history[-1].train_accuracy > 0.9 and trainer.history[-1].val_accuracy >= 0.9
    result = evaluate(trainer.net, (x[40:], labels[40:]))
    assert result.images == 10 and result.accuracy == trainer.history[-1].val_accuracy


def test_arrays_train_as_the_same_batches_by_hand(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = points
    trainer, by_hand = linear(), linear()
    trainer.train((x, labels), batch_size=20, seed=7)
    loss = SoftmaxCrossEntropy()
    for epoch in range(3):
        order = np.arange(50)
        np.random.default_rng([7, epoch]).shuffle(order)
        for chosen in (order[:20], order[20:40], order[40:]):
            loss.forward(by_hand.net.forward(x[chosen], training=True), labels[chosen])
            by_hand.net.backward(loss.backward())
            by_hand.optimizer.step()
            by_hand.optimizer.zero_grad()
    assert_same_weights(trainer, by_hand)


def test_every_epoch_deals_every_sample_once_in_an_order_of_its_own() -> None:
    batches = ArrayBatches(np.arange(10), list(range(10)), batch_size=4, shuffle=True, seed=1)
    epochs = [np.concatenate([x for x, _ in batches.epoch(number)]) for number in (0, 1, 0)]
    assert len(batches) == 3 == len(list(batches.epoch(0)))
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0].tolist() == epochs[2].tolist() != epochs[1].tolist()
    assert all((x == labels).all() for x, labels in batches.epoch(3))


def test_a_list_of_batches_comes_as_it_is_in_every_epoch(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = points
    listed, arrays = linear(), linear()
    listed.train([(x[:30], labels[:30]), (x[30:], labels[30:].astype(np.uint8))])
    batches = ArrayBatches(x, labels, batch_size=30)  # not shuffled
    arrays.train(batches)
    assert_same_weights(listed, arrays)


def test_bytes_are_normalised_and_floats_are_not(rng: np.random.Generator) -> None:
    images = rng.integers(256, size=(3, 4, 5, 3), dtype=np.uint8)
    half = Normalization((0.5, 0.5, 0.5))
    for given, expected in ((images, images / 255 - 0.5), (images.astype("float32"), images)):
        ((x, _),) = feed(as_batches((given, [0, 1, 2]), batch_size=3), 0, half)
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, expected, atol=1e-6)


def test_pictures_in_memory_train_as_the_loader_s(make_trainer: Make, loaders: tuple[Loader, Loader]) -> None:
    images, labels = (np.concatenate(parts) for parts in zip(*loaders[1].epoch(0), strict=True))
    from_loader, from_arrays = make_trainer(), make_trainer()
    from_loader.train(loaders[1])
    from_arrays.train(ArrayBatches(images, labels, loaders[1].batch_size))
    assert_same_weights(from_loader, from_arrays)


def test_without_validation_the_history_has_no_number_in_its_place(points: tuple[np.ndarray, np.ndarray]) -> None:
    trainer = linear()
    seen: list[int] = []
    trainer.train(points, after_epoch=lambda trainer: seen.append(trainer.history[-1].epoch))
    assert seen == [1, 2, 3]
    assert all(isnan(row.val_loss) and isnan(row.val_accuracy) for row in trainer.history)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.zeros((3, 2)), [0, 1]), "3 samples with 2 labels"),
        ((np.zeros((0, 2)), np.zeros(0, int)), "0 samples"),
        ((np.zeros((2, 2)), [0.0, 1.0]), r"labels should be \(N,\) integers; got float64"),
        ((np.zeros((2, 2)), [[0, 1], [1, 0]]), r"integers; got int64 of shape \(2, 2\)"),
        ([], "this list has none"),
        (((np.zeros((1, 2)), [0]) for _ in range(3)), "this generator gives them only once"),
        (np.zeros((3, 2)), "cannot train on this ndarray: give two arrays"),
        (5, "cannot train on this int"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(source: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        linear().train(source)


def test_a_batch_size_below_one_is_refused(points: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(UsageError, match="batch size must be at least 1; got 0"):
        linear().train(points, batch_size=0)


def test_a_script_of_ten_lines_trains(capsys: pytest.CaptureFixture[str]) -> None:
    from minicnn.training.progress import PlainProgress

    images = np.random.default_rng(0).integers(256, size=(20, 8, 8, 3), dtype=np.uint8)
    net = Sequential([Flatten(), Dense(2)], input_shape=(8, 8, 3))
    trainer = Trainer(net, Adam(net.parameters()), epochs=1, progress=PlainProgress())
    trainer.train((images, np.arange(20) % 2))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("epoch 1/1: loss ") and "validation" not in line
