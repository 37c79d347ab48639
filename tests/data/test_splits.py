"""What a user calls data becomes training, validation and test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicnn.data import Splits, open_dataset
from minicnn.data.splits import stratified_split
from minicnn.errors import UsageError

TWO = {"cat": 3, "dog": 2}


def names(splits: Splits) -> list[list[str]]:
    parts = (splits.train, splits.validation, splits.test)
    return [[f"{path.parent.name}/{path.name}" for path in part.paths] if part else [] for part in parts]


@pytest.fixture
def layout(make_folder):
    """Return a function that writes a folder with parts: layout(train={"cat": 3, "dog": 2}, val=…)."""

    def make(**parts: dict[str, int]) -> Path:
        for part, classes in parts.items():
            make_folder("data", {f"{part}/{name}": images for name, images in classes.items()})
        return make_folder("data", {})

    return make


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_given_parts_are_taken_as_they_are(layout, name: str) -> None:
    splits = open_dataset(layout(train=TWO, **{name: {"cat": 1, "dog": 1}}))
    assert (len(splits.train), len(splits.validation), splits.test) == (5, 2, None)
    assert splits.classes == ("cat", "dog")


def test_three_given_parts(layout) -> None:
    splits = open_dataset(layout(train=TWO, val={"cat": 1, "dog": 1}, test={"dog": 2}))
    assert splits.test is not None
    assert splits.test.labels.tolist() == [1, 1]


def test_a_folder_of_classes_is_split_at_random_and_the_same_for_a_seed(make_folder) -> None:
    root = make_folder("pets", {"cat": 20, "dog": 10})
    splits = open_dataset(root, seed=1)
    everything = [name for part in names(splits) for name in part]
    assert len(everything) == len(set(everything)) == 30
    assert [np.bincount(part.labels).tolist() for part in (splits.train, splits.validation, splits.test)] == [
        [16, 8], [2, 1], [2, 1],
    ]  # fmt: skip
    assert names(open_dataset(str(root), seed=1)) == names(splits)
    assert names(open_dataset(root, seed=2)) != names(splits)


def test_a_lone_train_folder_is_split(layout) -> None:
    splits = open_dataset(layout(train={"cat": 10, "dog": 10}))
    assert (len(splits.train), len(splits.validation)) == (16, 2)


def test_a_class_may_be_called_train(make_folder) -> None:
    splits = open_dataset(make_folder("vehicles", {"train": 5, "plane": 5}))
    assert splits.classes == ("plane", "train")


def test_no_test_part_where_its_fraction_is_zero(make_folder) -> None:
    splits = open_dataset(make_folder("pets", {"cat": 10, "dog": 10}), split=(0.7, 0.3, 0))
    assert (len(splits.train), len(splits.validation), splits.test) == (14, 6, None)


def test_skipped_files_of_all_parts_are_listed(layout) -> None:
    root = layout(train=TWO, val={"cat": 1, "dog": 1})
    for part in ("train", "val"):
        (root / part / "cat" / "text.jpg").write_text("no picture")
    assert [entry.path.parent.parent.name for entry in open_dataset(root).skipped] == ["train", "val"]
    with pytest.raises(UsageError, match=r"text\.jpg"):
        open_dataset(root, strict=True)


def test_skipped_files_survive_a_random_split(make_folder) -> None:
    root = make_folder("pets", {"cat": 5, "dog": 5})
    (root / "cat" / "text.jpg").write_text("no picture")
    assert len(open_dataset(root).skipped) == 1


@pytest.mark.parametrize("seed", range(5))
def test_stratified_split_divides_every_class_alike(seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [100, 37, 5]))
    parts = stratified_split(labels, (0.6, 0.3, 0.1), seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(142))
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[60, 22, 2], [30, 11, 2], [10, 4, 1]]
    assert all(np.array_equal(part, np.sort(part)) for part in parts)


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (0, 0.5, 0.5), (1.2, -0.1, -0.1), (0.8, 0.2), (0.9, 0, 0.1)])
def test_fractions_that_are_none(make_folder, fractions: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="split"):
        open_dataset(make_folder("pets", {"cat": 10, "dog": 10}), split=fractions)


class TestNames:
    """labels.tsv: class folder, tab, name, perhaps more."""

    def test_gives_the_class_names(self, layout) -> None:
        root = layout(train=TWO, val={"cat": 1})
        (root / "labels.tsv").write_text("dog\tDackel\nn0\n".replace("n0\n", "") + "cat\tKatze\tFelis catus\n\n")
        splits = open_dataset(root)
        assert splits.classes == ("cat", "dog")
        assert splits.class_names == splits.validation.class_names == ("Katze", "Dackel")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"cat\tKatze\n", "no line for 1 class .the first is 'dog'.; add it or remove the file"),
            (b"cat\tKatze\ndog\tHund\ncow\tKuh\n", "names 1 class .the first is 'cow'. without a class folder"),
            (b"cat Katze\n", "line 1 is not `class folder, tab, name`"),
            (b"cat\tKatze\ncat\tKater\n", "line 2 repeats a class"),
            (b"\xff\xfe\x00", "is not a UTF-8 text file"),
        ],
    )
    def test_must_agree_with_the_folders(self, make_folder, content: bytes, message: str) -> None:
        root = make_folder("pets", {"cat": 5, "dog": 5})
        (root / "labels.tsv").write_bytes(content)
        with pytest.raises(UsageError, match=message):
            open_dataset(root)


def test_mistakes_are_named(make_folder, layout, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder .*nowhere, nor a data set of that name \(shapes, imagenette"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="run `minicnn data download cifar10` first"):
        open_dataset("cifar10")
    with pytest.raises(UsageError, match="has only one class, 'cat'"):
        open_dataset(make_folder("one", {"cat": 5}))
    with pytest.raises(UsageError, match="2 images cannot be split into 3 parts"):
        open_dataset(make_folder("few", {"cat": 2, "dog": 9}))
    with pytest.raises(UsageError, match="has the class 'cow', which is not among cat, dog"):
        open_dataset(layout(train=TWO, val={"cow": 1}))


def test_a_class_too_small_to_split_is_named() -> None:
    labels = np.array([0] * 20 + [1])
    with pytest.raises(UsageError, match=r"the class 'owl' is too small: 1 image cannot be split into 3 parts"):
        stratified_split(labels, (0.8, 0.1, 0.1), 0, ("cat", "owl"))
