"""Metrics: hand-written formulas against scikit-learn and against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.training import metrics


def predictions_of(rng: np.random.Generator, classes: int) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, classes, 500)
    guesses = rng.integers(0, classes, 500)
    return labels, np.where(rng.random(500) < 0.6, labels, guesses)


def test_confusion_matrix_counts_pairs(rng: np.random.Generator) -> None:
    labels, predictions = predictions_of(rng, 4)
    counted = np.zeros((4, 4), dtype=np.int64)
    for true, predicted in zip(labels, predictions, strict=True):
        counted[true, predicted] += 1
    np.testing.assert_array_equal(metrics.confusion_matrix(labels, predictions, 4), counted)


@pytest.mark.parametrize("classes", [2, 10, 37])
def test_formulas_agree_with_scikit_learn(rng: np.random.Generator, classes: int) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, predictions = predictions_of(rng, classes)
    # One class that is never shown, one that is never predicted: the quotients without a denominator.
    labels[labels == 0] = 1
    predictions[predictions == classes - 1] = 0
    confusion = metrics.confusion_matrix(labels, predictions, classes)
    names = range(classes)
    assert metrics.accuracy(confusion) == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions))
    np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(labels, predictions, labels=names))
    for ours, theirs in [
        (metrics.precision, sklearn_metrics.precision_score),
        (metrics.recall, sklearn_metrics.recall_score),
        (metrics.f1, sklearn_metrics.f1_score),
    ]:
        options = {"labels": names, "zero_division": 0}
        np.testing.assert_allclose(ours(confusion), theirs(labels, predictions, average=None, **options), rtol=1e-12)
        assert metrics.macro(ours(confusion)) == pytest.approx(
            theirs(labels, predictions, average="macro", **options), rel=1e-12
        )


def test_the_mean_is_over_all_classes_where_scikit_learn_s_own_leaves_out_those_that_never_come(rng) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, predictions = predictions_of(rng, 6)  # of eight classes
    predictions[labels == 0] = 1  # so class 0 is shown and never right, but comes
    f1 = metrics.f1(metrics.confusion_matrix(labels, predictions, 8))
    assert f1[[6, 7]].tolist() == [0, 0]
    theirs = sklearn_metrics.f1_score(labels, predictions, average="macro")
    assert metrics.macro(f1) == pytest.approx(theirs * 6 / 8, rel=1e-12)
    assert metrics.macro(f1[:6]) == pytest.approx(theirs, rel=1e-12)


def test_formulas_by_hand() -> None:
    confusion = np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]])
    assert metrics.accuracy(confusion) == 5 / 8
    np.testing.assert_allclose(metrics.precision(confusion), [3 / 5, 2 / 3, 0])
    np.testing.assert_allclose(metrics.recall(confusion), [3 / 4, 2 / 4, 0])
    np.testing.assert_allclose(metrics.f1(confusion), [6 / 9, 4 / 7, 0])
    assert metrics.accuracy(np.zeros((3, 3), dtype=np.int64)) == 0


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_agrees_with_scikit_learn(rng: np.random.Generator, k: int) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    logits, labels = rng.standard_normal((200, 8)), rng.integers(0, 8, 200)
    ours = float((metrics.rank_of_label(logits, labels) < k).mean())
    assert ours == pytest.approx(sklearn_metrics.top_k_accuracy_score(labels, logits, k=k, labels=range(8)))


def test_rank_agrees_with_argmax_in_ties(rng: np.random.Generator) -> None:
    logits = rng.integers(0, 3, (300, 6)).astype(np.float32)
    labels = rng.integers(0, 6, 300)
    np.testing.assert_array_equal(metrics.rank_of_label(logits, labels) == 0, logits.argmax(axis=1) == labels)


def test_running_totals_are_the_mean_over_images(rng: np.random.Generator) -> None:
    totals = metrics.RunningTotals()
    totals.add(np.float32(2.0), np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), np.array([1, 1, 1]))
    totals.add(np.float32(6.0), np.array([[0.0, 1.0]]), np.array([0]))
    assert totals.read() == (3.0, 0.5)
