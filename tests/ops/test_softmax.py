"""Softmax and cross-entropy against 50-digit decimal arithmetic, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import ShapeError, UsageError
from minicnn.loops import softmax as oracle
from tests.comparison import assert_close, call_keeping


@pytest.mark.parametrize("n, k", [(1, 1), (1, 2), (7, 10), (3, 101)])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
def test_loss_and_gradient_equal_the_loops(n, k, label_smoothing, mode, dtype, rng):
    logits = (3 * rng.standard_normal((n, k))).astype(dtype)
    labels = rng.integers(k, size=n)
    assert_close(call_keeping(ops.softmax, logits), oracle.softmax(logits), dtype)
    loss, probabilities = call_keeping(ops.softmax_cross_entropy, logits, labels, label_smoothing)
    assert loss.shape == ()
    assert_close(probabilities, oracle.softmax(logits), dtype, "probabilities")
    expected = oracle.softmax_cross_entropy(logits, labels, label_smoothing)
    if k > 1:  # of one class the loss is exactly 0
        assert_close(loss, expected, dtype, "loss")
    else:
        assert loss == 0
    dlogits = call_keeping(ops.softmax_cross_entropy_backward, probabilities, labels, label_smoothing)
    if k > 1:
        assert_close(dlogits, oracle.softmax_cross_entropy_backward(logits, labels, label_smoothing), dtype, "dlogits")
    else:
        np.testing.assert_allclose(dlogits, 0, atol=1e-7)


def test_huge_logits_give_neither_overflow_nor_warning(mode, dtype):
    logits = np.array([[1000, -1000, 0], [-1e4, -1e4, -1e4], [0, 800, 800]], dtype)
    labels = np.array([1, 2, 0])
    assert_close(ops.softmax(logits), oracle.softmax(logits), dtype)
    loss, probabilities = ops.softmax_cross_entropy(logits, labels)
    assert_close(loss, oracle.softmax_cross_entropy(logits, labels), dtype)
    assert np.isfinite(ops.softmax_cross_entropy_backward(probabilities, labels)).all()


def test_shifting_all_logits_changes_nothing(mode, rng):
    logits = rng.standard_normal((4, 5))
    np.testing.assert_allclose(ops.softmax(logits + 500), ops.softmax(logits), rtol=1e-10)


def test_nan_is_not_hidden(mode, dtype):
    logits = np.array([[0, np.nan, 1], [0, 1, 2]], dtype)
    loss, probabilities = ops.softmax_cross_entropy(logits, np.array([0, 1]))
    assert np.isnan(loss)
    assert np.isnan(probabilities[0]).all()
    assert np.isfinite(probabilities[1]).all()


@pytest.mark.parametrize("labels_dtype", ["uint8", "int32", "int64"])
def test_labels_may_be_any_integers(labels_dtype, mode, dtype, rng):
    logits = rng.standard_normal((300, 4)).astype(dtype)
    labels = rng.integers(4, size=300)
    loss, probabilities = ops.softmax_cross_entropy(logits, labels.astype(labels_dtype))
    assert_close(loss, oracle.softmax_cross_entropy(logits, labels), dtype)
    dlogits = ops.softmax_cross_entropy_backward(probabilities, labels.astype(labels_dtype))
    assert_close(dlogits, oracle.softmax_cross_entropy_backward(logits, labels), dtype)


@pytest.mark.parametrize(
    "labels, error, message",
    [
        ([0, 3], UsageError, "label 3 is none of the 3 classes 0 … 2"),
        ([-1, 0], UsageError, "label -1 is none of the 3 classes 0 … 2"),
        ([0.0, 1.0], UsageError, "give the class numbers as integers, not one-hot rows"),
        ([[1, 0, 0], [0, 1, 0]], ShapeError, "give one label a row"),
        ([0, 1, 2], ShapeError, "give one label a row"),
    ],
    ids=["too large", "negative", "float", "one-hot", "too many"],
)
def test_wrong_labels_are_refused(labels, error, message, mode):
    with pytest.raises(error, match=message):
        ops.softmax_cross_entropy(np.zeros((2, 3)), np.array(labels))
    with pytest.raises(error, match=message):
        ops.softmax_cross_entropy_backward(np.full((2, 3), 1 / 3), np.array(labels))


def test_logits_without_rows_are_refused(mode):
    for operation in (ops.softmax, lambda z: ops.softmax_cross_entropy(z, np.zeros(3, int))):
        with pytest.raises(ShapeError, match=r"softmax.*: logits \(3,\)"):
            operation(np.zeros(3))


@pytest.mark.parametrize("n, k", [(1, 2), (7, 10)])
def test_soft_targets_equal_the_loops(n, k, mode, dtype, rng):
    logits, targets = (3 * rng.standard_normal((n, k))).astype(dtype), rng.random((n, k)).astype(dtype)
    targets[0, 0] = 0
    loss, probabilities = call_keeping(ops.soft_target_cross_entropy, logits, targets)
    assert loss.shape == ()
    assert_close(probabilities, oracle.softmax(logits), dtype, "probabilities")
    assert_close(loss, oracle.soft_target_cross_entropy(logits, targets), dtype, "loss")
    dlogits = call_keeping(ops.soft_target_cross_entropy_backward, probabilities, targets)
    assert_close(dlogits, oracle.soft_target_cross_entropy_backward(logits, targets), dtype, "dlogits")


def test_one_hot_targets_are_labels(mode, rng):
    logits, labels = rng.standard_normal((5, 4)), rng.integers(4, size=5)
    targets = np.eye(4)[labels]
    loss, probabilities = ops.soft_target_cross_entropy(logits, targets)
    np.testing.assert_allclose(loss, ops.softmax_cross_entropy(logits, labels)[0], rtol=1e-12)
    expected = ops.softmax_cross_entropy_backward(probabilities, labels)
    np.testing.assert_allclose(ops.soft_target_cross_entropy_backward(probabilities, targets), expected, atol=1e-15)


def test_targets_of_another_shape_are_refused(mode):
    with pytest.raises(ShapeError, match=r"soft_target_cross_entropy: .*targets \(2,\)"):
        ops.soft_target_cross_entropy(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ShapeError, match=r"soft_target_cross_entropy_backward: .*targets \(2, 4\)"):
        ops.soft_target_cross_entropy_backward(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ShapeError, match="a batch without samples"):
        ops.soft_target_cross_entropy(np.zeros((0, 3)), np.zeros((0, 3)))
