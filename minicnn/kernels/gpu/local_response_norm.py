"""Local response normalisation for CuPy arrays. The kernels stand in local_response_norm.cu."""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.kernels.gpu.launch import kernels_take, launch, lines


def local_response_norm(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Divide by the neighbours' energy: the twin of `minicnn.ops.local_response_norm.local_response_norm`."""
    if not kernels_take(x) or x.size == 0:
        return NotImplemented
    xp, channels = array_module(x), x.shape[3]
    pixels, y = x.size // channels, xp.empty(x.shape, dtype=x.dtype)
    arguments = (xp.ascontiguousarray(x), y, size, alpha / size, float(beta), float(k), pixels, channels)
    launch("local_response_norm.cu", "divide_by_energy", lines(pixels, channels), arguments, x.dtype)
    return y


def local_response_norm_backward(
    dy: Array, x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Return the gradient at x: the twin of `minicnn.ops.local_response_norm.local_response_norm_backward`."""
    if not kernels_take(x) or x.size == 0:
        return NotImplemented
    xp, channels = array_module(x), x.shape[3]
    pixels, layout = x.size // channels, lines(x.size // channels, channels)
    dy, x = xp.ascontiguousarray(dy), xp.ascontiguousarray(x)
    dx, products = xp.empty(x.shape, dtype=x.dtype), xp.empty(x.shape, dtype=x.dtype)
    divided = (dy, x, dx, products, size, alpha / size, float(beta), float(k), pixels, channels)
    launch("local_response_norm.cu", "divide_gradient", layout, divided, x.dtype)
    taken_off = (products, x, dx, size, 2 * alpha * beta / size, pixels, channels)
    launch("local_response_norm.cu", "take_off_energy", layout, taken_off, x.dtype)
    return dx
