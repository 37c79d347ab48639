"""One step of an optimizer on one parameter, or of the average of its values, in place.

Shapes: value, grad, velocity, mean, square, average are all alike; grad is never changed.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.ops.windows import require_shape


def _check_sgd_update(
    value: Array, grad: Array, velocity: Array | None, lr: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    shapes = {"value": value.shape, "grad": grad.shape} | ({} if velocity is None else {"velocity": velocity.shape})
    require_shape(len(set(shapes.values())) == 1, "sgd_update", **shapes)


def _check_adam_update(
    value: Array, grad: Array, mean: Array, square: Array, mean_share: float, square_share: float, lr: float,
    beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    fits = value.shape == grad.shape == mean.shape == square.shape
    shapes = {"value": value.shape, "grad": grad.shape, "mean": mean.shape, "square": square.shape}
    require_shape(fits, "adam_update", **shapes)


def _check_average_update(average: Array, value: Array, share: float) -> None:
    require_shape(average.shape == value.shape, "average_update", average=average.shape, value=value.shape)


@accelerated(_check_sgd_update)
def sgd_update(
    value: Array, grad: Array, velocity: Array | None, lr: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    """Step down the gradient, with momentum v and weight decay λ.

        g = grad + λ·w        v ← μ·v + g        w ← w − lr·v        (Nesterov: w ← w − lr·(g + μ·v))

    value: w, changed in place. grad: any shape, unchanged. velocity: v, changed in place, or None without momentum.
    lr, momentum μ, weight_decay λ: plain numbers. Source: document 004 §4.3; Sutskever et al. 2013 §2.
    """
    gradient = grad + weight_decay * value if weight_decay else grad
    if velocity is None:
        value -= lr * gradient
        return
    velocity *= momentum
    velocity += gradient
    value -= lr * (gradient + momentum * velocity if nesterov else velocity)


@accelerated(_check_adam_update)
def adam_update(
    value: Array, grad: Array, mean: Array, square: Array, mean_share: float, square_share: float, lr: float,
    beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step along the running mean of the gradient, divided by the root of the running mean of its square.

        g = grad + λ·w        m ← β₁·m + (1 − β₁)·g        s ← β₂·s + (1 − β₂)·g²
        w ← w − lr · m̂ / (√ŝ + ε)        with m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ)

    value: w; mean: m; square: s: changed in place. grad: unchanged. mean_share, square_share: 1 − β₁ᵗ and 1 − β₂ᵗ in
    step t, counted from 1: what the t gradients so far make up of each running mean, the rest being the zeros that it
    began with. lr, beta1, beta2, epsilon, weight_decay λ: plain numbers. Source: Kingma & Ba 2015, algorithm 1.
    """
    xp = array_module(value)
    gradient = grad + weight_decay * value if weight_decay else grad
    mean *= beta1
    mean += (1 - beta1) * gradient
    square *= beta2
    square += (1 - beta2) * gradient * gradient
    mean_hat = mean / mean_share
    square_hat = square / square_share
    value -= lr * mean_hat / (xp.sqrt(square_hat) + epsilon)


@accelerated(_check_average_update)
def average_update(average: Array, value: Array, share: float) -> None:
    """Move a running average of weights towards their value now: a ← a + share·(w − a).

    average: a, changed in place. value: w, unchanged. share: the new value's part of the average, a plain number.
    """
    average += share * (value - average)
