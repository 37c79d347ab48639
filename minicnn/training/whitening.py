"""Whitening: a first convolution that is computed from pictures rather than learnt from labels.

Neighbouring pixels are much alike, and so are red, green and blue: of the numbers in a small patch, the mean carries
nearly all the variance, and the differences that tell things apart carry little. Gradient descent is slow where one
direction outweighs the others. Filters along the principal axes of the patches, each divided by the deviation along
its axis, give outputs that are uncorrelated and equally strong; and since that asks no label, it is done at once, and
the filters stay as they are.

Source: Page 2019, "How to Train Your ResNet 8: Bag of tricks"; Jordan 2024, arXiv 2404.00498, §3.2.
"""

from __future__ import annotations

import numpy as np

from minicnn.backend import device_of, to_device
from minicnn.errors import UsageError
from minicnn.layers import Conv2D, Layer
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Parameter

PICTURES = 64  # whose patches are in memory together: 220 MB where pictures of 128×128 pixels meet 3×3 filters
EPSILON = 5e-4  # added to the variances, so that an axis with hardly any is not blown up to noise


def whiten(net: Layer, pictures: np.ndarray) -> None:
    """Set the first layer's filters to those that whiten `pictures`, (N, H, W, C) as the network reads them.

    Its bias becomes zero. pictures: on the host. net: on any device. Raises UsageError, changing nothing, unless the
    first layer is a convolution that can hold them.
    """
    first = first_convolution(net)
    height, width = first.kernel_size
    weight = whitening_filters(pictures, height, width, first.filters)
    value = first.weight.value
    value[...] = to_device(weight.astype(value.dtype), device_of(value))
    if first.bias is not None:
        first.bias.value[...] = 0.0


def first_convolution(net: Layer) -> Conv2D:
    """Return the layer of `net` that pictures come to first. Raises UsageError where it is no plain convolution."""
    first = next((layer for _, layer in net.walk() if found_in(layer, Parameter)), None)
    if not (isinstance(first, Conv2D) and first.groups == 1):
        kind = "none with weights" if first is None else f"{first.name}, a {type(first).__name__}"
        raise UsageError(f"whitening needs a convolution without groups as the first layer; here it is {kind}")
    return first


def whitening_filters(pictures: np.ndarray, height: int, width: int, filters: int) -> np.ndarray:
    """Return the convolution weight (KH, KW, C, F) that whitens patches of height × width pixels.

        patches P (M, D), D = KH·KW·C;  PᵀP / M = V·diag(λ)·Vᵀ;  filters ±v / √(λ + ε), the largest λ first

    Each axis comes twice, with both signs, as ReLU lets only one of them pass. Filters that are too many for that are
    left at zero. pictures: (N, H, W, C) floats. filters: F, at least 2. Returns float64. Raises UsageError for fewer.
    """
    if filters < 2:
        raise UsageError(f"whitening needs at least two filters, an axis of the patches with both signs; got {filters}")
    products, patches = np.zeros((height * width * pictures.shape[3],) * 2), 0
    for first in range(0, len(pictures), PICTURES):
        some = pictures[first : first + PICTURES].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(some, (height, width), axis=(1, 2))
        of_some = np.moveaxis(windows, 3, 5).reshape(-1, len(products))
        products += of_some.T @ of_some
        patches += len(of_some)
    variances, axes = np.linalg.eigh(products / patches)
    scaled = (axes / np.sqrt(variances + EPSILON))[:, ::-1][:, : filters // 2]  # eigh: the smallest first
    weight = np.zeros((len(axes), filters))
    weight[:, : 2 * scaled.shape[1]] = np.concatenate([scaled, -scaled], axis=1)
    return weight.reshape(height, width, pictures.shape[3], filters)
