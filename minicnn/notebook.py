"""How things show themselves in a notebook: tables and pictures as pieces of HTML.

Jupyter asks an object for its `_repr_html_()`. Those of minicnn are made of what stands here; colours are translucent
or left to the notebook, so that they fit a light and a dark one.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from pathlib import Path

import numpy as np
from PIL import Image

MOST_MAPS = 8  # of an array that are drawn side by side
MOST_PIXELS = 64  # a side of a map; of a larger one every second pixel, every third, …
HEIGHT, WIDTH, LARGEST_PIXEL = 48, 400, 12  # on the screen, at most: of a picture, of one of its pixels
POSITIVE, NEGATIVE = (214, 96, 77), (67, 147, 195)  # red and blue; 0 is white between them
CURVE_COLOURS = ("#4393c3", "#d6604d", "#5aae61", "#9970ab")


class Html(str):
    """A text that is HTML already; any other text is escaped where it is shown."""


def shown(text: object) -> Html:
    """Return anything as HTML."""
    return text if isinstance(text, Html) else Html(escape(str(text)))


def joined(*parts: object) -> Html:
    """Return several pieces below one another."""
    return Html("\n".join(f"<div>{shown(part)}</div>" for part in parts if part != ""))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], align: str, caption: str = "") -> Html:
    """Return a table.

    align: a letter a column, "l" for texts and "r" for numbers. caption: a line above it.
    """
    sides = [f"text-align:{'right' if side == 'r' else 'left'};white-space:nowrap" for side in align]

    def row(cells: Sequence[object], kind: str) -> str:
        parts = (f'<{kind} style="{side}">{shown(cell)}</{kind}>' for cell, side in zip(cells, sides, strict=True))
        return f"<tr>{''.join(parts)}</tr>"

    above = f'<caption style="caption-side:top;text-align:left">{shown(caption)}</caption>' if caption else ""
    body = "".join(row(cells, "td") for cells in rows)
    return Html(f"<table>{above}<thead>{row(heads, 'th')}</thead><tbody>{body}</tbody></table>")


def share_bar(share: float, text: str) -> Html:
    """Return a text with a bar behind it, as long as `share` (0 … 1) of the cell."""
    end = f"{100 * share:.1f}%"
    fill = f"linear-gradient(to right, rgba(67,147,195,0.35) {end}, transparent {end})"
    return Html(f'<div style="background:{fill};min-width:6em">{escape(text)}</div>')


def maps(values: np.ndarray, alternative: str) -> Html:
    """Return matrices (K, H, W) as one picture, side by side: red where positive, blue where negative, white at 0.

    values: at most MOST_MAPS are drawn, each to its own scale: the deepest colour is its largest absolute value.
    Of shape (K, H, W, 3) they are red, green and blue, from the smallest number of each to its largest.
    """
    tiles = [_stretched(one) if values.ndim == 4 else _coloured(one) for one in values[:MOST_MAPS]]
    gap = np.zeros((tiles[0].shape[0], max(1, tiles[0].shape[1] // 16), 4), dtype="uint8")
    strip = np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
    return _picture(strip, alternative)


def photograph(values: np.ndarray, alternative: str) -> Html:
    """Return a picture (H, W, 3) of numbers 0 … 1 as it is."""
    return _picture((255 * _thinned(values)).round().clip(0, 255).astype("uint8"), alternative)


def file_picture(path: Path, alternative: str) -> Html:
    """Return a PNG file as a part of the page, or nothing where there is no such file."""
    try:
        content = path.read_bytes()
    except OSError:
        return Html("")
    return Html(f'<img style="max-width:100%" alt="{escape(alternative)}" src="{_address(content)}"/>')


def curves(series: Mapping[str, Sequence[float]], title: str, highest: float = 0.0) -> Html:
    """Return lines over one another as a small drawing, a colour each, with a legend.

    highest: what the upper edge stands for, 0 for the largest value; the lower edge is 0.
    """
    width, height = 280, 90
    largest = max((value for values in series.values() for value in values if isfinite(value)), default=0.0)
    highest = highest or largest or 1.0
    lines, legend = [], []
    for (name, values), colour in zip(series.items(), CURVE_COLOURS, strict=False):
        step = width / max(len(values) - 1, 1)
        points = [
            f"{step * place:.1f},{height * (1 - value / highest):.1f}"
            for place, value in enumerate(values)
            if isfinite(value)
        ]
        dots = "".join(f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="2.5"/>' for p in points)
        lines.append(
            f'<g fill="{colour}"><polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
            f'stroke-width="1.5"/>{dots if len(points) < 30 else ""}</g>'
        )
        legend.append(f'<span style="color:{colour}">● {escape(name)}</span>')
    frame = f'<path d="M0 0V{height}H{width}" fill="none" stroke="gray" stroke-width="0.5"/>'
    drawing = (
        f'<svg role="img" aria-label="{escape(title)}" width="{width + 10}" height="{height + 10}" '
        f'viewBox="-5 -5 {width + 10} {height + 10}">{frame}{"".join(lines)}</svg>'
    )
    return Html(
        f'<div style="display:inline-block;margin-right:2em">{escape(title)}, 0 … {highest:.3g} \N{NO-BREAK SPACE} '
        f"{' '.join(legend)}<br/>{drawing}</div>"
    )


def _coloured(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix as pixels (H, W, 4)."""
    values = np.nan_to_num(_thinned(matrix).astype("float64"), posinf=0, neginf=0)
    strength = (np.abs(values) / (np.abs(values).max() or 1.0))[..., np.newaxis]
    deepest = np.where((values > 0)[..., np.newaxis], POSITIVE, NEGATIVE)
    pixels = 255 + strength * (deepest - 255.0)
    return np.concatenate([pixels, np.full((*values.shape, 1), 255.0)], axis=-1).round().astype("uint8")


def _stretched(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) of any numbers as pixels (H, W, 4)."""
    values = np.nan_to_num(_thinned(picture).astype("float64"), posinf=0, neginf=0)
    values = (values - values.min()) / (np.ptp(values) or 1.0)
    return np.concatenate([255 * values, np.full((*values.shape[:2], 1), 255.0)], axis=-1).round().astype("uint8")


def _thinned(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix with at most MOST_PIXELS rows and columns."""
    rows, columns = (-(-size // MOST_PIXELS) for size in matrix.shape[:2])
    return matrix[::rows, ::columns]


def _picture(pixels: np.ndarray, alternative: str) -> Html:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="png", optimize=True)
    scale = min(HEIGHT / pixels.shape[0], WIDTH / pixels.shape[1], LARGEST_PIXEL)
    height = round(scale * pixels.shape[0])
    style = f"height:{height}px;max-width:none;image-rendering:pixelated;margin:0"
    return Html(f'<img style="{style}" alt="{escape(alternative)}" src="{_address(content.getvalue())}"/>')


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
