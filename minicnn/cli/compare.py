"""`minicnn compare`: runs beside one another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Folders of training runs.")],
    out: Annotated[str, typer.Option(metavar="PICTURE", help="File for all curves, a PNG.")] = "compare.png",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else; draw nothing.")
    ] = False,
) -> None:
    """Show in which settings runs differ and what came out of each, the best first; draw their curves."""
    from minicnn.runs.comparison import RunRecord, differing_settings
    from minicnn.training.progress import duration_text

    records = sorted((RunRecord.read(run) for run in runs), key=lambda record: -record.best.val_accuracy)
    differing = differing_settings(records)
    if as_json:
        print(json.dumps({"differing_settings": differing, "runs": [record.to_json() for record in records]}))
        return

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from minicnn.runs.plots import draw_comparison

    draw_comparison({record.path: record.history for record in records}, Path(out))
    table = Table("run", *differing)
    for name in ("best accuracy", "in epoch", "time"):
        table.add_column(name, justify="right")
    for record in records:
        best = record.best
        table.add_row(
            Text(record.path),
            *(Text(f"{record.settings[name]}") for name in differing),
            f"{best.val_accuracy:.2%}",
            f"{best.epoch} of {len(record.history)}",
            duration_text(record.seconds),
        )
    Console().print(table)
    print(f"see {out}")
