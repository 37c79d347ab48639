"""The images that a run learns from and is validated on."""

from __future__ import annotations

from collections.abc import Sequence

from minicnn.data import Splits, fold_of, open_dataset
from minicnn.runs.settings import Settings


def open_splits(settings: Settings, classes: Sequence[str] | None = None) -> Splits:
    """Find the images that `settings` name, in their parts, those of a fold where one is asked for.

    classes: the folders of the classes, where they are known; None for those that the settings mean.
    Raises UsageError for data, classes or a fold that cannot be used.
    """
    splits = open_dataset(
        settings.data, seed=settings.seed, strict=settings.strict, per_class=settings.per_class,
        classes=settings.classes if classes is None else classes,
    )  # fmt: skip
    return fold_of(splits, settings.fold, settings.seed) if settings.fold else splits
