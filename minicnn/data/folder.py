"""A folder with one folder a class → the list of images with their labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from minicnn.data.images import SUFFIXES, UnreadableImage, check_header, read_image
from minicnn.data.synsets import imagenet_names
from minicnn.errors import UsageError


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass
class ImageDataset:
    """Images on disk with a label each.

    paths: N image files, in an order that depends on their names alone.
    labels: (N,) int64, each an index into `classes`.
    classes: the class folders' names, sorted.
    class_names: the same classes as people call them; equal to `classes` where nobody said and they are no synsets.
    skipped: files in the class folders that are no images or could not be read.
    strict: whether an unreadable file ends the work (UsageError) or is skipped.
    """

    paths: Sequence[Path]
    labels: np.ndarray
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    skipped: list[Skipped] = field(default_factory=list)
    strict: bool = False

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        *,
        classes: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        class_names: Mapping[str, str] | None = None,
        strict: bool = False,
    ) -> ImageDataset:
        """Read a folder that holds one folder a class, each with images in it, at any depth.

        Every file's header is looked at, so a file that only claims to be an image is skipped now and does
        not take a place in a batch; with `strict` every file is decoded in full, and the first that fails is
        an error. Hidden files and folders do not count.

        folder: where the class folders are.
        classes: the classes that there may be, such as those of a trained network, in label order; None for the
            folders found.
        only: of those the ones that count, and that labels refer to: the folders of others are not looked into.
            None for all.
        class_names: class folder → the name people use, for as many as are known; else ImageNet's own name where
            the folder is called by a synset (n01440764), else the folder's.
        Raises UsageError: no such folder, no class folders, a class without images, a class not among
        `classes`, and with `strict` a file that is no image.
        """
        root = Path(folder)
        found = class_folders(root)
        if not found:
            raise UsageError(f"{root} holds no class folders; expected a folder of images for each class")
        allowed = found if classes is None else classes
        if unknown := [name for name in found if name not in allowed]:
            raise UsageError(f"{root} has the class {unknown[0]!r}, which is not among {_listed(allowed)}")
        known = allowed if only is None else only
        files = {name: visible_files(root / name) for name in found if name in known}
        if not files:
            raise UsageError(f"{root} has a folder for none of {_listed(known)}")
        return cls.from_files(root, files, classes=known, class_names=class_names, strict=strict)

    @classmethod
    def from_files(
        cls,
        root: Path,
        files: Mapping[str, Iterable[Path]],
        *,
        classes: Sequence[str],
        class_names: Mapping[str, str] | None = None,
        strict: bool = False,
    ) -> ImageDataset:
        """Take the images among `files`: class → its files; see `from_folder`, to which the other arguments are alike.

        root: the folder that the files are from, for messages.
        classes: the classes that labels refer to.
        Raises UsageError: a class in `files` without images, and with `strict` a file that is no image.
        """
        known = tuple(classes)
        paths: list[Path] = []
        labels: list[int] = []
        skipped: list[Skipped] = []
        for name, candidates in files.items():
            images = _images_among(candidates, skipped, strict)
            if not images:
                raise UsageError(f"class folder {root / name} has no images; add some or remove the folder")
            paths += images
            labels += [known.index(name)] * len(images)
        names = imagenet_names() | dict(class_names or {})
        said = tuple(names.get(name, name) for name in known)
        return cls(paths, np.array(labels, dtype=np.int64), known, said, skipped, strict)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int, at_least: tuple[int, int] | None = None) -> Image.Image:
        """Read image `index`; see `read_image`.  Raises UnreadableImage."""
        return read_image(self.paths[index], at_least)

    def subset(self, indices: np.ndarray) -> ImageDataset:
        """The dataset of these images only, (M,) integers, with the same classes."""
        paths = [self.paths[index] for index in indices]
        return ImageDataset(paths, self.labels[indices], self.classes, self.class_names, strict=self.strict)

    def require_every_class(self) -> None:
        """Raise UsageError when all images of a class have turned out to be unreadable."""
        if not self.skipped:
            return
        unreadable = {entry.path for entry in self.skipped}
        labels = self.labels.tolist()
        left = {label for path, label in zip(self.paths, labels, strict=True) if path not in unreadable}
        if lost := sorted(set(labels) - left):
            first = self.paths[labels.index(lost[0])]
            raise UsageError(
                f"the class {self.classes[lost[0]]!r} has no image that can be read: {first} is broken, and so are all "
                "others; replace them, or remove the class folder"
            )

    def skip(self, error: UnreadableImage) -> None:
        """Note once that a file turned out to be unreadable.  Raises the error where strict."""
        if self.strict:
            raise error
        entry = Skipped(error.path, error.reason)
        if entry not in self.skipped:
            self.skipped.append(entry)


def class_folders(root: Path) -> list[str]:
    """The names of the folders in `root`, sorted, without hidden ones.  Raises UsageError: no folder."""
    if not root.exists():
        raise UsageError(f"there is no folder {root}")
    if not root.is_dir():
        raise UsageError(f"{root} is a file; expected a folder with one folder a class")
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def visible_files(folder: Path) -> Iterator[Path]:
    """The files in a folder at any depth, sorted, without hidden ones and what hidden folders hold."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place, name)


def _images_among(paths: Iterable[Path], skipped: list[Skipped], strict: bool) -> list[Path]:
    """The files that are images; the others are appended to `skipped`, or raised where strict."""
    check = read_image if strict else check_header
    images = []
    for path in paths:
        try:
            if path.suffix.lower() not in SUFFIXES:
                raise UnreadableImage(path, "its name does not end as an image's")
            check(path)
            images.append(path)
        except UnreadableImage as error:
            if strict:
                raise
            skipped.append(Skipped(error.path, error.reason))
    return images


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
