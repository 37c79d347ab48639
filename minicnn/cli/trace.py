"""`minicnn trace`: every number of a forward and a backward pass, with what made it."""

from __future__ import annotations

import shutil
import textwrap
from typing import Annotated

import typer

from minicnn.cli.json_output import print_json
from minicnn.cli.options import (
    Checkpoint,
    Image,
    Label,
    OwnNetwork,
    RunOrModel,
    Training,
    UntrainedClasses,
    UntrainedSeed,
    UntrainedSize,
)

LONGEST = 60  # seconds that derivatives by differences may take unasked
NARROWEST = 80  # columns of a terminal that lines are made for


def trace(
    run: RunOrModel,
    image: Image = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:INDEX",
            help="Spell out this number alone, such as conv1.y:0,5,7,3, as the sum that it is; may be repeated.",
            show_default=False,
        ),
    ] = None,
    differences: Annotated[
        bool | None,
        typer.Option(
            "--differences/--no-differences",
            help="Take derivatives of the loss by differences, beside the gradients. [unless that takes minutes]",
            show_default=False,
        ),
    ] = None,
    label: Label = None,
    training: Training = False,
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
    image_size: UntrainedSize = None,
    classes: UntrainedClasses = None,
    seed: UntrainedSeed = 0,
    save: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write all arrays to FILE, .npz or .safetensors.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show every array of a forward and a backward pass: range, formula, line of code.

    Below each gradient stands its largest number, beside the derivative of the loss that differences give.
    """
    import numpy as np
    from rich.console import Console

    from minicnn import inspection
    from minicnn.inspection import trace_table
    from minicnn.inspection.derivatives import Differences, derivative, derivatives, is_gradient, seconds_for_all
    from minicnn.runs.looked_at import look_at, open_network

    places = [trace_table.parse_place(text) for text in at or ()]
    seen = look_at(open_network(run, checkpoint, model, image_size, classes, seed), image, label)
    net, labels = seen.network.net, np.array([seen.label])
    t = inspection.trace(net, seen.x, labels, training=training)
    facts = {"network": run, "picture": image, "label": seen.label, "loss": float(t["loss"].value)}
    explained = [t.explain(name, index) for name, index in places]  # refuses what is not there
    if save is not None:
        t.save(save)
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    by_differences = Differences(net, seen.x, labels, training)
    seconds = seconds_for_all(t, by_differences)
    wanted = differences if differences is not None else bool(places) or seconds < LONGEST

    if places:
        beside = [
            derivative(t, by_differences, one.name, one.index) if wanted and is_gradient(t, one.name) else None
            for one in explained
        ]
        if as_json:
            numbers = [trace_table.explanation_json(*pair) for pair in zip(explained, beside, strict=True)]
            print_json(facts | {"numbers": numbers})
            return
        print(textwrap.fill(seen.title, width))
        for one, found in zip(explained, beside, strict=True):
            print(f"\n{one}")
            if found is not None:
                print(f"  {trace_table.beside(found)}")
        return

    with Console(stderr=True).status("") as status:
        all_found = derivatives(t, by_differences, lambda name: status.update(f"differences: {name}")) if wanted else {}
    if as_json:
        print_json(facts | {"arrays": trace_table.to_json(t, all_found)})
        return
    print(textwrap.fill(seen.title, width))
    for line in trace_table.table(t, all_found, width):
        print(line)
    if not wanted and differences is None:
        print(f"derivatives by differences would take some {seconds:.0f} s: --differences takes them")
