"""`minicnn export`: a trained network for other software."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from minicnn.cli.options import CHOICES, Checkpoint, OwnNetwork, Trained, completion, one_of
from minicnn.errors import UsageError
from minicnn.files import in_home, write_whole


def export(
    run: Trained,
    format: Annotated[str, typer.Option(help=f"{one_of(CHOICES['format'])}.", autocompletion=completion("format"))],
    out: Annotated[str, typer.Option(metavar="FILE", help="The file to write.")],
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
) -> None:
    """Write a trained network to a file for other software, with its classes and what is done to pixels beside it."""
    if format not in CHOICES["format"]:
        raise UsageError(f"unknown format {format!r}: choose {one_of(CHOICES['format'])}")
    path = in_home(out)
    if not path.name:
        raise UsageError(f"{out!r} is no file's name: name one with --out")
    if path.exists():
        raise UsageError(f"{path} exists: name another file with --out")

    from minicnn.exchange import to_onnx
    from minicnn.runs.network_file import save_network
    from minicnn.runs.trained import TrainedNetwork

    trained = TrainedNetwork.open(run, checkpoint, model=model)
    facts = trained.facts
    if format == "onnx":
        texts = {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in facts.to_config().items()}
        write_whole(path, to_onnx(trained.net, texts))
    else:
        save_network(trained.net, facts, path)
    print(f"{path}: {facts.model} for {len(facts.classes)} classes, {path.stat().st_size / 1e6:.1f} MB")
