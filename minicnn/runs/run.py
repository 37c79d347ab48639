"""A training run from settings to pictures: put the parts together, train, keep everything in a folder."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np

import minicnn
from minicnn import models
from minicnn.data import NAMED_DATASETS, Loader, Skipped, Splits
from minicnn.devices import device_memory, device_session, gpu_name, require_cupy, resolve_device
from minicnn.dispatch import kernel_mode
from minicnn.errors import Interrupted, UsageError
from minicnn.files import write_whole
from minicnn.layers import Sequential
from minicnn.layers.plan import frozen_layers
from minicnn.runs.checkpoints import load_checkpoint, save_checkpoint
from minicnn.runs.images import open_splits
from minicnn.runs.notebook import run_html
from minicnn.runs.own_network import network_of, settings_name
from minicnn.runs.pixels import NORMALIZATIONS, make_transforms
from minicnn.runs.plots import draw_confusion, draw_curves
from minicnn.runs.run_directory import DirectoryTaken, RunDirectory, free_run_directory
from minicnn.runs.settings import Settings
from minicnn.runs.tensorboard import TensorBoardProgress
from minicnn.runs.transfer import copy_weights, freeze, rates_by_name
from minicnn.runs.weights import TrainedWeights
from minicnn.threads import get_threads
from minicnn.training.evaluation import Evaluation, evaluate
from minicnn.training.features import compute_features
from minicnn.training.feeding import feed
from minicnn.training.history import best_epoch, to_csv
from minicnn.training.losses import SoftmaxCrossEntropy, balanced_weights
from minicnn.training.mixing import Mixing
from minicnn.training.optimizers import OPTIMIZERS, Optimizer
from minicnn.training.progress import Progress, SeveralListeners
from minicnn.training.pruning import Pruning
from minicnn.training.schedules import make_schedule
from minicnn.training.trainer import Diverged, Trainer
from minicnn.training.whitening import whiten

CLASS_WEIGHTS = {"none": lambda labels, classes: None, "balanced": balanced_weights}
REDRAW_INTERVAL = 60.0  # seconds between two drawings of the curves while training goes on
CODE_NOTICE = "This folder holds a network's code. It is executed only when --model names the file: read it first."
FEATURE_LIMIT, FLOAT = 2 * 2**30, 4  # bytes of the features that are kept; bytes of each number
WHITENED = 5_000  # pictures that the first convolution is computed from
FILES_NAMED = 10  # of those that were skipped; more are only counted


class Run:
    """A training run: its settings, its folder, its images, and the trainer that they make.

    Use `Run.start` or `Run.resume`, then `train`. Nothing is written before everything that can be refused has been.
    """

    def __init__(
        self, settings: Settings, network: models.Model, directory: RunDirectory, progress: Progress | None = None,
        start: TrainedWeights | None = None, splits: Splits | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.network = network
        self.directory = directory
        self.progress = progress or Progress()
        self._events = TensorBoardProgress(directory.tensorboard) if settings.tensorboard else None
        if self._events is not None:
            self.progress = SeveralListeners(self.progress, self._events)
        device = resolve_device(settings.device)
        schedule = make_schedule(settings.schedule, settings.warmup)
        weights_of_classes = _choose("class weights", settings.class_weights, CLASS_WEIGHTS)
        self.normalization = _choose("normalization", settings.normalize, NORMALIZATIONS)
        self.train_transform, self.transform = make_transforms(settings.image_size, settings.augment, settings.fit)
        models.require_image_size(network, settings.image_size)  # before any file is read
        self.splits = splits or open_splits(settings)
        classes = len(self.splits.classes)
        net = models.build(network, (settings.image_size, settings.image_size, 3), classes=classes, seed=settings.seed)
        if start is not None:
            copy_weights(start, net, self.splits.classes)
        freeze(net, settings.freeze, settings.whiten)
        rates = rates_by_name(net, settings.rates)
        with device_memory(device, f"what {settings.model} and its optimizer keep", "try a smaller --image-size"):
            self.net = net.to(device)
            optimizer = _make_optimizer(self.net.parameters(), settings)
            optimizer.rates = rates
        loss = SoftmaxCrossEntropy(settings.label_smoothing, weights_of_classes(self.splits.train.labels, classes))
        self.training = Loader(
            self.splits.train, settings.batch_size, self.train_transform, shuffle=True, seed=settings.seed,
            workers=settings.workers, every_class=True,
        )  # fmt: skip
        self.validation = Loader(
            self.splits.validation, settings.batch_size, self.transform, workers=settings.workers, every_class=True
        )
        self.trainer = Trainer(
            self.net, optimizer, epochs=settings.epochs, loss=loss, schedule=schedule,
            normalization=self.normalization, device=device, progress=self.progress, mixing=_make_mixing(settings),
            clip_norm=settings.clip_norm, accumulate=settings.accumulate, ema=settings.ema,
            lookahead=settings.lookahead, patience=settings.patience, test_flip=settings.test_flip,
            patience_from=settings.unfreeze_at if settings.unfreeze_at <= settings.epochs else 0,
            pruning=_make_pruning(self.net, settings),
        )  # fmt: skip
        self._drawn = time.perf_counter()
        self._told: set[Skipped] = set()
        self._epochs_kept = 0  # of those in the trainer's history, which is one ahead while an epoch is written

    @classmethod
    def prepare(
        cls, settings: Settings, out: str | None = None, progress: Progress | None = None, splits: Splits | None = None
    ) -> Run:
        """Put a new run together, for the folder `out` (runs/DATA-MODEL-NUMBER if None), and write nothing.

        A `model` that is a file of the user's own is executed. splits: what `open_splits` gives, if that is known.
        Raises UsageError for settings, images or a folder that cannot be used.
        """
        settings.require_effect()
        network = models.find(settings.model)
        directory = RunDirectory(out) if out is not None else free_run_directory(settings.data, network.name)
        directory.require_unused()
        start = TrainedWeights.read(settings.init) if settings.init else None
        return cls(settings.changed(model=settings_name(network)), network, directory, progress, start, splits)

    @classmethod
    def start(cls, settings: Settings, out: str | None = None, progress: Progress | None = None) -> Run:
        """Prepare a new run, see `prepare`, and make its folder, with a copy of a `model` that is the user's own file.

        Raises UsageError as that does, leaving nothing behind.
        """
        run = cls.prepare(settings, out, progress)
        network = run.network
        others = {network.file.path.name: network.file.content} if network.file is not None else {}
        while True:
            try:
                run.directory.create(run.config(), others)
                break
            except DirectoryTaken:  # by another run that began meanwhile
                if out is not None:
                    raise
                run.directory = free_run_directory(settings.data, network.name)
        try:
            save_checkpoint(run.trainer, run.directory.state)
        except BaseException:
            run.directory.remove()
            raise
        return run

    @classmethod
    def resume(cls, path: str, progress: Progress | None = None, model: str | None = None, **changes: Any) -> Run:
        """Take up the run in the folder `path` after the last epoch that it finished.

        model: the file of the user's own that the run was trained with, if it was: it is executed only when it is named
        here. changes: settings to change on the way: `epochs`, `patience`, `workers`, `device`, `tensorboard`. With
        none of them, the run goes on bit by bit as if it had never stopped; one whose last epoch was done finishes its
        pictures. Raises UsageError, changing nothing, when it is no run, is damaged, is done already, or its images are
        not the same any more.
        """
        directory = RunDirectory(path)
        config = directory.read_config()
        settings = directory.read_settings(config).changed(**changes)
        network = network_of(directory.path, settings.model, model)
        classes = config["classes"] if settings.classes else None  # a file that named them may be gone
        run = cls(settings, network, directory, progress, splits=open_splits(settings, classes))
        if config.get("images") != run.config()["images"] or config["classes"] != list(run.splits.classes):
            raise UsageError(
                f"the images in {settings.data} are not those that {path} was trained on: "
                f"{_image_counts(run.splits)} in {len(run.splits.classes)} classes now, {config.get('images')} in "
                f"{len(config['classes'])} then; start a new run"
            )
        load_checkpoint(run.trainer, directory.state)
        done = len(run.trainer.history)
        finished = run.trainer.done and directory.confusion.exists()  # the last file that a run writes
        if finished or done > settings.epochs:
            stopped = run.trainer.stopped_early
            raise UsageError(
                f"{path} has trained for {done} epochs and is done; --epochs {done + 10} would go on"
                if stopped is None
                else f"{path} has trained for {done} epochs and {stopped}; --patience 0 would go on"
            )
        run._epochs_kept = done
        directory.clear_leftovers()
        directory.confusion.unlink(missing_ok=True)  # of weights that are about to be left behind
        directory.write_config(run.config())
        return run

    def train(self) -> Evaluation:
        """Train to the last epoch; then return how the best weights do on the validation images.

        Raises Diverged when the loss is no number any more, and Interrupted when the user presses Ctrl-C; the files
        of the epochs before stay.
        """
        for line in self.describe():
            self.progress.note(line)
        self._tell_of_skipped_files()
        device = self.trainer.device
        with device_session(device, self.settings.batch_size, self.settings.tf32):
            try:
                if self.settings.whiten and not self.trainer.history:
                    self._whiten()
                judged, unseen = self._train_on_features() or (self.net, self.validation)
                self._thaw()
                self.trainer.train(self.training, self.validation, self._keep)
                self.net.load(self.directory.best)
                result = evaluate(judged, unseen, self.normalization, device, flip=self.settings.test_flip)
            except Diverged as error:
                raise Diverged(f"{error}. {self._kept()}") from None
            except KeyboardInterrupt:
                command = f"minicnn train --resume {self.directory.path}{self._consent}"
                raise Interrupted(f"interrupted. {self._kept()}: {command} goes on") from None
            finally:
                self.draw_curves()
                if self._events is not None:
                    self._events.close()
        title = f"{self.title}\n{result.accuracy:.1%} of {result.images:,} validation images right"
        draw_confusion(result.confusion, self.splits.class_names, self.directory.confusion, title)
        return result

    def _train_on_features(self) -> tuple[Sequential, object] | None:
        """Train what is not frozen on what the frozen layers make of each picture, which is computed once and kept.

        Nothing to do where no layers at the beginning are frozen, where pictures are not what they are but cut up anew,
        or where the features would take more memory than FEATURE_LIMIT.
        Returns what has learnt and the validation images' features, if the layers stay frozen to the end.
        """
        settings, trainer = self.settings, self.trainer
        until = settings.unfreeze_at - 1 if settings.unfreeze_at else settings.epochs
        place = frozen_layers(self.net.layers)
        shape = self.net.layers[place - 1].output_shape or ()
        size = sum(_image_counts(self.splits).values()) * prod(shape) * FLOAT
        changing = self.train_transform.random or settings.test_flip or settings.mixup > 0 or settings.cutmix > 0
        if not place or changing or size > FEATURE_LIMIT or len(trainer.history) >= until:
            return None
        self.progress.note(f"what the first {place} layers, which are frozen, make of each picture is computed once")
        training, validation = (
            compute_features(self.net, place, loader, self.normalization, trainer.device, self.progress)
            for loader in (self.training.in_order(), self.validation)
        )
        trainer.part = self.net.tail(place)
        try:
            trainer.train(
                training, validation, self._keep, batch_size=settings.batch_size, seed=settings.seed, until=until
            )
        finally:
            trainer.part = self.net
        return None if settings.unfreeze_at else (self.net.tail(place), validation)

    def _whiten(self) -> None:
        """Set the first convolution to what whitens the first pictures of the first epoch."""
        pictures: list[np.ndarray] = []
        for x, _ in feed(self.training, 0, self.normalization):
            pictures.append(x)
            if sum(map(len, pictures)) >= WHITENED:
                break
        whiten(self.net, np.concatenate(pictures)[:WHITENED])

    def _thaw(self) -> None:
        """Train to the epoch before all layers learn again, and let them."""
        if self.settings.unfreeze_at:
            self.trainer.train(self.training, self.validation, self._keep, until=self.settings.unfreeze_at - 1)
            self.net.freeze(False)
            freeze(self.net, "", self.settings.whiten)

    def describe(self) -> list[str]:
        """Return in a few lines what is going to be trained, on what, where."""
        settings, trainer = self.settings, self.trainer
        counts = ", ".join(f"{count:,} for {part}" for part, count in _image_counts(self.splits).items())
        parameters = sum(parameter.value.size for parameter in self.net.parameters().values())
        where = f"{get_threads()} CPU threads"
        if trainer.device == "gpu":
            where = f"{gpu_name()}, products in TF32" if settings.tf32 else gpu_name()
        done = len(trainer.history)
        lines = [
            f"{self.splits.folder}: {counts}; {len(self.splits.classes)} classes",
            f"{self.network.name} on {settings.image_size}×{settings.image_size} pixels: {parameters:,} parameters; "
            f"{settings.optimizer}, learning rate {settings.lr:g}, batches of {settings.batch_size}; {where}",
            f"run directory: {self.directory.path}",
        ]
        if self.network.file is not None:
            file = self.network.file.path.name
            lines.append(f"it keeps a copy of {file}, which is code: it is executed only when --model names it")
        if done:
            following = "finishing the pictures" if trainer.done else "going on"
            lines.append(f"{done} of {settings.epochs} epochs are done, {following}")
        return lines

    def describe_result(self, result: Evaluation) -> list[str]:
        """Return in a few lines what came out of it and what can be done with it."""
        path, consent = self.directory.path, self._consent
        return [
            f"best epoch {best_epoch(self.trainer.history).epoch}: {result.accuracy:.2%} of {result.images:,} "
            f"validation images right, top-5 {result.top5_accuracy:.2%}, macro F1 {result.f1:.4f}",
            f"see {path}/curves.png and confusion.png; minicnn evaluate {path}{consent}; "
            f"minicnn predict {path} IMAGE{consent}",
        ]

    @property
    def _consent(self) -> str:
        """What has to stand behind a command so that it executes the run's own network."""
        file = self.network.file
        return "" if file is None else f" --model {self.directory.path / file.path.name}"

    @property
    def title(self) -> str:
        """The network and what it learns."""
        named = self.settings.data in NAMED_DATASETS
        return f"{self.network.name} on {self.settings.data if named else self.splits.folder.name}"

    _repr_html_ = run_html

    def draw_curves(self) -> None:
        """Draw curves.png, if an epoch is done."""
        if self.trainer.history:
            draw_curves(self.trainer.history, self.directory.curves, self.title)
            self._drawn = time.perf_counter()

    def config(self) -> dict[str, Any]:
        """Return all that config.json says about this run."""
        named = self.settings.data in NAMED_DATASETS
        settings = self.settings if named else self.settings.changed(data=str(self.splits.folder.resolve()))
        on_gpu = self.trainer.device == "gpu"
        return {
            "settings": settings.to_config(),
            **({"code": CODE_NOTICE} if self.network.file is not None else {}),
            "input_shape": list(self.net.input_shape or ()),
            "classes": list(self.splits.classes),
            "class_names": list(self.splits.class_names),
            "images": _image_counts(self.splits),
            "normalization": self.normalization.to_config(),
            "train_transform": self.train_transform.to_config(),
            "transform": self.transform.to_config(),
            "device": self.trainer.device,
            "gpu": gpu_name() if on_gpu else None,
            "threads": get_threads(),
            "kernels": kernel_mode(),
            "versions": {
                "minicnn": minicnn.__version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "numba", "scipy", "pillow")},
                **({"cupy": require_cupy().__version__} if on_gpu else {}),
            },
        }

    def _keep(self, trainer: Trainer) -> None:
        """Write what the epoch that just ended changed; the state last, so that it never knows of files to come."""
        self._tell_of_skipped_files()
        with trainer.validated_weights():
            if best_epoch(trainer.history) is trainer.history[-1]:
                self.net.save(self.directory.best)
            self.net.save(self.directory.last)
        write_whole(self.directory.metrics, to_csv(trainer.history))
        save_checkpoint(trainer, self.directory.state)
        self._epochs_kept = len(trainer.history)
        if time.perf_counter() - self._drawn >= REDRAW_INTERVAL:
            self.draw_curves()

    def _kept(self) -> str:
        done = self._epochs_kept
        return f"What {done} epoch{'' if done == 1 else 's'} learnt is kept in {self.directory.path}"

    def _tell_of_skipped_files(self) -> None:
        new = [entry for entry in self.splits.skipped if entry not in self._told]
        self._told.update(new)
        if new:
            self.progress.note(skipped_text(new))


