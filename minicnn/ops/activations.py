"""The activations, element by element: each function and its slope, one after the other.

Shapes: x, y, dy and dx are all alike. A backward pass takes what it needs and no more: the output y where the slope
follows from that, else the input x. Source: document 004 §4.1.2 and §4.2.
"""

from __future__ import annotations

import math

from minicnn.backend import Array, array_module, special_functions
from minicnn.dispatch import accelerated
from minicnn.errors import UsageError
from minicnn.ops.windows import is_number, require_shape

# Beyond ±800, e^(−|x|) and erfc |x| are 0 in float64 too, so an x that they multiply may as well stay there: infinity
# times 0 would be NaN.
FAR = 800.0


def _check_with_output(dy: Array, y: Array) -> None:
    require_shape(dy.shape == y.shape, "an activation's backward pass", dy=dy.shape, y=y.shape)


def _check_with_input(dy: Array, x: Array) -> None:
    require_shape(dy.shape == x.shape, "an activation's backward pass", dy=dy.shape, x=x.shape)


@accelerated()
def relu(x: Array) -> Array:
    """Set what is negative to zero: y = max(x, 0).

    x: any shape. Returns y like x. NaN stays NaN. Source: Nair & Hinton 2010; document 004 §4.1.2.
    """
    return array_module(x).maximum(x, 0)


@accelerated(_check_with_output)
def relu_backward(dy: Array, y: Array) -> Array:
    """Let the gradient through where the output is positive: dx = dy ⊙ [y > 0].

    dy, y: any one shape. Returns dx like dy. At the kink, x = 0, the gradient is taken to be 0, and so it is
    where y is NaN, which is not above 0; PyTorch lets it through there.
    """
    return dy * (y > 0)


@accelerated()
def sigmoid(x: Array) -> Array:
    """Squash to (0, 1): y = 1 / (1 + e⁻ˣ).

    x: any shape. Returns y like x. Only e^(−|x|) ≤ 1 is ever computed, so no x overflows:
    y = 1/(1 + e⁻ˣ) for x ≥ 0, and the same number written as eˣ/(1 + eˣ) for x < 0.
    """
    xp = array_module(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


@accelerated(_check_with_output)
def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Multiply by the slope of the sigmoid: dx = dy ⊙ y ⊙ (1 − y).

    dy, y: any one shape. Returns dx like dy.
    """
    return dy * y * (1 - y)


@accelerated()
def tanh(x: Array) -> Array:
    """Squash to (−1, 1): y = tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).

    x: any shape. Returns y like x.
    """
    return array_module(x).tanh(x)


@accelerated(_check_with_output)
def tanh_backward(dy: Array, y: Array) -> Array:
    """Multiply by the slope of tanh: dx = dy ⊙ (1 − y²).

    dy, y: any one shape. Returns dx like dy.
    """
    return dy * (1 - y * y)


@accelerated()
def relu6(x: Array) -> Array:
    """Set what is negative to 0, and what is above 6 to 6: y = min(max(x, 0), 6).

    x: any shape. Returns y like x. NaN stays NaN. Source: Howard et al. 2017 (MobileNet); Krizhevsky 2010.
    """
    xp = array_module(x)
    return xp.minimum(xp.maximum(x, 0), 6)


@accelerated(_check_with_output)
def relu6_backward(dy: Array, y: Array) -> Array:
    """Let the gradient through where the output is neither 0 nor 6: dx = dy ⊙ [0 < y < 6].

    dy, y: any one shape. Returns dx like dy. At both kinks, x = 0 and x = 6, the gradient is taken to be 0, and so
    it is where y is NaN; PyTorch lets it through there.
    """
    return dy * ((y > 0) & (y < 6))


def require_slope(slope: float) -> None:
    """Raise UsageError unless `slope` is a number of at least 0: else the sign of y would not tell that of x."""
    if not (is_number(slope) and 0 <= slope < math.inf):
        raise UsageError(f"slope={slope!r} should be at least 0, and finite")


def _check_leaky_relu(x: Array, slope: float = 0.01) -> None:
    require_slope(slope)


def _check_leaky_relu_backward(dy: Array, y: Array, slope: float = 0.01) -> None:
    _check_with_output(dy, y)
    require_slope(slope)


@accelerated(_check_leaky_relu)
def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """Let through a little of what is negative: y = x for x > 0, else slope·x.

    x: any shape. slope: at least 0, a plain number. Returns y like x. Raises UsageError for another slope.
    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models", §2.
    """
    if slope == 0:  # 0 times infinity would be NaN
        return relu(x)
    return array_module(x).where(x > 0, x, slope * x)


@accelerated(_check_leaky_relu_backward)
def leaky_relu_backward(dy: Array, y: Array, slope: float = 0.01) -> Array:
    """Let the gradient through where the output is positive, and a little of it elsewhere: dx = dy, or slope·dy.

    dy, y: any one shape. slope: as given to `leaky_relu`. Returns dx like dy. As the slope is not negative, y > 0 just
    where x > 0. At the kink, x = 0, the gradient is that of the negative side. Raises UsageError for another slope.
    """
    return array_module(dy).where(y > 0, dy, slope * dy)


@accelerated()
def silu(x: Array) -> Array:
    """Weigh x by its own sigmoid: y = x·σ(x); also called swish.

    x: any shape. Returns y like x. Source: Elfwing et al. 2017, "Sigmoid-weighted linear units", §2.
    """
    return array_module(x).maximum(x, -FAR) * sigmoid(x)


@accelerated(_check_with_input)
def silu_backward(dy: Array, x: Array) -> Array:
    """Multiply by the slope: dx = dy ⊙ σ(x) ⊙ (1 + x ⊙ (1 − σ(x))).

    dy, x: any one shape. Returns dx like dy.
    """
    near = array_module(x).clip(x, -FAR, FAR)
    share = sigmoid(near)
    return dy * share * (1 + near * (1 - share))


@accelerated()
def gelu(x: Array) -> Array:
    """Weigh x by how likely a normal number is to be smaller: y = x·Φ(x), with Φ(x) = ½·erfc(−x/√2).

    x: any shape. Returns y like x. This is the exact function, not its approximation by tanh.
    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units", §2.
    """
    return array_module(x).maximum(x, -FAR) * _normal_share_below(x)


@accelerated(_check_with_input)
def gelu_backward(dy: Array, x: Array) -> Array:
    """Multiply by the slope: dx = dy ⊙ (Φ(x) + x·φ(x)), with the normal density φ(x) = e^(−x²/2) / √(2π).

    dy, x: any one shape. Returns dx like dy.
    """
    xp = array_module(x)
    near = xp.clip(x, -FAR, FAR)
    density = xp.exp(-near * near / 2) / math.sqrt(2 * math.pi)
    return dy * (_normal_share_below(x) + near * density)


def _normal_share_below(x: Array) -> Array:
    """Return Φ(x), the share of the normal distribution (mean 0, deviation 1) below x."""
    return special_functions(x).erfc(-x / math.sqrt(2)) / 2
