"""Where a sliding window stops, found by trying."""

from __future__ import annotations

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # ((top, bottom), (left, right)), in pixels


def window_places(size: Pair, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair = (1, 1)) -> tuple[int, ...]:
    """Return how many windows fit, vertically and horizontally: move on until the last element sticks out."""
    places = []
    for length, window, step, (before, after), apart in zip(size, kernel, stride, padding, dilation, strict=True):
        start, count = -before, 0
        while start + (window - 1) * apart < length + after:
            start, count = start + step, count + 1
        places.append(count)
    return tuple(places)


def pixel_of(place: Pair, offset: Pair, stride: Pair, padding: Pads, dilation: Pair = (1, 1)) -> tuple[int, int]:
    """Return the pixel (row, column), perhaps outside the picture, under offset (ky, kx) of the window at (i, j)."""
    (i, j), (ky, kx), (sh, sw), (dh, dw), ((top, _), (left, _)) = place, offset, stride, dilation, padding
    return i * sh + ky * dh - top, j * sw + kx * dw - left
