"""A table of runs for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from minicnn.runs.comparison import RunRecord
from minicnn.training.progress import duration_text


def print_runs(records: Sequence[RunRecord], differing: Sequence[str]) -> None:
    """Print a line for each run: what came out of it, how long it took, and those of its settings that differ."""
    table = Table()
    table.add_column("run", overflow="fold")
    for name in ("best accuracy", "in epoch", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("settings that differ", overflow="fold")
    for record in records:
        table.add_row(
            Text(record.path),
            f"{record.best.val_accuracy:.2%}",
            f"{record.best.epoch} of {len(record.history)}" + ("" if record.whole else ", ended early"),
            duration_text(record.seconds),
            Text(", ".join(f"{name}={record.settings[name]}" for name in differing)),
        )
    Console().print(table)
