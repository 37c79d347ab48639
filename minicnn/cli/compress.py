"""`minicnn compress`: a trained network made smaller."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from minicnn.cli.json_output import print_json
from minicnn.cli.options import CHOICES, OwnNetwork, Trained, completion, one_of
from minicnn.errors import UsageError


def compress(
    run: Trained,
    data: Annotated[
        str | None,
        typer.Argument(
            help="A named set or a folder: its training images calibrate and fine-tune, its validation images measure. "
            "[what RUN was trained on]",
            show_default=False,
            autocompletion=completion("data"),
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="For the networks that come of it; the same command again goes on where it was stopped. "
            "[RUN-compressed]",
            show_default=False,
        ),
    ] = None,
    prune: Annotated[
        float, typer.Option(help="Share of the weights that become zero, such as 0.8, while the others are fine-tuned.")
    ] = 0.0,
    prune_scope: Annotated[
        str | None,
        typer.Option(
            help="Compare the weights of all layers, or prune the same share of each: "
            f"{one_of(CHOICES['prune_scope'])}. [global]",
            show_default=False,
            autocompletion=completion("prune_scope"),
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of fine-tuning. [5]", show_default=False)] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate of fine-tuning. [a tenth of RUN's]", show_default=False)
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another setting of fine-tuning, as of `minicnn train`: per_class=100. Again for each other one.",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8/--no-int8", help="Make int8 networks.")] = True,
    calibration: Annotated[
        str | None,
        typer.Option(
            help=f"How the ranges of activations are found: {one_of(CHOICES['calibration'])}. [mse]",
            show_default=False,
            autocompletion=completion("calibration"),
        ),
    ] = None,
    calibration_images: Annotated[
        int | None, typer.Option(help="From so many training images. [128]", show_default=False)
    ] = None,
    images: Annotated[int, typer.Option(help="Validation images to measure on, chosen at random; 0 for all.")] = 0,
    model: OwnNetwork = None,
    workers: Annotated[int, typer.Option(help="Threads that read images.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Prune a trained network, make it an int8 one, and show what that costs and gains."""
    folder = Path(out if out is not None else f"{run.removesuffix('.safetensors').rstrip('/')}-compressed")
    if out == "":
        raise UsageError("the name of the folder is empty: name one with --out")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder with --out")

    from minicnn.runs import compression
    from minicnn.runs.display import make_progress
    from minicnn.runs.search import read_setting
    from minicnn.training.progress import Progress

    tuning: dict[str, Any] = dict(read_setting(text) for text in fixed or [])
    tuning = _given(epochs=epochs, lr=lr, prune_scope=prune_scope) | tuning
    of_int8 = _given(calibration=calibration, calibration_images=calibration_images)
    if of_int8 and not int8:
        raise UsageError("calibration is for int8 networks: leave out --no-int8, or the calibration")
    wish = compression.Wish(prune, int8, images=images, tuning=tuning, **of_int8)
    progress = Progress() if as_json else make_progress(sys.stdout)
    try:
        rows = compression.compress(run, data, wish, folder, progress, model, workers)
    finally:
        progress.close()
    if as_json:
        print_json({"run": run, "networks": [row.to_json() for row in rows]})
        return
    _print(rows)
    last, consent = rows[-1].file, "" if model is None else f" --model {model}"
    print(f"see {folder}; minicnn evaluate {last} DATA{consent}, minicnn predict {last} IMAGE{consent}")


def _given(**options: Any) -> dict[str, Any]:
    """Return those options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _print(rows: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("network")
    batches = list(rows[0].milliseconds)
    names = ("accuracy", "top-5", "MB", "zeros", *(f"ms a picture, {batch} at once" for batch in batches))
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        shares = (f"{row.accuracy:.2%}", f"{row.top5:.2%}", f"{row.size / 1e6:.2f}", f"{row.zeros:.0%}")
        table.add_row(row.name, *shares, *(f"{row.milliseconds[batch]:.2f}" for batch in batches))
    Console().print(table)
