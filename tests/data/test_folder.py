"""A folder of class folders: what is found, what is skipped, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.data import ImageDataset, UnreadableImage
from minicnn.errors import UsageError


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def test_images_come_sorted_with_their_labels(make_folder) -> None:
    root = make_folder("pets", {"dog": 2, "cat": 3})
    dataset = ImageDataset.from_folder(root)
    assert dataset.classes == dataset.class_names == ("cat", "dog")
    assert [path.relative_to(root).as_posix() for path in dataset.paths] == [
        "cat/000.jpg", "cat/001.jpg", "cat/002.jpg", "dog/000.jpg", "dog/001.jpg",
    ]  # fmt: skip
    assert dataset.labels.dtype == np.int64
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1]
    assert len(dataset) == 5
    assert dataset.read(4).size == (32, 24)


def test_images_at_any_depth_count_and_hidden_files_do_not(make_folder) -> None:
    root = make_folder("pets", {"cat": 1, "dog/small": 2, ".hidden": 1, "cat/.thumbnails": 1})
    (root / "cat" / ".DS_Store").write_bytes(b"\0")
    (root / "readme.txt").write_text("not in a class folder")
    dataset = ImageDataset.from_folder(root)
    assert dataset.classes == ("cat", "dog")
    assert dataset.labels.tolist() == [0, 1, 1]
    assert dataset.skipped == []


def test_files_that_are_no_images_are_named_and_skipped(make_folder) -> None:
    root = make_folder("pets", {"cat": 2, "dog": 2})
    (root / "cat" / "notes.txt").write_text("whiskers")
    (root / "dog" / "text.jpg").write_text("no picture")
    (root / "dog" / "empty.png").write_bytes(b"")
    dataset = ImageDataset.from_folder(root)
    assert len(dataset) == 4
    assert [(entry.path.name, entry.reason) for entry in dataset.skipped] == [
        ("notes.txt", "its name does not end as an image's"),
        ("empty.png", "it is no image, or of an unknown format"),
        ("text.jpg", "it is no image, or of an unknown format"),
    ]


@pytest.mark.parametrize("name", ["notes.txt", "text.jpg"])
def test_strict_refuses_the_first_of_them(make_folder, name: str) -> None:
    root = make_folder("pets", {"cat": 2, "dog": 2})
    (root / "dog" / name).write_text("no picture")
    with pytest.raises(UsageError, match=name):
        ImageDataset.from_folder(root, strict=True)


def test_strict_reads_every_file_to_its_end(make_folder) -> None:
    root = make_folder("pets", {"cat": 2, "dog": 2})
    truncate(root / "dog" / "001.jpg")
    assert len(ImageDataset.from_folder(root)) == 4  # the header is fine
    with pytest.raises(UnreadableImage, match=r"001\.jpg cannot be read as an image: .*truncated"):
        ImageDataset.from_folder(root, strict=True)


def test_a_file_found_unreadable_later_is_noted_once(make_folder) -> None:
    root = make_folder("pets", {"cat": 2, "dog": 2})
    dataset = ImageDataset.from_folder(root)
    error = UnreadableImage(root / "cat" / "000.jpg", "broken")
    dataset.skip(error)
    dataset.skip(error)
    assert [tuple(entry) for entry in dataset.skipped] == [(error.path, "broken")]
    dataset.strict = True
    with pytest.raises(UnreadableImage):
        dataset.skip(error)


def test_labels_refer_to_given_classes(make_folder) -> None:
    root = make_folder("pets", {"dog": 2})
    dataset = ImageDataset.from_folder(root, classes=("cat", "cow", "dog"), class_names={"dog": "Dog"})
    assert dataset.labels.tolist() == [2, 2]
    assert dataset.class_names == ("cat", "cow", "Dog")
    with pytest.raises(UsageError, match="has the class 'dog', which is not among cat, cow"):
        ImageDataset.from_folder(root, classes=("cat", "cow"))


def test_a_subset_keeps_classes(make_folder) -> None:
    dataset = ImageDataset.from_folder(make_folder("pets", {"cat": 2, "dog": 2}))
    part = dataset.subset(np.array([3, 0]))
    assert [path.parent.name for path in part.paths] == ["dog", "cat"]
    assert part.labels.tolist() == [1, 0]
    assert part.classes == dataset.classes


def test_mistakes_are_named(make_folder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        ImageDataset.from_folder(tmp_path / "nowhere")
    Image.new("RGB", (4, 4)).save(tmp_path / "image.png")
    with pytest.raises(UsageError, match=r"image\.png is a file; expected a folder"):
        ImageDataset.from_folder(tmp_path / "image.png")
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "flat" / "image.png")
    with pytest.raises(UsageError, match="flat holds no class folders"):
        ImageDataset.from_folder(tmp_path / "flat")
    root = make_folder("pets", {"cat": 1, "dog": 0})
    with pytest.raises(UsageError, match="dog has no images; add some or remove the folder"):
        ImageDataset.from_folder(root)
    (root / "dog" / "only.jpg").write_text("no picture")
    with pytest.raises(UsageError, match="dog has no images"):
        ImageDataset.from_folder(root)
