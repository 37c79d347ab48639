"""Tiny-ImageNet as its archive unpacks: train/<synset>/images/, and val/images/ whose classes a text file tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from minicnn.data.folder import ImageDataset, class_folders, visible_files
from minicnn.data.images import UnreadableImage
from minicnn.errors import UsageError
from minicnn.files import read_lines

ANNOTATIONS = "val_annotations.txt"
WORDS = "words.txt"


def is_tiny_imagenet(folder: Path) -> bool:
    """Whether the validation pictures of `folder` lie together, with a file that says their classes."""
    return (folder / "val" / ANNOTATIONS).is_file() and (folder / "val" / "images").is_dir()


def tiny_imagenet_names(folder: Path) -> dict[str, str]:
    """Read words.txt where there is one (synset, tab, words joined by commas): synset → the first of its words."""
    if not (folder / WORDS).exists():
        return {}
    rows = (line.partition("\t") for line in read_lines(folder / WORDS))
    return {synset: words.partition(",")[0].strip() for synset, _, words in rows if words.strip()}


def read_tiny_imagenet(
    folder: Path, classes: Sequence[str], names: Mapping[str, str], strict: bool
) -> tuple[ImageDataset, ImageDataset]:
    """Find the training and the validation images of `classes`.  The pictures in test/ have no labels: none are read.

    names: class folder → the name people use. strict: refuse the first file that cannot be read, instead of skipping.
    Raises UsageError: a class without images, a line of val_annotations.txt that is not `file, tab, class, …`.
    """
    train, images = folder / "train", folder / "val" / "images"
    training_files = {name: visible_files(train / name / "images") for name in classes}
    training = ImageDataset.from_files(train, training_files, classes=classes, class_names=names, strict=strict)
    class_of = _annotated_classes(folder)
    validation_files: dict[str, list[Path]] = {}
    for file in sorted(class_of, key=lambda file: (class_of[file], file)):
        if class_of[file] in classes:
            validation_files.setdefault(class_of[file], []).append(images / file)
    if not validation_files:
        raise UsageError(f"{folder / 'val' / ANNOTATIONS} has no picture of the classes that train/ has")
    validation = ImageDataset.from_files(images, validation_files, classes=classes, class_names=names, strict=strict)
    for path in visible_files(images):
        if path.name not in class_of:
            validation.skip(UnreadableImage(path, f"{ANNOTATIONS} does not say its class"))
    return training, validation


def _annotated_classes(folder: Path) -> dict[str, str]:
    """Read val_annotations.txt: file, tab, class, and a box that is not needed → the class of each file."""
    path = folder / "val" / ANNOTATIONS
    known = set(class_folders(folder / "train"))
    classes: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        file, name = [*line.split("\t"), ""][:2]
        if not name or not file or Path(file).name != file or file in classes:
            problem = f"repeats {file}" if file in classes else "is not `file, tab, class, …`"
            raise UsageError(f"{path} line {number} {problem}: {line!r}")
        if name not in known:
            raise UsageError(f"{path} line {number} has the class {name!r}, of which train/ has no folder")
        classes[file] = name
    return classes
