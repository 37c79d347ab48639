"""The learning-rate finder for the settings of a run: no run is made, but a picture that shows which rate to take."""

from __future__ import annotations

from pathlib import Path

from minicnn.devices import device_session
from minicnn.errors import UsageError
from minicnn.runs.plots import draw_rates
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.training.lr_finder import RateCurve, find_lr


def search_rate(settings: Settings, picture: str) -> RateCurve:
    """Try rising learning rates on what `settings` name, and draw the losses into the file `picture`, a PNG.

    A `model` that is a file of the user's own is executed. Raises UsageError for settings, images or a file that cannot
    be used, and when no rate taught anything.
    """
    path = Path(picture)
    if not picture or path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"cannot draw into {picture!r}: name a file, such as lr-finder.png, in a folder that is there")
    run = Run.prepare(settings.changed(tensorboard=False))
    with device_session(run.trainer.device, settings.batch_size, settings.tf32):
        curve = find_lr(run.trainer, run.training)
    draw_rates(curve, path, f"{run.title}, {settings.optimizer}")
    return curve
