"""Saliency: how much each pixel of a picture moves the logit of a class, by its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minicnn.backend import Array, array_module, to_numpy
from minicnn.errors import UsageError
from minicnn.layers import Sequential
from minicnn.layers.passes import keep_for_backward


def saliency(net: Sequential, x: Array, classes: np.ndarray) -> np.ndarray:
    """Return for each pixel the largest of its channels' |∂logit_k / ∂x|, k being a class for each picture.

    x: (N, H, W, C) as the network reads it. classes: (N,) integers. Returns (N, H, W). The network is used as in
    evaluation, and left as it is. Source: Simonyan et al. 2014, "Deep inside convolutional networks", §3.1.
    """
    return np.abs(to_numpy(logit_gradient(net, x, classes))).max(axis=-1)


def logit_gradient(net: Sequential, x: Array, classes: np.ndarray) -> Array:
    """Return ∂logit_k / ∂x for each picture of x (N, …), an array like x; see `saliency`."""
    with parameters_left_alone(net):
        with keep_for_backward():
            logits = net.forward(x)
        return net.backward(chosen(logits, classes))


def chosen(logits: Array, classes: np.ndarray) -> Array:
    """Return the gradient of the sum of each sample's logit of its class: 1 there and 0 elsewhere, like logits (N, K).

    Raises UsageError for classes that there are not.
    """
    samples, count = logits.shape
    numbers = np.asarray(classes)
    if numbers.shape != (samples,) or not ((numbers >= 0) & (numbers < count)).all():
        raise UsageError(f"give one class 0 … {count - 1} for each of {samples} pictures; got {numbers.tolist()}")
    gradient = array_module(logits).zeros_like(logits)
    gradient[array_module(logits).arange(samples), array_module(logits).asarray(numbers)] = 1
    return gradient


@contextmanager
def parameters_left_alone(net: Sequential) -> Iterator[None]:
    """Let a backward pass within the block add nothing to what the parameters have gathered in `grad`."""
    before = [(parameter, parameter.grad) for parameter in net.parameters().values()]
    for parameter, _ in before:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient
