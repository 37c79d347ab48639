"""A network that has learnt, ready to look at images: from a run, from a file, or pretrained on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minicnn import ops
from minicnn.backend import Array, to_device, to_numpy
from minicnn.data import NAMED_DATASETS, ImageDataset, check_header, fold_of, open_dataset, read_image
from minicnn.devices import device_memory, resolve_device
from minicnn.errors import UsageError
from minicnn.files import in_home
from minicnn.layers import Sequential
from minicnn.runs.network_file import NetworkFacts
from minicnn.runs.own_network import network_of
from minicnn.runs.settings import Settings
from minicnn.runs.weights import TrainedWeights
from minicnn.training.evaluation import logits_of

PARTS = ("validation", "test", "train")  # of data
IMAGES_AT_ONCE = 64  # in `predict`: enough to use all cores, few enough for any memory


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights, the facts about it, and where it is.

    settings, checkpoint: of a run, its own and which of its weights these are, "best" or "last".
    """

    net: Sequential
    facts: NetworkFacts
    device: str
    settings: Settings | None = None
    checkpoint: str | None = None

    @classmethod
    def open(
        cls, path: str, checkpoint: str | None = None, device: str = "cpu", model: str | None = None
    ) -> TrainedNetwork:
        """Read what `path` names, as `TrainedWeights.read` does, and build the network on `device`.

        model: the file of the user's own that the weights were trained with, if they were: it is executed only when
        named here. Raises UsageError as that does, and when the weights do not fit the network.
        """
        device = resolve_device(device)
        weights = TrainedWeights.read(path, checkpoint)
        facts = weights.facts
        net = facts.build(weights.arrays, network_of(Path(path), facts.model, model), path)
        with device_memory(device, f"the weights of {facts.model}", "use --device cpu"):
            net.to(device)
        return cls(net, facts, device, weights.settings, weights.checkpoint)

    def _repr_html_(self) -> str:
        from minicnn.runs.notebook import trained_html

        return trained_html(self)

    def images(
        self, data: str | None = None, part: str = "validation", strict: bool = False, divided: bool = False
    ) -> ImageDataset:
        """Find the images to evaluate on, labelled as the network's classes are.

        data: None for the run's own, of a fold those that it was validated on; a named set; a folder with train/ beside
        the others, of which `part` (one of PARTS) is taken; or a folder of class folders, of which all images
        are, or if `divided`, those that are `part` when training divides it. They may be of some of the network's
        classes only. Of a run that was trained on some of the data's classes, the images of the others are left out.
        Raises UsageError when there are none, or they have classes that the network does not know.
        """
        if part not in PARTS:
            raise UsageError(f"unknown part {part!r}: choose {', '.join(PARTS[:-1])} or {PARTS[-1]}")
        if data == "" or (data is None and self.settings is None):
            raise UsageError("there are no images without a name: name a data set or a folder")
        some = self.settings is not None and self.settings.classes != ""
        folder = in_home(data) if data is not None else None
        named = data in NAMED_DATASETS
        if folder is not None and not (named or divided or (folder / "train").is_dir()):
            allowed = None if some else self.facts.classes
            return ImageDataset.from_folder(folder, classes=allowed, only=self.facts.classes, strict=strict)
        source = data or (self.settings.data if self.settings else "")
        seed = self.settings.seed if self.settings else 0
        splits = open_dataset(
            source, seed=seed, strict=strict, classes=self.facts.classes if some else "",
            per_class=self.settings.per_class if self.settings is not None and data is None else 0,
        )  # fmt: skip
        if self.settings is not None and self.settings.fold and data is None:
            splits = fold_of(splits, self.settings.fold, seed)
        unknown = [name for name in splits.classes if name not in self.facts.classes]
        if unknown:
            raise UsageError(
                f"{source} has classes that the network does not know: {listed(unknown)}; it knows "
                f"{listed(self.facts.classes)}"
            )
        images = {"validation": splits.validation, "test": splits.test, "train": splits.train}[part]
        if images is None:
            raise UsageError(f"{source} has no part for a final test: use --part validation")
        places = np.array([self.facts.classes.index(name) for name in splits.classes], dtype=np.int64)
        return replace(
            images, labels=places[images.labels], classes=self.facts.classes, class_names=self.facts.class_names
        )

    def picture(self, path: str) -> np.ndarray:
        """Read an image file as the network looks at it: (H, W, 3) uint8, before its bytes are scaled.

        Raises UnreadableImage when it is no image.
        """
        rng = np.random.default_rng(0)  # transforms take one; those of an evaluation do not draw from it
        return np.asarray(self.facts.transform(read_image(path), rng))

    def predict(self, paths: Sequence[str]) -> np.ndarray:
        """Return the probabilities of all classes for each image file, (N, K) float32 in rows that sum to 1.

        Never more than IMAGES_AT_ONCE pictures are in memory. Raises UnreadableImage for the first file that is no
        image, in most cases before anything is computed.
        """
        for path in paths:
            check_header(path)
        rows = []
        for first in range(0, len(paths), IMAGES_AT_ONCE):
            x = self.read(np.stack([self.picture(path) for path in paths[first : first + IMAGES_AT_ONCE]]))
            rows.append(to_numpy(ops.softmax(logits_of(self.net, x, self.flips))))
        return np.concatenate(rows)

    @property
    def flips(self) -> bool:
        """Whether a picture is judged by the mean of its logits and its mirror's."""
        return self.settings is not None and self.settings.test_flip

    def read(self, pixels: np.ndarray) -> Array:
        """Return pictures (N, H, W, 3) uint8 as the network reads them, float32 on its device."""
        return self.facts.normalization(to_device(pixels, self.device))


def listed(classes: Sequence[str], most: int = 5) -> str:
    """Return the names of `classes` as a text, and beyond `most` how many more there are."""
    return ", ".join(classes[:most]) + (f" and {len(classes) - most} more" if len(classes) > most else "")
