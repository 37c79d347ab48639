"""Compression: a trained network made smaller, by pruning and as an int8 network, and what that costs and gains."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from minicnn.backend import to_numpy
from minicnn.data import ImageDataset, Loader, open_dataset
from minicnn.errors import UsageError
from minicnn.files import clear_leftovers, write_whole
from minicnn.layers import Sequential
from minicnn.runs.network_file import NetworkFacts, save_network
from minicnn.runs.series import Member, require_trainable, trained
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork, listed
from minicnn.runs.transfer import settings_from
from minicnn.training.calibration import quantize_network, require_method
from minicnn.training.evaluation import evaluate, require_finite
from minicnn.training.feeding import feed
from minicnn.training.progress import Progress

RECORD = "compression.json"
BATCH = 32  # pictures at once, where nothing else is said
REPEATS = 7  # of each measurement of time, the median of which counts
RATE = 0.1  # of the learning rate that a run was trained with, for fine-tuning
EPOCHS = 5  # of fine-tuning
# Settings of fine-tuning that nobody chooses: they are the network's own or pruning's, or say which images there are.
NOT_TUNABLE = (
    "data", "classes", "fold", "seed", "model", "image_size", "normalize", "fit", "init", "prune", "freeze",
    "unfreeze_at", "whiten", "workers",
)  # fmt: skip


@dataclass(frozen=True)
class Compressed:
    """A network and what was measured of it.

    name: original, pruned, int8 or pruned int8. file: where it is, None for the original. size: bytes, of the file; of
    the original, of its numbers. zeros: share of the weights of convolutions and dense layers that are zero. accuracy,
    top5: shares of the pictures, 0 … 1. milliseconds: for one picture, by how many are computed at once.
    """

    name: str
    file: str | None
    size: int
    zeros: float
    accuracy: float
    top5: float
    milliseconds: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        """Return all of it in plain JSON values."""
        return {
            "name": self.name, "file": self.file, "bytes": self.size, "zeros": self.zeros, "accuracy": self.accuracy,
            "top5_accuracy": self.top5, "milliseconds": {str(batch): ms for batch, ms in self.milliseconds.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """What to make of a network.

    prune: share of its weights that become zero, 0 for no pruning. int8: whether to make int8 networks. calibration:
    how their ranges are found, see `minicnn.training.calibration`; calibration_images: from how many training images.
    images: how many validation images to measure on, 0 for all. tuning: settings of the fine-tuning, by name, that are
    not as they would be (see `fine_tuning`), but for those in NOT_TUNABLE.
    """

    prune: float = 0.0
    int8: bool = True
    calibration: str = "mse"
    calibration_images: int = 128
    images: int = 0
    tuning: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.prune and not self.int8:
            raise UsageError("there is nothing to do: leave out --no-int8, or add --prune")
        require_method(self.calibration)
        if self.tuning and not self.prune:
            raise UsageError(f"{listed(list(self.tuning))} is for fine-tuning a pruned network: add --prune")
        if refused := [name for name in self.tuning or {} if name in NOT_TUNABLE]:
            raise UsageError(f"{listed(refused)} cannot be another one in fine-tuning: leave it out")
        if not 0 <= self.prune < 1:
            raise UsageError(f"prune={self.prune:g} should be the share of weights to become zero, from 0 to below 1")
        if self.calibration_images < 1 or self.images < 0:
            raise UsageError(
                f"calibration takes at least 1 image and measuring at least 0, for all; got {self.calibration_images} "
                f"and {self.images}"
            )


def compress(
    run: str, data: str | None, wish: Wish, folder: Path, progress: Progress, model: str | None = None,
    workers: int = 2,
) -> list[Compressed]:  # fmt: skip
    """Make of a trained network what `wish` asks for, in `folder`, and return the original and that, as measured.

    run: a run, a network's file or a pretrained network. data: whose training images tune and calibrate, and whose
    validation images measure; None for the run's own. model: the file of the user's own that it was trained with.
    Pictures are judged as they are, without their mirrors, whatever the run did: so `evaluate` judges the files.
    Pruning trains in `folder`/pruned, where the same command goes on after it was stopped.
    `folder`/compression.json says what was asked for, and in the end what came of it.
    Raises UsageError for what cannot be compressed so, a folder that holds something else, and what training raises.
    """
    original = TrainedNetwork.open(run, model=model)
    if original.facts.int8:
        raise UsageError(f"{run} is an int8 network already: compress the one that it was made from")
    asked = {"run": str(Path(run)), "weights": _digest(original.net), "data": data, **asdict(wish)}
    del asked["images"]  # the same networks may be measured on others
    shown = some(original.images(data, divided=True), wish.images)
    learnt = original.images(data, "train", divided=True)  # complains before anything is trained
    networks = {"original": original.net}
    tuning = None
    if wish.prune:
        settings = fine_tuning(run, original, data, wish, model).changed(workers=workers)
        tuning = Member("fine-tuning", settings, folder / "pruned")
        require_trainable([tuning], folder)
    _begin(folder, asked)
    if tuning is not None:
        progress.note(f"pruning {wish.prune:.0%} of the weights, and fine-tuning for {tuning.settings.epochs} epochs")
        trained(tuning, progress)
        networks["pruned"] = TrainedNetwork.open(str(folder / "pruned"), model=model).net
    if wish.int8:
        progress.note(f"calibrating on {min(wish.calibration_images, len(learnt))} training images")
        batches = list(_pictures(some(learnt, wish.calibration_images), original.facts, workers))
        for name in list(networks):
            int8 = "int8" if name == "original" else f"{name} int8"
            networks[int8] = quantize_network(networks[name], batches, wish.calibration)
    files = {name: _save(net, name, original.facts, folder) for name, net in networks.items() if name != "original"}
    progress.note(f"measuring on {len(shown)} validation images")
    results = {}
    for name, net in networks.items():
        loader = Loader(shown, BATCH, original.facts.transform, workers=workers)
        results[name] = evaluate(net, loader, original.facts.normalization)
        require_finite(results[name], name)
    times = speeds(networks, next(_pictures(shown, original.facts, workers)))
    rows = []
    for name, net in networks.items():
        result = results[name]
        file = files.get(name)
        size = sum(array.nbytes for array in net.state().values()) if file is None else file.stat().st_size
        path = None if file is None else str(file)
        rows.append(Compressed(name, path, size, zeros_of(net), result.accuracy, result.top5_accuracy, times[name]))
    _keep(folder, asked, [row.to_json() for row in rows])
    return rows


def fine_tuning(run: str, original: TrainedNetwork, data: str | None, wish: Wish, model: str | None = None) -> Settings:
    """Return the settings with which what is left of a pruned network learns on.

    They are those of the run, or of what a network's file says of its pictures; but for EPOCHS epochs, RATE times its
    learning rate, which falls to zero along a cosine, and all layers learn. `wish.tuning` holds against that.
    Raises UsageError where there is no data, or it has other classes than the network.
    """
    if original.settings is not None:
        base = original.settings
        base = base.changed(lr=base.lr * RATE)
    else:
        base = Settings(**settings_from(run), lr=Settings.lr * RATE)
    if model is not None:
        base = base.changed(model=model)
    if data is not None:
        base = base.changed(data=data, fold="")
    settings = base.changed(
        init=run, freeze="", unfreeze_at=0, whiten=False, epochs=EPOCHS, schedule="cosine", warmup=0.0,
        prune=wish.prune,
    ).changed(**(wish.tuning or {}))  # fmt: skip
    classes = open_dataset(settings.data, seed=settings.seed, classes=settings.classes).classes
    if classes != original.facts.classes:
        raise UsageError(
            f"fine-tuning needs images of all classes of the network, and {settings.data} has {len(classes)} classes, "
            f"{listed(classes, 3)}, in place of {len(original.facts.classes)}: teach it these first "
            f"(minicnn train {settings.data} --init {run}), and compress what comes of it"
        )
    return settings


def some(images: ImageDataset, count: int) -> ImageDataset:
    """Return `count` of the images, chosen at random, the same every time; all for 0, or where there are no more."""
    if not count or count >= len(images):
        return images
    return images.subset(np.sort(np.random.default_rng(0).permutation(len(images))[:count]))


def speeds(networks: Mapping[str, Sequential], x: np.ndarray) -> dict[str, dict[int, float]]:
    """Return how long each network takes for a picture, in milliseconds, by how many of x it computes at once.

    They take turns, so that whatever else the machine does hits all alike; the median of REPEATS times counts.
    """
    taken: dict[str, dict[int, list[float]]] = {name: {} for name in networks}
    for batch in sorted({1, len(x)}):
        for repeat in range(REPEATS + 1):
            for name, net in networks.items():
                began = time.perf_counter()
                net.forward(x[:batch])
                spent = 1e3 * (time.perf_counter() - began) / batch
                if repeat:  # the first compiles kernels
                    taken[name].setdefault(batch, []).append(spent)
    return {name: {batch: median(each) for batch, each in of_net.items()} for name, of_net in taken.items()}


def zeros_of(net: Sequential) -> float:
    """Return the share of zeros among the weights of convolutions and dense layers."""
    weights = [to_numpy(array) for name, array in net.state().items() if name.endswith("weight") and array.ndim > 1]
    return sum(int((w == 0).sum()) for w in weights) / max(sum(w.size for w in weights), 1)


def _pictures(images: ImageDataset, facts: NetworkFacts, workers: int) -> Iterator[np.ndarray]:
    """Yield the images as the network reads them, BATCH at a time."""
    loader = Loader(images, BATCH, facts.transform, workers=workers)
    return (x for x, _ in feed(loader, 0, facts.normalization))


def _begin(folder: Path, asked: dict[str, Any]) -> None:
    """Make the folder. Raises UsageError when there is something in it that the same command did not make."""
    record = folder / RECORD
    clear_leftovers(record)
    found = [path.name for path in folder.iterdir()] if folder.exists() else []
    if RECORD in found:
        try:
            same = json.loads(record.read_text(encoding="utf-8"))["asked"] == json.loads(json.dumps(asked))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UsageError(f"{record} is damaged: {error!r}") from error
        if not same and found != [RECORD]:
            raise UsageError(f"{folder} holds what another command made ({RECORD}): name another folder with --out")
        if same:
            return
    elif found:
        raise UsageError(f"{folder} is not empty: name another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    _keep(folder, asked, [])


def _digest(net: Sequential) -> str:
    """Return a number that tells these weights from others."""
    numbers = hashlib.sha256()
    for name, array in net.state().items():
        numbers.update(name.encode() + to_numpy(array).tobytes())
    return numbers.hexdigest()


def _keep(folder: Path, asked: dict[str, Any], networks: list[dict[str, Any]]) -> None:
    write_whole(folder / RECORD, json.dumps({"asked": asked, "networks": networks}, indent=2) + "\n")


def _save(net: Sequential, name: str, facts: NetworkFacts, folder: Path) -> Path:
    path = folder / f"{name.replace(' ', '-')}.safetensors"
    clear_leftovers(path)
    save_network(net, replace(facts, int8="int8" in name), path, packed=True)
    return path
