"""Adversarial examples: pixels changed by a little, all in the direction that hurts, and the network errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minicnn import ops
from minicnn.backend import to_device, to_numpy
from minicnn.errors import UsageError
from minicnn.inspection.saliency import parameters_left_alone
from minicnn.layers import Sequential
from minicnn.layers.passes import keep_for_backward
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.normalization import Normalization

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # gray levels of 255 that are tried, from invisible to plain to see


@dataclass(frozen=True)
class Attack:
    """A picture that was changed: `pixels` (H, W, C) uint8, by `epsilon` gray levels at most, and what it is taken for.

    probabilities: (K,) for the changed picture. fooled: whether it is no longer taken for what it was.
    """

    pixels: np.ndarray
    epsilon: int
    probabilities: np.ndarray
    fooled: bool


def fgsm(
    net: Sequential, pixels: np.ndarray, labels: np.ndarray, epsilon: int, normalization: Normalization,
    device: str = "cpu",
) -> np.ndarray:  # fmt: skip
    """Return pictures changed by the fast gradient sign method: x + ε·sign(∂loss / ∂x), kept within 0 … 255.

    pixels: (N, H, W, C) uint8. labels: (N,), whose loss is to grow. epsilon: gray levels, at least 0. normalization:
    from bytes to what the network reads; its deviations are above 0, so that the sign is that of the bytes' gradient.
    Returns uint8 like pixels. The network is used as in evaluation, and left as it is.
    Source: Goodfellow et al. 2015, "Explaining and harnessing adversarial examples", §4. Raises UsageError for another
    epsilon.
    """
    if not 0 <= epsilon <= 255:
        raise UsageError(f"epsilon should be 0 to 255 gray levels; got {epsilon}")
    sign = np.sign(loss_gradient(net, pixels, labels, normalization, device))
    return np.clip(pixels + epsilon * sign.astype(np.int16), 0, 255).astype(np.uint8)


def smallest_attack(
    net: Sequential, pixels: np.ndarray, label: int, normalization: Normalization, device: str = "cpu"
) -> Attack:
    """Return the weakest of some attacks on a picture (H, W, C) that changes what it is taken for; else the strongest.

    label: what the network takes it for.
    """
    labels = np.array([label])
    sign = np.sign(loss_gradient(net, pixels[None], labels, normalization, device)[0]).astype(np.int16)
    changed = np.stack([np.clip(pixels + step * sign, 0, 255).astype(np.uint8) for step in STEPS])
    logits = net.forward(normalization(to_device(changed, device)))
    probabilities = to_numpy(ops.softmax(logits))
    fooled = probabilities.argmax(axis=1) != label
    place = int(fooled.argmax()) if fooled.any() else len(STEPS) - 1
    return Attack(changed[place], STEPS[place], probabilities[place], bool(fooled[place]))


def loss_gradient(
    net: Sequential, pixels: np.ndarray, labels: np.ndarray, normalization: Normalization, device: str = "cpu"
) -> np.ndarray:
    """Return ∂loss / ∂x at what the network reads, like pixels (N, H, W, C), in evaluation."""
    loss = SoftmaxCrossEntropy()
    with parameters_left_alone(net):
        with keep_for_backward():
            loss.forward(net.forward(normalization(to_device(pixels, device))), to_device(labels, device))
        return to_numpy(net.backward(loss.backward()))
