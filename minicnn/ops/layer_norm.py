"""Layer normalisation: each pixel, or each vector, is brought to mean 0 and variance 1 over its own C numbers.

Shapes: x, y, dy, dx (…, C), a picture (N, H, W, C) or vectors (N, C); weight, bias and their gradients (C,); mean and
variance (…), one for each pixel or vector:

    mean = 1/C · Σ_c x        variance = 1/C · Σ_c (x − mean)²        x̂ = (x − mean) / √(variance + ε)
    y = weight ⊙ x̂ + bias

It is batch normalisation with rows and columns of the matrix (pixels, channels) exchanged: no sample sees another one,
so that training and inference are the same. Backwards, with dx̂ = weight ⊙ dy, the same three paths (the number itself,
the mean, the variance) lead from x̂ to x:

    dx = ( dx̂  −  1/C · Σ_c dx̂  −  x̂ · 1/C · Σ_c dx̂ ⊙ x̂ ) / √(variance + ε)

Source: Ba, Kiros & Hinton 2016, "Layer Normalization", §3; over the last axis, as torch.nn.LayerNorm(C).
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.ops.windows import require_one_dtype, require_shape


def _require_rows(operation: str, x: Array, **of_channels: Array) -> None:
    """Raise unless x is (…, C), with at least one number a row, and each other array (C,), in one float dtype."""
    shapes = {"x": x.shape, **{name: array.shape for name, array in of_channels.items()}}
    fits = x.ndim >= 2 and x.shape[-1] > 0 and all(array.shape == x.shape[-1:] for array in of_channels.values())
    require_shape(fits, operation, **shapes)
    require_one_dtype(operation, x=x, **of_channels)
    if x.dtype.kind != "f":
        raise TypeError(f"{operation} computes in float32 or float64, but gets {x.dtype}: convert with astype first")


def _check(x: Array, weight: Array, bias: Array, epsilon: float) -> None:
    _require_rows("layer_norm", x, weight=weight, bias=bias)


@accelerated(_check)
def layer_norm(x: Array, weight: Array, bias: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """Normalise each pixel or vector over its channels: y = weight ⊙ (x − mean)/√(variance + ε) + bias.

    x: (…, C), two axes or more. weight, bias: (C,). epsilon: ε, added to the variance. Returns (y like x; mean and
    variance (…), without the last axis, the variance biased: divided by C). Raises ShapeError when the shapes do not
    belong together, TypeError when dtypes differ. Source: Ba, Kiros & Hinton 2016, §3.
    """
    xp = array_module(x)
    mean = x.mean(axis=-1, dtype="float64", keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    x_hat = (x - mean) / xp.sqrt(variance + epsilon)
    y = weight * x_hat + bias
    return y.astype(x.dtype), mean[..., 0].astype(x.dtype), variance[..., 0].astype(x.dtype)


def _check_backward(dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float) -> None:
    _require_rows("layer_norm_backward", x, weight=weight)
    require_shape(
        dy.shape == x.shape and mean.shape == variance.shape == x.shape[:-1],
        "layer_norm_backward", dy=dy.shape, x=x.shape, mean=mean.shape, variance=variance.shape,
    )  # fmt: skip
    require_one_dtype("layer_norm_backward", dy=dy, x=x, mean=mean, variance=variance)


@accelerated(_check_backward)
def layer_norm_backward(
    dy: Array, x: Array, weight: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Turn the gradient at y into those at x, weight and bias.

        dbias = Σ dy        dweight = Σ dy ⊙ x̂        (over all axes but the last)

    dy, x: (…, C). weight: (C,). mean, variance: (…) as `layer_norm` returned them. epsilon: as given to it.
    Returns (dx like x, dweight (C,), dbias (C,)). Raises as `layer_norm`.
    """
    xp = array_module(x)
    rows = tuple(range(x.ndim - 1))
    deviation = xp.sqrt(variance + epsilon)[..., None]
    x_hat = (x - mean[..., None]) / deviation
    x_hat = x_hat - x_hat.mean(axis=-1, dtype="float64", keepdims=True)  # 0, but for the mean's rounding to x's dtype
    dx_hat = dy * weight
    dx = dx_hat - dx_hat.mean(axis=-1, dtype="float64", keepdims=True)
    dx = (dx - x_hat * (dx_hat * x_hat).mean(axis=-1, keepdims=True)) / deviation
    dweight = (dy * x_hat).sum(axis=rows)
    dbias = dy.sum(axis=rows, dtype="float64")
    return dx.astype(x.dtype), dweight.astype(x.dtype), dbias.astype(x.dtype)
