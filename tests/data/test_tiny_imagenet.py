"""Tiny-ImageNet is read as its archive unpacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from minicnn.data import open_dataset
from minicnn.errors import UsageError

CLASSES = ("n02979186", "n01440764", "n00000001")  # as wnids.txt has them, unsorted; the last is no ImageNet class
VALIDATION = {
    "val_0.JPEG": "n01440764", "val_1.JPEG": "n00000001", "val_2.JPEG": "n01440764", "val_10.JPEG": "n02979186",
}  # fmt: skip
BOX = "0\t32\t44\t62"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a folder with a few pictures in Tiny-ImageNet's layout."""
    root = tmp_path / "tiny-imagenet-200"

    def draw(folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64)).save(folder / name, "JPEG")

    for synset in CLASSES:
        for number in range(3):
            draw(root / "train" / synset / "images", f"{synset}_{number}.JPEG")
        (root / "train" / synset / f"{synset}_boxes.txt").write_text(f"{synset}_0.JPEG\t{BOX}\n")
    for name in VALIDATION:
        draw(root / "val" / "images", name)
    lines = [f"{name}\t{synset}\t{BOX}\n" for name, synset in VALIDATION.items()]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    draw(root / "test" / "images", "test_0.JPEG")
    (root / "wnids.txt").write_text("".join(f"{synset}\n" for synset in CLASSES))
    (root / "words.txt").write_text(
        "n00000001\tthing, object\nn00001740\tentity\nn01440764\ttench, Tinca tinca\nn02979186\tcassette player\n"
    )
    return root


def annotate(tiny: Path, text: str) -> None:
    with (tiny / "val" / "val_annotations.txt").open("a") as file:
        file.write(text)


def test_the_parts_and_their_labels(tiny: Path) -> None:
    splits = open_dataset(tiny, strict=True)
    assert splits.classes == ("n00000001", "n01440764", "n02979186")
    assert splits.class_names == splits.validation.class_names == ("thing", "tench", "cassette player")
    assert splits.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert all(path.parent.parent.name == splits.classes[label] for path, label in _labelled(splits.train))
    assert {path.name: splits.classes[label] for path, label in _labelled(splits.validation)} == VALIDATION
    assert splits.test is None and splits.skipped == []


def _labelled(part) -> list[tuple[Path, int]]:
    return list(zip(part.paths, part.labels.tolist(), strict=True))


def test_names_without_words_txt_are_imagenets(tiny: Path) -> None:
    (tiny / "words.txt").unlink()
    assert open_dataset(tiny).class_names == ("n00000001", "tench", "cassette player")


def test_labels_tsv_has_the_last_word(tiny: Path) -> None:
    (tiny / "labels.tsv").write_text("".join(f"{synset}\tno {synset[-1]}\n" for synset in CLASSES))
    assert open_dataset(tiny).class_names == ("no 1", "no 4", "no 6")


def test_a_subset(tiny: Path) -> None:
    splits = open_dataset(tiny, classes="tench,thing", per_class=2)
    assert splits.classes == ("n00000001", "n01440764")
    assert splits.train.labels.tolist() == [0, 0, 1, 1]
    assert [path.name for path in splits.validation.paths] == ["val_1.JPEG", "val_0.JPEG", "val_2.JPEG"]


def test_pictures_that_are_none_are_skipped(tiny: Path) -> None:
    (tiny / "train" / "n01440764" / "images" / "n01440764_0.JPEG").write_text("no picture")
    (tiny / "val" / "images" / "stray.JPEG").write_bytes((tiny / "val" / "images" / "val_0.JPEG").read_bytes())
    (tiny / "val" / "images" / "val_2.JPEG").unlink()
    splits = open_dataset(tiny)
    assert {(entry.path.name, entry.reason) for entry in splits.skipped} == {
        ("n01440764_0.JPEG", "it is no image, or of an unknown format"),
        ("val_2.JPEG", "there is no such file"),
        ("stray.JPEG", "val_annotations.txt does not say its class"),
    }
    assert (len(splits.train), len(splits.validation)) == (8, 3)
    with pytest.raises(UsageError, match=r"n01440764_0\.JPEG"):
        open_dataset(tiny, strict=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("val_0.JPEG\tn01440764\n", r"line 5 repeats val_0\.JPEG"),
        ("val_3.JPEG n01440764\n", "line 5 is not `file, tab, class, …`: 'val_3.JPEG n01440764'"),
        ("../../x.JPEG\tn01440764\n", "line 5 is not `file, tab, class, …`"),
        ("val_3.JPEG\tn09999999\n", "line 5 has the class 'n09999999', of which train/ has no folder"),
        ("val_3.JPEG\t../train\n", r"line 5 has the class '\.\./train', of which train/ has no folder"),
    ],
)
def test_annotations_that_are_wrong(tiny: Path, line: str, message: str) -> None:
    annotate(tiny, line)
    with pytest.raises(UsageError, match=f"val_annotations.txt {message}"):
        open_dataset(tiny)


def test_annotations_of_nothing(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").write_text("\n")
    with pytest.raises(UsageError, match=r"val_annotations\.txt has no picture of the classes"):
        open_dataset(tiny)
