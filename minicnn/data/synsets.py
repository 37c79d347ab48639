"""ImageNet's 1000 classes: label ↔ synset (WordNet's number of a meaning) ↔ the name that people say."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import UsageError

TABLE = Path(__file__).with_name("imagenet_classes.tsv")


class ImageNetClass(NamedTuple):
    """One of the 1000: its synset, as class folders are called ("n01440764"), and its name ("tench")."""

    synset: str
    name: str


@cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """The classes in label order, 0 … 999, which is the synsets' sorted order; no two have the same name.

    Source: the head of imagenet_classes.tsv says where its facts are from.
    """
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple(ImageNetClass(synset, name) for _, synset, name in rows)


@cache
def imagenet_names() -> dict[str, str]:
    """Synset → name, for all 1000 classes; not to be changed."""
    return dict(imagenet_classes())


@cache
def _labels() -> dict[str, int]:
    return {entry.synset: label for label, entry in enumerate(imagenet_classes())}


def imagenet_label(synset: str) -> int:
    """The label, 0 … 999, of a synset.  Raises UsageError where it is none of the 1000 classes."""
    label = _labels().get(synset)
    if label is None:
        raise UsageError(f"{synset!r} is none of ImageNet's 1000 classes; a synset reads like n01440764")
    return label
