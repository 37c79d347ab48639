"""The activations for NumPy arrays, in one pass over memory. Shapes as in `minicnn.ops.activations`."""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.compiling import entry
from minicnn.kernels.cpu.elementwise import compute, takes
from minicnn.kernels.cpu.exponential import exponential, normal_density, normal_tail
from minicnn.kernels.cpu.memory import empty
from minicnn.ops.activations import FAR


def relu(x: np.ndarray) -> np.ndarray:
    """Set what is negative to zero: the twin of `minicnn.ops.activations.relu`."""
    return compute(_relu, [x])


def relu_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Let the gradient through where the output is positive: the twin of `minicnn.ops.activations.relu_backward`."""
    return compute(_relu_backward, [dy, y])


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Squash to (0, 1): the twin of `minicnn.ops.activations.sigmoid`."""
    return compute(_sigmoid, [x])


def sigmoid_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Multiply by the slope of the sigmoid: the twin of `minicnn.ops.activations.sigmoid_backward`."""
    return compute(_sigmoid_backward, [dy, y])


def tanh(x: np.ndarray) -> np.ndarray:
    """Squash to (−1, 1): the twin of `minicnn.ops.activations.tanh`."""
    if not takes(x):
        return NotImplemented
    # NumPy's tanh uses vector instructions and Numba's does not: one NumPy thread beats two of the other.
    return np.tanh(x, out=empty(x.shape, x.dtype))


def tanh_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Multiply by the slope of tanh: the twin of `minicnn.ops.activations.tanh_backward`."""
    return compute(_tanh_backward, [dy, y])


def relu6(x: np.ndarray) -> np.ndarray:
    """Set what is negative to 0 and what is above 6 to 6: the twin of `minicnn.ops.activations.relu6`."""
    return compute(_relu6, [x])


def relu6_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Let the gradient through where 0 < y < 6: the twin of `minicnn.ops.activations.relu6_backward`."""
    return compute(_relu6_backward, [dy, y])


def leaky_relu(x: np.ndarray, slope: float = 0.01) -> np.ndarray:
    """Let through a little of what is negative: the twin of `minicnn.ops.activations.leaky_relu`."""
    return compute(_leaky_relu, [x], slope) if slope else relu(x)


def leaky_relu_backward(dy: np.ndarray, y: np.ndarray, slope: float = 0.01) -> np.ndarray:
    """Let the gradient through, little of it where y ≤ 0: the twin of `minicnn.ops.activations.leaky_relu_backward`."""
    return compute(_leaky_relu_backward, [dy, y], slope)


def silu(x: np.ndarray) -> np.ndarray:
    """Weigh x by its own sigmoid: the twin of `minicnn.ops.activations.silu`."""
    return compute(_silu, [x])


def silu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Multiply by the slope of x·σ(x): the twin of `minicnn.ops.activations.silu_backward`."""
    return compute(_silu_backward, [dy, x])


def gelu(x: np.ndarray) -> np.ndarray:
    """Weigh x by the normal distribution's share below it: the twin of `minicnn.ops.activations.gelu`."""
    return compute(_gelu, [x])


def gelu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Multiply by the slope of x·Φ(x): the twin of `minicnn.ops.activations.gelu_backward`."""
    return compute(_gelu_backward, [dy, x])


@entry
def _relu(x, y):
    for i in range(x.size):
        y[i] = 0 if x[i] < 0 else x[i]  # a comparison with NaN is false: NaN stays


@entry
def _relu_backward(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] * (1 if y[i] > 0 else 0)


@entry
def _sigmoid(x, y):
    one = x.dtype.type(1)  # a plain 1 would turn float32 into float64
    for i in range(x.size):
        small = exponential(-abs(x[i]))
        y[i] = (one if x[i] >= 0 else small) / (one + small)


@entry
def _sigmoid_backward(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] * y[i] * (1 - y[i])


@entry
def _tanh_backward(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] * (1 - y[i] * y[i])


@entry
def _relu6(x, y):
    for i in range(x.size):
        positive = 0 if x[i] < 0 else x[i]  # a comparison with NaN is false: NaN stays
        y[i] = 6 if positive > 6 else positive


@entry
def _relu6_backward(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] * (1 if (y[i] > 0) & (y[i] < 6) else 0)


@entry
def _leaky_relu(x, y, slope):
    for i in range(x.size):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@entry
def _leaky_relu_backward(dy, y, dx, slope):
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > 0 else slope * dy[i]


@entry
def _silu(x, y):
    one, far = x.dtype.type(1), x.dtype.type(FAR)
    for i in range(x.size):
        small = exponential(-abs(x[i]))
        y[i] = max(x[i], -far) * (one if x[i] >= 0 else small) / (one + small)


@entry
def _silu_backward(dy, x, dx):
    one, far = x.dtype.type(1), x.dtype.type(FAR)
    for i in range(dy.size):
        small = exponential(-abs(x[i]))
        share = (one if x[i] >= 0 else small) / (one + small)
        dx[i] = dy[i] * share * (one + min(max(x[i], -far), far) * (one - share))


@entry
def _gelu(x, y):
    one, far = x.dtype.type(1), x.dtype.type(FAR)
    for i in range(x.size):
        tail = normal_tail(abs(x[i]))
        y[i] = max(x[i], -far) * (tail if x[i] < 0 else one - tail)


@entry
def _gelu_backward(dy, x, dx):
    one, far = x.dtype.type(1), x.dtype.type(FAR)
    for i in range(dy.size):
        tail, density = normal_tail(abs(x[i])), normal_density(x[i])
        dx[i] = dy[i] * ((tail if x[i] < 0 else one - tail) + min(max(x[i], -far), far) * density)
