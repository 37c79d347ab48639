"""What a user calls data (a name or a folder) → training, validation and test images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minicnn.data.datasets import NAMED_DATASETS, locate
from minicnn.data.folder import ImageDataset, Skipped, class_folders
from minicnn.data.subset import choose_classes, some_of_each_class
from minicnn.data.tiny_imagenet import is_tiny_imagenet, read_tiny_imagenet, tiny_imagenet_names
from minicnn.errors import UsageError
from minicnn.files import in_home, read_lines

VALIDATION_FOLDERS = ("val", "valid", "validation")
LABELS_FILE = "labels.tsv"


@dataclass(frozen=True)
class Splits:
    """One set of images in its parts; `test` is None where there is no third part.

    folder: where the images lie.
    """

    train: ImageDataset
    validation: ImageDataset
    test: ImageDataset | None
    folder: Path

    @property
    def classes(self) -> tuple[str, ...]:
        """The class folders' names; labels are indices into it."""
        return self.train.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as people call them."""
        return self.train.class_names

    @property
    def skipped(self) -> list[Skipped]:
        """The files left out of any part."""
        parts = (self.train, self.validation, self.test)
        return [entry for part in parts if part is not None for entry in part.skipped]


def open_dataset(
    data: str | os.PathLike[str],
    *,
    seed: int = 0,
    strict: bool = False,
    split: Sequence[float] = (0.8, 0.1, 0.1),
    classes: str | Sequence[str] = "",
    per_class: int = 0,
) -> Splits:
    """Find the images that `data` names, and their parts.

    A folder with `train/` (class folders inside) and `val/`, `valid/`, `validation/` or `test/` has those
    parts; where `test/` is the only other one, it is the validation part, and there is none for a final test.
    Anything else is one folder a class, split at random, each class in the same proportions. Tiny-ImageNet is read
    as its archive unpacks (see `minicnn.data.tiny_imagenet`).
    A `labels.tsv` in the folder gives the classes' names, a line each: class folder, tab, name. Without it, folders
    called by ImageNet's synsets (n01440764) have ImageNet's names.

    data: "shapes" (drawn on first use), another named set that has been downloaded, or a folder.
    seed: of the split, where one is made, and of the choice of `per_class` images.
    strict: refuse the first file that cannot be read, instead of skipping it.
    split: fractions for training, validation and test, where a split is made; 0 for no test part.
    classes: take only these: "" for all, "10" for the first ten, a list or a file; see `choose_classes`.
    per_class: take at most so many training images of each class, chosen at random; 0 for all. The other parts
        stay whole.
    Raises UsageError: no such data, no or one class, a class without images or with too few to split,
    validation classes that training lacks, a labels.tsv that disagrees with the folders, classes that are not there.
    """
    name = os.fspath(data)
    if not name:
        raise UsageError("the name of the data is empty: name a data set or a folder")
    folder = locate(name) if name in NAMED_DATASETS else in_home(name)
    found = class_folders_of_data(folder)
    if "train" in found and class_folders(folder / "train"):
        splits = _given_parts(folder, found, strict, seed, split, classes)
    else:
        splits = _random_parts(folder, folder, strict, seed, split, classes)
    if not per_class:
        return splits
    train = splits.train.subset(some_of_each_class(splits.train.labels, per_class, seed))
    train.skipped = splits.train.skipped
    return replace(splits, train=train)


def class_folders_of_data(folder: Path) -> list[str]:
    """`class_folders`, with the names of known data sets in the error where there is no such folder."""
    if not folder.exists():
        raise UsageError(f"there is no folder {folder}, nor a data set of that name ({', '.join(NAMED_DATASETS)})")
    return class_folders(folder)


def stratified_split(
    labels: np.ndarray, fractions: Sequence[float], seed: int, classes: Sequence[str] | None = None
) -> list[np.ndarray]:
    """Divide indices at random so that every class is divided in the same proportions.

    labels: (N,) int64.
    fractions: of the parts, summing to 1; each part but the first gets round(fraction·n) of the n images of a
        class, at least one unless its fraction is 0; the first gets the rest.
    classes: the classes' names, for the message; None to number them.
    Returns one sorted array of indices a part; together they are 0 … N-1, each once.
    Raises UsageError for fractions that are none, or a class with too few images.
    """
    if min(fractions) < 0 or fractions[0] == 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(f"a split's fractions are at least 0 and sum to 1, the first above 0; got {tuple(fractions)}")
    rng = np.random.default_rng(seed)
    parts: list[list[int]] = [[] for _ in fractions]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        sizes = [max(1, round(fraction * len(members))) if fraction else 0 for fraction in fractions[1:]]
        if sum(sizes) >= len(members):
            name = repr(classes[label]) if classes is not None else f"number {label}"
            images = f"{len(members)} image{'' if len(members) == 1 else 's'}"
            raise UsageError(
                f"the class {name} is too small: {images} cannot be split into {1 + sum(map(bool, sizes))} parts; "
                "add images, or give the parts folders of their own (train/, val/)"
            )
        ends = np.cumsum([len(members) - sum(sizes), *sizes])
        for part, chunk in zip(parts, np.split(members, ends[:-1]), strict=True):
            part.extend(chunk.tolist())
    return [np.array(sorted(part), dtype=np.int64) for part in parts]


def _given_parts(
    folder: Path, found: Sequence[str], strict: bool, seed: int, split: Sequence[float], wanted: str | Sequence[str]
) -> Splits:
    validation = next((name for name in VALIDATION_FOLDERS if name in found), None)
    test = "test" if "test" in found else None
    if validation is None:
        validation, test = test, None
    if validation is None:
        return _random_parts(folder, folder / "train", strict, seed, split, wanted)
    known = class_folders(folder / "train")
    _require_two_classes(known, folder / "train")
    if is_tiny_imagenet(folder):
        names = _class_names(folder, known) or tiny_imagenet_names(folder)
        parts = read_tiny_imagenet(folder, choose_classes(wanted, known, names), names, strict)
        return Splits(*parts, None, folder)
    names = _class_names(folder, known)
    chosen = choose_classes(wanted, known, names)

    def part(name: str) -> ImageDataset:
        return ImageDataset.from_folder(folder / name, classes=known, only=chosen, class_names=names, strict=strict)

    return Splits(part("train"), part(validation), part(test) if test else None, folder)


def _random_parts(
    folder: Path, root: Path, strict: bool, seed: int, split: Sequence[float], wanted: str | Sequence[str]
) -> Splits:
    if len(split) != 3:
        raise UsageError(f"a split has three fractions: training, validation, test; got {tuple(split)}")
    if split[1] == 0:
        raise UsageError(f"a split needs validation images; got the fractions {tuple(split)}")
    known = class_folders(root)
    _require_two_classes(known, root)
    names = _class_names(folder, known)
    chosen = choose_classes(wanted, known, names)
    whole = ImageDataset.from_folder(root, only=chosen, class_names=names, strict=strict)
    train, validation, test = (
        whole.subset(part) for part in stratified_split(whole.labels, split, seed, whole.classes)
    )
    train.skipped = whole.skipped
    return Splits(train, validation, test if len(test) else None, folder)


def _require_two_classes(classes: Sequence[str], root: Path) -> None:
    if not classes:
        raise UsageError(f"{root} holds no class folders; expected a folder of images for each class")
    if len(classes) < 2:
        raise UsageError(f"{root} has only one class, {classes[0]!r}; telling classes apart takes at least two")


def _class_names(folder: Path, classes: Sequence[str]) -> Mapping[str, str]:
    """Read labels.tsv where there is one: class folder → name.

    Raises UsageError unless it names exactly `classes`, once each.
    """
    path = folder / LABELS_FILE
    if not path.exists():
        return {}
    names: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        name, _, rest = line.partition("\t")
        label = rest.partition("\t")[0].strip()
        if not name or not label or name in names:
            problem = "repeats a class" if name in names else "is not `class folder, tab, name`"
            raise UsageError(f"{path} line {number} {problem}: {line!r}")
        names[name] = label
    if missing := [name for name in classes if name not in names]:
        raise UsageError(f"{path} has no line for {_count(missing)}; add it or remove the file")
    if extra := [name for name in names if name not in classes]:
        raise UsageError(f"{path} names {_count(extra)} without a class folder; add the folder or remove the line")
    return names


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} class{'es' if len(names) > 1 else ''} (the first is {names[0]!r})"
