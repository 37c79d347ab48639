"""Where a sliding window stops, found by trying. Padding is ((top, bottom), (left, right)) in all oracles."""

from __future__ import annotations


def window_places(size, kernel, stride, padding, dilation=(1, 1)):
    """Return how many windows fit, vertically and horizontally: move on until the last element sticks out."""
    places = []
    for length, window, step, (before, after), apart in zip(size, kernel, stride, padding, dilation, strict=True):
        start, count = -before, 0
        while start + (window - 1) * apart < length + after:
            start, count = start + step, count + 1
        places.append(count)
    return tuple(places)


def pixel_of(place, offset, stride, padding, dilation=(1, 1)):
    """Return the pixel (row, column), perhaps outside the picture, under offset (ky, kx) of the window at (i, j)."""
    (i, j), (ky, kx), (sh, sw), (dh, dw), ((top, _), (left, _)) = place, offset, stride, dilation, padding
    return i * sh + ky * dh - top, j * sw + kx * dw - left