def skipped_text(skipped: list[Skipped]) -> str:
    """Return a line that counts and names files that were left out, and says why."""
    named = "; ".join(f"{entry.path} ({entry.reason})" for entry in sorted(skipped)[:FILES_NAMED])
    more = f"; and {len(skipped) - FILES_NAMED} more" if len(skipped) > FILES_NAMED else ""
    return f"skipped {len(skipped)} file{'s' if len(skipped) > 1 else ''} that cannot be read as images: {named}{more}"


def _image_counts(splits: Splits) -> dict[str, int]:
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: len(part) for name, part in parts.items() if part is not None}


def _choose(what: str, name: str, choices: dict[str, Any]) -> Any:
    if name not in choices:
        raise UsageError(f"unknown {what} {name!r}: choose one of {', '.join(choices)}")
    return choices[name]


def _make_optimizer(parameters: dict[str, Any], settings: Settings) -> Optimizer:
    kind = _choose("optimizer", settings.optimizer, OPTIMIZERS)
    sgd_s = {"momentum": settings.momentum, "nesterov": settings.nesterov} if settings.optimizer == "sgd" else {}
    return kind(parameters, lr=settings.lr, weight_decay=settings.weight_decay, **sgd_s)


def _make_pruning(net: Sequential, settings: Settings) -> Pruning | None:
    return Pruning(net, settings.prune, settings.prune_scope, settings.prune_until) if settings.prune else None


def _make_mixing(settings: Settings) -> Mixing | None:
    mixes = settings.mixup or settings.cutmix
    return Mixing(settings.mixup, settings.cutmix, settings.seed) if mixes else None
