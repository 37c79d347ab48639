"""`minicnn compare`: runs beside one another."""

from __future__ import annotations

from typing import Annotated

import typer

from minicnn.cli.json_output import print_json


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Folders of training runs.")],
    out: Annotated[str, typer.Option(metavar="PICTURE", help="File for all curves, a PNG.")] = "compare.png",
    minutes: Annotated[
        bool, typer.Option("--minutes", help="Draw curves over the minutes that training took, not over epochs.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else; draw nothing.")
    ] = False,
) -> None:
    """Show in which settings runs differ and what came out of each, the best first; draw their curves."""
    from minicnn.files import picture_file
    from minicnn.runs.comparison import RunRecord, differing_settings

    picture = picture_file(out)
    records = sorted((RunRecord.read(run) for run in runs), key=lambda record: -record.best.val_accuracy)
    differing = differing_settings(records)
    if as_json:
        print_json({"differing_settings": differing, "runs": [record.to_json() for record in records]})
        return

    from minicnn.cli.run_table import print_runs
    from minicnn.runs.plots import draw_comparison

    draw_comparison({record.path: record.history for record in records}, picture, minutes)
    print_runs(records, differing)
    print(f"see {out}")
