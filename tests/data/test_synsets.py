"""ImageNet's classes: their order, their names, and folders that are called by their synsets."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path

import pytest

from minicnn.data import ImageDataset, imagenet_classes, imagenet_label, imagenet_names, open_dataset
from minicnn.data.synsets import TABLE
from minicnn.errors import UsageError

# Labels that everybody knows, from elsewhere: the classes of Imagenette, and torchvision's documentation.
KNOWN = {
    0: ("n01440764", "tench"),
    1: ("n01443537", "goldfish"),
    217: ("n02102040", "English springer"),
    482: ("n02979186", "cassette player"),
    491: ("n03000684", "chain saw"),
    497: ("n03028079", "church"),
    566: ("n03394916", "French horn"),
    569: ("n03417042", "garbage truck"),
    571: ("n03425413", "gas pump"),
    574: ("n03445777", "golf ball"),
    701: ("n03888257", "parachute"),
    999: ("n15075141", "toilet tissue"),
}


def test_a_thousand_in_label_order() -> None:
    classes = imagenet_classes()
    synsets = [entry.synset for entry in classes]
    assert len(classes) == len(set(synsets)) == 1000
    assert synsets == sorted(synsets)
    assert {label: tuple(classes[label]) for label in KNOWN} == KNOWN
    written = [line.split("\t")[0] for line in TABLE.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert written == [str(label) for label in range(1000)]


def test_no_two_names_are_the_same() -> None:
    names = [entry.name.lower() for entry in imagenet_classes()]
    assert len(set(names)) == 1000
    assert all(name == name.strip() and name for name in names)
    assert imagenet_names()["n02012849"] != imagenet_names()["n03126707"]  # both are cranes


def test_labels_of_synsets() -> None:
    assert [imagenet_label(entry.synset) for entry in imagenet_classes()] == list(range(1000))
    with pytest.raises(UsageError, match="'tench' is none of ImageNet's 1000 classes"):
        imagenet_label("tench")


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
def test_synsets_and_lemmas_are_those_of_timm() -> None:
    package = importlib.util.find_spec("timm")
    assert package is not None and package.submodule_search_locations
    info = Path(package.submodule_search_locations[0], "data", "_info")
    assert [entry.synset for entry in imagenet_classes()] == (info / "imagenet_synsets.txt").read_text().split()
    lines = (info / "imagenet_synset_to_lemma.txt").read_text().splitlines()
    lemmas = {synset: text.split(", ") for synset, text in (line.split("\t") for line in lines)}
    told_apart = {synset for synset, name in imagenet_classes() if name != lemmas[synset][0]}
    assert told_apart == {"n02012849", "n03126707", "n02113186", "n03710721"}


def test_folders_called_by_synsets_have_names(make_folder) -> None:
    root = make_folder("data", {"n01440764": 1, "n02979186": 1, "n00000001": 1, "tench": 1})
    expected = ("n00000001", "tench", "cassette player", "tench")
    assert ImageDataset.from_folder(root).class_names == expected


def test_labels_tsv_has_the_last_word(make_folder) -> None:
    root = make_folder("data", {"n01440764": 10, "n02979186": 10})
    assert open_dataset(root).class_names == ("tench", "cassette player")
    (root / "labels.tsv").write_text("n01440764\tSchleie\nn02979186\tKassettenspieler\n", encoding="utf-8")
    assert open_dataset(root).class_names == ("Schleie", "Kassettenspieler")


def test_the_table_lies_in_the_package() -> None:
    assert Path(TABLE).parent.name == "data"
    assert (files("minicnn.data") / "imagenet_classes.tsv").is_file()
