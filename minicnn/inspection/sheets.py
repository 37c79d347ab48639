"""Many small pictures on one sheet, in rows, each with a few words over it: one image and its texts, quickly drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from minicnn.figures import drawable, save_figure

GAP, LINE, HEAD = 8, 13, 44  # hundredths of an inch: between pictures, of a line of text, above all
NAME_WIDTH = 150  # likewise, of the names of rows


class Tile(NamedTuple):
    """A small picture, (H, W, 3) uint8, and what stands over it."""

    picture: np.ndarray
    caption: str = ""


@dataclass(frozen=True)
class Row:
    """Pictures side by side. name: what stands to the left of them."""

    tiles: Sequence[Tile]
    name: str = ""


def draw_sheet(rows: Sequence[Row], title: str, path: Path, side: int = 90) -> None:
    """Draw rows of pictures into a PNG. side: of the square that each picture is fitted into, in hundredths of an inch.

    Raises UsageError when the file cannot be written.
    """
    from matplotlib.figure import Figure

    left = NAME_WIDTH if any(row.name for row in rows) else GAP
    lines = max((tile.caption.count("\n") + 1 for row in rows for tile in row.tiles if tile.caption), default=0)
    step_down, step_right = side + GAP + LINE * lines, side + GAP
    columns = max((len(row.tiles) for row in rows), default=0)
    width, height = max(left + columns * step_right, 480), HEAD + len(rows) * step_down + GAP
    sheet = np.full((height, width, 3), 255, dtype=np.uint8)
    figure = Figure(figsize=(width / 100, height / 100))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.text(width / 2, HEAD / 2, drawable(title), fontsize=10, ha="center", va="center", parse_math=False)
    for number, row in enumerate(rows):
        top = HEAD + number * step_down + LINE * lines
        axes.text(left - GAP, top + side / 2, drawable(row.name), fontsize=8, ha="right", va="center", parse_math=False)
        for place, tile in enumerate(row.tiles):
            fitted = _fitted(tile.picture, side)
            x, y = left + place * step_right + (side - fitted.shape[1]) // 2, top + (side - fitted.shape[0]) // 2
            sheet[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
            axes.text(
                left + place * step_right + side / 2, top - 3, drawable(tile.caption), fontsize=7.5, ha="center",
                va="bottom", parse_math=False,
            )  # fmt: skip
    axes.imshow(sheet, interpolation="nearest", extent=(0, width, height, 0), aspect="auto")
    save_figure(figure, path)


def _fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """Return a picture with its longer side `side` pixels long: pixels stay squares where it grows."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize(size, way))
