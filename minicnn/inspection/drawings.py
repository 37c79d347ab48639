"""Pictures of what is inside a network, and of what it makes of pictures, as PNG files.

Pictures are (H, W, 3) uint8 arrays, names of classes are as people say them, and probabilities are 0 … 1. Each function
raises UsageError when its file cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from minicnn.figures import drawable, save_figure, shortened
from minicnn.inspection.adversarial import Attack
from minicnn.inspection.feature_maps import most_active
from minicnn.inspection.sheets import Row, Tile, draw_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILTERS_SHOWN, FILTERS_A_ROW = 64, 8
MAPS_A_ROW, ROWS_SHOWN = 8, 24
GALLERY_ROW = 6
NAME = 22  # letters of a class's name over a small picture


@dataclass(frozen=True)
class Evidence:
    """Where in a picture a network finds a class, which it gives the `probability`.

    saliency, cam: numbers of at least 0, of any size. covered: (H, W), the probability while each pixel was covered.
    """

    name: str
    probability: float
    saliency: np.ndarray
    cam: np.ndarray
    covered: np.ndarray


@dataclass(frozen=True)
class Judged:
    """A picture, what it is, what it was taken for, and with what probability."""

    picture: np.ndarray
    truth: str
    guess: str
    confidence: float


def draw_filters(name: str, weights: np.ndarray, path: Path) -> None:
    """Draw a layer's filters (KH, KW, C, F): in colour where C is 3, else their mean over C."""
    height, width, channels, count = weights.shape
    shown = min(count, FILTERS_SHOWN)
    tiles = []
    for number in range(shown):
        one = weights[..., number] if channels == 3 else weights[..., number].mean(axis=-1, keepdims=True)
        scaled = one / (2 * max(float(np.abs(one).max()), 1e-30)) + 0.5
        tiles.append(Tile(np.broadcast_to(np.rint(255 * scaled), (height, width, 3)).astype(np.uint8), str(number)))
    rows = [Row(tiles[first : first + FILTERS_A_ROW]) for first in range(0, shown, FILTERS_A_ROW)]
    some = f"{shown} of {count}" if shown < count else str(count)
    title = f"{name}: {some} filters of {height}×{width}×{channels}, each scaled by its largest weight; gray is 0"
    draw_sheet(rows, title, path)


def draw_feature_maps(picture: np.ndarray, maps: Mapping[str, np.ndarray], path: Path) -> None:
    """Draw the most active channels of each layer's maps (h, w, c), a row a layer, under the picture they are of."""
    names = [list(maps)[place] for place in _spread(len(maps), ROWS_SHOWN)]
    rows = [Row([Tile(picture)], "the picture")]
    for name in names:
        shape = "×".join(map(str, maps[name].shape))
        channels = most_active(maps[name], MAPS_A_ROW)
        rows.append(Row([Tile(_colored(maps[name][..., c]), str(c)) for c in channels], f"{name}\n{shape}"))
    left_out = f"; {len(maps) - len(names)} layers left out" if len(names) < len(maps) else ""
    draw_sheet(rows, f"each layer's most active channels, by number, each on a scale of its own{left_out}", path)


