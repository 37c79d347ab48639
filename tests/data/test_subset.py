"""A part of a data set: which classes, and which pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from minicnn.data import choose_classes, open_dataset, some_of_each_class
from minicnn.errors import UsageError

CLASSES = ("n01440764", "n02979186", "n03000684", "ring")
NAMES = {"ring": "a ring", "n03000684": "Kettensäge"}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("", CLASSES),
        ("2", CLASSES[:2]),
        ("4", CLASSES),
        ("ring,n01440764", ("n01440764", "ring")),
        (" ring , tench,ring", ("n01440764", "ring")),
        ("Kettensäge,a ring", ("n03000684", "ring")),
        (["ring", "n02979186"], ("n02979186", "ring")),
        ((), CLASSES),
    ],
)
def test_classes_are_chosen_in_their_own_order(wanted: str | Sequence[str], chosen: tuple[str, ...]) -> None:
    assert choose_classes(wanted, CLASSES, NAMES) == chosen


def test_classes_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("few.txt").write_text("\ufeff# these\nring\n\nn01440764\ttench, the fish\n", encoding="utf-8")
    assert choose_classes("few.txt", CLASSES) == ("n01440764", "ring")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("1", "the first 1 classes were asked for; choose 2 to 4"),
        ("0", "choose 2 to 4"),
        ("5", "the first 5 classes were asked for; choose 2 to 4"),
        ("-2", "there is no class '-2', nor a file of that name; the classes are n01440764 .tench., n02979186 .c"),
        ("nowhere.txt", "there is no class 'nowhere.txt', nor a file of that name"),
        ("ring,tench,", "there is no class ''; the classes are"),
        ("ring,chain saw", "there is no class 'chain saw'"),  # it has another name here
        ("ring,ring", "takes at least two; ring was asked for"),
        (["ring"], "takes at least two"),
        ("n" * 5000, "there is no class"),
        ("empty.txt", "empty.txt names no class; write one a line"),
        ("latin.txt", "latin.txt is not a UTF-8 text file"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str | list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("# nothing\n\n")
    Path("latin.txt").write_bytes("Säge".encode("latin-1"))
    with pytest.raises(UsageError, match=message):
        choose_classes(wanted, CLASSES, NAMES)


def test_a_name_that_two_classes_have_says_neither() -> None:
    with pytest.raises(UsageError, match="there is no class 'cat'"):
        choose_classes("cat,dog", ("a", "b", "c"), {"a": "cat", "b": "cat", "c": "dog"})
    assert choose_classes("cat,dog", ("a", "cat", "c"), {"a": "cat", "c": "dog"}) == ("cat", "c")


@pytest.mark.parametrize("count", [1, 4, 30])
def test_some_of_each_class(rng: np.random.Generator, count: int) -> None:
    labels = rng.permutation(np.repeat([0, 1, 2], [100, 20, 3]))
    chosen = some_of_each_class(labels, count, seed=3)
    assert np.bincount(labels[chosen]).tolist() == [min(count, size) for size in (100, 20, 3)]
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, some_of_each_class(labels, count, seed=3))
    assert set(chosen) <= set(some_of_each_class(labels, count + 5, seed=3))
    if count < 20:
        assert not np.array_equal(chosen, some_of_each_class(labels, count, seed=4))


class TestOfADataset:
    def test_with_parts(self, make_folder) -> None:
        classes = {"cat": 6, "cow": 6, "dog": 6}
        root = make_folder("data", {f"{part}/{name}": n for part in ("train", "val") for name, n in classes.items()})
        (root / "train" / "cow" / "000.jpg").write_text("no picture")
        splits = open_dataset(root, classes="dog,cat", per_class=4, seed=1)
        assert splits.classes == splits.validation.classes == splits.class_names == ("cat", "dog")
        assert splits.train.labels.tolist() == [0] * 4 + [1] * 4
        assert {path.parent.name for path in splits.train.paths[:4]} == {"cat"}
        assert len(splits.validation) == 12 and splits.skipped == []  # a cow that nobody asked for is not looked at
        assert splits.train.paths == open_dataset(root, classes="dog,cat", per_class=4, seed=1).train.paths
        assert splits.train.paths != open_dataset(root, classes="dog,cat", per_class=4, seed=2).train.paths

    def test_that_is_split(self, make_folder) -> None:
        root = make_folder("data", {"cat": 20, "cow": 20, "dog": 20})
        (root / "cow" / "text.jpg").write_text("no picture")
        whole, few = open_dataset(root, seed=1), open_dataset(root, seed=1, per_class=3)
        assert few.validation.paths == whole.validation.paths
        assert set(few.train.paths) < set(whole.train.paths)
        assert np.bincount(few.train.labels).tolist() == [3, 3, 3]
        assert [entry.path.name for entry in few.skipped] == ["text.jpg"]
        assert open_dataset(root, classes="2").classes == ("cat", "cow")

    def test_validation_may_not_hold_what_training_lacks(self, make_folder) -> None:
        root = make_folder("data", {"train/cat": 2, "train/dog": 2, "train/cow": 2, "val/cat": 1, "val/rat": 1})
        with pytest.raises(UsageError, match="has the class 'rat', which is not among"):
            open_dataset(root, classes="cat,dog")

    def test_a_part_without_any_of_the_classes(self, make_folder) -> None:
        root = make_folder("data", {"train/cat": 2, "train/dog": 2, "train/cow": 2, "val/cow": 1})
        with pytest.raises(UsageError, match="val has a folder for none of cat, dog"):
            open_dataset(root, classes="cat,dog")
