"""The `shapes` data set: ten classes of shapes drawn at random, so there is always something to learn from.

Every picture has one shape of random position, size, rotation, proportions, colours and texture on a textured
background, under noise, and is saved as JPEG: nothing but the outline tells the classes apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from minicnn.data.cache import new_folder, require_unused
from minicnn.errors import UsageError

SHAPES_VERSION = 2  # counted up whenever the same seed would draw other pictures
IMAGES_PER_CLASS = 500
VALIDATION_SHARE = 5  # every fifth picture
LARGEST = 4096  # side of a picture in pixels; drawing one of these takes about a gigabyte
SUPERSAMPLING = 4  # outlines are drawn this many times larger, then averaged
JPEG_QUALITY = 90

RADIUS = (0.28, 0.42)  # of the shape, in widths of the picture
STRETCH = (0.8, 1.0)  # height over width
TURN = 20.0  # degrees, either way
CONTRAST = 0.8  # least distance between the colours of shape and background; black to white is 1.73
TEXTURE = (0.02, 0.08)  # how far a texture strays from its colour, in the same unit
NOISE = 0.06  # largest standard deviation of a picture's noise, where a channel spans 0…1

Outline = list[tuple[np.ndarray, bool]]  # polygons (K, 2) about the origin within radius 1; True fills, False clears


def make_shapes(
    folder: str | os.PathLike[str], *, images_per_class: int = IMAGES_PER_CLASS, size: int = 64, seed: int = 0
) -> Path:
    """Draw the shapes as JPEGs into `folder`/train and `folder`/val, one folder a class, all or nothing.

    images_per_class: pictures of each class, at least 5; a fifth of them go to val/.
    size: of the square pictures, pixels, 16 … 4096.
    seed: at least 0; the same seed gives the same pictures, each on its own: fewer a class are a part of more.
    Returns the folder.
    Raises UsageError for numbers out of these ranges, and for a folder that is not empty.
    """
    target = Path(folder)
    if images_per_class < VALIDATION_SHARE or not 16 <= size <= LARGEST:
        got = f"{images_per_class} images a class of {size} pixels"
        raise UsageError(f"shapes need at least {VALIDATION_SHARE} images a class of 16 to {LARGEST} pixels; got {got}")
    if seed < 0:
        raise UsageError(f"a seed is a whole number of at least 0; got {seed}")
    require_unused(target)
    with new_folder(target) as partial:
        for label, name in enumerate(SHAPES_CLASSES):
            for part in ("train", "val"):
                (partial / part / name).mkdir(parents=True)
            for number in range(images_per_class):
                part = "val" if number % VALIDATION_SHARE == VALIDATION_SHARE - 1 else "train"
                picture = draw_shape(name, size, np.random.default_rng([seed, label, number]))
                picture.save(partial / part / name / f"{number:05d}.jpg", quality=JPEG_QUALITY)
    return target


def shapes_as_arrays(images_per_class: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw the shapes into memory: pictures (N, size, size, 3), float32 in 0 … 1, and labels (N,), in random order.

    images_per_class, size, seed: as for `make_shapes`, whose pictures these are, but for what JPEG changes.
    """
    order = np.random.default_rng(seed).permutation(len(SHAPES_CLASSES) * images_per_class)
    pictures = np.empty((len(order), size, size, 3), dtype="float32")
    for place, index in enumerate(order):
        label, number = divmod(int(index), images_per_class)
        pictures[place] = draw_shape(SHAPES_CLASSES[label], size, np.random.default_rng([seed, label, number]))
    return pictures / 255, order // images_per_class


