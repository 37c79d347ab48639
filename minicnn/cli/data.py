"""`minicnn data`: the data sets that have a name."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from minicnn.cli.options import one_of
from minicnn.data import NAMED_DATASETS
from minicnn.errors import UsageError

DOWNLOADS = tuple(name for name, dataset in NAMED_DATASETS.items() if dataset.url is not None)

app = typer.Typer(help="List, download and make data sets.", rich_markup_mode=None)


@app.command("list")
def list_sets() -> None:
    """List the data sets that `minicnn train` knows by name."""
    for dataset in NAMED_DATASETS.values():
        images = ", ".join(f"{count:,} in {part}/" for part, count in dataset.images.items())
        missing = "made on first use" if dataset.url is None else f"not here: minicnn data download {dataset.name}"
        print(f"{dataset.name}: {dataset.description}")
        print(f"  {len(dataset.classes)} classes, {images}; licence: {dataset.licence}")
        print(f"  {dataset.folder if dataset.present else missing}")


@app.command()
def download(
    name: Annotated[str, typer.Argument(help=f"{one_of(DOWNLOADS)}.", autocompletion=lambda: list(DOWNLOADS))],
    source: Annotated[
        str | None, typer.Option(help="Another address, or a file, of the same archive.", show_default=False)
    ] = None,
) -> None:
    """Fetch a data set into the user's cache; one that is there already is left alone."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from minicnn import data

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        folder = data.download(
            name, source=source, progress=lambda done, total: bar.update(task, completed=done, total=total or None)
        )
    print(folder)


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="What to make: shapes.")],
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    images_per_class: Annotated[int, typer.Option(help="A fifth of them for validation.")] = 500,
    size: Annotated[int, typer.Option(help="Side of the square pictures, in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures.")] = 0,
) -> None:
    """Draw a data set: `minicnn data make shapes DIR`."""
    if name != "shapes":
        raise UsageError(f"cannot make {name!r}: the data set that minicnn makes is shapes")
    from minicnn.data import make_shapes

    print(make_shapes(folder, images_per_class=images_per_class, size=size, seed=seed))
