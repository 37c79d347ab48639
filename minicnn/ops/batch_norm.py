"""Batch normalisation: each channel is brought to mean 0 and variance 1 over the whole batch, then scaled and shifted.

Shapes: x, y, dy, dx (N, H, W, C); weight, bias, mean, variance and their gradients (C,). With M = N·H·W pixels:

    mean = 1/M · Σ x        variance = 1/M · Σ (x − mean)²        x̂ = (x − mean) / √(variance + ε)
    y = weight ⊙ x̂ + bias

In training mean and variance are the batch's own, so that every pixel of a channel moves every other one. Backwards,
with dx̂ = weight ⊙ dy, the gradient takes three paths from x̂ to x:

    dx = ( dx̂  −  1/M · Σ dx̂  −  x̂ · 1/M · Σ dx̂ ⊙ x̂ ) / √(variance + ε)

x itself; the mean, which x raises and which is taken off all pixels alike; the variance, which x raises by its distance
from the mean and which divides them all. dx is what is left of dx̂ when its own mean and its share along x̂ are gone:
moving or stretching a whole channel changes nothing in y. In inference the statistics are given numbers, and only the
first path is left.

What is summed over pixels is summed in float64, and what is small beside its mean is taken from the mean before
anything else: 1000 ± 1 keeps all of its digits.

Source: Ioffe & Szegedy 2015, "Batch Normalization", §3 and algorithm 1.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import ShapeError
from minicnn.ops.windows import require_one_dtype, require_shape

PIXELS = (0, 1, 2)  # the axes N, H and W


def require_channels(operation: str, x: Array, **of_channels: Array) -> None:
    """Raise unless x is (N, H, W, C) and each other array (C,), in one float dtype."""
    shapes = {"x": x.shape, **{name: array.shape for name, array in of_channels.items()}}
    fits = x.ndim == 4 and all(array.shape == x.shape[3:] for array in of_channels.values())
    require_shape(fits, operation, **shapes)
    require_one_dtype(operation, x=x, **of_channels)
    if x.dtype.kind != "f":
        raise TypeError(f"{operation} computes in float32 or float64, but gets {x.dtype}: convert with astype first")


def require_gradient(operation: str, dy: Array, x: Array) -> None:
    """Raise unless dy is like x."""
    require_shape(dy.shape == x.shape, operation, dy=dy.shape, x=x.shape)
    require_one_dtype(operation, dy=dy, x=x)


def require_several_pixels(operation: str, x: Array) -> None:
    """Raise ShapeError unless each channel of x has at least two values, fewer of which have no spread."""
    n, h, w, _ = x.shape
    if n * h * w < 2:
        raise ShapeError(
            f"{operation} in training needs more than one value a channel, but gets x {x.shape}: "
            "one value's deviation from its own mean is always 0; give a larger batch, or larger pictures"
        )


def _check(x: Array, weight: Array, bias: Array, epsilon: float) -> None:
    require_channels("batch_norm", x, weight=weight, bias=bias)
    require_several_pixels("batch_norm", x)


@accelerated(_check)
def batch_norm(x: Array, weight: Array, bias: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """Normalise each channel by its own statistics over the batch: y = weight ⊙ (x − mean)/√(variance + ε) + bias.

    x: (N, H, W, C) with N·H·W ≥ 2. weight, bias: (C,). epsilon: ε, added to the variance. Returns (y like x; mean (C,);
    variance (C,), the biased one: Σ (x − mean)² is divided by N·H·W). Raises ShapeError when the shapes do not belong
    together or a channel has one value only, TypeError when dtypes differ. Source: Ioffe & Szegedy 2015, algorithm 1.
    """
    xp = array_module(x)
    mean = x.mean(axis=PIXELS, dtype="float64")
    variance = ((x - mean) ** 2).mean(axis=PIXELS)
    x_hat = (x - mean) / xp.sqrt(variance + epsilon)
    y = weight * x_hat + bias
    return y.astype(x.dtype), mean.astype(x.dtype), variance.astype(x.dtype)


def _check_backward(dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float) -> None:
    require_channels("batch_norm_backward", x, weight=weight, mean=mean, variance=variance)
    require_gradient("batch_norm_backward", dy, x)
    require_several_pixels("batch_norm_backward", x)


@accelerated(_check_backward)
def batch_norm_backward(
    dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Turn the gradient at y into those at x, weight and bias, by all three paths.

        dbias = Σ dy        dweight = Σ dy ⊙ x̂        dx = weight/√(variance + ε) ⊙ (dy − dbias/M − x̂·dweight/M)

    dy, x: (N, H, W, C), M = N·H·W. weight: (C,). mean, variance: (C,) as `batch_norm` returned them. epsilon: as given
    to it. Returns (dx like x, dweight (C,), dbias (C,)). Raises as `batch_norm`.
    Source: Ioffe & Szegedy 2015, §3, its chain of derivatives put together.
    """
    xp = array_module(x)
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    deviation = xp.sqrt(variance + epsilon)
    x_hat = (x - mean) / deviation
    x_hat = x_hat - x_hat.mean(axis=PIXELS, dtype="float64")  # 0, but for the mean's rounding: 3e-5 at 1000 in float32
    dbias = dy.sum(axis=PIXELS, dtype="float64")
    dweight = (dy * x_hat).sum(axis=PIXELS)
    dx = weight / deviation * (dy - dbias / pixels - x_hat * dweight / pixels)
    return dx.astype(x.dtype), dweight.astype(x.dtype), dbias.astype(x.dtype)


def _check_inference(x: Array, weight: Array, bias: Array, mean: Array, variance: Array, epsilon: float) -> None:
    require_channels("batch_norm_inference", x, weight=weight, bias=bias, mean=mean, variance=variance)


@accelerated(_check_inference)
def batch_norm_inference(x: Array, weight: Array, bias: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """Normalise each channel by given statistics: y = weight/√(variance + ε) ⊙ (x − mean) + bias.

    x: (N, H, W, C). weight, bias, mean, variance: (C,), the last two learnt while training. epsilon: ε, added to the
    variance. Returns y like x: each pixel on its own, whatever else is in the batch.
    Raises ShapeError when the shapes do not belong together, TypeError when dtypes differ.
    Source: Ioffe & Szegedy 2015, algorithm 2.
    """
    xp = array_module(x)
    return weight / xp.sqrt(variance + epsilon) * (x - mean) + bias


def _check_inference_backward(dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float) -> None:
    require_channels("batch_norm_inference_backward", x, weight=weight, mean=mean, variance=variance)
    require_gradient("batch_norm_inference_backward", dy, x)


@accelerated(_check_inference_backward)
def batch_norm_inference_backward(
    dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Turn the gradient at y into those at x, weight and bias, where the statistics were given numbers.

        dbias = Σ dy        dweight = Σ dy ⊙ x̂        dx = weight/√(variance + ε) ⊙ dy

    dy, x: (N, H, W, C). weight, mean, variance: (C,), and epsilon: as given to `batch_norm_inference`.
    Returns (dx like x, dweight (C,), dbias (C,)). Raises as `batch_norm_inference`.
    """
    xp = array_module(x)
    deviation = xp.sqrt(variance + epsilon)
    x_hat = (x - mean) / deviation
    dweight = (dy * x_hat).sum(axis=PIXELS, dtype="float64").astype(x.dtype)
    dbias = dy.sum(axis=PIXELS, dtype="float64").astype(x.dtype)
    return weight / deviation * dy, dweight, dbias
