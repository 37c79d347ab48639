"""Several runs that belong together, in one folder: the same command goes on where it was stopped.

A run of the series that is done is taken as it is, one that was interrupted goes on, and the others are started.
"""

from __future__ import annotations

from pathlib import Path

from minicnn import models
from minicnn.errors import UsageError
from minicnn.runs.comparison import RunRecord
from minicnn.runs.run import Run
from minicnn.runs.run_directory import RunDirectory
from minicnn.runs.settings import Settings
from minicnn.training.progress import Progress
from minicnn.training.stopping import StopRule

# Settings that change no result, or that a run directory writes down in other words.
_ELSEWHERE = ("data", "model", "workers", "device", "tensorboard")


def trained(settings: Settings, path: Path, progress: Progress, stop_rule: StopRule | None = None) -> RunRecord:
    """Return what came out of the run with `settings` in the folder `path`, after training what is left of it.

    stop_rule: may end it early. Raises UsageError when the folder holds a run with other settings, and what `Run`
    raises.
    """
    directory = RunDirectory(path)
    if not directory.config.exists():
        run = Run.start(settings, str(path), progress)
    else:
        found = directory.read_settings(directory.read_config())
        for name, value in settings.to_config().items():
            if name == "classes" and bool(value) == bool(found.classes):  # written down as folders, in order
                continue
            if name not in _ELSEWHERE and found.to_config()[name] != value:
                there = found.to_config()[name]
                raise UsageError(f"{path} was trained with {name}={there}, not {value}: name another folder with --out")
        if directory.confusion.exists():  # the last file that a run writes
            return RunRecord.read(str(path))
        named = settings.model if models.is_file(settings.model) else None
        run = Run.resume(str(path), progress, named)
    run.trainer.stop_rule = stop_rule
    run.train()
    return RunRecord.read(str(path))