def draw_evidence(picture: np.ndarray, rows: Sequence[Evidence], path: Path) -> None:
    """Draw where a network finds some classes in a picture: saliency, Grad-CAM, and what covering a part does."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.7 * len(rows) + 0.3), layout="constrained")
    panels = figure.subplots(len(rows), 4, squeeze=False)
    shape = picture.shape[:2]
    for row, evidence in zip(panels, rows, strict=True):
        for axes in row:
            axes.axis("off")
        row[0].imshow(picture)
        title = f"{shortened(drawable(evidence.name), NAME)}: {evidence.probability:.1%}"
        row[0].set_title(title, fontsize=10, parse_math=False)
        row[1].imshow(_scaled(evidence.saliency) ** 0.5, cmap="inferno", vmin=0, vmax=1)
        row[1].set_title("saliency: √|∂logit/∂pixel|", fontsize=9)
        _lay_over(row[2], picture, enlarged(evidence.cam, shape))
        row[2].set_title("Grad-CAM", fontsize=9)
        row[3].imshow(_gray(picture), cmap="gray", vmin=0, vmax=255)
        drawn = row[3].imshow(evidence.covered, cmap="viridis", alpha=0.6)
        row[3].set_title("probability with the place covered", fontsize=9)
        bar = figure.colorbar(drawn, ax=row[3], fraction=0.045, pad=0.02)
        bar.ax.tick_params(labelsize=7)
    save_figure(figure, path)


def draw_heatmap(picture: np.ndarray, cam: np.ndarray, title: str, path: Path) -> None:
    """Draw a picture, and the same with a Grad-CAM (h, w) laid over it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.9), layout="constrained")
    plain, heated = figure.subplots(1, 2)
    for axes in (plain, heated):
        axes.axis("off")
    plain.imshow(picture)
    _lay_over(heated, picture, enlarged(cam, picture.shape[:2]))
    figure.suptitle(drawable(title), fontsize=10, parse_math=False)
    save_figure(figure, path)


def draw_attack(
    picture: np.ndarray, before: tuple[str, float], attack: Attack, after: tuple[str, float], path: Path
) -> None:
    """Draw a picture, what an attack adds to it, and what comes out. before, after: the guess, and how sure it is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    change = attack.pixels.astype(np.int16) - picture
    titles = (
        f"{shortened(drawable(before[0]), NAME)}: {before[1]:.1%}",
        f"+ at most {attack.epsilon} of 255 gray levels\n(drawn {127 // attack.epsilon} times as strong)",
        f"{shortened(drawable(after[0]), NAME)}: {after[1]:.1%}" + ("" if attack.fooled else "\n(not fooled)"),
    )
    shown = (picture, np.clip(128 + change * (127 // attack.epsilon), 0, 255).astype(np.uint8), attack.pixels)
    for axes, image, title in zip(panels, shown, titles, strict=True):
        axes.axis("off")
        axes.imshow(image)
        axes.set_title(title, fontsize=10, parse_math=False)
    save_figure(figure, path)


def draw_mistakes(mistakes: Sequence[Judged], title: str, path: Path) -> None:
    """Draw a gallery of pictures with what each is, what it was taken for, and how surely."""
    tiles = []
    for mistake in mistakes:
        truth, guess = shortened(mistake.truth, NAME), shortened(mistake.guess, NAME)
        tiles.append(Tile(mistake.picture, f"is {truth}\nguess {guess}, {mistake.confidence:.0%}"))
    rows = [Row(tiles[first : first + GALLERY_ROW]) for first in range(0, len(tiles), GALLERY_ROW)]
    draw_sheet(rows, title, path, side=165)


def draw_pairs(pairs: Sequence[tuple[str, Sequence[np.ndarray]]], title: str, path: Path) -> None:
    """Draw some pictures of each pair of classes, a row a pair. pairs: (what it is called, its pictures)."""
    rows = [Row([Tile(picture) for picture in pictures], name) for name, pictures in pairs]
    draw_sheet(rows, title, path, side=130)


def enlarged(heat: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a map (h, w) in the size (H, W) of a picture, in between its values in straight lines."""
    image = Image.fromarray(heat.astype(np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _lay_over(axes: Axes, picture: np.ndarray, heat: np.ndarray) -> None:
    axes.imshow(_gray(picture), cmap="gray", vmin=0, vmax=255)
    scaled = _scaled(heat)
    axes.imshow(scaled, cmap="inferno", vmin=0, vmax=1, alpha=0.15 + 0.6 * scaled)


def _scaled(heat: np.ndarray) -> np.ndarray:
    return heat / max(float(heat.max()), 1e-30)


def _gray(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"))


def _colored(values: np.ndarray) -> np.ndarray:
    """Return a map (h, w) as a picture, from its lowest value to its highest."""
    from matplotlib import colormaps

    lowest, highest = float(values.min()), float(values.max())
    scaled = (values - lowest) / max(highest - lowest, 1e-30)
    return np.rint(255 * colormaps["viridis"](scaled)[..., :3]).astype(np.uint8)


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` of 0 … count − 1, evenly spread, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})
