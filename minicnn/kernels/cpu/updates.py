"""The optimizers' steps and the average of weights for NumPy arrays, in one pass over memory.

Shapes as in `minicnn.ops.updates`.

A weight is stepped with five or seven memory accesses instead of the formula's dozen: for large dense layers the step
is as dear as the forward pass, and memory is all that it waits for.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.elementwise import flat, flat_in_place, run_divided, takes


def sgd_update(
    value: np.ndarray, grad: np.ndarray, velocity: np.ndarray | None, lr: float, momentum: float, nesterov: bool,
    weight_decay: float,
) -> None:  # fmt: skip
    """Step down the gradient, in place: the twin of `minicnn.ops.updates.sgd_update`."""
    changed = [value] if velocity is None else [value, velocity]
    rows = flat_in_place(*changed) if takes(grad, *changed) else None
    if rows is None:
        return NotImplemented
    lr, weight_decay, momentum = map(value.dtype.type, (lr, weight_decay, momentum))
    if velocity is None:
        run_divided(_descend, [flat(grad), *rows], lr, weight_decay)
    else:
        run_divided(_descend_with_momentum, [flat(grad), *rows], lr, weight_decay, momentum, bool(nesterov))
    return None


def adam_update(
    value: np.ndarray, grad: np.ndarray, mean: np.ndarray, square: np.ndarray, mean_share: float, square_share: float,
    lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step along the running mean, in place: the twin of `minicnn.ops.updates.adam_update`."""
    rows = flat_in_place(value, mean, square) if takes(grad, value, mean, square) else None
    if rows is None:
        return NotImplemented
    numbers = (lr / mean_share, weight_decay, beta1, 1 - beta1, beta2, 1 - beta2, 1 / square_share, epsilon)
    run_divided(_adam, [flat(grad), *rows], *map(value.dtype.type, numbers))
    return None


def average_update(average: np.ndarray, value: np.ndarray, share: float) -> None:
    """Move a running average towards the value, in place: the twin of `minicnn.ops.updates.average_update`."""
    rows = flat_in_place(average) if takes(value, average) else None
    if rows is None:
        return NotImplemented
    run_divided(_average, [flat(value), *rows], value.dtype.type(share))
    return None


@inner
def _decayed(gradient, weight, decay):
    """Return gradient + decay·weight; without decay the gradient alone, since 0 times an infinite weight is NaN."""
    return gradient + decay * weight if decay != 0 else gradient


@entry
def _descend(grad, value, lr, decay):
    for i in range(value.size):
        value[i] -= lr * _decayed(grad[i], value[i], decay)


@entry
def _descend_with_momentum(grad, value, velocity, lr, decay, momentum, nesterov):
    for i in range(value.size):
        g = _decayed(grad[i], value[i], decay)
        v = momentum * velocity[i] + g
        velocity[i] = v
        value[i] -= lr * (g + momentum * v if nesterov else v)


@entry
def _adam(grad, value, mean, square, lr, decay, beta1, rest1, beta2, rest2, correction, epsilon):
    # lr is already divided by mean_share, and correction is 1 / square_share.
    for i in range(value.size):
        g = _decayed(grad[i], value[i], decay)
        m = beta1 * mean[i] + rest1 * g
        s = beta2 * square[i] + rest2 * g * g
        mean[i], square[i] = m, s
        value[i] -= lr * m / (np.sqrt(s * correction) + epsilon)


@entry
def _average(value, average, share):
    for i in range(value.size):
        average[i] += share * (value[i] - average[i])
