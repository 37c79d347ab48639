"""Calibration: which range of numbers the bytes of an int8 network should stand for, from what some pictures give.

A byte has 256 values. Spread over everything from the smallest to the largest number, most of them would serve a few
rare ones; a range that cuts those off rounds all others more finely.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicnn.backend import Array, to_numpy
from minicnn.errors import UsageError
from minicnn.layers import Sequential
from minicnn.layers.int8 import Node, int8_network, nodes_of, run
from minicnn.layers.quantized import SMALLEST_SCALE, Scale
from minicnn.ops.quantization import LARGEST

METHODS = ("mse", "percentile", "minmax")
BINS = 2048
CUT_OFF = 1e-4  # by "percentile", of all numbers, on each side
SHARES = np.linspace(0.2, 1.0, 81)  # of the whole range that "mse" tries


class Range:
    """What is known of the numbers that a node gives: the smallest, the largest, and how many lie where between them.

    0 always lies between them: it has to be one of the bytes.
    """

    def __init__(self) -> None:
        self.low = self.high = 0.0
        self.counts = np.zeros(BINS, np.int64)

    def widen(self, y: np.ndarray) -> None:
        """Take in the numbers y, so that the range holds them."""
        self.low, self.high = float(np.minimum(self.low, y.min())), float(np.maximum(self.high, y.max()))  # NaN stays

    def count(self, y: np.ndarray) -> None:
        """Count the numbers y, which lie in the range."""
        if self.high > self.low:
            bins = ((y.reshape(-1) - self.low) * (BINS / (self.high - self.low))).astype(np.intp)
            self.counts += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)

    def scale(self, method: str) -> Scale:
        """Return the scale that bytes should have, by one of METHODS.

        "minmax" keeps all numbers. "percentile" cuts off the outermost of them, a CUT_OFF on each side. "mse" takes the
        range for which the mean square of what rounding and cutting off change is smallest.
        """
        if method == "minmax" or not self.counts.any():
            return scale_of(self.low, self.high)
        if method == "percentile":
            below = np.cumsum(self.counts) / self.counts.sum()
            edges = np.linspace(self.low, self.high, BINS + 1)
            low = edges[int(np.searchsorted(below, CUT_OFF))]
            high = edges[min(int(np.searchsorted(below, 1 - CUT_OFF)) + 1, BINS)]
            return scale_of(min(low, 0.0), max(high, 0.0))
        scales = [scale_of(share * self.low, share * self.high) for share in SHARES]
        return min(scales, key=self._error)

    def _error(self, scale: Scale) -> float:
        """Return the mean square of what becomes of the numbers by the bytes of `scale`, each in its bin's middle."""
        middles = self.low + (np.arange(BINS) + 0.5) * ((self.high - self.low) / BINS)
        q = np.clip(np.rint(middles / scale.scale) + scale.zero, 0, LARGEST)
        return float((self.counts * (scale.scale * (q - scale.zero) - middles) ** 2).sum())


def require_method(method: str) -> None:
    """Raise UsageError unless `method` is one of METHODS."""
    if method not in METHODS:
        raise UsageError(f"unknown calibration {method!r}: choose one of {', '.join(METHODS)}")


def scale_of(low: float, high: float) -> Scale:
    """Return the scale of bytes for the numbers from `low` ≤ 0 to `high` ≥ 0; of none but 0, any."""
    if high <= low:
        return Scale(1.0, 0)
    scale = max(float(np.float32((high - low) / LARGEST)), SMALLEST_SCALE)
    return Scale(scale, int(min(max(round(-low / scale), 0), LARGEST)))


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is told in a line
def quantize_network(net: Sequential, batches: Sequence[Array], method: str = "mse") -> Sequential:
    """Return `net` as an int8 network, whose ranges are those that some pictures give.

    batches: of pictures (N, …) as the network reads them, with all that will come: a hundred of the training pictures
    do. method: one of METHODS, see `Range.scale`. Raises UsageError for another one, for no batches, for numbers that
    are not finite, and where no layer would run with bytes.
    """
    require_method(method)
    if not batches:
        raise UsageError("calibration needs pictures: give it some of those that the network was trained on")
    nodes = nodes_of(net)
    ranges: dict[Node, Range] = {}

    def widen(node: Node, y: Array) -> None:
        ranges.setdefault(node, Range()).widen(to_numpy(y))

    def count(node: Node, y: Array) -> None:
        ranges[node].count(to_numpy(y))

    for look in (widen,) if method == "minmax" else (widen, count):
        for x in batches:
            run(nodes, x, look)
        for node, found in ranges.items():
            if not np.isfinite(found.low + found.high):
                raise UsageError(f"{node.layers[0].name if node.layers else 'the input'} gives no finite numbers")
    for node, found in ranges.items():
        node.scale = found.scale(method)
    return int8_network(net, nodes)
