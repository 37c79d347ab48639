"""What a person sees while a network trains: a live line at a terminal, a table in a notebook, else plain lines."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from minicnn.training.history import Epoch
from minicnn.training.progress import Moment, PlainProgress, Progress, epoch_text, moment_text

COLUMNS_OF_TEXT = 74  # what stands beside the bar takes at most


class LiveProgress(Progress):
    """A bar for the epoch that is going on, and above it a line for each that is done: for terminals."""

    def __init__(self, console: Console) -> None:
        bar = BarColumn(bar_width=max(6, min(24, console.width - COLUMNS_OF_TEXT)))
        columns = (TextColumn("{task.description}"), bar, TextColumn("{task.fields[figures]}"))
        # Drawn when there is news, twice a second: a thread that redraws it would take time from the kernels.
        self._bar = Bar(*columns, console=console, transient=True, auto_refresh=False)
        self._task = self._bar.add_task("first step", total=None, figures="")
        self._bar.start()

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def moment(self, moment: Moment) -> None:
        self._bar.update(
            self._task, description=f"epoch {moment.epoch}/{moment.epochs}", completed=moment.step, total=moment.steps,
            figures=moment_text(moment), refresh=True,
        )  # fmt: skip

    def epoch_done(self, row: Epoch, epochs: int) -> None:
        self._bar.console.print(epoch_text(row, epochs), markup=False)
        following = f"epoch {min(row.epoch + 1, epochs)}/{epochs}"
        self._bar.update(self._task, description=following, completed=0, figures="", refresh=True)

    def close(self) -> None:
        self._bar.stop()


def make_progress(stream: TextIO | None = None) -> Progress:
    """Return a live display in a notebook, and where `stream` (the standard output) is a terminal; else plain lines."""
    if stream in (None, sys.stdout) and is_notebook():
        from minicnn.runs.notebook import NotebookProgress

        return NotebookProgress()
    stream = stream or sys.stdout
    console = Console(file=stream)
    return LiveProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(stream)


def is_notebook() -> bool:
    """Return whether this is the process of a Jupyter notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")  # where it was never imported, nobody sits at a notebook
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
