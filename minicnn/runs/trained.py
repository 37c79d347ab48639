"""A run that has trained, ready to look at images: network, classes, and what was done to the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minicnn import models, ops
from minicnn.backend import to_device, to_numpy
from minicnn.data import NAMED_DATASETS, ImageDataset, Transform, check_header, open_dataset, read_image
from minicnn.devices import device_memory, resolve_device
from minicnn.errors import UsageError
from minicnn.files import in_home
from minicnn.layers import Sequential
from minicnn.runs.own_network import network_of_run
from minicnn.runs.run import read_settings
from minicnn.runs.run_directory import RunDirectory
from minicnn.runs.settings import Settings
from minicnn.training.evaluation import logits_of
from minicnn.training.normalization import Normalization

IMAGES_AT_ONCE = 64  # in `predict`: enough to use all cores, few enough for any memory


@dataclass(frozen=True)
class TrainedRun:
    """What a run directory holds. classes: folder names; class_names: as people say them; both in label order."""

    settings: Settings
    net: Sequential
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    normalization: Normalization
    transform: Transform
    device: str

    @classmethod
    def open(cls, path: str, checkpoint: str = "best", device: str = "cpu", model: str | None = None) -> TrainedRun:
        """Read the run in the folder `path` with its "best" or "last" weights, onto `device`.

        model: the file of the user's own that the run was trained with, if it was: it is executed only when named here.
        Raises UsageError when it is no run, has no such weights, or is damaged.
        """
        directory = RunDirectory(path)
        config = directory.read_config()
        settings = read_settings(directory, config)
        device = resolve_device(device)
        try:
            classes, class_names = tuple(config["classes"]), tuple(config["class_names"])
            normalization = Normalization(**config["normalization"])
            transform = Transform.from_config(config["transform"])
            input_shape = tuple(config["input_shape"])
            if len(input_shape) != 3 or not all(type(side) is int and side >= 1 for side in input_shape):
                raise UsageError(f"input_shape should be [height, width, channels]; got {config['input_shape']}")
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(f"{directory.config} is damaged: {error}") from error
        network = network_of_run(directory, settings.model, model)
        net = models.build(network, input_shape, classes=len(classes), seed=settings.seed)
        with device_memory(device, f"the weights of {settings.model}", "use --device cpu"):
            net = net.to(device)
        net.load(directory.weights(checkpoint))
        return cls(settings, net, classes, class_names, normalization, transform, device)

    def images(self, data: str | None = None, part: str = "validation", strict: bool = False) -> ImageDataset:
        """Find the images to evaluate on.

        data: None for the run's own; a named set; a folder with train/ beside the others, of which `part`
        ("validation" or "test") is taken; or a folder of class folders, of which all images are. Of a run that was
        trained on some of the classes only, the images of the others are left out.
        Raises UsageError when there are none, or they have classes that the run does not know.
        """
        if part not in ("validation", "test"):
            raise UsageError(f"unknown part {part!r}: choose validation or test")
        if data == "":
            raise UsageError("the name of the data is empty: name a data set or a folder")
        some = self.settings.classes != ""
        folder = in_home(data) if data is not None else None
        if folder is not None and data not in NAMED_DATASETS and not (folder / "train").is_dir():
            allowed = None if some else self.classes
            return ImageDataset.from_folder(folder, classes=allowed, only=self.classes, strict=strict)
        splits = open_dataset(
            data or self.settings.data, seed=self.settings.seed, strict=strict, classes=self.classes if some else ""
        )
        if splits.classes != self.classes:
            raise UsageError(
                f"{data or self.settings.data} has other classes than the run was trained on: {listed(splits.classes)}"
                f" instead of {listed(self.classes)}"
            )
        images = splits.validation if part == "validation" else splits.test
        if images is None:
            raise UsageError(f"{data or self.settings.data} has no part for a final test: use --part validation")
        return images

    def predict(self, paths: Sequence[str]) -> np.ndarray:
        """Return the probabilities of all classes for each image file, (N, K) float32 in rows that sum to 1.

        Never more than IMAGES_AT_ONCE pictures are in memory. Raises UnreadableImage for the first file that is no
        image, in most cases before anything is computed.
        """
        for path in paths:
            check_header(path)
        rng = np.random.default_rng(0)  # transforms take one; those of an evaluation do not draw from it
        rows = []
        for first in range(0, len(paths), IMAGES_AT_ONCE):
            chosen = paths[first : first + IMAGES_AT_ONCE]
            pixels = np.stack([np.asarray(self.transform(read_image(path), rng)) for path in chosen])
            logits = logits_of(self.net, self.normalization(to_device(pixels, self.device)), self.settings.test_flip)
            rows.append(to_numpy(ops.softmax(logits)))
        return np.concatenate(rows)


def listed(classes: Sequence[str], most: int = 5) -> str:
    """Return the names of `classes` as a text, and beyond `most` how many more there are."""
    return ", ".join(classes[:most]) + (f" and {len(classes) - most} more" if len(classes) > most else "")
