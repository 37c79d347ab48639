"""Where a sliding window stops, found by trying. Padding is ((top, bottom), (left, right)) in all oracles."""

from __future__ import annotations


def window_places(size, kernel, stride, padding):
    """Return how many windows fit, vertically and horizontally: move on until the window sticks out."""
    places = []
    for length, window, step, (before, after) in zip(size, kernel, stride, padding, strict=True):
        start, count = -before, 0
        while start + window <= length + after:
            start, count = start + step, count + 1
        places.append(count)
    return tuple(places)


def pixel_of(place, offset, stride, padding):
    """Return the pixel (row, column), perhaps outside the picture, under offset (ky, kx) of the window at (i, j)."""
    (i, j), (ky, kx), (sh, sw), ((top, _), (left, _)) = place, offset, stride, padding
    return i * sh + ky - top, j * sw + kx - left
