"""`minicnn predict`: what a trained network sees in an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minicnn.cli.json_output import print_json
from minicnn.cli.options import Checkpoint, Device, OwnNetwork, Trained
from minicnn.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from minicnn.runs.trained import TrainedNetwork


def predict(
    run: Trained,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Image files.")],
    top: Annotated[int, typer.Option(help="How many classes to name for each image.")] = 5,
    heatmap: Annotated[
        bool,
        typer.Option("--heatmap", help="Draw where the likeliest class is found (Grad-CAM), into IMAGE-heatmap.png."),
    ] = False,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder for the heatmaps. [this one]", show_default=False)
    ] = None,
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
    device: Device = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Name the likeliest classes of images. Nothing is predicted unless all of them can be read."""
    if top < 1:
        raise UsageError(f"--top must be at least 1; got {top}")
    if out is not None and not heatmap:
        raise UsageError("--out is the folder for heatmaps: add --heatmap")

    from minicnn.devices import device_session
    from minicnn.files import in_home
    from minicnn.inspection.grad_cam import place_of
    from minicnn.runs.trained import IMAGES_AT_ONCE, TrainedNetwork

    trained = TrainedNetwork.open(run, checkpoint, device, model)
    facts = trained.facts
    heatmaps = _names_for(images, in_home(out or ".")) if heatmap else []
    if heatmap:
        place_of(trained.net)  # complains of a network that has no maps before anything is computed
    with device_session(trained.device, IMAGES_AT_ONCE):
        predictions = trained.predict(images)
        for image, probabilities, path in zip(images, predictions, heatmaps, strict=False):
            _draw_heatmap(trained, image, probabilities, path)
    likeliest: list[list[dict[str, Any]]] = [
        [
            {"class": facts.classes[k], "name": facts.class_names[k], "probability": float(probabilities[k])}
            for k in (-probabilities).argsort(kind="stable")[:top]
        ]
        for probabilities in predictions
    ]
    if as_json:
        named_images: list[dict[str, Any]] = [
            {"image": image, "top": named} for image, named in zip(images, likeliest, strict=True)
        ]
        for entry, path in zip(named_images, heatmaps, strict=False):
            entry["heatmap"] = str(path)
        print_json({"run": run, "checkpoint": trained.checkpoint, "predictions": named_images})
        return
    for number, (image, named) in enumerate(zip(images, likeliest, strict=True)):
        print(f"{image}; see {heatmaps[number]}" if heatmaps else image)
        for entry in named:
            print(f"  {entry['probability']:7.2%}  {entry['name']}")


def _names_for(images: list[str], folder: Path) -> list[Path]:
    """Return a file of its own for each image's heatmap. Raises UsageError where there is no such folder."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} for the heatmaps: name another one with --out")
    names: list[str] = []
    for image in images:
        stem, number = Path(image).stem, 2
        name = f"{stem}-heatmap.png"
        while name in names:
            name, number = f"{stem}-{number}-heatmap.png", number + 1
        names.append(name)
    return [folder / name for name in names]


def _draw_heatmap(trained: TrainedNetwork, image: str, probabilities: np.ndarray, path: Path) -> None:
    import numpy as np

    from minicnn.inspection.drawings import draw_heatmap
    from minicnn.inspection.grad_cam import grad_cam

    pixels = trained.picture(image)
    label = int(probabilities.argmax())
    cam = grad_cam(trained.net, trained.read(pixels[None]), np.array([label]))[0]
    draw_heatmap(pixels, cam, f"{trained.facts.class_names[label]}: {probabilities[label]:.1%}", path)
