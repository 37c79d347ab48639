"""Folds: every training image validates once, classes are dealt evenly, and what no fold may see stays aside."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.data import fold_of, open_dataset
from minicnn.data.folds import stratified_folds
from minicnn.errors import UsageError


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_every_image_validates_once_and_teaches_the_other_times(make_folder, folds: int) -> None:
    splits = open_dataset(make_folder("pets", {"cat": 20, "dog": 30}))
    parts = [fold_of(splits, f"{number}/{folds}", seed=3) for number in range(1, folds + 1)]
    validated = [path for part in parts for path in part.validation.paths]
    assert sorted(validated) == sorted(splits.train.paths)
    for part in parts:
        assert set(part.train.paths) == set(splits.train.paths) - set(part.validation.paths)
        assert part.test is splits.validation and part.classes == splits.classes
        names = [path.parent.name for path in part.validation.paths]
        assert [part.classes[label] for label in part.validation.labels] == names


@pytest.mark.parametrize("folds", [2, 4, 7])
def test_classes_are_dealt_as_evenly_as_scikit_learn_s(folds: int, rng: np.random.Generator) -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not installed")
    labels = np.repeat(np.arange(4), [15, 8, 30, 11])
    rng.shuffle(labels)
    ours = stratified_folds(labels, folds, seed=1)
    theirs = selection.StratifiedKFold(folds, shuffle=True, random_state=0).split(labels, labels)
    their_counts = [np.bincount(labels[chosen]) for _, chosen in theirs]
    our_counts = [np.bincount(labels[ours == number], minlength=4) for number in range(folds)]
    for k in range(4):
        assert sorted(counts[k] for counts in our_counts) == sorted(counts[k] for counts in their_counts)
    sizes = [counts.sum() for counts in our_counts]
    assert max(sizes) - min(sizes) <= 1


def test_the_seed_decides_who_is_in_which_fold() -> None:
    labels = np.zeros(100, dtype=int)
    one, same, other = (stratified_folds(labels, 5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any() and (one != np.arange(100) % 5).any()


@pytest.mark.parametrize("fold", ["0/5", "6/5", "1/1", "two of five", "2/5/7"])
def test_what_is_no_fold_is_refused(make_folder, fold: str) -> None:
    splits = open_dataset(make_folder("pets", {"cat": 20, "dog": 30}))
    with pytest.raises(UsageError, match="a fold is named as the second of five is, 2/5; got"):
        fold_of(splits, fold, 0)


def test_more_folds_than_images_are_refused(make_folder) -> None:
    splits = open_dataset(make_folder("pets", {"cat": 5, "dog": 30}))
    with pytest.raises(UsageError, match=r"the class 'cat' has \d training images: too few, with 9 folds"):
        fold_of(splits, "1/9", 0)
