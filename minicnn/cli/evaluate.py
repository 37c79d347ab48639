"""`minicnn evaluate`: how well a trained network does."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from minicnn.cli.json_output import print_json
from minicnn.cli.options import CHOICES, Checkpoint, Device, OwnNetwork, Trained, completion, one_of


def evaluate(
    run: Trained,
    data: Annotated[
        str | None,
        typer.Argument(
            help="A named set or a folder with train/ and val/ (or test/), of which the validation images are taken, "
            "or a folder of class folders, of which all images are. [what RUN was trained on]",
            show_default=False,
            autocompletion=completion("data"),
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(
            help=f"Which images, where there are parts: {one_of(CHOICES['part'])}.", autocompletion=completion("part")
        ),
    ] = "validation",
    checkpoint: Checkpoint = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Judge each image by the mean of its logits and its mirror's. [as RUN was validated]",
            show_default=False,
        ),
    ] = None,
    shift: Annotated[
        int, typer.Option(min=0, help="Judge each image by itself and by copies shifted by so many pixels, such as 1.")
    ] = 0,
    model: OwnNetwork = None,
    batch_size: Annotated[int, typer.Option(help="Images at once; changes no result but the last digits.")] = 64,
    workers: Annotated[int, typer.Option(help="Threads that read images.")] = 2,
    device: Device = "cpu",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse files that are no images; else skip them.")] = False,
    only_present: Annotated[
        bool, typer.Option("--only-present", help="Choose among the classes that the images have, not among all.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure a trained network on images."""
    import numpy as np

    from minicnn.data import Loader
    from minicnn.devices import device_session
    from minicnn.runs.run import skipped_text
    from minicnn.runs.trained import TrainedNetwork, listed
    from minicnn.training import evaluation

    trained = TrainedNetwork.open(run, checkpoint, device, model)
    facts, images = trained.facts, trained.images(data, part, strict)
    among = np.unique(images.labels).tolist() if only_present else list(range(len(facts.classes)))
    loader = Loader(images, batch_size, facts.transform, workers=workers, cache=False)
    with device_session(trained.device, batch_size):
        flips = trained.flips if flip is None else flip
        result = evaluation.evaluate(
            trained.net, loader, facts.normalization, trained.device, flip=flips, shift=shift, among=among
        )
    weights = f"{run} ({trained.checkpoint} weights)" if trained.checkpoint is not None else run
    evaluation.require_finite(result, weights)
    if images.skipped:
        print(skipped_text(images.skipped), file=sys.stderr)
    classes, class_names = [facts.classes[k] for k in among], [facts.class_names[k] for k in among]
    figures = result.to_json(classes, class_names)
    if as_json:
        views = {"flip": flips, "shift": shift}
        print_json({"run": run, "checkpoint": trained.checkpoint, **views, **figures, "skipped": len(images.skipped)})
        return

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    print(
        f"{result.images} images: accuracy {result.accuracy:.2%}, top-5 {result.top5_accuracy:.2%}, "
        f"loss {result.loss:.4f} nats; means over the classes: precision {figures['precision']:.4f}, "
        f"recall {figures['recall']:.4f}, F1 {figures['f1']:.4f}"
    )
    if missing := [row["name"] for row in figures["per_class"] if row["images"] == 0]:
        print(
            f"no image here, and so 0 in these means: {len(missing)} of the {len(figures['per_class'])} classes "
            f"({listed(missing)})"
        )
    table = Table("class")
    for name in ("images", "precision", "recall", "F1"):
        table.add_column(name, justify="right")
    for row in figures["per_class"]:
        if row["images"] == 0:
            continue
        shares = (f"{row[key]:.4f}" for key in ("precision", "recall", "f1"))
        table.add_row(Text(row["name"]), str(row["images"]), *shares)
    Console().print(table)
