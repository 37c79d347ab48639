"""`minicnn predict`: what a trained network sees in an image."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from minicnn.cli.options import Checkpoint, Device, OwnNetwork, Trained
from minicnn.errors import UsageError


def predict(
    run: Trained,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Image files.")],
    top: Annotated[int, typer.Option(help="How many classes to name for each image.")] = 5,
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
    device: Device = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Name the likeliest classes of images. Nothing is predicted unless all of them can be read."""
    if top < 1:
        raise UsageError(f"--top must be at least 1; got {top}")

    from minicnn.devices import device_session
    from minicnn.runs.trained import IMAGES_AT_ONCE, TrainedNetwork

    trained = TrainedNetwork.open(run, checkpoint, device, model)
    facts = trained.facts
    with device_session(trained.device, IMAGES_AT_ONCE):
        predictions = trained.predict(images)
    likeliest: list[list[dict[str, Any]]] = [
        [
            {"class": facts.classes[k], "name": facts.class_names[k], "probability": float(probabilities[k])}
            for k in (-probabilities).argsort(kind="stable")[:top]
        ]
        for probabilities in predictions
    ]
    if as_json:
        named_images = [{"image": image, "top": named} for image, named in zip(images, likeliest, strict=True)]
        print(json.dumps({"run": run, "checkpoint": trained.checkpoint, "predictions": named_images}))
        return
    for image, named in zip(images, likeliest, strict=True):
        print(image)
        for entry in named:
            print(f"  {entry['probability']:7.2%}  {entry['name']}")
