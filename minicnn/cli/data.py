"""`minicnn data`: the data sets that have a name, and ImageNet's own archives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from minicnn.cli.options import one_of
from minicnn.data import NAMED_DATASETS
from minicnn.errors import UsageError

DOWNLOADS = tuple(name for name, dataset in NAMED_DATASETS.items() if dataset.url is not None)

app = typer.Typer(help="List, download, make and import data sets.", rich_markup_mode=None)


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
    from minicnn import data

    with _bar(name) as progress:
        folder = data.download(name, source=source, progress=progress)
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


@app.command("import")
def import_archives(
    name: Annotated[str, typer.Argument(help="What to import: ilsvrc.")],
    source: Annotated[str, typer.Argument(metavar="DIR", help="The folder with ImageNet's official archives.")],
    out: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="A new folder, or an empty one. [DIR/imagenet]", show_default=False),
    ] = None,
    classes: Annotated[
        str,
        typer.Option(
            help="Take some of the classes: 10 for the first ten, FILE with a synset a line, or a,b,c. [all]",
            show_default=False,
        ),
    ] = "",
    per_class: Annotated[int, typer.Option(help="Training images of each class at most; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed takes the same images.")] = 0,
) -> None:
    """Turn ImageNet's archives (ILSVRC2012_img_train.tar, …) into folders: `minicnn data import ilsvrc DIR`."""
    if name != "ilsvrc":
        raise UsageError(f"cannot import {name!r}: what minicnn imports is ilsvrc, ImageNet's official archives")
    from pathlib import Path

    from minicnn.data import import_ilsvrc

    target = out if out is not None else Path(source, "imagenet")
    with _bar(name) as progress:
        folder = import_ilsvrc(source, target, classes=classes, per_class=per_class, seed=seed, progress=progress)
    print(folder)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar at a terminal while the block runs; it gets (bytes done, bytes in all or 0 where unknown)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
