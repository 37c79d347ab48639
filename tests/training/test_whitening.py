"""Whitening: scikit-learn's principal axes, outputs that are uncorrelated, and what cannot be whitened."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, ReLU, Sequential
from minicnn.errors import UsageError
from minicnn.training import whitening
from minicnn.training.whitening import EPSILON, whiten, whitening_filters


@pytest.fixture
def pictures(rng: np.random.Generator) -> np.ndarray:
    """Return smooth coloured pictures whose neighbouring pixels are much alike, (64, 10, 10, 3)."""
    grey = np.cumsum(rng.standard_normal((64, 10, 10, 1)), axis=2) * 0.1
    return (grey + 0.1 * rng.standard_normal((64, 10, 10, 3))).astype(np.float32)


def test_the_outputs_are_uncorrelated_and_equally_strong(pictures: np.ndarray) -> None:
    net = Sequential([Conv2D(24, 2), ReLU(), Flatten(), Dense(3)], input_shape=(10, 10, 3), seed=0)
    net.layers[0].bias.value += 1
    whiten(net, pictures)
    y = net.layers[0].forward(pictures).reshape(-1, 24).astype(np.float64)
    np.testing.assert_allclose(y[:, :12], -y[:, 12:], atol=1e-5)
    moments = y[:, :12].T @ y[:, :12] / len(y)
    variances = np.diag(moments)
    np.testing.assert_allclose(moments, np.diag(variances), atol=1e-3)
    assert 0.8 < variances.min() <= variances.max() < 1  # λ / (λ + ε)


def test_the_axes_are_those_of_a_singular_value_decomposition(pictures: np.ndarray) -> None:
    patches = np.stack(
        [pictures[:, i : i + 9, j : j + 9] for i in range(2) for j in range(2)], axis=3
    ).reshape(-1, 12)  # fmt: skip
    _, deviations, axes = np.linalg.svd(patches.astype(np.float64) / np.sqrt(len(patches)), full_matrices=False)
    ours = whitening_filters(pictures, 2, 2, filters=8).reshape(12, 8)
    expected = axes[:4] / np.sqrt(deviations[:4, None] ** 2 + EPSILON)
    signs = np.sign((ours[:, :4].T * expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(ours[:, :4].T, signs * expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(ours[:, 4:], -ours[:, :4])


def test_a_few_pictures_at_a_time_give_the_same_filters(pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whitening_filters(pictures, 3, 3, filters=32)
    monkeypatch.setattr(whitening, "PICTURES", 7)
    np.testing.assert_allclose(whitening_filters(pictures, 3, 3, filters=32), expected, rtol=1e-6, atol=1e-9)


def test_filters_that_are_too_many_stay_zero(pictures: np.ndarray) -> None:
    weight = whitening_filters(pictures, 1, 1, filters=9)
    assert weight.shape == (1, 1, 3, 9)
    assert weight[..., :6].all() and not weight[..., 6:].any()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Flatten(), Dense(4)], "here it is dense1, a Dense"),
        ([Conv2D(6, 3, groups=3), Flatten(), Dense(4)], "without groups"),
        ([Conv2D(1, 3), Flatten(), Dense(4)], "at least two filters"),
        ([Flatten()], "none with weights"),
    ],
)
def test_what_cannot_be_whitened_is_refused_in_words(layers: list, message: str, pictures: np.ndarray) -> None:
    net = Sequential(layers, input_shape=(10, 10, 3), seed=0)
    before = {name: p.value.copy() for name, p in net.parameters().items()}
    with pytest.raises(UsageError, match=message):
        whiten(net, pictures)
    for name, value in before.items():
        np.testing.assert_array_equal(net.parameters()[name].value, value)
