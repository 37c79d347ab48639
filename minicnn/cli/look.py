"""`minicnn look`: pictures of what a trained network has learnt, where it looks, and what it gets wrong."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minicnn.cli.options import Checkpoint, Device, OwnNetwork, Trained, completion
from minicnn.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from minicnn.runs.trained import TrainedNetwork

NARROWEST = 80  # columns of a terminal that lines are made for
GALLERY_SIDE = 160  # pixels of the longer side of what is drawn small


def look(
    run: Trained,
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            help="An image file to look at closely. [one of the validation images]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Folder for the pictures. [look, in RUN if that is a run]", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Images to find mistakes among, as for `minicnn evaluate`. [what RUN was validated on]",
            show_default=False,
            autocompletion=completion("data"),
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
    device: Device = "cpu",
) -> None:
    """Draw what a trained network has learnt, what it does with an image, and what it gets wrong.

    Its first filters; of one image what each layer makes of it, where the likeliest classes are found (saliency,
    Grad-CAM, occlusion), and how few gray levels fool the network (FGSM); of the validation images the mistakes that it
    was surest of, and the classes that it confuses most.
    """
    from minicnn.devices import device_session
    from minicnn.files import in_home
    from minicnn.inspection.look import Drawn, Network, look_at_filters, look_at_mistakes, look_at_picture
    from minicnn.runs.trained import IMAGES_AT_ONCE, TrainedNetwork

    trained = TrainedNetwork.open(run, checkpoint, device, model)
    if image is None and data is None and trained.settings is None:
        raise UsageError(f"{run} has no images of its own: name an image, or images to judge with --data")
    closely = None if image is None else trained.picture(image)
    folder = in_home(out) if out is not None else Path(run, "look") if trained.settings is not None else Path("look")
    if folder.exists() and not folder.is_dir():  # said now, before a thousand images are judged
        raise UsageError(f"cannot make the folder {folder}: there is a file of that name; choose another with --out")
    network = Network(trained.net, trained.facts.normalization, trained.facts.class_names, trained.device)
    with device_session(trained.device, IMAGES_AT_ONCE):
        judged, missing = None, ""
        if data is not None or trained.settings is not None:
            try:
                judged = _judged(trained, data)
            except UsageError as error:
                if image is None or data is not None:
                    raise
                missing = str(error)  # a run that has left its data behind
        if closely is None:
            assert judged is not None
            image = _typical(*judged)
            closely = trained.picture(image)
        _make(folder)
        drawn = look_at_picture(network, closely, folder)
        drawn += look_at_filters(network, folder)
        if judged is not None:
            probabilities, labels, paths = judged
            drawn += look_at_mistakes(
                network.names, probabilities, labels, paths, lambda place: _small(paths[place]), folder
            )  # fmt: skip
    if missing:
        drawn.append(Drawn("mistakes.png", f"not drawn: {missing}"))
    print(f"looked closely at {image}; see in {folder}")
    width = max(len(entry.file) for entry in drawn)
    columns = max(NARROWEST, shutil.get_terminal_size().columns)
    for entry in drawn:
        first = f"  {entry.file:{width}}  "
        lines = textwrap.wrap(  # paths stay whole, so that they can be copied
            entry.seen, columns, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        print("\n".join(lines))


def _judged(trained: TrainedNetwork, data: str | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the probabilities, the labels and the files of all images that can be read."""
    from minicnn.data import Loader
    from minicnn.inspection.mistakes import judge
    from minicnn.runs.trained import IMAGES_AT_ONCE

    images = trained.images(data)
    loader = Loader(images, IMAGES_AT_ONCE, trained.facts.transform, cache=False)
    probabilities, labels = judge(trained.net, loader, trained.facts.normalization, trained.device, trained.flips)
    unreadable = {entry.path for entry in images.skipped}
    return probabilities, labels, [str(path) for path in images.paths if path not in unreadable]


def _typical(probabilities: np.ndarray, labels: np.ndarray, paths: list[str]) -> str:
    """Return the image that is recognised with middling probability among those that are; where none is, any."""
    right = (probabilities.argmax(axis=1) == labels).nonzero()[0]
    sure = sorted(right.tolist(), key=lambda place: float(probabilities[place].max()))
    return paths[sure[len(sure) // 2] if sure else 0]


def _small(path: str) -> np.ndarray:
    import numpy as np

    from minicnn.data import read_image

    picture = read_image(path, (GALLERY_SIDE, GALLERY_SIDE))
    picture.thumbnail((GALLERY_SIDE, GALLERY_SIDE))
    return np.asarray(picture)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror or error}") from error
