"""The optimizers' steps for CuPy arrays, one launch a parameter. The kernels stand in updates.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import elements, kernels_take, launch


def sgd_update(
    value: Array, grad: Array, velocity: Array | None, lr: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    """Step down the gradient, with momentum: the twin of `minicnn.ops.updates.sgd_update`."""
    changed = [value] if velocity is None else [value, velocity]
    if not _in_place(changed, grad):
        return NotImplemented
    grad = array_module(grad).ascontiguousarray(grad)
    layout, rates = elements(value.size), (float(lr), float(momentum), nesterov, float(weight_decay))
    if velocity is None:
        plain = (value, grad, value.size, rates[0], rates[3])
        launch("updates.cu", "sgd", layout, plain, real=value.dtype)
    else:
        launch("updates.cu", "sgd_momentum", layout, (value, grad, velocity, value.size, *rates), real=value.dtype)
    return None


def adam_update(
    value: Array, grad: Array, mean: Array, square: Array, mean_share: float, square_share: float, lr: float,
    beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step along the scaled running mean of the gradient: the twin of `minicnn.ops.updates.adam_update`."""
    if not _in_place([value, mean, square], grad):
        return NotImplemented
    grad = array_module(grad).ascontiguousarray(grad)
    numbers = (lr, beta1, 1 - beta1, beta2, 1 - beta2, mean_share, square_share, epsilon, weight_decay)
    arguments = (value, grad, mean, square, value.size, *map(float, numbers))
    launch("updates.cu", "adam", elements(value.size), arguments, real=value.dtype)
    return None


def _in_place(changed: list[Array], grad: Array) -> bool:
    """Return whether the kernels can change the arrays `changed` where they lie."""
    return kernels_take(*changed, grad) and all(a.flags.c_contiguous for a in changed)
