"""What `minicnn look` draws: what a network has learnt, what it does with one picture, and what it gets wrong.

Each function writes its pictures into a folder, and says in a line what is to be seen in each.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicnn import ops
from minicnn.backend import Array, to_device, to_numpy
from minicnn.errors import UsageError
from minicnn.figures import shortened
from minicnn.files import write_whole
from minicnn.inspection import drawings
from minicnn.inspection.adversarial import smallest_attack
from minicnn.inspection.drawings import Evidence, Judged
from minicnn.inspection.feature_maps import feature_maps, first_filters
from minicnn.inspection.grad_cam import grad_cam
from minicnn.inspection.mistakes import confused_pairs, worst_mistakes
from minicnn.inspection.occlusion import covered_by_pixel, occlusion_map
from minicnn.inspection.saliency import saliency
from minicnn.layers import Sequential
from minicnn.training.normalization import Normalization

CLASSES_SHOWN = 2  # the likeliest ones, of which the evidence is drawn
COVER, STEP = 5, 16  # parts of the shorter side: of the square that covers, and from one of its places to the next
WORST, PAIRS, OF_A_PAIR = 24, 8, 6  # pictures, pairs of classes, pictures of each pair


class Drawn(NamedTuple):
    """A file's name, and what is to be seen in it; no file was written where `seen` says why."""

    file: str
    seen: str


class Network(NamedTuple):
    """A network and how it wants pictures. normalization: from bytes to its input. names: of its classes, in order."""

    net: Sequential
    normalization: Normalization
    names: Sequence[str]
    device: str = "cpu"


def look_at_filters(network: Network, folder: Path) -> list[Drawn]:
    """Draw the filters of the first convolution. Raises UsageError when the file cannot be written."""
    try:
        name, weights = first_filters(network.net)
    except UsageError as error:
        return [Drawn("filters.png", f"not drawn: {error}")]
    drawings.draw_filters(name, weights, folder / "filters.png")
    return [Drawn("filters.png", f"what {name} looks for: {weights.shape[-1]} filters")]


def look_at_picture(network: Network, pixels: np.ndarray, folder: Path) -> list[Drawn]:
    """Draw what the layers make of a picture (H, W, 3) uint8, where its likeliest classes are found, and what fools it.

    pixels: in the size that the network reads. Raises UsageError when a file cannot be written, and for weights
    that have diverged.
    """
    net, names = network.net, network.names
    x = network.normalization(to_device(pixels[None], network.device))
    probabilities = to_numpy(ops.softmax(net.forward(x)))[0]
    if not np.isfinite(probabilities).all():
        raise UsageError("what the network says of the picture is no number: its weights have diverged, train again")
    likeliest = np.argsort(-probabilities, kind="stable")[:CLASSES_SHOWN]
    guess = int(likeliest[0])
    before = names[guess], float(probabilities[guess])
    drawn = []
    maps = feature_maps(net, x[0])
    if maps:
        drawings.draw_feature_maps(pixels, maps, folder / "feature-maps.png")
        drawn.append(Drawn("feature-maps.png", f"what {len(maps)} layers make of it"))
    try:
        evidence = [_evidence(network, x, int(label), float(probabilities[label])) for label in likeliest]
        drawings.draw_evidence(pixels, evidence, folder / "heatmaps.png")
        found = " and ".join(f"{names[label]} ({probabilities[label]:.1%})" for label in likeliest)
        drawn.append(Drawn("heatmaps.png", f"where it finds {found}"))
    except UsageError as error:
        if maps:  # then it is the file that is at fault
            raise
        drawn.append(Drawn("heatmaps.png", f"not drawn: {error}"))
    attack = smallest_attack(net, pixels, guess, network.normalization, network.device)
    taken_for = int(attack.probabilities.argmax())
    after = names[taken_for], float(attack.probabilities[taken_for])
    drawings.draw_attack(pixels, before, attack, after, folder / "adversarial.png")
    change = f"a change of {attack.epsilon} of 255 gray levels"
    turned = f"{change} turns {before[0]} into {after[0]} ({after[1]:.1%})"
    drawn.append(Drawn("adversarial.png", turned if attack.fooled else f"{change} leaves it {after[0]}"))
    return drawn


def look_at_mistakes(
    names: Sequence[str], probabilities: np.ndarray, labels: np.ndarray, paths: Sequence[str],
    picture: Callable[[int], np.ndarray], folder: Path,
) -> list[Drawn]:  # fmt: skip
    """Draw the mistakes that a network was surest of, and the classes that it confuses most; list all mistakes.

    probabilities, labels: (N, K) and (N,) of the pictures that were judged. paths: what these are called. picture:
    returns one of them, (H, W, 3) uint8, by its place. Raises UsageError when a file cannot be written.
    """
    count = len(labels)
    mistakes = worst_mistakes(probabilities, labels, count)
    if not mistakes:
        return [Drawn("mistakes.png", f"not drawn: all {count:,} images are recognised")]
    worst = [
        Judged(picture(mistake.place), names[mistake.truth], names[mistake.guess], mistake.confidence)
        for mistake in mistakes[:WORST]
    ]
    wrong = f"{len(mistakes):,} of {count:,} images are mistaken"
    drawings.draw_mistakes(worst, f"{wrong}; these it was surest of", folder / "mistakes.png")
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["image", "truth", "guess", "probability"])
    for mistake in mistakes:
        rows.writerow([
            paths[mistake.place], names[mistake.truth], names[mistake.guess], f"{mistake.confidence:.4f}",
        ])  # fmt: skip
    write_whole(folder / "mistakes.csv", table.getvalue().encode("utf-8", "surrogateescape"))
    pairs = confused_pairs(probabilities, labels, PAIRS)
    of_class = np.bincount(labels, minlength=len(names))
    shown = [
        (f"{shortened(names[pair.truth])}\ntaken for\n{shortened(names[pair.guess])}\n"
         f"{len(pair.places)} of {of_class[pair.truth]}",
         [picture(place) for place in pair.places[:OF_A_PAIR]])
        for pair in pairs
    ]  # fmt: skip
    drawings.draw_pairs(shown, "the classes that are confused most", folder / "confused-pairs.png")
    first = pairs[0]
    most = f"{names[first.truth]} is taken for {names[first.guess]} most often, {len(first.places)} times"
    return [
        Drawn("mistakes.png", f"the {len(worst)} that it was surest of; {wrong}"),
        Drawn("mistakes.csv", "all of them, the surest first"),
        Drawn("confused-pairs.png", most),
    ]


def _evidence(network: Network, x: Array, label: int, probability: float) -> Evidence:
    labels = np.array([label])
    cam = grad_cam(network.net, x, labels)[0]
    height, width = x.shape[1:3]
    shorter = min(height, width)
    size, stride = max(1, shorter // COVER), max(1, round(shorter / STEP))
    covered = occlusion_map(network.net, x[0], label, size, stride)
    return Evidence(
        network.names[label], probability, saliency(network.net, x, labels)[0], cam,
        covered_by_pixel(covered, (height, width), size, stride),
    )  # fmt: skip
