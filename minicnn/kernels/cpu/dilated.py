"""Dilated convolution for NumPy arrays, as an ordinary one over pictures of every D-th pixel.

Along one axis, output i reads the padded pixels i·S + k·D, k = 0…K−1. With g = gcd(S, D), the outputs r, r + D/g,
r + 2·D/g, … read among the pixels r·S, r·S + D, r·S + 2·D, … only, and there side by side: they are an ordinary
convolution with stride S/g. So x is cut into such pictures, D/g phases r on each axis; all are convolved as one batch,
and their outputs are put together again. At stride 1 that is each pixel of x in one picture, whatever the dilation.

Source: Chen et al. 2018, "DeepLab", §3.1 (there for stride 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from minicnn.kernels.cpu.conv_block import conv_block, conv_block_backward
from minicnn.ops.conv_block import Convolution, Epilogue
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, pad_image, spread


def dilated(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Padding, dilation: Pair
) -> np.ndarray:
    """Return y (N, OH, OW, F)."""
    rows, columns = _phases(x, weight, stride, padding, dilation)
    result = conv_block(_pictures(x, rows, columns, padding), weight, bias, _ordinary(rows, columns), Epilogue())
    if result is NotImplemented:
        return NotImplemented
    y = result[0].reshape(len(x), rows.phases, columns.phases, rows.outputs, columns.outputs, -1)
    y = y.transpose(0, 3, 1, 4, 2, 5).reshape(len(x), rows.all_outputs, columns.all_outputs, -1)
    oh, ow = output_size(x.shape[1:3], spread(weight.shape[:2], dilation), stride, padding)
    return np.ascontiguousarray(y[:, :oh, :ow])


def dilated_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, dilation: Pair,
    input_gradient: bool,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:  # fmt: skip
    """Return dx (N, H, W, C), or None if there is no `input_gradient`; dweight like weight; dbias (F,)."""
    rows, columns = _phases(x, weight, stride, padding, dilation)
    n, oh, ow, f = dy.shape
    # Outputs that complete the last row and column of some phases have no gradient.
    dy = np.pad(dy, ((0, 0), (0, rows.all_outputs - oh), (0, columns.all_outputs - ow), (0, 0)))
    dy = dy.reshape(n, rows.outputs, rows.phases, columns.outputs, columns.phases, f).transpose(0, 2, 4, 1, 3, 5)
    dy = dy.reshape(-1, rows.outputs, columns.outputs, f)
    pictures = _pictures(x, rows, columns, padding)
    ordinary = _ordinary(rows, columns)
    result = conv_block_backward(dy, pictures, weight, dy, None, ordinary, Epilogue(), input_gradient)
    if result is NotImplemented:
        return NotImplemented
    dx, dweight, dbias = result
    if dx is None:
        return None, dweight, dbias
    padded = pad_image(np.zeros_like(x), _padding(x, rows, columns, padding))
    padded[_places(rows, columns)] = dx.reshape(n, rows.phases, columns.phases, rows.length, columns.length, -1)
    (top, _), (left, _) = pad_amounts(padding)
    return padded[:, top : top + x.shape[1], left : left + x.shape[2]], dweight, dbias


@dataclass(frozen=True)
class _Phases:
    """One axis: how many phases there are, and of the picture of each its length, its stride and its outputs."""

    phases: int
    length: int
    stride: int
    outputs: int
    pixels: np.ndarray  # (phases, length): the padded pixels of x that they consist of

    @property
    def all_outputs(self) -> int:
        """How many outputs all phases have together: at least as many as the convolution has."""
        return self.phases * self.outputs


def _phases(
    x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding, dilation: Pair
) -> tuple[_Phases, _Phases]:
    def one_axis(outputs: int, kernel: int, step: int, apart: int) -> _Phases:
        common = gcd(step, apart)
        phases = apart // common
        in_each = -(-outputs // phases)
        length = (in_each - 1) * step // common + kernel
        pixels = np.arange(phases)[:, None] * step + np.arange(length) * apart
        return _Phases(phases, length, step // common, in_each, pixels)

    outputs = output_size(x.shape[1:3], spread(weight.shape[:2], dilation), stride, padding)
    rows, columns = map(one_axis, outputs, weight.shape[:2], stride, dilation)
    return rows, columns


def _ordinary(rows: _Phases, columns: _Phases) -> Convolution:
    return Convolution(stride=(rows.stride, columns.stride))


def _pictures(x: np.ndarray, rows: _Phases, columns: _Phases, padding: Padding) -> np.ndarray:
    """Return the pictures of all phases, (N · phases of rows · phases of columns, length, length, C)."""
    pictures = pad_image(x, _padding(x, rows, columns, padding))[_places(rows, columns)]
    return pictures.reshape(-1, rows.length, columns.length, x.shape[3])


def _places(rows: _Phases, columns: _Phases) -> tuple[slice, np.ndarray, np.ndarray]:
    """Return the index of a padded batch that gives (N, phases of rows, phases of columns, length, length, C)."""
    return slice(None), rows.pixels[:, None, :, None], columns.pixels[None, :, None, :]


def _padding(x: np.ndarray, rows: _Phases, columns: _Phases, padding: Padding) -> tuple[Pair, Pair]:
    """Return `padding`, with as much more at the bottom and the right as the phases reach beyond it."""

    def one_axis(size: int, axis: _Phases, pads: Pair) -> Pair:
        return pads[0], max(pads[1], int(axis.pixels[-1, -1]) + 1 - size - pads[0])

    vertical, horizontal = pad_amounts(padding)
    return one_axis(x.shape[1], rows, vertical), one_axis(x.shape[2], columns, horizontal)