def draw_shape(name: str, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw one picture, size × size pixels, of the shape `name` (one of SHAPES_CLASSES)."""
    background, foreground = _two_colors(rng)
    mask = _mask(OUTLINES[name](), size, rng)[:, :, None]
    pixels = mask * _textured(foreground, size, rng) + (1 - mask) * _textured(background, size, rng)
    pixels += rng.uniform(0, NOISE) * rng.standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.rint(255 * pixels.clip(0, 1)).astype(np.uint8))


def _two_colors(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two colours, each (3,) in 0…1, far enough apart that textures and noise do not hide the outline."""
    while True:
        first, second = rng.random(3), rng.random(3)
        if np.linalg.norm(first - second) > CONTRAST:
            return first, second


def _textured(color: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square (size, size, 3) about `color`: plain, with a gradient, stripes, a grid of dots or blotches."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    along = axis[None, :] * cosine + axis[:, None] * sine
    across = axis[:, None] * cosine - axis[None, :] * sine
    frequency, phase = rng.uniform(8, 25), rng.uniform(0, 2 * np.pi)
    kind = rng.integers(5)
    if kind == 0:
        pattern = np.zeros((size, size), dtype=np.float32)
    elif kind == 1:
        pattern = along
    elif kind == 2:
        pattern = np.sign(np.sin(frequency * along + phase))
    elif kind == 3:
        pattern = np.sign(np.sin(frequency * along) * np.sin(frequency * across) - 0.3)
    else:
        coarse = Image.fromarray(rng.random((6, 6), dtype=np.float32))
        pattern = 2 * np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)) - 1
    direction = rng.standard_normal(3)
    tint = rng.uniform(*TEXTURE) * direction / np.linalg.norm(direction)
    return color.astype(np.float32) + pattern[:, :, None] * tint.astype(np.float32)


def _mask(outline: Outline, size: int, rng: np.random.Generator) -> np.ndarray:
    """How much of each pixel a shape of random place, size, angle and proportion covers, (size, size) in 0…1."""
    radius = rng.uniform(*RADIUS)
    center = rng.uniform(radius, 1 - radius, 2)
    angle = np.radians(rng.uniform(-TURN, TURN))
    stretch = np.diag([1.0, rng.uniform(*STRETCH)])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    large = Image.new("L", (size * SUPERSAMPLING, size * SUPERSAMPLING))
    draw = ImageDraw.Draw(large)
    for polygon, filled in outline:
        corners = (center + radius * polygon @ (turn @ stretch).T) * large.width
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=255 * filled)
    return np.asarray(large.reduce(SUPERSAMPLING), dtype=np.float32) / 255


def _arc(radius: float, start: float = 0.0, stop: float = 360.0, center: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Points (48, 2) on a circle's arc, angles in degrees."""
    return _on_circle(np.linspace(start, stop, 48)) * radius + np.array(center)


def _arrow() -> Outline:
    points = [(1, 0), (0.2, 0.75), (0.2, 0.28), (-0.95, 0.28), (-0.95, -0.28), (0.2, -0.28), (0.2, -0.75)]
    return [(np.array(points, dtype=float), True)]


def _circle() -> Outline:
    return [(_arc(1.0), True)]


def _crescent() -> Outline:
    return [(_arc(1.0), True), (_arc(0.85, center=(0.5, 0)), False)]


def _cross() -> Outline:
    bar, end = 0.3, 0.95
    arm = [(end, -bar), (end, bar), (bar, bar)]  # a quarter of the outline
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    return [(np.vstack([np.array(arm) @ np.linalg.matrix_power(quarter, k) for k in range(4)]), True)]


def _heart() -> Outline:
    t = np.linspace(0, 2 * np.pi, 48)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(np.column_stack([x, -y]) / 17, True)]


def _ring() -> Outline:
    return [(_arc(1.0), True), (_arc(0.55), False)]


def _semicircle() -> Outline:
    return [(_arc(1.0, 0, 180, center=(0, -0.4)), True)]


def _square() -> Outline:
    return [(_regular_polygon(4, first=-45), True)]


def _star() -> Outline:
    tips, dents = _regular_polygon(5), _regular_polygon(5) * 0.42
    turn = np.radians(36)
    dents = dents @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [(np.stack([tips, dents], axis=1).reshape(10, 2), True)]


def _triangle() -> Outline:
    return [(_regular_polygon(3), True)]


def _regular_polygon(corners: int, first: float = -90) -> np.ndarray:
    """Corners (corners, 2) on the unit circle, the first at an angle in degrees: -90 is the top of the picture."""
    return _on_circle(first + np.arange(corners) * 360 / corners)


def _on_circle(degrees: np.ndarray) -> np.ndarray:
    return np.column_stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


OUTLINES: dict[str, Callable[[], Outline]] = {
    "arrow": _arrow,
    "circle": _circle,
    "crescent": _crescent,
    "cross": _cross,
    "heart": _heart,
    "ring": _ring,
    "semicircle": _semicircle,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}
SHAPES_CLASSES = tuple(OUTLINES)
