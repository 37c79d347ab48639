"""Several runs that belong together, in one folder: the same command goes on where it was stopped.

A run of the series that is done is taken as it is, one that was interrupted goes on, and the others are started.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minicnn import models
from minicnn.data import Splits
from minicnn.errors import Interrupted, UsageError
from minicnn.runs.ahead import start_compiled
from minicnn.runs.comparison import RunRecord
from minicnn.runs.images import open_splits
from minicnn.runs.run import Run
from minicnn.runs.run_directory import RunDirectory
from minicnn.runs.settings import Settings
from minicnn.training.progress import Progress
from minicnn.training.stopping import StopRule

# Settings that change no result, or that a run directory writes down in other words.
_ELSEWHERE = ("data", "model", "workers", "device", "tensorboard")
_OF_IMAGES = ("data", "classes", "per_class", "fold", "seed", "strict")  # those that say which images there are


@dataclass(frozen=True)
class Member:
    """One run of a series: what it is called in words, its settings, and its folder."""

    name: str
    settings: Settings
    path: Path


def require_trainable(members: Iterable[Member], folder: Path) -> None:
    """Raise UsageError, saying of which run, unless all runs of a series in `folder` can be trained, or have been.

    Every run that is not there yet is put together once, as for training, and nothing is written: what is wrong with
    the last one is told before the first has taken its time.
    """
    if RunDirectory(folder).config.exists():
        raise UsageError(f"{folder} is the folder of a run itself: name another one with --out")
    splits: dict[tuple[object, ...], Splits] = {}
    for member in members:
        settings = member.settings
        try:
            if RunDirectory(member.path).config.exists():
                _require_same(settings, member.path)
                continue
            images = tuple(getattr(settings, name) for name in _OF_IMAGES)
            if images not in splits:
                splits[images] = open_splits(settings)
            Run.prepare(settings, str(member.path), splits=splits[images])
        except UsageError as error:
            raise UsageError(f"{member.name}: {error}") from None


def trained(member: Member, progress: Progress, stop_rule: StopRule | None = None) -> RunRecord:
    """Return what came out of a run of a series, after training what is left of it.

    stop_rule: may end it early. Raises UsageError when its folder holds a run with other settings, and what `Run`
    raises.
    """
    settings, directory = member.settings, RunDirectory(member.path)
    try:
        if not directory.config.exists():
            run = start_compiled(settings, str(member.path), progress)
        else:
            _require_same(settings, member.path)
            if directory.confusion.exists():  # the last file that a run writes
                return RunRecord.read(str(member.path))
            named = settings.model if models.is_file(settings.model) else None
            run = Run.resume(str(member.path), progress, named)
        run.trainer.stop_rule = stop_rule
        run.train()
    except Interrupted:
        raise Interrupted(f"interrupted in {member.path}: the same command again goes on") from None
    return RunRecord.read(str(member.path))


def _require_same(settings: Settings, path: Path) -> None:
    directory = RunDirectory(path)
    found = directory.read_settings(directory.read_config()).to_config()
    for name, value in settings.to_config().items():
        if name not in _ELSEWHERE and found[name] != value:
            raise UsageError(
                f"{path} was trained with {name}={found[name]}, not {value}: name another folder with --out"
            )
