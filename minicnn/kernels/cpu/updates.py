"""The optimizers' steps for NumPy arrays, in one pass over memory. Shapes as in `minicnn.ops.updates`.

A weight is stepped with five or seven memory accesses instead of the formula's dozen: for large dense layers the step
is as dear as the forward pass, and memory is all that it waits for.
"""

from __future__ import annotations

import numpy as np
from numba import njit

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
    # w ← w − lr·(a·g + b·v) is both: plain momentum with (a, b) = (0, 1), Nesterov's with (1, μ).
    a, b = (1, momentum) if nesterov else (0, 1)
    numbers = (lr, weight_decay) if velocity is None else (lr, weight_decay, momentum, a, b)
    kernel = _descend if velocity is None else _descend_with_momentum
    run_divided(kernel, [flat(grad), *rows], *map(value.dtype.type, numbers))
    return None


def adam_update(
    value: np.ndarray, grad: np.ndarray, mean: np.ndarray, square: np.ndarray, step: int, lr: float, beta1: float,
    beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step along the running mean, in place: the twin of `minicnn.ops.updates.adam_update`."""
    rows = flat_in_place(value, mean, square) if takes(grad, value, mean, square) else None
    if rows is None:
        return NotImplemented
    correction1, correction2 = 1 / (1 - beta1**step), 1 / (1 - beta2**step)
    numbers = (lr * correction1, weight_decay, beta1, 1 - beta1, beta2, 1 - beta2, correction2, epsilon)
    run_divided(_adam, [flat(grad), *rows], *map(value.dtype.type, numbers))
    return None


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(grad, value, lr, decay):
    for i in range(value.size):
        value[i] -= lr * (grad[i] + decay * value[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _descend_with_momentum(grad, value, velocity, lr, decay, momentum, a, b):
    for i in range(value.size):
        g = grad[i] + decay * value[i]
        v = momentum * velocity[i] + g
        velocity[i] = v
        value[i] -= lr * (a * g + b * v)


@njit(cache=True, nogil=True, error_model="numpy")
def _adam(grad, value, mean, square, lr, decay, beta1, rest1, beta2, rest2, correction, epsilon):
    # lr is already divided by 1 − β₁ᵗ, and correction is 1 / (1 − β₂ᵗ).
    for i in range(value.size):
        g = grad[i] + decay * value[i]
        m = beta1 * mean[i] + rest1 * g
        s = beta2 * square[i] + rest2 * g * g
        mean[i], square[i] = m, s
        value[i] -= lr * m / (np.sqrt(s * correction) + epsilon)
