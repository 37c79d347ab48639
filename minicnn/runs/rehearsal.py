"""A run that is never made: all that `minicnn train` would begin with, for those who only want to look at it."""

from __future__ import annotations

from minicnn import models
from minicnn.runs.run import Run
from minicnn.runs.run_directory import free_run_directory
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork


def rehearse(settings: Settings) -> Run:
    """Return the run that `settings` would start, with its network, data and trainer; no folder is made for it.

    A `model` that is a file of the user's own is executed. Raises UsageError for settings or images that
    cannot be used.
    """
    network = models.find(settings.model)
    start = TrainedNetwork.open(settings.init) if settings.init else None
    settings = settings.changed(tensorboard=False)
    return Run(settings, network, free_run_directory(settings.data, network.name), start=start)
