"""`minicnn explain`: a page on which every number of a network's passes can be looked at, and changed."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from minicnn.cli.options import (
    Checkpoint,
    Image,
    Label,
    OwnNetwork,
    RunOrModel,
    UntrainedClasses,
    UntrainedSeed,
    UntrainedSize,
)
from minicnn.errors import UsageError
from minicnn.files import in_home, write_whole


def explain(
    run: RunOrModel,
    image: Image = None,
    out: Annotated[str, typer.Option(metavar="FILE.html", help="The page to write.")] = "explain.html",
    label: Label = None,
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
    image_size: UntrainedSize = None,
    classes: UntrainedClasses = None,
    seed: UntrainedSeed = 0,
) -> None:
    """Write a page that shows every number of a forward and a backward pass, and what made it.

    It is one file, which opens by a double click and computes everything itself: weights, pixels and the label can be
    changed on it, and it takes steps of SGD.
    """
    path = in_home(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{out!r} should be the name of a page, such as {path.stem or 'explain'}.html")
    if path.exists():
        raise UsageError(f"{path} exists: name another file with --out")

    from minicnn.inspection.explain import page_data, render_page
    from minicnn.runs.looked_at import look_at, open_network

    seen = look_at(open_network(run, checkpoint, model, image_size, classes, seed), image, label)
    facts = seen.network.facts
    data = page_data(
        seen.network.net, seen.pixels, facts.normalization, facts.classes, facts.class_names, facts.model, seen.label
    )
    write_whole(path, render_page(data))
    print(textwrap.fill(seen.title))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; open it in a browser")
