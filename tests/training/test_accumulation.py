"""Gradient accumulation: a step learns from several batches what it would from one of their size."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import SGD, Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential, SoftmaxCrossEntropy, Trainer
from minicnn.errors import UsageError
from minicnn.training.accumulation import groups_of


def trainer(accumulate: int, epochs: int = 2, dtype: str = "float64") -> Trainer:
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3)]
    net = Sequential(layers, input_shape=(6, 6, 2), seed=1, dtype=dtype)
    return Trainer(net, SGD(net.parameters(), lr=0.1, momentum=0.9), epochs=epochs, accumulate=accumulate)


@pytest.fixture
def samples(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return 26 small pictures of three classes."""
    return rng.standard_normal((26, 6, 6, 2)), rng.integers(3, size=26)


def test_small_batches_learn_as_a_large_one(samples: tuple[np.ndarray, np.ndarray]) -> None:
    """26 samples: two steps of 12 and one of 2; or of 4 + 4 + 4, 4 + 4 + 4, and 2, which are as many steps."""
    large, small = trainer(1), trainer(3)
    large.train(samples, batch_size=12)
    small.train(samples, batch_size=4)
    assert large.optimizer.steps == small.optimizer.steps == 2 * 3
    for name, value in large.net.state().items():
        np.testing.assert_allclose(small.net.state()[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert small.history[-1].train_loss == pytest.approx(large.history[-1].train_loss, rel=1e-9)


def test_batches_count_for_the_samples_they_hold(samples: tuple[np.ndarray, np.ndarray]) -> None:
    """The last group holds a batch of 8 and one of 2: a plain mean of their means would count the two for too much."""
    large, small = trainer(1), trainer(2)
    x, labels = samples
    large.train([(x[:16], labels[:16]), (x[16:], labels[16:])])
    small.train([(x[:8], labels[:8]), (x[8:16], labels[8:16]), (x[16:24], labels[16:24]), (x[24:], labels[24:])])
    for name, value in large.net.state().items():
        np.testing.assert_allclose(small.net.state()[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_with_class_weights_the_mean_is_weighted_over_the_whole_group(
    samples: tuple[np.ndarray, np.ndarray], dtype: str
) -> None:
    """A batch counts for the weights of its labels: the first 13 samples are of one class, the others of another."""
    x, labels = samples[0].astype(dtype), np.repeat([0, 2], 13)
    large, small = (trainer(accumulate, dtype=dtype) for accumulate in (1, 2))
    for one in (large, small):
        one.loss = SoftmaxCrossEntropy(0.1, class_weights=[1.0, 7.0, 0.25])
    large.train([(x, labels)])
    small.train([(x[:13], labels[:13]), (x[13:], labels[13:])])
    tolerance = {"float32": 1e-5, "float64": 1e-11}[dtype]
    for name, value in large.net.state().items():
        np.testing.assert_allclose(small.net.state()[name], value, rtol=0, atol=tolerance, err_msg=name)


def test_one_batch_a_step_is_what_it_always_was(samples: tuple[np.ndarray, np.ndarray]) -> None:
    plain, grouped = trainer(1), trainer(10)
    plain.train(samples, batch_size=26)
    grouped.train(samples, batch_size=26)
    for name, value in plain.net.state().items():
        np.testing.assert_array_equal(grouped.net.state()[name], value, err_msg=name)


def test_groups_hold_all_in_order() -> None:
    assert list(groups_of(3, range(7))) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(groups_of(2, iter("abcd"))) == [["a", "b"], ["c", "d"]]
    assert list(groups_of(2, [])) == []


def test_no_batch_a_step_is_refused() -> None:
    with pytest.raises(UsageError, match="accumulate should be at least 1"):
        trainer(0)
