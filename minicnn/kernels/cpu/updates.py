"""The optimizers' steps for NumPy arrays, in one pass over memory. Shapes as in `minicnn.ops.updates`.

A weight is stepped with five or seven memory accesses instead of the formula's dozen: for large dense layers the step
is as dear as the forward pass, and memory is all that it waits for.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from minicnn.kernels.cpu.elementwise import flat, flat_in_place, takes


def sgd_update(
    value: np.ndarray, grad: np.ndarray, velocity: np.ndarray | None, lr: float, momentum: float, nesterov: bool,
    weight_decay: float,
) -> None:  # fmt: skip
    """Step down the gradient, in place: the twin of `minicnn.ops.updates.sgd_update`."""
    changed = [value] if velocity is None else [value, velocity]
    rows = flat_in_place(*changed) if takes(grad, *changed) else None
    if rows is None:
        return NotImplemented
    number = value.dtype.type
    if velocity is None:
        _descend(rows[0], flat(grad), number(lr), number(weight_decay))
    else:
        # w ← w − lr·(a·g + b·v) is both: plain momentum with (a, b) = (0, 1), Nesterov's with (1, μ).
        a, b = (1, momentum) if nesterov else (0, 1)
        _descend_with_momentum(
            rows[0], flat(grad), rows[1], number(lr), number(momentum), number(a), number(b), number(weight_decay)
        )
    return None


def adam_update(
    value: np.ndarray, grad: np.ndarray, mean: np.ndarray, square: np.ndarray, step: int, lr: float, beta1: float,
    beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step along the running mean, in place: the twin of `minicnn.ops.updates.adam_update`."""
    rows = flat_in_place(value, mean, square) if takes(grad, value, mean, square) else None
    if rows is None:
        return NotImplemented
    numbers = (beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), 1 / (1 - beta2**step), epsilon, weight_decay)
    _adam(rows[0], flat(grad), rows[1], rows[2], *(value.dtype.type(number) for number in numbers))
    return None


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _descend(value, grad, lr, decay):
    for i in prange(value.size):
        value[i] -= lr * (grad[i] + decay * value[i])


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _descend_with_momentum(value, grad, velocity, lr, momentum, a, b, decay):
    for i in prange(value.size):
        g = grad[i] + decay * value[i]
        v = momentum * velocity[i] + g
        velocity[i] = v
        value[i] -= lr * (a * g + b * v)


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _adam(value, grad, mean, square, beta1, rest1, beta2, rest2, lr, correction, epsilon, decay):
    # lr is already divided by 1 − β₁ᵗ, and correction is 1 / (1 − β₂ᵗ).
    for i in prange(value.size):
        g = grad[i] + decay * value[i]
        m = beta1 * mean[i] + rest1 * g
        s = beta2 * square[i] + rest2 * g * g
        mean[i], square[i] = m, s
        value[i] -= lr * m / (np.sqrt(s * correction) + epsilon)
