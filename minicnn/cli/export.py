"""`minicnn export`: a trained network for other software."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from minicnn.cli.options import CHOICES, Checkpoint, OwnNetwork, completion, one_of
from minicnn.errors import UsageError
from minicnn.files import in_home, write_whole

if TYPE_CHECKING:
    from minicnn.runs.trained import TrainedRun


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder of a training run.")],
    format: Annotated[str, typer.Option(help=f"{one_of(CHOICES['format'])}.", autocompletion=completion("format"))],
    out: Annotated[str, typer.Option(metavar="FILE", help="The file to write.")],
    checkpoint: Checkpoint = "best",
    model: OwnNetwork = None,
) -> None:
    """Write a trained network to a file for other software, with its classes and what is done to pixels beside it."""
    if format not in CHOICES["format"]:
        raise UsageError(f"unknown format {format!r}: choose {one_of(CHOICES['format'])}")
    path = in_home(out)
    if not path.name:
        raise UsageError(f"{out!r} is no file's name: name one with --out")

    from minicnn.exchange import to_onnx
    from minicnn.layers.weights import save_arrays
    from minicnn.runs.trained import TrainedRun

    trained = TrainedRun.open(run, checkpoint, model=model)
    if format == "onnx":
        write_whole(path, to_onnx(trained.net, _metadata(trained)))
    else:
        save_arrays(trained.net.state(), path, _metadata(trained))
    print(f"{path}: {trained.settings.model} for {len(trained.classes)} classes, {path.stat().st_size / 1e6:.1f} MB")


def _metadata(trained: TrainedRun) -> dict[str, str]:
    """Return what one has to know to use the weights, as texts by name: JSON but for the model's name."""
    facts = {
        "classes": trained.classes,
        "class_names": trained.class_names,
        "input_shape": trained.net.input_shape,
        "transform": trained.transform.to_config(),
        "mean": trained.normalization.mean,
        "std": trained.normalization.std,
    }
    return {"model": trained.settings.model, **{name: json.dumps(fact) for name, fact in facts.items()}}
