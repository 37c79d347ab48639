"""Grad-CAM: where in a picture a layer sees what speaks for a class."""

from __future__ import annotations

import numpy as np

from minicnn.backend import Array, to_numpy
from minicnn.errors import UsageError
from minicnn.inspection.saliency import chosen, parameters_left_alone
from minicnn.layers import AvgPool2D, GlobalAvgPool2D, MaxPool2D, Sequential
from minicnn.layers.passes import keep_for_backward


def grad_cam(net: Sequential, x: Array, classes: np.ndarray, layer: str | None = None) -> np.ndarray:
    """Return the Grad-CAM of a class for each picture: a layer's maps A, each weighted by how it moves the logit.

        L = ReLU(Σ_c α_c·A_c),  α_c = mean over the pixels of ∂logit_k / ∂A_c

    x: (N, H, W, C) as the network reads it. classes: (N,) integers k. layer: a layer of the network's own, by name; the
    last whose output is a picture and that is no pool if left out, which is the last convolution with what belongs to
    it. Returns (N, h, w), in the size of that layer's output, as numbers of at least 0. The network is used as in
    evaluation, and left as it is. Source: Selvaraju et al. 2017, "Grad-CAM", eq. 1 and 2.
    Raises UsageError for a layer that is not there or whose output is no picture.
    """
    place = place_of(net, layer)
    head, tail = net.head(place + 1), net.tail(place + 1)
    maps = head.forward(x)
    with parameters_left_alone(net):
        with keep_for_backward():
            logits = tail.forward(maps)
        gradient = tail.backward(chosen(logits, classes))
    weights = to_numpy(gradient).mean(axis=(1, 2), keepdims=True)
    return np.maximum((weights * to_numpy(maps)).sum(axis=-1), 0)


def place_of(net: Sequential, layer: str | None = None) -> int:
    """Return the place in `net` of the layer that `grad_cam` looks at. Raises UsageError as it does."""
    names = [one.name for one in net.layers]
    pictures = [place for place, one in enumerate(net.layers[:-1]) if len(one.output_shape or ()) == 3]
    if layer is not None:
        if layer not in names or names.index(layer) not in pictures:
            choice = ", ".join(names[place] for place in pictures) or "none"
            raise UsageError(f"Grad-CAM needs a layer whose output is a picture: {choice}; got {layer!r}")
        return names.index(layer)
    pools = MaxPool2D | AvgPool2D | GlobalAvgPool2D
    suited = [place for place in pictures if not isinstance(net.layers[place], pools)]
    if not suited:
        raise UsageError("Grad-CAM needs a layer whose output is a picture, and this network has none")
    return suited[-1]
